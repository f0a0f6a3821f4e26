//! Route reflection with two reflectors.
//!
//! RFC 4456 §7, §8, §10. Topology: two reflectors (hosts 1 and 2, AS 65001), peers of each other; BIRD (3), FRR (4) and
//! GoBGP (5) are clients of both; ExaBGP (6) is a client of the first. Run with one cluster id for both and with two.
//! Claims: 1. each client has the routes of the other two from both reflectors, with the ORIGINATOR_ID of the client and
//! the CLUSTER_LIST of that reflector alone. 2. With one cluster id, what one reflector hears from the other is ineligible
//! because of its CLUSTER_LIST; with two it stands beside the client's own path, which is preferred. 3. Nobody hears a
//! route of its own. 4. A route with the reflector's own ORIGINATOR_ID or CLUSTER_ID is kept out, with the reason. 5. One
//! reflector is killed: at no moment does a client lack a route.

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, frr_router, gobgp_router, peer, router};

const NEEDS: &[Need] = &[Need::Bird, Need::Frr, Need::Gobgp, Need::Exabgp];

pub(crate) const CASES: &[Case] = &[
    Case { name: "reflection::same_cluster", needs: NEEDS, run: || run(["10.0.0.100", "10.0.0.100"]) },
    Case { name: "reflection::two_clusters", needs: NEEDS, run: || run(["10.0.0.1", "10.0.0.2"]) },
];

const REFLECTORS: [&str; 2] = ["10.0.0.1", "10.0.0.2"];
const CLIENTS: [u8; 3] = [3, 4, 5];

fn prefixes(number: u8) -> [String; 2] {
    [format!("198.51.{number}.0/24"), format!("2001:db8:{number}::/48")]
}

fn run(clusters: [&str; 2]) {
    let lab = Lab::new("reflection");
    let mut reflectors: Vec<Heddle> = Vec::new();
    for (index, own) in REFLECTORS.iter().enumerate() {
        let host = lab.host(if index == 0 { 1 } else { 2 }, &format!("rr{}", index + 1));
        let cluster = clusters[index];
        let mut config = router(own).replace("router_id", &format!("cluster_id = \"{cluster}\"\nrouter_id"));
        config.push_str(&CLIENTS.map(|number| client(&format!("10.0.0.{number}"), "")).concat());
        config.push_str(&peer(REFLECTORS[1 - index], 65001, ""));
        if index == 0 {
            config.push_str(&client("10.0.0.6", ""));
        }
        reflectors.push(Heddle::start(&host, &config));
    }
    let daemons = start_clients(&lab);
    let clients: Vec<(u8, &dyn Daemon)> = CLIENTS.into_iter().zip(daemons.each()).collect();
    for (_, daemon) in &clients {
        for reflector in REFLECTORS {
            daemon.wait_established(reflector);
        }
    }
    reflectors[0].wait_established("10.0.0.2");
    for (number, daemon) in &clients {
        check_client(*number, *daemon, clusters);
    }
    for prefix in CLIENTS.iter().flat_map(|number| prefixes(*number)) {
        check_reflector(&reflectors[0], &prefix, clusters);
    }
    let exabgp = Exabgp::start(&lab.host(6, "exabgp"), &exabgp_session(6, 65001, "10.0.0.1", "asn4 enable;", ""));
    exabgp.wait_established("10.0.0.1");
    check_loops(&reflectors[0], &exabgp, clusters[0]);

    reflectors[0].kill();
    for (number, daemon) in &clients {
        check_survivors(*number, *daemon);
    }
}

/// The three clients.
struct Clients {
    bird: Bird,
    frr: Frr,
    gobgp: Gobgp,
}

impl Clients {
    fn each(&self) -> [&dyn Daemon; 3] {
        [&self.bird, &self.frr, &self.gobgp]
    }
}

fn start_clients(lab: &Lab) -> Clients {
    let [v4, v6] = prefixes(3);
    let mut config = format!(
        "protocol static {{ ipv4; route {v4} blackhole; }}\nprotocol static {{ ipv6; route {v6} blackhole; }}\n"
    );
    for reflector in REFLECTORS {
        config.push_str(&bird_session(3, 65001, reflector, "", ""));
    }
    let bird = Bird::start(&lab.host(3, "bird"), &config);
    let [v4, v6] = prefixes(4).map(|prefix| format!("  network {prefix}\n"));
    let frr = Frr::start(&lab.host(4, "frr"), &frr_router(4, 65001, &REFLECTORS, "", &v4, &v6));
    let gobgp = Gobgp::start(&lab.host(5, "gobgp"), &gobgp_router(5, 65001, &REFLECTORS, "", ""));
    let [v4, v6] = prefixes(5);
    gobgp.advertise(&format!("{v4} nexthop 10.0.0.5"));
    gobgp.advertise(&format!("{v6} nexthop fd00::5"));
    Clients { bird, frr, gobgp }
}

/// Claims 1 and 3.
fn check_client(number: u8, daemon: &dyn Daemon, clusters: [&str; 2]) {
    let mut expected_clusters = clusters.map(|cluster| vec![cluster.to_owned()]).to_vec();
    expected_clusters.sort();
    for origin in CLIENTS {
        for prefix in prefixes(origin) {
            if origin == number {
                let own = daemon.paths(&prefix).expect("it answers");
                assert!(own.is_empty(), "{} hears its own route again: {own:#?}", daemon.name());
                continue;
            }
            // For a moment one reflector may pass on what it has from the other.
            wait_for(&format!("{}: {prefix} from both reflectors", daemon.name()), PATIENCE, || {
                let paths = daemon.paths(&prefix)?;
                let mut seen: Vec<_> = paths.iter().map(|path| path.attributes.cluster_list.clone()).collect();
                seen.sort();
                let origin = Some(format!("10.0.0.{origin}"));
                let right =
                    seen == expected_clusters && paths.iter().all(|path| path.attributes.originator_id == origin);
                ensure(right, || format!("{paths:#?}"))
            });
        }
    }
}

/// Claim 2, asked of our own daemon: it is about what it does not send.
fn check_reflector(heddle: &Heddle, prefix: &str, clusters: [&str; 2]) {
    let second = wait_for(&format!("the path to {prefix} through the other reflector"), PATIENCE, || {
        let paths = paths_of(heddle, prefix)?;
        let second = paths.iter().find(|path| path["peer"] == "10.0.0.2").cloned();
        second.ok_or_else(|| format!("{paths:?}"))
    });
    if clusters[0] == clusters[1] {
        assert_eq!((&second["status"], &second["reason"]), (&Value::from("ineligible"), &Value::from("cluster_loop")));
    } else {
        assert_eq!(second["status"], "valid", "{second}");
    }
}

/// The paths of one prefix, as the API shows them.
fn paths_of(heddle: &Heddle, prefix: &str) -> Result<Vec<Value>, String> {
    let answer = heddle.get(&format!("/v1/routes?prefix={prefix}"))?;
    Ok(answer.pointer("/routes/0/paths").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// Claim 4.
fn check_loops(heddle: &Heddle, exabgp: &Exabgp, cluster: &str) {
    exabgp.command(
        "neighbor 10.0.0.1 announce route 192.0.2.0/28 next-hop 10.0.0.6 originator-id 10.0.0.1 cluster-list [10.7.7.7]",
    );
    exabgp.command(&format!(
        "neighbor 10.0.0.1 announce route 192.0.2.16/28 next-hop 10.0.0.6 originator-id 10.0.0.77 \
         cluster-list [10.7.7.7 {cluster}]"
    ));
    for (prefix, reason) in [("192.0.2.0/28", "originator_loop"), ("192.0.2.16/28", "cluster_loop")] {
        let path = wait_for(&format!("the path to {prefix}"), PATIENCE, || {
            paths_of(heddle, prefix)?.pop().ok_or_else(|| "none".to_owned())
        });
        assert_eq!((&path["status"], &path["reason"]), (&Value::from("ineligible"), &Value::from(reason)), "{path}");
    }
}

/// Claim 5: looked at all the time until the paths of the killed reflector are gone or stale.
fn check_survivors(number: u8, daemon: &dyn Daemon) {
    daemon.wait_established("10.0.0.2");
    wait_for(&format!("{}: the session with the killed reflector is down", daemon.name()), PATIENCE, || {
        assert_nothing_lost(number, daemon);
        let session = daemon.session("10.0.0.1")?;
        ensure(!session.established, || format!("{session:?}"))
    });
    assert_nothing_lost(number, daemon);
}

fn assert_nothing_lost(number: u8, daemon: &dyn Daemon) {
    for prefix in CLIENTS.iter().filter(|other| **other != number).flat_map(|other| prefixes(*other)) {
        let paths = daemon.paths(&prefix).expect("it answers");
        // While the killed one may be restarting, its stale path may still be the best (RFC 4724 §4.2).
        let whole = paths.iter().any(|path| !path.stale) && paths.iter().any(|path| path.best);
        assert!(whole, "{}: {prefix}: {paths:#?}", daemon.name());
    }
}
