//! TABLE_DUMP: a route of a table in each record (RFC 6396 §4.2).

use std::net::IpAddr;

use heddle_bgp_core::reader::Reader;
use heddle_bgp_core::{AsWidth, Asn, Prefix};

use crate::bgp4mp::{address, asn};
use crate::header::table_dump as subtype;
use crate::record::MalformedRecord;

/// A route of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableDump<'a> {
    /// View number.
    pub view: u16,
    /// Sequence number; wraps.
    pub sequence: u16,
    /// The prefix.
    pub prefix: Prefix,
    /// When it was learned, in seconds since 1970 UTC.
    pub originated: u32,
    /// The peer from which it is; of the family of the prefix.
    pub peer: IpAddr,
    /// The peer's AS.
    pub peer_asn: Asn,
    /// Width of AS numbers: two by the RFC, four in the forms that are in use besides.
    pub as_width: AsWidth,
    /// Path attributes as recorded: not checked.
    pub attributes: &'a [u8],
}

impl<'a> TableDump<'a> {
    /// From the body of a record; none for an address family other than IPv4 and IPv6.
    ///
    /// # Errors
    /// It ends inside a field, or the prefix is too long.
    pub fn decode(subtype: u16, body: &'a [u8]) -> Result<Option<Self>, MalformedRecord> {
        let (afi, as_width) = match subtype {
            subtype::IPV4 => (1, AsWidth::Two),
            subtype::IPV6 => (2, AsWidth::Two),
            subtype::IPV4_AS4 => (1, AsWidth::Four),
            subtype::IPV6_AS4 => (2, AsWidth::Four),
            _ => return Ok(None),
        };
        let mut r = Reader::new(body);
        let (view, sequence) = (r.u16()?, r.u16()?);
        let addr = address(&mut r, afi)?;
        let len = r.u8()?;
        let prefix = Prefix::new(addr, len).ok_or(MalformedRecord::PrefixLength(len))?;
        // RFC 6396 §4.2: the status octet is unused and 1.
        r.u8()?;
        let originated = r.u32()?;
        let peer = address(&mut r, afi)?;
        let peer_asn = asn(&mut r, as_width)?;
        let len = usize::from(r.u16()?);
        Ok(Some(Self { view, sequence, prefix, originated, peer, peer_asn, as_width, attributes: r.take(len)? }))
    }

    /// The subtype that stands for the form of this record.
    #[must_use]
    pub const fn subtype(&self) -> u16 {
        match (self.prefix, self.as_width) {
            (Prefix::V4(_), AsWidth::Two) => subtype::IPV4,
            (Prefix::V6(_), AsWidth::Two) => subtype::IPV6,
            (Prefix::V4(_), AsWidth::Four) => subtype::IPV4_AS4,
            (Prefix::V6(_), AsWidth::Four) => subtype::IPV6_AS4,
        }
    }
}
