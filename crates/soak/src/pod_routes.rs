//! Routes of pods on a node, as if they had come there with addresses of no node's block.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Context as _;
use heddle_lab::addressing;
use heddle_lab::fabric::Fabric;
use heddle_lab::host::Host;
use heddle_netlink::{Control, IpNetwork, Leg, LinkIndex, Protocol, Route, Scope};

/// Adds and removes routes of pods on a node.
#[derive(Debug)]
pub(crate) struct PodRoutes {
    control: Control,
    link: LinkIndex,
}

impl PodRoutes {
    /// On the interface of the node's first pod.
    pub(crate) fn of(fabric: &Fabric, node: &Host) -> anyhow::Result<Self> {
        let interface = fabric
            .with_pods(|pods| pods.iter().find(|pod| pod.node() == node.name()).map(|pod| pod.interface().to_owned()));
        let link = node.link(&interface.with_context(|| format!("{} has no pod", node.name()))?)?;
        Ok(Self { control: node.namespace().run(Control::open)??, link })
    }

    /// In the place of what BGP told of a pod that was elsewhere a moment ago.
    pub(crate) fn add(&mut self, to: IpNetwork) -> anyhow::Result<()> {
        Ok(self.control.replace_route(&workload(to, self.link))?)
    }

    pub(crate) fn remove(&mut self, to: IpNetwork) -> anyhow::Result<()> {
        Ok(self.control.delete_route(&workload(to, self.link))?)
    }
}

/// A node's route to a pod: as Calico's Felix writes it.
fn workload(to: IpNetwork, link: LinkIndex) -> Route {
    let route = Route::new(to, Protocol::BOOT).metric(1024).leg(Leg::device(link));
    if to.is_ipv4() { Route { scope: Some(Scope::Link), ..route } } else { route }
}

/// The addresses at an offset in the pools.
pub(crate) fn addresses(offset: u32) -> [IpNetwork; 2] {
    let pools = addressing::pools();
    let v4 = Ipv4Addr::from(u32::from(pools.v4.ip()).wrapping_add(offset));
    let v6 = Ipv6Addr::from(u128::from(pools.v6.ip()).wrapping_add(offset.into()));
    [IpNetwork::from(IpAddr::V4(v4)), IpNetwork::from(IpAddr::V6(v6))]
}
