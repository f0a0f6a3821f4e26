//! The program, run.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const MINIMAL: &str = "[router]\nasn = 65001\nrouter_id = '10.0.0.1'\nlisten = []\n";

/// Starts it in a directory, with a pipe as its standard error.
fn start(directory: &Path, config: &str) -> std::io::Result<Child> {
    let file = directory.join("rr.toml");
    std::fs::write(&file, config)?;
    Command::new(env!("CARGO_BIN_EXE_heddle-route-reflector"))
        .arg("--config")
        .arg(&file)
        .arg("--socket")
        .arg(directory.join("api.sock"))
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .spawn()
}

#[test]
fn a_forwarding_table_is_warned_of() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let mut child = start(directory.path(), &format!("{MINIMAL}[fib]\n"))?;
    // Ends with the program, or when all is said that is said before it runs.
    let lines = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines().map_while(Result::ok);
    let said: Vec<String> = lines.take(50).take_while(|line| !line.contains("the route reflector runs")).collect();
    child.kill()?;
    child.wait()?;
    let warnings = said.iter().filter(|l| l.contains("WARN") && l.contains("[fib] has no effect")).count();
    assert_eq!(warnings, 1, "{said:#?}");
    Ok(())
}

#[test]
fn a_log_that_nobody_reads_any_more_ends_nothing() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let mut child = start(directory.path(), MINIMAL)?;
    drop(child.stderr.take());
    let end = Instant::now() + Duration::from_secs(20);
    let mut api = loop {
        match UnixStream::connect(directory.path().join("api.sock")) {
            Ok(api) => break api,
            Err(error) if child.try_wait()?.is_some() || Instant::now() > end => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(10)),
        }
    };
    api.write_all(b"GET /v1/version HTTP/1.1\r\nHost: heddle\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    api.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // What it says at its end is lost, and that is all.
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status()?.success());
    assert_eq!(child.wait()?.code(), Some(0));
    Ok(())
}
