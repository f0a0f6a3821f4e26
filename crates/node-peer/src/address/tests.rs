//! Detection, method by method; and what of a Node is written.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use heddle_admin::types::AddressReport;
use heddle_datastore::NodeField;
use heddle_resources::Node;
use heddle_resources::node::NodeAddress;
use heddle_resources::value::{Family, InterfaceAddress};
use tokio::time::Instant;

use super::detect::{Choice, Known, detect};
use super::listing::{DefaultRoute, Interface, LinkState, Listing, Routes};
use super::memory::Memory;
use super::method::Method;
use super::plan::{Conflict, Plan, Retreat, interfaces, plan};
use super::wishes::AddressArgs;

fn address(text: &str) -> InterfaceAddress {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// `NAME[:KIND][!] ADDRESS…` a line; `!`: it is down. Indexes count from 1.
fn listing(lines: &str) -> Listing {
    let interface = |(line, index): (&str, u32)| {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let state = match first {
            "lo" => LinkState::Loopback,
            down if down.ends_with('!') => LinkState::Down,
            _ => LinkState::Up,
        };
        let (name, kind) = match first.trim_end_matches('!').split_once(':') {
            Some((name, kind)) => (name, Some(kind.to_owned())),
            None => (first.trim_end_matches('!'), None),
        };
        Interface { index, name: name.to_owned(), kind, state, addresses: words.map(address).collect() }
    };
    let interfaces = lines.lines().map(str::trim).filter(|line| !line.is_empty()).zip(1..).map(interface).collect();
    Listing { interfaces, ..Listing::default() }
}

fn default_route(listing: &mut Listing, name: &str, metric: u32, source: Option<&str>) {
    let interface = listing.interfaces.iter().find(|i| i.name == name).map_or(0, |i| i.index);
    listing.defaults.push(DefaultRoute { family: Family::V4, interface, metric, source: source.map(ip) });
}

/// A server as they are: Docker, a bridge of virtual machines, workloads, a tunnel, a second network.
fn server() -> Listing {
    let mut server = listing(
        "lo 127.0.0.1/8 10.255.0.1/32 ::1/128
         eth0 10.0.0.1/24 10.0.0.2/24 fe80::1/64 fd00::1/64
         eth1 192.0.2.1/24
         eth2! 198.51.100.1/24
         docker0:bridge 172.17.0.1/16
         lan:bridge 172.18.0.1/16
         tunl0:ipip 10.20.0.1/32
         overlay:vxlan 10.30.0.1/24
         cali0123456789a:veth 169.254.1.1/32 10.20.0.5/32 fd00:20::5/128
         veth12 10.40.0.1/24",
    );
    default_route(&mut server, "eth0", 100, None);
    server
}

fn chosen(method: &str, family: Family, listing: &Listing, known: &Known) -> Result<(String, String), String> {
    let method: Method = method.parse().unwrap_or_else(|error| panic!("{error}"));
    let choice = detect(&method, family, listing, known).map_err(|nothing| nothing.to_string())?;
    let Choice { address, interface, why } = choice;
    assert!(!why.is_empty());
    Ok((address.to_string(), interface.unwrap_or_default()))
}

fn v4(method: &str, listing: &Listing) -> Result<(String, String), String> {
    chosen(method, Family::V4, listing, &Known::default())
}

fn found(address: &str, interface: &str) -> Result<(String, String), String> {
    Ok((address.to_owned(), interface.to_owned()))
}

#[test]
fn each_method_chooses() {
    let mut server = server();
    server.sources.insert(("8.8.8.8".to_owned(), Family::V4), ip("10.0.0.2"));
    server.sources.insert(("far.example.org".to_owned(), Family::V4), ip("203.0.113.9"));
    for (method, wanted) in [
        // The highest index first: eth1 is behind eth0, and all behind it is passed over.
        ("first-found", found("192.0.2.1/24", "eth1")),
        ("", found("10.0.0.1/24", "eth0")),
        ("interface=^eth.*", found("192.0.2.1/24", "eth1")),
        ("interface=eth.*", found("10.40.0.1/24", "veth12")),
        ("interface=eth0", found("10.0.0.1/24", "eth0")),
        ("interface=nothing, eth0", found("10.0.0.1/24", "eth0")),
        // What is named is meant, and an expression counts wherever it is found.
        ("interface=ocker", found("172.17.0.1/16", "docker0")),
        ("skip-interface=eth1", found("10.0.0.1/24", "eth0")),
        ("skip-interface=foo,eth[1-9]", found("10.0.0.1/24", "eth0")),
        ("cidr=10.0.0.0/24", found("10.0.0.1/24", "eth0")),
        ("cidr=203.0.113.0/24, 172.17.0.0/16", found("172.17.0.1/16", "docker0")),
        ("cidr=10.255.0.0/16", found("10.255.0.1/32", "lo")),
        ("can-reach=8.8.8.8", found("10.0.0.2/24", "eth0")),
        // An address that no interface has stands alone.
        ("can-reach=far.example.org", found("203.0.113.9/32", "")),
    ] {
        assert_eq!(v4(method, &server), wanted, "{method}");
    }
    let v6 = |method: &str| chosen(method, Family::V6, &server, &Known::default());
    // Never the address of the link; that of a workload where its network is named, and nowhere else.
    for method in ["", "first-found", "interface=eth0", "cidr=fd00::/64"] {
        assert_eq!(v6(method), found("fd00::1/64", "eth0"), "{method}");
    }
    assert_eq!(v6("cidr=fd00:20::/32"), found("fd00:20::5/128", "cali0123456789a"));
}

/// Nothing is taken that a method does not mean, and it is said what there was.
#[test]
fn nothing_is_found_with_reasons() {
    let server = server();
    let nothing = |method: &str| v4(method, &server).expect_err("nothing fits");
    let text = nothing("skip-interface=eth");
    for part in [
        "no IPv4 address is found by skip-interface=eth",
        "veth12 is not what the method asks for",
        "cali0123456789a has a name of workloads or containers",
        "overlay is a tunnel",
        "lan is a bridge without the default route",
        "docker0 has a name of workloads or containers",
        "eth2 is down",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(nothing("interface=eth2").contains("eth2 is down"));
    assert!(nothing("cidr=198.51.100.0/24").contains("eth2 is down"), "not of a link that is down");
    assert!(nothing("can-reach=192.0.2.200").contains("can-reach=192.0.2.200"));
    assert!(nothing("kubernetes-internal-ip").contains("kubernetes-internal-ip"));
    let empty = v4("", &listing("lo 127.0.0.1/8")).expect_err("nothing is there");
    assert_eq!(empty, "no IPv4 address is found by the default method");
}

/// Without a method: not `docker0`, no bridge, no workload, whatever their place; the bridge that the machine itself uses is none of these.
#[test]
fn the_default_avoids_what_is_not_the_machines() {
    let wrong = "docker0:bridge 172.17.0.1/16
                 br-0123456789ab:bridge 172.18.0.1/16
                 virbr0:bridge 192.168.122.1/24
                 cali0123456789a 10.20.0.5/32
                 cni0:bridge 10.244.0.1/24
                 flannel.1:vxlan 10.244.0.0/32
                 kube-ipvs0:dummy 10.96.0.1/32
                 nodelocaldns:dummy 169.254.20.10/32 10.96.0.10/32";
    assert!(v4("", &listing(wrong)).is_err());
    assert!(v4("first-found", &listing(wrong)).is_err());
    let mut server = listing(&format!("uplink:bridge 10.0.0.1/24\n{wrong}"));
    assert!(v4("", &server).is_err());
    default_route(&mut server, "uplink", 0, None);
    assert_eq!(v4("", &server), found("10.0.0.1/24", "uplink"));
    assert_eq!(v4("first-found", &server), found("10.0.0.1/24", "uplink"));
}

#[test]
fn the_default_prefers_kubernetes_then_the_best_default_route() {
    let mut server = server();
    let internal =
        |addresses: &[&str]| Known { internal: addresses.iter().map(|a| ip(a)).collect(), ..Known::default() };
    let of = |server: &Listing, known: &Known| chosen("", Family::V4, server, known);
    assert_eq!(of(&server, &internal(&["fd00::1", "192.0.2.1"])), found("192.0.2.1/24", "eth1"));
    // Kubernetes says what a cloud says, which is on no interface, or what Docker has.
    assert_eq!(of(&server, &internal(&["203.0.113.1"])), found("10.0.0.1/24", "eth0"));
    assert_eq!(of(&server, &internal(&["172.17.0.1"])), found("10.0.0.1/24", "eth0"));
    default_route(&mut server, "eth0", 50, Some("10.0.0.2"));
    assert_eq!(of(&server, &Known::default()), found("10.0.0.2/24", "eth0"), "the route prefers it");
    default_route(&mut server, "eth1", 10, None);
    assert_eq!(of(&server, &Known::default()), found("192.0.2.1/24", "eth1"));
    // The method by name takes what Kubernetes says, with the length of its interface if it is on one.
    let named = |known: &Known| chosen("kubernetes-internal-ip", Family::V4, &server, known);
    assert_eq!(named(&internal(&["fd00::1", "172.17.0.1"])), found("172.17.0.1/16", "docker0"));
    assert_eq!(named(&internal(&["203.0.113.1"])), found("203.0.113.1/32", ""));
}

/// An interface that comes moves no session; an address that does not fit any more is left.
#[test]
fn an_address_that_fits_stays() {
    let server = server();
    let keeps = |method: &str, present: &str| {
        let known = Known { present: Some(address(present)), internal: vec![ip("192.0.2.1")], ..Known::default() };
        chosen(method, Family::V4, &server, &known)
    };
    assert_eq!(keeps("", "10.0.0.2/24"), found("10.0.0.2/24", "eth0"));
    assert_eq!(keeps("first-found", "10.0.0.1/32"), found("10.0.0.1/24", "eth0"), "with its length");
    assert_eq!(keeps("interface=eth", "10.0.0.1/24"), found("10.0.0.1/24", "eth0"));
    assert_eq!(keeps("interface=^eth1", "10.0.0.1/24"), found("192.0.2.1/24", "eth1"));
    assert_eq!(keeps("cidr=192.0.2.0/24", "10.0.0.1/24"), found("192.0.2.1/24", "eth1"));
    assert_eq!(keeps("", "172.17.0.1/16"), found("192.0.2.1/24", "eth1"), "docker0 was never meant");
    assert_eq!(keeps("", "198.51.100.1/24"), found("192.0.2.1/24", "eth1"), "its link is down");
}

#[test]
fn methods_that_are_none_say_what_to_write() {
    for (text, part) in [
        ("last-found", "first-found"),
        ("can-reach=", "wants a value"),
        ("interface=", "wants a value"),
        ("interface=eth0,", "wants a value"),
        ("skip-interface=(", "regular expression"),
        ("cidr=10.0.0.0/33", "no CIDR"),
        ("CIDR=10.0.0.0/8", "cidr=CIDR"),
    ] {
        let error = text.parse::<Method>().expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

fn node(name: &str, v4: &str) -> Arc<Node> {
    let mut node = Node::default();
    node.metadata.name = name.into();
    node.spec.bgp.ipv4_address = (!v4.is_empty()).then(|| address(v4));
    Arc::new(node)
}

/// What is planned where an address that is gone has been waited for in vain.
fn planned(args: &AddressArgs, own: &Arc<Node>, others: &[Arc<Node>]) -> Plan {
    let (mut memory, now) = (Memory::default(), Instant::now());
    looked(args, own, others, &server(), &mut memory, now);
    looked(args, own, others, &server(), &mut memory, now + MINUTE)
}

const MINUTE: Duration = Duration::from_secs(60);

fn looked(
    args: &AddressArgs,
    own: &Arc<Node>,
    others: &[Arc<Node>],
    listing: &Listing,
    memory: &mut Memory,
    now: Instant,
) -> Plan {
    let wishes = args.wishes().unwrap_or_else(|error| panic!("{error}"));
    plan(&wishes, own, others.iter().chain([own]), listing, memory, now)
}

fn args(ip: &str) -> AddressArgs {
    AddressArgs { ip: ip.to_owned(), ..AddressArgs::default() }
}

const V4: NodeField = NodeField::Ipv4Address;

#[test]
fn what_is_as_wanted_is_not_written() {
    let written = |ip: &str, present: &str| planned(&args(ip), &node("a", present), &[]).fields;
    let to = |value: &str| vec![(V4, Some(value.to_owned()))];
    for (ip, present, wanted) in [
        // Nothing said: what the Node has, or what is detected.
        ("", "192.0.2.7/24", Vec::new()),
        ("", "", to("10.0.0.1/24")),
        ("autodetect", "", to("10.0.0.1/24")),
        ("autodetect", "10.0.0.1/24", Vec::new()),
        ("autodetect", "10.0.0.1/16", to("10.0.0.1/24")),
        ("autodetect", "203.0.113.1/24", to("10.0.0.1/24")),
        ("none", "192.0.2.7/24", Vec::new()),
        ("none", "", Vec::new()),
        ("10.0.0.2", "10.0.0.1/24", to("10.0.0.2/24")),
        ("10.0.0.2/16", "10.0.0.2/24", to("10.0.0.2/16")),
        ("203.0.113.5", "", to("203.0.113.5/32")),
        // Its interface is not there yet: what was known of its network stays.
        ("203.0.113.5", "203.0.113.5/24", Vec::new()),
    ] {
        assert_eq!(written(ip, present), wanted, "IP={ip:?}, the Node has {present:?}");
    }
    let v6 = |ip6: &str| planned(&AddressArgs { ip6: ip6.to_owned(), ..args("none") }, &node("a", ""), &[]).fields;
    assert_eq!(v6(""), []);
    assert_eq!(v6("autodetect"), [(NodeField::Ipv6Address, Some("fd00::1/64".to_owned()))]);
}

/// An interface that comes late, or another node that gives the address up, is noticed without a restart.
#[test]
fn what_is_not_done_is_looked_at_again() {
    let again = |args: &AddressArgs, present: &str, others: &[Arc<Node>]| {
        let wishes = args.wishes().unwrap_or_else(|error| panic!("{error}"));
        planned(args, &node("a", present), others).again(&wishes).map(|pause| pause.as_secs())
    };
    let undetected = AddressArgs { ip_method: "interface=eth9".to_owned(), ..args("") };
    assert_eq!(again(&undetected, "", &[]), Some(10));
    assert_eq!(again(&undetected, "10.0.0.1/24", &[]), None, "all is as wanted");
    assert_eq!(again(&args(""), "", &[node("b", "10.0.0.1/24")]), Some(10), "another node has it");
    assert_eq!(again(&args("203.0.113.5"), "", &[]), Some(10), "it is on no interface yet");
    assert_eq!(again(&args("autodetect"), "10.0.0.1/24", &[]), Some(60));
}

#[test]
fn an_as_number_is_written_as_decimal() {
    let with = |asn: &str| planned(&AddressArgs { asn: asn.to_owned(), ..args("none") }, &node("a", ""), &[]).fields;
    assert_eq!(with("1.10"), [(NodeField::AsNumber, Some("65546".to_owned()))]);
    assert_eq!(with(""), []);
    let mut own = Node::default();
    own.spec.bgp.as_number = "65546".parse().ok();
    assert_eq!(planned(&AddressArgs { asn: "65546".into(), ..args("none") }, &Arc::new(own), &[]).fields, []);
}

#[test]
fn who_has_an_address_keeps_it_and_who_comes_does_not_get_it() {
    let others = [node("b", "10.0.0.1/24")];
    let new = planned(&args("autodetect"), &node("a", ""), &others);
    assert_eq!((new.fields.len(), new.addresses.len()), (0, 0));
    assert_eq!(new.conflicts, [Conflict::NotWritten { address: ip("10.0.0.1"), other: "b".into() }]);
    // One that it had stays; the new one is not taken.
    let moves = planned(&args("10.0.0.1"), &node("a", "192.0.2.1/24"), &others);
    assert_eq!((moves.fields, moves.conflicts.len()), (Vec::new(), 1));
    assert_eq!(moves.addresses.first().map(|a| &*a.address), Some("192.0.2.1/24"));
    let both = planned(&args(""), &node("a", "10.0.0.1/24"), &others);
    assert_eq!(both.conflicts, [Conflict::Shared { address: ip("10.0.0.1"), other: "b".into() }]);
    assert_eq!(both.fields, []);
    let unchecked = AddressArgs { disable_node_ip_check: "true".into(), ..args("autodetect") };
    assert_eq!(planned(&unchecked, &node("a", ""), &others).fields.len(), 1);
}

/// A node of two that want one address, and how much of what was written it has heard of.
#[derive(Default)]
struct Side {
    memory: Memory,
    heard: usize,
}

/// What a node hears that a node has.
fn heard<'a>(written: &[(usize, &'a str)], side: &Side, of: usize) -> &'a str {
    let known = written.iter().take(side.heard).rev();
    known.filter(|(by, _)| *by == of).map(|(_, address)| *address).next().unwrap_or_default()
}

/// What happens next: one of the two hears of one more write, or looks and writes.
#[derive(Clone, Copy)]
enum Next {
    Hears(usize),
    Looks(usize),
}

/// Two nodes take one free address at once: whatever comes first, not both begin with it.
#[test]
fn of_two_that_take_one_address_at_once_not_both_get_it() {
    const STEPS: u32 = 8;
    const ALL: [Next; 4] = [Next::Hears(0), Next::Hears(1), Next::Looks(0), Next::Looks(1)];
    let (wishes, listing, now) = (args("10.0.0.1/24").wishes().expect("wishes"), server(), Instant::now());
    let mut got = 0;
    for order in 0..4_usize.pow(STEPS) {
        // Who wrote what, in the order in which both hear of it.
        let mut written: Vec<(usize, &str)> = Vec::new();
        let mut sides = [Side::default(), Side::default()];
        for step in 0..STEPS {
            match ALL[order / 4_usize.pow(step) % 4] {
                Next::Hears(who) => sides[who].heard = (sides[who].heard + 1).min(written.len()),
                Next::Looks(who) => {
                    let has = |of: usize| heard(&written, &sides[who], of);
                    let nodes = [node("a", has(0)), node("b", has(1))];
                    let found = plan(&wishes, &nodes[who], nodes.iter(), &listing, &mut sides[who].memory, now);
                    for (family, address) in found.claims {
                        sides[who].memory.claims(family, address);
                    }
                    let value = found.fields.first().map(|(_, value)| value.is_some());
                    written.extend(value.map(|is_there| (who, if is_there { "10.0.0.1/24" } else { "" })));
                }
            }
            // Who hears that it has the address, and has nothing to wait for, begins.
            let runs =
                [0, 1].map(|who| !heard(&written, &sides[who], who).is_empty() && !sides[who].memory.has_claims());
            assert_ne!(runs, [true, true], "order {order}, step {step}: {written:?}");
            got += usize::from(step + 1 == STEPS && runs.contains(&true));
        }
    }
    assert!(got > 1000, "one of them gets it in time: {got}");
}

/// Of two that have both taken it, each gives it up, and the one that asks first gets it then.
#[test]
fn an_address_that_both_have_taken_is_given_up() {
    const ADDRESS: &str = "10.0.0.1/24";
    let (mut memory, now) = (Memory::default(), Instant::now());
    let mut look = |present: &str, other: &str| {
        let own = node("a", present);
        let found = looked(&args(ADDRESS), &own, &[node("b", other)], &server(), &mut memory, now);
        for (family, address) in &found.claims {
            memory.claims(*family, *address);
        }
        (
            found.fields.first().map(|(_, value)| value.is_some()),
            found.retreat,
            found.conflicts.len(),
            memory.has_claims(),
        )
    };
    assert_eq!(look("", ""), (Some(true), Retreat::No, 0, true));
    assert_eq!(look("", ADDRESS), (None, Retreat::No, 1, true), "its own is on its way back");
    for _ in 0..2 {
        assert_eq!(look(ADDRESS, ADDRESS), (Some(false), Retreat::Yes, 1, true), "until the Node is without it");
    }
    assert_eq!(look("", ADDRESS), (None, Retreat::No, 1, false));
    assert_eq!(look("", ""), (Some(true), Retreat::No, 0, true));
    assert_eq!(look(ADDRESS, ""), (None, Retreat::No, 0, false));
    assert_eq!(look(ADDRESS, ADDRESS), (None, Retreat::No, 1, false), "who comes now has to see that it is taken");
}

/// Two nodes that have swapped their addresses: each gives up the one that it has not any more, so that the other one gets it.
#[test]
fn nodes_that_swapped_their_addresses_do_not_wait_for_each_other() {
    let others = [node("b", "10.0.0.1/24")];
    let ours = "198.18.0.1/24";
    let given = planned(&args("10.0.0.1"), &node("a", ours), &others);
    assert_eq!((given.fields, given.conflicts.len(), given.addresses.len()), (vec![(V4, None)], 1, 0));
    let detected = planned(&args("autodetect"), &node("a", ours), &others);
    assert_eq!((detected.fields, detected.conflicts.len()), (vec![(V4, None)], 1));
    // The other one did so, too.
    let free = planned(&args("10.0.0.1"), &node("a", ""), &[node("b", "")]);
    assert_eq!((free.fields, free.conflicts.len()), (vec![(V4, Some("10.0.0.1/24".to_owned()))], 0));
}

/// An interface that is gone for a moment moves nothing; one that was gone for longer has its address back when it comes back.
#[test]
fn an_address_that_is_gone_is_waited_for() {
    let (full, mut without) = (server(), server());
    without.interfaces.retain(|interface| interface.name != "eth0");
    let mut down = server();
    down.interfaces.iter_mut().filter(|i| i.name == "eth0").for_each(|i| i.state = LinkState::Down);
    let other = || vec![(V4, Some("192.0.2.1/24".to_owned()))];
    for gone in [&without, &down] {
        let (mut memory, begun) = (Memory::default(), Instant::now());
        let mut at = |seconds: u64, present: &str, listing: &Listing| {
            let now = begun + Duration::from_secs(seconds);
            looked(&args("autodetect"), &node("a", present), &[], listing, &mut memory, now)
        };
        assert_eq!(at(0, "10.0.0.1/24", &full).fields, []);
        let waits = at(60, "10.0.0.1/24", gone);
        assert_eq!((waits.fields.len(), waits.addresses.len()), (0, 1));
        assert!(waits.problems.iter().any(|text| text.contains("192.0.2.1 is taken")), "{:?}", waits.problems);
        assert_eq!(at(119, "10.0.0.1/24", gone).fields, []);
        // It comes back, and goes again: it is waited for anew.
        assert_eq!(at(119, "10.0.0.1/24", &full).fields, []);
        assert_eq!(at(121, "10.0.0.1/24", gone).fields, []);
        assert_eq!(at(180, "10.0.0.1/24", gone).fields, []);
        assert_eq!(at(181, "10.0.0.1/24", gone).fields, other());
        assert_eq!(at(182, "10.0.0.1/24", gone).fields, other(), "until the Node says so");
        assert_eq!(at(183, "192.0.2.1/24", gone).fields, []);
        let back = at(300, "192.0.2.1/24", &full);
        assert_eq!(back.fields, [(V4, Some("10.0.0.1/24".to_owned()))]);
        assert!(back.addresses.iter().any(|a| a.reason.contains("is back")), "{:?}", back.addresses);
        assert_eq!(at(301, "10.0.0.1/24", &full).fields, []);
    }
}

/// An address that somebody has chosen since, of those that fit, is left to him.
#[test]
fn whoever_writes_another_address_is_believed() {
    let mut without = server();
    without.interfaces.retain(|interface| interface.name != "eth0");
    let (mut memory, begun) = (Memory::default(), Instant::now());
    let mut at = |seconds: u64, present: &str, listing: &Listing| {
        let now = begun + Duration::from_secs(seconds);
        looked(&args("autodetect"), &node("a", present), &[], listing, &mut memory, now).fields
    };
    let other = [(V4, Some("192.0.2.1/24".to_owned()))];
    assert_eq!(at(0, "10.0.0.1/24", &server()), []);
    assert_eq!(at(1, "10.0.0.1/24", &without), []);
    assert_eq!(at(61, "10.0.0.1/24", &without), other);
    assert_eq!(at(62, "10.0.0.2/24", &server()), []);
    assert_eq!(at(63, "192.0.2.1/24", &server()), []);
    // Nor is the one that was taken for a while left again, once that is over.
    assert_eq!(at(64, "10.0.0.1/24", &server()), []);
    assert_eq!(at(65, "10.0.0.1/24", &without), []);
    assert_eq!(at(125, "10.0.0.1/24", &without), other);
    assert_eq!(at(126, "192.0.2.1/24", &without), []);
    assert_eq!(at(127, "192.0.2.1/24", &server()), [(V4, Some("10.0.0.1/24".to_owned()))]);
    assert_eq!(at(128, "10.0.0.1/24", &server()), []);
    assert_eq!(at(129, "192.0.2.1/24", &server()), []);
}

/// A process that begins with an address in its Node that this machine has not: it is another's, or of another network.
#[test]
fn an_address_that_was_never_here_is_not_waited_for() {
    let once = |present: &str, listing: &Listing, memory: &mut Memory| {
        looked(&args("autodetect"), &node("a", present), &[], listing, memory, Instant::now())
    };
    let to = |value: &str| vec![(V4, Some(value.to_owned()))];
    assert_eq!(once("10.0.0.9/24", &server(), &mut Memory::default()).fields, to("10.0.0.1/24"));
    // Nor because nothing was found at the first look, or because another one was here.
    let mut memory = Memory::default();
    assert_eq!(once("10.0.0.9/24", &listing("lo 127.0.0.1/8"), &mut memory).fields, []);
    assert_eq!(once("10.0.0.9/24", &server(), &mut memory).fields, to("10.0.0.1/24"));
    assert_eq!(once("10.0.0.1/24", &server(), &mut memory).fields, []);
    assert_eq!(once("10.0.0.9/24", &server(), &mut memory).fields, to("10.0.0.1/24"));
}

/// What a node runs with is not given up at one look, whoever has the address that it is to have.
#[test]
fn an_address_is_given_up_only_once_it_is_gone_for_long() {
    let others = [node("b", "10.0.0.1/24")];
    let mut without = server();
    without.interfaces.retain(|interface| interface.name != "eth1");
    for ip in ["10.0.0.1", "autodetect"] {
        let wanted = AddressArgs { ip_method: "interface=^eth".to_owned(), ..args(ip) };
        let (mut memory, begun) = (Memory::default(), Instant::now());
        let mut at = |seconds: u64, listing: &Listing| {
            let now = begun + Duration::from_secs(seconds);
            looked(&wanted, &node("a", "192.0.2.1/24"), &others, listing, &mut memory, now)
        };
        assert_eq!(at(0, &server()).fields, [], "{ip}");
        let waits = at(10, &without);
        assert_eq!((waits.fields.len(), waits.addresses.len(), waits.problems.len()), (0, 1, 1), "{ip}");
        assert_eq!(at(69, &without).fields, [], "{ip}");
        assert_eq!(at(69, &server()).fields, [], "{ip}");
        assert_eq!(at(70, &without).fields, [], "{ip}");
        let over = at(130, &without);
        assert_eq!((over.fields, over.addresses.len()), (vec![(V4, None)], 0), "{ip}");
    }
}

/// Another node has the address that was to be taken: what was left is home all the same once it is back.
#[test]
fn what_was_given_up_comes_home() {
    let others = [node("b", "192.0.2.1/24")];
    let mut without = server();
    without.interfaces.retain(|interface| interface.name != "eth0");
    let first = AddressArgs { ip_method: "first-found".to_owned(), ..args("autodetect") };
    let (mut memory, begun) = (Memory::default(), Instant::now());
    let mut at = |seconds: u64, present: &str, listing: &Listing| {
        let now = begun + Duration::from_secs(seconds);
        looked(&first, &node("a", present), &others, listing, &mut memory, now).fields
    };
    assert_eq!(at(0, "10.0.0.1/24", &server()), []);
    assert_eq!(at(1, "10.0.0.1/24", &without), []);
    assert_eq!(at(61, "10.0.0.1/24", &without), [(V4, None)]);
    // It comes back for a moment before the Node is without it.
    assert_eq!(at(62, "10.0.0.1/24", &server()), []);
    assert_eq!(at(63, "", &without), []);
    assert_eq!(at(64, "", &without), []);
    // First found would be the other one.
    assert_eq!(at(300, "", &server()), [(V4, Some("10.0.0.1/24".to_owned()))]);
    assert_eq!(at(301, "10.0.0.1/24", &server()), []);
}

/// As Calico's node writes it, for automatic host endpoints.
#[test]
fn interfaces_are_named_where_an_address_is_asked_for() {
    let of = |ip: &str, ip6: &str| {
        let args = AddressArgs { ip6: ip6.to_owned(), ..args(ip) };
        interfaces(&args.wishes().unwrap_or_else(|error| panic!("{error}")), &server())
    };
    assert_eq!([of("", ""), of("none", ""), of("none", "none")], [None, None, None]);
    let json =
        |text: Option<String>| -> serde_json::Value { serde_json::from_str(&text.expect("it is")).expect("JSON") };
    let v4 = serde_json::json!([
        { "name": "eth0", "addresses": ["10.0.0.1", "10.0.0.2"] },
        { "name": "eth1", "addresses": ["192.0.2.1"] },
        { "name": "eth2", "addresses": ["198.51.100.1"] },
        { "name": "lan", "addresses": ["172.18.0.1"] },
        { "name": "overlay", "addresses": ["10.30.0.1"] },
    ]);
    assert_eq!(json(of("autodetect", "")), v4);
    assert_eq!(json(of("10.0.0.1", "none")), v4);
    let both = json(of("autodetect", "fd00::1"));
    let all = ["10.0.0.1", "10.0.0.2", "fe80::1", "fd00::1"];
    assert_eq!(both[0], serde_json::json!({ "name": "eth0", "addresses": all }));
    assert_eq!(json(of("", "autodetect"))[1], serde_json::json!({ "name": "eth1" }));
}

#[test]
fn status_says_why_and_what_is_wrong() {
    let found = planned(&args("autodetect"), &node("a", ""), &[]);
    let wanted = AddressReport {
        address: "10.0.0.1/24".into(),
        interface: Some("eth0".into()),
        reason: "its interface has the default route".into(),
    };
    assert_eq!((found.addresses, found.problems), (vec![wanted], Vec::new()));
    let elsewhere = planned(&args(""), &node("a", "203.0.113.1/24"), &[]);
    assert_eq!(elsewhere.problems, ["203.0.113.1 is on no interface of this machine"]);
    // What cannot be detected any more stays as it is.
    let gone = AddressArgs { ip_method: "interface=eth9".into(), ..args("autodetect") };
    let gone = planned(&gone, &node("a", "10.0.0.1/24"), &[]);
    assert_eq!((gone.fields.len(), gone.addresses.len(), gone.problems.len()), (0, 1, 1));
}

#[test]
fn internal_addresses_are_those_of_the_node() {
    let mut own = Node::default();
    for (kind, text) in [("ExternalIP", "192.0.2.1"), ("InternalIP", "10.0.0.2")] {
        own.spec.addresses.push(NodeAddress { address: address(text), kind: Some(kind.into()) });
    }
    let by = AddressArgs { ip_method: "kubernetes-internal-ip".into(), ..args("autodetect") };
    assert_eq!(planned(&by, &Arc::new(own), &[]).fields, [(V4, Some("10.0.0.2/24".to_owned()))]);
}

#[test]
fn the_environment_is_read() {
    let wrong = |args: AddressArgs, part: &str| {
        let error = args.wishes().expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    };
    wrong(args("fd00::1"), "IP: ");
    wrong(args("eth0"), "autodetect");
    wrong(AddressArgs { ip6: "10.0.0.1".into(), ..args("") }, "IP6: ");
    wrong(AddressArgs { asn: "0".into(), ..args("") }, "AS: ");
    wrong(AddressArgs { ip6_method: "best".into(), ..args("") }, "IP6_AUTODETECTION_METHOD: ");
    wrong(AddressArgs { autodetect_poll_interval: "often".into(), ..args("") }, "AUTODETECT_POLL_INTERVAL");
    let wishes = AddressArgs { autodetect_poll_interval: "1m30s".into(), ..args("autodetect") }.wishes().expect("good");
    assert_eq!((wishes.poll.as_secs(), wishes.follows()), (90, true));
    assert!(!args("10.0.0.1").wishes().expect("good").follows());
    // Routes are read where something is to be detected, and nowhere else.
    let routes = |ip: &str, present: &str| args(ip).wishes().expect("good").wanted(&node("a", present)).routes;
    assert_eq!(routes("", ""), Routes::Wanted);
    assert_eq!(routes("", "10.0.0.1/24"), Routes::Unused);
    assert_eq!(routes("autodetect", "10.0.0.1/24"), Routes::Wanted);
}
