//! TCP MD5 signatures (RFC 2385).
//!
//! A key belongs to an address or prefix of peers. On a listening socket there is one for each; an accepted connection
//! takes its peer's along. A segment with a wrong signature, or without one, or with one that we have no key for, is
//! dropped in the kernel: nobody can tell from outside that somebody listens.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use crate::address::{ADDRESS_LEN, invalid, of_socket};
use crate::raw;

/// The longest key in octets (`TCP_MD5SIG_MAXKEYLEN`).
pub const MAX_KEY_LEN: usize = 80;

/// `TCP_MD5SIG_FLAG_PREFIX` of `linux/tcp.h`: the prefix length counts.
const FLAG_PREFIX: u8 = 1;

/// Octets of `struct tcp_md5sig`: address, flags, prefix length, key length (2), interface (4), key.
const STRUCT_LEN: usize = ADDRESS_LEN + 8 + MAX_KEY_LEN;

/// Sets or replaces the key of the peers at `peer`: one address, or with a prefix length all that share these bits.
/// Of several prefixes the longest counts. On an IPv6 socket that takes IPv4 as well an IPv4 address is that of the
/// mapped form.
///
/// # Errors
/// `InvalidInput`: an empty key or one above 80 octets, an impossible prefix length, an IPv6 address on an IPv4 socket
/// or the reverse on one for IPv6 alone. `ENOPROTOOPT`: the kernel is built without TCP MD5.
pub fn set_key(socket: &impl AsFd, peer: IpAddr, prefix_len: Option<u8>, key: &[u8]) -> io::Result<()> {
    if key.is_empty() {
        return Err(invalid("a TCP MD5 key has at least one octet"));
    }
    apply(socket, peer, prefix_len, key)
}

/// Removes the key of an address or prefix; there need not be one.
///
/// # Errors
/// As [`set_key`].
pub fn remove_key(socket: &impl AsFd, peer: IpAddr, prefix_len: Option<u8>) -> io::Result<()> {
    match apply(socket, peer, prefix_len, &[]) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

fn apply(socket: &impl AsFd, peer: IpAddr, prefix_len: Option<u8>, key: &[u8]) -> io::Result<()> {
    let address = of_socket(socket, peer, prefix_len)?;
    let option = encode(&address, prefix_len, key).ok_or_else(|| invalid("a TCP MD5 key has at most 80 octets"))?;
    // TCP_MD5SIG ignores flags and prefix length (they were padding once); with a prefix it has to be TCP_MD5SIG_EXT.
    let name = if prefix_len.is_some() { libc::TCP_MD5SIG_EXT } else { libc::TCP_MD5SIG };
    raw::set(socket, libc::IPPROTO_TCP, name, &option)
}

/// `struct tcp_md5sig` of `linux/tcp.h`; none when the key is too long.
fn encode(address: &[u8], prefix_len: Option<u8>, key: &[u8]) -> Option<[u8; STRUCT_LEN]> {
    let mut option = [0; STRUCT_LEN];
    let (storage, rest) = option.split_at_mut(ADDRESS_LEN);
    storage.get_mut(..address.len())?.copy_from_slice(address);
    let (head, key_room) = rest.split_at_mut(8);
    let [low, high] = u16::try_from(key.len()).ok()?.to_ne_bytes();
    let flags = if prefix_len.is_some() { FLAG_PREFIX } else { 0 };
    head.copy_from_slice(&[flags, prefix_len.unwrap_or(0), low, high, 0, 0, 0, 0]);
    key_room.get_mut(..key.len())?.copy_from_slice(key);
    Some(option)
}
