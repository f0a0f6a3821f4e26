//! Graceful restart, with us on either side, and long-lived.
//!
//! RFC 4724 §3, §4; RFC 8538 §3; RFC 9494 §4. Topology: the reflector (host 1), clients BIRD (2), FRR (3), GoBGP (4), and
//! ExaBGP (5) as the observer, whose log of UPDATEs shows whether a route was ever withdrawn.
//! Each of the first three originates two prefixes; after its restart one.
//! Claims as helper: 1. BIRD ends with `graceful restart`, FRR and GoBGP are killed: their routes are stale with us, and
//! the observer hears nothing. 2. They come back without one prefix: the observer hears that withdrawn and nothing else.
//! 3. A speaker that does not come back loses its routes after its Restart Time. 4. One that never
//! negotiated graceful restart loses them at once.
//! Claims as restarter: 5. we end by SIGTERM, and by SIGKILL: BIRD, FRR and GoBGP keep the routes, marked stale. 6. After
//! our return they are no longer stale, nothing was missing at any moment, and a route that went meanwhile is swept.
//! Claims, long-lived: 7. after the Restart Time BIRD's routes stay with LLGR_STALE for a peer with the capability, and are
//! withdrawn from one without; after the Long-lived Stale Time they go.

use std::sync::Arc;

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::{self, Bird};
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::{self, Gobgp};
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::process::Signal;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, frr_router, gobgp_router, router};

const ALL: &[Need] = &[Need::Bird, Need::Frr, Need::Gobgp, Need::Exabgp];

pub(crate) const CASES: &[Case] = &[
    Case { name: "graceful_restart::helper", needs: ALL, run: helper },
    Case { name: "graceful_restart::helper_gives_up", needs: &[Need::Gobgp, Need::Exabgp], run: helper_gives_up },
    Case { name: "graceful_restart::restarter_sigterm", needs: ALL, run: || restarter(Signal::Term) },
    Case { name: "graceful_restart::restarter_sigkill", needs: ALL, run: || restarter(Signal::Kill) },
    Case { name: "graceful_restart::long_lived", needs: &[Need::Bird, Need::Gobgp, Need::Exabgp], run: long_lived },
];

/// The prefix that stays, and the one that does not come back.
fn prefixes(number: u8) -> [String; 2] {
    [format!("198.51.{number}.0/24"), format!("203.0.{number}.0/24")]
}

fn start_bird(host: &Arc<Host>, prefixes: &[String], start: bird::Start) -> Bird {
    let routes: String = prefixes.iter().map(|prefix| format!("route {prefix} blackhole; ")).collect();
    let session = bird_session(2, 65001, "10.0.0.1", "graceful restart on; graceful restart time 60;", "");
    Bird::start_as(host, &format!("graceful restart wait 5;\nprotocol static {{ ipv4; {routes}}}\n{session}"), start)
}

fn start_frr(host: &Arc<Host>, prefixes: &[String]) -> Frr {
    let networks: String = prefixes.iter().map(|prefix| format!("  network {prefix}\n")).collect();
    let options =
        " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n bgp graceful-restart restart-time 60\n";
    Frr::start(host, &frr_router(3, 65001, &["10.0.0.1"], options, &networks, ""))
}

fn start_gobgp(host: &Arc<Host>, prefixes: &[String], restart_time: u16, start: gobgp::Start) -> Gobgp {
    let options = format!(
        "graceful-restart.config.enabled = true\ngraceful-restart.config.restart-time = {restart_time}\n\
         graceful-restart.config.notification-enabled = true"
    );
    let families = "mp-graceful-restart.config.enabled = true";
    // It keeps no routes over a restart: they must be there before the session is.
    let down = format!("config.admin-down = true\n{options}");
    let gobgp = Gobgp::start_as(host, &gobgp_router(4, 65001, &["10.0.0.1"], &down, families), start);
    for prefix in prefixes {
        gobgp.advertise(&format!("{prefix} nexthop 10.0.0.4"));
    }
    gobgp.expect("neighbor 10.0.0.1 enable");
    gobgp
}

fn start_observer(lab: &Lab) -> Exabgp {
    let observer = Exabgp::start(&lab.host(5, "observer"), &exabgp_session(5, 65001, "10.0.0.1", "asn4 enable;", ""));
    observer.wait_established("10.0.0.1");
    observer
}

/// All prefixes that the observer heard withdrawn since event `from`.
fn withdrawn(observer: &Exabgp, from: usize) -> Vec<String> {
    let events = observer.events().split_off(from);
    let lists =
        events.iter().filter_map(|event| event.pointer("/neighbor/message/update/withdraw/ipv4 unicast")?.as_array());
    let prefixes = lists.flatten().filter_map(|entry| entry.get("nlri")?.as_str());
    prefixes.map(str::to_owned).collect()
}

/// Waits until all paths of a prefix with us are stale, or none.
#[track_caller]
fn wait_stale(heddle: &Heddle, prefix: &str, stale: bool) {
    wait_for(&format!("{prefix} is stale with us: {stale}"), PATIENCE, || {
        let paths = heddle.paths(prefix)?;
        ensure(!paths.is_empty() && paths.iter().all(|path| path.stale == stale), || format!("{paths:#?}"))
    });
}

fn helper() {
    let lab = Lab::new("helper");
    let clients = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"].map(|address| client(address, "")).concat();
    let heddle = Heddle::start(&lab.host(1, "rr"), &format!("{}{clients}", router("10.0.0.1")));
    let (bird_host, frr_host, gobgp_host) = (lab.host(2, "bird"), lab.host(3, "frr"), lab.host(4, "gobgp"));
    let mut bird = start_bird(&bird_host, &prefixes(2), bird::Start::Fresh);
    let mut frr = start_frr(&frr_host, &prefixes(3));
    let mut gobgp = start_gobgp(&gobgp_host, &prefixes(4), 60, gobgp::Start::Fresh);
    let observer = start_observer(&lab);
    for prefix in [2, 3, 4].into_iter().flat_map(prefixes) {
        observer.wait_route(&prefix);
    }
    let seen = observer.events().len();

    bird.graceful_stop();
    frr.kill();
    gobgp.kill();
    for prefix in [2, 3, 4].into_iter().flat_map(prefixes) {
        wait_stale(&heddle, &prefix, true);
    }
    assert_eq!(withdrawn(&observer, seen), Vec::<String>::new(), "the observer hears nothing of it");

    let fewer = |number| prefixes(number).into_iter().take(1).collect::<Vec<_>>();
    drop((bird, frr, gobgp));
    let bird = start_bird(&bird_host, &fewer(2), bird::Start::Recovering);
    let frr = start_frr(&frr_host, &fewer(3));
    let gobgp = start_gobgp(&gobgp_host, &fewer(4), 60, gobgp::Start::Restarting);
    for daemon in [&bird as &dyn Daemon, &frr, &gobgp] {
        daemon.wait_established("10.0.0.1");
    }
    for [stays, goes] in [2, 3, 4].map(prefixes) {
        observer.wait_no_route(&goes);
        wait_stale(&heddle, &stays, false);
    }
    let mut heard = withdrawn(&observer, seen);
    heard.sort();
    let mut expected = [2, 3, 4].map(|number| prefixes(number)[1].clone());
    expected.sort();
    assert_eq!(heard, expected, "each route that did not come back is withdrawn once, and no other");
}

/// Claims 3 and 4.
fn helper_gives_up() {
    let lab = Lab::new("helper_gives_up");
    let clients = ["10.0.0.4", "10.0.0.5", "10.0.0.6"].map(|address| client(address, "")).concat();
    let heddle = Heddle::start(&lab.host(1, "rr"), &format!("{}{clients}", router("10.0.0.1")));
    let mut gobgp = start_gobgp(&lab.host(4, "gobgp"), &prefixes(4), 3, gobgp::Start::Fresh);
    let route = "route 198.51.6.0/24 next-hop 10.0.0.6;";
    let mut plain = Exabgp::start(&lab.host(6, "plain"), &exabgp_session(6, 65001, "10.0.0.1", "asn4 enable;", route));
    let observer = start_observer(&lab);
    observer.wait_route("198.51.6.0/24");
    observer.wait_route(&prefixes(4)[0]);
    plain.kill();
    observer.wait_no_route("198.51.6.0/24");
    gobgp.kill();
    wait_stale(&heddle, &prefixes(4)[0], true);
    for prefix in prefixes(4) {
        observer.wait_no_route(&prefix);
    }
}

fn restarter(signal: Signal) {
    let lab = Lab::new("restarter");
    let clients = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"].map(|address| client(address, "")).concat();
    let networks = ["192.0.2.0/24", "198.18.0.0/24"].map(|prefix| format!("\n[[networks]]\nprefix = \"{prefix}\"\n"));
    let rr = lab.host(1, "rr");
    let mut heddle = Heddle::start(&rr, &format!("{}{clients}{}", router("10.0.0.1"), networks.concat()));
    let bird = start_bird(&lab.host(2, "bird"), &prefixes(2), bird::Start::Fresh);
    let frr = start_frr(&lab.host(3, "frr"), &prefixes(3));
    let gobgp = start_gobgp(&lab.host(4, "gobgp"), &prefixes(4), 60, gobgp::Start::Fresh);
    let daemons: [(u8, &dyn Daemon); 3] = [(2, &bird), (3, &frr), (4, &gobgp)];
    let kept = |number: u8| -> Vec<String> {
        let others = [2, 3, 4].into_iter().filter(move |other| *other != number).flat_map(prefixes);
        others.chain(["192.0.2.0/24".to_owned()]).collect()
    };
    let sessions = daemons.map(|(number, daemon)| {
        for prefix in kept(number) {
            daemon.wait_route(&prefix);
        }
        daemon.wait_route("198.18.0.0/24");
        daemon.wait_established("10.0.0.1")
    });

    heddle.process().end(signal);
    for (number, daemon) in daemons {
        wait_for(&format!("{}: our routes are stale", daemon.name()), PATIENCE, || {
            for prefix in kept(number) {
                let paths = daemon.paths(&prefix)?;
                assert!(!paths.is_empty(), "{}: {prefix} is lost", daemon.name());
                // BIRD marks the session, not the routes.
                let held = number == 2 && bird.protocol("10.0.0.1")?.contains("graceful restart active");
                ensure(held || paths.iter().all(|path| path.stale), || format!("{paths:#?}"))?;
            }
            Ok(())
        });
    }
    drop(heddle);
    let heddle = Heddle::start(&rr, &format!("{}{clients}{}", router("10.0.0.1"), networks[0]));
    for ((number, daemon), before) in daemons.into_iter().zip(sessions) {
        wait_for(&format!("{}: our routes are fresh again", daemon.name()), PATIENCE, || {
            let mut all_fresh = true;
            for prefix in kept(number) {
                let paths = daemon.paths(&prefix)?;
                assert!(!paths.is_empty(), "{}: {prefix} is lost", daemon.name());
                all_fresh &= paths.iter().all(|path| !path.stale);
            }
            all_fresh &= number != 2 || !bird.protocol("10.0.0.1")?.contains("graceful restart active");
            ensure(all_fresh, || "some are stale".to_owned())
        });
        daemon.wait_no_route("198.18.0.0/24");
        let now = daemon.wait_established("10.0.0.1");
        assert_ne!(now.incarnation, before.incarnation, "{}: a new session", daemon.name());
    }
    wait_for("our own restart is over", PATIENCE, || {
        let summary = heddle.get("/v1/summary")?;
        ensure(summary["restarting"] == Value::Bool(false), || summary.to_string())
    });
}

fn long_lived() {
    let lab = Lab::new("long_lived");
    let clients =
        [client("10.0.0.2", "long_lived = true"), client("10.0.0.4", "long_lived = true"), client("10.0.0.5", "")];
    let heddle = Heddle::start(&lab.host(1, "rr"), &format!("{}{}", router("10.0.0.1"), clients.concat()));
    let options =
        "graceful restart on; graceful restart time 2; long lived graceful restart on; long lived stale time 6;";
    let config = format!(
        "protocol static {{ ipv4; route 198.51.2.0/24 blackhole; }}\n{}",
        bird_session(2, 65001, "10.0.0.1", options, "")
    );
    let mut bird = Bird::start(&lab.host(2, "bird"), &config);
    let options = "graceful-restart.config.enabled = true\ngraceful-restart.config.restart-time = 60\n\
        graceful-restart.config.long-lived-enabled = true";
    let families = "mp-graceful-restart.config.enabled = true\nlong-lived-graceful-restart.config.enabled = true\n\
        long-lived-graceful-restart.config.restart-time = 60";
    let gobgp = Gobgp::start(&lab.host(4, "gobgp"), &gobgp_router(4, 65001, &["10.0.0.1"], options, families));
    let observer = start_observer(&lab);
    for daemon in [&gobgp as &dyn Daemon, &observer] {
        assert_eq!(daemon.wait_route("198.51.2.0/24").attributes.communities, Vec::<String>::new());
    }
    bird.kill();
    wait_stale(&heddle, "198.51.2.0/24", true);
    // LLGR_STALE is 0xFFFF0006.
    wait_for("GoBGP has the route with LLGR_STALE", PATIENCE, || {
        let route = gobgp.paths("198.51.2.0/24")?.pop().ok_or("it is gone")?;
        ensure(route.attributes.communities == ["65535:6"], || format!("{route:#?}"))
    });
    observer.wait_no_route("198.51.2.0/24");
    gobgp.wait_no_route("198.51.2.0/24");
}
