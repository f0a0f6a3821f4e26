//! Readers of changes of best paths.

use heddle_admin::types::{EventKind, EventQuery, Family, RouteAttributes};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::raw_peer::{Offer, RawPeer, updates};
use crate::world::{World, soon, tick};

const CLIENTS: &str = "[[peers]]\naddress = \"NET.2\"\nasn = 65001\npassive = true\nroute_reflector_client = true\n\n\
                       [[peers]]\naddress = \"NET.3\"\nasn = 65001\npassive = true\nroute_reflector_client = true\n";

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_best_paths_are_told_from_now_on() {
    let world = World::new(118);
    let speaker = world.start(1, CLIENTS).await;
    let mut old = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    old.send(&updates(3, 1, 4)).await;
    speaker.peer_until(world.ip(2), "routes", |p| p.families.iter().any(|f| f.best == 3)).await;
    let query = EventQuery { routes: true, family: Some(Family::Ipv4Unicast) };
    let mut events = speaker.client.events(&query).await.expect("a stream");
    assert_eq!(events.next().await.expect("reads").expect("goes on").kind, EventKind::Connected);
    // What is there is not told; what goes with the session is.
    drop(old);
    let mut withdrawn = 0;
    let all = async {
        while withdrawn < 3 {
            let event = events.next().await.expect("reads").expect("goes on");
            match event.kind {
                EventKind::RouteWithdrawn { .. } => withdrawn += 1,
                EventKind::RouteBest { prefix, .. } => panic!("{prefix} is not new"),
                _ => {}
            }
        }
    };
    soon("the routes go", all).await;
    let mut new = RawPeer::connect(&world, 3, 1, Offer::default()).await;
    new.send(&updates(3, 1, 4)).await;
    let mut best = 0;
    let all = async {
        while best < 3 {
            let event = events.next().await.expect("reads").expect("goes on");
            if let EventKind::RouteBest { attributes, .. } = event.kind {
                assert_eq!(event.peer, Some(world.ip(3).into()));
                assert_ne!(*attributes, RouteAttributes::default());
                best += 1;
            }
        }
    };
    soon("the routes come", all).await;
    speaker.speaker.stop().await;
}

/// Nothing is kept for a reader who stops, and he delays nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_changes_that_stops_delays_nobody() {
    const ROUTES: u32 = 100_000;
    let world = World::new(119);
    let speaker = world.start(1, CLIENTS).await;
    let mut reads = RawPeer::connect(&world, 3, 1, Offer::default()).await;
    let mut source = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    let mut stuck = UnixStream::connect(world.path("1.sock")).await.expect("connects");
    stuck.write_all(b"GET /v1/events?routes=true HTTP/1.1\r\nHost: heddle\r\n\r\n").await.expect("writes");
    stuck.readable().await.expect("an answer");
    let table = updates(ROUTES, 10, 40);
    tokio::join!(source.send(&table), reads.routes(ROUTES as usize));
    assert!(speaker.summary().await.journal_bytes <= 17 << 20);
    drop(stuck);
    // Its group goes with it: what is left are the peers' and nothing in journals.
    let gone = async {
        while speaker.summary().await.families.iter().any(|f| f.family == Family::Ipv4Unicast && f.update_groups != 1) {
            tick().await;
        }
    };
    soon("the subscription ends", gone).await;
    speaker.speaker.stop().await;
}
