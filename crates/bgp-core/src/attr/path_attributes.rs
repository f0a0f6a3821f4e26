//! The attributes of a route, owned and typed: for policy that changes them, for display, for local routes.

use super::aggregator::Aggregator;
use super::aigp;
use super::as_path::{AsPath, AsPathView};
use super::block::{AttributeTooLong, BlockView, NextHop, RawAttr, try_push_attr};
use super::code::{AttrCode, AttrFlags};
use super::community::Community;
use super::ext_community::{ExtCommunity, Ipv6ExtCommunity};
use super::items::{Item, Items};
use super::large_community::LargeCommunity;
use super::origin::Origin;
use crate::asn::{AsWidth, Asn};
use crate::bgp_id::{BgpId, ClusterId};

const WELL_KNOWN: u8 = AttrFlags::TRANSITIVE;
const OPTIONAL: u8 = AttrFlags::OPTIONAL;
const OPTIONAL_TRANSITIVE: u8 = AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE;

/// An attribute without a type of its own: carried byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherAttr {
    /// Its type.
    pub code: AttrCode,
    /// Optional, Transitive and Partial; other bits are not written.
    pub flags: AttrFlags,
    /// Its value.
    pub value: Vec<u8>,
}

/// Whether ATOMIC_AGGREGATE is there (RFC 4271 §5.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum AtomicAggregate {
    /// It is not.
    #[default]
    Absent,
    /// It is.
    Present,
}

/// The types, among those that are optional, transitive and known, whose Partial bit is set; it must not be cleared
/// when a route is passed on (RFC 4271 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Partial(u64);

impl Partial {
    fn set(&mut self, code: AttrCode) {
        self.0 |= 1_u64.checked_shl(code.0.into()).unwrap_or(0);
    }

    /// Whether the bit is set for a type.
    #[must_use]
    pub fn contains(self, code: AttrCode) -> bool {
        self.0 & 1_u64.checked_shl(code.0.into()).unwrap_or(0) != 0
    }
}

/// The attributes of a route. An empty list stands for an absent attribute.
///
/// [`from_block`](Self::from_block) and [`write_block`](Self::write_block) are inverse for every canonical block.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct PathAttributes {
    /// The interface that the route lies on ([`AttrCode::INTERFACE`]): of routes of our own, and never on the wire.
    pub interface: Option<String>,
    /// ORIGIN.
    pub origin: Option<Origin>,
    /// AS_PATH; none where the attribute is absent, which is not the same as the empty path.
    pub as_path: Option<AsPath>,
    /// The next hop, of whichever family.
    pub next_hop: Option<NextHop>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: AtomicAggregate,
    /// AGGREGATOR.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES.
    pub communities: Vec<Community>,
    /// ORIGINATOR_ID.
    pub originator_id: Option<BgpId>,
    /// CLUSTER_LIST.
    pub cluster_list: Vec<ClusterId>,
    /// EXTENDED_COMMUNITIES.
    pub ext_communities: Vec<ExtCommunity>,
    /// IPV6_EXTENDED_COMMUNITIES.
    pub ipv6_ext_communities: Vec<Ipv6ExtCommunity>,
    /// The value of AIGP: its TLVs.
    pub aigp: Option<Vec<u8>>,
    /// LARGE_COMMUNITIES.
    pub large_communities: Vec<LargeCommunity>,
    /// OTC.
    pub otc: Option<Asn>,
    /// All others, ascending by type.
    pub others: Vec<OtherAttr>,
    /// Which of the ones above have the Partial bit.
    pub partial: Partial,
}

impl PathAttributes {
    /// Without any attribute.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a canonical block. Attributes that are not what their type says go to [`Self::others`].
    #[must_use]
    pub fn from_block(block: &[u8]) -> Self {
        let mut attributes = Self::default();
        for attr in BlockView(block) {
            if attributes.read(attr).is_none() {
                // Whether a length is extended is a matter of its value, not a flag of the attribute.
                let flags = AttrFlags(attr.flags.0 & !AttrFlags::EXTENDED_LENGTH);
                attributes.others.push(OtherAttr { code: attr.code, flags, value: attr.value.to_vec() });
            } else if attr.flags.0 & AttrFlags::PARTIAL != 0 {
                attributes.partial.set(attr.code);
            }
        }
        attributes
    }

    fn read(&mut self, attr: RawAttr<'_>) -> Option<()> {
        let v = attr.value;
        let u32_of = |octets: &[u8]| octets.try_into().ok().map(u32::from_be_bytes);
        match attr.code {
            AttrCode::INTERFACE => self.interface = Some(std::str::from_utf8(v).ok()?.to_owned()),
            AttrCode::ORIGIN => self.origin = Some(<[u8; 1]>::try_from(v).ok().and_then(|[o]| Origin::from_octet(o))?),
            AttrCode::AS_PATH => self.as_path = Some(AsPath::from_octets(v, AsWidth::Four)?),
            AttrCode::NEXT_HOP => self.next_hop = Some(NextHop::from_octets(v)?),
            AttrCode::MULTI_EXIT_DISC => self.med = Some(u32_of(v)?),
            AttrCode::LOCAL_PREF => self.local_pref = Some(u32_of(v)?),
            AttrCode::ATOMIC_AGGREGATE if v.is_empty() => self.atomic_aggregate = AtomicAggregate::Present,
            AttrCode::AGGREGATOR => self.aggregator = Some(Aggregator::from_octets(v)?),
            AttrCode::COMMUNITIES => self.communities = items(v)?,
            AttrCode::ORIGINATOR_ID => self.originator_id = Some(BgpId(u32_of(v)?)),
            AttrCode::CLUSTER_LIST => self.cluster_list = items(v)?,
            AttrCode::EXTENDED_COMMUNITIES => self.ext_communities = items(v)?,
            AttrCode::IPV6_EXTENDED_COMMUNITIES => self.ipv6_ext_communities = items(v)?,
            AttrCode::AIGP => self.aigp = Some(v.to_vec()),
            AttrCode::LARGE_COMMUNITIES => self.large_communities = items(v)?,
            AttrCode::OTC => self.otc = Some(Asn(u32_of(v)?)),
            _ => return None,
        }
        Some(())
    }

    /// The path; empty where the attribute is absent.
    #[must_use]
    pub fn as_path(&self) -> AsPathView<'_> {
        self.as_path.as_ref().map(AsPath::view).unwrap_or_default()
    }

    /// The path to change; made where the attribute is absent.
    pub fn as_path_mut(&mut self) -> &mut AsPath {
        self.as_path.get_or_insert_default()
    }

    /// The AIGP metric.
    #[must_use]
    pub fn aigp_metric(&self) -> Option<u64> {
        aigp::metric(self.aigp.as_deref()?).ok().flatten()
    }

    /// Sets the AIGP metric; other TLVs go.
    pub fn set_aigp_metric(&mut self, metric: Option<u64>) {
        self.aigp = metric.map(|m| aigp::octets(m).to_vec());
    }

    /// Adds a community where it is not there yet.
    pub fn add_community(&mut self, community: Community) {
        add(&mut self.communities, community);
    }

    /// Adds an extended community where it is not there yet.
    pub fn add_ext_community(&mut self, community: ExtCommunity) {
        add(&mut self.ext_communities, community);
    }

    /// Adds a large community where it is not there yet.
    pub fn add_large_community(&mut self, community: LargeCommunity) {
        add(&mut self.large_communities, community);
    }

    /// Removes a community.
    pub fn remove_community(&mut self, community: Community) {
        self.communities.retain(|c| *c != community);
    }

    /// Puts our cluster id before CLUSTER_LIST and sets ORIGINATOR_ID where it is absent (RFC 4456 §8).
    pub fn reflect(&mut self, originator: BgpId, cluster: ClusterId) {
        self.originator_id.get_or_insert(originator);
        self.cluster_list.insert(0, cluster);
    }

    /// Appends the canonical block.
    ///
    /// # Errors
    /// A value has more than 65,535 octets; `out` is as before.
    pub fn write_block(&self, out: &mut Vec<u8>) -> Result<(), AttributeTooLong> {
        let start = out.len();
        self.write(out).inspect_err(|_| out.truncate(start))
    }

    /// The canonical block.
    ///
    /// # Errors
    /// A value has more than 65,535 octets.
    pub fn to_block(&self) -> Result<Vec<u8>, AttributeTooLong> {
        let mut out = Vec::with_capacity(128);
        self.write(&mut out)?;
        Ok(out)
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), AttributeTooLong> {
        let mut w = Writer { out, others: self.others.iter().peekable(), partial: self.partial, value: Vec::new() };
        if let Some(interface) = &self.interface {
            w.attr(OPTIONAL, AttrCode::INTERFACE, interface.as_bytes())?;
        }
        if let Some(origin) = self.origin {
            w.attr(WELL_KNOWN, AttrCode::ORIGIN, &[origin as u8])?;
        }
        if let Some(path) = &self.as_path {
            w.attr(WELL_KNOWN, AttrCode::AS_PATH, path.octets())?;
        }
        if let Some(next_hop) = self.next_hop {
            w.next_hop(next_hop)?;
        }
        if let Some(med) = self.med {
            w.attr(OPTIONAL, AttrCode::MULTI_EXIT_DISC, &med.to_be_bytes())?;
        }
        if let Some(local_pref) = self.local_pref {
            w.attr(WELL_KNOWN, AttrCode::LOCAL_PREF, &local_pref.to_be_bytes())?;
        }
        if self.atomic_aggregate == AtomicAggregate::Present {
            w.attr(WELL_KNOWN, AttrCode::ATOMIC_AGGREGATE, &[])?;
        }
        if let Some(aggregator) = self.aggregator {
            w.attr(OPTIONAL_TRANSITIVE, AttrCode::AGGREGATOR, &aggregator.to_octets())?;
        }
        w.items(OPTIONAL_TRANSITIVE, AttrCode::COMMUNITIES, &self.communities)?;
        if let Some(originator) = self.originator_id {
            w.attr(OPTIONAL, AttrCode::ORIGINATOR_ID, &originator.0.to_be_bytes())?;
        }
        w.items(OPTIONAL, AttrCode::CLUSTER_LIST, &self.cluster_list)?;
        w.items(OPTIONAL_TRANSITIVE, AttrCode::EXTENDED_COMMUNITIES, &self.ext_communities)?;
        w.items(OPTIONAL_TRANSITIVE, AttrCode::IPV6_EXTENDED_COMMUNITIES, &self.ipv6_ext_communities)?;
        if let Some(aigp) = &self.aigp {
            w.attr(OPTIONAL, AttrCode::AIGP, aigp)?;
        }
        w.items(OPTIONAL_TRANSITIVE, AttrCode::LARGE_COMMUNITIES, &self.large_communities)?;
        if let Some(otc) = self.otc {
            w.attr(OPTIONAL_TRANSITIVE, AttrCode::OTC, &otc.0.to_be_bytes())?;
        }
        w.finish()
    }
}

/// Writes typed attributes and, between them by type, the others.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    others: std::iter::Peekable<std::slice::Iter<'a, OtherAttr>>,
    partial: Partial,
    value: Vec<u8>,
}

impl Writer<'_> {
    fn attr(&mut self, flags: u8, code: AttrCode, value: &[u8]) -> Result<(), AttributeTooLong> {
        while let Some(other) = self.others.next_if(|o| o.code < code) {
            try_push_attr(self.out, other.flags.0, other.code, &other.value)?;
        }
        let partial = flags == OPTIONAL_TRANSITIVE && self.partial.contains(code);
        try_push_attr(self.out, if partial { flags | AttrFlags::PARTIAL } else { flags }, code, value)
    }

    fn next_hop(&mut self, next_hop: NextHop) -> Result<(), AttributeTooLong> {
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        next_hop.push(&mut value);
        let done = self.attr(WELL_KNOWN, AttrCode::NEXT_HOP, &value);
        self.value = value;
        done
    }

    fn items<T: Item>(&mut self, flags: u8, code: AttrCode, items: &[T]) -> Result<(), AttributeTooLong> {
        if items.is_empty() {
            return Ok(());
        }
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        items.iter().for_each(|item| item.push(&mut value));
        let done = self.attr(flags, code, &value);
        self.value = value;
        done
    }

    fn finish(mut self) -> Result<(), AttributeTooLong> {
        self.others.try_for_each(|other| try_push_attr(self.out, other.flags.0, other.code, &other.value))
    }
}

fn items<T: Item>(value: &[u8]) -> Option<Vec<T>> {
    (!value.is_empty() && value.len().is_multiple_of(T::LEN)).then(|| Items::new(value).collect())
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

#[cfg(test)]
mod tests;
