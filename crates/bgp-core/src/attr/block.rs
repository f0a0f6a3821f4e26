//! The canonical block of path attributes, read in place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use super::aggregator::Aggregator;
use super::aigp;
use super::as_path::AsPathView;
use super::code::{AttrCode, AttrFlags};
use super::community::Community;
use super::ext_community::{ExtCommunity, Ipv6ExtCommunity};
use super::items::{Item, Items};
use super::large_community::LargeCommunity;
use super::origin::Origin;
pub use super::summary::{Marks, Summary};
use crate::asn::Asn;
use crate::bgp_id::{BgpId, ClusterId};
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

    /// Appends its 4, 16 or 32 octets.
    pub fn push(self, out: &mut Vec<u8>) {
        match self {
            Self::V4(a) => out.extend_from_slice(&a.octets()),
            Self::V6(a) => out.extend_from_slice(&a.octets()),
            Self::V6LinkLocal(a, b) => {
                out.extend_from_slice(&a.octets());
                out.extend_from_slice(&b.octets());
            }
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

    fn value(self, code: AttrCode) -> Option<&'a [u8]> {
        self.get(code).map(|a| a.value)
    }

    fn u32(self, code: AttrCode) -> Option<u32> {
        self.value(code)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn items<T: Item>(self, code: AttrCode) -> Items<'a, T> {
        Items::new(self.value(code).unwrap_or_default())
    }

    /// The interface that the route lies on; none for learned routes.
    #[must_use]
    pub fn interface(self) -> Option<&'a str> {
        std::str::from_utf8(self.value(AttrCode::INTERFACE)?).ok()
    }

    /// ORIGIN.
    #[must_use]
    pub fn origin(self) -> Option<Origin> {
        Origin::from_octet(*self.value(AttrCode::ORIGIN)?.first()?)
    }

    /// AS_PATH; empty where it is absent.
    #[must_use]
    pub fn as_path(self) -> AsPathView<'a> {
        AsPathView(self.value(AttrCode::AS_PATH).unwrap_or_default())
    }

    /// The next hop.
    #[must_use]
    pub fn next_hop(self) -> Option<NextHop> {
        NextHop::from_octets(self.value(AttrCode::NEXT_HOP)?)
    }

    /// MULTI_EXIT_DISC.
    #[must_use]
    pub fn med(self) -> Option<u32> {
        self.u32(AttrCode::MULTI_EXIT_DISC)
    }

    /// LOCAL_PREF.
    #[must_use]
    pub fn local_pref(self) -> Option<u32> {
        self.u32(AttrCode::LOCAL_PREF)
    }

    /// Whether ATOMIC_AGGREGATE is there.
    #[must_use]
    pub fn has_atomic_aggregate(self) -> bool {
        self.get(AttrCode::ATOMIC_AGGREGATE).is_some()
    }

    /// AGGREGATOR.
    #[must_use]
    pub fn aggregator(self) -> Option<Aggregator> {
        Aggregator::from_octets(self.value(AttrCode::AGGREGATOR)?)
    }

    /// COMMUNITIES.
    #[must_use]
    pub fn communities(self) -> Items<'a, Community> {
        self.items(AttrCode::COMMUNITIES)
    }

    /// ORIGINATOR_ID.
    #[must_use]
    pub fn originator_id(self) -> Option<BgpId> {
        self.u32(AttrCode::ORIGINATOR_ID).map(BgpId)
    }

    /// CLUSTER_LIST, the latest reflector first.
    #[must_use]
    pub fn cluster_list(self) -> Items<'a, ClusterId> {
        self.items(AttrCode::CLUSTER_LIST)
    }

    /// EXTENDED_COMMUNITIES.
    #[must_use]
    pub fn ext_communities(self) -> Items<'a, ExtCommunity> {
        self.items(AttrCode::EXTENDED_COMMUNITIES)
    }

    /// IPV6_EXTENDED_COMMUNITIES.
    #[must_use]
    pub fn ipv6_ext_communities(self) -> Items<'a, Ipv6ExtCommunity> {
        self.items(AttrCode::IPV6_EXTENDED_COMMUNITIES)
    }

    /// The metric of AIGP.
    #[must_use]
    pub fn aigp(self) -> Option<u64> {
        aigp::metric(self.value(AttrCode::AIGP)?).ok().flatten()
    }

    /// LARGE_COMMUNITIES.
    #[must_use]
    pub fn large_communities(self) -> Items<'a, LargeCommunity> {
        self.items(AttrCode::LARGE_COMMUNITIES)
    }

    /// OTC.
    #[must_use]
    pub fn otc(self) -> Option<Asn> {
        self.u32(AttrCode::OTC).map(Asn)
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

impl<'a> RawAttrs<'a> {
    /// Over attributes in wire form.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: Reader::new(octets) }
    }

    /// What was not read: empty after the last attribute when none is cut.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest.rest()
    }

    #[inline]
    fn split(&mut self) -> Option<RawAttr<'a>> {
        let [flags, code] = self.rest.array().ok()?;
        let len = if flags & AttrFlags::EXTENDED_LENGTH != 0 {
            usize::from(self.rest.u16().ok()?)
        } else {
            usize::from(self.rest.u8().ok()?)
        };
        Some(RawAttr { flags: AttrFlags(flags), code: AttrCode(code), value: self.rest.take(len).ok()? })
    }
}

impl<'a> Iterator for RawAttrs<'a> {
    type Item = RawAttr<'a>;
    #[inline]
    fn next(&mut self) -> Option<RawAttr<'a>> {
        let before = self.rest.clone();
        let attr = self.split();
        if attr.is_none() {
            self.rest = before;
        }
        attr
    }
}

/// A value of an attribute has more octets than a length field can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{code} has {len} octets; an attribute has at most 65535")]
pub struct AttributeTooLong {
    /// The attribute.
    pub code: AttrCode,
    /// Octets of its value.
    pub len: usize,
}

/// Appends one attribute: low flag bits zero, Extended Length exactly where the value has more than 255 octets.
///
/// # Errors
/// The value has more than 65,535 octets; nothing was appended.
#[inline]
pub fn try_push_attr(out: &mut Vec<u8>, flags: u8, code: AttrCode, value: &[u8]) -> Result<(), AttributeTooLong> {
    let flags = flags & (AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE | AttrFlags::PARTIAL);
    if let Ok(len) = u8::try_from(value.len()) {
        out.extend_from_slice(&[flags, code.0, len]);
    } else {
        let len = u16::try_from(value.len()).map_err(|_| AttributeTooLong { code, len: value.len() })?;
        let [l0, l1] = len.to_be_bytes();
        out.extend_from_slice(&[flags | AttrFlags::EXTENDED_LENGTH, code.0, l0, l1]);
    }
    out.extend_from_slice(value);
    Ok(())
}

/// Appends one attribute as [`try_push_attr`] does; one that no message could carry is left out.
#[inline]
pub fn push_attr(out: &mut Vec<u8>, flags: u8, code: AttrCode, value: &[u8]) {
    let _: Result<(), AttributeTooLong> = try_push_attr(out, flags, code, value);
}
