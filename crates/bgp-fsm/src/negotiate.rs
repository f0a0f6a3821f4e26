//! What two OPENs agree on, or why not (RFC 4271 §6.2, RFC 5492, RFC 6286, RFC 9234).

use heddle_bgp_core::{Asn, BgpId, Family, Negotiated, Notification, Open, Role};
use thiserror::Error;

use crate::config::PeerConfig;

/// Why an OPEN that decodes is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenRejected {
    /// RFC 4271 §6.2, RFC 7607: NOTIFICATION 2/2.
    #[error("the peer is in AS {0}, which is not the AS that is configured for it")]
    PeerAs(Asn),
    /// RFC 6286 §2.1: NOTIFICATION 2/3.
    #[error("the peer's BGP Identifier {0} is zero, or is ours and the peer is in our AS: give each router its own")]
    BgpIdentifier(BgpId),
    /// RFC 4271 §6.2: NOTIFICATION 2/6.
    #[error("the peer proposes a hold time of {0} s, which is not acceptable")]
    HoldTime(u16),
    /// RFC 5492 §5: NOTIFICATION 2/7.
    #[error("the peer lacks families that are required of it")]
    MissingFamilies(Vec<Family>),
    /// RFC 9234 §4.2: NOTIFICATION 2/11.
    #[error("our role {ours:?} does not fit the peer's roles {theirs:?}")]
    Role {
        /// Ours.
        ours: Role,
        /// What the peer advertised.
        theirs: Vec<Role>,
    },
}

impl OpenRejected {
    /// What goes on the wire for it.
    #[must_use]
    pub fn notification(&self) -> Notification {
        match self {
            Self::PeerAs(_) => Notification::new(2, 2, &[]),
            Self::BgpIdentifier(_) => Notification::new(2, 3, &[]),
            Self::HoldTime(t) => Notification::new(2, 6, &t.to_be_bytes()),
            Self::MissingFamilies(_) => Notification::new(2, 7, &[]),
            Self::Role { .. } => Notification::new(2, 11, &[]),
        }
    }
}

/// What `sent` (ours) and `received` (the peer's) agree on.
///
/// # Errors
/// The peer's OPEN is not acceptable.
pub fn negotiate(_config: &PeerConfig, _sent: &Open, received: &Open) -> Result<Negotiated, OpenRejected> {
    Err(OpenRejected::PeerAs(received.asn))
}
