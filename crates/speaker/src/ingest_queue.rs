//! The way from sessions to the RIB: one bounded queue a peer and a list of the peers that have something.
//!
//! A session waits for room inside its own `select!`, so its timers and its writer go on; the RIB never waits. Peers
//! take turns, one message a turn, or a piece of a large one, so that a route of a quiet peer waits for a piece of a busy
//! one's batch, not for its table.
//!
//! | bound | number |
//! |---|---|
//! | batches a peer | [`MAX_BATCHES`] |
//! | bytes of all peers' batches | [`MAX_BYTES`]; a peer that has none queued may always add one |
//! | control messages a peer | they belong to session changes: at most an up, a down and a refresh a family and session |

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;

use tokio::sync::Notify;

/// Batches that one peer may have queued.
pub(crate) const MAX_BATCHES: usize = 4;
/// Bytes of batches that all peers together may have queued.
pub(crate) const MAX_BYTES: usize = 8 << 20;

/// What sessions put in and the RIB thread takes out.
#[derive(Debug)]
pub(crate) struct IngestQueues<M> {
    ready: Mutex<VecDeque<Arc<PeerQueue<M>>>>,
    bytes: AtomicUsize,
    owner: OnceLock<Thread>,
    here: OnceLock<Here>,
}

/// Does what is to be done on the calling thread.
struct Here(Box<dyn Fn() -> Work + Send + Sync>);

impl std::fmt::Debug for Here {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Here")
    }
}

/// What became of work that the calling thread wanted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It is done.
    Done,
    /// The owner has to go on with it.
    Left,
}

/// Batches up to this many bytes are worked on by the thread that brings them, where the owner rests: waking it takes
/// longer than a route.
const SMALL: usize = 1024;

/// One peer's queue.
#[derive(Debug)]
pub(crate) struct PeerQueue<M> {
    state: Mutex<State<M>>,
    room: Notify,
}

#[derive(Debug)]
struct State<M> {
    messages: VecDeque<(M, usize)>,
    batches: usize,
    listed: bool,
}

fn lock<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M> Default for IngestQueues<M> {
    fn default() -> Self {
        Self { ready: Mutex::default(), bytes: AtomicUsize::new(0), owner: OnceLock::new(), here: OnceLock::new() }
    }
}

impl<M> Default for PeerQueue<M> {
    fn default() -> Self {
        Self { state: Mutex::new(State { messages: VecDeque::new(), batches: 0, listed: false }), room: Notify::new() }
    }
}

impl<M> PeerQueue<M> {
    /// Completes when a batch may have room; ask [`IngestQueues::has_room`] again then.
    pub(crate) async fn room(&self) {
        self.room.notified().await;
    }
}

impl<M> IngestQueues<M> {
    /// Names the thread that takes messages out; it is unparked when there is something.
    pub(crate) fn set_owner(&self, thread: Thread) {
        let _ = self.owner.set(thread);
    }

    /// Names what works on small batches without the owner.
    pub(crate) fn set_here(&self, work: impl Fn() -> Work + Send + Sync + 'static) {
        let _ = self.here.set(Here(Box::new(work)));
    }

    /// Does what is to be done on this thread where the owner rests, else wakes the owner.
    pub(crate) fn work_or_ring(&self) {
        match self.here.get().map(|here| (here.0)()) {
            Some(Work::Done) => {}
            Some(Work::Left) | None => self.ring(),
        }
    }

    /// Wakes the thread that takes messages out.
    pub(crate) fn ring(&self) {
        if let Some(t) = self.owner.get() {
            t.unpark();
        }
    }

    /// Whether `peer` may add a batch.
    pub(crate) fn has_room(&self, peer: &PeerQueue<M>) -> bool {
        let batches = lock(&peer.state).batches;
        batches == 0 || (batches < MAX_BATCHES && self.bytes.load(Ordering::Relaxed) < MAX_BYTES)
    }

    /// Adds a control message; never refused, their number is bounded by what a session can do.
    pub(crate) fn push_control(&self, peer: &Arc<PeerQueue<M>>, message: M) {
        self.push(peer, message, 0);
    }

    /// Adds a batch of `bytes`. The caller asked [`has_room`](Self::has_room) before.
    pub(crate) fn push_batch(&self, peer: &Arc<PeerQueue<M>>, message: M, bytes: usize) {
        self.push(peer, message, bytes.max(1));
    }

    fn push(&self, peer: &Arc<PeerQueue<M>>, message: M, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let list = {
            let mut s = lock(&peer.state);
            s.messages.push_back((message, bytes));
            s.batches += usize::from(bytes > 0);
            !std::mem::replace(&mut s.listed, true)
        };
        if list {
            lock(&self.ready).push_back(Arc::clone(peer));
            if (1..=SMALL).contains(&bytes) { self.work_or_ring() } else { self.ring() }
        }
    }

    /// Gives the next message of the peer whose turn it is to `take`, which returns what it leaves of it: that is the
    /// peer's next. False when nothing waited. For one thread at a time.
    pub(crate) fn take(&self, take: impl FnOnce(M) -> Option<M>) -> bool {
        let Some(peer) = lock(&self.ready).pop_front() else { return false };
        // The peer counts as listed meanwhile, so that its order stays.
        let next = lock(&peer.state).messages.pop_front();
        let (rest, bytes) = next.map_or((None, 0), |(message, bytes)| (take(message), bytes));
        let done = rest.is_none();
        let more = {
            let mut s = lock(&peer.state);
            if let Some(rest) = rest {
                s.messages.push_front((rest, bytes));
            } else {
                s.batches -= usize::from(bytes > 0);
            }
            s.listed = !s.messages.is_empty();
            if !s.listed {
                // There are thousands of queues, and hardly ever anything in one of them.
                s.messages = VecDeque::new();
            }
            s.listed
        };
        if done {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            if bytes > 0 {
                peer.room.notify_one();
            }
        }
        if more {
            lock(&self.ready).push_back(peer);
        }
        true
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.ready).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_take_turns_and_batches_are_bounded() {
        let queues = IngestQueues::default();
        let (busy, quiet) = (Arc::new(PeerQueue::default()), Arc::new(PeerQueue::default()));
        for n in 0..MAX_BATCHES {
            assert!(queues.has_room(&busy), "batch {n} has room");
            queues.push_batch(&busy, "busy", 1000);
        }
        assert!(!queues.has_room(&busy));
        queues.push_batch(&quiet, "quiet", 1);
        queues.push_control(&busy, "down");
        let mut order = Vec::new();
        while queues.take(|message| {
            order.push(message);
            None
        }) {}
        assert_eq!(order, ["busy", "quiet", "busy", "busy", "busy", "down"]);
        assert!(queues.is_empty() && queues.has_room(&busy));
    }

    #[test]
    fn what_is_left_of_a_message_waits_behind_other_peers_and_before_the_peers_next() {
        let queues = IngestQueues::default();
        let (busy, quiet) = (Arc::new(PeerQueue::default()), Arc::new(PeerQueue::default()));
        queues.push_batch(&busy, ("busy", 3), 1000);
        queues.push_batch(&quiet, ("quiet", 1), 1);
        queues.push_control(&busy, ("down", 1));
        let mut order = Vec::new();
        while queues.take(|(name, pieces)| {
            order.push((name, pieces));
            if order.len() == 1 {
                // What comes meanwhile is behind what is left.
                queues.push_control(&busy, ("late", 1));
                assert!(!lock(&busy.state).messages.is_empty() && queues.has_room(&quiet));
            }
            (pieces > 1).then(|| (name, pieces - 1))
        }) {
            let left = order.iter().filter(|o| o.0 == "busy").count() < 3;
            assert_eq!(queues.bytes.load(Ordering::Relaxed) >= 1000, left, "its bytes count until all of it is taken");
        }
        assert_eq!(order, [("busy", 3), ("quiet", 1), ("busy", 2), ("busy", 1), ("down", 1), ("late", 1)]);
        assert!(queues.is_empty() && queues.bytes.load(Ordering::Relaxed) == 0);
    }

    #[test]
    fn a_peer_without_a_batch_may_add_one_when_all_bytes_are_taken() {
        let queues = IngestQueues::default();
        let (greedy, other) = (Arc::new(PeerQueue::default()), Arc::new(PeerQueue::default()));
        queues.push_batch(&greedy, (), MAX_BYTES);
        assert!(!queues.has_room(&greedy));
        assert!(queues.has_room(&other));
    }
}
