//! How a command ends: what it says on standard error, and its exit code.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use heddle_admin::ClientError;
use heddle_admin::types::ErrorDetail;
use thiserror::Error;

use crate::screen::Screen;

/// The exit codes; `heddle --help` lists them.
mod code {
    pub(super) const FAILED: u8 = 1;
    pub(super) const UNREACHABLE: u8 = 3;
    pub(super) const DISRUPTIVE: u8 = 4;
}

/// A command failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The daemon could not be asked, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Standard output failed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// A file failed.
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The runtime failed.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
    /// A configuration is not valid; the text shows every error.
    #[error("{text}")]
    Invalid { text: String },
    /// An MRT file could not be read to its end.
    #[error("{}: {source}", path.display())]
    Mrt { path: PathBuf, source: heddle_mrt::MrtError },
    /// A replay ended early.
    #[error(transparent)]
    Replay(#[from] heddle_speaker::replay::ReplayError),
    /// The route that was asked for is not there.
    #[error("there is no route {what}{hint}")]
    NoRoute { what: String, hint: &'static str },
    /// `config diff --exit-code`, and something would be reset: the output says what.
    #[error("")]
    Disruptive,
    /// A daemon answers and is not ready: the output says why.
    #[error("")]
    NotReady,
}

impl Failure {
    /// Says it on standard error, and turns it into the exit code.
    pub(crate) fn report(&self, screen: &Screen) -> ExitCode {
        match self {
            // Whoever reads our output has had enough; that is no error.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Disruptive | Self::NotReady => {}
            Self::Invalid { text } => eprintln!("{text}"),
            Self::Client(ClientError::Api(error)) if !error.details.is_empty() => {
                for detail in &error.details {
                    eprintln!("{}", located(detail));
                }
            }
            other => {
                eprintln!("{} {other}", screen.error_label());
                if let Some(remedy) = other.remedy() {
                    eprintln!("{remedy}");
                }
            }
        }
        ExitCode::from(self.code())
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Client(error) => match error {
                ClientError::NoSocket { .. }
                | ClientError::NotServed { .. }
                | ClientError::Permission { .. }
                | ClientError::Connect { .. } => code::UNREACHABLE,
                ClientError::Http(_)
                | ClientError::TooLong { .. }
                | ClientError::Api(_)
                | ClientError::Decode { .. }
                | ClientError::Request(_) => code::FAILED,
            },
            Self::Output(_)
            | Self::File { .. }
            | Self::Runtime(_)
            | Self::Invalid { .. }
            | Self::Mrt { .. }
            | Self::Replay(_)
            | Self::NoRoute { .. }
            | Self::NotReady => code::FAILED,
            Self::Disruptive => code::DISRUPTIVE,
        }
    }

    /// What to do about it.
    fn remedy(&self) -> Option<String> {
        let Self::Client(error) = self else { return None };
        match error {
            ClientError::NoSocket { path } | ClientError::NotServed { path }
                if path == Path::new(heddle_node_peer::DEFAULT_SOCKET) =>
            {
                Some(
                    "Start the node with `heddle node-peer --node NAME --datastore DIR`, or name the socket of a running one\n\
                     with --socket PATH or HEDDLE_SOCKET=PATH (of a lab: `heddle lab status` says where its files are)."
                        .to_owned(),
                )
            }
            ClientError::NoSocket { .. } | ClientError::NotServed { .. } => Some(
                "Start it with `heddle node-peer` or `heddle route-reflector`, or name the socket of a running one\n\
                 with --socket PATH or HEDDLE_SOCKET=PATH (of a lab: `heddle lab status` says where its files are)."
                    .to_owned(),
            ),
            ClientError::Permission { .. } => {
                Some("Run this as root, or as the user that the daemon runs as.".to_owned())
            }
            ClientError::Api(error) => error.remedy.as_ref().map(|remedy| format!("Hint: {remedy}")),
            ClientError::Decode { .. } => Some(
                "Command and daemon may be of different versions: compare with `heddle version`, restart the daemon."
                    .to_owned(),
            ),
            ClientError::Connect { .. }
            | ClientError::Http(_)
            | ClientError::TooLong { .. }
            | ClientError::Request(_) => None,
        }
    }
}

/// An error of a configuration with its place: `FILE:LINE:COLUMN: message`, the line, what would be right.
fn located(detail: &ErrorDetail) -> String {
    let mut text = detail.file.clone().unwrap_or_else(|| "configuration".to_owned());
    for number in [detail.line, detail.column].into_iter().flatten() {
        text.push_str(&format!(":{number}"));
    }
    text.push_str(&format!(": {}", detail.message));
    if let Some(line) = detail.text.as_deref().filter(|line| !line.trim().is_empty()) {
        text.push_str(&format!("\n    {}", crate::words::printable(line)));
    }
    if let Some(remedy) = &detail.remedy {
        text.push_str(&format!("\n    {remedy}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(path: &str) -> String {
        Failure::Client(ClientError::NoSocket { path: path.into() }).remedy().unwrap_or_default()
    }

    #[test]
    fn a_node_that_is_missing_is_started_as_a_node() {
        let node = remedy(heddle_node_peer::DEFAULT_SOCKET);
        assert!(node.contains("`heddle node-peer --node NAME --datastore DIR`"), "{node}");
        assert!(!node.contains("route-reflector"), "{node}");
        let any = remedy(heddle_config::Api::DEFAULT_SOCKET);
        assert!(any.contains("`heddle node-peer` or `heddle route-reflector`"), "{any}");
    }
}
