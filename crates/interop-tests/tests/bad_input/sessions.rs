//! What no single message shows: graceful restart after a NOTIFICATION, any split of the stream, and peers that reset again
//! and again.

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::peer::{End, RawPeer};
use crate::wire::{
    KEEPALIVE, NOTIFICATION, OPEN, OpenWith, ROUTE_REFRESH, USUAL_PREFIX, advertise, four_octets, message, unhex,
    update, withdraw,
};
use crate::world::{Kind, World};

/// Communities that tell two routes apart, 65000:1 and 65000:2.
const MARKS: [&str; 2] = ["c00804fde80001", "c00804fde80002"];

/// Peers of their own with graceful restart, for longer than the test, where dynamic peers would be gone: two external, two
/// internal.
fn restarting() -> String {
    const EXTERNAL: &str = "asn = 65001\nimport_policy = \"all\"\nexport_policy = \"all\"";
    const CLIENT: &str = "asn = 65000\nroute_reflector_client = true";
    let peers = [EXTERNAL, EXTERNAL, CLIENT, CLIENT];
    let one = |(last, keys): (usize, &str)| {
        format!(
            "\n[[peers]]\naddress = \"10.11.0.{}\"\npassive = true\nidle_hold = {{ min = 1, max = 2 }}\n{keys}\n",
            last + 1
        )
    };
    peers.into_iter().enumerate().map(one).collect()
}

/// N05, N06; RFC 8538 §3, §4: with the N bit on both sides a Cease keeps the routes as stale, a Hard Reset does not, whatever
/// its data is.
pub(crate) fn restart_after_notification() {
    let mut world = World::new("bad_input::restart_after_notification", &restarting());
    for (id, address, kind, notification, kept) in [
        ("N06", "10.11.0.1", Kind::EXTERNAL, "0604", true),
        ("N05", "10.11.0.2", Kind::EXTERNAL, "060906", false),
        ("N06", "10.11.0.3", Kind::INTERNAL, "0604", true),
        ("N05", "10.11.0.4", Kind::INTERNAL, "060906", false),
    ] {
        // Graceful restart with the N bit, 600 seconds, IPv4 unicast with forwarding preserved.
        let capabilities = format!("010400010001 {} 40064258 00010180", four_octets(kind.asn()));
        let open = OpenWith { asn: kind.asn(), hold_time: 90, capabilities: &capabilities };
        let mut peer = RawPeer::establish(address, open);
        world.heddle.wait_peer(address);
        peer.send(&message(2, &update(&[], &[], &[])));
        world.advertised(&mut peer, &kind.base().concat(), id);
        peer.send(&message(NOTIFICATION, &unhex(notification)));
        assert_eq!(peer.end(), End::Closed, "{id}");
        world.wait_down(address);
        wait_for(&format!("the routes after {id}"), PATIENCE, || {
            let path = world.path(address, USUAL_PREFIX)?;
            let stale = path.as_ref().map(|path| path["stale"] == true);
            ensure(stale == kept.then_some(true), || format!("{path:?}"))
        });
        world.heddle.process().assert_alive();
    }
}

/// S15; RFC 4271 §4.1: a whole session in one segment, and the same octet by octet.
pub(crate) fn any_split() {
    let mut world = World::new("bad_input::any_split", "");
    let capabilities = Kind::EXTERNAL.capabilities();
    let open = OpenWith { asn: 65001, hold_time: 90, capabilities: &capabilities };
    let start = [open.message(), message(KEEPALIVE, &[]), advertise(&[USUAL_PREFIX], &Kind::EXTERNAL.base().concat())];
    let start = start.concat();
    for piece in [start.len(), 1, 7] {
        let mut peer = RawPeer::connect(&world.address(Kind::EXTERNAL));
        start.chunks(piece).for_each(|octets| peer.send(octets));
        wait_for(&format!("the route, sent in pieces of {piece}"), PATIENCE, || {
            world.path(&peer.address, USUAL_PREFIX)?.ok_or_else(|| "no path".to_owned())
        });
        // The end in one segment too: nothing comes back but the end.
        peer.send(&message(NOTIFICATION, &[6, 2]));
        peer.finish();
        assert_eq!(peer.end(), End::Closed, "pieces of {piece}");
        world.wait_down(&peer.address);
    }
    // All of it at once, with the end: the session was there and is gone.
    let whole = [start, message(NOTIFICATION, &[6, 2])].concat();
    let mut peer = RawPeer::connect(&world.address(Kind::EXTERNAL));
    peer.send(&whole);
    peer.finish();
    assert_eq!(peer.end(), End::Closed, "all at once");
    wait_for("no routes", PATIENCE, || world.no_routes(USUAL_PREFIX));
    world.heddle.process().assert_alive();
}

/// S11; RFC 4271 §8.1.1 (DampPeerOscillations): a passive peer whose sessions end in a malformed message again and again is
/// held off for longer each time, a dynamic one too.
pub(crate) fn damping() {
    let peer = "\n[[peers]]\naddress = \"10.11.0.1\"\nasn = 65001\npassive = true\nimport_policy = \"all\"\n\
        export_policy = \"all\"\nidle_hold = { min = 1, max = 60 }\n";
    let mut world = World::new("bad_input::damping", peer);
    for address in ["10.11.0.1".to_owned(), world.address(Kind::EXTERNAL)] {
        for round in 0..3 {
            let mut session = wait_for(&format!("{address}: session {round}"), PATIENCE, || {
                connection(&address).ok_or_else(|| "refused".to_owned())
            });
            session.send(&message(KEEPALIVE, &[]));
            world.heddle.wait_peer(&address);
            session.send(&message(2, &unhex("00ff0000")));
            assert!(matches!(session.end(), End::Notification(3, 1, _)), "{address}: round {round}");
        }
        wait_for(&format!("{address} is held for longer than at first"), PATIENCE, || {
            let peer = world.heddle.peer(&address)?;
            let longer = peer["retry_seconds"].as_u64().is_some_and(|seconds| seconds > 5);
            let told = peer["down_reason"]["code"] == "idle_hold" && peer["state"] == "idle";
            ensure(longer && told, || peer.to_string())
        });
        assert!(connection(&address).is_none(), "{address}: a peer that is held gets no OPEN");
        world.heddle.process().assert_alive();
    }
}

/// S17; RFC 2918: ten thousand requests in one go are as many as there is time for; what comes behind them is not lost, and
/// others wait for nothing.
pub(crate) fn floods() {
    let mut world = World::new("bad_input::floods", "");
    let mut other = world.session(Kind::INTERNAL);
    other.drain();
    let mut peer = world.session_with(Kind::EXTERNAL, "4600");
    peer.drain();
    let requests = message(ROUTE_REFRESH, &unhex("00010001")).repeat(10_000);
    peer.send(&requests);
    peer.send(&advertise(&[USUAL_PREFIX], &Kind::EXTERNAL.base().concat()));
    other.send(&advertise(&["10.98.0.0/24"], &Kind::INTERNAL.base().concat()));
    for (address, prefix) in [(&other.address, "10.98.0.0/24"), (&peer.address, USUAL_PREFIX)] {
        wait_for(&format!("{prefix} behind a flood of requests"), PATIENCE, || {
            world.path(address, prefix)?.ok_or_else(|| "no path".to_owned())
        });
    }
    let state = world.heddle.peer(&peer.address).expect("it answers");
    assert_eq!(state["messages"]["received"]["route_refresh"], 10_000, "{state}");
    for address in [&peer.address, &other.address] {
        world.assert_established(address, "a flood of requests");
    }
}

/// A connection from an external peer, on which the reflector's OPEN came; `None` where it was closed instead.
fn connection(address: &str) -> Option<RawPeer> {
    let capabilities = Kind::EXTERNAL.capabilities();
    let mut peer = RawPeer::connect(address);
    peer.try_send(&OpenWith { asn: 65001, hold_time: 90, capabilities: &capabilities }.message());
    (peer.first() == Some(OPEN)).then_some(peer)
}

/// S09; RFC 4271 §9.1.2.2(f), (g), 4456 §8: two clients have the same BGP Identifier. Both sessions stand; where all else is equal the lower
/// address decides, and what the other one said is there when the first withdraws.
pub(crate) fn equal_identifiers() {
    let mut world = World::new("bad_input::equal_identifiers", "");
    let received = world.session(Kind::INTERNAL).observe();
    let mut clients = [world.session(Kind::INTERNAL), world.session(Kind::INTERNAL)];
    let base = Kind::INTERNAL.base().concat();
    let sees = |mark: &str| {
        wait_for(&format!("the other client has the route with {mark}"), PATIENCE, || {
            let received = received.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            ensure(received.wrong.is_empty(), || format!("{:?}", received.wrong))?;
            received.holds(USUAL_PREFIX, &format!(":{mark}"))
        });
    };
    // In this order, so that it is not the first that came.
    for (client, mark) in clients.iter_mut().zip(MARKS).rev() {
        client.drain();
        client.send(&advertise(&[USUAL_PREFIX], &format!("{base}{mark}")));
        sees(mark);
    }
    for client in &clients {
        let shown = world.heddle.peer(&client.address).expect("it answers");
        assert_eq!(shown["router_id"], "10.0.0.2", "{shown}");
    }
    let [mut first, second] = clients;
    first.send(&withdraw(&[USUAL_PREFIX]));
    sees(MARKS[1]);
    first.send(&advertise(&[USUAL_PREFIX], &format!("{base}{}", MARKS[0])));
    sees(MARKS[0]);
    world.assert_established(&first.address.clone(), "routes of two peers with one identifier");
    // A handle of the socket is with the thread that reads.
    first.finish();
    sees(MARKS[1]);
    world.assert_established(&second.address, "the end of a peer with the same identifier");
}
