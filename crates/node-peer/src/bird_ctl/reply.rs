//! An answer in BIRD's protocol: lines with a code of four digits, a hyphen after all but the last one's, and a space in the place of
//! code and hyphen where the code is that of the line before.

use std::fmt::Write as _;

use heddle_admin::types::WallTime;

/// An answer, or as much of it as was not sent yet.
#[derive(Debug, Default)]
pub(super) struct Reply {
    text: String,
    last: Option<u16>,
}

impl Reply {
    /// An answer of one line.
    pub(super) fn one(code: u16, text: &str) -> Self {
        Self { text: format!("{code:04} {text}\n"), last: None }
    }

    /// One line of several.
    pub(super) fn line(&mut self, code: u16, text: &str) {
        let text = text.trim_end_matches('\n');
        // Writing to a string does not fail.
        let _ = match self.last {
            Some(last) if last == code => writeln!(self.text, " {text}"),
            Some(_) | None => writeln!(self.text, "{code:04}-{text}"),
        };
        self.last = Some(code);
    }

    /// The last line: there was something, or nothing of the name.
    pub(super) fn end(&mut self, found: bool) {
        if found { self.last_line(0, "") } else { self.last_line(8003, "No protocols match") }
    }

    /// A last line with its own code.
    pub(super) fn last_line(&mut self, code: u16, text: &str) {
        let _ = writeln!(self.text, "{code:04} {text}");
        self.last = None;
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What there was of it is with the client.
    pub(super) fn sent(&mut self) {
        self.text.clear();
    }
}

/// As BIRD prints when something was: the time of day, and after twenty hours the date.
pub(super) fn since(when: WallTime, seconds_ago: u64) -> String {
    const DAY: u64 = 20 * 3600;
    let text = when.to_seconds();
    let (date, time) = text.split_once(' ').unwrap_or((&text, ""));
    if seconds_ago < DAY { time.to_owned() } else { date.to_owned() }
}
