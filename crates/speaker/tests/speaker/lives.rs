//! Dynamic peers: they come with their first connection and go when nothing is left of them.

use heddle_admin::types::{Down, PeerAction, PeerState};
use heddle_bgp_core::notification::{CEASE, cease};

use crate::raw_peer::{End, NotificationBit, Offer, RawPeer, updates};
use crate::world::{World, soon, tick};

const RANGE: &str = "[[peer_groups]]\nname = \"nodes\"\nasn = 65001\nroute_reflector_client = true\n\n\
                     [[listen_ranges]]\nprefix = \"NET.0/24\"\ngroup = \"nodes\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_dynamic_peer_goes_with_its_connection() {
    let world = World::new(115);
    let speaker = world.start(1, RANGE).await;
    let peer = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    assert!(speaker.established(world.ip(2)).await.dynamic);
    drop(peer);
    let gone = async {
        while speaker.peer(world.ip(2)).await.is_some() {
            tick().await;
        }
    };
    soon("the peer goes", gone).await;
    // And may come back at once.
    let _peer = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    speaker.established(world.ip(2)).await;
    speaker.speaker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_of_a_dynamic_peer_that_restarts_gracefully_stay_and_it_may_come_back() {
    let world = World::new(116);
    let speaker = world.start(1, RANGE).await;
    let offer = Offer { graceful_restart: Some(NotificationBit::Clear), ..Offer::default() };
    let mut peer = RawPeer::connect(&world, 2, 1, offer).await;
    peer.send(&updates(10, 10, 4)).await;
    speaker.peer_until(world.ip(2), "routes", |p| p.families.iter().any(|f| f.accepted == 10)).await;
    drop(peer);
    let stale =
        |p: &heddle_admin::types::Peer| p.state != PeerState::Established && p.families.iter().any(|f| f.stale == 10);
    speaker.peer_until(world.ip(2), "stale routes", stale).await;
    let mut peer = RawPeer::connect(&world, 2, 1, offer).await;
    let back = speaker.established(world.ip(2)).await;
    assert_eq!(back.established_count, 2, "the same peer, not a new one");
    peer.send(&updates(10, 10, 4)).await;
    peer.end_of_rib().await;
    speaker
        .peer_until(world.ip(2), "fresh routes", |p| p.families.iter().any(|f| (f.accepted, f.stale) == (10, 0)))
        .await;
    speaker.speaker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dynamic_peer_that_is_taken_down_stays_down() {
    let world = World::new(117);
    let speaker = world.start(1, RANGE).await;
    let mut peer = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    speaker.established(world.ip(2)).await;
    speaker.client.act(&world.ip(2).into(), &PeerAction::Down(Down::default())).await.expect("goes down");
    peer.end().await;
    let mut refused = RawPeer::dial(&world, 2, 1, Offer::default()).await.expect("TCP is accepted");
    let End::Notified(n) = refused.end().await else { panic!("a NOTIFICATION") };
    assert_eq!((n.code, n.subcode), (CEASE, cease::REJECTED));
    speaker.client.act(&world.ip(2).into(), &PeerAction::Up).await.expect("goes up");
    let _peer = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    speaker.established(world.ip(2)).await;
    speaker.speaker.stop().await;
}

/// What it did wrong counts when it comes back: the state machine holds it in Idle, and then refuses connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_dynamic_peer_that_breaks_the_protocol_is_held() {
    let world = World::new(118);
    let speaker = world.start(1, RANGE).await;
    for _ in 0..3 {
        let mut peer = RawPeer::connect(&world, 2, 1, Offer::default()).await;
        let mut bad = heddle_bgp_core::message::KEEPALIVE;
        bad[0] = 0;
        peer.send(&bad).await;
        peer.end().await;
        let free = |p: &heddle_admin::types::Peer| p.down_reason.as_ref().is_none_or(|r| r.code == "passive");
        let ready = |p: &heddle_admin::types::Peer| free(p) || p.retry_seconds.is_some_and(|s| s > 5);
        if !free(&speaker.peer_until(world.ip(2), "held or free", ready).await) {
            break;
        }
    }
    let held = speaker.peer(world.ip(2)).await.expect("is remembered");
    assert_eq!(held.down_reason.expect("is held").code, "idle_hold");
    let mut refused = RawPeer::dial(&world, 2, 1, Offer::default()).await.expect("TCP is accepted");
    let End::Notified(n) = refused.end().await else { panic!("a NOTIFICATION") };
    assert_eq!((n.code, n.subcode), (CEASE, cease::REJECTED));
    speaker.speaker.stop().await;
}
