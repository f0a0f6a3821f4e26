//! What the RIB is told about a peer and its sessions.

use std::net::IpAddr;
use std::sync::Arc;

use heddle_bgp_core::{Asn, BgpId, Family};

use crate::export::ExportKey;
use crate::journal::JournalReader;
use crate::policy::ImportSettings;
use crate::route::{PeerId, SourceKind};

/// One session of one peer, as whoever drives the RIB names it. Batches of an older session are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The peer.
    pub peer: PeerId,
    /// Counts its sessions.
    pub serial: u32,
}

/// What is agreed on a session, as far as the RIB cares.
#[derive(Clone, Debug)]
pub struct SessionParams {
    /// What kind of speaker the peer is.
    pub kind: SourceKind,
    /// The peer's AS.
    pub peer_asn: Asn,
    /// Our AS toward it.
    pub local_asn: Asn,
    /// The peer's BGP Identifier.
    pub bgp_id: BgpId,
    /// The peer's address.
    pub peer_addr: IpAddr,
    /// The negotiated families.
    pub families: Vec<FamilyParams>,
}

/// What is agreed for one family of a session.
#[derive(Clone, Debug)]
pub struct FamilyParams {
    /// Everything that what we send depends on, the family too; peers with equal keys share an update group.
    pub export: ExportKey,
    /// Whether a default route is sent whatever the table says.
    pub default_originate: DefaultOriginate,
    /// What is done with routes that come in.
    pub import: Arc<ImportSettings>,
    /// How the peer's requests for a refresh are answered.
    pub refresh: RefreshMode,
    /// Bound on routes received.
    pub limit_in: Option<PrefixLimit>,
    /// Bound on routes sent.
    pub limit_out: Option<PrefixLimit>,
    /// Routes of the previous session that were kept for the peer (RFC 4724 §4.2).
    pub retained: Retained,
}

/// What becomes of stale routes when the peer is back (RFC 4724 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retained {
    /// They stay until End-of-RIB or [`Rib::sweep_stale`](crate::rib::Rib::sweep_stale).
    Keep,
    /// They go at once: the peer did not preserve its forwarding state for the family, or negotiated it no more.
    Discard,
}

/// Whether a default route is sent whatever the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum DefaultOriginate {
    /// No.
    #[default]
    Off,
    /// Yes, in place of one that the table may have.
    On,
}

/// How a request for a refresh is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshMode {
    /// With the routes alone (RFC 2918).
    Plain,
    /// Between BoRR and EoRR (RFC 7313).
    Enhanced,
}

/// A bound on the number of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLimit {
    /// The most that are taken.
    pub max: u32,
    /// From how many on a warning is given; none: no warning.
    pub warn_at: Option<u32>,
    /// What becomes of routes beyond it.
    pub beyond: Beyond,
}

/// What becomes of routes beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// They are not taken: the session is about to end.
    Refuse,
    /// They are taken all the same; the limit is only told.
    Take,
}

/// What a new session gets.
#[derive(Debug)]
pub struct SessionHandles {
    /// Its name.
    pub id: SessionId,
    /// What its writer reads from, one a family.
    pub readers: Vec<(Family, JournalReader)>,
}

/// What becomes of a peer's routes when its session ends, by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownMode {
    /// They go.
    Discard,
    /// They stay as stale (RFC 4724 §4.2): graceful restart was negotiated for the family.
    KeepStale,
    /// They stay as long-lived stale at once (RFC 9494 §4.2): the restart time is zero.
    KeepLongLived,
}
