//! The member's side of a journal: a position, and the writer's view of what comes after it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Framing, Journal};
use crate::route::PeerId;

/// Runs that are looked at while the journal is locked once.
const RUNS_AT_ONCE: usize = 64;
/// Pieces that are handed out at once: what one vectored write takes.
const PIECES_AT_ONCE: usize = 64;

/// What [`JournalReader::take`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeStatus {
    /// There are octets to write.
    Taken,
    /// Nothing to write; the RIB will ask for the writer to be woken. What was for others may have been passed, so the
    /// owner may have to be woken.
    Empty(Progress),
    /// The member was detached, and a message begun is finished: call [`JournalReader::ready`] as soon as the socket
    /// is writable.
    Detached,
    /// The session is over for the RIB; nothing will come any more.
    Closed,
}

/// Whether the owner of the RIB waits for this progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Nobody waits.
    Quiet,
    /// Wake the owner; it finds out what happened in its next [`Rib::run`](crate::rib::Rib::run).
    WakeOwner,
}

/// No position is waited for.
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
struct Shared {
    peer: PeerId,
    /// Even: attached; odd: detached. Changed by the owner under the lock of the journal that it leaves or joins.
    epoch: AtomicU32,
    /// Cursor in the journal of the present epoch, in octets, as far as the socket accepted them.
    position: AtomicU64,
    /// The writer has nothing to do until it is woken. Changed under the journal's lock.
    parked: AtomicBool,
    /// The writer of a detached member can write again.
    ready: AtomicBool,
    closed: AtomicBool,
    /// The owner wants to be woken when the cursor passes this.
    wake_at: AtomicU64,
    /// Something happened that the owner has to look at.
    attention: Arc<AtomicBool>,
    journal: Mutex<Arc<Mutex<Journal>>>,
}

/// The owner's handle of a member.
#[derive(Clone, Debug)]
pub(crate) struct MemberLink(Arc<Shared>);

pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemberLink {
    /// A member of `journal` at its end.
    pub(crate) fn new(peer: PeerId, journal: &Arc<Mutex<Journal>>, attention: Arc<AtomicBool>) -> Self {
        let head = lock(journal).head();
        Self(Arc::new(Shared {
            peer,
            epoch: AtomicU32::new(0),
            position: AtomicU64::new(head),
            parked: AtomicBool::new(true),
            ready: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            wake_at: AtomicU64::new(NEVER),
            attention,
            journal: Mutex::new(Arc::clone(journal)),
        }))
    }

    /// The reader for the session's writer; one a member.
    pub(crate) fn reader(&self, framing: Framing) -> JournalReader {
        JournalReader {
            shared: Arc::clone(&self.0),
            journal: Arc::clone(&lock(&self.0.journal)),
            framing,
            epoch: self.0.epoch.load(Ordering::SeqCst),
            position: self.position(),
            given: SmallVec::new(),
            tail: None,
        }
    }

    pub(crate) fn peer(&self) -> PeerId {
        self.0.peer
    }
    pub(crate) fn position(&self) -> u64 {
        self.0.position.load(Ordering::SeqCst)
    }
    /// To be called with the journal locked.
    pub(super) fn publish(&self, position: u64) {
        self.0.position.store(position, Ordering::SeqCst);
        if position >= self.0.wake_at.load(Ordering::SeqCst) {
            self.0.attention.store(true, Ordering::SeqCst);
        }
    }
    pub(super) fn is_parked(&self) -> bool {
        self.0.parked.load(Ordering::SeqCst)
    }
    pub(super) fn unpark(&self) -> bool {
        self.0.parked.swap(false, Ordering::SeqCst)
    }
    /// Asks for the owner to be woken when the cursor reaches `position`.
    pub(crate) fn wake_at(&self, position: u64) {
        self.0.wake_at.store(position, Ordering::SeqCst);
    }
    /// The owner need not be woken.
    pub(crate) fn wake_never(&self) {
        if self.0.wake_at.load(Ordering::SeqCst) != NEVER {
            self.wake_at(NEVER);
        }
    }
    /// Whether the writer of a detached member can write again.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::SeqCst)
    }

    /// Detaches the member from `journal`, which is locked: what it has not written stays unwritten, but for the rest
    /// of a message. Says the position that it had, and whether its writer has to be woken.
    pub(crate) fn detach(&self, _journal: &mut Journal) -> (u64, bool) {
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
        self.0.ready.store(false, Ordering::SeqCst);
        self.0.wake_at.store(NEVER, Ordering::SeqCst);
        (self.position(), self.unpark())
    }

    /// Attaches the member to the end of `journal`; says whether its writer has to be woken.
    pub(crate) fn attach(&self, journal: &Arc<Mutex<Journal>>) {
        let locked = lock(journal);
        *lock(&self.0.journal) = Arc::clone(journal);
        self.publish(locked.head());
        self.0.ready.store(false, Ordering::SeqCst);
        // The writer found nothing when it became ready, and is not looking before it is woken.
        self.0.parked.store(true, Ordering::SeqCst);
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends the member.
    pub(crate) fn close(&self) -> bool {
        self.0.closed.store(true, Ordering::SeqCst);
        self.unpark()
    }
}

#[derive(Debug)]
struct Piece {
    data: Bytes,
    /// Octets at its front that finish a message begun before.
    begun: usize,
    /// Position of its first octet.
    start: u64,
    /// Position when it is written: what follows for others is passed as well.
    after: u64,
}

/// What a session's writer has to write for one family; sent to the session's task.
///
/// ```text
/// loop {
///     out.clear();
///     match reader.take(&mut out, 65536) {
///         Taken => { let n = socket.write_vectored(&out).await?; wake_owner_if(reader.advance(n)) }
///         Empty(progress) => { wake_owner_if(progress); wait until woken }
///         Detached => { socket.writable().await?; wake_owner_if(reader.ready()); wait until woken }
///         Closed => return,
///     }
/// }
/// ```
///
/// Octets that were taken and not reported as written are handed out again by the next `take`. While
/// [`mid_message`](Self::mid_message) holds, nothing else may be written to the connection.
#[derive(Debug)]
pub struct JournalReader {
    shared: Arc<Shared>,
    journal: Arc<Mutex<Journal>>,
    framing: Framing,
    epoch: u32,
    /// What the socket accepted.
    position: u64,
    /// What was handed out last. A single update, or one segment, is one piece.
    given: SmallVec<[Piece; 1]>,
    /// The rest of a message that was begun.
    tail: Option<Bytes>,
}

impl JournalReader {
    /// Appends what is to be written next to `out`: whole messages, or the rest of one that was begun, up to about
    /// `max_bytes` (one message may exceed it) and up to 64 pieces. Does not wait.
    pub fn take(&mut self, out: &mut Vec<Bytes>, max_bytes: usize) -> TakeStatus {
        self.given.clear();
        let status = self.collect(max_bytes);
        out.extend(self.given.iter().map(|p| p.data.clone()));
        status
    }

    fn collect(&mut self, max_bytes: usize) -> TakeStatus {
        let mut bytes = 0;
        let mut at = self.position;
        loop {
            let journal = Arc::clone(&self.journal);
            let journal = lock(&journal);
            // The epoch changes only under the lock of the journal that the member is in.
            if self.shared.epoch.load(Ordering::SeqCst) != self.epoch {
                drop(journal);
                return self.collect_detached(max_bytes);
            }
            if self.given.is_empty() {
                // While the writer was parked, the owner may have moved the cursor over what is for others.
                self.shared.parked.store(false, Ordering::SeqCst);
                self.position = self.shared.position.load(Ordering::SeqCst);
                at = self.position;
            }
            let mut runs = 0;
            while runs < RUNS_AT_ONCE && bytes < max_bytes && self.given.len() < PIECES_AT_ONCE {
                let Some((piece, after)) = self.next_piece(&journal, at, max_bytes - bytes, &mut runs) else { break };
                at = after;
                if piece.data.is_empty() {
                    match self.given.last_mut() {
                        Some(last) => last.after = at,
                        None => self.position = at,
                    }
                } else {
                    bytes += piece.data.len();
                    self.given.push(piece);
                }
            }
            if self.given.is_empty() {
                self.shared.position.store(self.position, Ordering::SeqCst);
            }
            let more = runs >= RUNS_AT_ONCE && at < journal.head();
            if !more || bytes >= max_bytes || self.given.len() >= PIECES_AT_ONCE {
                if !self.given.is_empty() {
                    return TakeStatus::Taken;
                }
                if self.shared.closed.load(Ordering::SeqCst) {
                    return TakeStatus::Closed;
                }
                self.shared.parked.store(true, Ordering::SeqCst);
                return TakeStatus::Empty(self.progress());
            }
        }
    }

    /// The octets for this member that begin at `at`, or an empty piece when what comes there is for others; with the
    /// position after it. None at the end.
    fn next_piece(&self, journal: &Journal, at: u64, max: usize, seen: &mut usize) -> Option<(Piece, u64)> {
        let segment = journal.segment_at(at)?;
        let offset = usize::try_from(at - segment.start).ok()?;
        let mut run = segment.runs.partition_point(|r| r.end as usize <= offset);
        let mine = |r: &super::Run| journal.is_for(r.audience, self.shared.peer);
        let first = mine(segment.runs.get(run)?);
        let mut end = offset;
        while let Some(r) = segment.runs.get(run).filter(|r| mine(r) == first) {
            end = r.end as usize;
            run += 1;
            *seen += 1;
            if *seen >= RUNS_AT_ONCE || (first && end - offset >= max) {
                break;
            }
        }
        let begun = match &self.tail {
            Some(tail) if at == self.position => tail.len(),
            Some(_) | None => 0,
        };
        if !first {
            let after = segment.start + end as u64;
            return Some((Piece { data: Bytes::new(), begun: 0, start: at, after }, after));
        }
        if end - offset > max {
            let mut cut = offset + begun;
            while cut - offset < max {
                cut += self.framing.message_len(&segment.data, cut).max(1);
            }
            end = end.min(cut);
        }
        let data = segment.data.slice(offset..end);
        let after = segment.start + end as u64;
        Some((Piece { data, begun, start: at, after }, after))
    }

    /// Detached, or attached elsewhere since: first the rest of the message that was begun.
    fn collect_detached(&mut self, max_bytes: usize) -> TakeStatus {
        if let Some(tail) = &mut self.tail {
            // A copy, so that a stalled peer keeps no segment alive.
            *tail = Bytes::copy_from_slice(tail);
            let (data, start) = (tail.clone(), self.position);
            let (begun, after) = (data.len(), start + data.len() as u64);
            self.given.push(Piece { data, begun, start, after });
            return TakeStatus::Taken;
        }
        if self.shared.closed.load(Ordering::SeqCst) {
            return TakeStatus::Closed;
        }
        let epoch = self.shared.epoch.load(Ordering::SeqCst);
        if epoch % 2 == 1 {
            return TakeStatus::Detached;
        }
        self.journal = Arc::clone(&lock(&self.shared.journal));
        self.epoch = epoch;
        self.position = self.shared.position.load(Ordering::SeqCst);
        self.collect(max_bytes)
    }

    /// `written` octets of what was taken last went into the socket.
    pub fn advance(&mut self, written: usize) -> Progress {
        let mut left = written;
        for piece in std::mem::take(&mut self.given) {
            if left >= piece.data.len() {
                left -= piece.data.len();
                self.position = piece.after;
                self.tail = None;
                continue;
            }
            if left > 0 {
                let mut message = piece.begun;
                while message < left {
                    message += self.framing.message_len(&piece.data, message).max(1);
                }
                self.position = piece.start + left as u64;
                self.tail = (message > left).then(|| piece.data.slice(left..message.min(piece.data.len())));
            }
            break;
        }
        // Once detached, the member is attached again only after this reader said that it is ready.
        if self.shared.epoch.load(Ordering::SeqCst).wrapping_sub(self.epoch) <= 1 {
            self.shared.position.store(self.position, Ordering::SeqCst);
        }
        self.progress()
    }

    fn progress(&self) -> Progress {
        if self.position >= self.shared.wake_at.load(Ordering::SeqCst) {
            self.shared.wake_at.store(NEVER, Ordering::SeqCst);
            self.shared.attention.store(true, Ordering::SeqCst);
            return Progress::WakeOwner;
        }
        Progress::Quiet
    }

    /// Whether a message is begun and not finished: it has to be finished before anything else is written.
    #[must_use]
    pub const fn mid_message(&self) -> bool {
        self.tail.is_some()
    }

    /// The rest of the message that is begun: what a connection has to write before its last words.
    #[must_use]
    pub fn rest(&self) -> Option<Bytes> {
        self.tail.clone()
    }

    /// After [`TakeStatus::Detached`], once the socket is writable: the member can be attached again.
    pub fn ready(&mut self) -> Progress {
        if self.tail.is_some() || self.shared.epoch.load(Ordering::SeqCst).is_multiple_of(2) {
            return Progress::Quiet;
        }
        self.shared.ready.store(true, Ordering::SeqCst);
        self.shared.attention.store(true, Ordering::SeqCst);
        Progress::WakeOwner
    }
}
