//! A panic in a peer's task: it ends that peer's session, and nothing else.
//!
//! The panic may have come at any point, so nothing that the task works with is believed afterwards: connections are closed,
//! the session and its writers are dropped, and a new state machine takes the place of the old one. What stays is the
//! configuration, the peer's place in the RIB, plain counters, and how long stale routes are kept. Nothing is said to the
//! peer: both sides treat it as a lost connection, over which routes stay where graceful restart was negotiated.
//!
//! Where that fails as well, the task ends, with the peer's place in the RIB and its routes, and the manager makes a new one
//! (`manager::crash`).
//!
//! What the task shares with others is behind locks that are held for a few plain statements (status, queue, journal, which
//! a writer only reads); the RIB itself has a guard of its own (`rib_thread`).

use std::any::Any;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use heddle_bgp_core::Family;
use heddle_bgp_fsm::{Event, IdleWhy, Stop};
use tracing::{error, warn};

use super::runtime::Faults;
use super::status::Wish;
use super::{Life, PeerTask, io};
use crate::fault;
use crate::rib_link::{StaleStep, ToRib};

/// Characters of a panic's message that are kept.
const MAX_MESSAGE: usize = 300;

/// Runs the work for `peer` to its end, or to a panic.
pub(super) async fn caught<F: Future>(peer: IpAddr, mut work: Pin<&mut F>) -> Result<F::Output, Box<dyn Any + Send>> {
    poll_fn(|cx| {
        // Unwind safe: `PeerTask::failed` believes nothing that the work may have left half-way.
        let poll = || fault::within(peer, || work.as_mut().poll(cx));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// The message of a panic in one line: it may have text of the peer in it.
#[must_use]
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message");
    text.escape_debug().take(MAX_MESSAGE).collect()
}

impl PeerTask {
    /// What is left to do of the session after a panic; the state machine begins anew, after a pause.
    pub(super) fn failed(&mut self, panic: &(dyn Any + Send)) {
        let now = self.shared.clock.now();
        // First of all: it is counted, whatever comes of the rest.
        self.status.lock().internal_errors += 1;
        fault::point();
        io::forget_scratch();
        if let Some((_, dial)) = self.dialing.take() {
            dial.abort();
        }
        self.connections.clear();
        let lost = self.session.take();
        fault::point();
        if self.inbox.is_to_end() {
            // Perhaps it was being told so.
            self.life = Life::Ending;
        }
        // It stays down where somebody, or something, has taken it down.
        let stopped = self.fsm.idle_why() == Some(IdleWhy::Stopped) && self.blocked.is_some();
        let stays_down = stopped || self.runtime.wish == Wish::Down || self.life == Life::Ending;
        let what = message(panic);
        let config = self.runtime.fsm_config(&self.shared);
        let negotiated = lost.as_deref().map(|session| &*session.negotiated);
        let (fsm, reason) = self.fsm.failed(now, config, negotiated, what.clone());
        self.fsm = fsm;
        fault::point();
        if let Some(session) = &lost {
            let modes = self.stale.lost(now, &session.negotiated, &reason, &self.runtime.router);
            // Where the RIB knows the session not yet, or no more, it ignores that.
            self.rib.control(ToRib::Down(session.id, modes));
            self.shared.marker.peer_down(&self.runtime.address);
        }
        // Stale routes whose end nobody is waiting for any more.
        for family in Family::SUPPORTED.into_iter().filter(|family| !self.stale.keeps(*family)) {
            self.rib.control(ToRib::Stale(self.seat.id, family, StaleStep::Sweep));
        }
        self.hindered = None;
        self.status.lock().session = None;
        fault::point();
        if stays_down {
            self.fsm.handle(now, Event::ManualStop(Stop::ConfigurationChange));
        }
        let pause = self.fsm.idle_until().map(|until| until.since(now));
        error!(panic = %what, ?pause, "a fault of this program: the session is closed, and begun again after the pause");
    }

    /// The run before ended because the RIB failed on what this peer sent, or the peer's task did: everybody else is served first.
    /// A limit may hold the peer for longer.
    pub(super) fn hold_for_faults(&mut self, faults: Faults, at_least: Duration) {
        let (what, in_a_row) = match faults {
            Faults::OfRunBefore { in_a_row } => ("the run before failed on what this peer sent", in_a_row),
            Faults::OfTaskBefore { in_a_row, .. } => ("the peer's task failed, and was made anew", in_a_row),
        };
        let now = self.shared.clock.now();
        self.fsm.hold_for_faults(now, in_a_row, at_least, what.to_owned());
        let pause = self.fsm.idle_until().map(|until| until.since(now));
        warn!(faults = in_a_row, ?pause, "{what}: it is held");
    }
}
