//! Addresses of peers as the kernel's structures have them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

use crate::{is_dual, is_ipv6};

/// Octets of `struct sockaddr_storage`.
pub(crate) const ADDRESS_LEN: usize = 128;

/// The peer's address as a socket of this kind has it: on an IPv6 socket that takes IPv4 as well an IPv4 address is that
/// of the mapped form.
///
/// # Errors
/// `InvalidInput`: the address is none of the socket's, or the prefix length is impossible.
pub(crate) fn of_socket(socket: &impl AsFd, peer: IpAddr, prefix_len: Option<u8>) -> io::Result<Vec<u8>> {
    if prefix_len.is_some_and(|len| len > host_len(peer)) {
        return Err(invalid("the prefix length is longer than the address"));
    }
    match (peer, is_ipv6(socket)?) {
        (IpAddr::V4(a), false) => Ok(sockaddr_in(a)),
        (IpAddr::V6(a), true) => Ok(sockaddr_in6(a)),
        // A prefix length of a mapped address counts from its IPv4 part.
        (IpAddr::V4(a), true) if is_dual(socket)? => Ok(sockaddr_in6(a.to_ipv6_mapped())),
        (IpAddr::V4(_), true) => Err(invalid("an IPv4 peer on a socket for IPv6 alone")),
        (IpAddr::V6(_), false) => Err(invalid("an IPv6 peer on an IPv4 socket")),
    }
}

/// The prefix length of a single address.
pub(crate) const fn host_len(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

pub(crate) fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

/// `struct sockaddr_in` without a port.
fn sockaddr_in(address: Ipv4Addr) -> Vec<u8> {
    let family = u16::try_from(libc::AF_INET).unwrap_or_default().to_ne_bytes();
    [&family[..], &[0; 2], &address.octets()].concat()
}

/// `struct sockaddr_in6` without port, flow label and scope.
fn sockaddr_in6(address: Ipv6Addr) -> Vec<u8> {
    let family = u16::try_from(libc::AF_INET6).unwrap_or_default().to_ne_bytes();
    [&family[..], &[0; 2], &[0; 4], &address.octets(), &[0; 4]].concat()
}
