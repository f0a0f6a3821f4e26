//! TTL and hop limit: of what is sent, and the least of what is accepted (GTSM, RFC 5082).
//!
//! Either is set for IPv4 or IPv6 as the socket is; on an IPv6 socket that takes IPv4 as well, for both.

use std::io;
use std::os::fd::AsFd;

use socket2::SockRef;

use crate::{is_dual, is_ipv6, raw};

/// Sets the TTL or hop limit of what is sent, 1 to 255.
///
/// # Errors
/// Those of the system.
pub fn set_ttl(socket: &impl AsFd, ttl: u8) -> io::Result<()> {
    let ttl = u32::from(ttl);
    if is_ipv6(socket)? {
        SockRef::from(socket).set_unicast_hops_v6(ttl)?;
        if !is_dual(socket)? {
            return Ok(());
        }
    }
    SockRef::from(socket).set_ttl_v4(ttl)
}

/// Drops packets that arrive with a TTL or hop limit below `min`: a peer at most `n` hops away, which sends with 255,
/// is at or above `256 - n` (RFC 5082 §3). 0 drops nothing. Set on a listening socket it holds for connection attempts
/// and is inherited by what is accepted.
///
/// # Errors
/// Those of the system.
pub fn set_min_ttl(socket: &impl AsFd, min: u8) -> io::Result<()> {
    if is_ipv6(socket)? {
        raw::set_number(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, min.into())?;
        if !is_dual(socket)? {
            return Ok(());
        }
    }
    raw::set_number(socket, libc::IPPROTO_IP, libc::IP_MINTTL, min.into())
}

/// The least TTL or hop limit that is accepted; 0: any.
///
/// # Errors
/// Those of the system.
pub fn min_ttl(socket: &impl AsFd) -> io::Result<u8> {
    let number = if is_ipv6(socket)? {
        raw::get_number(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT)?
    } else {
        raw::get_number(socket, libc::IPPROTO_IP, libc::IP_MINTTL)?
    };
    u8::try_from(number).map_err(|_| io::ErrorKind::InvalidData.into())
}
