//! Which routes of the kernel are local.

use super::*;
use crate::route::{Address, Dead, IfIndex, KernelRoute, Leg, Legs, Link, LinkState, Placed};

struct Net {
    view: KernelView,
    local: LocalRoutes,
    settings: Settings,
}

impl Net {
    fn new() -> Self {
        let mut net = Self {
            view: KernelView::default(),
            local: LocalRoutes::default(),
            settings: Settings { learn_protocols: vec![42], ..Settings::default() },
        };
        for (index, name) in [(1, "eth0"), (2, "cali1"), (3, "kube-ipvs0"), (4, "tunl0"), (5, "lo")] {
            net.view.set_link(Link { index: IfIndex(index), name: name.to_owned(), state: LinkState::Up });
        }
        net
    }

    fn route(&mut self, prefix: &str, interface: u32, protocol: u8, metric: u32) {
        self.route_by(prefix, &[Leg::new(IfIndex(interface), None)], protocol, metric);
    }

    fn route_by(&mut self, prefix: &str, legs: &[Leg], protocol: u8, metric: u32) {
        let target = Target::legs(Legs::from_slice(legs));
        let prefix = prefix.parse().expect("a prefix");
        let route = KernelRoute { table: MAIN_TABLE, prefix, tos: 0, metric, protocol, source: None, target };
        self.view.set_route(route, Placed::Added);
    }

    fn address(&mut self, prefix: &str, interface: u32) {
        let prefix: Prefix = prefix.parse().expect("a prefix");
        self.view.set_address(Address { interface: IfIndex(interface), address: prefix.addr(), prefix });
    }

    /// Interface, metric and kind of the local route to a prefix.
    fn look(&mut self, prefix: &str) -> Option<(String, Option<u32>, LocalKind)> {
        let prefix = prefix.parse().expect("a prefix");
        self.local.update(prefix, &self.view, &self.settings);
        let local = self.local.told.get(&prefix)?;
        Some((local.interface.as_deref().unwrap_or("-").to_owned(), local.metric, local.kind))
    }
}

fn local(interface: &str, metric: Option<u32>, kind: LocalKind) -> Option<(String, Option<u32>, LocalKind)> {
    Some((interface.to_owned(), metric, kind))
}

/// What has our number and gateways on workload interfaces is ours, also where it was told before that it is on one.
#[test]
fn what_is_ours_on_workload_interfaces_is_not_local() {
    let mut net = Net::new();
    let by = |last: u8| Leg::new(IfIndex(2), Some([10, 65, 0, last].into()));
    net.route_by("10.65.0.2/32", &[by(5)], 12, 1024);
    assert_eq!(net.look("10.65.0.2/32"), local("cali1", Some(1024), LocalKind::Workload));
    net.settings.workload_protocol = Some(12);
    assert_eq!(net.look("10.65.0.2/32"), None);
    net.route("10.65.0.2/32", 2, 3, 2000);
    assert_eq!(net.look("10.65.0.2/32"), local("cali1", Some(2000), LocalKind::Workload));
    net.settings.learn_protocols.push(12);
    net.route("10.65.0.9/32", 1, 12, 7);
    assert_eq!(net.look("10.65.0.9/32"), local("eth0", Some(7), LocalKind::Learned), "elsewhere it is what it was");
    // The routes to workloads themselves may have any number.
    net.route("10.65.0.6/32", 2, 12, 1024);
    assert_eq!(net.look("10.65.0.6/32"), local("cali1", Some(1024), LocalKind::Workload));
    net.route_by("10.65.0.7/32", &[by(5), Leg::new(IfIndex(2), None)], 12, 1024);
    assert_eq!(net.look("10.65.0.7/32"), local("cali1", Some(1024), LocalKind::Workload));
    net.route_by("10.65.0.8/32", &[by(5), by(6)], 12, 1024);
    assert_eq!(net.look("10.65.0.8/32"), None);
}

#[test]
fn workloads_of_any_protocol_and_the_lowest_metric() {
    let mut net = Net::new();
    net.route("10.65.0.2/32", 2, 3, 1024);
    assert_eq!(net.look("10.65.0.2/32"), local("cali1", Some(1024), LocalKind::Workload));
    net.route("10.65.0.2/32", 2, 80, 512);
    assert_eq!(net.look("10.65.0.2/32"), local("cali1", Some(512), LocalKind::Workload));
    net.route("10.65.0.3/32", 1, 3, 0);
    assert_eq!(net.look("10.65.0.3/32"), None, "on another interface");
}

#[test]
fn connected_prefixes_but_of_workloads_and_ignored_interfaces() {
    let mut net = Net::new();
    net.address("192.0.2.0/24", 1);
    net.address("10.65.7.1/32", 4);
    net.address("198.51.100.1/32", 5);
    net.address("10.96.0.1/32", 3);
    net.address("10.65.9.0/24", 2);
    assert_eq!(net.look("192.0.2.0/24"), local("eth0", None, LocalKind::Connected));
    assert_eq!(net.look("10.65.7.1/32"), local("tunl0", None, LocalKind::Connected));
    assert_eq!(net.look("198.51.100.1/32"), local("lo", None, LocalKind::Connected));
    assert_eq!((net.look("10.96.0.1/32"), net.look("10.65.9.0/24")), (None, None));
    net.view.set_link(Link { index: IfIndex(1), name: "eth0".to_owned(), state: LinkState::Down });
    assert_eq!(net.look("192.0.2.0/24"), None, "the link is down");
}

#[test]
fn learned_protocols_on_any_interface_or_none() {
    let mut net = Net::new();
    net.route("203.0.113.0/24", 1, 42, 20);
    assert_eq!(net.look("203.0.113.0/24"), local("eth0", Some(20), LocalKind::Learned));
    let route = KernelRoute {
        table: MAIN_TABLE,
        prefix: "203.0.114.0/24".parse().expect("a prefix"),
        tos: 0,
        metric: 0,
        protocol: 42,
        source: None,
        target: Target::Dead(Dead::Blackhole),
    };
    net.view.set_route(route, Placed::Added);
    assert_eq!(net.look("203.0.114.0/24"), local("-", None, LocalKind::Learned));
}

#[test]
fn no_loopback_link_local_or_multicast_scope() {
    for (prefix, wanted) in [
        ("127.0.0.0/8", false),
        ("169.254.1.1/32", false),
        ("224.0.0.0/4", false),
        ("0.0.0.0/8", false),
        ("0.0.0.0/0", true),
        ("10.0.0.0/8", true),
        ("::1/128", false),
        ("fe80::/64", false),
        ("ff00::/8", false),
        ("::/0", true),
        ("fd00::/8", true),
    ] {
        assert_eq!(is_advertisable(prefix.parse().expect("a prefix")), wanted, "{prefix}");
    }
}

#[test]
fn a_renamed_interface_changes_what_is_local() {
    let mut net = Net::new();
    net.route("10.65.0.2/32", 1, 3, 0);
    assert_eq!(net.look("10.65.0.2/32"), None);
    let _ = net.view.take_changes();
    net.view.set_link(Link { index: IfIndex(1), name: "heddle7".to_owned(), state: LinkState::Up });
    assert_eq!(net.view.take_changes().prefixes, ["10.65.0.2/32".parse().expect("a prefix")]);
    assert_eq!(net.look("10.65.0.2/32"), local("heddle7", None, LocalKind::Workload));
}
