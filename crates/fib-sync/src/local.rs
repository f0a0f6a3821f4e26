//! Local routes: what the kernel has that this node originates.
//!
//! Routes on workload interfaces, of any protocol but ours (the other one of which is ours only where there is a gateway); routes of the protocols that are learned from, on any
//! interface; and connected prefixes of all other interfaces that are not ignored, the addresses of tunnels included. For
//! each destination the lowest metric wins, as it does in the kernel. Destinations of loopback, link-local and multicast
//! scope are none of ours, and neither is the default route of a workload interface's owner more than any other: policy
//! decides what leaves.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use heddle_bgp_core::Prefix;

use crate::glob::matches_any;
use crate::input::{LocalKind, LocalRoute, Output};
use crate::kernel_view::{ForeignRoute, KernelView};
use crate::route::{LinkState, MAIN_TABLE, PROTOCOL_KERNEL, Target};
use crate::settings::Settings;

/// The local routes that were told.
#[derive(Debug, Default)]
pub(crate) struct LocalRoutes {
    told: HashMap<Prefix, LocalRoute>,
}

impl LocalRoutes {
    /// Looks at a destination again; what has to be told.
    pub(crate) fn update(&mut self, prefix: Prefix, view: &KernelView, settings: &Settings) -> Option<Output> {
        let now = local_route(prefix, view, settings);
        match (now, self.told.get(&prefix)) {
            (None, None) => None,
            (Some(now), Some(before)) if now == *before => None,
            (Some(now), _) => {
                self.told.insert(prefix, now.clone());
                Some(Output::LocalSet(now))
            }
            (None, Some(_)) => {
                self.told.remove(&prefix);
                Some(Output::LocalRemoved(prefix))
            }
        }
    }

    /// All that was told.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &LocalRoute> {
        self.told.values()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.told.len()
    }
}

fn local_route(prefix: Prefix, view: &KernelView, settings: &Settings) -> Option<LocalRoute> {
    if !is_advertisable(prefix) {
        return None;
    }
    let from_routes = view.routes(prefix).iter().filter_map(|route| {
        let (kind, interface) = classify(route, view, settings)?;
        Some((route.metric, kind, interface))
    });
    let from_addresses = view.connected(prefix).iter().filter_map(|index| {
        let link = view.link(*index)?;
        let taken = link.state != LinkState::Down
            && !matches_any(&settings.workload_interfaces, &link.name)
            && !matches_any(&settings.ignored_interfaces, &link.name);
        taken.then(|| (0, LocalKind::Connected, Some(Arc::clone(&link.name))))
    });
    let (metric, kind, interface) = from_routes.chain(from_addresses).min()?;
    Some(LocalRoute { prefix, interface, metric: (metric > 0).then_some(metric), kind })
}

/// Whether a route of somebody else is a local one, and of which interface.
fn classify(route: &ForeignRoute, view: &KernelView, settings: &Settings) -> Option<(LocalKind, Option<Arc<str>>)> {
    if route.table != MAIN_TABLE || route.tos != 0 {
        return None;
    }
    let may_be_ours = settings.workload_protocol == Some(route.protocol) && route.target.is_by_gateways();
    let learned = settings.learn_protocols.contains(&route.protocol) && route.protocol != PROTOCOL_KERNEL;
    let name = match &route.target {
        Target::Legs(legs) => {
            let link = view.link(legs.first()?.interface)?;
            if matches_any(&settings.workload_interfaces, &link.name) {
                return (!may_be_ours).then(|| (LocalKind::Workload, Some(Arc::clone(&link.name))));
            }
            Some(Arc::clone(&link.name))
        }
        // A blackhole of a protocol that is learned from is an aggregate of its; it is on no interface.
        Target::Dead(_) => None,
        Target::Object(_) => return None,
    };
    learned.then_some((LocalKind::Learned, name))
}

/// Whether a destination is neither of loopback, link-local nor multicast scope.
fn is_advertisable(prefix: Prefix) -> bool {
    match prefix.addr() {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            first < 224 && first != 127 && !address.is_link_local() && (first != 0 || prefix.len() == 0)
        }
        IpAddr::V6(address) => {
            let loopback = prefix.len() == 128 && (address.is_loopback() || address.is_unspecified());
            !loopback && !address.is_unicast_link_local() && !address.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests;
