//! The program, run with a configuration for a speaker that forwards.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

#[test]
fn a_forwarding_table_is_warned_of() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("rr.toml");
    let text = "[router]\nasn = 65001\nrouter_id = '10.0.0.1'\nlisten = []\n[fib]\n";
    std::fs::write(&config, text)?;
    let mut child = Command::new(env!("CARGO_BIN_EXE_heddle-route-reflector"))
        .arg("--config")
        .arg(&config)
        .arg("--socket")
        .arg(directory.path().join("api.sock"))
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .spawn()?;
    // Ends with the program, or when all is said that is said before it runs.
    let lines = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines().map_while(Result::ok);
    let said: Vec<String> = lines.take(50).take_while(|line| !line.contains("the route reflector runs")).collect();
    child.kill()?;
    child.wait()?;
    let warnings = said.iter().filter(|l| l.contains("WARN") && l.contains("[fib] has no effect")).count();
    assert_eq!(warnings, 1, "{said:#?}");
    Ok(())
}
