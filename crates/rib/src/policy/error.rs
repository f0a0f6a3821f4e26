//! Why a policy cannot be built. Every error names the field, the offending text and where in it, so that whoever reads
//! the configuration file can add file and line.

use std::fmt;

use heddle_bgp_core::Prefix;
use heddle_bgp_core::prefix::PrefixParseError;
use thiserror::Error;

/// The part of a policy that a text stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyField {
    /// An entry of a prefix set.
    PrefixSet,
    /// A community (RFC 1997).
    Community,
    /// An extended community (RFC 4360).
    ExtendedCommunity,
    /// A large community (RFC 8092).
    LargeCommunity,
    /// An AS_PATH regular expression.
    AsPath,
    /// A number with an optional range.
    Number,
}

impl fmt::Display for PolicyField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PrefixSet => "prefix set",
            Self::Community => "community",
            Self::ExtendedCommunity => "extended community",
            Self::LargeCommunity => "large community",
            Self::AsPath => "AS_PATH regular expression",
            Self::Number => "number",
        })
    }
}

/// Why a policy cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// A text that is no prefix.
    #[error("{field}, column {column}: {error}")]
    Prefix {
        /// Where it stands.
        field: PolicyField,
        /// Column in the text, from 1.
        column: usize,
        /// What is wrong with it.
        error: PrefixParseError,
    },
    /// Bounds that no prefix inside the entry can have.
    #[error("prefix set: {prefix} ge {min_len} le {max_len} can never match: lengths go from {} to {longest}", prefix.len())]
    PrefixBounds {
        /// The entry's prefix.
        prefix: Prefix,
        /// The shortest length asked for.
        min_len: u8,
        /// The longest length asked for.
        max_len: u8,
        /// The longest length of the family.
        longest: u8,
    },
    /// A text that does not have the form of its field.
    #[error("{field} {text:?}, column {column}: {found:?} does not fit; write {expected}")]
    Syntax {
        /// What the text should have been.
        field: PolicyField,
        /// The whole text.
        text: String,
        /// The part that does not fit.
        found: String,
        /// Where that part begins, from 1.
        column: usize,
        /// The form that is expected.
        expected: &'static str,
    },
    /// A regular expression that does not compile.
    #[error("{} {text:?}, column {column}: {reason}", PolicyField::AsPath)]
    Regex {
        /// The whole expression, as the user wrote it.
        text: String,
        /// Where the fault is, from 1.
        column: usize,
        /// What the fault is.
        reason: String,
    },
    /// A regular expression that compiles to more than the size limit.
    #[error(
        "{} {text:?} is too large: it compiles to more than {limit} bytes; use smaller repetition counts",
        PolicyField::AsPath
    )]
    RegexTooLarge {
        /// The whole expression, as the user wrote it.
        text: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// More AS numbers to prepend than any sane path has.
    #[error("prepend {times} times: 1 to {max} are possible")]
    PrependCount {
        /// What was asked for.
        times: usize,
        /// The most that is possible.
        max: usize,
    },
    /// Two policies with one name.
    #[error("policy {0:?} is defined twice; give one of them another name")]
    DuplicatePolicy(String),
    /// A name that no policy has.
    #[error("there is no policy {name:?}; known are: {}", known.join(", "))]
    UnknownPolicy {
        /// The name.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
}

impl PolicyError {
    /// The column in the offending text, from 1; none where the error is about the whole.
    #[must_use]
    pub const fn column(&self) -> Option<usize> {
        match self {
            Self::Prefix { column, .. } | Self::Syntax { column, .. } | Self::Regex { column, .. } => Some(*column),
            Self::PrefixBounds { .. }
            | Self::RegexTooLarge { .. }
            | Self::PrependCount { .. }
            | Self::DuplicatePolicy(_)
            | Self::UnknownPolicy { .. } => None,
        }
    }

    /// A [`PolicyError::Syntax`] about `found`, a part of `text`; the column is found by address where `found` is a slice
    /// of `text`, else by search.
    pub(super) fn syntax(field: PolicyField, text: &str, found: &str, expected: &'static str) -> Self {
        let offset = (found.as_ptr() as usize)
            .checked_sub(text.as_ptr() as usize)
            .filter(|&o| text.get(o..).is_some_and(|rest| rest.starts_with(found)))
            .or_else(|| text.find(found))
            .unwrap_or(0);
        let column = text.get(..offset).unwrap_or("").chars().count() + 1;
        Self::Syntax { field, text: text.to_owned(), found: found.to_owned(), column, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the operator reads begins with what the text should have been.
    #[test]
    fn a_fault_names_its_field() {
        let rows = [
            (PolicyField::PrefixSet, "prefix set"),
            (PolicyField::Community, "community"),
            (PolicyField::ExtendedCommunity, "extended community"),
            (PolicyField::LargeCommunity, "large community"),
            (PolicyField::AsPath, "AS_PATH regular expression"),
            (PolicyField::Number, "number"),
        ];
        for (field, name) in rows {
            let text = "a:bc";
            let error = PolicyError::syntax(field, text, &text[2..], "a form");
            assert_eq!(error.to_string(), format!("{name} \"a:bc\", column 3: \"bc\" does not fit; write a form"));
            assert_eq!(error.column(), Some(3));
        }
        assert_eq!(PolicyError::DuplicatePolicy("a".into()).column(), None);
    }
}
