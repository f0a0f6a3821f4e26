//! Pods: a namespace, joined to its node as Calico's CNI plugin does it.
//!
//! The node's end of the veth is `cali…` with the hardware address `ee:ee:ee:ee:ee:ee`; the pod's default routes go through
//! 169.254.1.1, for which the node answers ARP (`proxy_arp`), and through that end's link-local address. The node has a host
//! route to each of the pod's addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

use heddle_netlink::{Control, ControlError, Leg, LinkIndex, MacAddress, Protocol, Route, Scope, VethEnd};
use ipnetwork::IpNetwork;
use thiserror::Error;

use crate::addressing::{self, BLOCK_SIZE, Pair};
use crate::host::{Host, HostError};
use crate::namespace::{Namespace, write_setting};

/// The gateway of all pods.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The node's end of each veth.
const MAC: MacAddress = MacAddress([0xee; 6]);
/// The link-local address that goes with it (RFC 4291 appendix A).
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0xecee, 0xeeff, 0xfeee, 0xeeee);

const POD: &[(&str, &str)] = &[
    // Group 0 alone: in a user namespace there may be no other.
    ("ipv4/ping_group_range", "0 0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
];

/// A pod.
#[derive(Debug)]
pub struct Pod {
    name: String,
    node: String,
    address: Pair,
    interface: String,
    namespace: Namespace,
}

/// A pod could not be made.
#[derive(Debug, Error)]
pub enum PodError {
    /// There is no such node.
    #[error("there is no node {0:?}; `heddle lab status` lists them")]
    NoNode(String),
    /// There is no such pod.
    #[error("there is no pod {0:?}; `heddle lab status` lists them")]
    NoPod(String),
    /// The block has no free address.
    #[error("the block of {0:?} has no free address")]
    Full(String),
    /// A host.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Whose block a pod's addresses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Borrow<'a> {
    /// The node's own.
    Own,
    /// That of the node named.
    From(&'a str),
}

impl Pod {
    /// Makes a pod on a node; `serial` tells its interface apart.
    pub(crate) fn new(name: &str, node: &Host, address: Pair, serial: u64) -> Result<Self, HostError> {
        let pod = Self {
            name: name.to_owned(),
            node: node.name().to_owned(),
            address,
            interface: format!("cali{serial:011x}"),
            namespace: Namespace::new()?,
        };
        pod.namespace.run(|| pod.inside(node))??;
        pod.namespace_of_node(node)?;
        Ok(pod)
    }

    /// The pod's side, on a thread in its namespace.
    fn inside(&self, node: &Host) -> Result<(), HostError> {
        POD.iter().try_for_each(|(path, value)| write_setting(path, value))?;
        let host = || self.name.clone();
        let mut control = Control::open().map_err(|source| HostError::Socket { host: host(), source })?;
        self.configure(&mut control, node).map_err(|source| HostError::Kernel { host: host(), source })
    }

    fn configure(&self, control: &mut Control, node: &Host) -> Result<(), ControlError> {
        let far = VethEnd { mac: Some(MAC), ..VethEnd::new(&self.interface) }.namespace(node.namespace().as_fd());
        control.create_veth(&VethEnd::new("eth0"), &far)?;
        control.set_up(LinkIndex::LOOPBACK)?;
        let link = control.link("eth0")?.index;
        for network in self.address.networks() {
            control.add_address(link, network)?;
        }
        control.set_up(link)?;
        let gateway = IpNetwork::from(IpAddr::V4(GATEWAY));
        control.add_route(&on_link(gateway, link))?;
        for (to, via) in [("0.0.0.0/0", IpAddr::V4(GATEWAY)), ("::/0", IpAddr::V6(LINK_LOCAL))] {
            let to = to.parse().expect("invariant: both are prefixes");
            control.add_route(&Route::new(to, Protocol::BOOT).leg(Leg::via(via, link)))?;
        }
        Ok(())
    }

    /// The node's side.
    fn namespace_of_node(&self, node: &Host) -> Result<(), HostError> {
        let proxy = format!("ipv4/conf/{}/proxy_arp", self.interface);
        let delay = format!("ipv4/neigh/{}/proxy_delay", self.interface);
        node.namespace().set(&[(&proxy, "1"), (&delay, "0")])?;
        let link = node.link(&self.interface)?;
        node.kernel(|control| {
            control.set_up(link)?;
            self.address.networks().into_iter().try_for_each(|to| control.replace_route(&workload(to, link)))
        })
    }

    /// Takes its routes from its node. Its namespace goes when this does, and its veth with it: the kernel takes them down on
    /// a thread of its own, many at once, where deleting the link would wait for each (some 50 ms).
    pub(crate) fn remove(self, node: &Host) -> Result<(), HostError> {
        let link = node.link(&self.interface)?;
        node.kernel(|control| {
            self.address.networks().into_iter().try_for_each(|to| control.delete_route(&workload(to, link)))
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Its addresses.
    #[must_use]
    pub fn address(&self) -> Pair {
        self.address
    }

    /// The node's end of its veth.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

fn on_link(to: IpNetwork, link: LinkIndex) -> Route {
    let route = Route::new(to, Protocol::BOOT).leg(Leg::device(link));
    if to.is_ipv4() { Route { scope: Some(Scope::Link), ..route } } else { route }
}

/// The node's route to a pod: with the metric that Calico's Felix gives it.
fn workload(to: IpNetwork, link: LinkIndex) -> Route {
    on_link(to, link).metric(1024)
}

/// Lets a node answer for the pods' gateway. The kernel proxies ARP only for what it has a route to, over another link than the
/// one that asks: Calico relies on a default route, which is gone with its link.
pub(crate) fn answer_for_gateway(node: &Host) -> Result<(), HostError> {
    let gateway = IpNetwork::from(IpAddr::V4(GATEWAY));
    let route = Route { protocol: Protocol::STATIC, ..on_link(gateway, LinkIndex::LOOPBACK) };
    node.kernel(|control| control.replace_route(&route))
}

/// Which addresses of a block are taken.
#[derive(Clone, Debug)]
pub(crate) struct Allocator {
    blocks: BTreeMap<String, (Pair, Vec<bool>)>,
}

impl Allocator {
    pub(crate) fn new(blocks: impl IntoIterator<Item = (String, Pair)>) -> Self {
        let entry = |(node, block)| (node, (block, vec![false; usize::from(BLOCK_SIZE)]));
        Self { blocks: blocks.into_iter().map(entry).collect() }
    }

    /// An address of a node's block, neither the first nor the last: its own pods get them from below, those of others from above.
    pub(crate) fn take(&mut self, node: &str, borrow: Borrow<'_>) -> Result<Pair, PodError> {
        let owner = match borrow {
            Borrow::Own => node,
            Borrow::From(owner) => owner,
        };
        let (block, taken) = self.blocks.get_mut(owner).ok_or_else(|| PodError::NoNode(owner.to_owned()))?;
        let mut numbers: Vec<u8> = (1..BLOCK_SIZE - 1).collect();
        if borrow != Borrow::Own {
            numbers.reverse();
        }
        for number in numbers {
            if let Some(slot) = taken.get_mut(usize::from(number)).filter(|slot| !**slot) {
                *slot = true;
                return Ok(addressing::pod(*block, number));
            }
        }
        Err(PodError::Full(owner.to_owned()))
    }

    /// Gives an address back.
    pub(crate) fn release(&mut self, address: Pair) {
        for (block, taken) in self.blocks.values_mut() {
            if block.v4.contains(address.v4.ip()) {
                let number = u32::from(address.v4.ip()) - u32::from(block.v4.network());
                if let Some(slot) = usize::try_from(number).ok().and_then(|number| taken.get_mut(number)) {
                    *slot = false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_once_until_they_come_back() {
        let blocks = [("a".to_owned(), addressing::blocks(0)), ("b".to_owned(), addressing::blocks(1))];
        let mut allocator = Allocator::new(blocks);
        let mut given: Vec<Pair> = Vec::new();
        while let Ok(address) = allocator.take("a", Borrow::Own) {
            assert!(!given.contains(&address), "{address:?} twice");
            given.push(address);
        }
        assert_eq!(given.len(), usize::from(BLOCK_SIZE) - 2);
        let back = given.pop().expect("some were given");
        allocator.release(back);
        assert_eq!(allocator.take("a", Borrow::Own).ok(), Some(back));
        let borrowed = allocator.take("a", Borrow::From("b")).expect("b has room");
        assert!(addressing::blocks(1).v4.contains(borrowed.v4.ip()));
        assert!(matches!(allocator.take("a", Borrow::From("c")), Err(PodError::NoNode(name)) if name == "c"));
    }
}
