//! The peers that exist, for all who look one up.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use heddle_config::PeerAddress;
use heddle_rib::PeerId;

use crate::mailbox::Mailbox;
use crate::peer::status::{PeerOrigin, PeerShared};

/// A peer that exists.
#[derive(Clone, Debug)]
pub(crate) struct PeerEntry {
    /// Its number in the RIB.
    pub id: PeerId,
    /// What its task publishes.
    pub status: Arc<PeerShared>,
    /// The way to its task.
    pub mailbox: Arc<Mailbox>,
    /// Static or dynamic.
    pub origin: PeerOrigin,
}

/// All peers by address. Locked for a look-up or a change only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry(Arc<RwLock<BTreeMap<PeerAddress, PeerEntry>>>);

impl Registry {
    /// The peer with this address.
    #[must_use]
    pub(crate) fn get(&self, address: &PeerAddress) -> Option<PeerEntry> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(address).cloned()
    }

    /// All peers, by address.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<(PeerAddress, PeerEntry)> {
        let peers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        peers.iter().map(|(a, e)| (a.clone(), e.clone())).collect()
    }

    /// The address of a peer by its number.
    #[must_use]
    pub(crate) fn address_of(&self, id: PeerId) -> Option<PeerAddress> {
        let peers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        peers.iter().find(|(_, e)| e.id == id).map(|(a, _)| a.clone())
    }

    /// How many dynamic peers are as asked.
    #[must_use]
    pub(crate) fn dynamic_where(&self, wanted: impl Fn(&PeerAddress) -> bool) -> usize {
        let peers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        peers.iter().filter(|(a, e)| e.origin == PeerOrigin::Dynamic && wanted(a)).count()
    }

    /// Adds a peer.
    pub(crate) fn insert(&self, address: PeerAddress, entry: PeerEntry) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(address, entry);
    }

    /// Removes a peer.
    pub(crate) fn remove(&self, address: &PeerAddress) -> Option<PeerEntry> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(address)
    }
}
