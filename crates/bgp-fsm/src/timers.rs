//! The deadlines of a peer, in one array: the shell needs one sleep.

use std::time::Duration;

use heddle_bgp_core::Timestamp;

/// A timer of the state machine (RFC 4271 §8.1.3, RFC 9687 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// ConnectRetryTimer.
    ConnectRetry,
    /// HoldTimer.
    Hold,
    /// KeepaliveTimer.
    Keepalive,
    /// DelayOpenTimer.
    DelayOpen,
    /// IdleHoldTimer.
    IdleHold,
    /// SendHoldTimer.
    SendHold,
    /// HoldTimer of the second connection.
    SecondHold,
    /// Until the session counts as stable.
    Stable,
}

impl Timer {
    pub(crate) const ALL: [Self; 8] = [
        Self::ConnectRetry,
        Self::Hold,
        Self::Keepalive,
        Self::DelayOpen,
        Self::IdleHold,
        Self::SendHold,
        Self::SecondHold,
        Self::Stable,
    ];
}

/// When each timer runs out; none when it does not run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timers([Option<Timestamp>; Timer::ALL.len()]);

impl Timers {
    pub(crate) fn get(&self, timer: Timer) -> Option<Timestamp> {
        self.0.get(timer as usize).copied().flatten()
    }

    pub(crate) fn set(&mut self, timer: Timer, at: Option<Timestamp>) {
        if let Some(slot) = self.0.get_mut(timer as usize) {
            *slot = at;
        }
    }

    pub(crate) fn start(&mut self, timer: Timer, now: Timestamp, after: Duration) {
        self.set(timer, Some(now + after));
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    /// Stops `timer` if it is due; says whether it was.
    pub(crate) fn take_due(&mut self, timer: Timer, now: Timestamp) -> bool {
        let due = self.get(timer).is_some_and(|at| at <= now);
        if due {
            self.stop(timer);
        }
        due
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.iter().flatten().min().copied()
    }
}
