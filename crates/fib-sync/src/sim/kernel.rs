//! The model.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use heddle_bgp_core::Prefix;

use crate::engine::{Refusal, Write, WriteKind};
use crate::resolver::is_link_local;
use crate::route::{
    Address, IfIndex, KernelEvent, KernelObject, KernelRoute, Leg, Legs, Link, LinkState, MAIN_TABLE, ObjectSpec,
    OnLink, PROTOCOL_KERNEL, Placed, Target,
};

const ENETUNREACH: Refusal = Refusal::Errno(101);
const ENETDOWN: Refusal = Refusal::Errno(100);
const EINVAL: Refusal = Refusal::Errno(22);

#[derive(Debug, Default)]
pub(super) struct Kernel {
    pub(super) links: BTreeMap<IfIndex, Link>,
    pub(super) addresses: BTreeSet<Address>,
    /// Interfaces that have lost their last IPv4 address: legs over them are dead until there is one again.
    without_ipv4: BTreeSet<IfIndex>,
    pub(super) routes: Vec<KernelRoute>,
    pub(super) objects: BTreeMap<u32, KernelObject>,
    /// Links whose carrier came or went, on which nothing has followed yet.
    watched: BTreeSet<IfIndex>,
    /// What the monitor hears.
    pub(super) events: Vec<KernelEvent>,
}

impl Kernel {
    /// What a dump tells of one kind; dumps of kinds follow each other.
    pub(super) fn dump(&self, kind: Kind) -> Vec<KernelEvent> {
        match kind {
            Kind::Links => self.links.values().cloned().map(KernelEvent::Link).collect(),
            Kind::Addresses => self.addresses.iter().copied().map(KernelEvent::Address).collect(),
            Kind::Objects => self.objects.values().cloned().map(KernelEvent::Object).collect(),
            Kind::Routes => self.routes.iter().cloned().map(|route| KernelEvent::Route(route, Placed::Added)).collect(),
        }
    }

    pub(super) fn state(&self, link: IfIndex) -> Option<LinkState> {
        self.links.get(&link).map(|link| link.state)
    }

    fn at(&self, prefix: Prefix, metric: u32) -> Option<usize> {
        self.routes.iter().position(|r| r.table == MAIN_TABLE && r.prefix == prefix && r.metric == metric && r.tos == 0)
    }

    /// A request of ours, of which the monitor hears nothing.
    pub(super) fn write(&mut self, write: &Write) -> Result<(), Refusal> {
        match write {
            Write::Route(kind, spec) => {
                let route = KernelRoute {
                    table: spec.table,
                    prefix: spec.prefix,
                    tos: spec.tos,
                    metric: spec.metric,
                    protocol: spec.protocol,
                    source: None,
                    target: (*spec.target).clone(),
                };
                match kind {
                    WriteKind::Create => self.create(route),
                    WriteKind::Replace => self.replace(route),
                    WriteKind::Delete => self.delete(&route).map(|_| ()),
                }
            }
            Write::Object(kind, object) => self.write_object(*kind, object),
        }
    }

    pub(super) fn create(&mut self, route: KernelRoute) -> Result<(), Refusal> {
        self.valid(&route)?;
        if self.at(route.prefix, route.metric).is_some() {
            return Err(Refusal::Exists);
        }
        self.routes.push(route);
        Ok(())
    }

    pub(super) fn replace(&mut self, route: KernelRoute) -> Result<(), Refusal> {
        self.valid(&route)?;
        let at = self.at(route.prefix, route.metric).ok_or(Refusal::Missing)?;
        self.routes[at] = route;
        Ok(())
    }

    pub(super) fn delete(&mut self, route: &KernelRoute) -> Result<KernelRoute, Refusal> {
        let at = self.routes.iter().position(|known| known == route).ok_or(Refusal::Missing)?;
        Ok(self.routes.remove(at))
    }

    fn valid(&self, route: &KernelRoute) -> Result<(), Refusal> {
        match &route.target {
            Target::Dead(_) => Ok(()),
            Target::Object(id) => match self.objects.get(id).map(|object| &object.object) {
                Some(ObjectSpec::Group(_)) => Ok(()),
                Some(ObjectSpec::Leg(_) | ObjectSpec::Other) | None => Err(EINVAL),
            },
            Target::Legs(legs) => legs.iter().try_for_each(|leg| self.valid_leg(leg)),
        }
    }

    /// Whether a leg can be written.
    pub(super) fn takes(&self, leg: &Leg) -> bool {
        self.valid_leg(leg).is_ok()
    }

    fn valid_leg(&self, leg: &Leg) -> Result<(), Refusal> {
        match self.state(leg.interface) {
            None => return Err(EINVAL),
            Some(LinkState::Down) => return Err(ENETDOWN),
            Some(LinkState::Up | LinkState::NoCarrier) => {}
        }
        let Some(gateway) = leg.gateway else { return Ok(()) };
        let on_link = leg.on_link == OnLink::Yes
            || is_link_local(gateway)
            || self.addresses.iter().any(|a| a.interface == leg.interface && a.prefix.contains_addr(gateway));
        if on_link { Ok(()) } else { Err(ENETUNREACH) }
    }

    fn write_object(&mut self, kind: WriteKind, object: &KernelObject) -> Result<(), Refusal> {
        let id = object.id;
        if kind == WriteKind::Delete {
            let gone = self.objects.remove(&id).ok_or(Refusal::Missing)?;
            self.objects_gone(&[gone.id], Said::Nothing);
            return Ok(());
        }
        match &object.object {
            ObjectSpec::Leg(leg) => {
                self.valid_leg(leg)?;
                if self.state(leg.interface) != Some(LinkState::Up) {
                    return Err(ENETDOWN);
                }
            }
            ObjectSpec::Group(members) => {
                let is_leg = |id| matches!(self.objects.get(id).map(|o| &o.object), Some(ObjectSpec::Leg(_)));
                if members.is_empty() || !members.iter().all(|(id, _)| is_leg(id)) {
                    return Err(EINVAL);
                }
            }
            ObjectSpec::Other => return Err(EINVAL),
        }
        match (kind, self.objects.get(&id)) {
            (WriteKind::Create, Some(_)) => return Err(Refusal::Exists),
            (WriteKind::Replace, None) => return Err(Refusal::Missing),
            (WriteKind::Replace, Some(known))
                if std::mem::discriminant(&known.object) != std::mem::discriminant(&object.object) =>
            {
                return Err(EINVAL);
            }
            (WriteKind::Create | WriteKind::Replace | WriteKind::Delete, _) => {}
        }
        let mut object = object.clone();
        if let Some(known) = self.objects.get(&id).filter(|known| matches!(known.object, ObjectSpec::Group(_))) {
            // A group stays his who made it, whoever replaces what it says.
            object.protocol = known.protocol;
        }
        self.objects.insert(id, object);
        Ok(())
    }

    /// Leg objects are gone: groups lose them, empty groups go, and routes that point to these.
    fn objects_gone(&mut self, ids: &[u32], said: Said) {
        let mut gone: BTreeSet<u32> = ids.iter().copied().collect();
        let mut shrunk = Vec::new();
        for object in self.objects.values_mut() {
            if let ObjectSpec::Group(members) = &mut object.object {
                let before = members.len();
                members.retain(|(id, _)| !gone.contains(id));
                if members.is_empty() {
                    gone.insert(object.id);
                    shrunk.push(KernelEvent::ObjectGone(object.id));
                } else if members.len() < before {
                    shrunk.push(KernelEvent::Object(object.clone()));
                }
            }
        }
        self.objects.retain(|id, _| !gone.contains(id));
        if said == Said::All {
            self.events.extend(shrunk);
        }
        let points = |route: &KernelRoute| matches!(route.target, Target::Object(id) if gone.contains(&id));
        for route in self.routes.iter().filter(|route| points(route)) {
            if said != Said::Nothing && !route.prefix.addr().is_ipv4() {
                self.events.push(KernelEvent::RouteGone(route.clone()));
            }
        }
        self.routes.retain(|route| !points(route));
    }

    /// A route of ours goes, and the monitor hears nothing of it.
    pub(super) fn lose_silently(&mut self, route: &KernelRoute) {
        self.routes.retain(|known| known != route);
    }

    /// Somebody takes an object away.
    pub(super) fn delete_object(&mut self, id: u32) {
        if self.objects.remove(&id).is_some() {
            self.events.push(KernelEvent::ObjectGone(id));
            self.objects_gone(&[id], Said::All);
        }
    }

    /// A stranger writes an object, and is refused like anybody else.
    pub(super) fn stranger_writes_object(&mut self, kind: WriteKind, object: KernelObject) -> Result<(), Refusal> {
        self.write_object(kind, &object)?;
        self.events.extend(self.objects.get(&object.id).cloned().map(KernelEvent::Object));
        Ok(())
    }

    /// The carrier comes or goes: who asks is told at once, and what follows comes later.
    pub(super) fn set_carrier(&mut self, link: Link) {
        self.watched.insert(link.index);
        self.links.insert(link.index, link);
    }

    /// The carrier comes back, or goes again.
    pub(super) fn flip_carrier(&mut self, index: IfIndex) {
        if let Some(link) = self.links.get_mut(&index) {
            link.state = match link.state {
                LinkState::Up => LinkState::NoCarrier,
                LinkState::NoCarrier => LinkState::Up,
                LinkState::Down => LinkState::Down,
            };
        }
    }

    /// The link is reported for another reason.
    pub(super) fn report(&mut self, index: IfIndex) {
        self.events.extend(self.links.get(&index).cloned().map(KernelEvent::Link));
    }

    /// A link whose carrier came or went, on which nothing has followed yet.
    pub(super) fn watched(&self) -> Option<IfIndex> {
        self.watched.first().copied()
    }

    /// What follows, of how the carrier is now; a link that is switched off is not reported.
    pub(super) fn act_on_carrier(&mut self, index: IfIndex) {
        self.watched.remove(&index);
        match self.state(index) {
            Some(LinkState::Up) => self.report(index),
            Some(LinkState::NoCarrier) => {
                self.lose_objects(index);
                self.report(index);
            }
            Some(LinkState::Down) | None => {}
        }
    }

    pub(super) fn set_link(&mut self, link: Link) {
        let (index, state) = (link.index, link.state);
        let before = self.links.insert(index, link.clone()).map(|link| link.state);
        if state != LinkState::Up {
            self.lose_objects(index);
        }
        if state == LinkState::Down && before != Some(LinkState::Down) {
            self.lose_routes(index);
        }
        if state != LinkState::Down && before == Some(LinkState::Down) {
            let addresses: Vec<Address> = self.addresses.iter().filter(|a| a.interface == index).copied().collect();
            addresses.iter().for_each(|address| self.connect(*address));
        }
        self.events.push(KernelEvent::Link(link));
    }

    pub(super) fn remove_link(&mut self, index: IfIndex) {
        self.lose_objects(index);
        self.watched.remove(&index);
        self.links.remove(&index);
        self.without_ipv4.remove(&index);
        self.lose_routes(index);
        self.routes.retain(|route| !route.target.uses(index));
        let addresses: Vec<Address> = self.addresses.iter().filter(|a| a.interface == index).copied().collect();
        for address in addresses {
            self.addresses.remove(&address);
            self.events.push(KernelEvent::AddressGone(address));
        }
        self.events.push(KernelEvent::LinkGone(index));
    }

    fn lose_objects(&mut self, index: IfIndex) {
        let on_link = |object: &&KernelObject| matches!(&object.object, ObjectSpec::Leg(leg) if leg.interface == index);
        let ids: Vec<u32> = self.objects.values().filter(on_link).map(|object| object.id).collect();
        self.objects.retain(|id, _| !ids.contains(id));
        self.objects_gone(&ids, Said::Ipv6Routes);
    }

    /// A link went down: IPv4 routes that have no other leg go silently, IPv6 routes lose the leg aloud.
    fn lose_routes(&mut self, index: IfIndex) {
        let down: Vec<IfIndex> = self
            .routes
            .iter()
            .flat_map(|route| match &route.target {
                Target::Legs(legs) => legs.iter().map(|leg| leg.interface).collect::<Vec<_>>(),
                Target::Object(_) | Target::Dead(_) => Vec::new(),
            })
            .filter(|leg| !matches!(self.state(*leg), Some(LinkState::Up | LinkState::NoCarrier)))
            .collect();
        let mut left = Vec::new();
        for mut route in std::mem::take(&mut self.routes) {
            let ipv4 = route.prefix.addr().is_ipv4();
            match &route.target {
                Target::Legs(_) if ipv4 => {
                    if !(route.target.uses(index) && route.target.is_only_on(&down)) {
                        left.push(route);
                    }
                }
                Target::Legs(legs) => {
                    let (lost, rest): (Legs, Legs) = legs.iter().copied().partition(|leg| leg.interface == index);
                    if !lost.is_empty() {
                        self.events
                            .push(KernelEvent::RouteGone(KernelRoute { target: Target::legs(lost), ..route.clone() }));
                    }
                    if !rest.is_empty() {
                        route.target = Target::legs(rest);
                        left.push(route);
                    }
                }
                Target::Object(_) | Target::Dead(_) => left.push(route),
            }
        }
        self.routes = left;
    }

    pub(super) fn add_address(&mut self, interface: IfIndex, address: IpAddr, prefix: Prefix) {
        let address = Address { interface, address, prefix };
        if self.links.contains_key(&interface) && self.addresses.insert(address) {
            if address.address.is_ipv4() {
                self.without_ipv4.remove(&interface);
            }
            self.events.push(KernelEvent::Address(address));
            self.connect(address);
        }
    }

    /// Routes stay when the address goes that their gateway was on; the connected one goes. With the last IPv4 address of an interface
    /// IPv4 routes over it go, without a word.
    pub(super) fn remove_address(&mut self, address: Address) {
        if !self.addresses.remove(&address) {
            return;
        }
        let connected = connected(address);
        if self.delete(&connected).is_ok() {
            self.events.push(KernelEvent::RouteGone(connected));
        }
        self.events.push(KernelEvent::AddressGone(address));
        let is_left = |other: &Address| other.interface == address.interface && other.address.is_ipv4();
        if address.address.is_ipv4() && !self.addresses.iter().any(is_left) {
            self.without_ipv4.insert(address.interface);
            self.lose_ipv4_routes(address.interface);
        }
    }

    fn lose_ipv4_routes(&mut self, index: IfIndex) {
        let is_dead = |leg: &Leg| {
            self.without_ipv4.contains(&leg.interface)
                || !matches!(self.state(leg.interface), Some(LinkState::Up | LinkState::NoCarrier))
        };
        let is_lost = |route: &KernelRoute| match &route.target {
            Target::Legs(legs) => route.prefix.addr().is_ipv4() && route.target.uses(index) && legs.iter().all(is_dead),
            Target::Object(_) | Target::Dead(_) => false,
        };
        let left = self.routes.iter().filter(|route| !is_lost(route)).cloned().collect();
        self.routes = left;
    }

    fn connect(&mut self, address: Address) {
        if matches!(self.state(address.interface), Some(LinkState::Up | LinkState::NoCarrier)) {
            let route = connected(address);
            if !self.routes.contains(&route) {
                self.routes.push(route.clone());
                self.events.push(KernelEvent::Route(route, Placed::Replaced));
            }
        }
    }

    /// What a stranger does, of which the monitor hears.
    pub(super) fn stranger_creates(&mut self, route: KernelRoute) {
        if self.create(route.clone()).is_ok() {
            self.events.push(KernelEvent::Route(route, Placed::Replaced));
        }
    }

    /// He replaces, or creates where nothing is.
    pub(super) fn stranger_replaces(&mut self, route: KernelRoute) {
        if self.replace(route.clone()).is_ok() || self.create(route.clone()).is_ok() {
            self.events.push(KernelEvent::Route(route, Placed::Replaced));
        }
    }

    pub(super) fn stranger_deletes(&mut self, route: &KernelRoute) {
        if self.delete(route).is_ok() {
            self.events.push(KernelEvent::RouteGone(route.clone()));
        }
    }
}

/// What is dumped for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Links,
    Addresses,
    Objects,
    Routes,
}

/// What the monitor hears of groups and routes that go with their objects; of IPv4 routes it is nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Ipv6Routes,
    All,
}

fn connected(address: Address) -> KernelRoute {
    KernelRoute {
        table: MAIN_TABLE,
        prefix: address.prefix,
        tos: 0,
        metric: if address.prefix.addr().is_ipv4() { 0 } else { 256 },
        protocol: PROTOCOL_KERNEL,
        source: Some(address.address).filter(IpAddr::is_ipv4),
        target: Target::legs(Legs::from_slice(&[Leg::new(address.interface, None)])),
    }
}
