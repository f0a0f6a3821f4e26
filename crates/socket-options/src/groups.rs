//! The groups of whoever is at the other end of a Unix socket.

use std::io;
use std::os::fd::AsFd;

use crate::raw;

/// The supplementary groups that the other end had when it connected (`SO_PEERGROUPS`, Linux 4.13).
///
/// # Errors
/// The kernel does not tell.
pub fn of_peer(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    // What most have fits; else the kernel says how much it is, once, for the list does not change any more.
    let mut room = vec![0; 64 * size_of::<u32>()];
    let mut told = raw::get(socket, libc::SOL_SOCKET, libc::SO_PEERGROUPS, &mut room);
    if let (Err(error), wanted) = &told
        && error.raw_os_error() == Some(libc::ERANGE)
    {
        room.resize(*wanted, 0);
        told = raw::get(socket, libc::SOL_SOCKET, libc::SO_PEERGROUPS, &mut room);
    }
    let (result, length) = told;
    result?;
    let (groups, _) = room.get(..length).unwrap_or_default().as_chunks::<{ size_of::<u32>() }>();
    Ok(groups.iter().map(|octets| u32::from_ne_bytes(*octets)).collect())
}
