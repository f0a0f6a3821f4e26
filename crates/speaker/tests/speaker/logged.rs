//! What is logged of peers that cannot be reached.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use heddle_admin::types::Peer;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tracing::Level;

use crate::log::Log;
use crate::raw_peer::{Offer, RawPeer};
use crate::world::{World, soon, tick};

/// A peer that refuses connections, and one that answers nothing: each is told once, however often it is tried.
#[tokio::test]
async fn a_peer_that_cannot_be_reached_is_told_once() {
    let log = Log::default();
    let to = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_ansi(false);
    // Of the whole program: whether a line is wanted is remembered for all threads, of which others have no subscriber. The
    // other tests' lines name other addresses.
    tracing::subscriber::set_global_default(subscriber.with_writer(move || to.clone()).finish()).expect("the only one");
    let world = World::new(131);
    // A queue that is full: the kernel drops what asks for a connection.
    let silent = SocketAddr::new(world.ip(3), world.port);
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&silent.into()).and_then(|()| listener.listen(0)).expect("listens");
    let full = |_: &u8| TcpStream::connect_timeout(&silent, Duration::from_millis(300)).map_err(drop);
    let queue: Vec<TcpStream> = (0..8).map_while(|n| full(&n).ok()).collect();
    assert!(queue.len() < 8, "the queue has an end");

    let peer = |n: u8| {
        format!(
            "[[peers]]\naddress = \"NET.{n}\"\nport = PORT\nasn = 65001\nlocal_address = \"NET.1\"\nconnect_retry = 1\n"
        )
    };
    // One that takes connections and closes them, and one that is to connect itself.
    let closing = TcpListener::bind(SocketAddr::new(world.ip(4), world.port)).await.expect("listens");
    let closes = tokio::spawn(async move { while closing.accept().await.is_ok() {} });
    let passive = peer(5).replace("connect_retry = 1", "passive = true");
    let running = world.start(1, &format!("{}{}{}{passive}", peer(2), peer(3), peer(4))).await;
    let [refusing, silent] = [2, 3].map(|n| format!("peer{{address={}}}", world.ip(n)));
    let tried = async {
        while [&refusing, &silent].iter().any(|peer| log.lines(&[peer, "connecting"]).len() < 9) {
            tick().await;
        }
    };
    soon("nine attempts", tried).await;
    for (peer, why) in [(refusing, "refused"), (silent, "no answer")] {
        let told = log.lines(&[" INFO ", &peer]);
        assert!(matches!(told.as_slice(), [line] if line.contains(why)), "{told:#?}");
    }
    // The API says why.
    for (n, code, text) in [(2, "refused", "refused"), (3, "timed_out", "no answer"), (4, "closed", "before its OPEN")]
    {
        let is_told = |p: &Peer| p.connect_error.as_ref().is_some_and(|e| e.code == code && e.text.contains(text));
        let peer = running.peer_until(world.ip(n), code, is_told).await;
        let error = peer.connect_error.clone().expect("is told");
        assert_eq!((peer.established_count, peer.last_reset.is_none()), (0, true), "it was never up");
        assert!(n == 4 || error.attempts > 1, "{error:?}");
    }
    let passive = running.peer_until(world.ip(5), "passive", |p| p.down_reason.is_some()).await;
    assert_eq!(passive.down_reason.map(|r| r.code).as_deref(), Some("passive"));
    assert_eq!(passive.connect_error, None);
    closes.abort();
    // Once there is a session nothing of it is left.
    let _up = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    assert_eq!(running.established(world.ip(2)).await.connect_error, None);
    running.speaker.stop().await;
}
