//! Pipes and time.

mod check;
mod claims;
mod faults;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use heddle_bgp_core::route_refresh::{EnhancedRefresh, RefreshSubtype, RouteRefresh};
use heddle_bgp_core::update::decode;
use heddle_bgp_core::{Framer, MessageType, Notification, Open, Prefix, Timestamp};
use heddle_bgp_fsm::event::{AutomaticStop, AutomaticStopCause, Restart};
use heddle_bgp_fsm::{Action, ConnectionId, Door, Event, TcpFailure};
use heddle_rib::rib::Output;
use heddle_rib::{BatchPosition, Ingested, Progress, RunStatus, TakeStatus};

pub(crate) use faults::{Change, Faults};

use crate::node::{Absence, Comeback, Death, Node};
use crate::topology::{Filters, Origin, Topology};
use crate::{Random, Seen};

/// What is under way to one end of a wire.
#[derive(Debug)]
enum Packet {
    Syn,
    SynAck,
    Data(Bytes),
    Gone(TcpFailure),
}

/// One TCP connection between two ends.
struct Wire {
    /// Node and end, of whoever opened it and of the other.
    at: [(usize, usize); 2],
    ids: [Option<ConnectionId>; 2],
    framers: [Framer; 2],
    /// Control messages of each side that wait for room.
    control: [VecDeque<u8>; 2],
    /// Octets from each side that have not arrived.
    in_flight: [usize; 2],
    black_hole: bool,
    arrives: [Timestamp; 2],
    /// The most milliseconds that a packet takes: connections overtake each other.
    latency: u64,
    /// What has arrived at an end that does not read, and until when it does not.
    unread: [VecDeque<Packet>; 2],
    pauses: [Option<Timestamp>; 2],
    /// Since when the pipe has no room for what each side has to write.
    full_since: [Option<Timestamp>; 2],
}

pub(crate) struct Net {
    now: Timestamp,
    /// How often something happened at this time.
    still: u32,
    nodes: Vec<Node>,
    wires: Vec<Wire>,
    /// Which side of which wire a connection of an end is.
    sides: BTreeMap<((usize, usize), ConnectionId), (usize, usize)>,
    under_way: BTreeMap<(Timestamp, u64), (usize, usize, Packet)>,
    sequence: u64,
    random: Random,
    window: usize,
    /// As [`Topology`] has them.
    late: u64,
    owner: u64,
    quantum: usize,
    /// After how long a peer that takes nothing is given up.
    send_hold: Option<Duration>,
    prefixes: Vec<Prefix>,
    origins: Vec<BTreeMap<Prefix, Origin>>,
    /// What happens by itself; nothing in a sound network.
    faults: Faults,
    /// A node that dies with what it does now, and how.
    doomed: Option<(usize, Death)>,
    /// Ends that do not read, and until when.
    paused: Vec<(Timestamp, usize, usize)>,
    /// Pairs of nodes between which nothing passes, and until when.
    cut: BTreeMap<(usize, usize), Timestamp>,
    /// When an UPDATE was last delivered, or a session began.
    last_change: Timestamp,
    pub(crate) seen: Seen,
    /// Whether no session ends.
    pub(crate) steady: bool,
    /// Whether all that happens is told.
    trace: bool,
}

/// The most milliseconds that a packet takes, on connections that others overtake, and on those.
const LATE: u64 = 3000;
const FAST: u64 = 50;
/// Steps that nobody needs within one moment.
const LIVELOCK: u32 = 10_000;

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Net {
    pub(crate) fn new(topology: &Topology, mut random: Random) -> Self {
        let nodes = (0..topology.speakers.len()).map(|n| Node::new(topology, n, random.below(u64::MAX >> 32), None));
        Self {
            now: Timestamp::from_secs(1),
            still: 0,
            nodes: nodes.collect(),
            wires: Vec::new(),
            sides: BTreeMap::new(),
            under_way: BTreeMap::new(),
            sequence: 0,
            window: topology.window,
            late: topology.late,
            owner: topology.owner,
            quantum: topology.quantum,
            send_hold: topology.send_hold.map(Duration::from_secs),
            prefixes: topology.prefixes.clone(),
            origins: topology.speakers.iter().map(|speaker| speaker.origins.clone()).collect(),
            faults: Faults::NONE,
            doomed: None,
            paused: Vec::new(),
            cut: BTreeMap::new(),
            last_change: Timestamp::ZERO,
            seen: Seen::default(),
            steady: false,
            trace: std::env::var_os("HEDDLE_SIM_TRACE").is_some(),
            random,
        }
    }

    pub(crate) fn start(&mut self) {
        for node in 0..self.nodes.len() {
            for (prefix, origin) in std::mem::take(&mut self.origins[node]) {
                self.nodes[node].originate(self.now, prefix, origin);
            }
            self.start_sessions(node);
        }
    }

    fn start_sessions(&mut self, node: usize) {
        self.rib_soon(node);
        for end in 0..self.nodes[node].ends.len() {
            self.event((node, end), Event::ManualStart);
        }
    }

    /// What everybody originates and filters now.
    pub(crate) fn present(&self) -> Vec<(BTreeMap<Prefix, Origin>, Vec<Filters>)> {
        let of = |node: &Node| (node.origins.clone(), node.ends.iter().map(|end| end.filters).collect());
        self.nodes.iter().map(of).collect()
    }

    /// Nothing happens but what timers do, until so many seconds after the beginning.
    pub(crate) fn until(&mut self, seconds: u64) {
        let end = Timestamp::from_secs(1 + seconds);
        while self.now < end {
            self.step(end);
        }
    }

    /// No more faults: runs until all sessions stand and nothing was told for longer than any timer waits.
    pub(crate) fn calm(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        self.last_change = self.now;
        while self.now < end {
            let step = self.now + Duration::from_secs(1);
            while self.now < step {
                self.step(step);
            }
            if self.is_sound() && self.now.since(self.last_change) > Duration::from_secs(20) {
                return;
            }
        }
        panic!("the network does not come to rest");
    }

    /// Whether whatever anybody has to say is heard: all sessions stand, on connections through which something passes, to
    /// peers that read.
    fn is_sound(&self) -> bool {
        let is_up = |node: &Node| {
            let ends = node.ends.iter().all(|end| end.session.is_some() && end.stale_until.is_none());
            ends && node.away.is_none() && node.deferral.is_none()
        };
        let ends = self.nodes.iter().enumerate().flat_map(|(n, node)| (0..node.ends.len()).map(move |end| (n, end)));
        let mut wires = ends.filter_map(|at| self.wire_of(at));
        self.nodes.iter().all(is_up) && self.paused.is_empty() && wires.all(|wire| !self.wires[wire].black_hole)
    }

    /// The wire of an established session.
    fn wire_of(&self, at: (usize, usize)) -> Option<usize> {
        let session = self.nodes[at.0].ends[at.1].session.as_ref()?;
        self.side_of(at, session.connection).map(|(wire, _)| wire)
    }

    fn side_of(&self, at: (usize, usize), id: ConnectionId) -> Option<(usize, usize)> {
        self.sides.get(&(at, id)).copied()
    }

    /// An end has the connection.
    fn open(&mut self, wire: usize, side: usize, id: ConnectionId) {
        self.wires[wire].ids[side] = Some(id);
        self.sides.insert((self.wires[wire].at[side], id), (wire, side));
    }

    /// It has it no more.
    fn shut(&mut self, wire: usize, side: usize) -> Option<ConnectionId> {
        let id = self.wires[wire].ids[side].take()?;
        self.sides.remove(&(self.wires[wire].at[side], id));
        Some(id)
    }

    /// Advances to what happens next, at most to `until`.
    fn step(&mut self, until: Timestamp) {
        let timers = self.nodes.iter().flat_map(|node| {
            let away = node.away.map(|(at, _)| at);
            let ends = node.ends.iter().flat_map(|end| [end.fsm.poll_timeout(), end.stale_until]);
            let own = ends.chain([node.rib_due, node.deferred_until()]).flatten().filter(move |_| away.is_none());
            own.chain(away)
        });
        let packets = self.under_way.keys().next().map(|(at, _)| *at);
        let pauses = self.paused.iter().map(|(at, ..)| *at);
        let next = timers.chain(packets).chain(pauses).min();
        let Some(next) = next.filter(|at| *at <= until) else {
            self.now = until;
            return;
        };
        self.still = if self.now < next { 0 } else { self.still + 1 };
        assert!(self.still < LIVELOCK, "time stands still at {next:?}");
        self.now = self.now.max(next);
        self.cut.retain(|_, end| *end > next);
        for node in 0..self.nodes.len() {
            self.come_back(node);
            self.bury();
        }
        // Of what is due at once, either may be first: one that was stopped finds timers that ran out and octets that wait.
        if self.random.one_in(2) {
            self.run_all_timers();
        }
        while let Some(entry) = self.under_way.first_entry().filter(|e| e.key().0 <= self.now) {
            let ((_, sequence), (wire, to, packet)) = entry.remove_entry();
            let away = self.nodes[self.wires[wire].at[to].0].away;
            if let Some((until, Absence::Stopped)) = away.filter(|(until, _)| *until > self.now) {
                // The kernel has it for the process.
                self.under_way.insert((until, sequence), (wire, to, packet));
                continue;
            }
            self.deliver(wire, to, packet);
            self.bury();
        }
        self.read_on();
        self.run_all_timers();
        self.check_send_hold();
    }

    fn run_all_timers(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].away.is_none() {
                self.run_timers(node);
            }
            self.bury();
        }
    }

    fn run_timers(&mut self, node: usize) {
        for end in 0..self.nodes[node].ends.len() {
            if self.nodes[node].ends[end].fsm.poll_timeout().is_some_and(|at| at <= self.now) {
                self.nodes[node].ends[end].fsm.handle_timeout(self.now);
                self.carry_out((node, end));
            }
        }
        if self.nodes[node].sweep(self.now) {
            self.rib_soon(node);
        }
        if self.nodes[node].deferred_until().is_some_and(|at| at <= self.now) {
            self.nodes[node].end_deferral(self.now, None);
            self.rib_soon(node);
        }
        if self.nodes[node].rib_due.is_some_and(|at| at <= self.now) {
            self.run_rib(node);
        }
    }

    /// The RIB has something to do; it gets to it a moment later.
    fn rib_soon(&mut self, node: usize) {
        let at = self.now + Duration::from_millis(self.random.below(self.owner));
        let due = &mut self.nodes[node].rib_due;
        *due = Some(due.map_or(at, |old| old.min(at)));
    }

    /// A few quanta, after which it is within its bounds.
    fn run_rib(&mut self, node: usize) {
        self.run_quanta(node);
        self.nodes[node].check_bounds(node, self.now);
    }

    fn run_quanta(&mut self, node: usize) {
        self.nodes[node].rib_due = None;
        let quanta = 1 + self.random.below(20);
        for _ in 0..quanta {
            let slots = 1 + self.random.index(self.quantum);
            let status = self.nodes[node].rib.run(self.now, slots);
            self.rib_outputs(node);
            if let RunStatus::Idle(at) = status {
                let due = &mut self.nodes[node].rib_due;
                *due = match (*due, at) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                return;
            }
        }
        self.rib_soon(node);
    }

    fn rib_outputs(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].rib.poll_output() {
            self.tell(|| format!("{node} {output:?}"));
            match output {
                Output::WakeWriter { peer, .. } => {
                    let at = (node, self.nodes[node].end_of(peer));
                    let connection = self.nodes[node].ends[at.1].session.as_ref().map(|s| s.connection);
                    if let Some((wire, side)) = connection.and_then(|id| self.side_of(at, id)) {
                        self.pump(wire, side);
                    }
                }
                // The RIB itself sweeps what is stale at End-of-RIB.
                Output::EndOfRib { peer, family } => {
                    let end = self.nodes[node].end_of(peer);
                    self.nodes[node].complete(end, family);
                    self.nodes[node].end_deferral(self.now, Some((end, family)));
                    self.rib_soon(node);
                }
                Output::LimitExceeded { peer, family, count, .. } => {
                    let end = self.nodes[node].end_of(peer);
                    // Of two families that exceed theirs at once, the first ended the session.
                    if self.nodes[node].ends[end].session.is_some() {
                        self.nodes[node].check_limit(peer, family, count);
                    }
                    self.seen.limited += 1;
                    let cause = AutomaticStopCause::PrefixLimit(family, count);
                    let restart = Restart::After(Duration::from_secs(5));
                    self.event((node, end), Event::AutomaticStop(AutomaticStop { cause, restart }));
                }
                Output::NextHop { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn post(&mut self, wire: usize, from: usize, packet: Packet) {
        let w = &self.wires[wire];
        let (a, b) = (w.at[0].0, w.at[1].0);
        if w.black_hole || self.is_dying(w.at[from].0) {
            return;
        }
        if self.cut.contains_key(&pair(a, b)) {
            self.wires[wire].black_hole = true;
            return;
        }
        let to = 1 - from;
        // What is late is now and then as fast as the rest, so that anything may overtake anything.
        let most = self.wires[wire].latency;
        let most = if most > FAST && self.random.one_in(2) { FAST } else { most };
        let latency = Duration::from_millis(1 + self.random.below(most));
        let arrival = (self.now + latency).max(self.wires[wire].arrives[to]);
        self.wires[wire].arrives[to] = arrival;
        self.sequence += 1;
        self.under_way.insert((arrival, self.sequence), (wire, to, packet));
    }

    fn send_octets(&mut self, wire: usize, side: usize, octets: Bytes) {
        self.wires[wire].in_flight[side] += octets.len();
        self.wires[wire].full_since[side] = None;
        self.post(wire, side, Packet::Data(octets));
    }

    /// Writes what there is and what the pipe has room for: control messages between whole messages of the journal.
    fn pump(&mut self, wire: usize, side: usize) {
        let at = self.wires[wire].at[side];
        if self.nodes[at.0].away.is_some() {
            return;
        }
        let mut wake = false;
        while let Some(id) = self.wires[wire].ids[side] {
            let room = self.window.saturating_sub(self.wires[wire].in_flight[side]);
            if room == 0 {
                self.wires[wire].full_since[side].get_or_insert(self.now);
                break;
            }
            let session = self.nodes[at.0].ends[at.1].session.as_mut().filter(|s| s.connection == id);
            let begun = session.as_ref().is_some_and(|s| s.readers.iter().any(|(_, r)| r.mid_message()));
            if !begun && !self.wires[wire].control[side].is_empty() {
                let control = &mut self.wires[wire].control[side];
                let octets: Bytes = control.drain(..room.min(control.len())).collect::<Vec<u8>>().into();
                self.send_octets(wire, side, octets);
                self.nodes[at.0].ends[at.1].fsm.handle(self.now, Event::WriteProgress(id));
                continue;
            }
            let Some(session) = session else { break };
            let Some(octets) = take(session, begun, room, &mut self.random, &mut self.seen, &mut wake) else { break };
            self.send_octets(wire, side, octets);
            self.nodes[at.0].ends[at.1].fsm.handle(self.now, Event::WriteProgress(id));
        }
        if wake {
            self.rib_soon(at.0);
        }
    }

    fn event(&mut self, at: (usize, usize), event: Event) {
        self.nodes[at.0].ends[at.1].fsm.handle(self.now, event);
        self.carry_out(at);
    }

    fn carry_out(&mut self, at: (usize, usize)) {
        let mut checks = Vec::new();
        while let Some(action) = self.nodes[at.0].ends[at.1].fsm.poll_action() {
            self.tell(|| format!("{at:?} {action:?}"));
            match action {
                Action::Connect(id) => {
                    let to = self.nodes[at.0].ends[at.1].to;
                    let latency = if self.random.one_in(self.late) { LATE } else { FAST };
                    self.wires.push(Wire {
                        at: [at, to],
                        ids: [None; 2],
                        framers: [Framer::new(), Framer::new()],
                        control: [VecDeque::new(), VecDeque::new()],
                        in_flight: [0; 2],
                        black_hole: false,
                        arrives: [self.now; 2],
                        latency,
                        unread: [VecDeque::new(), VecDeque::new()],
                        pauses: [None; 2],
                        full_since: [None; 2],
                    });
                    self.open(self.wires.len() - 1, 0, id);
                    self.post(self.wires.len() - 1, 0, Packet::Syn);
                }
                Action::Send(id, message) => {
                    self.check_collision(at, id, &message);
                    if let Some((wire, side)) = self.side_of(at, id) {
                        self.wires[wire].control[side].extend(message.encode());
                        self.pump(wire, side);
                    }
                }
                Action::Close(id) => self.close(at, id),
                Action::CheckHold(id) => checks.push(id),
                Action::Up(id, negotiated) => {
                    if let Some((wire, side)) = self.side_of(at, id) {
                        if negotiated.max_receive_len > 4096 {
                            self.wires[wire].framers[side].allow_extended();
                        }
                        self.nodes[at.0].up(self.now, at.1, id, (*negotiated).clone());
                        self.last_change = self.now;
                        self.seen.sessions += 1;
                        self.rib_soon(at.0);
                        self.pump(wire, side);
                    }
                }
                Action::Down(id, reason) => {
                    self.check_end(at, id, &reason);
                    // A message that was begun is finished before the last words.
                    if let Some((wire, side)) = self.side_of(at, id)
                        && let Some(session) = &self.nodes[at.0].ends[at.1].session
                    {
                        let rest: Vec<u8> = session.readers.iter().filter_map(|(_, r)| r.rest()).flatten().collect();
                        let words: Vec<u8> = self.wires[wire].control[side].drain(..).collect();
                        self.wires[wire].control[side].extend(rest.into_iter().chain(words));
                    }
                    let kept = self.nodes[at.0].down(self.now, at.1, &reason);
                    self.seen.lost += 1;
                    self.seen.kept_stale += usize::from(kept);
                    self.rib_soon(at.0);
                }
                Action::StateChanged { reason, .. } => self.check_reason(reason.as_deref()),
            }
        }
        for id in checks {
            self.read_empty(at, id);
            self.event(at, Event::ReadEmpty(id));
        }
    }

    /// Reads what has come for a connection.
    fn read_empty(&mut self, at: (usize, usize), id: ConnectionId) {
        while let Some((wire, side)) = self.side_of(at, id)
            && self.wires[wire].pauses[side].is_none()
        {
            let unread = self.wires[wire].unread[side].pop_front();
            let come =
                || self.waiting(wire, side).and_then(|key| self.under_way.remove(&key)).map(|(.., packet)| packet);
            let Some(packet) = unread.or_else(come) else { return };
            self.deliver(wire, side, packet);
        }
    }

    /// The next thing that has come to one side of a wire and was not read.
    fn waiting(&self, wire: usize, side: usize) -> Option<(Timestamp, u64)> {
        let come = self.under_way.range(..=(self.now, u64::MAX));
        come.filter(|(_, packet)| (packet.0, packet.1) == (wire, side)).map(|(key, _)| *key).next()
    }

    fn close(&mut self, at: (usize, usize), id: ConnectionId) {
        let Some((wire, side)) = self.side_of(at, id) else { return };
        let words: Vec<u8> = self.wires[wire].control[side].drain(..).collect();
        if !words.is_empty() {
            self.send_octets(wire, side, words.into());
        }
        self.shut(wire, side);
        self.post(wire, side, Packet::Gone(TcpFailure::Closed));
    }

    fn deliver(&mut self, wire: usize, to: usize, packet: Packet) {
        let at = self.wires[wire].at[to];
        if self.faults.happens(&mut self.random, self.faults.resets) {
            return self.reset(wire);
        }
        if self.wires[wire].pauses[to].is_some() {
            self.wires[wire].unread[to].push_back(packet);
            return;
        }
        match packet {
            Packet::Syn if self.nodes[at.0].away.is_some() => {
                // A kernel without the process refuses; one without power says nothing.
                if let Some((_, Absence::Dead(Death::Killed, _))) = self.nodes[at.0].away {
                    self.post(wire, to, Packet::Gone(TcpFailure::Refused));
                }
            }
            Packet::Syn => {
                let id = self.nodes[at.0].ends[at.1].fsm.new_connection_id();
                self.open(wire, to, id);
                self.post(wire, to, Packet::SynAck);
                self.event(at, Event::TcpConnectionConfirmed(id));
            }
            Packet::SynAck => {
                if let Some(id) = self.wires[wire].ids[to] {
                    self.event(at, Event::TcpCrAcked(id));
                }
            }
            Packet::Data(octets) => {
                self.wires[wire].in_flight[1 - to] -= octets.len();
                self.receive(wire, to, &octets);
                self.pump(wire, 1 - to);
            }
            Packet::Gone(failure) => {
                if let Some(id) = self.shut(wire, to) {
                    self.event(at, Event::TcpConnectionFails(id, failure));
                }
            }
        }
    }

    fn receive(&mut self, wire: usize, to: usize, octets: &[u8]) {
        let at = self.wires[wire].at[to];
        self.wires[wire].framers[to].push(octets);
        let mut updates = 0;
        loop {
            let Some(id) = self.wires[wire].ids[to] else { return };
            // A session is only that of its own connection.
            let end = &mut self.nodes[at.0].ends[at.1];
            let session = end.session.as_mut().filter(|s| s.connection == id);
            let Some(frame) = self.wires[wire].framers[to].next().expect("well-framed") else { break };
            let event = match frame.kind {
                MessageType::Open => Event::BgpOpen(id, Open::decode(frame.body()).expect("an OPEN")),
                MessageType::Keepalive => Event::KeepAliveMsg(id),
                MessageType::Notification => {
                    Event::NotifMsg(id, Notification::decode(frame.body()).expect("a NOTIFICATION"))
                }
                MessageType::Update => {
                    let session = session.expect("UPDATEs come in Established only");
                    let update = decode(frame.body(), &session.context, &mut session.scratch).expect("a sound UPDATE");
                    assert!(update.faults.is_empty(), "{:?}", update.faults);
                    let text = self.trace.then(|| format!("{at:?} {id:?} gets {update:?}"));
                    let whole = session.negotiated.enhanced_route_refresh && update.end_of_rib.is_none();
                    let lost = whole && self.faults.happens(&mut self.random, self.faults.deaf);
                    if !lost {
                        session.builder.push(&update);
                    }
                    drop(update);
                    text.into_iter().for_each(|text| self.tell(|| text));
                    self.last_change = self.now;
                    updates += 1;
                    if lost {
                        self.seen.unheard += 1;
                        self.ask_for_all(at);
                    }
                    continue;
                }
                MessageType::RouteRefresh => {
                    let session = session.expect("ROUTE-REFRESH comes in Established only");
                    let enhanced = EnhancedRefresh::from(&session.negotiated);
                    let refresh = RouteRefresh::decode(frame.raw, enhanced).expect("a ROUTE-REFRESH");
                    match refresh.subtype {
                        RefreshSubtype::Request => {
                            self.seen.refreshes += 1;
                            let session = session.id;
                            self.nodes[at.0].rib.refresh(self.now, session, refresh.family);
                            self.rib_soon(at.0);
                        }
                        RefreshSubtype::Begin => session.builder.begin_refresh(refresh.family),
                        RefreshSubtype::End => session.builder.end_refresh(refresh.family),
                        RefreshSubtype::Unknown(other) => panic!("ROUTE-REFRESH {other}"),
                    }
                    Event::RouteRefreshMsg(id)
                }
            };
            // What came before a message that may end the session is taken first.
            self.ingest(at, id, std::mem::take(&mut updates));
            self.event(at, event);
        }
        let Some(id) = self.wires[wire].ids[to] else { return };
        self.ingest(at, id, updates);
    }

    fn ingest(&mut self, at: (usize, usize), id: ConnectionId, updates: u32) {
        let node = &mut self.nodes[at.0];
        let end = &mut node.ends[at.1];
        let Some(session) = end.session.as_mut().filter(|s| s.connection == id && !s.builder.is_empty()) else {
            return;
        };
        if updates == 0 || end.fsm.updates_received(self.now, id, updates) == Door::Open {
            let (session, batch, mut place) = (session.id, session.builder.take(), BatchPosition::default());
            // A prefix at a time, so that what is said of it is looked at before it changes again.
            let had_stale = self.nodes[at.0].has_stale(session.peer);
            while self.nodes[at.0].rib.ingest_some(self.now, session, &batch, &mut place, 1) == Ingested::Some {
                if had_stale {
                    self.nodes[at.0].check_replaced(session.peer);
                }
                self.rib_outputs(at.0);
            }
            self.nodes[at.0].check_replaced(session.peer);
        }
        self.carry_out(at);
        self.rib_outputs(at.0);
        self.rib_soon(at.0);
    }
}

/// What a session has to write next, in a random piece of at most `room` octets.
fn take(
    session: &mut crate::node::Session,
    begun: bool,
    room: usize,
    random: &mut Random,
    seen: &mut Seen,
    wake: &mut bool,
) -> Option<Bytes> {
    for _ in 0..session.readers.len() {
        session.readers.rotate_left(1);
        let (_, reader) = session.readers.front_mut()?;
        if begun && !reader.mid_message() {
            continue;
        }
        let mut pieces = Vec::new();
        match reader.take(&mut pieces, room) {
            TakeStatus::Taken => {
                let mut octets: Vec<u8> = pieces.into_iter().flatten().collect();
                octets.truncate(room);
                if random.one_in(3) {
                    octets.truncate(1 + random.index(octets.len()));
                }
                *wake |= reader.advance(octets.len()) == Progress::WakeOwner;
                seen.cut_messages += usize::from(reader.mid_message());
                return Some(octets.into());
            }
            TakeStatus::Empty(progress) => *wake |= progress == Progress::WakeOwner,
            TakeStatus::Detached => {
                seen.detached += 1;
                *wake |= reader.ready() == Progress::WakeOwner;
            }
            TakeStatus::Closed => {}
        }
    }
    None
}
