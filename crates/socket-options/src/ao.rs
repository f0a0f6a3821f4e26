//! The TCP Authentication Option (RFC 5925), on kernels from Linux 6.7 that are built with `CONFIG_TCP_AO`.
//!
//! A key (a Master Key Tuple, RFC 5925 §3.1) belongs to an address or prefix of peers, and has a number for what we send and one
//! for what we accept. A peer may have several: what comes is checked with the one that the segment names, and either side may
//! go over to another without ending the connection (§7.5.1). On a listening socket an accepted connection takes its peer's keys
//! along. A segment of a peer that has keys is dropped in the kernel when it has no signature or a wrong one.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use crate::address::{ADDRESS_LEN, host_len, invalid, of_socket};
use crate::raw;

/// The longest key in octets (`TCP_AO_MAXKEYLEN`).
pub const MAX_KEY_LEN: usize = 80;

/// `TCP_AO_ADD_KEY` of `linux/tcp.h`.
const ADD_KEY: libc::c_int = 38;
/// `TCP_AO_DEL_KEY`.
const DEL_KEY: libc::c_int = 39;

/// Octets of a MAC in a segment: both algorithms are cut to 96 bits (RFC 5926 §3.2).
const MAC_LEN: u8 = 12;

/// Where the fields of `struct tcp_ao_add` lie, and how long it is. The peer's address is at its beginning.
mod add {
    pub(super) const ALGORITHM: usize = super::ADDRESS_LEN;
    pub(super) const FLAGS: usize = 196;
    pub(super) const PREFIX: usize = 202;
    pub(super) const SEND_ID: usize = 203;
    pub(super) const RECV_ID: usize = 204;
    pub(super) const MAC_LEN: usize = 205;
    pub(super) const KEY_LEN: usize = 207;
    pub(super) const KEY: usize = 208;
    pub(super) const LEN: usize = 288;
}

/// The same of `struct tcp_ao_del`.
mod del {
    pub(super) const PREFIX: usize = 138;
    pub(super) const SEND_ID: usize = 139;
    pub(super) const RECV_ID: usize = 140;
    pub(super) const LEN: usize = 144;
}

/// The algorithms that every implementation has (RFC 5926 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC-SHA-1-96.
    HmacSha1,
    /// AES-128-CMAC-96.
    CmacAes128,
}

impl Algorithm {
    /// The kernel's name of it.
    #[must_use]
    pub const fn kernel_name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac(sha1)",
            Self::CmacAes128 => "cmac(aes128)",
        }
    }
}

/// A key and its numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// SendID: the KeyID of segments that we send.
    pub send_id: u8,
    /// RecvID: the KeyID of segments that we accept.
    pub recv_id: u8,
    /// How segments are signed.
    pub algorithm: Algorithm,
    /// The secret: 1 to 80 octets.
    pub secret: Vec<u8>,
}

impl fmt::Debug for Key {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { send_id, recv_id, algorithm, secret: _ } = self;
        write!(f, "Key({send_id}, {recv_id}, {algorithm:?}, …)")
    }
}

/// What a new key is to a socket that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Segments are signed with it, and the peer is asked to use it.
    Current,
    /// It is there when the peer asks for it. All keys of a listening socket are so.
    Ready,
}

/// Adds a key of the peers at `peer`: one address, or with a prefix length all that share these bits.
///
/// # Errors
/// `ENOPROTOOPT`: the kernel has no TCP-AO, see [`is_unsupported`]. `EEXIST`: a key of the peer has one of the numbers.
/// `EKEYREJECTED`: the peer has a TCP MD5 key. `ENOENT`: the kernel lacks the algorithm. `InvalidInput`: an empty key or one
/// above 80 octets, an impossible prefix length, an address of the other family.
pub fn add_key(socket: &impl AsFd, peer: IpAddr, prefix_len: Option<u8>, key: &Key, r#use: Use) -> io::Result<()> {
    let address = of_socket(socket, peer, prefix_len)?;
    // The kernel wants a length for single addresses, too.
    let option = encode_add(&address, prefix_len.unwrap_or_else(|| host_len(peer)), key, r#use)
        .ok_or_else(|| invalid("a TCP-AO key has 1 to 80 octets"))?;
    raw::set(socket, libc::IPPROTO_TCP, ADD_KEY, &option)
}

/// Removes a key by its numbers; there need not be one.
///
/// # Errors
/// As [`add_key`].
pub fn remove_key(
    socket: &impl AsFd,
    peer: IpAddr,
    prefix_len: Option<u8>,
    (send_id, recv_id): (u8, u8),
) -> io::Result<()> {
    let address = of_socket(socket, peer, prefix_len)?;
    let mut option = [0; del::LEN];
    put(&mut option, 0, &address);
    put(&mut option, del::PREFIX, &[prefix_len.unwrap_or_else(|| host_len(peer))]);
    put(&mut option, del::SEND_ID, &[send_id]);
    put(&mut option, del::RECV_ID, &[recv_id]);
    match raw::set(socket, libc::IPPROTO_TCP, DEL_KEY, &option) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// Whether an error of [`add_key`] says that the kernel knows nothing of TCP-AO.
#[must_use]
pub fn is_unsupported(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOPROTOOPT)
}

/// `struct tcp_ao_add`; none when the key's length is impossible.
fn encode_add(address: &[u8], prefix_len: u8, key: &Key, r#use: Use) -> Option<[u8; add::LEN]> {
    let key_len = u8::try_from(key.secret.len()).ok().filter(|len| (1..=MAX_KEY_LEN).contains(&usize::from(*len)))?;
    let mut option = [0; add::LEN];
    put(&mut option, 0, address);
    put(&mut option, add::ALGORITHM, key.algorithm.kernel_name().as_bytes());
    // Bit fields: set_current, then set_rnext, from the end where the compiler begins.
    let flags: u32 = match r#use {
        Use::Current if cfg!(target_endian = "little") => 0b11,
        Use::Current => 0b11 << 30,
        Use::Ready => 0,
    };
    put(&mut option, add::FLAGS, &flags.to_ne_bytes());
    put(&mut option, add::PREFIX, &[prefix_len]);
    put(&mut option, add::SEND_ID, &[key.send_id]);
    put(&mut option, add::RECV_ID, &[key.recv_id]);
    put(&mut option, add::MAC_LEN, &[MAC_LEN]);
    put(&mut option, add::KEY_LEN, &[key_len]);
    put(&mut option, add::KEY, &key.secret);
    Some(option)
}

/// Writes a field; what is longer than the rest of the structure is left out, and nothing here is.
fn put(option: &mut [u8], at: usize, value: &[u8]) {
    let room = option.get_mut(at..).and_then(|rest| rest.get_mut(..value.len()));
    room.into_iter().for_each(|field| field.copy_from_slice(value));
}

#[cfg(test)]
mod tests;
