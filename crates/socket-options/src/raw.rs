//! The system calls themselves.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_ulong, socklen_t};

/// `setsockopt(2)` with an option of any shape.
pub(crate) fn set(socket: &impl AsFd, level: c_int, name: c_int, value: &[u8]) -> io::Result<()> {
    let length = socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open while `socket` is borrowed; the kernel reads exactly `length` octets of `value`,
    // which is that long and lives until the call returns.
    let result = unsafe { libc::setsockopt(fd, level, name, value.as_ptr().cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `setsockopt(2)` with a number.
pub(crate) fn set_number(socket: &impl AsFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    set(socket, level, name, &value.to_ne_bytes())
}

/// `getsockopt(2)` of an option of any shape, and its length: that of what was written to `room`, or where that is too small
/// that of what there is.
pub(crate) fn get(socket: &impl AsFd, level: c_int, name: c_int, room: &mut [u8]) -> (io::Result<()>, usize) {
    let Ok(mut length) = socklen_t::try_from(room.len()) else {
        return (Err(io::ErrorKind::InvalidInput.into()), 0);
    };
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open while `socket` is borrowed; the kernel writes at most `length` octets to `room`, which
    // has that many, and the new length to `length`; both live until the call returns. Any octets are valid.
    let result = unsafe { libc::getsockopt(fd, level, name, room.as_mut_ptr().cast(), &raw mut length) };
    let told = if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    (told, usize::try_from(length).unwrap_or_default())
}

/// `getsockopt(2)` of a number.
pub(crate) fn get_number(socket: &impl AsFd, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut length = socklen_t::try_from(size_of::<c_int>()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open while `socket` is borrowed; the kernel writes at most `length` octets to `value`,
    // which has that many, and the new length to `length`; both live until the call returns. Any bit pattern is a
    // valid number.
    let result = unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut length) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// `ioctl(2)` that writes a number, and nothing else.
pub(crate) fn ioctl_number(socket: &impl AsFd, request: c_ulong) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open while `socket` is borrowed; the only caller passes SIOCOUTQNSD or SIOCOUTQ, which
    // write one `int` to the address given, and `value` lives until the call returns.
    let result = unsafe { libc::ioctl(fd, request as _, &raw mut value) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// `mallopt(3)`: one arena.
#[cfg(target_env = "gnu")]
pub(crate) fn one_arena() -> io::Result<()> {
    // SAFETY: the call changes a setting of the allocator under the allocator's own lock, and touches no memory of ours.
    let taken = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    if taken == 1 { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// There are no arenas.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn one_arena() -> io::Result<()> {
    Ok(())
}
