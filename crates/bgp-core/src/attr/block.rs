//! The canonical block of path attributes, read in place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::code::{AttrCode, AttrFlags};
use crate::reader::Reader;

/// A canonical block; see the [module above](super) for its form. Reading never panics: bytes that are no block end
/// the iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockView<'a>(pub &'a [u8]);

/// One attribute as it stands in a block or in an UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawAttr<'a> {
    /// Its flags.
    pub flags: AttrFlags,
    /// Its type.
    pub code: AttrCode,
    /// Its value.
    pub value: &'a [u8],
}

/// The next hop of a route (RFC 4271 §5.1.3, RFC 4760 §3, RFC 2545 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// IPv4.
    V4(Ipv4Addr),
    /// IPv6: global (or the only) address.
    V6(Ipv6Addr),
    /// IPv6: global and link-local address (32 octets, RFC 2545 §3).
    V6LinkLocal(Ipv6Addr, Ipv6Addr),
}

impl NextHop {
    /// From 4, 16 or 32 octets.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut r = Reader::new(octets);
        match octets.len() {
            4 => Some(Self::V4(r.array::<4>().ok()?.into())),
            16 => Some(Self::V6(r.array::<16>().ok()?.into())),
            32 => Some(Self::V6LinkLocal(r.array::<16>().ok()?.into(), r.array::<16>().ok()?.into())),
            _ => None,
        }
    }

    /// The global (or only) address.
    #[must_use]
    pub const fn addr(self) -> IpAddr {
        match self {
            Self::V4(a) => IpAddr::V4(a),
            Self::V6(a) | Self::V6LinkLocal(a, _) => IpAddr::V6(a),
        }
    }
}

impl<'a> BlockView<'a> {
    /// The attributes, ascending by type.
    #[must_use]
    pub const fn iter(self) -> RawAttrs<'a> {
        RawAttrs { rest: Reader::new(self.0) }
    }

    /// The attribute of a type.
    #[must_use]
    pub fn get(self, code: AttrCode) -> Option<RawAttr<'a>> {
        self.iter().find(|a| a.code >= code).filter(|a| a.code == code)
    }

    /// The next hop.
    #[must_use]
    pub fn next_hop(self) -> Option<NextHop> {
        NextHop::from_octets(self.get(AttrCode::NEXT_HOP)?.value)
    }
}

impl<'a> IntoIterator for BlockView<'a> {
    type Item = RawAttr<'a>;
    type IntoIter = RawAttrs<'a>;
    fn into_iter(self) -> RawAttrs<'a> {
        self.iter()
    }
}

/// Attributes in wire form, one after another; ends at the first that is cut.
#[derive(Clone, Debug)]
pub struct RawAttrs<'a> {
    rest: Reader<'a>,
}

impl<'a> Iterator for RawAttrs<'a> {
    type Item = RawAttr<'a>;
    #[inline]
    fn next(&mut self) -> Option<RawAttr<'a>> {
        let [flags, code] = self.rest.array().ok()?;
        let len = if flags & AttrFlags::EXTENDED_LENGTH != 0 {
            usize::from(self.rest.u16().ok()?)
        } else {
            usize::from(self.rest.u8().ok()?)
        };
        Some(RawAttr { flags: AttrFlags(flags), code: AttrCode(code), value: self.rest.take(len).ok()? })
    }
}

/// Appends one attribute: low flag bits zero, Extended Length exactly where the value has more than 255 octets.
pub fn push_attr(out: &mut Vec<u8>, flags: u8, code: AttrCode, value: &[u8]) {
    let flags = flags & (AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE | AttrFlags::PARTIAL);
    match u8::try_from(value.len()) {
        Ok(len) => out.extend_from_slice(&[flags, code.0, len]),
        Err(_) => {
            let [l0, l1] = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
            out.extend_from_slice(&[flags | AttrFlags::EXTENDED_LENGTH, code.0, l0, l1]);
        }
    }
    out.extend_from_slice(value);
}
