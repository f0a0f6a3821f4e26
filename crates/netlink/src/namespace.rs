//! Network namespaces: threads that work in one.
//!
//! A socket belongs to the namespace that the thread which made it was in, for as long as the socket lives; so it is enough to
//! open it within the namespace.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// Makes a network namespace that has no name. It lives as long as something holds the descriptor or runs in it.
///
/// # Errors
///
/// When privileges are missing.
pub fn create() -> io::Result<OwnedFd> {
    scoped(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(OwnedFd::from(File::open("/proc/thread-self/ns/net")?))
    })?
}

/// The network namespace of the calling thread.
///
/// # Errors
///
/// When `/proc` is not there.
pub fn current() -> io::Result<OwnedFd> {
    Ok(OwnedFd::from(File::open("/proc/thread-self/ns/net")?))
}

/// Runs something on a thread of its own within a network namespace, and waits for it. Sockets that it opens, and
/// processes that it starts, are in that namespace.
///
/// # Errors
///
/// When the namespace cannot be entered. A panic of `work` goes on in the caller.
pub fn within<T: Send>(namespace: impl AsFd + Sync, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    scoped(|| {
        setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?;
        Ok(work())
    })?
}

/// Runs something on a thread of its own, whose namespace may change.
fn scoped<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<io::Result<T>> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
