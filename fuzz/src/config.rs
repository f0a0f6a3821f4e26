//! Configuration files.

use heddle_config::Config;

/// Any text: what is wrong is told with a line, what is right comes back equal from its own text. A key is not in that
/// text, which is therefore refused.
pub fn toml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::from_toml(text, "fuzz.toml") {
        Err(errors) => {
            let told = errors.to_string();
            assert!(told.contains("fuzz.toml"), "{told}");
        }
        Ok(config) => {
            let written = config.to_toml();
            let again = Config::from_toml(&written, "written.toml");
            if written.lines().any(|line| line == "password = \"(hidden)\"") {
                assert!(again.is_err_and(|e| e.to_string().contains("password_file")), "{written}");
                return;
            }
            assert!(again.as_ref().is_ok_and(|again| *again == config), "{written}\n{again:?}");
        }
    }
}
