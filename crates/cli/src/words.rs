//! Numbers, times and foreign texts as people read them.

use heddle_admin::types::{LastReset, ResetBy, WallTime};

/// A time span in at most six characters: `59s`, `59m59s`, `23h59m`, `99d23h`, `123d`.
pub(crate) fn span(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => format!("{}m{:02}s", seconds / MINUTE, seconds % MINUTE),
        HOUR..DAY => format!("{}h{:02}m", seconds / HOUR, seconds % HOUR / MINUTE),
        _ if seconds < 100 * DAY => format!("{}d{:02}h", seconds / DAY, seconds % DAY / HOUR),
        _ => format!("{}d", seconds / DAY),
    }
}

/// A number of octets: `512 B`, `1.5 KiB`, `22.0 MiB`.
pub(crate) fn octets(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // Tenths of a unit, so that no floating point is needed.
    let mut tenths = u128::from(count) * 10 / 1024;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"KiB");
    for next in units {
        if tenths < 10240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// `1 peer`, `2 peers`; `many` is the plural.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

pub(crate) fn time(time: WallTime) -> String {
    format!("{} UTC", time.to_seconds())
}

/// A text from elsewhere, safe on a terminal: no control characters, nothing that turns the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().flat_map(|c| if odd(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// A text broken between words into lines of at most `room` characters, longer words apart.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Why a session ended, in a few characters: `6/2 received`, `4/0 sent`, `closed`.
pub(crate) fn reset_short(reset: &LastReset) -> String {
    let code = match (reset.code, reset.subcode) {
        (Some(code), subcode) => format!("{code}/{} ", subcode.unwrap_or(0)),
        (None, _) => String::new(),
    };
    match reset.by {
        ResetBy::Sent => format!("{code}sent"),
        ResetBy::Received => format!("{code}received"),
        ResetBy::Connection => "closed".to_owned(),
    }
}

/// Why a session ended, in full: `received Cease/Administrative Shutdown (6/2): "maintenance until 6"`.
pub(crate) fn reset_long(reset: &LastReset) -> String {
    let mut text = match reset.by {
        ResetBy::Sent => "sent ",
        ResetBy::Received => "received ",
        ResetBy::Connection => "",
    }
    .to_owned();
    text.push_str(&printable(&reset.reason));
    if let Some(code) = reset.code {
        text.push_str(&format!(" ({code}/{})", reset.subcode.unwrap_or(0)));
    }
    if let Some(message) = &reset.text {
        text.push_str(&format!(": \"{}\"", printable(message)));
    }
    if let Some(data) = reset.data_hex.as_deref().filter(|data| !data.is_empty()) {
        text.push_str(&format!(", data {data}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (3_599, "59m59s"),
            (3_600, "1h00m"),
            (86_399, "23h59m"),
            (86_400, "1d00h"),
            (8_639_999, "99d23h"),
            (8_640_000, "100d"),
        ] {
            assert_eq!(span(seconds), text);
            assert!(text.len() <= 6);
        }
        assert_eq!(span(u64::MAX), "213503982334601d");
    }

    #[test]
    fn octets_have_units() {
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1_048_575, "1023.9 KiB"),
            (1_048_576, "1.0 MiB"),
            (23_068_672, "22.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(octets(number), text);
        }
    }

    #[test]
    fn texts_are_broken_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable word", 4), ["unbreakable", "word"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn foreign_texts_cannot_move_the_terminal() {
        assert_eq!(printable("until 6\u{1b}[2J\n\u{202e}x\u{9b}"), "until 6\\u{1b}[2J\\n\\u{202e}x\\u{9b}");
        assert_eq!(printable("W\u{e4}rme \u{4e2d}"), "W\u{e4}rme \u{4e2d}");
    }
}
