//! The established session: decoding what comes, writing what the journals have.

use std::sync::Arc;

use bytes::Bytes;
use heddle_admin::types::{EventKind, UpdateFault};
use heddle_bgp_core::update::{self, DecodeOptions, FaultAction, Scratch, UpdateContext};
use heddle_bgp_core::{Family, Negotiated, Notification};
use heddle_bgp_fsm::ConnectionId;
use heddle_rib::ingest::{Batch, BatchBuilder, IngestContext};
use heddle_rib::journal::{JournalReader, TakeStatus};
use heddle_rib::policy::ImportSettings;
use heddle_rib::session::{SessionHandles, SessionId, SessionParams};
use tokio::sync::oneshot;
use tracing::warn;

use super::io::{messages_begun, ring};
use super::runtime::Runtime;
use super::status::Traffic;
use crate::fault;
use crate::interface::SessionAddresses;
use crate::rib_link::{RefreshAsked, RibSender};

/// An established session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: ConnectionId,
    pub(super) id: SessionId,
    pub(super) negotiated: Arc<Negotiated>,
    pub(super) handles: Option<oneshot::Receiver<SessionHandles>>,
    /// The socket took less than it was offered: the writer waits until it is writable.
    socket_full: bool,
    /// Our addresses on it.
    pub(super) addresses: SessionAddresses,
    /// What the RIB was given last: it compares by pointer.
    imports: Vec<(Family, Arc<ImportSettings>)>,
    context: UpdateContext,
    builder: BatchBuilder,
    waiting: bool,
    /// One a family.
    writers: Box<[JournalReader]>,
    turn: usize,
    more: bool,
    /// Octets that are missing of the last message that was begun.
    rest: usize,
    refreshes: Vec<Refreshes>,
    faults: FaultLog,
}

#[derive(Debug)]
struct Refreshes {
    family: Family,
    asked: Arc<RefreshAsked>,
    new: bool,
}

/// Faults are told the first time and then each time their number has doubled.
#[derive(Debug, Default)]
struct FaultLog {
    seen: u64,
    told: u64,
}

impl Session {
    pub(super) fn new(
        connection: ConnectionId,
        id: SessionId,
        runtime: &Runtime,
        negotiated: Arc<Negotiated>,
        addresses: SessionAddresses,
        seed: u64,
        handles: oneshot::Receiver<SessionHandles>,
    ) -> Self {
        let decode = runtime.decode_options(&negotiated, &addresses);
        let ingest = runtime.ingest_context(&negotiated, seed);
        let families = negotiated.families.iter().map(|f| f.family);
        let refreshes = families.map(|family| Refreshes { family, asked: Arc::default(), new: false }).collect();
        Self {
            connection,
            id,
            handles: Some(handles),
            socket_full: false,
            addresses,
            context: UpdateContext::new(&negotiated, decode),
            negotiated,
            imports: Vec::new(),
            builder: BatchBuilder::new(ingest),
            waiting: false,
            writers: Box::default(),
            turn: 0,
            more: false,
            rest: 0,
            refreshes,
            faults: FaultLog::default(),
        }
    }

    /// What comes from now on is decoded and judged by other rules; says whether the peer is to send again what it sent
    /// already. One that cannot be asked keeps the old rules for this session.
    pub(super) fn judge_by(&mut self, decode: DecodeOptions, ingest: IngestContext) -> bool {
        let context = UpdateContext::new(&self.negotiated, decode);
        if !self.negotiated.route_refresh || (self.context == context && *self.builder.context() == ingest) {
            return false;
        }
        self.context = context;
        self.builder.set_context(ingest);
        true
    }

    /// Remembers what the RIB is given.
    pub(super) fn note_imports(&mut self, params: &SessionParams) {
        self.imports = params.families.iter().map(|f| (f.export.family, Arc::clone(&f.import))).collect();
    }

    /// Import settings that are as before are the very same, so that the RIB evaluates nothing anew.
    pub(super) fn keep_imports(&mut self, params: &mut SessionParams) {
        for f in &mut params.families {
            let known = self.imports.iter().find(|(family, _)| *family == f.export.family);
            if let Some((_, import)) = known.filter(|(_, import)| **import == *f.import) {
                f.import = Arc::clone(import);
            }
        }
        self.note_imports(params);
    }

    /// Decodes an UPDATE into the batch; tells of faults that do not end the session.
    pub(super) fn update(
        &mut self,
        body: &[u8],
        scratch: &mut Scratch,
        traffic: &Traffic,
    ) -> Result<Option<EventKind>, Notification> {
        let update = update::decode(body, &self.context, scratch).map_err(|reset| {
            warn!(reason = %reset, "an UPDATE ends the session");
            reset.notification()
        })?;
        fault::point();
        self.builder.push(&update);
        fault::point();
        let Some(action) = update.action else { return Ok(None) };
        let (counter, fault) = match action {
            FaultAction::AttributeDiscard => (&traffic.attribute_discard, UpdateFault::AttributeDiscard),
            FaultAction::TreatAsWithdraw | FaultAction::SessionReset => {
                (&traffic.treat_as_withdraw, UpdateFault::TreatAsWithdraw)
            }
        };
        Traffic::add(counter, 1);
        let Some(suppressed) = self.faults.tell() else { return Ok(None) };
        let text = update.faults.first().map(ToString::to_string).unwrap_or_default();
        warn!(fault = %text, suppressed, "malformed UPDATE");
        Ok(Some(EventKind::UpdateError { action: fault, text, suppressed }))
    }

    pub(super) fn refresh_asked(&mut self, family: Family) {
        if let Some(r) = self.refreshes.iter_mut().find(|r| r.family == family) {
            r.new = true;
        }
    }

    /// The families that the peer asked for since the last call.
    pub(super) fn take_refreshes(&mut self) -> Vec<(Family, Arc<RefreshAsked>)> {
        let new = self.refreshes.iter_mut().filter_map(|r| std::mem::take(&mut r.new).then_some(r));
        new.map(|r| (r.family, Arc::clone(&r.asked))).collect()
    }

    pub(super) fn begin_refresh(&mut self, family: Family) {
        if self.negotiated.enhanced_route_refresh && self.negotiated.family(family).is_some() {
            self.builder.begin_refresh(family);
        }
    }

    pub(super) fn end_refresh(&mut self, family: Family) {
        if self.negotiated.enhanced_route_refresh && self.negotiated.family(family).is_some() {
            self.builder.end_refresh(family);
        }
    }

    pub(super) fn has_batch(&self) -> bool {
        !self.builder.is_empty()
    }

    pub(super) fn take_batch(&mut self) -> Batch {
        self.builder.take()
    }

    pub(super) fn drop_batch(&mut self) {
        drop(self.builder.take());
    }

    /// Whether a batch waits for room, and reading with it.
    pub(super) const fn has_waiting_batch(&self) -> bool {
        self.waiting
    }

    /// Sets whether a batch waits; says so when that is a change.
    pub(super) fn set_waiting(&mut self, waiting: bool) -> Option<bool> {
        (std::mem::replace(&mut self.waiting, waiting) != waiting).then_some(waiting)
    }

    pub(super) fn attach(&mut self, handles: SessionHandles) {
        self.writers = handles.readers.into_iter().map(|(_, reader)| reader).collect::<Box<[_]>>();
    }

    /// The rest of the message that was begun, if one was.
    pub(super) fn rest_of_message(&self) -> Option<Bytes> {
        self.writers.iter().find_map(JournalReader::rest)
    }

    /// The socket takes octets again.
    pub(super) const fn writable(&mut self) {
        self.socket_full = false;
    }

    /// What a write said about the socket.
    pub(super) const fn set_socket_full(&mut self, full: bool) {
        self.socket_full = full;
    }

    /// Whether an UPDATE was begun and is not finished: nothing else may be written before its end.
    pub(super) fn mid_message(&self) -> bool {
        self.writers.iter().any(JournalReader::mid_message)
    }

    pub(super) const fn wants_write(&self) -> bool {
        self.socket_full
    }

    /// Whether the journals had more than the last turn of writing took.
    pub(super) const fn has_taken(&self) -> bool {
        self.more
    }

    /// Fills `slices` with what one family has next: the one that began a message, else the families in turn.
    pub(super) fn take(&mut self, slices: &mut Vec<Bytes>, max: usize, rib: &RibSender) -> bool {
        let n = self.writers.len();
        let begun = self.writers.iter().position(JournalReader::mid_message);
        let order = (1..=n).map(|i| (self.turn + i) % n);
        self.more = false;
        for at in order {
            if begun.is_some_and(|b| b != at) {
                continue;
            }
            let Some(reader) = self.writers.get_mut(at) else { continue };
            match reader.take(slices, max) {
                TakeStatus::Taken => {
                    self.turn = at;
                    self.more = true;
                    return true;
                }
                TakeStatus::Empty(progress) => ring(progress, rib),
                TakeStatus::Detached if !self.socket_full => ring(reader.ready(), rib),
                TakeStatus::Detached | TakeStatus::Closed => {}
            }
        }
        false
    }

    /// So many octets of what was taken went into the socket; says how many messages began in them.
    pub(super) fn wrote(&mut self, slices: &[Bytes], written: usize, rib: &RibSender) -> usize {
        let Some(reader) = self.writers.get_mut(self.turn) else { return 0 };
        fault::point();
        ring(reader.advance(written), rib);
        messages_begun(slices, written, &mut self.rest)
    }

    /// The families of the session.
    pub(super) fn families(&self) -> impl Iterator<Item = Family> {
        self.refreshes.iter().map(|r| r.family)
    }

    /// The mark of refreshes of one family.
    pub(super) fn refresh_mark(&self, family: Family) -> Option<Arc<RefreshAsked>> {
        self.refreshes.iter().find(|r| r.family == family).map(|r| Arc::clone(&r.asked))
    }
}

impl FaultLog {
    fn tell(&mut self) -> Option<u64> {
        self.seen += 1;
        if self.seen < self.told * 2 {
            return None;
        }
        let suppressed = self.seen - self.told.min(self.seen) - 1;
        self.told = self.seen;
        Some(suppressed)
    }
}
