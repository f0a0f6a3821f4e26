//! A peer that is no BGP speaker: it opens a session properly and then says whatever the test wants.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use heddle_interop_tests::lab::Host;
use heddle_interop_tests::wait::{PATIENCE, wait_for};
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};

use crate::wire::{KEEPALIVE, NOTIFICATION, OPEN, OpenWith, Received, UPDATE, hex, message};

/// Where the reflector listens.
pub(crate) const REFLECTOR: &str = "10.0.0.1:179";

/// Moves this thread into the namespace of a host; its sockets are there from now on.
pub(crate) fn enter(host: &Host) {
    let path = format!("/run/netns/{}", host.netns().name());
    let file = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    setns(file, CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// One TCP connection with the reflector.
#[derive(Debug)]
pub(crate) struct RawPeer {
    pub(crate) address: String,
    stream: TcpStream,
}

/// What ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// NOTIFICATION: code, subcode and data.
    Notification(u8, u8, Vec<u8>),
    /// The connection was closed or reset without one.
    Closed,
}

impl RawPeer {
    /// A TCP connection from `address`.
    pub(crate) fn connect(address: &str) -> Self {
        Self::connect_with_buffer(address, None)
    }

    /// The same, with room for so many octets that were not read.
    fn connect_with_buffer(address: &str, room: Option<usize>) -> Self {
        let local: SocketAddr = format!("{address}:0").parse().unwrap_or_else(|error| panic!("{address}: {error}"));
        let remote: SocketAddr = REFLECTOR.parse().expect("an address");
        // The listener may not be there yet when the API answers.
        let stream: TcpStream = wait_for(&format!("a connection from {address}"), PATIENCE, || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(|error| error.to_string())?;
            room.map_or(Ok(()), |room| socket.set_recv_buffer_size(room)).map_err(|error| error.to_string())?;
            socket.bind(&local.into()).map_err(|error| format!("bind: {error}"))?;
            socket.connect(&remote.into()).map_err(|error| format!("connect: {error}"))?;
            Ok(socket.into())
        });
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        Self { address: address.to_owned(), stream }
    }

    /// A connection on which the OPENs have been exchanged: OpenConfirm on the other side, Established after our KEEPALIVE.
    pub(crate) fn open(address: &str, open: OpenWith<'_>) -> Self {
        let mut peer = Self::connect(address);
        peer.exchange_opens(open);
        peer
    }

    fn exchange_opens(&mut self, open: OpenWith<'_>) {
        self.send(&open.message());
        let (kind, _) = self.expect_message("an OPEN");
        assert_eq!(kind, OPEN, "{}: the first message", self.address);
        let (kind, body) = self.expect_message("a KEEPALIVE");
        assert_eq!(kind, KEEPALIVE, "{}: the answer to our OPEN: {}", self.address, hex(&body));
    }

    /// A session on which little can be waiting to be read.
    pub(crate) fn establish_with_buffer(address: &str, open: OpenWith<'_>, room: usize) -> Self {
        let mut peer = Self::connect_with_buffer(address, Some(room));
        peer.exchange_opens(open);
        peer.send(&message(KEEPALIVE, &[]));
        peer
    }

    /// A session.
    pub(crate) fn establish(address: &str, open: OpenWith<'_>) -> Self {
        let mut peer = Self::open(address, open);
        peer.send(&message(KEEPALIVE, &[]));
        peer
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap_or_else(|error| panic!("{}: write: {error}", self.address));
    }

    /// As [`Self::send`] where the other side may have gone already; says whether it was there.
    pub(crate) fn try_send(&mut self, octets: &[u8]) -> bool {
        self.stream.write_all(octets).is_ok()
    }

    /// Ends our direction of the connection.
    pub(crate) fn finish(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// The next message: type and body; `None` when the connection is closed.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 19];
        if !self.fill(&mut header) {
            return None;
        }
        assert_eq!(header[..16], [0xff; 16], "{}: the marker", self.address);
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let mut body = vec![0; length.checked_sub(19).expect("a length of at least 19")];
        self.fill(&mut body).then_some((header[18], body))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> bool {
        match self.stream.read_exact(buffer) {
            Ok(()) => true,
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => false,
            Err(error) => panic!("{}: read: {error}", self.address),
        }
    }

    pub(crate) fn expect_message(&mut self, what: &str) -> (u8, Vec<u8>) {
        self.next().unwrap_or_else(|| panic!("{}: closed, where {what} was expected", self.address))
    }

    /// The type of the first message, or `None` when the connection is closed instead.
    pub(crate) fn first(&mut self) -> Option<u8> {
        self.next().map(|(kind, _)| kind)
    }

    /// Reads until the connection ends.
    pub(crate) fn end(&mut self) -> End {
        let mut end = End::Closed;
        while let Some((kind, body)) = self.next() {
            if kind == NOTIFICATION {
                let (code, subcode) = (body.first().copied(), body.get(1).copied());
                end = End::Notification(code.unwrap_or(0), subcode.unwrap_or(0), body.get(2..).unwrap_or(&[]).to_vec());
            }
        }
        end
    }

    /// Reads on in a thread of its own; what arrives is in the value that is returned.
    pub(crate) fn observe(mut self) -> Arc<Mutex<Received>> {
        let received = Arc::new(Mutex::new(Received::default()));
        let shared = Arc::clone(&received);
        self.stream.set_read_timeout(None).expect("no read timeout");
        std::thread::spawn(move || {
            while let Some((kind, body)) = self.next() {
                if kind == UPDATE {
                    shared.lock().unwrap_or_else(PoisonError::into_inner).take(&body);
                }
            }
        });
        received
    }

    /// Reads what comes and forgets it, and says a KEEPALIVE at least twice a second, until what is returned is dropped or the connection
    /// ends.
    pub(crate) fn keep_alive(&self) -> Alive {
        let mut stream = self.stream.try_clone().expect("a second handle of the socket");
        stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a read timeout");
        let alive = Alive::default();
        let (said, ended, longest) = (Arc::clone(&alive.said), Arc::clone(&alive.ended), Arc::clone(&alive.longest));
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            let mut heard = Instant::now();
            while !ended.load(Ordering::Relaxed) && stream.write_all(&message(KEEPALIVE, &[])).is_ok() {
                said.fetch_add(1, Ordering::Relaxed);
                let read = stream.read(&mut buffer);
                let silence = u32::try_from(heard.elapsed().as_millis()).unwrap_or(u32::MAX);
                longest.fetch_max(silence, Ordering::Relaxed);
                match read {
                    Ok(0) => return,
                    Ok(_) => heard = Instant::now(),
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Err(_) => return,
                }
            }
        });
        alive
    }

    /// Reads what comes and forgets it, so that the other side is never blocked; the connection can be written on.
    pub(crate) fn drain(&self) {
        let mut stream = self.stream.try_clone().expect("a second handle of the socket");
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
        });
    }
}

/// A thread that keeps a session alive.
#[derive(Debug, Default)]
pub(crate) struct Alive {
    said: Arc<AtomicU32>,
    /// Milliseconds.
    longest: Arc<AtomicU32>,
    ended: Arc<AtomicBool>,
}

impl Alive {
    /// KEEPALIVEs so far.
    pub(crate) fn said(&self) -> u32 {
        self.said.load(Ordering::Relaxed)
    }

    /// The longest time in which nothing came.
    pub(crate) fn longest_silence(&self) -> Duration {
        Duration::from_millis(self.longest.load(Ordering::Relaxed).into())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
