//! What of the Node is to be written, and what is to be said of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use heddle_admin::types::AddressReport;
use heddle_datastore::NodeField;
use heddle_resources::Node;
use heddle_resources::value::{Family, InterfaceAddress};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;

use super::detect::{Choice, Known, detect, is_of_machine, placed};
use super::listing::{Interface, Listing};
use super::memory::Memory;
use super::method::Method;
use super::wishes::{Check, Length, Wish, Wishes};

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Fields of the Node that are other than wanted; none: it is to go.
    pub(crate) fields: Vec<(NodeField, Option<String>)>,
    /// Addresses among them that the Node has not had: whether they are this node's is known when it has them.
    pub(crate) claims: Vec<(Family, IpAddr)>,
    /// Whether an address is given up that another node has taken at the same time.
    pub(crate) retreat: Retreat,
    /// The addresses, and why they are these.
    pub(crate) addresses: Vec<AddressReport>,
    /// Addresses that another node has.
    pub(crate) conflicts: Vec<Conflict>,
    /// What is not as it should be otherwise.
    pub(crate) problems: Vec<String>,
}

/// Whether an address is given up that another node has taken at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Retreat {
    Yes,
    #[default]
    No,
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
    NotWritten { address: IpAddr, other: Arc<str> },
    /// This node had it already, and goes on.
    #[error("{address} is the address of this node and of Node {other}; give one of them another")]
    Shared { address: IpAddr, other: Arc<str> },
}

/// Compares what is wanted with what the Node has. `others` are all nodes; the own one among them is passed over.
pub(crate) fn plan<'a>(
    wishes: &Wishes,
    node: &Node,
    others: impl Iterator<Item = &'a Arc<Node>> + Clone,
    listing: &Listing,
    memory: &mut Memory,
    now: Instant,
) -> Plan {
    let mut plan = Plan::default();
    for (family, field, (wish, method)) in
        [(Family::V4, NodeField::Ipv4Address, &wishes.v4), (Family::V6, NodeField::Ipv6Address, &wishes.v6)]
    {
        let present = node.spec.bgp.address(family);
        memory.is_present(family, present.map(InterfaceAddress::address));
        let here = present.filter(|present| placed(listing, present.address()).is_some_and(|(on, _)| on.is_usable()));
        if let Some(present) = here {
            memory.is_here(family, present);
        }
        let internal = node.spec.addresses.iter().filter(|a| a.kind.as_deref() == Some("InternalIP"));
        let known = Known { present, home: None, internal: internal.map(|a| a.address.address()).collect() };
        let look = Look { wish: *wish, method, family, listing, known };
        let Some(choice) = look.choose(memory, now, &mut plan) else { continue };
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
                    Some(present) if placed(listing, present.address()).is_some() => written = present,
                    // It may be gone for a moment only.
                    Some(present) if memory.is_waited_for(family, present, now) => written = present,
                    // It is given up: the other one may wait for it, if the two have swapped theirs. Calico's node does so
                    // where the address is detected.
                    Some(_) => {
                        plan.fields.push((field, None));
                        continue;
                    }
                    None => continue,
                }
            }
            // Both have taken it before they heard of each other.
            (Some(other), false, Check::Yes) if memory.is_claimed(family, address) => {
                plan.conflicts.push(Conflict::NotWritten { address, other });
                plan.fields.push((field, None));
                plan.retreat = Retreat::Yes;
                memory.gives_up(family);
                continue;
            }
            (Some(other), _, _) => plan.conflicts.push(Conflict::Shared { address, other }),
            (None, true, Check::Yes) => plan.claims.push((family, address)),
            (None, false, _) => memory.is_ours(family),
            (None, true, Check::No) => {}
        }
        if present != Some(written) {
            plan.fields.push((field, Some(written.to_string())));
        }
        let kept = if written == choice.address { choice } else { as_it_is(written, listing, &mut plan.problems) };
        plan.addresses.push(AddressReport {
            address: kept.address.to_string(),
            interface: kept.interface,
            reason: kept.why,
        });
    }
    if let Some(asn) = wishes.asn.filter(|asn| node.spec.bgp.as_number != Some(*asn)) {
        plan.fields.push((NodeField::AsNumber, Some(asn.0.to_string())));
    }
    plan
}

/// What is looked at for an address of a family.
struct Look<'a> {
    wish: Wish,
    method: &'a Method,
    family: Family,
    listing: &'a Listing,
    known: Known,
}

impl Look<'_> {
    fn choose(&self, memory: &mut Memory, now: Instant, plan: &mut Plan) -> Option<Choice> {
        let present = self.known.present;
        match (self.wish, present) {
            (Wish::AsItIs, None) => None,
            (Wish::AsItIs | Wish::DetectIfNone, Some(present)) => {
                Some(as_it_is(present, self.listing, &mut plan.problems))
            }
            (Wish::Given(address, length), _) => Some(self.given(address, length, &mut plan.problems)),
            (Wish::DetectIfNone, None) => self.detect(None, plan),
            (Wish::Detect, _) => self.follow(memory, now, plan),
        }
    }

    /// What is detected now, unless the present address was here a moment ago and may come back. One that this process has never
    /// seen here may be another node's by now: no session begins with it.
    fn follow(&self, memory: &mut Memory, now: Instant, plan: &mut Plan) -> Option<Choice> {
        let home = memory.home(self.family, self.known.present);
        let found = self.detect(home, plan);
        let (Some(present), Some(choice)) = (self.known.present, &found) else { return found };
        let is_here = placed(self.listing, present.address()).is_some_and(|(on, _)| on.is_usable());
        let chosen = choice.address.address();
        if chosen == present.address() {
            memory.counts(self.family);
        } else if !is_here
            && home.is_none_or(|home| home.address() != chosen)
            && memory.is_waited_for(self.family, present, now)
        {
            plan.problems.push(format!(
                "{} is on no interface that is up; {chosen} is taken if it does not come back within a minute",
                present.address()
            ));
            return Some(Choice { address: present, interface: None, why: "the Node has it".to_owned() });
        }
        memory.moved(self.family, present, choice.address);
        found
    }

    fn detect(&self, home: Option<InterfaceAddress>, plan: &mut Plan) -> Option<Choice> {
        let known = Known { present: self.known.present, home, internal: self.known.internal.clone() };
        match detect(self.method, self.family, self.listing, &known) {
            Ok(choice) => Some(choice),
            Err(undetected) => {
                plan.problems.push(undetected.to_string());
                // It may be gone for a moment only.
                self.known.present.map(|present| as_it_is(present, self.listing, &mut plan.problems))
            }
        }
    }

    fn given(&self, address: InterfaceAddress, length: Length, problems: &mut Vec<String>) -> Choice {
        let variable = match self.family {
            Family::V4 => "IP",
            Family::V6 => "IP6",
        };
        let here = here(address, self.listing, problems);
        // Without an interface that has the address, what the Node has says how long its prefix was.
        let known = || self.known.present.filter(|present| present.address() == address.address());
        let address = match (length, here) {
            (Length::OfInterface, Some((_, found))) => found,
            (Length::OfInterface, None) => known().unwrap_or(address),
            (Length::Given, _) => address,
        };
        Choice { address, interface: here.map(|(name, _)| name.to_owned()), why: format!("{variable} says so") }
    }
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

/// What Calico's node says of the machine's interfaces, for automatic host endpoints: names and addresses of those that are not of
/// workloads, where an address or its detection is asked for. None: nothing.
pub(crate) fn interfaces(wishes: &Wishes, listing: &Listing) -> Option<String> {
    let asked = |(wish, _): &(Wish, Method)| matches!(wish, Wish::Detect | Wish::Given(..));
    let families: Vec<Family> = [(Family::V4, &wishes.v4), (Family::V6, &wishes.v6)]
        .into_iter()
        .filter_map(|(family, wish)| asked(wish).then_some(family))
        .collect();
    if families.is_empty() {
        return None;
    }
    let mut named: Vec<_> = listing.interfaces.iter().filter(|interface| is_of_machine(interface)).collect();
    named.sort_by(|a, b| a.name.cmp(&b.name));
    let entry = |interface: &&Interface| {
        let addresses = interface.addresses.iter().map(|address| address.address());
        let addresses: Vec<String> =
            addresses.filter(|a| families.contains(&Family::of(*a))).map(|a| a.to_string()).collect();
        // As Go leaves out what is empty.
        if addresses.is_empty() {
            json!({ "name": interface.name })
        } else {
            json!({ "name": interface.name, "addresses": addresses })
        }
    };
    Some(Value::Array(named.iter().map(entry).collect()).to_string())
}
