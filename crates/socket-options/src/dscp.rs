//! The class of packets.

use std::io;
use std::os::fd::AsFd;

use socket2::SockRef;

use crate::{is_dual, is_ipv6};

/// CS6, the class of routing protocols (RFC 4594 §3.2).
pub const CS6: u8 = 48;

/// Sets the DSCP (RFC 2474) of what is sent, 0 to 63; on an IPv6 socket that takes IPv4 as well, for both.
///
/// # Errors
/// `InvalidInput` above 63; those of the system.
pub fn set(socket: &impl AsFd, dscp: u8) -> io::Result<()> {
    if dscp > 63 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a DSCP has 6 bits"));
    }
    let octet = u32::from(dscp) << 2;
    if is_ipv6(socket)? {
        SockRef::from(socket).set_tclass_v6(octet)?;
        if !is_dual(socket)? {
            return Ok(());
        }
    }
    SockRef::from(socket).set_tos_v4(octet)
}
