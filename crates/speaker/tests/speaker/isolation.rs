//! A peer or a reader that is stuck delays nobody else, and costs a bounded amount of memory.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::raw_peer::{Offer, RawPeer, say_keepalives, updates};
use crate::world::World;

fn client(n: u8) -> String {
    format!(
        "[[peers]]\naddress = \"NET.{n}\"\nasn = 65001\npassive = true\nroute_reflector_client = true\nhold_time = 3\n"
    )
}

/// Journals of a family (`docs/limits.md`), and what is being appended.
const JOURNALS: u64 = 17 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stops_reading_delays_nobody_and_catches_up_later() {
    const ROUTES: u32 = 12_000;
    let world = World::new(113);
    let speaker = world.start(1, &[client(2), client(3), client(4)].concat().replace("hold_time = 3\n", "")).await;
    let mut stuck = RawPeer::connect(&world, 2, 1, Offer { receive_buffer: Some(4096), ..Offer::default() }).await;
    let mut reads = RawPeer::connect(&world, 3, 1, Offer::default()).await;
    let mut source = RawPeer::connect(&world, 4, 1, Offer::default()).await;
    let table = updates(ROUTES, 1, 1500);
    tokio::join!(source.send(&table), reads.routes(ROUTES as usize));
    // 18 MB went past the stuck peer: it fell out of the journal, which holds nothing for it.
    speaker.peer_until(world.ip(2), "detached", |p| p.families.iter().any(|f| f.backlog_bytes.is_none())).await;
    let summary = speaker.summary().await;
    assert!(summary.journal_bytes <= JOURNALS, "{} octets in journals", summary.journal_bytes);
    assert_eq!(summary.peers.established, 3);
    // What was in its socket, and then the rest of the table.
    stuck.routes(ROUTES as usize).await;
    speaker.speaker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_all_routes_that_stops_delays_no_keepalive_and_no_other_request() {
    const ROUTES: u32 = 200_000;
    let world = World::new(114);
    let speaker = world.start(1, &[client(2), client(3)].concat()).await;
    let source = RawPeer::connect(&world, 2, 1, Offer { hold_time: 0, ..Offer::default() }).await;
    let (_reader, mut writer) = source.split();
    writer.write_all(&updates(ROUTES, 100, 40)).await.expect("writes");
    let filled = |s: &heddle_admin::types::Summary| s.families.iter().any(|f| f.destinations == u64::from(ROUTES));
    speaker.summary_until("the table", filled).await;

    let mut stuck = UnixStream::connect(world.path("1.sock")).await.expect("connects");
    stuck.write_all(b"GET /v1/routes HTTP/1.1\r\nHost: heddle\r\n\r\n").await.expect("writes");
    // It has begun to answer, and nobody reads on.
    stuck.readable().await.expect("an answer");

    let peer = RawPeer::connect(&world, 3, 1, Offer { hold_time: 3, ..Offer::default() }).await;
    let (mut reader, writer) = peer.split();
    let talks = tokio::spawn(say_keepalives(writer));
    reader.keepalives(5, Duration::from_secs(3)).await;
    assert_eq!(speaker.summary().await.peers.established, 2);
    talks.abort();
    drop(stuck);
    speaker.speaker.stop().await;
}
