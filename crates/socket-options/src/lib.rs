//! Socket options of BGP on Linux, on anything that has a file descriptor.
//!
//! | module | what | RFC |
//! |---|---|---|
//! | [`md5`] | keys of TCP MD5 signatures, for one address or a prefix | 2385 |
//! | [`ao`] | keys of the TCP Authentication Option, likewise | 5925 |
//! | [`ttl`] | the TTL that is sent, the least that is accepted | 5082 |
//! | [`bind`] | addresses that the machine does not have yet, devices, IPv6 alone | |
//! | [`tcp`] | Nagle, user timeout, octets not yet sent | 5482 |
//! | [`buffer`] | sizes of socket buffers | |
//! | [`dscp`] | the class of packets: CS6, as routing protocols have it | 4594 |
//! | [`groups`] | the groups of who is at the other end of a Unix socket | |
//! | [`interface`] | names and numbers of interfaces | |
//!
//! And [`memory`], of which there is no safe wrapper either: how the C library's allocator divides it among threads.
//!
//! All functions do one system call or a few, none waits. Where a crate has a safe wrapper it is used; `unsafe` is in
//! the module `raw` alone.

mod address;
pub mod ao;
pub mod bind;
pub mod buffer;
pub mod dscp;
pub mod groups;
pub mod interface;
pub mod md5;
pub mod memory;
mod raw;
pub mod tcp;
pub mod ttl;

use std::io;
use std::os::fd::AsFd;

use socket2::{Domain, SockRef};

/// Whether a socket is an IPv6 one.
fn is_ipv6(socket: &impl AsFd) -> io::Result<bool> {
    Ok(SockRef::from(socket).domain()? == Domain::IPV6)
}

/// Whether a socket is an IPv6 one that takes IPv4 as well.
fn is_dual(socket: &impl AsFd) -> io::Result<bool> {
    Ok(is_ipv6(socket)? && !SockRef::from(socket).only_v6()?)
}
