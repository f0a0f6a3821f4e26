//! What of the Node is to be written, and what is to be said of it.

use std::sync::Arc;
use std::time::Duration;

use heddle_admin::types::AddressReport;
use heddle_resources::Node;
use heddle_resources::value::{Family, InterfaceAddress};
use thiserror::Error;

use super::detect::{Choice, Known, detect, placed};
use super::listing::Listing;
use super::method::Method;
use super::wishes::{Check, Length, Wish, Wishes};

/// Calico's annotations.
const IPV4: &str = "projectcalico.org/IPv4Address";
const IPV6: &str = "projectcalico.org/IPv6Address";
const ASN: &str = "projectcalico.org/ASNumber";

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Annotations that are other than wanted.
    pub(crate) annotations: Vec<(&'static str, String)>,
    /// The addresses, and why they are these.
    pub(crate) addresses: Vec<AddressReport>,
    /// Addresses that another node has.
    pub(crate) conflicts: Vec<Conflict>,
    /// What is not as it should be otherwise.
    pub(crate) problems: Vec<String>,
}

/// How soon it is looked again where something is not as it should be: an interface, or its address, may come late.
const UNDONE: Duration = Duration::from_secs(10);

impl Plan {
    /// How soon it is looked again, if nothing else asks for it. (A wanted family without an address is a problem or a conflict.)
    pub(crate) fn again(&self, wishes: &Wishes) -> Option<Duration> {
        let undone = !self.problems.is_empty() || !self.conflicts.is_empty();
        let follows = wishes.follows().then_some(wishes.poll);
        follows.into_iter().chain(undone.then_some(UNDONE)).min()
    }
}

/// An address that another node has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub(crate) enum Conflict {
    /// It is not written.
    #[error(
        "{address} is not written as address of this node: Node {other} has it; give one of them another, or set \
         DISABLE_NODE_IP_CHECK to true"
    )]
    NotWritten { address: std::net::IpAddr, other: Arc<str> },
    /// This node had it already, and goes on.
    #[error("{address} is the address of this node and of Node {other}; give one of them another")]
    Shared { address: std::net::IpAddr, other: Arc<str> },
}

/// Compares what is wanted with what the Node has. `others` are all nodes; the own one among them is passed over.
pub(crate) fn plan<'a>(
    wishes: &Wishes,
    node: &Node,
    others: impl Iterator<Item = &'a Arc<Node>> + Clone,
    listing: &Listing,
) -> Plan {
    let mut plan = Plan::default();
    for (family, annotation, (wish, method)) in [(Family::V4, IPV4, &wishes.v4), (Family::V6, IPV6, &wishes.v6)] {
        let present = node.spec.bgp.address(family);
        let internal = node.spec.addresses.iter().filter(|a| a.kind.as_deref() == Some("InternalIP"));
        let known = Known { present, internal: internal.map(|a| a.address.address()).collect() };
        let Some(choice) = choose(*wish, method, family, listing, &known, &mut plan) else { continue };
        let address = choice.address.address();
        let is_other = |other: &&Arc<Node>| {
            other.metadata.name != node.metadata.name
                && other.spec.bgp.address(family).is_some_and(|theirs| theirs.address() == address)
        };
        let other = others.clone().find(is_other).map(|other| Arc::clone(&other.metadata.name));
        let is_new = present.map(InterfaceAddress::address) != Some(address);
        let mut written = choice.address;
        match (other, is_new, wishes.check) {
            (Some(other), true, Check::Yes) => {
                plan.conflicts.push(Conflict::NotWritten { address, other });
                match present {
                    Some(present) => written = present,
                    None => continue,
                }
            }
            (Some(other), _, _) => plan.conflicts.push(Conflict::Shared { address, other }),
            (None, _, _) => {}
        }
        if present != Some(written) {
            plan.annotations.push((annotation, written.to_string()));
        }
        let kept = if written == choice.address { choice } else { as_it_is(written, listing, &mut plan.problems) };
        plan.addresses.push(AddressReport {
            address: kept.address.to_string(),
            interface: kept.interface,
            reason: kept.why,
        });
    }
    if let Some(asn) = wishes.asn.filter(|asn| node.spec.bgp.as_number != Some(*asn)) {
        plan.annotations.push((ASN, asn.0.to_string()));
    }
    plan
}

fn choose(
    wish: Wish,
    method: &Method,
    family: Family,
    listing: &Listing,
    known: &Known,
    plan: &mut Plan,
) -> Option<Choice> {
    let present = known.present;
    match (wish, present) {
        (Wish::AsItIs, None) => None,
        (Wish::AsItIs | Wish::DetectIfNone, Some(present)) => Some(as_it_is(present, listing, &mut plan.problems)),
        (Wish::Given(address, length), _) => Some(given(family, address, length, listing, &mut plan.problems)),
        (Wish::DetectIfNone, None) | (Wish::Detect, _) => match detect(method, family, listing, known) {
            Ok(choice) => Some(choice),
            Err(undetected) => {
                plan.problems.push(undetected.to_string());
                // It may be gone for a moment only.
                present.map(|present| as_it_is(present, listing, &mut plan.problems))
            }
        },
    }
}

fn given(
    family: Family,
    address: InterfaceAddress,
    length: Length,
    listing: &Listing,
    problems: &mut Vec<String>,
) -> Choice {
    let variable = match family {
        Family::V4 => "IP",
        Family::V6 => "IP6",
    };
    let here = here(address, listing, problems);
    let address = match (length, here) {
        (Length::OfInterface, Some((_, found))) => found,
        (Length::OfInterface, None) | (Length::Given, _) => address,
    };
    Choice { address, interface: here.map(|(name, _)| name.to_owned()), why: format!("{variable} says so") }
}

fn as_it_is(present: InterfaceAddress, listing: &Listing, problems: &mut Vec<String>) -> Choice {
    let interface = here(present, listing, problems).map(|(name, _)| name.to_owned());
    Choice { address: present, interface, why: "the Node has it".to_owned() }
}

/// The interface that has the address, and the prefix length there.
fn here<'a>(
    address: InterfaceAddress,
    listing: &'a Listing,
    problems: &mut Vec<String>,
) -> Option<(&'a str, InterfaceAddress)> {
    let found = placed(listing, address.address());
    if found.is_none() {
        problems.push(format!("{} is on no interface of this machine", address.address()));
    }
    found.map(|(interface, found)| (interface.name.as_str(), found))
}
