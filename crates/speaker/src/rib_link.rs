//! What passes between the tasks of peers and the RIB thread.

use std::sync::{Arc, Mutex, PoisonError};

use heddle_bgp_core::Family;
use heddle_rib::ingest::{Batch, BatchPosition};
use heddle_rib::session::{DownMode, SessionHandles, SessionId, SessionParams};
use tokio::sync::{Notify, oneshot};

use crate::ingest_queue::{IngestQueues, PeerQueue};

/// A message of a peer's task to the RIB. All messages of a peer go through its queue, in order.
#[derive(Debug)]
pub(crate) enum ToRib {
    /// A session is established.
    Up(Box<SessionUp>),
    /// What one read of its socket brought, and how much of that is taken in.
    Batch(SessionId, Batch, BatchPosition),
    /// The peer asks for our routes again (RFC 2918), or an operator does.
    Refresh(SessionId, Family, Arc<RefreshAsked>),
    /// The policies or limits of a running session changed.
    Evaluate(SessionId, Box<SessionParams>),
    /// The session ended; what becomes of its routes, by family.
    Down(SessionId, Vec<(Family, DownMode)>),
    /// The time of stale routes is over: they go, or become long-lived stale.
    Stale(heddle_rib::PeerId, Family, StaleStep),
    /// The peer's task ends: its routes go, and its number may be used again. Nothing of the peer comes after it.
    Remove(heddle_rib::PeerId),
}

impl ToRib {
    /// Whose it is.
    #[must_use]
    pub(crate) fn peer(&self) -> heddle_rib::PeerId {
        match self {
            Self::Up(up) => up.id.peer,
            Self::Batch(id, ..) | Self::Refresh(id, ..) | Self::Evaluate(id, _) | Self::Down(id, _) => id.peer,
            Self::Stale(peer, ..) | Self::Remove(peer) => *peer,
        }
    }
}

/// What happens to stale routes of a peer when their time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StaleStep {
    /// They go (RFC 4724 §4.2).
    Sweep,
    /// They become long-lived stale (RFC 9494 §4.2).
    BecomeLongLived,
}

/// A new session for the RIB.
#[derive(Debug)]
pub(crate) struct SessionUp {
    /// Its name.
    pub id: SessionId,
    /// The peer's address.
    pub address: heddle_config::PeerAddress,
    /// Whether its End-of-RIB is waited for after our own restart.
    pub restarts: crate::restart::Restarts,
    /// What was agreed.
    pub params: SessionParams,
    /// How the RIB reaches the peer's task.
    pub link: Arc<PeerLink>,
    /// What its writer reads from.
    pub reply: oneshot::Sender<SessionHandles>,
}

/// Whether a refresh was asked for that the RIB has not seen yet: ten thousand requests are one.
#[derive(Debug, Default)]
pub(crate) struct RefreshAsked(std::sync::atomic::AtomicBool);

impl RefreshAsked {
    /// Marks it; true when it was not marked before.
    pub(crate) fn ask(&self) -> bool {
        !self.0.swap(true, std::sync::atomic::Ordering::AcqRel)
    }
    /// Takes the mark off: the RIB has seen it.
    pub(crate) fn taken(&self) {
        self.0.store(false, std::sync::atomic::Ordering::Release);
    }
}

/// How the RIB reaches the task of a peer: it never waits for it. One a session, so that no word about an earlier one
/// reaches a later.
#[derive(Debug, Default)]
pub(crate) struct PeerLink {
    /// Rung when a journal has news for the peer, or a signal is set.
    pub news: Notify,
    /// Whoever reads is no task.
    of_thread: bool,
    signals: Mutex<Signals>,
}

/// What the RIB has to say to a peer's task; the last word of each kind counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signals {
    /// Prefix limits that were reached: at most one a family and direction.
    pub limits: Vec<LimitReached>,
    /// The peer's state costs more than it may: Cease 6/8.
    pub out_of_resources: bool,
    /// Families whose End-of-RIB of the peer was seen.
    pub end_of_rib: Vec<Family>,
}

/// A prefix limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitReached {
    /// The family.
    pub family: Family,
    /// Which way.
    pub direction: LimitDirection,
    /// How many prefixes there are.
    pub count: u32,
    /// The limit.
    pub max: u32,
    /// Over it, or only near it.
    pub exceeded: bool,
}

/// Which way a prefix limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitDirection {
    /// Prefixes that the peer sends.
    In,
    /// Prefixes that we send.
    Out,
}

impl Signals {
    /// Notes a limit; one that is exceeded is not forgotten for a warning.
    pub(crate) fn limit(&mut self, reached: LimitReached) {
        let same = |l: &&mut LimitReached| l.family == reached.family && l.direction == reached.direction;
        match self.limits.iter_mut().find(same) {
            Some(known) if known.exceeded && !reached.exceeded => {}
            Some(known) => *known = reached,
            None => self.limits.push(reached),
        }
    }

    /// Notes an End-of-RIB: a thousand of them are one.
    pub(crate) fn end_of_rib(&mut self, family: Family) {
        if !self.end_of_rib.contains(&family) {
            self.end_of_rib.push(family);
        }
    }
}

impl PeerLink {
    /// A link to a thread.
    pub(crate) fn to_thread() -> Self {
        Self { of_thread: true, ..Self::default() }
    }

    /// Whether who reads is a thread.
    #[must_use]
    pub(crate) const fn is_of_thread(&self) -> bool {
        self.of_thread
    }

    /// There are news in a journal. A thread is woken by whoever works on the RIB, when that is free.
    pub(crate) fn wake(&self) {
        if !self.of_thread {
            self.news.notify_one();
        }
    }

    /// Says something; the peer's task is woken.
    pub(crate) fn signal(&self, f: impl FnOnce(&mut Signals)) {
        f(&mut self.signals.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake();
    }

    /// Takes what was said.
    pub(crate) fn take(&self) -> Signals {
        std::mem::take(&mut *self.signals.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A peer's way to the RIB.
#[derive(Clone, Debug)]
pub(crate) struct RibSender {
    /// All queues.
    pub queues: Arc<IngestQueues<ToRib>>,
    /// This peer's.
    pub queue: Arc<PeerQueue<ToRib>>,
}

impl RibSender {
    /// A queue for a new peer.
    #[must_use]
    pub(crate) fn new(queues: Arc<IngestQueues<ToRib>>) -> Self {
        Self { queues, queue: Arc::default() }
    }
    /// Sends a control message.
    pub(crate) fn control(&self, message: ToRib) {
        self.queues.push_control(&self.queue, message);
    }
    /// Whether a batch has room.
    #[must_use]
    pub(crate) fn has_room(&self) -> bool {
        self.queues.has_room(&self.queue)
    }
    /// Sends a batch.
    pub(crate) fn batch(&self, id: SessionId, batch: Batch) {
        let bytes = batch.bytes();
        self.queues.push_batch(&self.queue, ToRib::Batch(id, batch, BatchPosition::default()), bytes);
    }
}

/// A peer's place in the RIB; given back when it is dropped, after all that its task sent.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The number.
    pub id: heddle_rib::PeerId,
    /// The way to the RIB.
    pub rib: RibSender,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.rib.control(ToRib::Remove(self.id));
    }
}
