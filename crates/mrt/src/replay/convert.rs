//! One recorded UPDATE, or the attributes of a route of a table, made fit for the session.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use heddle_bgp_core::asn::AS_TRANS;
use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::code::AttrFlags;
use heddle_bgp_core::attr::{AttrCode, BlockView, NextHop, RawAttr};
use heddle_bgp_core::message::{HEADER_LEN, encode_message};
use heddle_bgp_core::nlri::{PathIds, encode_nlri};
use heddle_bgp_core::reader::Reader;
use heddle_bgp_core::{AsWidth, Asn, Family, MessageType, NlriSlice, PeerType};

use super::{ReplayOptions, count};
use crate::attrs::{AS_CONFED_SEQUENCE, AS_CONFED_SET, AS_SEQUENCE, Attrs, RawSegment, merged, read_reach, segments};
use crate::bgp4mp::Message;
use crate::show::RecordedUpdate;

const WELL_KNOWN: u8 = AttrFlags::TRANSITIVE;
const OPTIONAL_TRANSITIVE: u8 = AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE;
/// What a missing LOCAL_PREF becomes toward an internal peer.
const DEFAULT_LOCAL_PREF: u32 = 100;

/// The session, as far as it decides the form of UPDATEs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    options: &'a ReplayOptions,
}

impl<'a> Target<'a> {
    pub(super) const fn of(options: &'a ReplayOptions) -> Target<'a> {
        Target { options }
    }

    fn has(&self, family: Family) -> bool {
        self.options.families.contains(&family)
    }

    /// Whether prefixes of the family may have this next hop (RFC 8950 §4 for IPv6 next hops of IPv4 prefixes).
    pub(super) fn takes_next_hop(&self, family: Family, next_hop: NextHop) -> bool {
        match next_hop {
            NextHop::V4(_) => family == Family::IPV4_UNICAST,
            NextHop::V6(_) | NextHop::V6LinkLocal(..) => {
                family == Family::IPV6_UNICAST || self.options.extended_next_hop.contains(&family)
            }
        }
    }

    fn drops(&self, code: AttrCode) -> bool {
        // RFC 6793 §4.1, §4.2.2: these are made anew where the session needs them.
        matches!(code, AttrCode::AS4_PATH | AttrCode::AS4_AGGREGATOR)
            || match self.options.peer_type {
                PeerType::Ibgp => false,
                // RFC 4271 §5.1.5, RFC 4456 §8.
                PeerType::Ebgp => {
                    matches!(code, AttrCode::LOCAL_PREF | AttrCode::ORIGINATOR_ID | AttrCode::CLUSTER_LIST)
                }
            }
    }

    fn prepended(&self) -> Option<Asn> {
        match self.options.peer_type {
            PeerType::Ibgp => None,
            PeerType::Ebgp => Some(self.options.local_asn),
        }
    }
}

/// One attribute, in the order of the record; AS numbers four octets wide.
#[derive(Clone, Debug)]
enum Piece<'a> {
    Attr { flags: u8, code: AttrCode, value: Cow<'a, [u8]> },
    Reach { family: Family, octets: &'a [u8], next_hop: NextHop, nlri: Cow<'a, [u8]> },
    Unreach { family: Family, nlri: Cow<'a, [u8]> },
}

/// An UPDATE for the session.
#[derive(Clone, Debug)]
pub(super) struct Converted<'a> {
    withdrawn: Cow<'a, [u8]>,
    pieces: Vec<Piece<'a>>,
    nlri: Cow<'a, [u8]>,
    end_of_rib: bool,
}

impl<'a> Converted<'a> {
    /// From a recorded UPDATE; none when it is malformed.
    pub(super) fn update(update: &RecordedUpdate<'a>, message: &Message<'_>, target: &Target<'_>) -> Option<Self> {
        let ipv4 = |field| {
            let nlri = plain(Family::IPV4_UNICAST, message.path_ids, field)?;
            Some(if target.has(Family::IPV4_UNICAST) { nlri } else { Cow::Borrowed(&[][..]) })
        };
        let (withdrawn, nlri) = (ipv4(update.withdrawn)?, ipv4(update.nlri)?);
        let mut pieces = Vec::new();
        for attr in sound_attributes(update.attributes)? {
            match attr.code {
                AttrCode::MP_REACH_NLRI => pieces.extend(reach(attr.value, message.path_ids, target)?),
                AttrCode::MP_UNREACH_NLRI => pieces.extend(unreach(attr.value, message.path_ids, target)?),
                _ => pieces.push(Piece::Attr { flags: attr.flags.0, code: attr.code, value: attr.value.into() }),
            }
        }
        // RFC 4724 §2: of IPv4 unicast. That of another family is an MP_UNREACH_NLRI without prefixes.
        let end_of_rib = update.is_empty() && target.has(Family::IPV4_UNICAST);
        let mut converted = Self { withdrawn, pieces, nlri, end_of_rib };
        if converted.advertised() > 0 {
            converted.fit(update.attributes, message.as_width, target)?;
        } else {
            // Attributes without a route say nothing.
            converted.pieces.retain(|p| matches!(p, Piece::Unreach { .. }));
        }
        Some(converted)
    }

    /// From the attributes of a route of a table, with its next hop; none when they are malformed.
    pub(super) fn route(attributes: &'a [u8], width: AsWidth, target: &Target<'_>) -> Option<(Self, NextHop)> {
        let mut next_hop = None;
        let mut pieces = Vec::new();
        for attr in sound_attributes(attributes)? {
            match attr.code {
                AttrCode::MP_REACH_NLRI => next_hop = NextHop::from_octets(read_reach(attr.value)?.1.next_hop),
                AttrCode::MP_UNREACH_NLRI => {}
                AttrCode::NEXT_HOP => next_hop = next_hop.or_else(|| NextHop::from_octets(attr.value)),
                _ => pieces.push(Piece::Attr { flags: attr.flags.0, code: attr.code, value: attr.value.into() }),
            }
        }
        let none = Cow::Borrowed(&[][..]);
        let mut converted = Self { withdrawn: none.clone(), pieces, nlri: none, end_of_rib: false };
        converted.fit(attributes, width, target)?;
        Some((converted, next_hop?))
    }

    /// AS numbers four octets wide, our AS in front, and no attribute that does not belong on the session.
    fn fit(&mut self, attributes: &'a [u8], width: AsWidth, target: &Target<'_>) -> Option<()> {
        let read = Attrs::read(attributes, width);
        let merge = read.merge(width);
        let path = match (merge.path, merge.newer) {
            (None, _) => Vec::new(),
            (Some(path), None) => segments(path, width).collect::<Result<_, _>>().ok()?,
            (Some(path), Some(newer)) => merged(path, newer).ok()?,
        };
        let path = encode_path(&path, target.prepended());
        let aggregator = merge.aggregator.map(|a| [a.asn.0.to_be_bytes(), a.addr.octets()].concat());
        let mut has = (false, false);
        self.pieces.retain_mut(|piece| {
            let Piece::Attr { code, value, .. } = piece else { return true };
            match (*code, &aggregator) {
                (code, _) if target.drops(code) => return false,
                (AttrCode::AS_PATH, _) => {
                    has.0 = true;
                    *value = path.clone().into();
                }
                (AttrCode::AGGREGATOR, Some(aggregator)) => *value = aggregator.clone().into(),
                (AttrCode::LOCAL_PREF, _) => has.1 = true,
                _ => {}
            }
            true
        });
        let mut add = |code, value: Vec<u8>| {
            self.pieces.push(Piece::Attr { flags: WELL_KNOWN, code, value: value.into() });
        };
        if !has.0 {
            add(AttrCode::AS_PATH, path);
        }
        if !has.1 && target.options.peer_type == PeerType::Ibgp {
            add(AttrCode::LOCAL_PREF, DEFAULT_LOCAL_PREF.to_be_bytes().into());
        }
        Some(())
    }

    /// Whether nothing is left of it.
    pub(super) fn is_empty(&self) -> bool {
        !self.end_of_rib
            && self.withdrawn.is_empty()
            && self.nlri.is_empty()
            && self.pieces.iter().all(|p| matches!(p, Piece::Attr { .. }))
    }

    /// The families and prefixes that are withdrawn.
    pub(super) fn withdrawals(&self) -> impl Iterator<Item = (Family, &[u8])> {
        let ipv4 = std::iter::once((Family::IPV4_UNICAST, &self.withdrawn[..]));
        ipv4.chain(self.pieces.iter().filter_map(|p| match p {
            Piece::Unreach { family, nlri } => Some((*family, &nlri[..])),
            Piece::Attr { .. } | Piece::Reach { .. } => None,
        }))
        .filter(|(_, nlri)| !nlri.is_empty())
    }

    /// The families, next hops and prefixes that are advertised.
    pub(super) fn advertisements(&self) -> impl Iterator<Item = (Family, NextHop, &[u8])> {
        let next_hop = self.pieces.iter().find_map(|p| match p {
            Piece::Attr { code: AttrCode::NEXT_HOP, value, .. } => NextHop::from_octets(value),
            Piece::Attr { .. } | Piece::Reach { .. } | Piece::Unreach { .. } => None,
        });
        let ipv4 = next_hop.map(|n| (Family::IPV4_UNICAST, n, &self.nlri[..]));
        ipv4.into_iter()
            .chain(self.pieces.iter().filter_map(|p| match p {
                Piece::Reach { family, next_hop, nlri, .. } => Some((*family, *next_hop, &nlri[..])),
                Piece::Attr { .. } | Piece::Unreach { .. } => None,
            }))
            .filter(|(_, _, nlri)| !nlri.is_empty())
    }

    /// How many prefixes are withdrawn.
    pub(super) fn withdrawn(&self) -> u64 {
        self.withdrawals().map(|(family, nlri)| count(family, nlri)).sum()
    }

    /// How many prefixes are advertised.
    pub(super) fn advertised(&self) -> u64 {
        let multiprotocol = self.pieces.iter().map(|p| match p {
            Piece::Reach { family, nlri, .. } => count(*family, nlri),
            Piece::Attr { .. } | Piece::Unreach { .. } => 0,
        });
        multiprotocol.sum::<u64>() + count(Family::IPV4_UNICAST, &self.nlri)
    }

    /// Appends it as one message; false, and nothing, when that would be too long.
    pub(super) fn push(&self, out: &mut BytesMut, target: &Target<'_>) -> bool {
        let Some(attributes) = self.attributes(target.options.as_width) else { return false };
        let len = HEADER_LEN + 4 + self.withdrawn.len() + attributes.len() + self.nlri.len();
        let (Ok(withdrawn_len), Ok(attributes_len)) =
            (u16::try_from(self.withdrawn.len()), u16::try_from(attributes.len()))
        else {
            return false;
        };
        if len > target.options.max_message_len {
            return false;
        }
        encode_message(out, MessageType::Update, |b| {
            b.put_u16(withdrawn_len);
            b.extend_from_slice(&self.withdrawn);
            b.put_u16(attributes_len);
            b.extend_from_slice(&attributes);
            b.extend_from_slice(&self.nlri);
        })
        .is_some()
    }

    /// The attributes with AS numbers as wide as the session has them; none where a value exceeds 65535 octets.
    fn attributes(&self, width: AsWidth) -> Option<Vec<u8>> {
        let mut list = Vec::new();
        let mut newer = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Attr { flags, code: AttrCode::AS_PATH, value } if width == AsWidth::Two => {
                    push_attr(&mut list, *flags, AttrCode::AS_PATH, &narrow_path(value));
                    if let Some(path) = as4_path(value) {
                        push_attr(&mut newer, OPTIONAL_TRANSITIVE, AttrCode::AS4_PATH, &path);
                    }
                }
                Piece::Attr { flags, code: AttrCode::AGGREGATOR, value } if width == AsWidth::Two => {
                    let (asn, addr) = value.split_first_chunk::<4>()?;
                    let asn = Asn(u32::from_be_bytes(*asn)).as_two_octets();
                    push_attr(&mut list, *flags, AttrCode::AGGREGATOR, &[&asn.to_be_bytes(), addr].concat());
                    if u32::from(asn) == AS_TRANS.0 {
                        push_attr(&mut newer, OPTIONAL_TRANSITIVE, AttrCode::AS4_AGGREGATOR, value);
                    }
                }
                Piece::Attr { flags, code, value } => push_attr(&mut list, *flags, *code, value),
                Piece::Reach { family, octets, nlri, .. } => {
                    let mut value = family_octets(*family);
                    value.push(u8::try_from(octets.len()).ok()?);
                    value.extend_from_slice(octets);
                    value.push(0);
                    value.extend_from_slice(nlri);
                    u16::try_from(value.len()).ok()?;
                    push_attr(&mut list, AttrFlags::OPTIONAL, AttrCode::MP_REACH_NLRI, &value);
                }
                Piece::Unreach { family, nlri } => {
                    let mut value = family_octets(*family);
                    value.extend_from_slice(nlri);
                    u16::try_from(value.len()).ok()?;
                    push_attr(&mut list, AttrFlags::OPTIONAL, AttrCode::MP_UNREACH_NLRI, &value);
                }
            }
        }
        list.append(&mut newer);
        Some(list)
    }

    /// The canonical block of its attributes with a next hop.
    pub(super) fn block(&self, next_hop: NextHop) -> Vec<u8> {
        let next_hop = match next_hop {
            NextHop::V4(a) => a.octets().to_vec(),
            NextHop::V6(a) => a.octets().to_vec(),
            NextHop::V6LinkLocal(a, b) => [a.octets(), b.octets()].concat(),
        };
        let mut list: Vec<(u8, AttrCode, &[u8])> = vec![(WELL_KNOWN, AttrCode::NEXT_HOP, &next_hop)];
        list.extend(self.pieces.iter().filter_map(|p| match p {
            Piece::Attr { code: AttrCode::NEXT_HOP, .. } | Piece::Reach { .. } | Piece::Unreach { .. } => None,
            Piece::Attr { flags, code, value } => Some((*flags, *code, &value[..])),
        }));
        list.sort_by_key(|(_, code, _)| *code);
        let mut block = Vec::new();
        for (flags, code, value) in list {
            push_attr(&mut block, flags, code, value);
        }
        block
    }
}

/// AFI and SAFI.
fn family_octets(family: Family) -> Vec<u8> {
    let [a, b] = family.afi.0.to_be_bytes();
    vec![a, b, family.safi.0]
}

/// The attributes of a list in which nothing is cut and none stands twice (RFC 7606 §3(g), §4).
fn sound_attributes(list: &[u8]) -> Option<Vec<RawAttr<'_>>> {
    let attrs: Vec<_> = BlockView(list).iter().collect();
    let mut seen = [false; 256];
    let mut len = 0;
    for attr in &attrs {
        len += if attr.flags.0 & AttrFlags::EXTENDED_LENGTH == 0 { 3 } else { 4 } + attr.value.len();
        let seen = seen.get_mut(usize::from(attr.code.0))?;
        if *seen {
            return None;
        }
        *seen = true;
    }
    (len == list.len()).then_some(attrs)
}

/// NLRI without Path Identifiers; none when they are malformed.
fn plain(family: Family, path_ids: PathIds, nlri: &[u8]) -> Option<Cow<'_, [u8]>> {
    let checked = NlriSlice::parse(family, path_ids, nlri).ok()?;
    Some(match path_ids {
        PathIds::Absent => Cow::Borrowed(nlri),
        PathIds::Present => {
            let mut out = BytesMut::new();
            for nlri in checked {
                encode_nlri(&mut out, nlri, PathIds::Absent);
            }
            Cow::Owned(out.to_vec())
        }
    })
}

/// MP_REACH_NLRI: the inner none where the session does not take it, the outer where it is malformed.
fn reach<'a>(value: &'a [u8], path_ids: PathIds, target: &Target<'_>) -> Option<Option<Piece<'a>>> {
    let mut r = Reader::new(value);
    let family = Family::new(r.u16().ok()?, r.u8().ok()?);
    if !target.has(family) {
        return Some(None);
    }
    let len = usize::from(r.u8().ok()?);
    let octets = r.take(len).ok()?;
    r.u8().ok()?;
    let nlri = plain(family, path_ids, r.rest())?;
    let next_hop = NextHop::from_octets(octets)?;
    let taken = target.takes_next_hop(family, next_hop);
    Some(taken.then_some(Piece::Reach { family, octets, next_hop, nlri }))
}

/// MP_UNREACH_NLRI, likewise.
fn unreach<'a>(value: &'a [u8], path_ids: PathIds, target: &Target<'_>) -> Option<Option<Piece<'a>>> {
    let mut r = Reader::new(value);
    let family = Family::new(r.u16().ok()?, r.u8().ok()?);
    if !target.has(family) {
        return Some(None);
    }
    let nlri = plain(family, path_ids, r.rest())?;
    Some(Some(Piece::Unreach { family, nlri }))
}

/// A path four octets wide, with an AS in front (RFC 4271 §5.1.2: into the first segment, or one of its own where that is
/// full or of another type).
fn encode_path(path: &[RawSegment<'_>], prepended: Option<Asn>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut front = prepended;
    if let (Some(asn), false) =
        (prepended, path.first().is_some_and(|s| s.kind == AS_SEQUENCE && s.asns().count() < 255))
    {
        out.extend_from_slice(&[AS_SEQUENCE, 1]);
        out.extend_from_slice(&asn.0.to_be_bytes());
        front = None;
    }
    for segment in path {
        let front = front.take();
        let numbers = front.map(|a| a.0).into_iter().chain(segment.asns());
        let count = segment.asns().count() + usize::from(front.is_some());
        // RFC 7606 §7.2: an empty segment is malformed; what a merge leaves empty is left out.
        if count > 0 {
            out.extend_from_slice(&[segment.kind, u8::try_from(count).unwrap_or(u8::MAX)]);
            out.extend(numbers.take(255).flat_map(u32::to_be_bytes));
        }
    }
    out
}

/// The path two octets wide, AS_TRANS for what does not fit (RFC 6793 §4.2.2).
fn narrow_path(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in segments(path, AsWidth::Four).map_while(Result::ok) {
        out.extend_from_slice(&[segment.kind, u8::try_from(segment.asns().count()).unwrap_or(u8::MAX)]);
        out.extend(segment.asns().flat_map(|n| Asn(n).as_two_octets().to_be_bytes()));
    }
    out
}

/// AS4_PATH for the path, without the segments of confederations; none where two octets say it all (RFC 6793 §4.2.2).
fn as4_path(path: &[u8]) -> Option<Vec<u8>> {
    let list: Vec<_> = segments(path, AsWidth::Four)
        .map_while(Result::ok)
        .filter(|s| !matches!(s.kind, AS_CONFED_SEQUENCE | AS_CONFED_SET))
        .collect();
    list.iter().any(|s| s.asns().any(|n| n > 0xffff)).then(|| encode_path(&list, None))
}
