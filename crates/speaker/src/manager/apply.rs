//! Changing over to another configuration by the difference of the two.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use heddle_admin::types::EventKind;
use heddle_config::{Change, Config, Effect, ListenAddress, ListenRange, PeerAddress, Subject};
use tracing::{info, warn};

use super::{ApplyError, Manager, range_of};
use crate::listen::{self, ListenError, ListenKey};
use crate::listener::Listener;
use crate::mapping;
use crate::mapping::rib::Policies;
use crate::peer::keys::Keys;
use crate::peer::status::PeerOrigin;
use crate::peer::{Command, SessionEffect};
use crate::rib_thread::RibStopped;

/// Listening sockets by address.
type Listeners = HashMap<ListenAddress, Listener>;

impl Manager {
    /// Does all that can fail first; after that nothing fails half-way.
    pub(super) async fn apply(&mut self, new: Config) -> Result<Vec<Change>, ApplyError> {
        let old = self.config();
        let changes = heddle_config::diff(&old, &new);
        let policies = Arc::new(Policies::new(mapping::policy::compile(&new)?));
        let opened = self.change_listeners(&new).await?;
        for change in changes.iter().filter(|c| c.effect == Effect::Restart) {
            warn!(%change, "waits for the next start of the program");
        }
        self.policies = policies;
        self.router = Arc::new(new.router.clone());
        self.networks = new.networks.iter().map(|n| n.prefix).collect();
        self.rib.configure(mapping::rib::settings(&new)).await?;
        self.apply_listen_keys(&new, &opened);
        for listener in self.listeners.values() {
            listen::apply_min_ttl(listener, &new);
        }
        self.listeners.extend(opened);
        self.apply_peers(&old, &new, &changes).await?;
        self.accept_ranges(&new);
        self.start_listeners();
        self.publish(new);
        let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        self.shared.events.publish(None, EventKind::ConfigApplied { changes: count });
        info!(changes = count, "configuration applied");
        Ok(changes)
    }

    fn publish(&self, new: Config) {
        let config = Arc::new(new);
        {
            let mut running = self.running.write().unwrap_or_else(PoisonError::into_inner);
            running.config = Arc::clone(&config);
            running.applied_at = SystemTime::now();
        }
        self.publish_listening();
        self.applied.send_replace(config);
    }

    pub(super) fn publish_listening(&self) {
        let mut listening: Vec<String> =
            self.listeners.values().filter_map(Listener::local_addr).map(|a| a.to_string()).collect();
        listening.sort();
        self.running.write().unwrap_or_else(PoisonError::into_inner).listening = listening;
    }

    async fn apply_peers(&mut self, old: &Config, new: &Config, changes: &[Change]) -> Result<(), RibStopped> {
        for peer in old.peers.iter().filter(|p| new.peer(&p.address).is_none()) {
            self.remove(&peer.address).await;
        }
        for peer in &new.peers {
            self.forget_ended(&peer.address);
            match self.registry.get(&peer.address).filter(|e| e.origin == PeerOrigin::Static) {
                None => {
                    // A dynamic peer that became a static one begins anew.
                    self.remove(&peer.address).await;
                    self.add_static(peer).await?;
                }
                Some(entry) => {
                    let runtime = self.static_runtime(peer);
                    let effect = session_effect(&peer.address, changes);
                    let _ = entry.mailbox.send(Command::Reconfigure(Box::new(runtime), effect)).await;
                }
            }
        }
        for (address, entry) in self.registry.all() {
            if entry.origin == PeerOrigin::Static {
                continue;
            }
            match (range_of(old, &address), range_of(new, &address)) {
                (_, None) => self.remove(&address).await,
                (was, Some(range)) => {
                    let runtime = self.range_runtime(range, &address);
                    let moved = was.is_none_or(|w| w.prefix != range.prefix && w.settings != range.settings);
                    let effect = if moved { SessionEffect::Reset } else { range_effect(range, changes) };
                    let _ = entry.mailbox.send(Command::Reconfigure(Box::new(runtime), effect)).await;
                }
            }
        }
        Ok(())
    }

    /// Opens the addresses that are new, and closes those that are gone. An address that overlaps with one that goes
    /// (`0.0.0.0:179` and `192.0.2.1:179`) can be opened only after that is closed; when it cannot be, the old ones are
    /// opened again.
    async fn change_listeners(&mut self, new: &Config) -> Result<Listeners, ApplyError> {
        let gone: Vec<ListenAddress> =
            self.listeners.keys().filter(|a| !new.router.listen.contains(*a)).cloned().collect();
        let first = self.open_listeners(new);
        let overlaps =
            matches!(&first, Err(ApplyError::Listen(ListenError::InUse(a))) if gone.iter().any(|g| g.port == a.port));
        let opened = if overlaps { None } else { Some(first?) };
        for address in &gone {
            if let Some(listener) = self.listeners.remove(address) {
                listener.close().await;
            }
        }
        if let Some(opened) = opened {
            return Ok(opened);
        }
        let second = self.open_listeners(new);
        if second.is_err() {
            let old = self.config();
            match self.open_listeners(&old) {
                Ok(again) => {
                    for listener in again.values() {
                        listen::apply_keys(listener, &[], &self.keys);
                    }
                    self.listeners.extend(again);
                    self.start_listeners();
                }
                Err(error) => warn!(%error, "cannot listen again where we did before"),
            }
        }
        second
    }

    /// Opens the addresses of a configuration that are not open.
    pub(super) fn open_listeners(&self, config: &Config) -> Result<Listeners, ApplyError> {
        let mut opened = HashMap::new();
        for address in config.router.listen.iter().filter(|a| !self.listeners.contains_key(*a)) {
            let min_ttl = listen::common_min_ttl(config, address.address.ip.is_ipv4());
            opened.insert(address.clone(), listen::open(address, min_ttl)?);
        }
        Ok(opened)
    }

    /// Connections wait in the kernel until those are known who may connect.
    pub(super) fn start_listeners(&mut self) {
        for listener in self.listeners.values_mut() {
            listener.start(&self.accept);
        }
    }

    pub(super) fn accept_ranges(&self, config: &Config) {
        let mut table = self.accept.write().unwrap_or_else(PoisonError::into_inner);
        table.ranges = config.listen_ranges.iter().map(|r| r.prefix).collect();
    }

    /// Keys of the peers and ranges on all listening sockets; only what differs is touched.
    pub(super) fn apply_listen_keys(&mut self, config: &Config, opened: &Listeners) {
        let peers = config.peers.iter().filter_map(|p| Some((listen::host(p.address.ip)?, &p.settings)));
        let ranges = config.listen_ranges.iter().map(|r| (r.prefix, &r.settings));
        let keys: Vec<ListenKey> = peers
            .chain(ranges)
            .flat_map(|(who, settings)| ListenKey::of(who, Keys::of(settings, who).ok().flatten()))
            .collect();
        listen::warn_of_shared_addresses(&keys);
        for listener in self.listeners.values() {
            listen::apply_keys(listener, &self.keys, &keys);
        }
        for listener in opened.values() {
            listen::apply_keys(listener, &[], &keys);
        }
        self.keys = keys;
    }
}

fn session_effect(address: &PeerAddress, changes: &[Change]) -> SessionEffect {
    effect_where(changes, |s| matches!(s, Subject::Peer(p) if p == address))
}

fn range_effect(range: &ListenRange, changes: &[Change]) -> SessionEffect {
    effect_where(changes, |s| *s == Subject::ListenRange(range.prefix))
}

/// The strongest effect of what concerns one peer: its own keys and the router's. What does not reset it is always
/// handed on; whoever has it finds out what of it is new.
fn effect_where(changes: &[Change], own: impl Fn(&Subject) -> bool) -> SessionEffect {
    let concerns = |s: &Subject| match s {
        Subject::Router => true,
        Subject::Peer(_) | Subject::ListenRange(_) => own(s),
        Subject::Policy(_)
        | Subject::PrefixSet(_)
        | Subject::CommunitySet(_)
        | Subject::AsPathSet(_)
        | Subject::Api
        | Subject::Log
        | Subject::Confinement
        | Subject::Fib
        | Subject::Network(_) => false,
    };
    let resets = changes.iter().any(|c| c.effect == Effect::Reset && concerns(&c.subject));
    if resets { SessionEffect::Reset } else { SessionEffect::Keep }
}
