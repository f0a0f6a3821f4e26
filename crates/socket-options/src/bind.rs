//! Where a socket may be bound.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use socket2::SockRef;

use crate::raw;

/// Allows to bind to `address` although the machine does not have it yet.
///
/// # Errors
/// Those of the system, such as an IPv6 address for an IPv4 socket.
pub fn set_freebind(socket: &impl AsFd, address: IpAddr) -> io::Result<()> {
    match address {
        IpAddr::V4(_) => SockRef::from(socket).set_freebind_v4(true),
        IpAddr::V6(_) => SockRef::from(socket).set_freebind_v6(true),
    }
}

/// An IPv6 socket takes IPv6 alone, so that another can listen on the same port for IPv4.
///
/// # Errors
/// Those of the system.
pub fn set_only_v6(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_only_v6(true)
}

/// Chooses the local port at `connect`, not at `bind`: ports then run out per remote address, not altogether
/// (`ip(7)`, IP_BIND_ADDRESS_NO_PORT). Works on IPv6 sockets too.
///
/// # Errors
/// Those of the system.
pub fn set_bind_address_no_port(socket: &impl AsFd) -> io::Result<()> {
    raw::set_number(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// Binds to an interface, which may be a VRF; none unbinds. Needs CAP_NET_RAW to change a binding.
///
/// # Errors
/// Those of the system: no such interface.
pub fn bind_device(socket: &impl AsFd, interface: Option<&str>) -> io::Result<()> {
    SockRef::from(socket).bind_device(interface.map(str::as_bytes))
}
