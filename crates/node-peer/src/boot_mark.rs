//! The mark of this boot: whether addresses of services were advertised in it.
//!
//! A file beside the API socket, of two lines: the boot, and what was so. A mark of another boot does not count, and the folder
//! of the socket is mostly one that a boot empties (`/run`). It stays when the process ends, however that is: what is said of
//! a boot holds for all of it.

use std::path::{Path, PathBuf};
use std::{fs, io};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const HELD: &str = "services wait";
const ADVERTISED: &str = "services advertised";

/// What is said of addresses of services in this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// They waited, to the end of the run before.
    Held,
    /// They were advertised, or would have been had there been some.
    Advertised,
}

/// The mark of this boot.
#[derive(Clone, Debug)]
pub(crate) struct BootMark {
    path: PathBuf,
    boot: String,
}

impl BootMark {
    /// The mark beside `socket`.
    #[must_use]
    pub(crate) fn beside(socket: &Path) -> Self {
        let boot = fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned();
        Self { path: socket.with_extension("boot"), boot }
    }

    /// What it says; none: no run of ours was in this boot, or its mark could not be written.
    #[must_use]
    pub(crate) fn said(&self) -> Option<Said> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        match text.split_once('\n') {
            Some((boot, said)) if boot == self.boot && !boot.is_empty() => match said.trim_end() {
                HELD => Some(Said::Held),
                ADVERTISED => Some(Said::Advertised),
                _ => None,
            },
            Some(_) | None => None,
        }
    }

    /// From now on it says this.
    ///
    /// # Errors
    /// It cannot be written, or the boot has no name; then there is none.
    pub(crate) fn say(&self, said: Said) -> io::Result<()> {
        let written = match said {
            Said::Held => self.write(HELD),
            Said::Advertised => self.write(ADVERTISED),
        };
        if written.is_err() {
            // What it said before does not hold any more.
            let _ = fs::remove_file(&self.path);
        }
        written
    }

    fn write(&self, said: &str) -> io::Result<()> {
        if self.boot.is_empty() {
            return Err(io::Error::other(format!("{BOOT_ID} cannot be read")));
        }
        let new = self.path.with_extension("boot.new");
        fs::write(&new, format!("{}\n{said}\n", self.boot))?;
        fs::rename(new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_holds_for_the_boot() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let socket = dir.path().join("node-peer.sock");
        let mark = || BootMark::beside(&socket);
        assert_eq!(mark().said(), None);
        for said in [Said::Held, Said::Advertised, Said::Held] {
            mark().say(said).expect("writable");
            assert_eq!(mark().said(), Some(said));
        }
        fs::write(socket.with_extension("boot"), format!("another boot\n{ADVERTISED}\n")).expect("writable");
        assert_eq!(mark().said(), None, "of another boot");
        for cut_off in ["", &mark().boot, &format!("{}\nservices adv", mark().boot)] {
            fs::write(socket.with_extension("boot"), cut_off).expect("writable");
            assert_eq!(mark().said(), None, "{cut_off:?}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mark = BootMark::beside(&dir.path().join("missing/node-peer.sock"));
        assert!(mark.say(Said::Advertised).is_err());
        let mark = BootMark { boot: String::new(), ..BootMark::beside(&dir.path().join("node-peer.sock")) };
        assert!(mark.say(Said::Advertised).is_err(), "a boot without a name is every boot");
        assert_eq!(mark.said(), None);
    }
}
