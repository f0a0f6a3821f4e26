//! Simulated peers: sessions that advertise what was prepared beforehand, and read without looking.
//!
//! They are as plain as a BGP speaker can be, and end with the case: no case lasts as long as their Hold Time, so they send no
//! further KEEPALIVE.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use bytes::BytesMut;
use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::{AttrCode, AttrFlags, NextHop};
use heddle_bgp_core::message::KEEPALIVE;
use heddle_bgp_core::nlri::{Nlri, PathId, PathIds};
use heddle_bgp_core::open::OptionalParameters;
use heddle_bgp_core::update::{EncodeParams, Encoder};
use heddle_bgp_core::{AsWidth, Asn, BgpId, Capability, Family, Framer, MessageType, Open, Prefix};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Protocol, Socket, Type};

/// Seconds; as BIRD's own.
const HOLD_TIME: u16 = 240;
/// Before the next try.
const RETRY: Duration = Duration::from_millis(100);
/// How long a peer may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// LOCAL_PREF of a route that a Calico node originates: 2147483647 less the normal route priority, 1024.
const LOCAL_PREF: u32 = 2_147_483_647 - 1024;

/// A peer's side of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    pub(crate) asn: Asn,
    pub(crate) bgp_id: BgpId,
}

impl Identity {
    fn family(&self) -> Family {
        if self.local.is_ipv4() { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST }
    }

    /// Connects, in the namespace of the calling thread, until a session is established.
    pub(crate) fn establish(&self, deadline: Instant) -> anyhow::Result<TcpStream> {
        loop {
            match self.attempt() {
                Ok(stream) => return Ok(stream),
                Err(error) if Instant::now() >= deadline => {
                    return Err(error.context(format!("no session from {} to {}", self.local, self.remote)));
                }
                Err(_) => sleep(RETRY),
            }
        }
    }

    fn attempt(&self) -> anyhow::Result<TcpStream> {
        let remote = SocketAddr::new(self.remote, 179);
        let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::new(self.local, 0).into())?;
        socket.connect_timeout(&remote.into(), ANSWER)?;
        let mut stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let mut open = BytesMut::new();
        let capabilities = vec![Capability::MultiProtocol(self.family()), Capability::FourOctetAs(self.asn)];
        let message = Open { asn: self.asn, hold_time: HOLD_TIME, bgp_id: self.bgp_id, capabilities };
        message.encode(&mut open, OptionalParameters::WhereNeeded)?;
        stream.write_all(&open)?;
        let mut framer = Framer::new();
        await_message(&mut stream, &mut framer, MessageType::Open)?;
        stream.write_all(&KEEPALIVE)?;
        await_message(&mut stream, &mut framer, MessageType::Keepalive)?;
        Ok(stream)
    }
}

fn await_message(stream: &mut TcpStream, framer: &mut Framer, wanted: MessageType) -> anyhow::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(frame) = framer.next()? {
            if frame.kind == wanted {
                return Ok(());
            }
            bail!("a {:?} came instead of a {wanted:?}", frame.kind);
        }
        match stream.read(&mut buffer)? {
            0 => bail!("the peer closed the connection"),
            length => framer.push(buffer.get(..length).unwrap_or_default()),
        }
    }
}

/// UPDATEs with their routes, made before the clock runs.
#[derive(Debug)]
pub(crate) struct Updates {
    encoder: Encoder,
    block: Vec<u8>,
    octets: BytesMut,
}

impl Updates {
    pub(crate) fn new(family: Family) -> Self {
        let params = EncodeParams { family, as_width: AsWidth::Four, path_ids: PathIds::Absent, max_message_len: 4096 };
        Self { encoder: Encoder::new(params), block: Vec::new(), octets: BytesMut::new() }
    }

    /// Appends routes with one set of attributes; `number` tells it from others.
    pub(crate) fn advertise(
        &mut self,
        next_hop: IpAddr,
        number: u32,
        prefixes: impl Iterator<Item = Prefix>,
    ) -> anyhow::Result<()> {
        self.block.clear();
        push_attr(&mut self.block, AttrFlags::TRANSITIVE, AttrCode::ORIGIN, &[0]);
        push_attr(&mut self.block, AttrFlags::TRANSITIVE, AttrCode::AS_PATH, &[]);
        let mut value = Vec::new();
        match next_hop {
            IpAddr::V4(address) => NextHop::V4(address).push(&mut value),
            IpAddr::V6(address) => NextHop::V6(address).push(&mut value),
        }
        push_attr(&mut self.block, AttrFlags::TRANSITIVE, AttrCode::NEXT_HOP, &value);
        push_attr(&mut self.block, AttrFlags::TRANSITIVE, AttrCode::LOCAL_PREF, &LOCAL_PREF.to_be_bytes());
        let optional = AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE;
        push_attr(&mut self.block, optional, AttrCode::COMMUNITIES, &number.to_be_bytes());
        let mut nlri = prefixes.map(|prefix| Nlri { prefix, path_id: PathId(0) }).peekable();
        self.encoder.advertise(&mut self.octets, &self.block, &mut nlri, usize::MAX)?;
        Ok(())
    }

    /// Ends the initial table (RFC 4724 §2).
    pub(crate) fn end_of_rib(&mut self) {
        self.encoder.end_of_rib(&mut self.octets);
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// A thread that reads from sessions and forgets what it read, until this drops; then the sessions end.
#[derive(Debug)]
pub(crate) struct Drain {
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drain {
    pub(crate) fn start(sessions: Vec<TcpStream>) -> anyhow::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (session, number) in sessions.iter().zip(0..) {
            session.set_nonblocking(true)?;
            epoll.add(session.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, number))?;
        }
        let (stop, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stopped, losing) = (Arc::clone(&stop), Arc::clone(&lost));
        let read = move || read_all(sessions, &epoll, &stopped, &losing);
        let thread = thread::Builder::new().name("drain".to_owned()).spawn(read)?;
        Ok(Self { stop, lost, thread: Some(thread) })
    }

    /// Whether all sessions are still there.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.lost.load(Ordering::Acquire) { Err(anyhow!("a session was closed by the daemon")) } else { Ok(()) }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_all(mut sessions: Vec<TcpStream>, epoll: &Epoll, stop: &AtomicBool, lost: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    let mut ready = [EpollEvent::empty(); 64];
    while !stop.load(Ordering::Acquire) {
        let Ok(count) = epoll.wait(&mut ready, EpollTimeout::from(100u8)) else { continue };
        for event in ready.iter().take(count) {
            let session = usize::try_from(event.data()).ok().and_then(|number| sessions.get_mut(number));
            let Some(session) = session else { continue };
            match session.read(&mut buffer) {
                Ok(length) if length > 0 => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Ok(_) | Err(_) => {
                    lost.store(true, Ordering::Release);
                    let _ = epoll.delete(session.as_fd());
                }
            }
        }
    }
}

/// Writes all of it to a session that may be set not to block.
pub(crate) fn write_all(mut session: &TcpStream, octets: &[u8]) -> anyhow::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut rest = octets;
    while !rest.is_empty() {
        match session.write(rest) {
            Ok(length) => rest = rest.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(session.as_fd(), PollFlags::POLLOUT)], PollTimeout::from(1000u16))?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("the daemon ended the session"),
        }
    }
    Ok(())
}
