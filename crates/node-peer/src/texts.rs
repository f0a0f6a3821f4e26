//! Many short texts in one allocation: thousands of peers have names that are hardly ever read.

use std::fmt::{Display, Write as _};

/// Texts in their order.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    text: String,
    /// Where each ends in `text`.
    ends: Vec<usize>,
}

impl Texts {
    /// Adds one at the end.
    pub(crate) fn push(&mut self, text: &impl Display) {
        // A string takes everything.
        let _ = write!(self.text, "{text}");
        self.ends.push(self.text.len());
    }

    /// Gives back what was allocated in advance.
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| self.text.get(begin..*end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back_in_order() {
        let mut texts = Texts::default();
        for text in ["eins", "", "zwölf"] {
            texts.push(&text);
        }
        texts.shrink();
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["eins", "", "zwölf"]);
        assert_eq!(Texts::default().iter().count(), 0);
    }
}
