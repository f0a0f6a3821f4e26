//! A new configuration for a peer whose session goes on.

use std::sync::Arc;

use heddle_bgp_fsm::{Event, IdleWhy, Stop};

use super::PeerTask;
use super::keys::Keys;
use super::runtime::Runtime;
use super::status::{Obstacle, Wish};
use crate::rib_link::ToRib;

/// What a new configuration does to a running session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SessionEffect {
    /// It goes on, with its routes as the new configuration has them.
    Keep,
    /// It is reset.
    Reset,
}

impl PeerTask {
    /// Changes over to another configuration.
    pub(super) fn reconfigure(&mut self, mut new: Runtime, effect: SessionEffect) {
        new.start = self.runtime.start;
        let shutdown_changed = new.settings.shutdown != self.runtime.settings.shutdown;
        new.wish = match (shutdown_changed, new.settings.shutdown) {
            (true, true) => Wish::Down,
            (true, false) => Wish::Up,
            (false, _) => self.runtime.wish,
        };
        let was = std::mem::replace(&mut self.runtime, new);
        {
            let mut status = self.status.lock();
            status.settings = Arc::clone(&self.runtime.settings);
            status.asn = self.runtime.asn;
            status.description.clone_from(&self.runtime.description);
            status.router_asn = self.runtime.router.asn;
            status.group.clone_from(&self.runtime.group);
            status.signature = self.runtime.signature();
        }
        let _ = self.fsm.set_config(self.shared.clock.now(), self.runtime.fsm_config(&self.shared));
        self.carry_out();
        if self.runtime.wish == Wish::Down {
            if was.wish != Wish::Down {
                let text = self.runtime.settings.shutdown_text.clone().unwrap_or_default();
                self.event(Event::ManualStop(Stop::AdministrativeShutdown(text)));
                self.forget_stale();
            }
            return self.start();
        }
        // A key that is missing now keeps the peer down; another one is for another session.
        let key_changed = match (&was.keys, &self.runtime.keys) {
            // RFC 5925 §7.5.1: a connection outlives a roll-over, with the keys that it has.
            (Ok(Some(Keys::Ao(_))), Ok(Some(Keys::Ao(_)))) => false,
            (was, now) => was != now,
        };
        if effect == SessionEffect::Reset || key_changed {
            self.event(Event::ManualStop(Stop::ConfigurationChange));
            return self.start();
        }
        self.evaluate();
        let limits_changed = was.settings.families != self.runtime.settings.families;
        let limited = self.blocked.as_ref().is_some_and(|b| b.by == Obstacle::PrefixLimit);
        let stopped = self.fsm.idle_why() == Some(IdleWhy::Stopped);
        let ready = if limited { limits_changed } else { stopped };
        if ready {
            self.start();
        }
    }

    /// Import and export of the running session follow the settings. The peer is asked for its routes where they would
    /// have been judged otherwise when they came.
    pub(super) fn evaluate(&mut self) {
        let Some(session) = &mut self.session else { return };
        let mut params = self.runtime.session_params(&session.negotiated, &session.addresses, &[]);
        session.keep_imports(&mut params);
        self.rib.control(ToRib::Evaluate(session.id, Box::new(params)));
        let decode = self.runtime.decode_options(&session.negotiated, &session.addresses);
        let ingest = self.runtime.ingest_context(&session.negotiated, self.shared.seed);
        if session.judge_by(decode, ingest) {
            self.ask_refresh(None);
        }
    }
}
