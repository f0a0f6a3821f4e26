//! Reading and writing the sockets of a peer.
//!
//! Reading: one read of at most 64 KiB a turn, then all whole messages in it. Writing: what was begun is finished first
//! (also before a KEEPALIVE), then control messages, then the journals of the families in turn. What reading and
//! decoding needs to work is there once a thread, not once a peer.

use std::cell::RefCell;

use bytes::Bytes;
use heddle_admin::types::EventKind;
use heddle_bgp_core::route_refresh::{EnhancedRefresh, RefreshSubtype, RouteRefresh};
use heddle_bgp_core::update::Scratch;
use heddle_bgp_core::{MessageType, Notification, Open, message};
use heddle_bgp_fsm::{ConnectionId, Door, Event, TcpFailure};
use heddle_rib::journal::Progress;
use tracing::debug;

use super::PeerTask;
use super::session::Session;
use super::status::Traffic;
use crate::connection::{Connection, Read, Written};
use crate::fault;
use crate::report;
use crate::rib_link::ToRib;

/// Octets of one read.
const READ: usize = 64 << 10;
/// Octets that are offered to the socket at once.
const WRITE: usize = 64 << 10;
/// Writes in one turn of the loop, so that a fast reader does not keep its peer's task from all else.
const WRITES_A_TURN: usize = 16;
/// Reads before silence is held against a peer.
const READS_BEFORE_JUDGEMENT: usize = 64;

thread_local! {
    /// What a read fills.
    static OCTETS: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
    /// What decoding works in.
    static DECODER: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// What a panic may have left half-way on this thread.
pub(super) fn forget_scratch() {
    DECODER.set(Scratch::new());
    OCTETS.set(vec![0; READ]);
}

impl PeerTask {
    /// Reads once and handles what came; says whether anything did.
    pub(super) fn read(&mut self, id: ConnectionId) -> bool {
        self.read_by(id, Connection::read)
    }

    fn read_by(&mut self, id: ConnectionId, read: fn(&mut Connection, &mut [u8]) -> Read) -> bool {
        let Some(connection) = self.connection(id) else { return false };
        match OCTETS.with_borrow_mut(|octets| read(connection, octets)) {
            Read::Octets(n) => {
                Traffic::add(&self.status.traffic.bytes_in, n);
                self.status.lock().last_received = Some(self.shared.clock.now());
                fault::point();
                self.frames(id);
                true
            }
            Read::Empty => false,
            Read::Closed(error) => {
                let failure = error.map_or(TcpFailure::Closed, |e| report::tcp_failure(&e));
                self.connection_failed(id, failure);
                false
            }
        }
    }

    /// Before the hold timer counts: whatever the socket has is read and handled, although nobody may have told of it yet.
    pub(super) fn check_hold(&mut self, id: ConnectionId) {
        for _ in 0..READS_BEFORE_JUDGEMENT {
            let waits = self.session.as_deref().is_some_and(|s| s.connection == id && s.has_waiting_batch());
            if waits || !self.read_by(id, Connection::read_unannounced) {
                break;
            }
        }
        self.fsm.handle(self.shared.clock.now(), Event::ReadEmpty(id));
    }

    fn frames(&mut self, id: ConnectionId) {
        let mut updates = 0;
        loop {
            match self.next_frame(id) {
                Frame::None => break,
                Frame::Update(fault) => {
                    updates += 1;
                    if let Some(fault) = fault {
                        self.tell(fault);
                    }
                }
                Frame::Event(event) => {
                    if matches!(event, Event::UpdateMsgErr(..)) {
                        Traffic::add(&self.status.traffic.session_reset, 1);
                    }
                    // Nothing follows a bad header: where one message ends and the next begins is not known any more.
                    let last = matches!(event, Event::BgpHeaderErr(..));
                    self.event(event);
                    if last {
                        break;
                    }
                }
                // A malformed NOTIFICATION: the peer ends the session, and is not answered (RFC 4271 §6.4).
                Frame::Malformed => self.connection_failed(id, TcpFailure::Closed),
            }
        }
        if let Some(connection) = self.connection(id) {
            connection.framer.release();
        }
        if updates > 0 && self.fsm.updates_received(self.shared.clock.now(), id, updates) == Door::Shut {
            if let Some(session) = self.session.as_mut().filter(|s| s.connection == id) {
                session.drop_batch();
            }
            self.carry_out();
        }
        self.refreshes();
        self.hand_over();
    }

    /// The next whole message of a connection. UPDATEs of the session are decoded on the way.
    fn next_frame(&mut self, id: ConnectionId) -> Frame {
        let Some((_, connection)) = self.connections.iter_mut().find(|(c, _)| *c == id) else { return Frame::None };
        let frame = match connection.framer.next() {
            Ok(None) => return Frame::None,
            Ok(Some(frame)) => frame,
            Err(error) => {
                return error.notification().map_or(Frame::Malformed, |n| Frame::Event(Event::BgpHeaderErr(id, n)));
            }
        };
        fault::point();
        let session = self.session.as_deref_mut().filter(|s| s.connection == id);
        match (frame.kind, session) {
            (MessageType::Update, Some(session)) => {
                let traffic = &self.status.traffic;
                match DECODER.with_borrow_mut(|scratch| session.update(frame.body(), scratch, traffic)) {
                    Ok(fault) => Frame::Update(fault),
                    Err(notification) => Frame::Event(Event::UpdateMsgErr(id, notification)),
                }
            }
            (MessageType::Update, None) => Frame::Event(Event::UpdateMsg(id, 1)),
            (MessageType::RouteRefresh, session) => Frame::Event(route_refresh(id, frame.raw, session)),
            (MessageType::Open, _) => match Open::decode(frame.body()) {
                Ok(open) => {
                    connection.opens.received = frame.body().into();
                    Frame::Event(Event::BgpOpen(id, open))
                }
                Err(error) => Frame::Event(Event::BgpOpenMsgErr(id, error.notification())),
            },
            (MessageType::Keepalive, _) => Frame::Event(Event::KeepAliveMsg(id)),
            (MessageType::Notification, _) => {
                Notification::decode(frame.body()).map_or(Frame::Malformed, |n| Frame::Event(Event::NotifMsg(id, n)))
            }
        }
    }

    /// Requests of the peer for our routes go to the RIB.
    fn refreshes(&mut self) {
        let Some(session) = &mut self.session else { return };
        let mut told = Vec::new();
        for (family, asked) in session.take_refreshes() {
            told.push(family);
            if asked.ask() {
                self.rib.control(ToRib::Refresh(session.id, family, asked));
            }
        }
        for family in told {
            self.tell(EventKind::RouteRefresh { family: report::family(family) });
        }
    }

    /// Hands the batch to the RIB when there is room; else reading pauses until there is.
    pub(super) fn hand_over(&mut self) {
        let Some(session) = &mut self.session else { return };
        let connection = session.connection;
        if !session.has_batch() {
            return;
        }
        let room = self.rib.has_room();
        fault::point();
        if room {
            self.rib.batch(session.id, session.take_batch());
        }
        fault::point();
        if let Some(paused) = session.set_waiting(!room) {
            let event = if paused { Event::ReadPaused(connection) } else { Event::ReadResumed(connection) };
            self.event(event);
        }
    }

    /// Writes what there is to write, until the sockets are full or the turn is over.
    pub(super) fn pump_writes(&mut self) {
        let ids: Vec<ConnectionId> = self.connections.iter().map(|(id, _)| *id).collect();
        for id in ids {
            let outcome = self.pump(id);
            fault::point();
            if outcome.octets > 0 {
                let now = self.shared.clock.now();
                self.status.lock().last_sent = Some(now);
                self.fsm.handle(now, Event::WriteProgress(id));
                // Octets of control messages were counted when they were queued.
                Traffic::add(&self.status.traffic.bytes_out, outcome.update_octets);
                if outcome.updates > 0 {
                    Traffic::add(&self.status.traffic.updates_out, outcome.updates);
                    let count = u32::try_from(outcome.updates).unwrap_or(u32::MAX);
                    self.fsm.handle(now, Event::UpdatesSent(id, count));
                }
                self.carry_out();
            }
            if outcome.broken {
                self.connection_failed(id, TcpFailure::Reset);
            }
        }
    }

    fn pump(&mut self, id: ConnectionId) -> Pumped {
        let mut pumped = Pumped::default();
        let Some((_, connection)) = self.connections.iter_mut().find(|(c, _)| *c == id) else { return pumped };
        let mut session = self.session.as_mut().filter(|s| s.connection == id);
        let mut slices: Vec<Bytes> = Vec::new();
        for _ in 0..WRITES_A_TURN {
            let mid_message = session.as_ref().is_some_and(|s| s.mid_message());
            let written = if connection.has_control() && !mid_message {
                connection.write_control()
            } else {
                let Some(session) = session.as_deref_mut() else { break };
                slices.clear();
                if !session.take(&mut slices, WRITE, &self.rib) {
                    break;
                }
                fault::point();
                let written = connection.write_slices(&slices);
                fault::point();
                if let Written::Octets(n) = written {
                    pumped.updates += session.wrote(&slices, n, &self.rib);
                    pumped.update_octets += n;
                }
                session.set_socket_full(written == Written::Full);
                written
            };
            match written {
                Written::Octets(n) => pumped.octets += n,
                Written::Full => return pumped,
                Written::Broken => {
                    pumped.broken = true;
                    return pumped;
                }
            }
        }
        // More may wait than a turn allows: the socket is writable, so the next turn comes at once.
        if let Some(session) = session {
            session.set_socket_full(session.has_taken());
        }
        pumped
    }
}

/// What came next on a connection.
enum Frame {
    /// Nothing whole.
    None,
    /// An UPDATE of the session; with a fault that is to be told.
    Update(Option<EventKind>),
    /// Something for the state machine.
    Event(Event),
    /// A NOTIFICATION that says nothing.
    Malformed,
}

/// What a turn of writing did.
#[derive(Debug, Default)]
struct Pumped {
    octets: usize,
    /// Those of them that are UPDATEs'.
    update_octets: usize,
    updates: usize,
    broken: bool,
}

fn route_refresh(id: ConnectionId, raw: &[u8], session: Option<&mut Session>) -> Event {
    let enhanced = session.as_ref().map_or(EnhancedRefresh::Absent, |s| EnhancedRefresh::from(&*s.negotiated));
    match RouteRefresh::decode(raw, enhanced) {
        Ok(refresh) => {
            match (refresh.subtype, session) {
                (RefreshSubtype::Request, Some(s)) => s.refresh_asked(refresh.family),
                (RefreshSubtype::Begin, Some(s)) => s.begin_refresh(refresh.family),
                (RefreshSubtype::End, Some(s)) => s.end_refresh(refresh.family),
                (RefreshSubtype::Unknown(n), _) => debug!(subtype = n, "ignored a ROUTE-REFRESH of unknown subtype"),
                (RefreshSubtype::Request | RefreshSubtype::Begin | RefreshSubtype::End, None) => {}
            }
            Event::RouteRefreshMsg(id)
        }
        Err(error) => Event::RouteRefreshMsgErr(id, error.notification()),
    }
}

/// Rings the RIB when it waits for a writer's progress.
pub(super) fn ring(progress: Progress, rib: &crate::rib_link::RibSender) {
    match progress {
        Progress::Quiet => {}
        Progress::WakeOwner => rib.queues.ring(),
    }
}

/// Messages that begin in the first `written` octets of `slices`, whose first octets may finish one begun before.
pub(super) fn messages_begun(slices: &[Bytes], mut written: usize, rest: &mut usize) -> usize {
    let mut begun = 0;
    for slice in slices {
        let mut at = (*rest).min(slice.len());
        let in_slice = written.min(slice.len());
        *rest -= at.min(in_slice);
        while at < in_slice {
            let len = slice.get(at + 16..at + 18).map_or(message::HEADER_LEN, |l| {
                usize::from(u16::from_be_bytes([l.first().copied().unwrap_or(0), l.get(1).copied().unwrap_or(0)]))
            });
            let len = len.max(message::HEADER_LEN);
            begun += 1;
            let end = at + len;
            *rest = end.saturating_sub(in_slice);
            at = end;
        }
        written -= in_slice;
        if written == 0 {
            break;
        }
    }
    begun
}
