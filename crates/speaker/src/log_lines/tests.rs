use proptest::prelude::*;
use tracing::{error_span, warn};

use super::*;
use crate::test_log::Log;

/// What nobody may write into a log: a line of its own, a cleared screen, text that runs backwards, a hidden link, a bell.
const ODD: &str =
    "a\nERROR b\r\u{1b}[2Jc\u{202e}d\u{2066}e\u{2028}f\u{9b}0mg\u{7}h\u{85}i\u{200b}j\u{7f}k\u{e0041}l\tm";

/// The same event in the ways in which texts come into the log: as value, as error, in the message, of a span.
fn logged(form: Form, text: &str) -> String {
    let log = Log::default();
    let to = log.clone();
    let builder = tracing_subscriber::fmt().with_writer(move || Lines::new(to.clone(), form)).with_target(false);
    let events = || {
        let span = error_span!("peer", address = %text);
        let _entered = span.enter();
        let error = io::Error::other(text.to_owned());
        warn!(display = %text, debug = ?text, value = text, %error, "message {text}");
    };
    match form {
        Form::Json => tracing::subscriber::with_default(builder.json().finish(), events),
        Form::Plain | Form::Coloured => tracing::subscriber::with_default(builder.with_ansi(false).finish(), events),
    }
    log.text()
}

#[test]
fn an_event_is_a_line_whatever_is_in_it() {
    for form in [Form::Plain, Form::Json] {
        let text = logged(form, ODD);
        let line = text.strip_suffix('\n').expect("a line");
        assert!(!line.contains(is_odd), "{form:?}: {line:?}");
        // All of it can still be read.
        for part in ["ERROR b", "[2Jc", "d", "j"] {
            assert!(line.matches(part).count() >= 5, "{form:?}: {part} in {line:?}");
        }
    }
}

/// On a terminal: four colours begin or end, before anything that others said, and without them the line is the plain one.
#[test]
fn colours_are_ours_alone() {
    let (plain, coloured) = (logged(Form::Plain, ODD), logged(Form::Coloured, ODD));
    let codes = ["\u{1b}[2m", "\u{1b}[0m", "\u{1b}[33m", "\u{1b}[0m"];
    let mut rest = coloured.as_str();
    let mut text = String::new();
    for code in codes {
        let (before, after) = rest.split_once(code).unwrap_or_else(|| panic!("{code:?} in {coloured:?}"));
        text += before;
        rest = after;
    }
    assert!(text.ends_with("WARN") && !text.contains(is_odd), "{text:?}");
    assert!(!rest.trim_end_matches('\n').contains(is_odd), "{rest:?}");
    // Times differ.
    let beyond_time = |line: &str| line.split_once(' ').map(|(_, rest)| rest.to_owned());
    assert_eq!(beyond_time(&(text + rest)), beyond_time(&plain));
    assert_eq!(super::coloured("what is no event\n"), None);
}

#[test]
fn json_stays_json() {
    let text = logged(Form::Json, ODD);
    let event: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(event["fields"]["display"], ODD);
    assert_eq!(event["fields"]["value"], ODD);
    assert_eq!(event["fields"]["message"], format!("message {ODD}"));
    assert_eq!(event["span"]["address"], ODD);
}

#[test]
fn what_is_usual_stays_as_it_is() {
    for usual in
        ["2026-01-01 WARN peer{address=192.0.2.1}: reason=Cease text=\"Wartung bis 6 – Grüße, 世界\"\n", "", "\n"]
    {
        assert!(matches!(escape(usual, Form::Plain), Cow::Borrowed(text) if text == usual));
    }
    assert_eq!(escape("a\nb\n", Form::Plain), "a\\nb\n");
    assert_eq!(escape("\u{1b}[0m", Form::Plain), "\\u{1b}[0m");
    assert_eq!(escape("\"\u{e0041}\u{7f}\"", Form::Json), "\"\\udb40\\udc41\\u007f\"");
}

proptest! {
    #[test]
    fn no_text_breaks_out(text in any::<String>()) {
        for form in [Form::Plain, Form::Json] {
            let line = escape(&text, form);
            let line = line.strip_suffix('\n').unwrap_or(&line);
            prop_assert!(!line.contains(is_odd), "{line:?}");
        }
    }
}
