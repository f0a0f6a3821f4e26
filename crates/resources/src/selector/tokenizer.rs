//! The words of a selector.
//!
//! Keywords depend on what comes before: only behind a label is `contains` an operator, and only elsewhere is `has(` one.

use super::{MAX_LABEL_LENGTH, SelectorError};

/// A word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Label(&'t str),
    Text(&'t str),
    LeftBrace,
    RightBrace,
    Comma,
    Equal,
    NotEqual,
    In,
    NotIn,
    Contains,
    StartsWith,
    EndsWith,
    Not,
    All,
    Has(&'t str),
    Global,
    LeftParenthesis,
    RightParenthesis,
    And,
    Or,
    End,
}

/// Cuts a selector into words, one a call.
#[derive(Clone, Debug)]
pub(super) struct Tokenizer<'t> {
    text: &'t str,
    rest: &'t str,
    behind_label: bool,
}

impl<'t> Tokenizer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, rest: text, behind_label: false }
    }

    /// What is not yet cut.
    pub(super) fn rest(&self) -> &'t str {
        self.rest
    }

    /// The number of the character at which a rest of the text begins. Counts; for errors only.
    pub(super) fn position(&self, rest: &str) -> usize {
        let before = self.text.len().saturating_sub(rest.len());
        self.text.get(..before).map_or(0, |before| before.chars().count()) + 1
    }

    fn expected(&self, expected: &'static str) -> SelectorError {
        SelectorError::Expected { at: self.position(self.rest), expected }
    }

    /// Only spaces and tabs separate words: a line's end does not.
    pub(super) fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The next word; at the end [`Token::End`], again and again.
    pub(super) fn next(&mut self) -> Result<Token<'t>, SelectorError> {
        self.skip_spaces();
        let token = self.word()?;
        self.behind_label = matches!(token, Token::Label(_));
        Ok(token)
    }

    fn word(&mut self) -> Result<Token<'t>, SelectorError> {
        const SIMPLE: [(&str, Token<'static>); 10] = [
            ("(", Token::LeftParenthesis),
            (")", Token::RightParenthesis),
            ("{", Token::LeftBrace),
            ("}", Token::RightBrace),
            (",", Token::Comma),
            ("==", Token::Equal),
            ("!=", Token::NotEqual),
            ("!", Token::Not),
            ("&&", Token::And),
            ("||", Token::Or),
        ];
        for (text, token) in SIMPLE {
            if self.take(text) {
                return Ok(token);
            }
        }
        match self.rest.chars().next() {
            None => Ok(Token::End),
            Some(mark @ ('"' | '\'')) => {
                let unterminated = SelectorError::UnterminatedText { at: self.position(self.rest) };
                let after = self.rest.strip_prefix(mark).unwrap_or_default();
                let (value, rest) = after.split_once(mark).ok_or(unterminated)?;
                self.rest = rest;
                Ok(Token::Text(value))
            }
            Some('=') => Err(self.expected("==")),
            Some('&') => Err(self.expected("&&")),
            Some('|') => Err(self.expected("||")),
            Some(_) if self.behind_label => self.operator(),
            Some(_) => self.operand(),
        }
    }

    /// Behind a label: a keyword that compares it.
    fn operator(&mut self) -> Result<Token<'t>, SelectorError> {
        const OPERATORS: [(&[&str], Token<'static>); 5] = [
            (&["contains"], Token::Contains),
            (&["starts", "with"], Token::StartsWith),
            (&["ends", "with"], Token::EndsWith),
            (&["not", "in"], Token::NotIn),
            (&["in"], Token::In),
        ];
        for (words, token) in OPERATORS {
            if self.take_words(words) {
                return Ok(token);
            }
        }
        Err(self.expected("an operator such as == or in, and a value in quotation marks behind it,"))
    }

    /// Several words may stand with spaces between them or without; behind the last one no letter of a label may stand.
    fn take_words(&mut self, words: &[&str]) -> bool {
        let mut trial = self.clone();
        for word in words {
            if !trial.take(word) {
                return false;
            }
            // Behind the last word of several, too, so that `not in x` is no operator and a label.
            if words.len() > 1 {
                trial.skip_spaces();
            }
        }
        if trial.rest.bytes().next().is_some_and(is_label_octet) {
            return false;
        }
        *self = trial;
        true
    }

    fn operand(&mut self) -> Result<Token<'t>, SelectorError> {
        if self.take("has(") {
            self.skip_spaces();
            let label = self.label()?;
            self.close()?;
            Ok(Token::Has(label))
        } else if self.take("all(") {
            self.close()?;
            Ok(Token::All)
        } else if self.take("global(") {
            self.close()?;
            Ok(Token::Global)
        } else {
            self.label().map(Token::Label)
        }
    }

    fn close(&mut self) -> Result<(), SelectorError> {
        self.skip_spaces();
        if self.take(")") { Ok(()) } else { Err(self.expected("a closing parenthesis")) }
    }

    fn label(&mut self) -> Result<&'t str, SelectorError> {
        let end = self.rest.bytes().position(|c| !is_label_octet(c)).unwrap_or(self.rest.len());
        let (label, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        if label.is_empty() {
            return Err(self.expected("the name of a label, has(), all() or a parenthesis"));
        }
        if label.len() > MAX_LABEL_LENGTH {
            return Err(SelectorError::LabelTooLong { at: self.position(self.rest) });
        }
        self.rest = rest;
        Ok(label)
    }
}

fn is_label_octet(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"_./-".contains(&c)
}
