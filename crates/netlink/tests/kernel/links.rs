//! Links, addresses and settings: what builds a network.

use std::os::fd::AsFd;

use heddle_netlink::{Control, Errno, LinkIndex, MacAddress, VethEnd, Vxlan, namespace, sysctl};

use crate::Case;
use crate::common::{Net, ip, net, route};

pub(crate) const CASES: &[Case] = &[
    ("links::a_veth_pair_into_another_namespace", veth),
    ("links::attributes_of_a_link", attributes),
    ("links::a_link_moves_to_another_namespace", moves),
    ("links::a_vxlan_tunnel", vxlan),
    ("links::errors_say_what_was_asked_and_what_the_kernel_says", errors),
    ("links::settings_are_those_of_the_namespace", settings),
];

fn veth(mut lab: Net) {
    let other = namespace::create().expect("a namespace");
    let mac = MacAddress([2, 0, 0, 0, 0, 7]);
    let mut peer = VethEnd::new("eth0").namespace(other.as_fd());
    peer.mac = Some(mac);
    let mut end = VethEnd::new("cali1");
    end.mtu = Some(1400);
    lab.control.create_veth(&end, &peer).expect("veth pair");
    let here = lab.control.link("cali1").expect("the near end");
    assert_eq!((here.mtu, here.lower_elsewhere), (1400, true));
    let there = namespace::within(&other, || {
        let mut control = Control::open().expect("control socket");
        let link = control.link("eth0").expect("the far end");
        control.set_up(link.index).expect("up");
        control.add_address(link.index, net("192.0.2.130/32")).expect("address");
        control.link_of(link.index).expect("the far end")
    });
    let there = there.expect("within");
    assert_eq!((there.mac, there.up, there.carrier), (Some(mac), true, false));
    lab.control.set_up(here.index).expect("up");
    assert!(lab.control.link("cali1").expect("the near end").carrier);
    // Without its namespace the far end goes, and takes the near end along; until then it can be deleted from here.
    lab.control.delete_link(here.index).expect("deleted");
    assert_eq!(lab.control.link("cali1").expect_err("gone").errno(), Some(Errno::ENODEV));
    let gone = namespace::within(&other, || Control::open().expect("control socket").link("eth0").is_err());
    assert!(gone.expect("within"));
}

fn attributes(mut lab: Net) {
    lab.control.create_bridge("br0").expect("bridge");
    let bridge = lab.control.link("br0").expect("the bridge").index;
    let mac = MacAddress([2, 0, 0, 0, 0, 9]);
    lab.control.set_mac(bridge, mac).expect("mac");
    lab.control.set_mtu(bridge, 1300).expect("mtu");
    lab.control.rename(bridge, "rack").expect("renamed");
    lab.control.set_up(bridge).expect("up");
    lab.control.set_master(lab.b, Some(bridge)).expect("port");
    let link = lab.control.link("rack").expect("the bridge");
    assert_eq!((link.index, link.mac, link.mtu, link.up), (bridge, Some(mac), 1300, true));
    assert_eq!(lab.control.link_of(lab.b).expect("b0").master, Some(bridge));
    lab.control.set_master(lab.b, None).expect("no port");
    assert_eq!(lab.control.link_of(lab.b).expect("b0").master, None);
    lab.control.set_down(bridge).expect("down");
    assert!(!lab.control.link("rack").expect("the bridge").up);
}

fn moves(mut lab: Net) {
    let other = namespace::create().expect("a namespace");
    lab.control.move_to(lab.b, &other).expect("moved");
    assert_eq!(lab.control.link("b0").expect_err("gone").errno(), Some(Errno::ENODEV));
    let found = namespace::within(&other, || Control::open().expect("control socket").link("b0").expect("there"));
    assert!(!found.expect("within").up);
}

fn vxlan(mut lab: Net) {
    let tunnel = Vxlan { name: "vxlan.calico", vni: 4096, port: 4789, local: ip("192.0.2.1"), lower: Some(lab.a) };
    match lab.control.create_vxlan(&tunnel) {
        Ok(()) => {
            let link = lab.control.link("vxlan.calico").expect("the tunnel");
            assert_eq!(link.kind.as_deref(), Some("vxlan"));
        }
        // This kernel has none.
        Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP), "{error}"),
    }
}

fn errors(mut lab: Net) {
    let taken = lab.control.create_bridge("a0").expect_err("taken");
    assert_eq!(taken.to_string(), "cannot create the bridge a0: File exists");
    let missing = lab.control.link("none").expect_err("missing");
    assert_eq!(missing.to_string(), "cannot find the link none: No such device");
    let nowhere = lab.control.add_route(&route("10.0.0.0/8").leg(heddle_netlink::Leg::via(ip("203.0.113.9"), lab.a)));
    let want = format!(
        "cannot add the route 10.0.0.0/8 via 203.0.113.9 dev {} proto 158: Network is unreachable (Nexthop has invalid gateway)",
        lab.a
    );
    assert_eq!(nowhere.expect_err("unreachable").to_string(), want);
    let unknown = lab.control.set_up(LinkIndex(4711)).expect_err("missing");
    assert_eq!(unknown.errno(), Some(Errno::ENODEV));
    let twice = lab.control.add_address(lab.a, net("192.0.2.1/24")).expect_err("there");
    assert_eq!(twice.errno(), Some(Errno::EEXIST));
    let none = lab.control.delete_address(lab.a, net("192.0.2.77/24")).expect_err("none");
    assert_eq!(none.errno(), Some(Errno::EADDRNOTAVAIL));
}

fn settings(mut lab: Net) {
    let forwarding = ["net", "ipv4", "conf", "a0", "forwarding"];
    sysctl::write(&forwarding, "1").expect("written");
    assert_eq!(sysctl::read(&forwarding).expect("read"), "1");
    sysctl::write(&forwarding, "0").expect("written");
    assert_eq!(sysctl::read(&forwarding).expect("read"), "0");
    lab.control.rename(lab.b, "eth0.100").expect("renamed");
    sysctl::write(&["net", "ipv4", "conf", "eth0.100", "rp_filter"], "2").expect("written");
    let missing = sysctl::read(&["net", "ipv4", "conf", "none", "rp_filter"]).expect_err("missing");
    assert!(missing.is_missing());
    assert!(missing.to_string().starts_with("cannot read /proc/sys/net/ipv4/conf/none/rp_filter: "), "{missing}");
    let outside = sysctl::read(&["..", "version"]).expect_err("outside");
    assert!(outside.is_missing() && outside.path().starts_with("/proc/sys"));
    let refused = sysctl::write(&forwarding, "many").expect_err("no number");
    assert!(
        !refused.is_missing()
            && refused.to_string().starts_with("cannot write /proc/sys/net/ipv4/conf/a0/forwarding: ")
    );
}
