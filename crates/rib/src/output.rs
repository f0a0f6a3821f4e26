//! What the RIB has to say to its owner.

use heddle_bgp_core::Family;
use heddle_bgp_core::attr::NextHop;

#[cfg(doc)]
use crate::rib::Bounds;
use crate::route::PeerId;
use crate::session::PrefixLimit;

/// What the owner of the RIB has to pass on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The writer of a peer has something to look at.
    WakeWriter {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
    },
    /// The peer sent End-of-RIB.
    EndOfRib {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
    },
    /// The peer sent as many routes as a warning is given at.
    LimitWarning {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
        /// Routes that it sent.
        count: u32,
        /// The limit.
        limit: PrefixLimit,
    },
    /// The peer sent more routes than it may; those above are not taken. The session has to end (Cease 6/1, RFC 4486).
    LimitExceeded {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
        /// Routes that it sent.
        count: u32,
        /// The limit.
        limit: PrefixLimit,
    },
    /// The peer gets as many routes as a warning is given at.
    OutLimitWarning {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
        /// Routes that it gets.
        count: u32,
        /// The limit.
        limit: PrefixLimit,
    },
    /// The peer would get more routes than it may: the session has to end (Cease 6/1, RFC 4486).
    OutLimitExceeded {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
        /// Routes that it would get.
        count: u32,
        /// The limit.
        limit: PrefixLimit,
    },
    /// The peer sent more paths of a prefix than are kept (Cease 6/8, RFC 4486).
    OutOfResources {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
    },
    /// The session has to end (Cease 6/8, RFC 4486).
    Reset {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: ResetReason,
    },
    /// A next hop came into use, or went out of it: whoever resolves next hops has to know.
    NextHop {
        /// The next hop.
        next_hop: NextHop,
        /// Whether it is in use.
        usage: Usage,
    },
}

/// Whether a next hop is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A route has it.
    Used,
    /// No route has it any more.
    Unused,
}

/// Why the RIB asks for a session to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// The peer has not read for so long that too many withdrawn destinations are kept for it.
    Tombstones,
    /// The attributes of its routes take more than [`Bounds::attribute_bytes`].
    OutOfResources,
}
