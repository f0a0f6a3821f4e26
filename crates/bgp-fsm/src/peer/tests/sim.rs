//! Two peers on a simulated network in virtual time: delays, resets, refused and lost attempts, silent drops, from a
//! seed. Whatever happens, once the network is sound they agree on exactly one established connection.

use std::collections::BTreeMap;

use bytes::Bytes;
use heddle_bgp_core::{Framer, MessageType, Notification};

use super::*;
use crate::TcpFailure;
use crate::jitter::Jitter;

/// What is under way to a side.
#[derive(Clone, Debug)]
enum Packet {
    /// A connection request.
    Syn,
    /// It was accepted.
    SynAck,
    /// Octets.
    Data(Bytes),
    /// The other side closed, or the network reset the connection.
    Gone(TcpFailure),
}

/// One TCP connection.
#[derive(Debug)]
struct Wire {
    /// The connection's name on each side.
    ids: [Option<ConnectionId>; 2],
    framers: [Framer; 2],
    /// Whether what is sent vanishes without a trace.
    black_hole: bool,
    /// When the last packet to each side arrives: TCP keeps the order.
    arrives: [Timestamp; 2],
}

/// Time of arrival, sequence number: a total order.
type Due = (Timestamp, u64);

struct Net {
    now: Timestamp,
    peers: [Peer; 2],
    wires: Vec<Wire>,
    under_way: BTreeMap<Due, (usize, usize, Packet)>,
    sequence: u64,
    random: Jitter,
    /// Whether faults happen.
    hostile: bool,
    latency: u64,
}

impl Net {
    fn new(seed: u64, configs: [PeerConfig; 2]) -> Self {
        let [a, b] = configs;
        Self {
            now: at(0),
            peers: [Peer::new(a, seed), Peer::new(b, seed.wrapping_mul(31) + 1)],
            wires: Vec::new(),
            under_way: BTreeMap::new(),
            sequence: 0,
            random: Jitter::new(seed ^ 0x5eed),
            hostile: false,
            latency: 50,
        }
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.hostile && self.random.below(one_in) == 0
    }

    fn post(&mut self, wire: usize, to: usize, packet: Packet) {
        if self.wires[wire].black_hole {
            return;
        }
        let delay = Duration::from_millis(1 + self.random.below(self.latency));
        let arrival = (self.now + delay).max(self.wires[wire].arrives[to]);
        self.wires[wire].arrives[to] = arrival;
        self.sequence += 1;
        self.under_way.insert((arrival, self.sequence), (wire, to, packet));
    }

    fn start(&mut self) {
        for side in 0..2 {
            self.event(side, Event::ManualStart);
        }
    }

    fn event(&mut self, side: usize, event: Event) {
        self.peers[side].handle(self.now, event);
        self.carry_out(side);
    }

    fn wire_of(&self, side: usize, id: ConnectionId) -> Option<usize> {
        self.wires.iter().position(|w| w.ids[side] == Some(id))
    }

    fn carry_out(&mut self, side: usize) {
        let mut checks = Vec::new();
        for action in drain(&mut self.peers[side]) {
            match action {
                Action::Connect(id) => {
                    let mut ids = [None; 2];
                    ids[side] = Some(id);
                    let framers = [Framer::new(), Framer::new()];
                    let black_hole = self.chance(8);
                    self.wires.push(Wire { ids, framers, black_hole, arrives: [self.now; 2] });
                    self.post(self.wires.len() - 1, 1 - side, Packet::Syn);
                }
                Action::Send(id, message) => {
                    if let Some(wire) = self.wire_of(side, id) {
                        self.post(wire, 1 - side, Packet::Data(message.encode()));
                        self.peers[side].handle(self.now, Event::WriteProgress(id));
                    }
                }
                Action::Close(id) => {
                    if let Some(wire) = self.wire_of(side, id) {
                        self.wires[wire].ids[side] = None;
                        self.post(wire, 1 - side, Packet::Gone(TcpFailure::Closed));
                    }
                }
                Action::CheckHold(id) => checks.push(id),
                Action::Up(..) | Action::Down(..) | Action::StateChanged { .. } => {}
            }
        }
        for id in checks {
            self.event(side, Event::ReadEmpty(id));
        }
    }

    fn deliver(&mut self, wire: usize, to: usize, packet: Packet) {
        if self.chance(20) {
            // The network resets the connection, or swallows it from here on.
            if self.random.below(3) == 0 {
                self.wires[wire].black_hole = true;
                return;
            }
            for side in 0..2 {
                if let Some(id) = self.wires[wire].ids[side].take() {
                    self.event(side, Event::TcpConnectionFails(id, TcpFailure::Reset));
                }
            }
            self.wires[wire].black_hole = true;
            return;
        }
        match packet {
            Packet::Syn => {
                let id = self.peers[to].new_connection_id();
                self.wires[wire].ids[to] = Some(id);
                self.post(wire, 1 - to, Packet::SynAck);
                self.event(to, Event::TcpConnectionConfirmed(id));
            }
            Packet::SynAck => {
                if let Some(id) = self.wires[wire].ids[to] {
                    self.event(to, Event::TcpCrAcked(id));
                }
            }
            Packet::Data(bytes) => self.receive(wire, to, &bytes),
            Packet::Gone(failure) => {
                if let Some(id) = self.wires[wire].ids[to].take() {
                    self.event(to, Event::TcpConnectionFails(id, failure));
                }
            }
        }
    }

    fn receive(&mut self, wire: usize, to: usize, bytes: &[u8]) {
        self.wires[wire].framers[to].push(bytes);
        loop {
            let Some(id) = self.wires[wire].ids[to] else { return };
            let event = match self.wires[wire].framers[to].next().expect("we frame what we send") {
                None => return,
                Some(frame) => match frame.kind {
                    MessageType::Open => Event::BgpOpen(id, Open::decode(frame.body()).expect("our OPEN decodes")),
                    MessageType::Keepalive => Event::KeepAliveMsg(id),
                    MessageType::Notification => {
                        Event::NotifMsg(id, Notification::decode(frame.body()).expect("our NOTIFICATION decodes"))
                    }
                    MessageType::Update | MessageType::RouteRefresh => unreachable!("nobody sends it"),
                },
            };
            self.event(to, event);
        }
    }

    /// One step to whatever comes next; false when it is not before `until`.
    fn step(&mut self, until: Timestamp) -> bool {
        let packet = self.under_way.keys().next().copied();
        let timer = (0..2).filter_map(|side| Some((self.peers[side].poll_timeout()?, side))).min();
        match (packet, timer) {
            (Some(due), timer) if due.0 <= until && timer.is_none_or(|(t, _)| due.0 <= t) => {
                self.now = self.now.max(due.0);
                if let Some((wire, to, packet)) = self.under_way.remove(&due) {
                    self.deliver(wire, to, packet);
                }
                true
            }
            (_, Some((t, side))) if t <= until => {
                self.now = self.now.max(t);
                self.peers[side].handle_timeout(self.now);
                self.carry_out(side);
                true
            }
            _ => {
                self.now = until;
                false
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..200_000 {
            if !self.step(until) {
                return;
            }
        }
        panic!("live lock: 200,000 steps before {until:?}, now {:?}", self.now);
    }

    /// The wire that both sides are established on.
    fn agreed(&self) -> Option<usize> {
        let wire = |side: usize| self.wire_of(side, self.peers[side].established()?.0);
        wire(0).filter(|w| wire(1) == Some(*w))
    }
}

fn configs(kind: u64) -> [PeerConfig; 2] {
    let quick = |c: PeerConfig| PeerConfig { open_hold_time: secs(30), ..c };
    let (a, b) = (quick(config()), quick(peer_config()));
    match kind % 6 {
        0 => [a, b],
        5 => [PeerConfig { mode: ConnectMode::Once, ..restarting(a) }, restarting(b)],
        1 => [restarting(a), restarting(b)],
        2 => [PeerConfig { mode: ConnectMode::Passive, ..a }, b],
        3 => [a, PeerConfig { delay_open: Some(secs(2)), ..b }],
        _ => [
            PeerConfig { collision_detect_established: true, graceful_restart: None, ..a },
            PeerConfig { collision_detect_established: true, graceful_restart: None, ..b },
        ],
    }
}

/// A sound network from the start: both dial at once, and soon there is one session.
#[test]
fn two_who_dial_at_once_agree() {
    for seed in 0..400 {
        let mut net = Net::new(seed, configs(seed));
        net.start();
        net.run(secs(60));
        assert!(net.agreed().is_some(), "seed {seed}: {} and {}", net.peers[0].state(), net.peers[1].state());
        assert!(net.peers.iter().all(|p| p.second == Second::None), "seed {seed}: one connection only");
    }
}

/// Ten hostile minutes, then a sound network: within the longest of all timers there is one session, and it stays.
#[test]
fn whatever_happens_they_agree_in_the_end() {
    for seed in 0..150 {
        let mut net = Net::new(seed, configs(seed));
        net.hostile = true;
        net.start();
        net.run(secs(600));
        net.hostile = false;
        net.run(secs(900));
        let wire = net.agreed();
        assert!(wire.is_some(), "seed {seed}: {} and {}", net.peers[0].state(), net.peers[1].state());
        let ups = [net.peers[0].counters().established, net.peers[1].counters().established];
        net.run(secs(900));
        assert_eq!(net.agreed(), wire, "seed {seed}: it stays");
        assert_eq!(ups, [net.peers[0].counters().established, net.peers[1].counters().established]);
    }
}

/// The same seed gives the same run.
#[test]
fn deterministic() {
    let run = |seed| {
        let mut net = Net::new(seed, configs(seed));
        net.hostile = true;
        net.start();
        net.run(secs(600));
        (net.sequence, net.peers.map(|p| format!("{p:?}")))
    };
    for seed in 0..10 {
        assert_eq!(run(seed), run(seed));
    }
}
