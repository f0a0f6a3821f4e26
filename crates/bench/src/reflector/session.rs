//! One simulated client: a socket that never blocks, the few messages that open a session, and a table of what came.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use bytes::{Buf as _, Bytes, BytesMut};
use heddle_bgp_core::capability::AddPathMode;
use heddle_bgp_core::message::{HEADER_LEN, KEEPALIVE, MAX_LEN};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::open::OptionalParameters;
use heddle_bgp_core::{Asn, BgpId, Capability, Family, MessageType, Notification, Open};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::index::Index;
use super::target::{Became, Target, View};

/// Octets that one turn reads or writes at most, so that all sessions have their turn.
pub(crate) const TURN: usize = 256 << 10;
/// Before the next try to connect.
const RETRY: Duration = Duration::from_millis(100);
const PORT: u16 = 179;

/// How a client presents itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    pub(crate) asn: Asn,
    pub(crate) bgp_id: Ipv4Addr,
    pub(crate) family: Family,
    /// Seconds.
    pub(crate) hold_time: u16,
    /// Whether it takes several paths (RFC 7911).
    pub(crate) add_path: AddPath,
    /// The socket's receive buffer, where it is not the kernel's to choose.
    pub(crate) receive_buffer: Option<usize>,
}

/// ADD-PATH from the daemon to a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AddPath {
    #[default]
    No,
    Receive,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// To be connected, not before this.
    Idle(Instant),
    Connecting,
    OpenSent,
    OpenConfirm,
    Established,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) identity: Identity,
    pub(crate) view: View,
    pub(crate) state: State,
    pub(crate) stream: Option<TcpStream>,
    /// How long the daemon says nothing.
    pub(crate) silence: Silence,
    /// The beginning of a message whose rest has not come.
    pending: Vec<u8>,
    out: VecDeque<Bytes>,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// No UPDATE.
    Nothing,
    /// One or more.
    Updates,
}

/// The longest time without an octet of the daemon: with a hold time, no more than that (RFC 4271 §6.5).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    since: Instant,
    longest: Duration,
}

impl Silence {
    fn ends(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now.saturating_duration_since(self.since));
        self.since = now;
    }

    /// The longest until now; then counts anew.
    pub(crate) fn restart(&mut self) -> Duration {
        self.ends();
        std::mem::take(&mut self.longest)
    }
}

impl Session {
    pub(crate) fn new(identity: Identity, view: View) -> Self {
        let state = State::Idle(Instant::now());
        let silence = Silence { since: Instant::now(), longest: Duration::ZERO };
        Self { identity, view, state, stream: None, silence, pending: Vec::new(), out: VecDeque::new() }
    }

    /// Begins to connect, in the namespace of the calling thread.
    pub(crate) fn connect(&mut self) -> anyhow::Result<()> {
        let remote = SocketAddr::new(self.identity.remote, PORT);
        let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(octets) = self.identity.receive_buffer {
            socket.set_recv_buffer_size(octets)?;
        }
        socket.bind(&SocketAddr::new(self.identity.local, 0).into())?;
        match socket.connect(&remote.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
            Err(error) => return Err(error).context("cannot connect"),
        }
        self.stream = Some(socket.into());
        self.state = State::Connecting;
        self.pending.clear();
        self.out.clear();
        Ok(())
    }

    /// Gives the attempt up; another one follows.
    pub(crate) fn retry(&mut self) {
        self.stream = None;
        self.state = State::Idle(Instant::now() + RETRY);
    }

    fn open(&self) -> anyhow::Result<Bytes> {
        let Identity { asn, hold_time, family, .. } = self.identity;
        let mut capabilities =
            vec![Capability::MultiProtocol(family), Capability::RouteRefresh, Capability::FourOctetAs(asn)];
        if self.identity.add_path == AddPath::Receive {
            capabilities.push(Capability::AddPath(vec![(family, AddPathMode::Receive)]));
        }
        let message = Open { asn, hold_time, bgp_id: BgpId::from(self.identity.bgp_id), capabilities };
        let mut octets = BytesMut::new();
        message.encode(&mut octets, OptionalParameters::WhereNeeded)?;
        Ok(octets.freeze())
    }

    /// Queues octets to be written.
    pub(crate) fn send(&mut self, octets: Bytes) {
        self.out.push_back(octets);
    }

    pub(crate) fn wants_to_write(&self) -> bool {
        self.state == State::Connecting || !self.out.is_empty()
    }

    /// Writes a turn's worth of what is queued.
    pub(crate) fn write(&mut self) -> anyhow::Result<()> {
        if self.state == State::Connecting {
            let stream = self.stream.as_ref().context("not connected")?;
            if let Some(error) = stream.take_error()? {
                return Err(error).context("cannot connect");
            }
            let open = self.open()?;
            self.send(open);
            self.state = State::OpenSent;
        }
        let mut stream = self.stream.as_ref().context("not connected")?;
        let mut room = TURN;
        while let Some(front) = self.out.front_mut() {
            match stream.write(front.get(..room.min(front.len())).unwrap_or_default()) {
                Ok(length) => {
                    front.advance(length);
                    room = room.saturating_sub(length);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot write"),
            }
            if front.is_empty() {
                self.out.pop_front();
            }
            if room == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads once and applies the messages that are whole. `scratch` is any buffer; all sessions share it.
    pub(crate) fn read(
        &mut self,
        scratch: &mut Vec<u8>,
        index: &Index,
        target: &Target,
        became: &mut impl Became,
    ) -> anyhow::Result<Received> {
        let before = self.pending.len();
        scratch.resize(TURN + MAX_LEN, 0);
        scratch.get_mut(..before).context("a part of a message is short")?.copy_from_slice(&self.pending);
        let mut stream = self.stream.as_ref().context("not connected")?;
        let length = match stream.read(scratch.get_mut(before..).unwrap_or_default()) {
            Ok(0) => bail!("the daemon closed the connection"),
            Ok(length) => before + length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(Received::Nothing);
            }
            Err(error) => return Err(error).context("cannot read"),
        };
        self.silence.ends();
        let mut rest = scratch.get(..length).unwrap_or_default();
        let mut received = Received::Nothing;
        while let Some(Message { kind, body, tail }) = message(rest)? {
            rest = tail;
            if kind == MessageType::Update as u8 && self.state == State::Established {
                self.view.apply(index, target, body, became).context("an UPDATE is malformed")?;
                received = Received::Updates;
            } else {
                self.advance(kind, body)?;
            }
        }
        self.pending.clear();
        self.pending.extend_from_slice(rest);
        Ok(received)
    }

    fn advance(&mut self, kind: u8, body: &[u8]) -> anyhow::Result<()> {
        match (self.state, MessageType::from_octet(kind)) {
            (State::OpenSent, Some(MessageType::Open)) => {
                let open = Open::decode(body)?;
                self.view.set_path_ids(path_ids(&open, self.identity));
                self.send(Bytes::from_static(&KEEPALIVE));
                self.state = State::OpenConfirm;
            }
            (State::OpenConfirm, Some(MessageType::Keepalive)) => self.state = State::Established,
            (State::Established, Some(MessageType::Keepalive | MessageType::RouteRefresh)) => {}
            (_, Some(MessageType::Notification)) => bail!("{:?}", Notification::decode(body)),
            (state, _) => return Err(anyhow!("a message of type {kind} in {state:?}")),
        }
        Ok(())
    }
}

/// Whether the daemon sends Path Identifiers: it offers to, and we offered to take them (RFC 7911 §4).
fn path_ids(open: &Open, identity: Identity) -> PathIds {
    let offers = |capability: &Capability| match capability {
        Capability::AddPath(families) => families
            .iter()
            .any(|(family, mode)| *family == identity.family && matches!(mode, AddPathMode::Send | AddPathMode::Both)),
        _ => false,
    };
    if identity.add_path == AddPath::Receive && open.capabilities.iter().any(offers) {
        PathIds::Present
    } else {
        PathIds::Absent
    }
}

/// A message, and what follows it.
struct Message<'a> {
    kind: u8,
    body: &'a [u8],
    tail: &'a [u8],
}

/// Cuts one message off; none while it is not whole.
#[inline]
fn message(octets: &[u8]) -> anyhow::Result<Option<Message<'_>>> {
    let Some(head) = octets.first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([head[16], head[17]]));
    if !(HEADER_LEN..=MAX_LEN).contains(&length) {
        bail!("a message of {length} octets");
    }
    let Some((message, tail)) = octets.split_at_checked(length) else { return Ok(None) };
    Ok(Some(Message { kind: head[18], body: message.get(HEADER_LEN..).unwrap_or_default(), tail }))
}
