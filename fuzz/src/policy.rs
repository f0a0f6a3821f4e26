//! AS_PATH expressions.

use heddle_rib::policy::AsPathRegex;

/// The first line is an expression, the rest a path: it compiles, or the error has a column within it.
pub fn regex(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (expression, path) = text.split_once('\n').unwrap_or((text, "65001 65002 {65003,65004}"));
    match AsPathRegex::new(expression) {
        Ok(regex) => {
            let _ = regex.matches(path);
            assert_eq!(regex.as_str(), expression);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
