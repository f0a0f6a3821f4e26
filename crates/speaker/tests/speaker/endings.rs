//! How sessions end, as the peer sees it.

use heddle_admin::types::{Down, PeerAction, PeerState};
use heddle_bgp_core::capability::ForwardingState;
use heddle_bgp_core::notification::{CEASE, cease};

use crate::raw_peer::{End, NotificationBit, Offer, RawPeer, updates};
use crate::world::{World, soon};

const PEER: &str = "[[peers]]\naddress = \"NET.2\"\nasn = 65001\npassive = true\n";

async fn stopped(net: u8, graceful_restart: Option<NotificationBit>) -> End {
    let world = World::new(net);
    let speaker = world.start(1, PEER).await;
    let mut peer = RawPeer::connect(&world, 2, 1, Offer { graceful_restart, ..Offer::default() }).await;
    speaker.established(world.ip(2)).await;
    let (end, ()) = tokio::join!(peer.end(), soon("the end", speaker.speaker.stop()));
    assert!(world.path("1.running").exists(), "the speaker may restart gracefully: R = 1 next time");
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn without_graceful_restart_a_stop_says_administrative_shutdown() {
    let End::Notified(n) = stopped(107, None).await else { panic!("a NOTIFICATION") };
    assert_eq!((n.code, n.subcode), (CEASE, cease::ADMIN_SHUTDOWN));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_graceful_restart_a_stop_says_nothing() {
    assert!(matches!(stopped(108, Some(NotificationBit::Clear)).await, End::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_n_bit_a_stop_is_no_hard_reset() {
    let End::Notified(n) = stopped(109, Some(NotificationBit::Set)).await else { panic!("a NOTIFICATION") };
    assert_eq!((n.code, n.subcode), (CEASE, cease::ADMIN_SHUTDOWN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_taken_down_gets_a_hard_reset_where_the_n_bit_is_on() {
    let world = World::new(110);
    let speaker = world.start(1, PEER).await;
    let offer = Offer { graceful_restart: Some(NotificationBit::Set), ..Offer::default() };
    let mut peer = RawPeer::connect(&world, 2, 1, offer).await;
    speaker.established(world.ip(2)).await;
    let down = PeerAction::Down(Down { text: Some("until six".to_owned()) });
    speaker.client.act(&world.ip(2).into(), &down).await.expect("goes down");
    let End::Notified(n) = peer.end().await else { panic!("a NOTIFICATION") };
    assert!(n.is_hard_reset());
    let inner = n.encapsulated().expect("a NOTIFICATION inside");
    assert_eq!((inner.subcode, inner.shutdown_text().as_deref()), (cease::ADMIN_SHUTDOWN, Some("until six")));
    let shown = speaker.peer_until(world.ip(2), "down", |p| p.last_reset.is_some()).await;
    assert_eq!(shown.down_reason.expect("is down").code, "admin_down");
    // Connections are refused until it is taken up again.
    let mut refused = RawPeer::dial(&world, 2, 1, Offer::default()).await.expect("TCP is accepted");
    let End::Notified(n) = refused.end().await else { panic!("a NOTIFICATION") };
    assert_eq!((n.code, n.subcode), (CEASE, cease::REJECTED));
    speaker.client.act(&world.ip(2).into(), &PeerAction::Up).await.expect("goes up");
    let _peer = RawPeer::connect(&world, 2, 1, offer).await;
    speaker.established(world.ip(2)).await;
    speaker.speaker.stop().await;
}

/// The peer writes all the time, so there is always something that was not read when the connection is closed: closing it
/// at once would reset it, and take the NOTIFICATION back.
#[tokio::test(flavor = "multi_thread")]
async fn a_notification_arrives_although_the_peer_has_not_stopped_talking() {
    let world = World::new(111);
    let speaker = world.start(1, PEER).await;
    let peer = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    speaker.established(world.ip(2)).await;
    let (mut reader, mut writer) = peer.split();
    let talking = tokio::spawn(async move {
        let table = updates(2000, 1, 400);
        while tokio::io::AsyncWriteExt::write_all(&mut writer, &table).await.is_ok() {}
    });
    speaker.peer_until(world.ip(2), "routes", |p| p.messages.received.update > 100).await;
    speaker.client.act(&world.ip(2).into(), &PeerAction::Down(Down::default())).await.expect("goes down");
    let n = reader.notification().await;
    assert_eq!((n.code, n.subcode), (CEASE, cease::ADMIN_SHUTDOWN));
    talking.abort();
    speaker.speaker.stop().await;
}

/// A NOTIFICATION may not stand inside an UPDATE: the one that was begun is finished first.
#[tokio::test(flavor = "multi_thread")]
async fn a_notification_follows_the_end_of_the_message_that_was_begun() {
    let world = World::new(112);
    let client = |n: u8| {
        format!("[[peers]]\naddress = \"NET.{n}\"\nasn = 65001\npassive = true\nroute_reflector_client = true\n")
    };
    let speaker = world.start(1, &[client(2), client(3)].concat()).await;
    let mut slow = RawPeer::connect(&world, 2, 1, Offer { receive_buffer: Some(4096), ..Offer::default() }).await;
    let mut source = RawPeer::connect(&world, 3, 1, Offer::default()).await;
    source.send(&updates(8000, 1, 1500)).await;
    // It has read nothing: its socket is full, most likely in the middle of a message.
    speaker.peer_until(world.ip(2), "detached", |p| p.families.iter().any(|f| f.backlog_bytes.is_none())).await;
    speaker.client.act(&world.ip(2).into(), &PeerAction::Down(Down::default())).await.expect("goes down");
    let End::Notified(n) = slow.end().await else { panic!("a NOTIFICATION") };
    assert_eq!((n.code, n.subcode), (CEASE, cease::ADMIN_SHUTDOWN));
    speaker.speaker.stop().await;
}

/// R = 1 goes to each peer once, and only when an instance was running before (RFC 4724 §3); F = 1 always, since a
/// reflector forwards nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_speaker_says_so_once() {
    let world = World::new(119);
    let offer = Offer { graceful_restart: Some(NotificationBit::Clear), ..Offer::default() };
    let mut said = Vec::new();
    for _ in 0..2 {
        let speaker = world.start(1, PEER).await;
        for _ in 0..2 {
            let peer = RawPeer::connect(&world, 2, 1, offer).await;
            speaker.established(world.ip(2)).await;
            let g = peer.graceful_restart().expect("the capability");
            assert_eq!(g.families, [(heddle_bgp_core::Family::IPV4_UNICAST, ForwardingState::Preserved)]);
            said.push(g.restarted);
            drop(peer);
            speaker.peer_until(world.ip(2), "lost", |p| p.state != PeerState::Established).await;
        }
        let _peer = RawPeer::connect(&world, 2, 1, offer).await;
        speaker.established(world.ip(2)).await;
        soon("the end", speaker.speaker.stop()).await;
    }
    assert_eq!(said, [false, false, true, false]);
}
