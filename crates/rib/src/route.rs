//! A route as the parts of the RIB see it: numbers that stand for attributes, peers and sessions, what a path may be
//! barred by, and the views that decision, policy and export read.

use std::fmt;
use std::net::IpAddr;

use heddle_bgp_core::attr::block::{Marks, Summary};
use heddle_bgp_core::attr::{BlockView, NextHop};
use heddle_bgp_core::{Asn, BgpId, PathId, PeerType, Prefix};

/// Number of an interned attribute set; [`AttrId::NONE`] stands for no attributes, hence no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttrId(pub u32);

impl AttrId {
    /// No attributes.
    pub const NONE: Self = Self(u32::MAX);
}

/// Number of an interned next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHopId(pub u32);

/// A peer as the RIB knows it, across its sessions. Reused only when nothing names it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u16);

impl PeerId {
    /// The router itself, as the peer behind local routes; never a receiver.
    pub const LOCAL: Self = Self(0);
}

/// One session of one peer, as the origin of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u16);

impl SourceId {
    /// The router itself: originated networks and default routes.
    pub const LOCAL: Self = Self(0);
}

/// What kind of speaker a route came from; this and not the peer itself is an input of export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// Originated here.
    Local,
    /// An external peer.
    Ebgp,
    /// An internal peer that is a client of this reflector (RFC 4456 §6).
    Client,
    /// An internal peer that is not a client.
    NonClient,
}

impl SourceKind {
    /// Internal or external, as the decision process distinguishes; none for local routes.
    #[must_use]
    pub const fn peer_type(self) -> Option<PeerType> {
        match self {
            Self::Local => None,
            Self::Ebgp => Some(PeerType::Ebgp),
            Self::Client | Self::NonClient => Some(PeerType::Ibgp),
        }
    }
}

/// What the RIB knows of a source of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceInfo {
    /// The peer behind it.
    pub peer: PeerId,
    /// What kind of speaker it is.
    pub kind: SourceKind,
    /// The peer's AS.
    pub peer_asn: Asn,
    /// Our AS toward the peer.
    pub local_asn: Asn,
    /// The peer's BGP Identifier; ours for local routes.
    pub bgp_id: BgpId,
    /// The peer's address: the last tie-breaker (RFC 4271 §9.1.2.2 g), and what policies match on.
    pub peer_addr: IpAddr,
    /// Whether the session is over and its routes are kept (RFC 4724 §4.2, RFC 9494 §4.2).
    pub staleness: Staleness,
}

/// Whether a source's session is over, its routes being kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Staleness {
    /// The session is up.
    Live,
    /// Kept under graceful restart (RFC 4724 §4.2).
    Stale,
    /// Kept under long-lived graceful restart (RFC 9494 §4.2); its paths carry [`PathFlags::LLGR_STALE`].
    LongLived,
}

/// Why a path takes no part in the decision process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Ineligible {
    /// Our AS is in its AS_PATH (RFC 4271 §9.1.2).
    OwnAsLoop = 1,
    /// ORIGINATOR_ID is our BGP Identifier (RFC 4456 §8).
    OriginatorLoop = 2,
    /// CLUSTER_LIST has our CLUSTER_ID (RFC 4456 §8).
    ClusterLoop = 3,
    /// The peer's guard refused it (RFC 7454 §6).
    Guard = 4,
    /// Only to Customer says that it leaked (RFC 9234 §5).
    OtcLeak = 5,
    /// Import policy rejected it, or an external peer has none (RFC 8212).
    ImportPolicy = 6,
    /// Its next hop is unreachable (RFC 4271 §9.1.2).
    NextHopUnreachable = 7,
}

/// What the session or the RIB found out about a path: four bits, beside its attributes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathFlags(pub u8);

impl PathFlags {
    /// Eligible, not stale.
    pub const NONE: Self = Self(0);
    /// Bit of paths that are kept under long-lived graceful restart, or came with LLGR_STALE (RFC 9494 §4.3).
    pub const LLGR_STALE: u8 = 0b1000;
    const REASON: u8 = 0b0111;

    /// The flags of an ineligible path.
    #[must_use]
    pub const fn ineligible(reason: Ineligible) -> Self {
        Self(reason as u8)
    }
    /// Why the path takes no part in the decision; none for an eligible one.
    #[must_use]
    pub const fn reason(self) -> Option<Ineligible> {
        match self.0 & Self::REASON {
            1 => Some(Ineligible::OwnAsLoop),
            2 => Some(Ineligible::OriginatorLoop),
            3 => Some(Ineligible::ClusterLoop),
            4 => Some(Ineligible::Guard),
            5 => Some(Ineligible::OtcLeak),
            6 => Some(Ineligible::ImportPolicy),
            7 => Some(Ineligible::NextHopUnreachable),
            _ => None,
        }
    }
    /// Whether the path takes part in the decision.
    #[must_use]
    pub const fn is_eligible(self) -> bool {
        self.0 & Self::REASON == 0
    }
    /// Whether the path is least preferred as long-lived stale (RFC 9494 §4.3).
    #[must_use]
    pub const fn is_llgr_stale(self) -> bool {
        self.0 & Self::LLGR_STALE != 0
    }
    /// The same with another reason, or none.
    #[must_use]
    pub const fn with_reason(self, reason: Option<Ineligible>) -> Self {
        let r = match reason {
            Some(r) => r as u8,
            None => 0,
        };
        Self((self.0 & !Self::REASON) | r)
    }
    /// The same, marked long-lived stale.
    #[must_use]
    pub const fn with_llgr_stale(self) -> Self {
        Self(self.0 | Self::LLGR_STALE)
    }
}

impl fmt::Debug for PathFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Some(r) => write!(f, "{r:?}")?,
            None => f.write_str("eligible")?,
        }
        if self.is_llgr_stale() { f.write_str("+llgr-stale") } else { Ok(()) }
    }
}

/// What decision, policy and export read often of an attribute set, derived from its block alone: 32 bytes a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct AttrMeta {
    /// Where the block lies: unit of its size class in the arena.
    pub(crate) offset: u32,
    /// How many paths, lists and pending changes refer to it.
    pub(crate) refs: u32,
    /// Low half of the block's seeded hash.
    pub(crate) hash: u32,
    /// LOCAL_PREF, 100 where absent (RFC 4271 §5.1.5).
    pub local_pref: u32,
    /// MULTI_EXIT_DISC, 0 where absent (RFC 4271 §9.1.2.2 c).
    pub med: u32,
    /// The neighbouring AS as RFC 4271 §9.1.2.2 c has it: the first AS of an AS_SEQUENCE that leads; 0 when the path is
    /// empty or begins with a set.
    pub neighbor_as: Asn,
    /// The next hop.
    pub next_hop: NextHopId,
    /// Octets of the block.
    pub(crate) len: u16,
    /// AS_PATH length as RFC 4271 §9.1.2.2 a counts it; 255 means 255 or more: then the block says.
    pub as_path_len: u8,
    /// ORIGIN in the low two bits, well-known communities and presence above.
    pub bits: AttrBits,
}

impl AttrMeta {
    /// The summary of a block that is in no table: for the evaluation of policies on routes that are thought up.
    #[must_use]
    pub fn detached(block: BlockView<'_>) -> Self {
        let s = Summary::of(block.0);
        let facts = [
            (s.has(Marks::NO_EXPORT) || s.has(Marks::NO_EXPORT_SUBCONFED), AttrBits::NO_EXPORT),
            (s.has(Marks::NO_ADVERTISE), AttrBits::NO_ADVERTISE),
            (s.has(Marks::BLACKHOLE), AttrBits::BLACKHOLE),
            (s.has(Marks::LLGR_STALE), AttrBits::LLGR_STALE),
            (s.has(Marks::NO_LLGR), AttrBits::NO_LLGR),
            (s.med.is_some(), AttrBits::HAS_MED),
        ];
        Self {
            offset: 0,
            refs: 1,
            hash: 0,
            local_pref: s.local_pref.unwrap_or(100),
            med: s.med.unwrap_or(0),
            neighbor_as: s.neighbor_as.unwrap_or(Asn(0)),
            next_hop: NextHopId(0),
            len: u16::try_from(block.0.len()).unwrap_or(u16::MAX),
            as_path_len: u8::try_from(s.as_path_len).unwrap_or(u8::MAX),
            bits: AttrBits(facts.iter().filter(|f| f.0).fold(s.origin as u8, |b, f| b | f.1)),
        }
    }
}

/// One octet of [`AttrMeta`]: ORIGIN and six facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AttrBits(pub u8);

impl AttrBits {
    /// NO_EXPORT or NO_EXPORT_SUBCONFED, which say the same without confederations (RFC 1997).
    pub const NO_EXPORT: u8 = 1 << 2;
    /// NO_ADVERTISE (RFC 1997).
    pub const NO_ADVERTISE: u8 = 1 << 3;
    /// BLACKHOLE (RFC 7999).
    pub const BLACKHOLE: u8 = 1 << 4;
    /// LLGR_STALE (RFC 9494 §4.3).
    pub const LLGR_STALE: u8 = 1 << 5;
    /// NO_LLGR (RFC 9494 §4.2).
    pub const NO_LLGR: u8 = 1 << 6;
    /// MULTI_EXIT_DISC is present.
    pub const HAS_MED: u8 = 1 << 7;

    /// ORIGIN: 0 IGP, 1 EGP, 2 INCOMPLETE.
    #[must_use]
    pub const fn origin(self) -> u8 {
        self.0 & 3
    }
    /// Whether a bit of the above is set.
    #[must_use]
    pub const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// Reachability of a next hop and the interior cost to it (RFC 4271 §9.1.2.2 e).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHopState {
    /// Interior cost; none when the next hop is unreachable.
    pub cost: Option<u32>,
}

impl NextHopState {
    /// Reachable at no cost: what every next hop is where next hops are not resolved.
    pub const REACHABLE: Self = Self { cost: Some(0) };
}

/// One path of a destination, as the decision process reads it. Only eligible paths become candidates.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its attributes (post-policy), summarised.
    pub meta: &'a AttrMeta,
    /// Its attributes (post-policy), as canonical block.
    pub block: BlockView<'a>,
    /// Where it came from.
    pub source: &'a SourceInfo,
    /// The Path Identifier that it came with; 0 without ADD-PATH.
    pub path_id: PathId,
    /// Its flags.
    pub flags: PathFlags,
    /// Interior cost to its next hop.
    pub igp_cost: u32,
    /// When it arrived, in seconds since the start of the RIB.
    pub since: u32,
}

/// A route as policy and export read it.
#[derive(Clone, Copy, Debug)]
pub struct RouteView<'a> {
    /// The prefix. A function that says that it does not look at prefixes is called once for many.
    pub prefix: Prefix,
    /// Its attributes, summarised.
    pub meta: &'a AttrMeta,
    /// Its attributes, as canonical block.
    pub block: BlockView<'a>,
    /// Where it came from.
    pub source: &'a SourceInfo,
    /// Its flags.
    pub flags: PathFlags,
}

impl RouteView<'_> {
    /// The next hop in its block.
    #[must_use]
    pub fn next_hop(&self) -> Option<NextHop> {
        self.block.next_hop()
    }
}
