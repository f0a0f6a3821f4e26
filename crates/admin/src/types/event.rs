//! What `monitor` shows.

use std::sync::Arc;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::{Family, LastReset, PeerAddress, PeerState, RouteAttributes, WallTime};

/// The parameters of `GET /v1/events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventQuery {
    /// Changes of best paths, too.
    pub routes: bool,
    /// Only those of this family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
}

/// One line of `GET /v1/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: WallTime,
    /// The peer that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerAddress>,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened; the key `event` names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The first line of each stream: the reader is connected.
    Connected,
    /// A peer changed its state.
    PeerState {
        /// Before.
        from: PeerState,
        /// After.
        to: PeerState,
        /// How the session ended, when it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reset: Option<LastReset>,
    },
    /// A peer came: by configuration, or by a listen range.
    PeerAdded {
        /// By a listen range.
        dynamic: bool,
    },
    /// A peer went.
    PeerRemoved,
    /// An operator did something to a peer: `up`, `down`, `refresh`, `clear`, `drain`, `undrain`.
    PeerAction {
        /// What.
        action: String,
    },
    /// A peer cannot be started at the moment.
    PeerBlocked {
        /// Why, and what to do.
        reason: String,
    },
    /// A peer sent its End-of-RIB (RFC 4724 §2).
    EndOfRib {
        /// The family.
        family: Family,
    },
    /// A peer asked for our routes (RFC 2918).
    RouteRefresh {
        /// The family.
        family: Family,
    },
    /// A peer sent an UPDATE with errors, and the session goes on (RFC 7606).
    UpdateError {
        /// What was done.
        action: UpdateFault,
        /// What was wrong.
        text: String,
        /// How many more there were since the last such event of this peer.
        suppressed: u64,
    },
    /// A peer reached the warning level of a limit, or went over the limit.
    PrefixLimit {
        /// The family.
        family: Family,
        /// Prefixes.
        prefixes: u64,
        /// The limit.
        limit: u64,
        /// Over it: the session ends.
        exceeded: bool,
    },
    /// Stale routes of a peer were removed.
    StaleRemoved {
        /// The family.
        family: Family,
        /// How many.
        routes: u64,
    },
    /// A destination has another best path, or the best path has other attributes. The event's peer is the one that it
    /// came from; without, it is our own.
    RouteBest {
        /// The destination.
        prefix: IpNetwork,
        /// The path is long-lived stale (RFC 9494).
        #[serde(default, skip_serializing_if = "is_false")]
        llgr_stale: bool,
        /// The attributes of the path, after import policy.
        attributes: Arc<RouteAttributes>,
    },
    /// A destination has no best path any more.
    RouteWithdrawn {
        /// The destination.
        prefix: IpNetwork,
    },
    /// A configuration was applied.
    ConfigApplied {
        /// How many changes.
        changes: u64,
    },
    /// A configuration was not applied.
    ConfigRejected {
        /// The first error.
        text: String,
    },
    /// This reader was too slow and missed events.
    Lost {
        /// How many; 0: some changes of routes, and the last of each destination follows.
        count: u64,
    },
    /// The daemon ends; the stream ends with it.
    Stopping,
    /// An event that this version does not know.
    #[serde(other)]
    Unknown,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_false(b: &bool) -> bool {
    !*b
}

/// What was done about an error in an UPDATE (RFC 7606 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateFault {
    /// The routes in it were treated as withdrawn.
    TreatAsWithdraw,
    /// An attribute was discarded.
    AttributeDiscard,
}
