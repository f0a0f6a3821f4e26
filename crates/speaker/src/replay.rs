//! A speaker that plays a recorded MRT file to a peer: `heddle mrt replay`.
//!
//! It is a session of the same state machine as any other, with what it sends taken from the file. The session stays up
//! after the last UPDATE, since its end would withdraw the routes; [`ReplayArgs::hold`] bounds that.

use std::collections::BTreeSet;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, BufReader, IsTerminal};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::update::{EncodeParams, Encoder};
use heddle_bgp_core::{Asn, BgpId, Family, MessageType, Negotiated, Notification, Open};
use heddle_bgp_fsm::{Action, ConnectionId, Event, FamilyConfig, IdleHold, Peer, PeerAsn, PeerConfig};
use heddle_mrt::reader::{MrtError, Reader};
use heddle_mrt::replay::{Counters, Filled, Replay, ReplayOptions};
use indicatif::{ProgressBar, ProgressStyle};
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep_until;

use crate::clock::Clock;
use crate::connection::{Connection, Read, Written};
use crate::report;

/// What to play to whom.
#[derive(Clone, Debug)]
pub struct ReplayArgs {
    /// The MRT file; gz and bz2 are recognised.
    pub file: PathBuf,
    /// Our AS.
    pub local_as: Asn,
    /// The peer, with its port.
    pub to: SocketAddr,
    /// Our address.
    pub bind: Option<IpAddr>,
    /// The recorded peer whose routes are played; needed where the file has several.
    pub peer: Option<IpAddr>,
    /// Our BGP Identifier; none: made of our IPv4 address, else 192.0.2.1.
    pub router_id: Option<BgpId>,
    /// The Hold Time that we offer, in seconds: 0, or at least 3.
    pub hold_time: u16,
    /// How long the session stays up after the last UPDATE; none: until it is interrupted or the peer ends it.
    pub hold: Option<Duration>,
}

/// Why a replay ended early.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file cannot be opened.
    #[error("cannot open {0}: {1}")]
    Open(String, io::Error),
    /// The file cannot be read on; what stood before was sent.
    #[error("{0}: {1}")]
    Mrt(String, MrtError),
    /// The file has routes of several peers, or none of the one that was named.
    #[error("{0}")]
    Peer(String),
    /// No connection.
    #[error("cannot connect to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    /// The session ended before all was sent.
    #[error("the session with {0} ended: {1}")]
    Session(SocketAddr, String),
}

/// What was played.
#[derive(Clone, Copy, Debug)]
pub struct ReplayReport {
    /// What was sent and left out.
    pub counters: Counters,
    /// From the first UPDATE until the last was in the socket.
    pub elapsed: Duration,
}

/// Octets that are made ahead of the socket.
const AHEAD: usize = 256 << 10;

/// Plays the file; returns after the last UPDATE and the hold time, or when the peer ends the session.
///
/// # Errors
/// See [`ReplayError`].
pub async fn run(args: ReplayArgs) -> Result<ReplayReport, ReplayError> {
    let peer = recorded_peer(&args)?;
    let stream = connect(&args).await.map_err(|e| ReplayError::Connect(args.to, e))?;
    let mut player = Player::new(&args, peer, stream).map_err(|e| ReplayError::Connect(args.to, e))?;
    player.play().await
}

fn open(path: &Path) -> Result<Reader<BufReader<File>>, ReplayError> {
    let name = || path.display().to_string();
    let file = File::open(path).map_err(|e| ReplayError::Open(name(), e))?;
    Reader::new(BufReader::with_capacity(1 << 20, file)).map_err(|e| ReplayError::Mrt(name(), e))
}

/// The peer to play: the named one, or the only one that the file has.
fn recorded_peer(args: &ReplayArgs) -> Result<IpAddr, ReplayError> {
    let mut reader = open(&args.file)?;
    let recorded = heddle_mrt::replay::peers(&mut reader);
    let known: BTreeSet<IpAddr> = recorded.peers.iter().map(|p| p.addr).collect();
    let list = || known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match args.peer {
        Some(peer) if known.contains(&peer) => Ok(peer),
        Some(peer) => Err(ReplayError::Peer(format!("the file has no routes of {peer}; it has those of {}", list()))),
        None if known.len() > 1 => {
            Err(ReplayError::Peer(format!("the file has routes of several peers; choose one with --peer: {}", list())))
        }
        None => known.first().copied().ok_or_else(|| ReplayError::Peer("the file has no routes".to_owned())),
    }
}

async fn connect(args: &ReplayArgs) -> io::Result<TcpStream> {
    let socket = if args.to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bind) = args.bind {
        socket.bind(SocketAddr::new(bind, 0))?;
    }
    socket.connect(args.to).await
}

struct Player<'a> {
    args: &'a ReplayArgs,
    peer: IpAddr,
    clock: Clock,
    fsm: Peer,
    id: ConnectionId,
    connection: Connection,
    source: Option<Source>,
    out: BytesMut,
    scratch: Vec<u8>,
    ended: Option<String>,
    progress: ProgressBar,
    began: Option<Instant>,
    done: Option<Instant>,
}

struct Source {
    replay: Replay<BufReader<File>>,
    families: Vec<Family>,
    exhausted: bool,
}

impl<'a> Player<'a> {
    fn new(args: &'a ReplayArgs, peer: IpAddr, stream: TcpStream) -> io::Result<Self> {
        let clock = Clock::start();
        let connection = Connection::new(stream)?;
        let own = match connection.local.ip() {
            IpAddr::V4(a) => BgpId::from(a),
            IpAddr::V6(_) => BgpId(0xc000_0201),
        };
        let mut config = PeerConfig::new(args.local_as, args.router_id.unwrap_or(own), PeerAsn::Any);
        config.families = Family::SUPPORTED.map(FamilyConfig::new).to_vec();
        config.graceful_restart = None;
        config.hold_time = args.hold_time;
        config.idle_hold = IdleHold { min: Duration::from_secs(86_400), ..IdleHold::default() };
        let mut fsm = Peer::new(config, 1);
        fsm.handle(clock.now(), Event::ManualStart);
        let id = match fsm.poll_action() {
            Some(Action::Connect(id)) => id,
            _ => fsm.new_connection_id(),
        };
        let size = std::fs::metadata(&args.file).map_or(0, |m| m.len());
        let progress = if io::stderr().is_terminal() { ProgressBar::new(size) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {msg} {elapsed}") {
            progress.set_style(style);
        }
        let mut player = Self {
            args,
            peer,
            clock,
            fsm,
            id,
            connection,
            source: None,
            out: BytesMut::new(),
            scratch: vec![0; 64 << 10],
            ended: None,
            progress,
            began: None,
            done: None,
        };
        player.event(Event::TcpCrAcked(id));
        Ok(player)
    }

    async fn play(&mut self) -> Result<ReplayReport, ReplayError> {
        let mut failed = None;
        loop {
            if let Err(e) = self.fill() {
                failed = Some(e);
            }
            self.write();
            if let Some(reason) = self.ended.take() {
                return match (failed, self.done) {
                    (Some(e), _) => Err(e),
                    (None, Some(_)) => Ok(self.report()),
                    (None, None) => Err(ReplayError::Session(self.args.to, reason)),
                };
            }
            let over = self.done.zip(self.args.hold).map(|(at, hold)| at + hold);
            if failed.is_some() && self.done.is_some() || over.is_some_and(|t| t <= Instant::now()) {
                return failed.map_or_else(|| Ok(self.report()), Err);
            }
            self.wait(over).await;
        }
    }

    async fn wait(&mut self, over: Option<Instant>) {
        let far = Instant::now() + Duration::from_secs(3600);
        let timer = self.fsm.poll_timeout().map_or(far, |t| self.clock.instant(t));
        let until = over.map_or(timer, |o| o.min(timer));
        let unread = self.source.as_ref().is_some_and(|s| !s.exhausted);
        let writing = unread || !self.out.is_empty() || self.connection.has_control();
        let interest = if writing { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        tokio::select! {
            ready = poll_fn(|cx| self.connection.poll_ready(cx, interest)) => {
                if ready.is_ok_and(|r| r.is_readable()) {
                    self.read();
                }
            }
            () = sleep_until(until.into()) => {
                self.fsm.handle_timeout(self.clock.now());
                self.act();
            }
        }
    }

    fn event(&mut self, event: Event) {
        self.fsm.handle(self.clock.now(), event);
        self.act();
    }

    fn act(&mut self) {
        while let Some(action) = self.fsm.poll_action() {
            match action {
                Action::Send(_, message) => {
                    if !self.connection.queue_control(&message.encode()) {
                        self.ended = Some("the peer reads nothing".to_owned());
                    }
                }
                Action::Up(_, negotiated) => self.up(&negotiated),
                Action::Down(_, reason) => self.ended = Some(reason.to_string()),
                Action::StateChanged { reason: Some(reason), .. } => self.ended = Some(reason.to_string()),
                Action::Close(id) if id == self.id => {
                    let _ = self.connection.write_control();
                    self.ended.get_or_insert_with(|| "closed".to_owned());
                }
                Action::CheckHold(id) => {
                    self.read();
                    self.fsm.handle(self.clock.now(), Event::ReadEmpty(id));
                }
                Action::Connect(_) | Action::Close(_) | Action::StateChanged { reason: None, .. } => {}
            }
        }
    }

    fn up(&mut self, negotiated: &Negotiated) {
        if negotiated.max_receive_len > heddle_bgp_core::message::MAX_LEN {
            self.connection.framer.allow_extended();
        }
        let options = ReplayOptions::new(self.peer, negotiated);
        match open(&self.args.file) {
            Ok(reader) => {
                let families = negotiated.families.iter().map(|f| f.family).collect();
                self.source = Some(Source { replay: Replay::new(reader, options), families, exhausted: false });
                self.began = Some(Instant::now());
            }
            Err(e) => self.ended = Some(e.to_string()),
        }
    }

    fn fill(&mut self) -> Result<(), ReplayError> {
        let Some(source) = self.source.as_mut().filter(|s| !s.exhausted) else { return Ok(()) };
        let filled = source.replay.fill(&mut self.out, AHEAD);
        self.progress.set_message(format!("{} prefixes", source.replay.counters().advertised));
        self.progress.set_position(source.replay.offset());
        if matches!(filled, Ok(Filled::More)) {
            return Ok(());
        }
        source.exhausted = true;
        for family in &source.families {
            // The same in every session: no family of ours needs more to say that its table is complete.
            let params = EncodeParams {
                family: *family,
                as_width: heddle_bgp_core::AsWidth::Four,
                path_ids: PathIds::Absent,
                max_message_len: heddle_bgp_core::message::MAX_LEN,
            };
            Encoder::new(params).end_of_rib(&mut self.out);
        }
        filled.map(drop).map_err(|e| ReplayError::Mrt(self.args.file.display().to_string(), e))
    }

    fn write(&mut self) {
        // KEEPALIVEs go between whole messages: the buffer begins with one whenever nothing of it was cut.
        let mut wrote = false;
        for _ in 0..16 {
            let written = if self.connection.has_control() && !self.connection.mid_data() {
                self.connection.write_control()
            } else if self.out.is_empty() {
                break;
            } else {
                let written = self.connection.write_data(&self.out);
                if let Written::Octets(n) = written {
                    self.out.advance(n);
                }
                written
            };
            match written {
                Written::Octets(_) => wrote = true,
                Written::Full | Written::Broken => break,
            }
        }
        if wrote {
            self.fsm.handle(self.clock.now(), Event::UpdatesSent(self.id, 1));
            self.act();
        }
        let exhausted = self.source.as_ref().is_some_and(|s| s.exhausted);
        if exhausted && self.out.is_empty() && self.done.is_none() {
            self.done = Some(Instant::now());
            self.progress.finish();
        }
    }

    fn read(&mut self) {
        match self.connection.read(&mut self.scratch) {
            Read::Empty => {}
            Read::Closed(error) => {
                let failure = error.map_or(heddle_bgp_fsm::TcpFailure::Closed, |e| report::tcp_failure(&e));
                self.event(Event::TcpConnectionFails(self.id, failure));
                self.ended.get_or_insert_with(|| failure.to_string());
            }
            Read::Octets(_) => {
                while let Some(event) = self.next_event() {
                    self.event(event);
                }
            }
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        let id = self.id;
        Some(match self.connection.framer.next() {
            Ok(None) => return None,
            Err(e) => match e.notification() {
                Some(notification) => Event::BgpHeaderErr(id, notification),
                None => Event::TcpConnectionFails(id, heddle_bgp_fsm::TcpFailure::Closed),
            },
            Ok(Some(frame)) => match frame.kind {
                MessageType::Open => match Open::decode(frame.body()) {
                    Ok(open) => Event::BgpOpen(id, open),
                    Err(e) => Event::BgpOpenMsgErr(id, e.notification()),
                },
                // What the peer advertises is of no interest.
                MessageType::Update => Event::UpdateMsg(id, 1),
                MessageType::Notification => Event::NotifMsg(id, Notification::decode(frame.body())?),
                MessageType::Keepalive => Event::KeepAliveMsg(id),
                MessageType::RouteRefresh => Event::RouteRefreshMsg(id),
            },
        })
    }

    fn report(&self) -> ReplayReport {
        let counters = self.source.as_ref().map(|s| s.replay.counters()).unwrap_or_default();
        let elapsed = self.began.zip(self.done).map_or(Duration::ZERO, |(a, b)| b.duration_since(a));
        ReplayReport { counters, elapsed }
    }
}
