//! What a peer's task runs.

use std::net::IpAddr;
use std::sync::Arc;

use heddle_bgp_core::update::DecodeOptions;
use heddle_bgp_core::{Asn, Family, Negotiated, PeerType, Prefix, Timestamp};
use heddle_bgp_fsm::PeerConfig;
use heddle_config::{PeerAddress, PeerAs, PeerSettings, Router};
use heddle_rib::ingest::IngestContext;
use heddle_rib::session::{Retained, SessionParams};

use super::keys::Keys;
use super::status::{Blocked, PeerOrigin, Signature, Wish};
use super::transport::{Dial, Hops};
use crate::interface::SessionAddresses;
use crate::mapping;
use crate::mapping::rib::Policies;
use crate::peer::Shared;
use crate::restart_marker::Start;

/// What a peer's task runs; replaced as a whole when the configuration changes.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    /// The peer.
    pub address: PeerAddress,
    /// Its AS.
    pub asn: PeerAs,
    /// For people.
    pub description: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Its settings.
    pub settings: Arc<PeerSettings>,
    /// The speaker.
    pub router: Arc<Router>,
    /// The compiled policies.
    pub policies: Arc<Policies>,
    /// Prefixes that we originate, for guards.
    pub networks: Arc<[Prefix]>,
    /// Whether the next session is the first after a restart of the process.
    pub start: Start,
    /// For what the peer is held at first.
    pub faults: Option<Faults>,
    /// The limit that held the peer when its task before failed.
    pub limited: Option<Box<Limited>>,
    /// What its segments are signed with, or what is in the way of that.
    pub keys: Result<Option<Keys>, Blocked>,
    /// Static or dynamic.
    pub origin: PeerOrigin,
    /// What the operator wants.
    pub wish: Wish,
}

/// A prefix limit that holds a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    /// What is said of it.
    pub blocked: Blocked,
    /// Until when; none: until somebody starts the peer.
    pub until: Option<Timestamp>,
}

/// Faults of this program before the peer's task began: it is held for them, longer each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Faults {
    /// The process failed on what the peer sent.
    OfRunBefore {
        /// How often in a row.
        in_a_row: u32,
    },
    /// The task before failed, and could not go on by itself.
    OfTaskBefore {
        /// How often in a row.
        in_a_row: u32,
        /// All faults that were counted for the peer.
        counted: u64,
    },
}

impl Runtime {
    /// Our AS toward the peer.
    #[must_use]
    pub(crate) fn local_asn(&self) -> Asn {
        mapping::session::local_asn(&self.router, &self.settings)
    }

    /// The type of the peer as far as it is known before its OPEN.
    #[must_use]
    pub(crate) fn peer_type(&self) -> PeerType {
        self.asn.peer_type(self.local_asn())
    }

    /// What the state machine has to know.
    #[must_use]
    pub(crate) fn fsm_config(&self, shared: &Shared) -> PeerConfig {
        mapping::session::fsm_config(&self.router, self.asn, &self.settings, self.start, &shared.held_routes)
    }

    /// How connections are signed.
    pub(crate) fn signature(&self) -> Signature {
        self.keys.as_ref().ok().and_then(Option::as_ref).map_or(Signature::None, Keys::signature)
    }

    /// TTL of what we send and least TTL of what we take.
    pub(super) fn hops(&self) -> Hops {
        Hops::of(&self.settings, self.peer_type())
    }

    /// What a connection to the peer needs.
    pub(super) fn dial(&self) -> Dial {
        Dial {
            peer: self.address.clone(),
            port: self.settings.port,
            local: self.settings.local_address.clone(),
            hops: self.hops(),
            keys: self.keys.as_ref().ok().cloned().flatten(),
        }
    }

    /// What decoding has to know beside what was negotiated.
    pub(super) fn decode_options(&self, negotiated: &Negotiated, addresses: &SessionAddresses) -> DecodeOptions {
        let ours: Vec<IpAddr> =
            [addresses.v4.map(IpAddr::V4), addresses.v6.map(IpAddr::V6), addresses.link_local.map(IpAddr::V6)]
                .into_iter()
                .flatten()
                // A reflector that shares the address of a node is told by it of routes to this very address.
                .filter(|own| *own != self.address.ip)
                .collect();
        mapping::session::decode_options(&self.settings, negotiated, &ours)
    }

    /// What judging routes has to know.
    pub(super) fn ingest_context(&self, negotiated: &Negotiated, seed: u64) -> IngestContext {
        mapping::rib::ingest_context(&self.router, &self.settings, negotiated, seed)
    }

    /// What the RIB has to know.
    pub(super) fn session_params(
        &self,
        negotiated: &Negotiated,
        addresses: &SessionAddresses,
        retained: &[(Family, Retained)],
    ) -> SessionParams {
        mapping::rib::session_params(self, negotiated, addresses, retained)
    }
}
