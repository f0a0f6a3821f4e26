//! The socket in the file system: one owner, its mode from its first moment, gone when its owner goes.
//!
//! A lock on `SOCKET.lock` says who owns the path; the kernel drops it with the process, however that ends, so a socket
//! without an owner is known for sure and replaced. The lock file itself stays: removing it would let two processes
//! hold locks on two files of the same name.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;
use tokio::net::UnixListener;

use crate::caller;

/// Octets of the longest path that fits into `sockaddr_un`, beside its final zero.
pub const MAX_SOCKET_PATH: usize = 107;

/// Mode of the lock file.
const LOCK_MODE: u32 = 0o600;

/// Who may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The owner of the socket, and root: mode 0600.
    Owner,
    /// Members of the socket's group, too: mode 0660.
    Group,
}

impl Access {
    const fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
        }
    }
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 64;

/// The socket could not be made.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another process serves on it.
    #[error(
        "another instance already serves on {}{}; stop it, or give this one its own with --socket PATH",
        path.display(),
        pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
    )]
    InUse {
        /// The socket.
        path: PathBuf,
        /// Its process, where known.
        pid: Option<u32>,
    },
    /// There is something else at the path.
    #[error("{} is there and is no socket; remove it, or name another path with --socket PATH", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The path does not fit into the kernel's address.
    #[error("the path of the socket, {}, has {length} octets; {MAX_SOCKET_PATH} are possible", path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length in octets.
        length: usize,
    },
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What failed.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A bound socket; removed from the file system on drop.
#[derive(Debug)]
pub struct BoundSocket {
    path: PathBuf,
    listener: UnixListener,
    /// Device and inode of the socket that we made: only that one is removed.
    identity: (u64, u64),
    /// Held as long as the socket is ours.
    _lock: File,
}

impl BoundSocket {
    /// Binds `path`; must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`]: somebody serves there, something else is at the path, or the system refused.
    pub fn bind(path: &Path, access: Access) -> Result<Self, BindError> {
        let failed = |action| move |source| BindError::Io { action, path: path.to_owned(), source };
        let length = path.as_os_str().as_bytes().len();
        if length > MAX_SOCKET_PATH {
            return Err(BindError::TooLong { path: path.to_owned(), length });
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(failed("make the folder of"))?;
        }
        let lock = lock(path)?;
        remove_stale(path)?;

        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None);
        // The mode of an unbound socket becomes the mode of its file, so there is no moment in which others may connect.
        let file = File::from(OwnedFd::from(socket.map_err(failed("make a socket for"))?));
        file.set_permissions(Permissions::from_mode(access.mode())).map_err(failed("set the mode of"))?;
        let socket = Socket::from(OwnedFd::from(file));
        let address = SockAddr::unix(path).map_err(failed("use the path"))?;
        socket.bind(&address).map_err(failed("bind"))?;
        if access == Access::Group {
            // The umask has taken away from it. Nobody can connect before there is somebody who listens.
            std::fs::set_permissions(path, Permissions::from_mode(access.mode())).map_err(failed("set the mode of"))?;
        }
        let metadata = path.symlink_metadata().map_err(failed("look at"))?;
        socket.listen(BACKLOG).map_err(failed("listen on"))?;
        let listener = UnixListener::from_std(OwnedFd::from(socket).into()).map_err(failed("listen on"))?;
        Ok(Self { path: path.to_owned(), listener, identity: (metadata.dev(), metadata.ino()), _lock: lock })
    }

    /// The next connection of somebody who may connect; none when it was somebody else's, which is closed. Cancel-safe.
    ///
    /// # Errors
    /// The system's.
    pub async fn accept(&self) -> io::Result<Option<tokio::net::UnixStream>> {
        let (connection, _) = self.listener.accept().await?;
        Ok(caller::admit(&connection, &self.path).is_ok().then_some(connection))
    }

    pub(crate) const fn listener(&self) -> &UnixListener {
        &self.listener
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        if self.path.symlink_metadata().is_ok_and(|m| (m.dev(), m.ino()) == self.identity) {
            // Nothing depends on it: the next instance replaces a socket that is left over.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Becomes the owner of the path, and writes our process id into the lock file for whoever comes next.
fn lock(path: &Path) -> Result<File, BindError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let failed = |action| {
        let path = lock_path.clone();
        move |source| BindError::Io { action, path, source }
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(LOCK_MODE)
        .open(&lock_path)
        .map_err(failed("open"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = (&file).take(16).read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(BindError::InUse { path: path.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
    }
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| writeln!(file, "{}", std::process::id()))
        .map_err(failed("write"))?;
    Ok(file)
}

/// Removes a socket that nobody serves.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |action| move |source| BindError::Io { action, path: path.to_owned(), source };
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed("look at")(source)),
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.to_owned() });
    }
    // Somebody may serve there without our lock: another program, or one that sees the folder by another path.
    match UnixStream::connect(path) {
        Ok(_) => Err(BindError::InUse { path: path.to_owned(), pid: None }),
        Err(_) => std::fs::remove_file(path).map_err(failed("remove the left-over socket")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().mode() & 0o7777
    }

    #[tokio::test]
    async fn the_socket_is_private_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made/for it/heddle.sock");
        let bound = BoundSocket::bind(&path, Access::Owner).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(UnixStream::connect(&path).is_ok());
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_group_may_connect_where_that_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heddle.sock");
        let _bound = BoundSocket::bind(&path, Access::Group).unwrap();
        assert_eq!(mode(&path), 0o660);
    }

    #[tokio::test]
    async fn a_second_instance_is_told_who_serves() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heddle.sock");
        let first = BoundSocket::bind(&path, Access::Owner).unwrap();
        let error = BoundSocket::bind(&path, Access::Owner).unwrap_err();
        assert!(
            matches!(&error, BindError::InUse { pid, .. } if *pid == Some(std::process::id())),
            "unexpected error: {error}"
        );
        assert!(error.to_string().contains("already serves on"), "{error}");
        assert!(path.exists(), "the first instance keeps its socket");
        drop(first);
        BoundSocket::bind(&path, Access::Owner).unwrap();
    }

    #[tokio::test]
    async fn a_left_over_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heddle.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves the socket behind");
        let _bound = BoundSocket::bind(&path, Access::Owner).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[tokio::test]
    async fn a_server_without_a_lock_is_not_pushed_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heddle.sock");
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = BoundSocket::bind(&path, Access::Owner).unwrap_err();
        assert!(matches!(error, BindError::InUse { pid: None, .. }), "unexpected error: {error}");
    }

    #[tokio::test]
    async fn a_file_at_the_path_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heddle.sock");
        std::fs::write(&path, "mine").unwrap();
        let error = BoundSocket::bind(&path, Access::Owner).unwrap_err();
        assert!(matches!(error, BindError::NotASocket { .. }), "unexpected error: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_is_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x".repeat(120));
        let error = BoundSocket::bind(&path, Access::Owner).unwrap_err();
        assert!(matches!(error, BindError::TooLong { .. }), "unexpected error: {error}");
    }

    #[tokio::test]
    async fn the_socket_of_a_successor_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heddle.sock");
        let bound = BoundSocket::bind(&path, Access::Owner).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _successor = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(path.exists());
    }
}
