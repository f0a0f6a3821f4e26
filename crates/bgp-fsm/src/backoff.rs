//! Damping of a session that comes and goes (RFC 4271 §8.1.1 DampPeerOscillations, IdleHoldTime).
//!
//! The RFC leaves the method open. Two counts, which only a stable session or the operator resets, so that an
//! attacker, or a peer that chokes on something that we send again each time, cannot start over by establishing the
//! session once more: errors hold the peer in Idle, losses delay our own attempts. See
//! [`IdleHold`](crate::IdleHold).

use std::time::Duration;

use heddle_bgp_core::notification::{CEASE, HOLD_TIMER, OPEN, cease};

use crate::config::IdleHold;
use crate::down::{DownCause, DownReason, NotificationWay};
use crate::state::StateKind;

/// The hold after a failure of our own, where there was no error before it: the peer did nothing wrong that we know of.
const FIRST_FAILURE: Duration = Duration::from_millis(50);

/// What an end means for damping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nobody's fault.
    Free,
    /// A connection was lost or refused before the session was established. It never holds the peer in Idle: two who
    /// refuse each other because each was refused by the other would never meet.
    SetupLoss,
    /// An established session was lost, or the peer ended it in order.
    SessionLoss,
    /// Somebody broke the protocol before the session was established: a configuration that does not fit, mostly.
    SetupError,
    /// Somebody broke the protocol in an established session: each round costs a whole table.
    SessionError,
}

/// What follows an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Penalty {
    /// Wait for the peer, and connect after this time.
    Delay(Duration),
    /// Refuse the peer for this time.
    Hold(Duration),
}

/// The counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    errors: u32,
    losses: u32,
    setup_losses: u32,
}

impl Backoff {
    /// Counts an end; says what follows.
    pub(crate) fn note(&mut self, class: Class, config: &IdleHold) -> Penalty {
        let limit = match class {
            Class::Free => return Penalty::Delay(config.min),
            Class::SetupLoss => {
                self.setup_losses = self.setup_losses.saturating_add(1);
                return Penalty::Delay(doubled(config.min, self.setup_losses - 1, config.damped.max(config.min)));
            }
            Class::SessionLoss => {
                self.losses = self.losses.saturating_add(1);
                let delay = doubled(config.min, self.losses - 1, config.damped.max(config.min));
                let oscillates = self.losses > config.tolerated_losses;
                return if oscillates { Penalty::Hold(delay) } else { Penalty::Delay(delay) };
            }
            Class::SetupError => config.max_before_established.min(config.max),
            Class::SessionError => config.max,
        };
        self.errors = self.errors.saturating_add(1);
        match self.errors.checked_sub(config.tolerated_errors.saturating_add(1)) {
            None => Penalty::Hold(config.min),
            Some(doublings) => Penalty::Hold(doubled(config.damped, doublings, limit)),
        }
    }

    /// Counts a failure of our own; says for how long the peer is held. The first costs next to nothing; further ones count
    /// as errors of the session, for the peer may send again and again what we fail on.
    pub(crate) fn note_failure(&mut self, config: &IdleHold) -> Duration {
        if self.errors == 0 {
            self.errors = 1;
            return FIRST_FAILURE;
        }
        match self.note(Class::SessionError, config) {
            Penalty::Delay(pause) | Penalty::Hold(pause) => pause.max(FIRST_FAILURE),
        }
    }

    /// The session was established: whatever was in the way is not any more.
    pub(crate) fn established(&mut self) {
        self.setup_losses = 0;
    }

    /// Forgets everything: the session was stable, or the operator or the configuration starts anew.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// `base` doubled that often, at most `limit`.
pub(crate) fn doubled(base: Duration, doublings: u32, limit: Duration) -> Duration {
    base.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(limit)
}

/// The class of an end.
pub(crate) fn classify(reason: &DownReason) -> Class {
    let (loss, error) = match reason.state {
        StateKind::Established => (Class::SessionLoss, Class::SessionError),
        StateKind::Idle | StateKind::Connect | StateKind::Active | StateKind::OpenSent | StateKind::OpenConfirm => {
            (Class::SetupLoss, Class::SetupError)
        }
    };
    match &reason.cause {
        DownCause::ManualStop(_)
        | DownCause::AutomaticStop(_)
        | DownCause::CollisionLost
        | DownCause::PeerRestarted => Class::Free,
        // Counted by `note_failure`.
        DownCause::InternalError(_) => Class::Free,
        // A hold timer paces itself.
        DownCause::HoldTimerExpired | DownCause::Tcp(_) => loss,
        DownCause::NotificationReceived => match &reason.notification {
            Some((NotificationWay::Received, n)) => match (n.code, n.subcode) {
                (CEASE, cease::COLLISION) => Class::Free,
                // The peer has heard nothing of us: its silence timer paces itself as ours does.
                (CEASE | HOLD_TIMER, _) => loss,
                // RFC 4271 §8.2.2: event 24 is not damped.
                (OPEN, 1) => loss,
                (_, _) => error,
            },
            Some((NotificationWay::Sent, _)) | None => error,
        },
        DownCause::SendHoldTimerExpired
        | DownCause::HeaderError
        | DownCause::OpenError
        | DownCause::OpenRejected(_)
        | DownCause::UpdateError
        | DownCause::RouteRefreshError
        | DownCause::FsmError(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(class: Class, n: usize) -> Vec<Penalty> {
        let mut backoff = Backoff::default();
        (0..n).map(|_| backoff.note(class, &IdleHold::default())).collect()
    }

    fn hold(secs: u64) -> Penalty {
        Penalty::Hold(Duration::from_secs(secs))
    }

    #[test]
    fn errors_of_sessions_double_to_an_hour() {
        let holds = [1, 1, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600].map(hold);
        assert_eq!(run(Class::SessionError, holds.len()), holds);
    }

    #[test]
    fn failures_of_our_own_begin_with_a_moment_and_double_to_an_hour() {
        let mut backoff = Backoff::default();
        let holds: Vec<u128> = (0..11).map(|_| backoff.note_failure(&IdleHold::default()).as_millis()).collect();
        let expected = [50, 1000, 30_000, 60_000, 120_000, 240_000, 480_000, 960_000, 1_920_000, 3_600_000, 3_600_000];
        assert_eq!(holds, expected);
        let never =
            IdleHold { min: Duration::ZERO, damped: Duration::ZERO, max: Duration::ZERO, ..IdleHold::default() };
        assert_eq!(backoff.note_failure(&never), FIRST_FAILURE, "never without a pause");
    }

    #[test]
    fn errors_of_setups_stop_at_two_minutes() {
        let holds = [1, 1, 30, 60, 120, 120].map(hold);
        assert_eq!(run(Class::SetupError, holds.len()), holds);
    }

    #[test]
    fn losses_delay_only_us_until_they_oscillate() {
        let delays = [1, 2, 4, 8, 16].map(|s| Penalty::Delay(Duration::from_secs(s)));
        assert_eq!(run(Class::SessionLoss, 7), [&delays[..], &[hold(30), hold(30)]].concat());
    }

    #[test]
    fn losses_before_a_session_never_hold() {
        let delays = [1, 2, 4, 8, 16, 30, 30, 30, 30].map(|s| Penalty::Delay(Duration::from_secs(s)));
        assert_eq!(run(Class::SetupLoss, delays.len()), delays);
    }

    /// What kept the session from being established is over once it was; what ended sessions is not.
    #[test]
    fn an_established_session_ends_the_count_of_losses_before_it() {
        let config = IdleHold::default();
        let mut backoff = Backoff::default();
        for _ in 0..4 {
            backoff.note(Class::SetupLoss, &config);
        }
        backoff.note(Class::SessionLoss, &config);
        backoff.established();
        assert_eq!(backoff.note(Class::SetupLoss, &config), Penalty::Delay(Duration::from_secs(1)));
        assert_eq!(backoff.note(Class::SessionLoss, &config), Penalty::Delay(Duration::from_secs(2)));
    }

    #[test]
    fn what_is_nobodys_fault_counts_nothing() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            assert_eq!(backoff.note(Class::Free, &IdleHold::default()), Penalty::Delay(Duration::from_secs(1)));
        }
        assert_eq!(backoff, Backoff::default());
    }

    #[test]
    fn four_billion_errors_do_not_overflow() {
        let mut backoff = Backoff { errors: u32::MAX, losses: u32::MAX, setup_losses: u32::MAX };
        assert_eq!(backoff.note(Class::SessionError, &IdleHold::default()), hold(3600));
        assert_eq!(backoff.note(Class::SessionLoss, &IdleHold::default()), hold(30));
    }
}
