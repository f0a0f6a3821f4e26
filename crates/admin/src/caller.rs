//! Who is at the other end of a connection, and whether he may be: root, the user of the daemon, and members of the socket's
//! group where its mode lets them.
//!
//! The kernel asks for the mode when somebody connects. It is looked at again here because a mode can be wrong: whatever it is,
//! the socket is not for everybody. User and process are those of the moment of the connection, told by the kernel.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use heddle_socket_options::groups;
use thiserror::Error;
use tokio::net::UnixStream;

/// The bit of a mode by which the group may connect.
const GROUP_WRITES: u32 = 0o020;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) uid: u32,
    /// The process; none where it is in another PID namespace.
    pub(crate) pid: Option<i32>,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}", self.uid)?;
        self.pid.map_or(Ok(()), |pid| write!(f, ", process {pid}"))
    }
}

/// Why somebody is not answered.
#[derive(Debug, Error)]
pub(crate) enum Refused {
    /// Neither root, nor our user, nor in the group.
    #[error("{0} is neither root, nor the user of the daemon, nor a member of the socket's group that may write to it")]
    Stranger(Caller),
    /// It cannot be found out who it is.
    #[error("who has connected cannot be found out: {0}")]
    Unknown(#[from] io::Error),
}

/// Who has connected to the socket at `path`, if he may.
pub(crate) fn admit(connection: &UnixStream, path: &Path) -> Result<Caller, Refused> {
    let credentials = connection.peer_cred()?;
    let caller = Caller { uid: credentials.uid(), pid: credentials.pid().filter(|pid| *pid > 0) };
    if caller.uid == 0 || caller.uid == rustix::process::geteuid().as_raw() {
        return Ok(caller);
    }
    let groups = || -> io::Result<Vec<u32>> {
        let mut all = groups::of_peer(connection)?;
        all.push(credentials.gid());
        Ok(all)
    };
    if by_group(&path.symlink_metadata()?, groups)? { Ok(caller) } else { Err(Refused::Stranger(caller)) }
}

/// Whether the socket is for its group, and the group is one of these.
fn by_group(socket: &Metadata, groups: impl FnOnce() -> io::Result<Vec<u32>>) -> io::Result<bool> {
    Ok(socket.mode() & GROUP_WRITES != 0 && groups()?.contains(&socket.gid()))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_group_counts_where_the_mode_says_so() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let look = |mode, groups: Vec<u32>| {
            set_permissions(file.path(), Permissions::from_mode(mode)).expect("a mode");
            by_group(&file.path().symlink_metadata().expect("a file"), || Ok(groups)).expect("groups")
        };
        let own = file.path().symlink_metadata().expect("a file").gid();
        assert!(look(0o660, vec![own + 1, own]));
        assert!(!look(0o660, vec![own + 1]), "another group");
        assert!(!look(0o600, vec![own]), "not for the group");
        assert!(!look(0o606, vec![own + 1]), "never for everybody");
    }
}
