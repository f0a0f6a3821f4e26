//! How long routes of a lost session are kept: graceful restart (RFC 4724 §4.2) and its long-lived form (RFC 9494).
//!
//! ```text
//! session lost ── restart time ──► swept, or long-lived stale ── long-lived stale time ──► swept
//!      │                                  │
//!      └──────── session is back ─────────┴──► stale until End-of-RIB, at most the stale time ──► swept
//! ```
//!
//! A session that is lost again before End-of-RIB begins anew, but not for ever: what was stale from the first loss on goes when
//! all these times are over once.

use std::time::Duration;

use heddle_bgp_core::capability::ForwardingState;
use heddle_bgp_core::{Family, Negotiated, Timestamp};
use heddle_bgp_fsm::DownReason;
use heddle_config::Router;
use heddle_rib::session::{DownMode, Retained};

use crate::rib_link::StaleStep;

/// The timers of stale routes, by family.
#[derive(Debug, Default)]
pub(super) struct StaleTimers(Vec<StaleTimer>);

#[derive(Clone, Copy, Debug)]
struct StaleTimer {
    family: Family,
    at: Timestamp,
    /// How long the routes are kept as long-lived stale afterwards.
    long_lived: Option<Duration>,
    /// When what is stale since the first loss goes at last, however often the session comes back and is lost.
    end: Timestamp,
}

impl StaleTimer {
    /// Started by a loss, `before` having run since one that was not made good.
    fn start(family: Family, now: Timestamp, time: Duration, until_end: Duration, before: Option<Self>) -> Self {
        let end = before.map_or(now + until_end, |before| before.end);
        Self { family, at: (now + time).min(end), long_lived: None, end }
    }

    /// It runs out at that time instead, if not before.
    fn run_until(&mut self, at: Timestamp) {
        self.at = at.min(self.end);
    }
}

impl StaleTimers {
    /// The session is lost: says by family what becomes of its routes, and starts the timers.
    pub(super) fn lost(
        &mut self,
        now: Timestamp,
        negotiated: &Negotiated,
        reason: &DownReason,
        router: &Router,
    ) -> Vec<(Family, DownMode)> {
        let before = std::mem::take(&mut self.0);
        let restart = negotiated.graceful_restart.map_or(0, |g| g.restart_time);
        let stale_time = router.graceful_restart.stale_time.duration();
        let restart = Duration::from_secs(restart.into()).min(stale_time);
        let mut modes = Vec::new();
        for f in &negotiated.families {
            let long_lived = f
                .long_lived
                .map(|(secs, _)| Duration::from_secs(secs.into()).min(router.long_lived.max_stale_time.duration()));
            let long_lived = long_lived.filter(|d| !d.is_zero());
            let short = f.graceful_restart.is_some() && !restart.is_zero();
            let before = before.iter().find(|timer| timer.family == f.family).copied();
            let until_end = restart + stale_time + long_lived.unwrap_or_default();
            let timer = |time, long_lived| StaleTimer {
                long_lived,
                ..StaleTimer::start(f.family, now, time, until_end, before)
            };
            let mode = match (reason.retains_routes() && negotiated.graceful_restart.is_some(), short, long_lived) {
                (false, _, _) | (true, false, None) => DownMode::Discard,
                (true, true, _) => {
                    self.0.push(timer(restart, long_lived));
                    DownMode::KeepStale
                }
                (true, false, Some(time)) => {
                    self.0.push(timer(time, None));
                    DownMode::KeepLongLived
                }
            };
            modes.push((f.family, mode));
        }
        modes
    }

    /// The session is back: says by family whether stale routes stay until End-of-RIB. They do where the peer kept its
    /// forwarding state (RFC 4724 §4.2, RFC 9494 §4.3).
    pub(super) fn back(&mut self, negotiated: &Negotiated) -> Vec<(Family, Retained)> {
        let preserved = |family: Family| {
            negotiated.family(family).is_some_and(|f| {
                f.graceful_restart == Some(ForwardingState::Preserved)
                    || f.long_lived.is_some_and(|(_, forwarding)| forwarding == ForwardingState::Preserved)
            })
        };
        self.0.retain(|t| preserved(t.family));
        let kept = |family: Family| self.0.iter().any(|t| t.family == family);
        negotiated
            .families
            .iter()
            .map(|f| (f.family, if kept(f.family) { Retained::Keep } else { Retained::Discard }))
            .collect()
    }

    /// From now on the stale routes wait for End-of-RIB, at most until `until`.
    pub(super) fn wait_for_end_of_rib(&mut self, until: Timestamp) {
        for t in &mut self.0 {
            t.run_until(until);
            t.long_lived = None;
        }
    }

    /// End-of-RIB came: the RIB swept what was not sent again.
    pub(super) fn end_of_rib(&mut self, family: Family) {
        self.0.retain(|t| t.family != family);
    }

    /// All routes of the peer go.
    pub(super) fn clear(&mut self) -> Vec<Family> {
        std::mem::take(&mut self.0).into_iter().map(|t| t.family).collect()
    }

    /// When the next timer runs out.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.iter().map(|t| t.at).min()
    }

    /// Whether stale routes of a family are kept.
    pub(super) fn keeps(&self, family: Family) -> bool {
        self.0.iter().any(|t| t.family == family)
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is to be done with families whose timers ran out.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<(Family, StaleStep)> {
        let mut steps = Vec::new();
        self.0.retain_mut(|t| {
            if t.at > now {
                return true;
            }
            match t.long_lived.take().filter(|_| t.end > now) {
                Some(time) => {
                    steps.push((t.family, StaleStep::BecomeLongLived));
                    t.run_until(now + time);
                    true
                }
                None => {
                    steps.push((t.family, StaleStep::Sweep));
                    false
                }
            }
        });
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_lost_again_and_again_is_not_kept_for_ever() {
        let [restart, stale] = [120, 360].map(Duration::from_secs);
        let at = |secs| Timestamp::ZERO + Duration::from_secs(secs);
        let mut timer = StaleTimer::start(Family::IPV4_UNICAST, at(0), restart, restart + stale, None);
        assert_eq!((timer.at, timer.end), (at(120), at(480)));
        for lost in [50, 100, 300] {
            timer.run_until(at(lost - 10) + stale);
            timer = StaleTimer::start(timer.family, at(lost), restart, restart + stale, Some(timer));
            assert_eq!((timer.at, timer.end), (at(lost + 120), at(480)));
        }
        timer.run_until(at(400) + stale);
        assert_eq!(timer.at, at(480), "it does not send its End-of-RIB");
        let timer = StaleTimer::start(timer.family, at(450), restart, restart + stale, Some(timer));
        assert_eq!(timer.at, at(480), "and is lost once more");
        let mut timers = StaleTimers(vec![StaleTimer { long_lived: Some(stale), ..timer }]);
        assert_eq!(timers.due(at(480)), [(Family::IPV4_UNICAST, StaleStep::Sweep)]);
        assert!(timers.is_empty());
    }
}
