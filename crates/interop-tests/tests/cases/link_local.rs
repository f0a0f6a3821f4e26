//! Peers at link-local addresses.
//!
//! RFC 4291 §2.5.6, RFC 2545 §3. Topology: the reflector (host 1); clients BIRD (2) and GoBGP (3), each at the link-local
//! address of its interface.
//! Claims: 1. both sessions come up, with either family. 2. Routes of both families go from BIRD to GoBGP, next hops kept.
//! 3. The peer's name in the API is `fe80::…%eth0`.

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, wait_for};

use crate::Case;
use crate::common::{client, gobgp_router, router};

pub(crate) const CASES: &[Case] = &[Case { name: "link_local", needs: &[Need::Bird, Need::Gobgp], run }];

fn run() {
    let lab = Lab::new("link_local");
    let hosts = [lab.host(1, "rr"), lab.host(2, "bird"), lab.host(3, "gobgp")];
    let [rr, bird, gobgp] = hosts.each_ref().map(|host| host.link_local());
    let clients = [&bird, &gobgp].map(|address| client(&format!("{address}%eth0"), "")).concat();
    let heddle = Heddle::start(&hosts[0], &format!("{}{clients}", router("10.0.0.1")));
    let config = format!(
        "protocol static {{ ipv4; route 198.51.2.0/24 blackhole; }}\n\
         protocol static {{ ipv6; route 2001:db8:2::/48 blackhole; }}\n\
         protocol bgp reflector {{ local {bird} as 65001; neighbor {rr}%eth0 as 65001; connect delay time 1; direct;\n\
         ipv4 {{ import all; export all; next hop address 10.0.0.2; }};\n\
         ipv6 {{ import all; export all; next hop address fd00::2; }}; }}"
    );
    let second = Bird::start(&hosts[1], &config);
    let zone = format!("{rr}%eth0");
    let third = Gobgp::start(
        &hosts[2],
        &gobgp_router(3, 65001, &[&zone], "", "").replace("transport.config.local-address = \"fd00::3\"", ""),
    );
    second.wait_established(&rr);
    wait_for("GoBGP is established", PATIENCE, || {
        let up = third.command(&["neighbor"])?;
        if up.contains("Establ") { Ok(()) } else { Err(up) }
    });
    for address in [&bird, &gobgp] {
        heddle.wait_established(&format!("{address}%eth0"));
    }
    assert_eq!(third.wait_route("198.51.2.0/24").attributes.next_hop, "10.0.0.2");
    assert_eq!(third.wait_route("2001:db8:2::/48").attributes.next_hop, "fd00::2");
}
