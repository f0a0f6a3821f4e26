//! Next hops over all kinds of routes.

use super::*;
use crate::input::Source;
use crate::route::{Address, Dead, KernelRoute, Link, Placed};
use crate::table::{Exit, GroupState, Outcome};

struct Net {
    view: KernelView,
    table: Table,
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn leg(interface: u32, gateway: &str) -> Leg {
    Leg::new(IfIndex(interface), Some(ip(gateway)))
}

impl Net {
    /// `eth1` with 192.0.2.0/24, `eth2` with 198.51.100.0/24 and 2001:db8:2::/64.
    fn new() -> Self {
        let mut net = Self { view: KernelView::default(), table: Table::default() };
        for index in [1, 2] {
            net.link(index, LinkState::Up);
        }
        net.foreign("192.0.2.0/24", 0, PROTOCOL_KERNEL, &[Leg::new(IfIndex(1), None)]);
        net.foreign("198.51.100.0/24", 0, PROTOCOL_KERNEL, &[Leg::new(IfIndex(2), None)]);
        net.foreign("2001:db8:2::/64", 256, PROTOCOL_KERNEL, &[Leg::new(IfIndex(2), None)]);
        let prefix = "192.0.2.0/24".parse().expect("a prefix");
        net.view.set_address(Address { interface: IfIndex(1), address: ip("192.0.2.1"), prefix });
        net
    }

    fn link(&mut self, index: u32, state: LinkState) {
        self.view.set_link(Link { index: IfIndex(index), name: format!("eth{index}"), state });
    }

    fn foreign(&mut self, prefix: &str, metric: u32, protocol: u8, legs: &[Leg]) {
        self.route(prefix, metric, protocol, Target::legs(Legs::from_slice(legs)));
    }

    fn route(&mut self, prefix: &str, metric: u32, protocol: u8, target: Target) {
        let prefix = prefix.parse().expect("a prefix");
        let route = KernelRoute { table: MAIN_TABLE, prefix, tos: 0, metric, protocol, source: None, target };
        self.view.set_route(route, Placed::Added);
    }

    fn learned(&mut self, prefix: &str, metric: u32, hops: &[&str]) {
        let next_hops = hops.iter().map(|hop| NextHop::new(ip(hop))).collect();
        let key = GroupKey { wish: Wish::Learned(Source::Ibgp), outcome: Outcome::Install, metric, next_hops };
        let slot = self.table.slot(prefix.parse().expect("a prefix"));
        let group = self.table.find_group(&key);
        let group = group.unwrap_or_else(|| self.table.add_group(key, GroupState::Rejected, Exit::Elsewhere));
        self.table.set_group(slot, Some(group));
    }

    fn routes(&self) -> Routes<'_> {
        Routes { view: &self.view, table: &self.table, own_table: MAIN_TABLE }
    }

    fn resolve(&self, hop: &str) -> Resolution {
        resolve(NextHop::new(ip(hop)), &self.routes()).0
    }

    #[track_caller]
    fn leads(&self, hop: &str, legs: &[Leg], cost: u32) {
        assert_eq!(self.resolve(hop), Ok(Resolved { legs: Legs::from_slice(legs), cost }), "{hop}");
    }
}

#[test]
fn connected_foreign_and_default_routes() {
    let mut net = Net::new();
    net.leads("192.0.2.9", &[leg(1, "192.0.2.9")], 0);
    net.leads("2001:db8:2::9", &[leg(2, "2001:db8:2::9")], 0);
    assert_eq!(net.resolve("203.0.113.1"), Err(Unresolved::NoRoute(ip("203.0.113.1"))));
    net.foreign("0.0.0.0/0", 100, 4, &[leg(2, "198.51.100.9")]);
    net.leads("203.0.113.1", &[leg(2, "198.51.100.9")], 1);
    net.foreign("203.0.113.0/24", 100, 4, &[leg(1, "192.0.2.8"), leg(2, "198.51.100.8")]);
    net.leads("203.0.113.1", &[leg(1, "192.0.2.8"), leg(2, "198.51.100.8")], 1);
    net.foreign("203.0.113.0/24", 50, 4, &[leg(1, "192.0.2.7")]);
    net.leads("203.0.113.1", &[leg(1, "192.0.2.7")], 1);
}

#[test]
fn what_leads_nowhere() {
    let mut net = Net::new();
    assert_eq!(net.resolve("192.0.2.1"), Err(Unresolved::OwnAddress(ip("192.0.2.1"))));
    assert_eq!(net.resolve("fe80::1"), Err(Unresolved::NoInterface(ip("fe80::1"))));
    net.route("203.0.113.0/24", 5, 4, Target::Dead(Dead::Unreachable));
    let dead = Unresolved::Dead(ip("203.0.113.1"), "203.0.113.0/24".parse().expect("a prefix"));
    assert_eq!(net.resolve("203.0.113.1"), Err(dead));
    net.link(1, LinkState::NoCarrier);
    assert_eq!(net.resolve("192.0.2.9"), Err(Unresolved::LinkDown(ip("192.0.2.9"))));
}

#[test]
fn a_link_local_next_hop_is_on_its_interface() {
    let mut net = Net::new();
    let hop = NextHop { address: ip("fe80::1"), interface: Some(IfIndex(2)) };
    let expected = Resolved { legs: Legs::from_slice(&[leg(2, "fe80::1")]), cost: 0 };
    assert_eq!(resolve(hop, &net.routes()).0, Ok(expected));
    net.link(2, LinkState::Down);
    assert_eq!(resolve(hop, &net.routes()).0, Err(Unresolved::LinkDown(ip("fe80::1"))));
}

#[test]
fn learned_routes_are_followed_and_their_legs_joined() {
    let mut net = Net::new();
    net.learned("10.1.0.0/16", 1024, &["192.0.2.2", "198.51.100.2"]);
    net.learned("10.2.0.0/16", 1024, &["10.1.0.1"]);
    let both = [leg(1, "192.0.2.2"), leg(2, "198.51.100.2")];
    net.leads("10.2.0.1", &both, 1);
    // The lower metric wins among routes to one prefix, whoever has it.
    net.foreign("10.1.0.0/16", 2000, 4, &[leg(2, "198.51.100.7")]);
    net.leads("10.2.0.1", &both, 1);
    net.foreign("10.1.0.0/16", 10, 4, &[leg(2, "198.51.100.7")]);
    net.leads("10.2.0.1", &[leg(2, "198.51.100.7")], 1);
}

/// No route stands on itself: it is passed over, and a shorter prefix may do.
#[test]
fn loops_are_passed_over() {
    let mut net = Net::new();
    net.learned("10.1.0.0/16", 1024, &["10.1.0.1"]);
    assert_eq!(net.resolve("10.1.0.1"), Err(Unresolved::Loop(ip("10.1.0.1"))));
    net.learned("10.2.0.0/16", 1024, &["10.3.0.1"]);
    net.learned("10.3.0.0/16", 1024, &["10.2.0.1"]);
    assert_eq!(net.resolve("10.2.0.1"), Err(Unresolved::Loop(ip("10.3.0.1"))));
    net.foreign("0.0.0.0/0", 100, 4, &[leg(2, "198.51.100.9")]);
    for hop in ["10.1.0.1", "10.2.0.1", "10.3.0.1"] {
        net.leads(hop, &[leg(2, "198.51.100.9")], 1);
    }
}

#[test]
fn the_depth_is_bounded() {
    let mut net = Net::new();
    for number in 1..=12 {
        let next = if number == 12 { "192.0.2.2".to_owned() } else { format!("10.{}.0.1", number + 1) };
        net.learned(&format!("10.{number}.0.0/16"), 1024, &[&next]);
    }
    net.leads("10.7.0.1", &[leg(1, "192.0.2.2")], 1);
    assert!(matches!(net.resolve("10.1.0.1"), Err(Unresolved::TooDeep(_))));
}

/// What changes is looked up again, and nothing else is.
#[test]
fn changes_reach_those_that_depend_on_them() {
    let mut net = Net::new();
    net.learned("10.1.0.0/16", 1024, &["203.0.113.1"]);
    let mut resolver = Resolver::default();
    let (far, near) = (NextHop::new(ip("10.1.0.1")), NextHop::new(ip("192.0.2.2")));
    assert_eq!(resolver.usage(far, Usage::Used, &net.routes()), Some(NextHopState { cost: None }));
    assert_eq!(resolver.usage(near, Usage::Used, &net.routes()), Some(NextHopState { cost: Some(0) }));
    net.foreign("203.0.113.0/24", 5, 4, &[leg(2, "198.51.100.9")]);
    resolver.prefix_changed("203.0.113.0/24".parse().expect("a prefix"));
    let moved = Moved { next_hop: far, report: Some(NextHopState { cost: Some(1) }), legs: true };
    assert_eq!(resolver.settle(&net.routes()), [moved]);
    // A shorter prefix than the one that decided changes nothing.
    resolver.prefix_changed("0.0.0.0/0".parse().expect("a prefix"));
    assert!(resolver.dirty.is_empty());
    resolver.prefix_changed("203.0.113.1/32".parse().expect("a prefix"));
    assert_eq!(resolver.dirty.iter().copied().collect::<Vec<_>>(), [far]);
    assert_eq!(resolver.settle(&net.routes()), []);
    resolver.usage(far, Usage::Unused, &net.routes());
    assert!(!resolver.tracked.contains_key(&far) && resolver.tracked.contains_key(&near) && resolver.asked.is_empty());
}

/// What somebody has put there comes before what is learned with the same metric.
#[test]
fn of_equal_metrics_the_route_of_others_counts() {
    let mut net = Net::new();
    net.foreign("203.0.113.0/24", 1024, 4, &[leg(2, "198.51.100.9")]);
    net.learned("203.0.113.0/24", 1024, &["192.0.2.2"]);
    net.leads("203.0.113.7", &[leg(2, "198.51.100.9")], 1);
    net.learned("203.0.113.0/24", 1023, &["192.0.2.2"]);
    net.leads("203.0.113.7", &[leg(1, "192.0.2.2")], 1);
}

/// A static route to a link is a connected one, too, and comes before one over a gateway whatever the metrics.
#[test]
fn what_is_on_the_link_comes_first() {
    let mut net = Net::new();
    net.foreign("203.0.113.0/24", 10, 4, &[leg(2, "198.51.100.9")]);
    net.foreign("203.0.113.0/24", 256, 4, &[Leg::new(IfIndex(1), None)]);
    net.leads("203.0.113.7", &[leg(1, "203.0.113.7")], 0);
}

/// Shares of traffic are of the routes of others.
#[test]
fn weights_are_not_taken_over() {
    let mut net = Net::new();
    let heavy = Leg { weight: 3, ..leg(1, "192.0.2.9") };
    net.foreign("203.0.113.0/24", 0, 4, &[heavy, leg(2, "198.51.100.9")]);
    net.leads("203.0.113.7", &[leg(1, "192.0.2.9"), leg(2, "198.51.100.9")], 1);
}

/// Routes of other tables, and those for a type of service, lead nobody who asks for neither.
#[test]
fn only_the_table_main_and_ours_count() {
    let mut net = Net::new();
    let prefix: Prefix = "203.0.113.0/24".parse().expect("a prefix");
    let target = Target::legs(Legs::from_slice(&[leg(1, "192.0.2.9")]));
    let route = KernelRoute { table: 100, prefix, tos: 0, metric: 0, protocol: 4, source: None, target };
    net.view.set_route(KernelRoute { table: MAIN_TABLE, tos: 8, ..route.clone() }, Placed::Added);
    net.view.set_route(route, Placed::Added);
    let hop = ip("203.0.113.7");
    assert_eq!(net.resolve("203.0.113.7"), Err(Unresolved::NoRoute(hop)));
    let found = resolve(NextHop::new(hop), &Routes { own_table: 100, ..net.routes() }).0;
    assert_eq!(found, Ok(Resolved { legs: Legs::from_slice(&[leg(1, "192.0.2.9")]), cost: 1 }));
}
