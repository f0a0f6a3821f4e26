//! Label selectors, with Calico's grammar.
//!
//! ```text
//! or  := and ('||' and)*
//! and := op ('&&' op)*
//! op  := '!'* ( has(L) | all() | global() | L == 'v' | L != 'v' | L contains 'v' | L starts with 'v'
//!             | L ends with 'v' | L in {'a', 'b'} | L not in {'a'} | '(' or ')' )
//! ```
//!
//! A run of `!` negates the one operation after it, or not, by its parity. A text without any token is `all()`. Words
//! such as `contains` are keywords only behind a label, so that a label may have their names. A label that is missing
//! is not equal to anything, contains nothing and is in no set: `!=` and `not in` hold for it, the other comparisons do
//! not. `global()` holds for all labels: what it means for namespaces is the business of who uses it.

mod ast;
mod parser;
mod tokenizer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha224};
use thiserror::Error;

use crate::metadata::Labels;
use ast::Expression;

/// How long the text of a selector may be, in octets, as it is written and in its canonical form.
pub const MAX_LENGTH: usize = 65_536;

/// How deep a selector may nest: parentheses, and operations within operations.
pub const MAX_DEPTH: usize = 200;

/// How long the name of a label may be, in octets.
pub const MAX_LABEL_LENGTH: usize = 512;

/// Why a text is no selector. `at` counts characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectorError {
    /// Something else should stand there.
    #[error("character {at}: write {expected} here")]
    Expected {
        /// Where.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A quotation mark without its partner.
    #[error("character {at}: this text has no closing quotation mark; write one")]
    UnterminatedText {
        /// Where the text begins.
        at: usize,
    },
    /// A name longer than [`MAX_LABEL_LENGTH`].
    #[error("character {at}: a label has at most 512 characters")]
    LabelTooLong {
        /// Where the name begins.
        at: usize,
    },
    /// Longer than [`MAX_LENGTH`].
    #[error("longer than 65536 octets; use fewer values")]
    TooLong,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than 200 levels; use fewer parentheses")]
    TooDeep,
}

/// A condition on labels, such as `rack == "1" && has(router)`. Cheap to clone.
#[derive(Clone)]
pub struct Selector {
    canonical: Arc<str>,
    root: Arc<Expression>,
}

impl Selector {
    /// `all()`: holds for every set of labels.
    #[must_use]
    pub fn all() -> Self {
        Self { canonical: "all()".into(), root: Arc::new(Expression::All) }
    }

    /// Whether it holds for these labels.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_with(|name| labels.get(name))
    }

    /// Whether it holds where the labels are looked up by a function.
    #[must_use]
    pub fn matches_with<'l>(&self, lookup: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.root.holds(&lookup)
    }

    /// Whether `global()` is somewhere in it.
    #[must_use]
    pub fn mentions_global(&self) -> bool {
        self.root.mentions_global()
    }

    /// The canonical text, as Calico writes it: two selectors with the same one are the same.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// Calico's identifier of the selector, which it uses for IP sets: `s:` and the SHA-224 of `s:` and the canonical
    /// text, in base64url without padding.
    #[must_use]
    pub fn unique_id(&self) -> String {
        let mut hash = Sha224::new();
        hash.update(b"s:");
        hash.update(self.canonical.as_bytes());
        format!("s:{}", URL_SAFE_NO_PAD.encode(hash.finalize()))
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if text.len() > MAX_LENGTH {
            return Err(SelectorError::TooLong);
        }
        let root = parser::parse(text)?;
        let canonical = root.to_string();
        if canonical.len() > MAX_LENGTH {
            return Err(SelectorError::TooLong);
        }
        Ok(Self { canonical: canonical.into(), root: Arc::new(root) })
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Selector {}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selector({})", self.canonical)
    }
}
