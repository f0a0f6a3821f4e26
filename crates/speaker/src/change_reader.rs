//! Reads changes of best paths out of the RIB's journal of changes.

use std::sync::Arc;

use bytes::Bytes;
use heddle_rib::feed::{self, Record};
use heddle_rib::{JournalReader, Progress, TakeStatus};
use tracing::error;

use crate::ingest_queue::IngestQueues;
use crate::rib_link::{Seat, ToRib};

/// Octets of changes that are taken out of a journal at once.
const READ: usize = 8 * 1024;

/// A subscription to the changes of one family; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ChangeReader {
    reader: JournalReader,
    queues: Arc<IngestQueues<ToRib>>,
    out: Vec<Bytes>,
    /// It fell out of the journal, and was told so.
    behind: bool,
    _seat: Seat,
}

/// What a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Records; there may be more.
    Records,
    /// Nothing more until it is woken.
    Nothing,
    /// It fell out of the journal: the last state of what it missed comes later. Nothing more until it is woken.
    Behind,
    /// The RIB has ended the subscription.
    Closed,
}

impl ChangeReader {
    /// A reader of `reader`, which has the place `seat` in the RIB.
    pub(crate) fn new(reader: JournalReader, queues: Arc<IngestQueues<ToRib>>, seat: Seat) -> Self {
        Self { reader, queues, out: Vec::new(), behind: false, _seat: seat }
    }

    /// Takes a few records, each handed to `f`. Never waits.
    pub(crate) fn take(&mut self, mut f: impl FnMut(Record<'_>)) -> Found {
        self.out.clear();
        let (progress, found) = match self.reader.take(&mut self.out, READ) {
            TakeStatus::Taken => {
                self.behind = false;
                self.out.iter().for_each(|piece| records(piece, &mut f));
                (self.reader.advance(self.out.iter().map(Bytes::len).sum()), Found::Records)
            }
            TakeStatus::Empty(progress) => {
                self.behind = false;
                (progress, Found::Nothing)
            }
            TakeStatus::Detached => {
                let known = std::mem::replace(&mut self.behind, true);
                (self.reader.ready(), if known { Found::Nothing } else { Found::Behind })
            }
            TakeStatus::Closed => return Found::Closed,
        };
        match progress {
            Progress::Quiet => {}
            Progress::WakeOwner => self.queues.ring(),
        }
        found
    }
}

fn records(mut data: &[u8], f: &mut impl FnMut(Record<'_>)) {
    loop {
        match feed::read(data) {
            Ok(Some((record, rest))) => {
                data = rest;
                f(record);
            }
            Ok(None) => return,
            Err(e) => return error!(error = %e, "the RIB's changes cannot be read"),
        }
    }
}
