//! One event, one line of the log, whatever texts are in it.
//!
//! Texts of peers (a shutdown communication, a host name), of files and of datastore objects (names, selectors) come into the
//! log. None of them is to begin a line that looks like one of ours, to move the cursor of whoever reads, or to turn the
//! direction of writing. So nobody who logs has to think of it: every event is escaped as a whole, on its way out.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text.
    Plain,
    /// Text for a terminal: the time dimmed, the level in its colour. What begins a colour may be in a text, so that colours
    /// come last, into a line that has been escaped, and only before anything that somebody else said.
    Coloured,
    /// A JSON object a line.
    Json,
}

/// Writes events, of which each comes in one call.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    to: W,
    form: Form,
}

impl<W: Write> Lines<W> {
    /// To a writer.
    pub(crate) const fn new(to: W, form: Form) -> Self {
        Self { to, form }
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let event_text = String::from_utf8_lossy(event);
        let line = escape(&event_text, self.form);
        let coloured = if self.form == Form::Coloured { coloured(&line) } else { None };
        self.to.write_all(coloured.as_deref().unwrap_or(&line).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Whether a character may not stand in a line: control characters, separators of lines and paragraphs, what is invisible, and
/// what turns the direction of writing (Unicode Standard Annex 9).
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// An event as one line; its own end of line stays.
fn escape(event: &str, form: Form) -> Cow<'_, str> {
    let line = event.strip_suffix('\n').unwrap_or(event);
    if !line.contains(is_odd) {
        return Cow::Borrowed(event);
    }
    let mut out = String::with_capacity(event.len().saturating_add(32));
    for c in line.chars() {
        if is_odd(c) { push(&mut out, c, form) } else { out.push(c) }
    }
    out.push_str(event.strip_prefix(line).unwrap_or_default());
    Cow::Owned(out)
}

/// A line that begins with its time and its level, in colours; none where it does not.
fn coloured(line: &str) -> Option<String> {
    let (time, rest) = line.split_once(' ')?;
    let level = rest.split_whitespace().next()?;
    let colour = match level {
        "ERROR" => 31,
        "WARN" => 33,
        "INFO" => 32,
        "DEBUG" => 34,
        "TRACE" => 35,
        _ => return None,
    };
    let (space, rest) = rest.split_once(level)?;
    Some(format!("\u{1b}[2m{time}\u{1b}[0m {space}\u{1b}[{colour}m{level}\u{1b}[0m{rest}"))
}

fn push(out: &mut String, c: char, form: Form) {
    match form {
        Form::Plain | Form::Coloured => out.extend(c.escape_default()),
        Form::Json => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
