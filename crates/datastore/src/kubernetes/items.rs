//! Cuts an answer into objects while it comes in: no more than one of them is in memory.

/// An object larger than this is none that an API server stores.
pub(super) const LARGEST: usize = 16 << 20;

/// Something in the answer is larger than [`LARGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Cuts a list, `{"metadata": …, "items": [ITEM, …]}`, into its items and the rest.
///
/// It counts braces outside of texts; whether that is JSON is the business of those who read the pieces.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// All but the items.
    rest: Vec<u8>,
    /// The beginning of an item.
    item: Vec<u8>,
    depth: u32,
    place: Place,
    text: Text,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Outside of the items.
    #[default]
    Around,
    /// Among the items.
    Between,
    /// In an item, which is complete at this depth.
    Inside,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

impl Items {
    /// Takes a piece of the answer; calls `each` with every item that is complete.
    pub(super) fn take(&mut self, piece: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), TooLarge> {
        for octet in piece {
            self.octet(*octet, &mut each)?;
        }
        Ok(())
    }

    /// The list without its items, if the answer was complete.
    pub(super) fn rest(self) -> Option<Vec<u8>> {
        (self.place == Place::Around && self.depth == 0 && !self.rest.is_empty()).then_some(self.rest)
    }

    fn octet(&mut self, octet: u8, each: &mut impl FnMut(&[u8])) -> Result<(), TooLarge> {
        let (before, was_text) = (self.depth, self.text != Text::Outside);
        self.count(octet);
        match self.place {
            Place::Around => {
                push(&mut self.rest, octet)?;
                if !was_text && octet == b'[' && before == 1 && names_items(&self.rest) {
                    self.place = Place::Between;
                }
            }
            Place::Between if octet == b']' => {
                push(&mut self.rest, octet)?;
                self.place = Place::Around;
            }
            Place::Between if octet == b'{' => {
                self.item.clear();
                self.item.push(octet);
                self.place = Place::Inside;
            }
            // Commas and blanks; what else is there makes the list no JSON for nobody but us.
            Place::Between => {}
            Place::Inside => {
                push(&mut self.item, octet)?;
                if self.depth == 2 && self.text == Text::Outside && octet == b'}' {
                    each(&self.item);
                    self.place = Place::Between;
                }
            }
        }
        Ok(())
    }

    /// Keeps count of braces and texts.
    fn count(&mut self, octet: u8) {
        self.text = match (self.text, octet) {
            (Text::Outside, b'"') => Text::Inside,
            (Text::Outside, _) => {
                match octet {
                    b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                Text::Outside
            }
            (Text::Inside, b'\\') => Text::Escaped,
            (Text::Inside, b'"') => Text::Outside,
            (Text::Inside | Text::Escaped, _) => Text::Inside,
        };
    }
}

fn push(to: &mut Vec<u8>, octet: u8) -> Result<(), TooLarge> {
    if to.len() >= LARGEST {
        return Err(TooLarge);
    }
    to.push(octet);
    Ok(())
}

/// Whether the bracket that was just read begins the value of `items`.
fn names_items(rest: &[u8]) -> bool {
    let trimmed = rest.strip_suffix(b"[").map(<[u8]>::trim_ascii_end);
    trimmed.and_then(|r| r.strip_suffix(b":")).is_some_and(|r| r.trim_ascii_end().ends_with(b"\"items\""))
}

/// Cuts the events of a watch apart: each is a line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
}

impl Lines {
    /// Takes a piece of the answer; calls `each` with every line that is complete and not empty.
    pub(super) fn take(&mut self, piece: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), TooLarge> {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|c| *c == b'\n') {
            let (head, tail) = rest.split_at(end);
            rest = tail.get(1..).unwrap_or_default();
            if self.line.is_empty() {
                each_line(head, &mut each);
            } else {
                self.extend(head)?;
                each_line(&self.line, &mut each);
                self.line = Vec::new();
            }
        }
        self.extend(rest)
    }

    fn extend(&mut self, piece: &[u8]) -> Result<(), TooLarge> {
        if self.line.len().saturating_add(piece.len()) > LARGEST {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }
}

fn each_line(line: &[u8], each: &mut impl FnMut(&[u8])) {
    let line = line.trim_ascii();
    if !line.is_empty() {
        each(line);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn cut(text: &str, size: usize) -> (Vec<String>, Option<String>) {
        let (mut items, mut found) = (Items::default(), Vec::new());
        for piece in text.as_bytes().chunks(size.max(1)) {
            let each = |item: &[u8]| found.push(String::from_utf8_lossy(item).into_owned());
            items.take(piece, each).expect("small");
        }
        (found, items.rest().map(|rest| String::from_utf8_lossy(&rest).into_owned()))
    }

    #[test]
    fn a_list_in_pieces_of_any_size() {
        let text = r#" {"kind":"L","metadata":{"items":["no",{"n":1}],"continue":"a}]\"{"},
            "items" : [ {"a":"}\\","b":[{"c":"]"}]} , {"x":"\"items\":["},{}], "z":["items",[1]]} "#;
        for size in 1..text.len() {
            let (items, rest) = cut(text, size);
            assert_eq!(items, [r#"{"a":"}\\","b":[{"c":"]"}]}"#, r#"{"x":"\"items\":["}"#, "{}"], "{size}");
            let rest: Value = serde_json::from_str(&rest.expect("it is complete")).expect("JSON");
            assert_eq!(rest["items"], json!([]));
            assert_eq!((&rest["metadata"]["continue"], &rest["z"]), (&json!("a}]\"{"), &json!(["items", [1]])));
        }
    }

    #[test]
    fn a_list_that_breaks_off_has_no_rest() {
        let text = r#"{"metadata":{},"items":[{"a":1},{"b":2}]}"#;
        for end in 0..text.len() {
            assert_eq!(cut(&text[..end], 7).1, None, "{end}");
        }
        assert!(cut(text, 7).1.is_some());
        assert_eq!(cut(r#"{"items":null}"#, 3), (vec![], Some(r#"{"items":null}"#.to_owned())));
    }

    #[test]
    fn lines_of_any_cut() {
        let text = "{\"a\":1}\n\r\n{\"b\":2}\r\n{\"c\":3}";
        for size in 1..text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                lines.take(piece, |l| found.push(String::from_utf8_lossy(l).into_owned())).expect("small");
            }
            assert_eq!(found, ["{\"a\":1}", "{\"b\":2}"], "the last has no end yet");
        }
    }

    #[test]
    fn nothing_grows_without_bounds() {
        let piece = vec![b'a'; 1 << 20];
        let (mut lines, mut items, mut around) = (Lines::default(), Items::default(), Items::default());
        items.take(b"{\"items\":[{\"", |_| ()).expect("small");
        let all = |f: &mut dyn FnMut() -> Result<(), TooLarge>| (0..20).map(|_| f()).find(Result::is_err);
        assert!(all(&mut || lines.take(&piece, |_| ())).is_some());
        assert!(all(&mut || items.take(&piece, |_| ())).is_some());
        assert!(all(&mut || around.take(&piece, |_| ())).is_some());
    }

    proptest! {
        #[test]
        fn no_octets_are_too_bad(text in proptest::collection::vec(proptest::sample::select(br#"{}[]",:\items "#.to_vec()), 0..200)) {
            let (mut items, mut lines) = (Items::default(), Lines::default());
            prop_assert_eq!(items.take(&text, |_| ()), Ok(()));
            prop_assert_eq!(lines.take(&text, |_| ()), Ok(()));
        }
    }
}
