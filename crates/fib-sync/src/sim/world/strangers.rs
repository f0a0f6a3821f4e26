//! Strangers: who writes routes and nexthop objects beside ours, and over them.

use super::{OWN, PREFIXES, World, ip, prefix};
use crate::engine::WriteKind;
use crate::route::{IfIndex, KernelObject, KernelRoute, Leg, Legs, MAIN_TABLE, ObjectSpec, Target};
use crate::settings::NexthopObjects;

const STRANGER: u8 = 4;
/// The numbers of his own nexthop objects are this and that of the link that they lead over.
const HIS: u32 = 7000;

/// How a stranger comes to the number of an object of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Take {
    /// He replaces it, and routes that point to it lead where he says. A group is ours still, by its protocol number.
    InPlace,
    /// He takes it away, and with it the routes that point to it.
    Anew,
}

/// What a stranger takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Which {
    Group,
    Leg,
}

impl World {
    /// Somebody else does something to routes, or to nexthop objects where there are any.
    pub(super) fn random_doing_of_others(&mut self) {
        let objects = self.settings.nexthop_objects != NexthopObjects::Never;
        if objects && self.random(2) == 0 { self.random_taker() } else { self.random_stranger() }
    }

    /// A stranger's route: one that next hops resolve over, or one at a prefix of BGP's.
    pub(super) fn random_stranger(&mut self) {
        let (index, gateway, via) = match self.random(3) {
            0 => (1, "192.0.2.9", "203.0.113.0/24"),
            1 => (2, "198.51.100.9", "203.0.113.0/24"),
            _ => (2, "2001:db8:2::9", "2001:db8:a::/64"),
        };
        let conflict = prefix(self.pick(&PREFIXES));
        let same_family = conflict.addr().is_ipv4() == ip(gateway).is_ipv4();
        let destination = if self.random(2) == 0 && same_family { conflict } else { prefix(via) };
        let Some(interface) = self.index_of(index) else { return };
        // The route to a workload, which may have the number of those that lead by it; no next hop resolves over it.
        let own = self.settings.workload_protocol.filter(|_| index == 2 && destination == conflict);
        let to_workload = own.filter(|_| self.random(2) == 0);
        let gateway = to_workload.is_none().then(|| ip(gateway));
        let route = KernelRoute {
            table: MAIN_TABLE,
            prefix: destination,
            tos: 0,
            metric: self.pick(&[1024, 77]),
            protocol: to_workload.unwrap_or(STRANGER),
            source: None,
            target: Target::legs(Legs::from_slice(&[Leg::new(interface, gateway)])),
        };
        if self.random(2) == 0 {
            self.kernel.stranger_creates(route.clone());
        } else {
            self.kernel.stranger_replaces(route.clone());
        }
        let key = |r: &KernelRoute| (r.prefix, r.metric);
        if self.kernel.routes.contains(&route) {
            self.strangers.retain(|known| key(known) != key(&route));
            self.strangers.push(route);
        }
    }

    /// Somebody removes one of ours, or changes it.
    pub(super) fn molest(&mut self) {
        let ours: Vec<KernelRoute> = self.kernel.routes.iter().filter(|r| self.is_ours(r)).cloned().collect();
        if ours.is_empty() {
            return;
        }
        let at = usize::try_from(self.random(ours.len() as u64)).expect("small");
        let route = ours[at].clone();
        match self.random(3) {
            0 => self.kernel.stranger_deletes(&route),
            1 => self.kernel.lose_silently(&route),
            _ if route.protocol == OWN => {
                self.kernel.stranger_replaces(KernelRoute { target: crate::table::Table::blackhole(), ..route });
            }
            // What has no leg on the interface would be a stranger's.
            _ => {
                let elsewhere = if route.prefix.addr().is_ipv4() { "198.51.100.9" } else { "2001:db8:2::9" };
                let leg = self.index_of(2).map(|interface| Leg::new(interface, Some(ip(elsewhere))));
                let target = Target::legs(leg.into_iter().collect());
                self.kernel.stranger_replaces(KernelRoute { target, ..route });
            }
        }
    }

    /// He takes the number of an object of ours, or the one that we would take next. Now and then he uses our protocol number:
    /// another instance of ours, or somebody by hand.
    pub(super) fn random_taker(&mut self) {
        let mut numbers: Vec<u32> = self.kernel.objects.keys().copied().filter(|id| *id > HIS + 2).collect();
        let Some(last) = numbers.last() else { return };
        numbers.push(last + 1);
        let id = self.pick(&numbers);
        let how = self.pick(&[Take::InPlace, Take::Anew]);
        let link = self.pick(&[1, 2]);
        let protocol = self.pick(&[STRANGER, STRANGER, STRANGER, OWN]);
        self.stranger_takes_object(id, how, link, protocol);
    }

    fn stranger_takes_object(&mut self, id: u32, how: Take, link: u32, protocol: u8) {
        let Some(interface) = self.index_of(link) else { return };
        let gateway = ip(if link == 1 { "192.0.2.9" } else { "198.51.100.9" });
        let leg = ObjectSpec::Leg(Leg::new(interface, Some(gateway)));
        let ours = self.kernel.objects.get(&id).map(|known| known.object.clone());
        let object = match ours {
            Some(ObjectSpec::Group(_)) => {
                let his = KernelObject { id: HIS + link, protocol: STRANGER, object: leg };
                let _ = self.kernel.stranger_writes_object(WriteKind::Create, his);
                ObjectSpec::Group([(HIS + link, 1)].into_iter().collect())
            }
            Some(ObjectSpec::Leg(_) | ObjectSpec::Other) | None => leg,
        };
        let replaces = how == Take::InPlace && self.kernel.objects.contains_key(&id);
        if how == Take::Anew {
            self.kernel.delete_object(id);
        }
        let kind = if replaces { WriteKind::Replace } else { WriteKind::Create };
        let _ = self.kernel.stranger_writes_object(kind, KernelObject { id, protocol, object });
    }

    /// He takes the number of the first such object of ours.
    pub(in crate::sim) fn stranger_takes_the(&mut self, which: Which, how: Take) {
        let is_it = |object: &&KernelObject| match object.object {
            ObjectSpec::Group(_) => which == Which::Group,
            ObjectSpec::Leg(_) => which == Which::Leg,
            ObjectSpec::Other => false,
        };
        let ours = self.kernel.objects.values().find(|object| object.protocol == OWN && is_it(object));
        let id = ours.expect("an object of ours").id;
        self.stranger_takes_object(id, how, 1, STRANGER);
    }

    /// Somebody who uses our protocol number has the first leg object of ours lead over another link.
    pub(in crate::sim) fn somebody_moves_our_leg(&mut self, link: u32) {
        let is_leg = |object: &&KernelObject| object.protocol == OWN && matches!(object.object, ObjectSpec::Leg(_));
        let id = self.kernel.objects.values().find(is_leg).expect("a leg object of ours").id;
        let leg = Leg::new(IfIndex(link), Some(ip(if link == 1 { "192.0.2.9" } else { "198.51.100.9" })));
        let moved = KernelObject { id, protocol: OWN, object: ObjectSpec::Leg(leg) };
        self.kernel.stranger_writes_object(WriteKind::Replace, moved).expect("it is there");
    }

    /// His objects go.
    pub(in crate::sim) fn stranger_gives_back(&mut self) {
        for object in self.foreign_objects() {
            self.kernel.delete_object(object.id);
        }
    }

    /// He has a route over a link, which next hops are resolved over.
    pub(in crate::sim) fn stranger_leads(&mut self, text: &str, link: u32) {
        let gateway = ip(if link == 1 { "192.0.2.9" } else { "198.51.100.9" });
        let target = Target::legs(Legs::from_slice(&[Leg::new(IfIndex(link), Some(gateway))]));
        self.kernel.stranger_replaces(KernelRoute {
            table: MAIN_TABLE,
            prefix: prefix(text),
            tos: 0,
            metric: 1024,
            protocol: STRANGER,
            source: None,
            target,
        });
    }

    /// Nexthop objects of strangers.
    pub(super) fn foreign_objects(&self) -> Vec<KernelObject> {
        self.kernel.objects.values().filter(|object| object.protocol != OWN).cloned().collect()
    }

    /// A stranger puts his route in the place of one of ours.
    pub(in crate::sim) fn stranger_takes(&mut self, text: &str) {
        let ours = self.kernel.routes.iter().find(|r| self.is_ours(r) && r.prefix == prefix(text)).cloned();
        let ours = ours.expect("a route of ours");
        let target = Target::legs(Legs::from_slice(&[Leg::new(IfIndex(2), Some(ip("198.51.100.9")))]));
        self.kernel.stranger_replaces(KernelRoute { protocol: STRANGER, target, ..ours });
    }

    /// He takes it away again.
    pub(in crate::sim) fn stranger_goes(&mut self, text: &str) {
        let his = self.kernel.routes.iter().find(|r| r.protocol == STRANGER && r.prefix == prefix(text)).cloned();
        self.kernel.stranger_deletes(&his.expect("a route of the stranger's"));
    }

    /// Somebody deletes a route of ours, where there is one.
    pub(in crate::sim) fn delete(&mut self, text: &str) {
        let ours = self.kernel.routes.iter().find(|r| self.is_ours(r) && r.prefix == prefix(text)).cloned();
        if let Some(ours) = ours {
            self.kernel.stranger_deletes(&ours);
        }
    }

    /// Somebody deletes all routes over a link alone but those of some numbers, and the kernel's; how many those were.
    pub(in crate::sim) fn take_off(&mut self, link: u32, spared: &[u8]) -> usize {
        let over = |route: &&KernelRoute| {
            self.legs_of(route)
                .is_some_and(|legs| legs.len() == 1 && legs.iter().all(|leg| leg.interface == IfIndex(link)))
        };
        let off = |route: &&KernelRoute| over(route) && route.protocol != 2 && !spared.contains(&route.protocol);
        let gone: Vec<KernelRoute> = self.kernel.routes.iter().filter(off).cloned().collect();
        gone.iter().for_each(|route| self.kernel.stranger_deletes(route));
        gone.len()
    }

    /// A route of ours goes, and nobody says so.
    pub(in crate::sim) fn lose_silently(&mut self, text: &str) {
        let ours = self.kernel.routes.iter().find(|r| self.is_ours(r) && r.prefix == prefix(text)).cloned();
        self.kernel.lose_silently(&ours.expect("a route of ours"));
    }

    /// BIRD has written a route.
    pub(in crate::sim) fn bird_creates(&mut self, text: &str, metric: u32) {
        let leg = Leg::new(IfIndex(1), Some(ip("192.0.2.2")));
        let target = Target::legs(Legs::from_slice(&[leg]));
        let route =
            KernelRoute { table: MAIN_TABLE, prefix: prefix(text), tos: 0, metric, protocol: 12, target, source: None };
        self.kernel.stranger_creates(route);
    }

    /// Routes of strangers, but for those that are adopted.
    pub(super) fn foreign(&self) -> Vec<KernelRoute> {
        let ours =
            |route: &&KernelRoute| self.is_ours(route) || self.settings.adopt_protocols.contains(&route.protocol);
        self.kernel.routes.iter().filter(|route| !ours(route)).cloned().collect()
    }
}
