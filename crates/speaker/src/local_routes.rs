//! What the speaker originates: networks of the configuration, and routes of this machine. On one prefix the
//! configuration counts.

use std::collections::BTreeMap;

use heddle_bgp_core::{Prefix, Timestamp};
use heddle_rib::rib::Rib;

use crate::forwarding::LocalChange;

/// Originated prefixes with their canonical blocks.
#[derive(Debug, Default)]
pub(crate) struct LocalRoutes {
    networks: BTreeMap<Prefix, Vec<u8>>,
    machine: BTreeMap<Prefix, Vec<u8>>,
}

impl LocalRoutes {
    /// Changes over to other networks.
    pub(crate) fn set_networks(&mut self, now: Timestamp, rib: &mut Rib, networks: Vec<(Prefix, Vec<u8>)>) {
        let new: BTreeMap<Prefix, Vec<u8>> = networks.into_iter().collect();
        for prefix in self.networks.keys().filter(|p| !new.contains_key(*p)) {
            match self.machine.get(prefix) {
                Some(block) => rib.originate(now, *prefix, block),
                None => rib.retract(now, *prefix),
            }
        }
        for (prefix, block) in new.iter().filter(|(p, b)| self.networks.get(*p) != Some(*b)) {
            rib.originate(now, *prefix, block);
        }
        self.networks = new;
    }

    /// Changes routes of this machine.
    pub(crate) fn change(&mut self, now: Timestamp, rib: &mut Rib, changes: Vec<LocalChange>) {
        for change in changes {
            match change {
                LocalChange::Set(route) => {
                    let block = route.block();
                    if self.machine.get(&route.prefix) == Some(&block) {
                        continue;
                    }
                    if !self.networks.contains_key(&route.prefix) {
                        rib.originate(now, route.prefix, &block);
                    }
                    self.machine.insert(route.prefix, block);
                }
                LocalChange::Removed(prefix) => {
                    if self.machine.remove(&prefix).is_some() && !self.networks.contains_key(&prefix) {
                        rib.retract(now, prefix);
                    }
                }
            }
        }
    }
}
