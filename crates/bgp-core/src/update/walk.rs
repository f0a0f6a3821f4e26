//! One pass over the path attributes of an UPDATE.
//!
//! Each attribute is judged by its row of [`table`]; what is sound becomes an [`Entry`] that says where its value is.
//! Blocks are written from the entries afterwards, when the next hops are known.

use bytes::Bytes;

use super::as4;
use super::context::{AigpSession, AsSets, AsZero, UpdateContext};
use super::fault::{AttrFault, FaultAction, FaultKind, ResetReason, SessionReset};
use super::next_hop;
use crate::asn::{AS_TRANS, AsWidth, Asn};
use crate::attr::as_path::{Segment, SegmentKind, Segments};
use crate::attr::block::{RawAttr, RawAttrs, push_attr};
use crate::attr::code::{AttrCode, AttrFlags};
use crate::attr::otc::{self, Ingress};
use crate::attr::table::{self, Category, Row, Scope};
use crate::attr::{aigp, tlv};
use crate::family::Family;
use crate::message::{HEADER_LEN, MAX_LEN};
use crate::negotiated::PeerType;
use crate::nlri::{NlriSlice, PathIds};
use crate::reader::Reader;

/// The most faults of one UPDATE that are kept; the strongest action counts all.
const MAX_FAULTS: usize = 32;

/// The local preference of a route that an internal peer sent without one (RFC 4271 §5.1.5 asks for it, RFC 7606
/// §3(d) would treat the routes as withdrawn). A known deviation: BIRD and FRR use 100, too.
pub(super) const DEFAULT_LOCAL_PREF: u32 = 100;

/// A value of an attribute: in the message, or among those that decoding made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) code: AttrCode,
    pub(super) flags: u8,
    made: bool,
    start: u32,
    len: u32,
}

/// Buffers of the walk.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    entries: Vec<Entry>,
    made: Vec<u8>,
    faults: Vec<AttrFault>,
}

impl Buffers {
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.made.clear();
        self.faults.clear();
    }
    pub(super) fn faults(&self) -> &[AttrFault] {
        &self.faults
    }
}

/// What MP_REACH_NLRI says for a family that was negotiated.
#[derive(Clone, Copy, Debug)]
pub(super) struct MpReach<'a> {
    pub(super) nlri: NlriSlice<'a>,
    next_hop: Entry,
}

/// What is wrong with one attribute.
struct Fault(FaultKind, FaultAction, &'static str);

enum Judged {
    Kept,
    Ignored,
    Faulty(Fault),
}

/// The pass, and what it found.
pub(super) struct Walk<'a, 's> {
    context: &'s UpdateContext,
    buffers: &'s mut Buffers,
    /// The attributes, and where they begin in the body.
    attrs: &'a [u8],
    base: usize,
    /// Whether the NLRI field has prefixes.
    ipv4_nlri: bool,
    seen: [u64; 4],
    last_code: u8,
    sorted: bool,
    /// The attributes read so far are what the block would have, byte for byte.
    verbatim: bool,
    as_path: Option<(&'a [u8], usize)>,
    as4_path: Option<&'a [u8]>,
    aggregator: Option<(&'a [u8], u8)>,
    as4_aggregator: Option<&'a [u8]>,
    otc: Option<Asn>,
    /// Attributes other than MP_UNREACH_NLRI are there.
    pub(super) others: bool,
    /// MP_REACH_NLRI is there, though perhaps of a family that was not negotiated.
    pub(super) has_mp_reach: bool,
    pub(super) mp_reach: Option<MpReach<'a>>,
    pub(super) mp_unreach: Option<NlriSlice<'a>>,
    pub(super) action: Option<FaultAction>,
    strongest: Option<AttrFault>,
    /// OTC says that the routes were leaked.
    pub(super) leak: bool,
}

impl<'a, 's> Walk<'a, 's> {
    pub(super) fn new(
        context: &'s UpdateContext,
        buffers: &'s mut Buffers,
        attrs: &'a [u8],
        base: usize,
        ipv4_nlri: bool,
    ) -> Self {
        Self {
            context,
            buffers,
            attrs,
            base,
            ipv4_nlri,
            seen: [0; 4],
            last_code: 0,
            sorted: true,
            verbatim: true,
            as_path: None,
            as4_path: None,
            aggregator: None,
            as4_aggregator: None,
            otc: None,
            others: false,
            has_mp_reach: false,
            mp_reach: None,
            mp_unreach: None,
            action: None,
            strongest: None,
            leak: false,
        }
    }

    /// Reads all attributes.
    pub(super) fn run(&mut self) -> Result<(), SessionReset> {
        let mut attrs = RawAttrs::new(self.attrs);
        loop {
            let at = self.attrs.len() - attrs.rest().len();
            let Some(attr) = attrs.next() else {
                if !attrs.rest().is_empty() {
                    // RFC 7606 §4: too few octets for a header, or a value beyond the list.
                    self.others = true;
                    self.fault(None, at, Fault(FaultKind::Overrun, FaultAction::TreatAsWithdraw, "RFC 7606 §4"));
                }
                return Ok(());
            };
            self.attribute(attr, at, self.attrs.len() - attrs.rest().len())?;
        }
    }

    fn attribute(&mut self, attr: RawAttr<'a>, at: usize, end: usize) -> Result<(), SessionReset> {
        if !self.first_time(attr.code) {
            if matches!(attr.code, AttrCode::MP_REACH_NLRI | AttrCode::MP_UNREACH_NLRI) {
                // RFC 7606 §3(g).
                return Err(SessionReset::malformed(ResetReason::Repeated(attr.code)));
            }
            let kind = Fault(FaultKind::Duplicate, FaultAction::AttributeDiscard, "RFC 7606 §3(g)");
            self.fault(Some(attr.code), at, kind);
            return Ok(());
        }
        self.others |= attr.code != AttrCode::MP_UNREACH_NLRI;
        let judged = match table::lookup(attr.code) {
            Some(row) if row.malformed == FaultAction::SessionReset => {
                let raw = self.attrs.get(at..end).unwrap_or_default();
                self.multiprotocol(row, attr, raw, at, end)?
            }
            Some(row) => self.known(row, attr, end),
            None => self.unknown(attr, end),
        };
        match judged {
            Judged::Kept => {}
            Judged::Ignored => self.verbatim = false,
            Judged::Faulty(fault) => self.fault(Some(attr.code), at, fault),
        }
        Ok(())
    }

    /// Notes a type; whether it was not there before.
    #[inline]
    fn first_time(&mut self, code: AttrCode) -> bool {
        let (word, bit) = (usize::from(code.0 >> 6), 1_u64 << (code.0 & 63));
        let Some(word) = self.seen.get_mut(word) else { return false };
        let first = *word & bit == 0;
        *word |= bit;
        first
    }

    fn was_seen(&self, code: AttrCode) -> bool {
        self.seen.get(usize::from(code.0 >> 6)).is_some_and(|w| w >> (code.0 & 63) & 1 == 1)
    }

    #[cold]
    fn fault(&mut self, code: Option<AttrCode>, at: usize, Fault(kind, action, section): Fault) {
        // Whatever is faulty is not part of the block.
        self.verbatim = false;
        let offset = u16::try_from(self.base + at).unwrap_or(u16::MAX);
        let fault = AttrFault { code, kind, action, section, offset };
        if self.action.is_none_or(|strongest| action > strongest) {
            // RFC 7606 §3(h): the strongest wins.
            self.action = Some(action);
            self.strongest = Some(fault);
        }
        if self.buffers.faults.len() < MAX_FAULTS {
            self.buffers.faults.push(fault);
        }
    }

    /// Notes a fault of the message's own fields.
    pub(super) fn message_fault(&mut self, kind: FaultKind, action: FaultAction, section: &'static str) {
        self.fault(None, 0, Fault(kind, action, section));
    }

    /// The first fault with the strongest action.
    pub(super) const fn strongest(&self) -> Option<AttrFault> {
        self.strongest
    }

    fn known(&mut self, row: &'static Row, attr: RawAttr<'a>, end: usize) -> Judged {
        if !self.belongs(row.scope) {
            return Judged::Faulty(Fault(FaultKind::NotForSession, FaultAction::AttributeDiscard, row.section));
        }
        let malformed = |kind| Judged::Faulty(Fault(kind, row.malformed, row.section));
        let flags = row.category.flags();
        if attr.flags.0 & (AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE) != flags {
            // RFC 7606 §3(c); the Partial bit of a well-known attribute is not judged, only cleared.
            let kind = FaultKind::Flags(attr.flags.0);
            let section = if row.wrong_flags == FaultAction::TreatAsWithdraw { "RFC 7606 §3(c)" } else { row.section };
            return Judged::Faulty(Fault(kind, row.wrong_flags, section));
        }
        let v = attr.value;
        if !row.length.allows(v.len(), self.context.as_width) {
            return malformed(FaultKind::Length(u16::try_from(v.len()).unwrap_or(u16::MAX)));
        }
        if let Err(fault) = self.value(row, attr, end) {
            return Judged::Faulty(fault);
        }
        match attr.code {
            // Made anew when all is read (RFC 6793 §4.2.3).
            AttrCode::AS4_PATH | AttrCode::AS4_AGGREGATOR => return Judged::Ignored,
            AttrCode::AS_PATH | AttrCode::AGGREGATOR if self.context.as_width == AsWidth::Two => {
                return Judged::Ignored;
            }
            _ => {}
        }
        let flags = match row.category {
            // RFC 4271 §5: Partial stays on optional transitive attributes.
            Category::OptionalTransitive => flags | attr.flags.0 & AttrFlags::PARTIAL,
            Category::WellKnown | Category::OptionalNonTransitive => flags,
        };
        self.keep(attr, flags, end);
        Judged::Kept
    }

    #[inline]
    fn belongs(&self, scope: Scope) -> bool {
        match scope {
            Scope::Any => true,
            Scope::Internal => self.context.peer_type == PeerType::Ibgp,
            Scope::TwoOctetAs => self.context.as_width == AsWidth::Two,
            Scope::Aigp => self.context.aigp == AigpSession::Enabled,
        }
    }

    /// What the value of a known attribute has to be, beyond its length.
    fn value(&mut self, row: &'static Row, attr: RawAttr<'a>, end: usize) -> Result<(), Fault> {
        let v = attr.value;
        let at = end - v.len() - if attr.flags.0 & AttrFlags::EXTENDED_LENGTH == 0 { 3 } else { 4 };
        let malformed = |kind| Fault(kind, row.malformed, row.section);
        let sound = |structure: bool| if structure { Ok(()) } else { Err(malformed(FaultKind::Structure)) };
        match attr.code {
            AttrCode::ORIGIN if v.first().is_none_or(|o| *o > 2) => Err(malformed(FaultKind::Value)),
            AttrCode::AS_PATH => {
                self.check_as_path(v, self.context.as_width)?;
                self.as_path = Some((v, at));
                if self.context.as_width == AsWidth::Four { self.check_first_as(v) } else { Ok(()) }
            }
            // Judged as an address only where it counts: with prefixes in the NLRI field (RFC 4760 §3).
            AttrCode::NEXT_HOP if self.ipv4_nlri && !next_hop::is_usable(v, &self.context.local_addrs) => {
                Err(Fault(FaultKind::NextHop, FaultAction::TreatAsWithdraw, "RFC 4271 §6.3"))
            }
            AttrCode::AGGREGATOR => {
                let asn = v.get(..v.len().saturating_sub(4)).unwrap_or_default();
                if self.rejects_as_zero() && asn.iter().all(|octet| *octet == 0) {
                    return Err(Fault(FaultKind::AsZero, row.malformed, "RFC 7607 §2"));
                }
                self.aggregator = Some((v, attr.flags.0 & AttrFlags::PARTIAL));
                Ok(())
            }
            AttrCode::AS4_PATH => {
                sound(as4::is_sound(v))?;
                self.as4_path = Some(v);
                Ok(())
            }
            AttrCode::AS4_AGGREGATOR => {
                if self.rejects_as_zero() && v.starts_with(&[0; 4]) {
                    return Err(Fault(FaultKind::AsZero, row.malformed, "RFC 7607 §2"));
                }
                self.as4_aggregator = Some(v);
                Ok(())
            }
            AttrCode::OTC => {
                self.otc = v.try_into().ok().map(|octets| Asn(u32::from_be_bytes(octets)));
                Ok(())
            }
            AttrCode::AIGP => sound(aigp::metric(v).is_ok()),
            AttrCode::PMSI_TUNNEL => sound(tlv::pmsi_tunnel(v).is_ok()),
            AttrCode::TUNNEL_ENCAP => sound(tlv::tunnel_encap(v).is_ok()),
            AttrCode::BGP_LS => sound(tlv::bgp_ls(v).is_ok()),
            AttrCode::PREFIX_SID => sound(tlv::prefix_sid(v).is_ok()),
            AttrCode::ATTR_SET => sound(tlv::attr_set(v).is_ok()),
            _ => Ok(()),
        }
    }

    fn rejects_as_zero(&self) -> bool {
        self.context.as_zero == AsZero::Reject
    }

    /// AS_PATH (RFC 7606 §7.2): whole segments of known types, none empty, no AS 0 (RFC 7607 §2), no confederation
    /// segments, as there are no confederation peers (RFC 5065 §5), sets as configured (RFC 9774 §3).
    fn check_as_path(&self, value: &[u8], width: AsWidth) -> Result<(), Fault> {
        let withdraw = |kind, section| Err(Fault(kind, FaultAction::TreatAsWithdraw, section));
        let mut segments = Segments::new(value, width);
        let mut hops = 0;
        for segment in segments.by_ref() {
            hops += segment.hops();
            match segment.kind {
                SegmentKind::Sequence => {}
                SegmentKind::Set if self.context.as_sets == AsSets::Accept => {}
                SegmentKind::Set => return withdraw(FaultKind::AsSet, "RFC 9774 §3"),
                SegmentKind::ConfedSequence | SegmentKind::ConfedSet => {
                    return withdraw(FaultKind::Segment, "RFC 7606 §7.2");
                }
            }
            if self.rejects_as_zero() && segment.asns().any(|asn| asn == Asn(0)) {
                return withdraw(FaultKind::AsZero, "RFC 7607 §2");
            }
        }
        if !segments.rest().is_empty() {
            return withdraw(FaultKind::Segment, "RFC 7606 §7.2");
        }
        match u16::try_from(hops) {
            Ok(hops) if hops <= self.context.max_as_path_len => Ok(()),
            hops => withdraw(FaultKind::PathTooLong(hops.unwrap_or(u16::MAX)), "a limit of this speaker"),
        }
    }

    /// The first AS of an external peer's path is the peer's (RFC 4271 §6.3, RFC 7606 §7.2), where that is enforced.
    fn check_first_as(&self, path: &[u8]) -> Result<(), Fault> {
        let Some(expected) = self.context.enforce_first_as.filter(|_| self.context.peer_type == PeerType::Ebgp) else {
            return Ok(());
        };
        let first = Segments::new(path, AsWidth::Four)
            .next()
            .filter(|s| s.kind == SegmentKind::Sequence)
            .and_then(|s: Segment<'_>| s.asns().next());
        // A 2-octet speaker stands in the path as AS_TRANS where its AS does not fit.
        let trans = self.context.as_width == AsWidth::Two && expected.0 > 0xFFFF && first == Some(AS_TRANS);
        if first == Some(expected) || trans {
            return Ok(());
        }
        Err(Fault(FaultKind::FirstAs { expected }, FaultAction::TreatAsWithdraw, "RFC 4271 §6.3"))
    }

    fn unknown(&mut self, attr: RawAttr<'a>, end: usize) -> Judged {
        if attr.code == AttrCode::INTERFACE {
            // Type 0 is reserved at IANA; RFC 4271 §5 would pass it on. A decision: discarded, so that in blocks it can
            // stand for something of our own.
            return Judged::Faulty(Fault(FaultKind::Value, FaultAction::AttributeDiscard, "IANA: type 0 is reserved"));
        }
        if attr.flags.0 & AttrFlags::OPTIONAL == 0 {
            // A known deviation: RFC 4271 §6.3 asks for a session reset with 3/2. RFC 7606 §3(c) in spirit.
            return Judged::Faulty(Fault(
                FaultKind::UnknownWellKnown,
                FaultAction::TreatAsWithdraw,
                "RFC 4271 §6.3, as RFC 7606 §3(c)",
            ));
        }
        if attr.flags.0 & AttrFlags::TRANSITIVE == 0 {
            // RFC 4271 §5: quietly ignored and not passed along.
            return Judged::Ignored;
        }
        // RFC 4271 §5: passed along with the Partial bit.
        self.keep(attr, AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE | AttrFlags::PARTIAL, end);
        Judged::Kept
    }

    /// Adds an entry for an attribute of the message.
    #[inline]
    fn keep(&mut self, attr: RawAttr<'a>, flags: u8, end: usize) {
        let len = attr.value.len();
        let extended = if len > 255 { AttrFlags::EXTENDED_LENGTH } else { 0 };
        let ascending = attr.code.0 > self.last_code;
        self.verbatim &= ascending && attr.flags.0 == flags | extended;
        self.sorted &= ascending;
        self.last_code = attr.code.0;
        self.buffers.entries.push(entry(attr.code, flags, end - len, len));
    }

    /// Adds an entry for a value that the message does not have as such.
    fn make(&mut self, code: AttrCode, flags: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.buffers.made.len();
        write(&mut self.buffers.made);
        let len = self.buffers.made.len() - start;
        self.buffers.entries.push(Entry { made: true, ..entry(code, flags, start, len) });
        self.verbatim = false;
        self.sorted = false;
    }

    fn multiprotocol(
        &mut self,
        row: &'static Row,
        attr: RawAttr<'a>,
        raw: &'a [u8],
        at: usize,
        end: usize,
    ) -> Result<Judged, SessionReset> {
        let reset = |reason| SessionReset::optional_attribute(reason, raw);
        let unreadable = || reset(ResetReason::Multiprotocol(attr.code));
        let mut r = Reader::new(attr.value);
        if !row.length.allows(r.len(), self.context.as_width) {
            return Err(unreadable());
        }
        let family = Family::new(r.u16().map_err(|_| unreadable())?, r.u8().map_err(|_| unreadable())?);
        if attr.flags.0 & (AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE) != row.category.flags() {
            // RFC 7606 §3(c): the NLRI can still be found.
            self.fault(Some(attr.code), at, Fault(FaultKind::Flags(attr.flags.0), row.wrong_flags, "RFC 7606 §3(c)"));
        }
        self.has_mp_reach |= attr.code == AttrCode::MP_REACH_NLRI;
        let Some(negotiated) = self.context.family(family) else {
            // Ignored, the session stays (RFC 4760 §6).
            let kind = FaultKind::Family(family);
            return Ok(Judged::Faulty(Fault(kind, FaultAction::AttributeDiscard, "RFC 4760 §6")));
        };
        let nlri_error = |e| reset(ResetReason::MultiprotocolNlri(attr.code, e));
        if attr.code == AttrCode::MP_UNREACH_NLRI {
            let nlri = NlriSlice::parse(family, negotiated.path_ids, r.rest()).map_err(nlri_error)?;
            self.mp_unreach = Some(nlri);
            return Ok(Judged::Ignored);
        }
        let len = usize::from(r.u8().map_err(|_| unreadable())?);
        let octets = r.take(len).map_err(|_| unreadable())?;
        // RFC 4760 §3: the reserved octet is ignored.
        r.u8().map_err(|_| unreadable())?;
        let nlri_start = end - r.len();
        let Some(part) = next_hop::select(octets, family, negotiated.extended_next_hop) else {
            return Err(unreadable());
        };
        let nlri = NlriSlice::parse(family, negotiated.path_ids, r.rest()).map_err(nlri_error)?;
        let start = nlri_start - 1 - len + part.start;
        let next_hop = entry(AttrCode::NEXT_HOP, AttrFlags::TRANSITIVE, start, part.len());
        self.mp_reach = Some(MpReach { nlri, next_hop });
        if !next_hop::is_usable(octets.get(part).unwrap_or_default(), &self.context.local_addrs) {
            return Ok(Judged::Faulty(Fault(FaultKind::NextHop, FaultAction::TreatAsWithdraw, "RFC 4271 §6.3")));
        }
        Ok(Judged::Ignored)
    }

    /// Whether the message advertises a route.
    pub(super) fn advertises(&self) -> bool {
        self.ipv4_nlri || self.mp_reach.is_some_and(|m| !m.nlri.is_empty())
    }

    /// What can only be judged when all attributes are read. To be called when the message advertises routes.
    pub(super) fn finish(&mut self) {
        if self.context.as_width == AsWidth::Two {
            self.merge();
        }
        for (code, needed) in
            [(AttrCode::ORIGIN, true), (AttrCode::AS_PATH, true), (AttrCode::NEXT_HOP, self.ipv4_nlri)]
        {
            if needed && !self.was_seen(code) {
                // RFC 7606 §3(d).
                let fault = Fault(FaultKind::Missing, FaultAction::TreatAsWithdraw, "RFC 7606 §3(d)");
                self.fault(Some(code), 0, fault);
            }
        }
        if self.context.peer_type == PeerType::Ibgp {
            if !self.was_seen(AttrCode::LOCAL_PREF) {
                self.make(AttrCode::LOCAL_PREF, AttrFlags::TRANSITIVE, |out| {
                    out.extend_from_slice(&DEFAULT_LOCAL_PREF.to_be_bytes());
                });
            }
        } else if let Some(role) = self.context.local_role {
            match otc::ingress(role, self.context.peer_asn, self.otc) {
                Ingress::Keep => {}
                Ingress::Leak => self.leak = true,
                Ingress::Add(asn) => {
                    self.make(AttrCode::OTC, AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE, |out| {
                        out.extend_from_slice(&asn.0.to_be_bytes());
                    });
                }
            }
        }
    }

    /// RFC 6793 §4.2.3.
    fn merge(&mut self) {
        let merged = as4::merge_aggregator(self.aggregator.map(|(octets, _)| octets), self.as4_aggregator);
        if let Some(aggregator) = merged.aggregator {
            let partial = self.aggregator.map_or(0, |(_, partial)| partial);
            let flags = AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE | partial;
            self.make(AttrCode::AGGREGATOR, flags, |out| out.extend_from_slice(&aggregator));
        }
        let Some((as_path, at)) = self.as_path else { return };
        let as4_path = self.as4_path.filter(|_| merged.as4_path_counts);
        let start = self.buffers.made.len();
        self.make(AttrCode::AS_PATH, AttrFlags::TRANSITIVE, |out| as4::merge_path(out, as_path, as4_path));
        let path = self.buffers.made.get(start..).unwrap_or_default();
        if path.len() > usize::from(u16::MAX) {
            // Nothing could carry it on.
            let kind = FaultKind::PathTooLong(u16::MAX);
            let fault = Fault(kind, FaultAction::TreatAsWithdraw, "a limit of this speaker");
            return self.fault(Some(AttrCode::AS_PATH), at, fault);
        }
        // AS4_PATH may have brought sets (RFC 9774 §3) and AS numbers that AS_PATH did not show.
        if let Err(fault) = self.check_as_path(path, AsWidth::Four).and_then(|()| self.check_first_as(path)) {
            self.fault(Some(AttrCode::AS_PATH), at, fault);
        }
    }

    /// The attributes when they are already a canonical block for the prefixes of the NLRI field.
    pub(super) fn as_block(&self) -> Option<&'a [u8]> {
        self.verbatim.then_some(self.attrs)
    }

    /// Entries in ascending order of type.
    pub(super) fn sort(&mut self) {
        if !self.sorted {
            self.buffers.entries.sort_by_key(|e| e.code);
            self.sorted = true;
        }
    }

    /// Writes the block: with the next hop of MP_REACH_NLRI, or with that of NEXT_HOP. The entries are sorted.
    pub(super) fn write_block(&self, out: &mut Vec<u8>, mp_reach: Option<MpReach<'a>>) {
        out.clear();
        let mut next_hop = mp_reach.map(|m| m.next_hop);
        for e in &self.buffers.entries {
            if mp_reach.is_some() && e.code == AttrCode::NEXT_HOP {
                continue;
            }
            if let Some(next_hop) = next_hop.take_if(|_| e.code > AttrCode::NEXT_HOP) {
                push_attr(out, next_hop.flags, next_hop.code, self.value_of(next_hop));
            }
            push_attr(out, e.flags, e.code, self.value_of(*e));
        }
        if let Some(next_hop) = next_hop {
            push_attr(out, next_hop.flags, next_hop.code, self.value_of(next_hop));
        }
    }

    #[inline]
    fn value_of(&self, e: Entry) -> &[u8] {
        let from = if e.made { &self.buffers.made } else { self.attrs };
        let start = e.start as usize;
        from.get(start..start + e.len as usize).unwrap_or_default()
    }

    /// The NLRI field's form on this session; none when IPv4 unicast was not negotiated.
    pub(super) fn ipv4_path_ids(context: &UpdateContext) -> Option<PathIds> {
        context.family(Family::IPV4_UNICAST).map(|f| f.path_ids)
    }
}

#[inline]
fn entry(code: AttrCode, flags: u8, start: usize, len: usize) -> Entry {
    // A message has at most 65,535 octets, and what decoding makes of it at most twice as many.
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Entry { code, flags, made: false, start: narrow(start), len: narrow(len) }
}

impl SessionReset {
    /// Malformed Attribute List (RFC 4271 §6.3).
    #[cold]
    pub(super) fn malformed(reason: ResetReason) -> Self {
        Self { reason, subcode: 1, data: Bytes::new() }
    }

    /// Invalid Network Field (RFC 4271 §6.3).
    #[cold]
    pub(super) fn network_field(reason: ResetReason) -> Self {
        Self { reason, subcode: 10, data: Bytes::new() }
    }

    /// Optional Attribute Error, with the attribute as data (RFC 4271 §6.3), as far as a NOTIFICATION has room.
    #[cold]
    pub(super) fn optional_attribute(reason: ResetReason, attr: &[u8]) -> Self {
        const ROOM: usize = MAX_LEN - HEADER_LEN - 2;
        let data = attr.get(..attr.len().min(ROOM)).unwrap_or_default();
        Self { reason, subcode: 9, data: Bytes::copy_from_slice(data) }
    }
}
