//! Which address is the node's: one of this machine, by a method, with the reason.
//!
//! Interfaces are looked at from the highest index to the lowest, and the first address that fits counts, as in Calico. Three
//! things are otherwise. An address that the node has already stays as long as it fits, so that a new interface moves no
//! session. Without a method, the node's address in Kubernetes and the interface of the default route come first. And
//! bridges without the default route, tunnels, and interfaces that are down are passed over, beside the names that Calico
//! passes over: `docker0`, which a BGP session comes to nothing on, is the most frequent wrong choice of Calico's.

use std::fmt;
use std::net::IpAddr;

use heddle_resources::value::{Family, InterfaceAddress};
use thiserror::Error;

use super::listing::{Interface, LinkState, Listing};
use super::method::Method;

/// How names of interfaces begin that containers, workloads and overlays have.
const NAMES: [&str; 20] = [
    "docker",
    "br-",
    "cbr",
    "dummy",
    "virbr",
    "lxcbr",
    "lxdbr",
    "podman",
    "veth",
    "cali",
    "tunl",
    "flannel",
    "kube-ipvs",
    "kube-bridge",
    "cni",
    "vxlan.calico",
    "vxlan-v6.calico",
    "wireguard.cali",
    "wg-v6.cali",
    "nodelocaldns",
];
/// Kinds of links that lead into tunnels.
const TUNNELS: [&str; 7] = ["vxlan", "geneve", "ipip", "sit", "gre", "ip6tnl", "wireguard"];
/// How many interfaces are named when nothing fits.
const MOST_NAMED: usize = 8;

/// An address, and why it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) address: InterfaceAddress,
    /// The interface that has it.
    pub(crate) interface: Option<String>,
    pub(crate) why: String,
}

/// Nothing fits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no {family} address is found by {method}{}", passed_over(passed))]
pub(crate) struct Undetected {
    family: Family,
    method: String,
    /// Interfaces with addresses of the family that were passed over, and why.
    passed: Vec<(String, PassedOver)>,
}

fn passed_over(passed: &[(String, PassedOver)]) -> String {
    if passed.is_empty() {
        return String::new();
    }
    let named: Vec<String> = passed.iter().take(MOST_NAMED).map(|(name, why)| format!("{name} {why}")).collect();
    let more = if passed.len() > MOST_NAMED { ", and others" } else { "" };
    format!(": {}{more}", named.join(", "))
}

/// Why an interface does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassedOver {
    Loopback,
    Down,
    Name,
    Bridge,
    Tunnel,
    Method,
    Address,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "is the loopback interface",
            Self::Down => "is down",
            Self::Name => "has a name of workloads or containers",
            Self::Bridge => "is a bridge without the default route",
            Self::Tunnel => "is a tunnel",
            Self::Method => "is not what the method asks for",
            Self::Address => "has no address that fits",
        })
    }
}

/// What is known of the node beside this machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The address that it has now.
    pub(crate) present: Option<InterfaceAddress>,
    /// The address that it had before that one, which was on no interface for a while.
    pub(crate) home: Option<InterfaceAddress>,
    /// Its `InternalIP`s in Kubernetes.
    pub(crate) internal: Vec<IpAddr>,
}

/// The address of a family that a method chooses.
pub(crate) fn detect(method: &Method, family: Family, listing: &Listing, known: &Known) -> Result<Choice, Undetected> {
    let look = Look { method, family, listing, known };
    match method {
        Method::Default => {
            look.kept().or_else(|| look.internal()).or_else(|| look.of_default_route()).or_else(|| look.first())
        }
        Method::FirstFound | Method::Interface(_) | Method::SkipInterface(_) | Method::Cidr(_) => {
            look.kept().or_else(|| look.first())
        }
        Method::CanReach(destination) => look.source(destination),
        Method::InternalIp => look.internal_anywhere(),
    }
    .ok_or_else(|| look.nothing())
}

/// The address with the prefix length that it has on an interface of this machine, and that interface.
pub(crate) fn placed(listing: &Listing, address: IpAddr) -> Option<(&Interface, InterfaceAddress)> {
    let interfaces = listing.interfaces.iter().rev();
    let mut all = interfaces.flat_map(|interface| interface.addresses.iter().map(move |found| (interface, *found)));
    all.find(|(_, found)| found.address() == address)
}

/// Whether an interface is neither the loopback interface nor, by its name, one of containers, workloads or overlays.
pub(crate) fn is_of_machine(interface: &Interface) -> bool {
    interface.state != LinkState::Loopback && !has_known_name(interface)
}

fn has_known_name(interface: &Interface) -> bool {
    NAMES.iter().any(|name| interface.name.starts_with(name))
}

struct Look<'a> {
    method: &'a Method,
    family: Family,
    listing: &'a Listing,
    known: &'a Known,
}

impl<'a> Look<'a> {
    /// Interfaces and addresses that fit, in the order in which they count.
    fn fitting(&self) -> impl Iterator<Item = (&'a Interface, InterfaceAddress)> {
        let interfaces = self.listing.interfaces.iter().rev().filter(|i| self.passes_over(i).is_none());
        interfaces.flat_map(move |i| i.addresses.iter().filter(|a| self.fits(**a)).map(move |a| (i, *a)))
    }

    fn passes_over(&self, interface: &Interface) -> Option<PassedOver> {
        match interface.state {
            LinkState::Up => {}
            LinkState::Down => return Some(PassedOver::Down),
            LinkState::Loopback if matches!(self.method, Method::Interface(_) | Method::Cidr(_)) => {}
            LinkState::Loopback => return Some(PassedOver::Loopback),
        }
        let known_name = || has_known_name(interface).then_some(PassedOver::Name);
        let known_kind = || match interface.kind.as_deref() {
            Some("bridge") if !self.has_default_route(interface) => Some(PassedOver::Bridge),
            Some(kind) if TUNNELS.contains(&kind) && !self.has_default_route(interface) => Some(PassedOver::Tunnel),
            Some(_) | None => None,
        };
        match self.method {
            // What is named is meant.
            Method::Interface(patterns) => (!patterns.find(&interface.name)).then_some(PassedOver::Method),
            Method::Cidr(_) | Method::CanReach(_) | Method::InternalIp => None,
            Method::SkipInterface(patterns) if patterns.find(&interface.name) => Some(PassedOver::Method),
            Method::Default | Method::FirstFound | Method::SkipInterface(_) => known_name().or_else(known_kind),
        }
    }

    fn fits(&self, address: InterfaceAddress) -> bool {
        let wanted = match self.method {
            Method::Cidr(list) => list.iter().any(|cidr| cidr.network().contains_address(address.address())),
            Method::Default
            | Method::FirstFound
            | Method::CanReach(_)
            | Method::Interface(_)
            | Method::SkipInterface(_)
            | Method::InternalIp => true,
        };
        Family::of(address.address()) == self.family && is_global_unicast(address.address()) && wanted
    }

    fn has_default_route(&self, interface: &Interface) -> bool {
        self.listing.defaults.iter().any(|route| route.interface == interface.index)
    }

    fn choice(&self, (interface, address): (&Interface, InterfaceAddress), why: String) -> Choice {
        Choice { address, interface: Some(interface.name.clone()), why }
    }

    /// The address that was left because its interface was gone, or the present one, if it still fits.
    fn kept(&self) -> Option<Choice> {
        let home = self.known.home.and_then(|home| self.fitting().find(|(_, found)| found.address() == home.address()));
        if let Some(home) = home {
            return Some(self.choice(home, "it is back: the Node had it before".to_owned()));
        }
        let present = self.known.present?.address();
        let found = self.fitting().find(|(_, address)| address.address() == present)?;
        Some(self.choice(found, format!("the Node has it already, and it fits {}", self.method)))
    }

    fn internal(&self) -> Option<Choice> {
        let internal = |address: &InterfaceAddress| self.known.internal.contains(&address.address());
        let found = self.fitting().find(|(_, address)| internal(address))?;
        Some(self.choice(found, "it is the node's InternalIP in Kubernetes".to_owned()))
    }

    /// An address of the interface of the best default route: the one that the route prefers, or the first.
    fn of_default_route(&self) -> Option<Choice> {
        let routes = self.listing.defaults.iter().filter(|route| route.family == self.family);
        let best = routes.min_by_key(|route| route.metric)?;
        let on_it = || self.fitting().filter(|(interface, _)| interface.index == best.interface);
        let preferred = on_it().find(|(_, address)| Some(address.address()) == best.source);
        let found = preferred.or_else(|| on_it().next())?;
        Some(self.choice(found, "its interface has the default route".to_owned()))
    }

    fn first(&self) -> Option<Choice> {
        self.fitting().next().map(|found| self.choice(found, format!("it is the first that fits {}", self.method)))
    }

    fn source(&self, destination: &str) -> Option<Choice> {
        let source = *self.listing.sources.get(&(destination.to_owned(), self.family))?;
        self.alone(source, format!("packets to {destination} have it as their source"))
    }

    fn internal_anywhere(&self) -> Option<Choice> {
        let of_family = |address: &&IpAddr| Family::of(**address) == self.family;
        let internal = *self.known.internal.iter().find(of_family)?;
        self.alone(internal, "it is the node's InternalIP in Kubernetes".to_owned())
    }

    /// An address that was not found by its interface, which gives it its prefix length.
    fn alone(&self, address: IpAddr, why: String) -> Option<Choice> {
        match placed(self.listing, address) {
            Some(found) => Some(self.choice(found, why)),
            None => {
                let address = InterfaceAddress::new(address, self.family.bits())?;
                Some(Choice { address, interface: None, why })
            }
        }
    }

    fn nothing(&self) -> Undetected {
        let has_family = |i: &&Interface| i.addresses.iter().any(|a| Family::of(a.address()) == self.family);
        let interfaces = self.listing.interfaces.iter().rev().filter(has_family);
        let loopback = |i: &&Interface| i.state != LinkState::Loopback;
        let passed =
            interfaces.filter(loopback).map(|i| (i.name.clone(), self.passes_over(i).unwrap_or(PassedOver::Address)));
        Undetected { family: self.family, method: self.method.to_string(), passed: passed.collect() }
    }
}

/// As Go's `IsGlobalUnicast`: private addresses too; not those of the link, the machine, or a group.
fn is_global_unicast(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(link_local || address.is_loopback() || address.is_multicast() || address.is_unspecified())
}
