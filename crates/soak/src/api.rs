//! What is asked of a running program over its socket (docs/api.md).

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// `POST PATH` with a JSON body.
pub(crate) fn post(socket: &Path, path: &str, body: &str) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(socket).context("nobody listens")?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let length = body.len();
    let head = format!("POST {path} HTTP/1.0\r\nHost: heddle\r\nContent-Type: application/json\r\n");
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("no answer")?;
    let status = answer.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        bail!("POST {path}: {}", answer.lines().last().unwrap_or_default());
    }
    Ok(())
}
