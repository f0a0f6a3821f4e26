//! The commands that speak to a lab that is up.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::Failure;
use super::server::{Reply, Request};
use crate::rootless;
use crate::state::{Place, StateError};

/// How long a lab may take to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks, and prints the answer.
pub(super) fn ask(name: Option<&str>, request: &Request) -> Result<(), Failure> {
    converse(&Place::find(name)?, request).map(drop)
}

/// Asks, prints text, and returns a place if one came.
fn converse(place: &Place, request: &Request) -> Result<Option<(u32, PathBuf)>, Failure> {
    let mut stream = UnixStream::connect(place.socket()).map_err(Failure::Silent)?;
    let mut line = serde_json::to_string(request).map_err(|error| Failure::Silent(error.into()))?;
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(Failure::Silent)?;
    let mut found = None;
    for line in BufReader::new(stream).lines() {
        let line = line.map_err(Failure::Silent)?;
        match serde_json::from_str(&line).map_err(|error| Failure::Silent(error.into()))? {
            Reply::Text(text) => {
                let mut output = io::stdout().lock();
                // Whoever reads our output has had enough.
                if output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_err() {
                    return Ok(found);
                }
            }
            Reply::Place { supervisor, network } => found = Some((supervisor, network)),
            Reply::End(None) => return Ok(found),
            Reply::End(Some(text)) => return Err(Failure::Refused(text)),
        }
    }
    Err(Failure::Silent(io::ErrorKind::UnexpectedEof.into()))
}

/// Becomes a program inside a host or pod.
pub(super) fn exec(name: Option<&str>, host: &str, program: &[OsString]) -> Result<(), Failure> {
    let place = Place::find(name)?;
    let found = converse(&place, &Request::Locate { host: host.to_owned() })?;
    let (supervisor, network) = found.ok_or_else(|| Failure::Silent(io::ErrorKind::InvalidData.into()))?;
    rootless::join(supervisor, &network)?;
    let shell = [std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())];
    let words = if program.is_empty() { &shell } else { program };
    let Some((executable, arguments)) = words.split_first() else { return Ok(()) };
    let source = Command::new(executable).args(arguments).env("HEDDLE_LAB_HOST", host).exec();
    Err(Failure::Program { program: executable.into(), source })
}

/// Ends a lab; what a crashed one left is removed.
pub(super) fn down(name: Option<&str>) -> Result<(), Failure> {
    let place = Place::find(name)?;
    if let Some(state) = place.state().filter(|state| state.supervisor.is_alive()) {
        // One that is still being built has no socket yet, but it hears signals.
        if converse(&place, &Request::Down).is_err() {
            state.supervisor.signal(Signal::SIGTERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while state.supervisor.is_alive() {
            if Instant::now() >= deadline {
                state.supervisor.signal(Signal::SIGKILL);
            }
            sleep(Duration::from_millis(20));
        }
    }
    place.clean();
    if place.directory.exists() {
        let path = place.directory;
        return Err(StateError::File { path, source: io::ErrorKind::DirectoryNotEmpty.into() }.into());
    }
    Ok(())
}
