//! Whether a log is made of the program's own lines, whatever others said.

/// Control characters, what separates lines, what is invisible, and what turns the direction of writing.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What is wrong with a log: a line that does not begin with a time, or that has a character that must not be there.
#[must_use]
pub fn foreign_lines(log: &str) -> Vec<String> {
    let own = |line: &str| {
        // 2026-05-04T10:00:03.123456Z
        let shape = |(at, c): (usize, char)| match at {
            4 | 7 => c == '-',
            10 => c == 'T',
            13 | 16 => c == ':',
            _ => c.is_ascii_digit(),
        };
        line.chars().take(19).enumerate().all(shape) && line.len() > 19
    };
    log.split('\n')
        .filter(|line| !line.is_empty() && (!own(line) || line.contains(is_odd)))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_others() {
        let own = "2026-05-04T10:00:03.123456Z  INFO peer{address=192.0.2.1}: established\n";
        assert!(foreign_lines(&format!("{own}{own}")).is_empty());
        for odd in ["ERROR forged", "\tmore", "2026-05-04T10:00:03Z \u{1b}[2J", "2026-05-04T10:00:03Z \u{202e}", "a\rb"]
        {
            assert_eq!(foreign_lines(&format!("{own}{odd}\n{own}")), [odd], "{odd:?}");
        }
    }
}
