//! After whoever carries out the actions has failed half-way.

use std::time::Duration;

use heddle_bgp_core::{Negotiated, Timestamp};

use super::Peer;
use crate::config::PeerConfig;
use crate::down::{DownCause, DownReason, Initiator, Retention};
use crate::ending;
use crate::state::{IdleWhy, State, StateKind};
use crate::timers::Timer;

impl Peer {
    /// The machine that takes the place of this one after a failure of its surroundings (a panic, say) that may have left
    /// it at any point, and why the session `lost`, if there was one, has ended.
    ///
    /// All connections are to be closed without a word: to the peer it is a lost connection, over which it may keep our
    /// routes (RFC 4724 §4.2), and so do we keep its. What goes over are plain numbers: the counters, the names of
    /// connections, and what damping counts. The new machine is Idle and starts by itself: after a moment the first time, then
    /// after pauses as for errors (RFC 4271 §8.1.1).
    #[must_use]
    pub fn failed(
        &self,
        now: Timestamp,
        config: PeerConfig,
        lost: Option<&Negotiated>,
        what: String,
    ) -> (Self, Box<DownReason>) {
        let cause = DownCause::InternalError(what);
        let state = if lost.is_some() { StateKind::Established } else { self.state.kind() };
        let retention = lost.map_or(Retention::Flush, |n| ending::retention(n, &cause, None));
        let reason = Box::new(DownReason { by: Initiator::Local, cause, notification: None, state, retention });
        let mut new = Self::new(config, 0);
        new.jitter = self.jitter.clone();
        new.backoff = self.backoff;
        new.counters = self.counters.clone();
        new.next_connection = self.next_connection;
        new.dialed_once = self.dialed_once;
        new.counters.flaps += u64::from(self.established().is_some());
        new.record(now, &reason);
        let hold = new.backoff.note_failure(&new.config.idle_hold);
        // A hold that runs already is not cut short.
        let until = self.idle_until().map_or(now + hold, |until| until.max(now + hold));
        new.state = self.state.clone();
        new.transition(State::Idle(IdleWhy::Holding), Some(reason.clone()));
        new.timers.set(Timer::IdleHold, Some(until));
        (new, reason)
    }

    /// Begins a peer on whose messages the program failed that often in a row: it is held before it is tried, longer each time.
    /// Everybody lost his session by it, so the first pause is that of a second failure; none is shorter than `at_least`.
    pub fn hold_for_faults(&mut self, now: Timestamp, faults: u32, at_least: Duration, what: String) {
        let mut hold = self.backoff.note_failure(&self.config.idle_hold);
        // Beyond some thirty doublings nothing changes.
        for _ in 0..faults.min(64) {
            hold = self.backoff.note_failure(&self.config.idle_hold);
        }
        let hold = hold.max(at_least);
        let cause = DownCause::InternalError(what);
        let (by, state, retention) = (Initiator::Local, self.state.kind(), Retention::Flush);
        let reason = Box::new(DownReason { by, cause, notification: None, state, retention });
        self.record(now, &reason);
        self.transition(State::Idle(IdleWhy::Holding), Some(reason));
        self.timers.set(Timer::IdleHold, Some(now + hold));
    }
}
