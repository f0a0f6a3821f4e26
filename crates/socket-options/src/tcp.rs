//! Options of TCP.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::SockRef;

use crate::raw;

/// Sends small segments at once, without waiting for acknowledgements of earlier ones.
///
/// # Errors
/// Those of the system.
pub fn set_nodelay(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_nodelay(true)
}

/// How long what was sent may stay without acknowledgement before the connection is closed (RFC 5482); none: as the
/// system has it.
///
/// # Errors
/// Those of the system.
pub fn set_user_timeout(socket: &impl AsFd, timeout: Option<Duration>) -> io::Result<()> {
    SockRef::from(socket).set_tcp_user_timeout(timeout)
}

/// Octets in the send buffer that have not been sent, not even once (SIOCOUTQNSD).
///
/// # Errors
/// Those of the system.
pub fn unsent(socket: &impl AsFd) -> io::Result<usize> {
    number(socket, libc::SIOCOUTQNSD)
}

/// Octets in the send buffer that the peer has not acknowledged (SIOCOUTQ).
///
/// # Errors
/// Those of the system.
pub fn unacknowledged(socket: &impl AsFd) -> io::Result<usize> {
    number(socket, libc::TIOCOUTQ)
}

fn number(socket: &impl AsFd, request: libc::c_ulong) -> io::Result<usize> {
    usize::try_from(raw::ioctl_number(socket, request)?).map_err(|_| io::ErrorKind::InvalidData.into())
}
