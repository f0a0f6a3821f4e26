//! Trouble: what operators and workloads change, and what breaks.

use std::time::Duration;

use bytes::BytesMut;
use heddle_bgp_core::route_refresh::{RefreshSubtype, RouteRefresh};
use heddle_bgp_core::{Family, Prefix, Timestamp};
use heddle_bgp_fsm::event::Stop;
use heddle_bgp_fsm::{ConnectionId, Event, TcpFailure};

use super::{Absence, Comeback, Death, Filters, Net, Origin, Packet, pair};
use crate::Random;

/// Something that operators, workloads or the network do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A route comes, goes or changes.
    Route,
    /// Many do, so that journals fill up for those who do not read.
    Burst,
    /// Other import and export policies.
    Policy,
    /// A peer is asked for all of a family again.
    Refresh,
    /// An end does not read for a while.
    Pause,
    /// A process is stopped for a while.
    Stop,
    /// A peer may send no more than some prefixes, or all again.
    Limit,
    /// A speaker dies.
    Crash,
    /// An operator resets a session.
    Session,
    /// A connection is reset.
    Connection,
    /// Nothing passes between two for a while.
    Cut,
}

/// How often what happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// What changes, each as often as it stands here.
    pub(crate) kinds: &'static [Change],
    /// Milliseconds between two changes, at most.
    pub(crate) changes: u64,
    /// One in so many deliveries resets its connection; none: never.
    pub(crate) resets: Option<u64>,
    /// One in so many outputs is the last of its node.
    pub(crate) crashes: Option<u64>,
    /// One in so many UPDATEs is not taken in, and the peer is asked for all again, where it says when it has sent all.
    pub(crate) deaf: Option<u64>,
    /// Seconds that an end does not read, at most.
    pub(crate) pauses: u64,
}

impl Faults {
    /// All that there is.
    pub(crate) const ALL: &'static [Change] = &[
        Change::Route,
        Change::Route,
        Change::Route,
        Change::Session,
        Change::Cut,
        Change::Refresh,
        Change::Refresh,
        Change::Connection,
        Change::Burst,
        Change::Policy,
        Change::Policy,
        Change::Pause,
        Change::Stop,
        Change::Stop,
        Change::Limit,
        Change::Limit,
        Change::Crash,
        Change::Connection,
    ];
    pub(crate) const NONE: Self =
        Self { kinds: Self::ALL, changes: 1, resets: None, crashes: None, deaf: None, pauses: 40 };

    pub(super) fn happens(&self, random: &mut Random, one_in: Option<u64>) -> bool {
        one_in.is_some_and(|n| random.one_in(n))
    }
}

impl Net {
    /// Faults and changes for so many seconds.
    pub(crate) fn trouble(&mut self, seconds: u64, faults: Faults) {
        self.faults = faults;
        let end = self.now + Duration::from_secs(seconds);
        let mut next = self.now;
        while self.now < end {
            if self.now >= next {
                self.change();
                next = self.now + Duration::from_millis(500 + self.random.below(faults.changes));
            }
            let step = next.min(end);
            self.step(step);
        }
        self.faults = Faults::NONE;
        self.cut.clear();
        self.tell(|| "no more faults".to_owned());
        // Operators take limits away that sessions ended for.
        for node in 0..self.nodes.len() {
            for end in 0..self.nodes[node].ends.len() {
                self.nodes[node].set_limit(self.now, end, None);
            }
            self.rib_soon(node);
        }
        // Connections through which nothing passes are found out by their hold timers.
    }

    /// One change that an operator or a workload makes.
    fn change(&mut self) {
        let node = self.random.index(self.nodes.len());
        let end = self.random.index(self.nodes[node].ends.len());
        if self.nodes[node].away.is_some() {
            return;
        }
        self.change_at(node, end);
        self.bury();
    }

    fn change_at(&mut self, node: usize, end: usize) {
        let what = self.faults.kinds[self.random.index(self.faults.kinds.len())];
        self.tell(|| format!("({node}, {end}) {what:?}"));
        match what {
            Change::Route => self.change_route(node),
            Change::Burst => {
                for _ in 0..10 + self.random.below(30) {
                    self.change_route(node);
                    self.run_rib(node);
                }
            }
            Change::Policy => self.change_policy(node, end),
            Change::Refresh => {
                let family = Family::SUPPORTED[self.random.index(2)];
                self.ask_for_refresh((node, end), family);
            }
            Change::Pause => self.pause(node, end),
            Change::Stop => self.stop(node),
            Change::Limit => self.limit(node, end),
            Change::Crash => {
                let death = if self.random.one_in(2) { Death::Killed } else { Death::PowerCut };
                self.doomed = Some((node, death));
            }
            Change::Session => {
                self.event((node, end), Event::ManualStop(Stop::AdministrativeReset(String::new())));
                self.event((node, end), Event::ManualStart);
            }
            Change::Cut => {
                let (other, _) = self.nodes[node].ends[end].to;
                let seconds = 1 + self.random.below(30);
                self.cut.insert(pair(node, other), self.now + Duration::from_secs(seconds));
            }
            Change::Connection => {
                if let Some(wire) = self.wire_of((node, end)) {
                    self.reset(wire);
                }
            }
        }
    }

    fn change_route(&mut self, node: usize) {
        let prefix = self.prefixes[self.random.index(self.prefixes.len())];
        if self.nodes[node].origins.contains_key(&prefix) && self.random.one_in(2) {
            self.nodes[node].retract(self.now, prefix);
        } else {
            let origin = Origin::random(&mut self.random);
            self.nodes[node].originate(self.now, prefix, origin);
        }
        self.rib_soon(node);
    }

    fn change_policy(&mut self, node: usize, end: usize) {
        let one =
            |random: &mut Random, prefixes: &[Prefix]| random.one_in(2).then(|| prefixes[random.index(prefixes.len())]);
        let import = one(&mut self.random, &self.prefixes);
        let export = one(&mut self.random, &self.prefixes);
        self.tell(|| format!("({node}, {end}) filters: {import:?}, {export:?}"));
        self.nodes[node].set_filters(self.now, end, Filters { import, export });
        self.rib_soon(node);
        self.rib_outputs(node);
    }

    /// Asks for what was not heard.
    pub(super) fn ask_for_all(&mut self, at: (usize, usize)) {
        Family::SUPPORTED.into_iter().for_each(|family| self.ask_for_refresh(at, family));
    }

    fn ask_for_refresh(&mut self, at: (usize, usize), family: Family) {
        let Some(session) = &self.nodes[at.0].ends[at.1].session else { return };
        let connection = session.connection;
        let mut message = BytesMut::new();
        RouteRefresh { family, subtype: RefreshSubtype::Request }.encode(&mut message);
        if let Some((wire, side)) = self.side_of(at, connection) {
            self.wires[wire].control[side].extend(message);
            self.pump(wire, side);
        }
    }

    /// The network resets a connection.
    pub(super) fn reset(&mut self, wire: usize) {
        self.wires[wire].black_hole = true;
        for side in 0..2 {
            let at = self.wires[wire].at[side];
            if let Some((until, Absence::Stopped)) = self.nodes[at.0].away {
                // It hears of it when it goes on.
                self.sequence += 1;
                self.under_way.insert((until, self.sequence), (wire, side, Packet::Gone(TcpFailure::Reset)));
            } else if let Some(id) = self.shut(wire, side) {
                self.event(at, Event::TcpConnectionFails(id, TcpFailure::Reset));
            }
        }
    }

    /// Whether a node says nothing any more: it died with an output before this one, or does with this one.
    pub(super) fn is_dying(&mut self, node: usize) -> bool {
        let crashes = self.faults.crashes;
        if self.doomed.is_none() && self.faults.happens(&mut self.random, crashes) {
            let death = if self.random.one_in(2) { Death::Killed } else { Death::PowerCut };
            self.doomed = Some((node, death));
        }
        self.doomed.is_some_and(|(doomed, _)| doomed == node)
    }

    /// Whoever died is dead from here on.
    pub(super) fn bury(&mut self) {
        let Some((node, death)) = self.doomed.take() else { return };
        self.seen.crashes += 1;
        self.tell(|| format!("{node} dies: {death:?}"));
        let comeback = if self.random.one_in(2) { Comeback::Restarted } else { Comeback::Fresh };
        let until = self.now + Duration::from_millis(self.random.below(20_000));
        self.nodes[node].away = Some((until, Absence::Dead(death, comeback)));
        for wire in 0..self.wires.len() {
            for side in 0..2 {
                if self.wires[wire].at[side].0 != node || self.shut(wire, side).is_none() {
                    continue;
                }
                self.wires[wire].unread[side].clear();
                match death {
                    Death::Killed => self.post(wire, side, Packet::Gone(TcpFailure::Reset)),
                    // The other end has to find out.
                    Death::PowerCut => self.wires[wire].black_hole = true,
                }
            }
        }
    }

    /// A node that was away is there again.
    pub(super) fn come_back(&mut self, node: usize) {
        let Some((_, absence)) = self.nodes[node].away.filter(|(until, _)| *until <= self.now) else { return };
        self.nodes[node].away = None;
        match absence {
            Absence::Stopped => {
                for wire in 0..self.wires.len() {
                    for side in 0..2 {
                        if self.wires[wire].at[side].0 == node {
                            self.pump(wire, side);
                        }
                    }
                }
            }
            Absence::Dead(_, comeback) => {
                let seed = self.random.below(u64::MAX >> 32);
                self.nodes[node].start_again(self.now, comeback, seed);
                self.start_sessions(node);
            }
        }
    }

    /// A process is stopped for up to half a minute: to it time jumps.
    fn stop(&mut self, node: usize) {
        let until = self.now + Duration::from_millis(self.random.below(30_000));
        self.nodes[node].away = Some((until, Absence::Stopped));
        self.seen.stops += 1;
        self.tell(|| format!("{node} is stopped until {until:?}"));
    }

    /// An end does not read for a while, by its own choice: its window closes.
    fn pause(&mut self, node: usize, end: usize) {
        let Some(wire) = self.wire_of((node, end)) else { return };
        let side = usize::from(self.wires[wire].at[1] == (node, end));
        let Some(id) = self.wires[wire].ids[side].filter(|_| self.wires[wire].pauses[side].is_none()) else { return };
        let until = self.now + Duration::from_secs(1 + self.random.below(self.faults.pauses));
        self.pause_until(wire, side, id, until);
    }

    fn pause_until(&mut self, wire: usize, side: usize, id: ConnectionId, until: Timestamp) {
        let (node, end) = self.wires[wire].at[side];
        self.wires[wire].pauses[side] = Some(until);
        self.paused.push((until, wire, side));
        self.seen.pauses += 1;
        self.tell(|| format!("({node}, {end}) reads nothing until {until:?}"));
        self.event((node, end), Event::ReadPaused(id));
    }

    /// The peer of the first node's first session stops reading for so many seconds.
    pub(crate) fn pause_first(&mut self, seconds: u64) {
        let wire = self.wire_of((0, 0)).expect("a session");
        let side = usize::from(self.wires[wire].at[0].0 == 0);
        let id = self.wires[wire].ids[side].expect("a connection");
        self.pause_until(wire, side, id, self.now + Duration::from_secs(seconds));
    }

    /// The connection of the first session passes nothing any more, and nobody is told.
    pub(crate) fn swallow_first(&mut self) {
        let wire = self.wire_of((0, 0)).expect("a session");
        self.wires[wire].black_hole = true;
    }

    /// Everybody originates the first prefix.
    pub(crate) fn originate_everywhere(&mut self) {
        for node in 0..self.nodes.len() {
            let origin = Origin::random(&mut self.random);
            self.nodes[node].originate(self.now, self.prefixes[0], origin);
            self.rib_soon(node);
        }
    }

    /// Ends that did not read do again.
    pub(super) fn read_on(&mut self) {
        let now = self.now;
        for pause in &mut self.paused {
            // A stopped process reads nothing.
            let (node, _) = self.wires[pause.1].at[pause.2];
            if let Some((until, Absence::Stopped)) = self.nodes[node].away {
                pause.0 = pause.0.max(until + Duration::from_millis(1));
            }
        }
        let due: Vec<_> = self.paused.extract_if(.., |(until, ..)| *until <= now).collect();
        for (_, wire, side) in due {
            self.wires[wire].pauses[side] = None;
            // What it has not read is heard only now.
            self.last_change = self.now;
            if let Some(id) = self.wires[wire].ids[side] {
                self.event(self.wires[wire].at[side], Event::ReadResumed(id));
            }
            while let Some(packet) = self.wires[wire].unread[side].pop_front() {
                self.deliver(wire, side, packet);
            }
            self.bury();
        }
    }

    /// A peer may send no more than a few prefixes from now on, or all again.
    fn limit(&mut self, node: usize, end: usize) {
        let limit = self.random.one_in(2).then(|| 1 + u32::try_from(self.random.below(4)).expect("few"));
        self.tell(|| format!("({node}, {end}) limit: {limit:?}"));
        self.nodes[node].set_limit(self.now, end, limit);
        self.rib_soon(node);
        self.rib_outputs(node);
    }
}
