//! Regular expressions over the text of AS_PATHs.
//!
//! The text is FRR's: `65001 65002 {65003,65004}`; confederation segments are `(…)` and `[…]` (RFC 5065 §3).

use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};

use heddle_bgp_core::Asn;
use heddle_bgp_core::attr::{AsPath, AsPathView};
use regex_automata::meta::Regex;

use super::error::PolicyError;

/// Writes the text of a path over `out`, as FRR prints it.
pub fn write_text(value: &[u8], out: &mut String) {
    out.clear();
    // Writing to a String cannot fail.
    let _ = write!(out, "{}", AsPathView(value));
}

/// A path without the private AS numbers that lead it (RFC 6996 §5), up to the first public one; `keep` is never
/// removed.
#[must_use]
pub fn without_leading_private(value: &[u8], keep: Option<Asn>) -> AsPath {
    let mut out = AsPath::new();
    let mut leading = true;
    for segment in AsPathView(value).segments() {
        let kept: Vec<Asn> = segment
            .asns()
            .filter(|asn| {
                leading &= asn.is_private();
                !leading || Some(*asn) == keep
            })
            .collect();
        out.push_segment(segment.kind, &kept);
    }
    out
}

/// A compiled regular expression over the text of AS_PATHs; linear in the length of the path.
///
/// `_` matches the start, the end, or one of space, comma, braces, parentheses, as in FRR and IOS; inside brackets it
/// stands for those characters. Equality and hash are those of the text.
#[derive(Clone)]
pub struct AsPathRegex {
    text: Box<str>,
    compiled: Regex,
}

/// What `_` stands for outside and inside of brackets.
const SEPARATOR: &str = "(?:^|[,{}() ]|$)";
const SEPARATOR_IN_CLASS: &str = ",{}() ";
/// The most that an expression may compile to, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

impl AsPathRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// A malformed expression, with the column of the fault, or one that would take too much memory.
    pub fn new(text: &str) -> Result<Self, PolicyError> {
        let (pattern, columns) = expand(text);
        let fault = |span: &regex_syntax::ast::Span, reason: String| {
            let column = columns.get(span.start.offset).or_else(|| columns.last()).copied().unwrap_or(1);
            PolicyError::Regex { text: text.to_owned(), column, reason }
        };
        let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(64).build().parse(&pattern);
        let hir = hir.map_err(|error| match &error {
            regex_syntax::Error::Parse(e) => fault(e.span(), e.kind().to_string()),
            regex_syntax::Error::Translate(e) => fault(e.span(), e.kind().to_string()),
            other => PolicyError::Regex { text: text.to_owned(), column: 1, reason: other.to_string() },
        })?;
        let config =
            Regex::config().nfa_size_limit(Some(SIZE_LIMIT)).hybrid_cache_capacity(SIZE_LIMIT / 4).utf8_empty(false);
        let compiled = Regex::builder().configure(config).build_from_hir(&hir);
        let compiled = compiled.map_err(|_| PolicyError::RegexTooLarge { text: text.to_owned(), limit: SIZE_LIMIT })?;
        Ok(Self { text: text.into(), compiled })
    }

    /// Whether the expression matches somewhere in the text of a path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.compiled.is_match(path)
    }

    /// The expression as the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The expression with `_` written out, and for each byte of it the column (from 1) in the user's text.
fn expand(text: &str) -> (String, Vec<usize>) {
    let mut pattern = String::with_capacity(text.len());
    let mut columns = Vec::with_capacity(text.len() + 1);
    let (mut escaped, mut in_class) = (false, false);
    for (index, c) in text.chars().enumerate() {
        match (c, escaped) {
            ('_', false) if in_class => pattern.push_str(SEPARATOR_IN_CLASS),
            ('_', false) => pattern.push_str(SEPARATOR),
            // An escaped underscore is one; a path has none to match.
            _ => pattern.push(c),
        }
        match (c, escaped) {
            ('[', false) => in_class = true,
            (']', false) => in_class = false,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        columns.resize(pattern.len(), index + 1);
    }
    columns.push(text.chars().count().max(1));
    (pattern, columns)
}

impl fmt::Debug for AsPathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsPathRegex({:?})", self.text)
    }
}
impl fmt::Display for AsPathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl PartialEq for AsPathRegex {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for AsPathRegex {}
impl Hash for AsPathRegex {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

#[cfg(test)]
mod tests;
