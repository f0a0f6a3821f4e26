//! The text of a file, places in it, and the errors found so far.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{ConfigError, Problem};
use crate::value::Location;

/// More errors than this are not reported: the rest are most likely consequences.
const MAX_ERRORS: usize = 100;

/// The text of a file, and the errors found in it so far.
pub(crate) struct Source<'t> {
    file: Arc<str>,
    text: &'t str,
    /// Offsets at which lines begin, ascending, the first 0.
    lines: Vec<usize>,
    errors: RefCell<Vec<(usize, ConfigError)>>,
    /// Compiles an AS_PATH expression, to see whether it is one.
    pub(crate) check_expression: CheckExpression<'t>,
}

/// Says what is wrong with an AS_PATH expression.
pub type CheckExpression<'c> = &'c dyn Fn(&str) -> Result<(), ExpressionError>;

/// Why a text is no AS_PATH expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// Where in the expression, in characters from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// Whether a line gives a key in place. Messages, which end up in logs, do not show such a line.
fn has_password(line: &str) -> bool {
    let word = "password";
    let after = line.match_indices(word).filter_map(|(i, _)| line.get(i + word.len()..));
    after.map(|rest| rest.trim_start_matches(['"', '\'', ' ', '\t'])).any(|rest| rest.starts_with('='))
}

impl<'t> Source<'t> {
    pub(crate) fn new(file: &str, text: &'t str, check_expression: CheckExpression<'t>) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Self { file: Arc::from(file), text, lines, errors: RefCell::default(), check_expression }
    }

    /// The text at these offsets; empty where they are none of this file.
    pub(crate) fn slice(&self, span: Range<usize>) -> &'t str {
        self.text.get(span).unwrap_or_default()
    }

    /// Number of the line, from 0, and the offset at which it begins.
    fn line_of(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&start| start <= offset).saturating_sub(1);
        (line, self.lines.get(line).copied().unwrap_or(0))
    }

    /// Line number, from 1.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        u32::try_from(self.line_of(offset).0 + 1).unwrap_or(u32::MAX)
    }

    /// The place of an offset.
    pub(crate) fn location(&self, offset: usize) -> Location {
        let (_, start) = self.line_of(offset);
        let column = self.slice(start..offset).chars().count() + 1;
        Location {
            file: Arc::clone(&self.file),
            line: self.line(offset),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }

    /// The line in which an offset stands, without its end.
    pub(crate) fn line_text(&self, line: u32) -> &'t str {
        let line = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or(self.text.len());
        let end = self.lines.get(line + 1).copied().unwrap_or(self.text.len());
        self.slice(start..end).trim_end_matches(['\n', '\r'])
    }

    /// An error at these offsets.
    pub(crate) fn error(&self, span: Range<usize>, problem: impl Into<Problem>) {
        let mut errors = self.errors.borrow_mut();
        if errors.len() >= MAX_ERRORS {
            return;
        }
        let at = self.location(span.start);
        let line_text = Some(self.line_text(at.line)).filter(|l| !has_password(l)).unwrap_or_default().to_owned();
        let shown = self.slice(span.clone());
        let width = shown.split('\n').next().unwrap_or_default().chars().count().max(1);
        errors.push((span.start, ConfigError { at, line_text, width, problem: problem.into() }));
    }

    /// Whether an error was found.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.borrow().is_empty()
    }

    /// All errors, in the order of the file.
    pub(crate) fn into_errors(self) -> Vec<ConfigError> {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|(offset, _)| *offset);
        let mut errors: Vec<_> = errors.into_iter().map(|(_, e)| e).collect();
        errors.dedup();
        errors
    }
}
