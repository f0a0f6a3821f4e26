//! What the RIB has to say to a peer's task: limits, End-of-RIB, the ends of stale routes.

use heddle_admin::types::EventKind;
use heddle_bgp_core::Timestamp;
use heddle_bgp_fsm::{AutomaticStop, AutomaticStopCause, Event, Restart};
use heddle_config::LimitAction;
use tracing::{info, warn};

use super::PeerTask;
use super::status::{Blocked, Obstacle};
use crate::report;
use crate::rib_link::{LimitDirection, LimitReached, StaleStep, ToRib};

impl PeerTask {
    /// Takes what the RIB said about the session.
    pub(super) fn signals(&mut self) {
        let signals = self.link.take();
        if self.session.is_none() {
            return;
        }
        for family in signals.end_of_rib {
            self.stale.end_of_rib(family);
            self.tell(EventKind::EndOfRib { family: report::family(family) });
        }
        for limit in signals.limits {
            self.limit(limit);
        }
        if signals.out_of_resources && self.session.is_some() {
            warn!("the session costs more than it may");
            let stop = AutomaticStop { cause: AutomaticStopCause::OutOfResources, restart: Restart::Backoff };
            self.event(Event::AutomaticStop(stop));
        }
    }

    fn limit(&mut self, limit: LimitReached) {
        if self.session.is_none() {
            return;
        }
        let settings = self.runtime.settings.family(limit.family);
        let action = settings.and_then(|s| match limit.direction {
            LimitDirection::In => s.prefix_limit,
            LimitDirection::Out => s.prefix_limit_out,
        });
        let LimitReached { family, direction, count, max, exceeded } = limit;
        self.tell(EventKind::PrefixLimit {
            family: report::family(family),
            prefixes: count.into(),
            limit: max.into(),
            exceeded,
        });
        warn!(%family, count, max, exceeded, ?direction, "prefix limit");
        let restart = match action.map(|l| l.action).filter(|_| exceeded) {
            None | Some(LimitAction::Warn) => return,
            Some(LimitAction::Restart(after)) => Restart::After(after.duration()),
            Some(LimitAction::Down) => Restart::Manual,
        };
        let cause = AutomaticStopCause::PrefixLimit(family, max);
        self.event(Event::AutomaticStop(AutomaticStop { cause, restart }));
        let text = format!("{count} prefixes of {family} exceed the limit of {max}").into();
        self.blocked = Some(Blocked { by: Obstacle::PrefixLimit, text });
        // At once: whoever makes the task anew goes by it.
        self.publish();
    }

    /// Stale routes whose time is over.
    pub(super) fn stale_timers(&mut self, now: Timestamp) {
        for (family, step) in self.stale.due(now) {
            info!(%family, ?step, "the time of stale routes is over");
            self.rib.control(ToRib::Stale(self.seat.id, family, step));
        }
    }

    /// Nothing of the peer is kept.
    pub(super) fn forget_stale(&mut self) {
        for family in self.stale.clear() {
            self.rib.control(ToRib::Stale(self.seat.id, family, StaleStep::Sweep));
        }
    }

    /// A live event about the peer.
    pub(super) fn tell(&self, event: EventKind) {
        self.shared.events.publish(Some(report::address(&self.runtime.address)), event);
    }
}
