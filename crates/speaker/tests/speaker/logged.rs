//! What is logged of peers that cannot be reached.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tracing::Level;

use crate::world::{World, soon, tick};

/// The lines of a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines that have all of these parts.
    fn lines(&self, parts: &[&str]) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        text.lines().filter(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned).collect()
    }
}

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
    let running = world.start(1, &format!("{}{}", peer(2), peer(3))).await;
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
    running.speaker.stop().await;
}
