//! Label selectors.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::metadata::Labels;

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectorError {}

/// A condition on labels, such as `rack == "1" && has(router)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Selector {
    canonical: Arc<str>,
}

impl Selector {
    /// `all()`: holds for every set of labels.
    #[must_use]
    pub fn all() -> Self {
        Self { canonical: "all()".into() }
    }

    /// Whether it holds for these labels.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_with(|name| labels.get(name))
    }

    /// Whether it holds where the labels are looked up by a function.
    #[must_use]
    pub fn matches_with<'l>(&self, lookup: impl Fn(&str) -> Option<&'l str>) -> bool {
        lookup("").is_none()
    }

    /// The canonical text: two selectors with the same one are the same.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(_text: &str) -> Result<Self, SelectorError> {
        Ok(Self::all())
    }
}

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
