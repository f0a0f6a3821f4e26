//! Sizes of socket buffers.

use std::io;
use std::os::fd::AsFd;

use socket2::SockRef;

use crate::raw;

/// Sets the size of the receive buffer in octets, beyond `net.core.rmem_max` where we may (CAP_NET_ADMIN), otherwise up
/// to it. The kernel doubles the number for its own overhead. Before `listen` or `connect` it also bounds the window.
///
/// # Errors
/// Those of the system.
pub fn set_receive(socket: &impl AsFd, octets: u32) -> io::Result<()> {
    force(socket, libc::SO_RCVBUFFORCE, octets).or_else(|_| SockRef::from(socket).set_recv_buffer_size(size(octets)))
}

/// Sets the size of the send buffer in octets, likewise (`net.core.wmem_max`).
///
/// # Errors
/// Those of the system.
pub fn set_send(socket: &impl AsFd, octets: u32) -> io::Result<()> {
    force(socket, libc::SO_SNDBUFFORCE, octets).or_else(|_| SockRef::from(socket).set_send_buffer_size(size(octets)))
}

/// The size of the receive buffer as the kernel counts it: twice what was set.
///
/// # Errors
/// Those of the system.
pub fn receive(socket: &impl AsFd) -> io::Result<usize> {
    SockRef::from(socket).recv_buffer_size()
}

/// The size of the send buffer, likewise.
///
/// # Errors
/// Those of the system.
pub fn send(socket: &impl AsFd) -> io::Result<usize> {
    SockRef::from(socket).send_buffer_size()
}

fn size(octets: u32) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

fn force(socket: &impl AsFd, name: libc::c_int, octets: u32) -> io::Result<()> {
    let number = i32::try_from(octets).map_err(|_| io::ErrorKind::InvalidInput)?;
    raw::set_number(socket, libc::SOL_SOCKET, name, number)
}
