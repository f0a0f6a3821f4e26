//! The watches of one connection, which share a stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tonic::{Code, Streaming};

use super::client::Client;
use super::error::EtcdError;
use super::keys::Range;
use super::position::Position;
use super::rpc::{Event, WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse};

/// How long it may take until all are there.
const BEGIN: Duration = Duration::from_secs(10);
/// More changes than this in one answer are not gathered.
const MOST_OF_ONE: usize = 1 << 20;

/// What was heard.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// Something changed, in this order.
    Changes(Vec<Event>),
    /// Nothing changed.
    Progress,
    /// All watches have told what there was when they were asked.
    CaughtUp,
    /// What comes next is not known any more.
    Compacted,
}

/// The watches of one connection.
#[derive(Debug)]
pub(super) struct Watches {
    endpoint: Arc<str>,
    requests: mpsc::Sender<WatchRequest>,
    answers: Streaming<WatchResponse>,
    /// Beginnings of answers that come in parts.
    parts: BTreeMap<i64, Vec<Event>>,
    missing: usize,
}

impl Watches {
    /// Begins them where they left off; they are all there afterwards, unless what comes next is not known any more.
    pub(super) async fn begin(
        client: &Client,
        ranges: &[Range],
        position: &mut Position,
    ) -> Result<(Self, Vec<Heard>), EtcdError> {
        let create = |(id, (range, next)): (i64, (&Range, &i64))| WatchCreateRequest {
            key: range.start.clone(),
            range_end: range.end.clone(),
            start_revision: *next,
            progress_notify: true,
            watch_id: id,
            fragment: true,
        };
        let creates: Vec<_> = (1..).zip(ranges.iter().zip(position.next())).map(create).collect();
        let (endpoint, missing) = (Arc::clone(client.name()), creates.len());
        let (requests, answers) = client.watch(creates).await?;
        let mut watches = Self { endpoint, requests, answers, parts: BTreeMap::new(), missing };
        let beginning = async {
            let mut early = Vec::new();
            while watches.missing > 0 {
                let heard = watches.next(position).await?;
                let is_over = heard == Heard::Compacted;
                early.push(heard);
                if is_over {
                    break;
                }
            }
            Ok(early)
        };
        let silent = |_| EtcdError::Silent { endpoint: Arc::clone(client.name()), after: BEGIN };
        let early = tokio::time::timeout(BEGIN, beginning).await.map_err(silent)??;
        Ok((watches, early))
    }

    /// Asks whether all watches have told what there is; the answer is heard as [`Heard::CaughtUp`].
    pub(super) fn ask_progress(&self) {
        // With as many requests waiting, it was asked already.
        let _ = self.requests.try_send(WatchRequest { create: None, progress: Some(WatchProgressRequest {}) });
    }

    /// What is heard next. Can be cancelled without losing anything.
    pub(super) async fn next(&mut self, position: &mut Position) -> Result<Heard, EtcdError> {
        loop {
            let answer = self.answers.message().await;
            let answer = answer.map_err(|status| EtcdError::of_status(&self.endpoint, &status))?;
            let ended = || EtcdError::Ended { endpoint: Arc::clone(&self.endpoint) };
            if let Some(heard) = self.take(answer.ok_or_else(ended)?, position)? {
                return Ok(heard);
            }
        }
    }

    fn take(&mut self, mut answer: WatchResponse, position: &mut Position) -> Result<Option<Heard>, EtcdError> {
        if answer.canceled {
            if answer.compact_revision != 0 {
                return Ok(Some(Heard::Compacted));
            }
            return Err(EtcdError::of_reason(&self.endpoint, Code::Cancelled, &answer.cancel_reason));
        }
        if answer.created {
            self.missing = self.missing.saturating_sub(1);
            position.heard(&answer, None);
            return Ok(Some(Heard::Progress));
        }
        if answer.watch_id == WatchResponse::ALL {
            position.heard(&answer, None);
            return Ok(Some(Heard::CaughtUp));
        }
        let mut events = self.parts.remove(&answer.watch_id).unwrap_or_default();
        events.append(&mut answer.events);
        if answer.fragment {
            if events.len() > MOST_OF_ONE {
                // A list says it in pages.
                return Ok(Some(Heard::Compacted));
            }
            self.parts.insert(answer.watch_id, events);
            return Ok(None);
        }
        let last = events.iter().rev().find_map(|event| event.kv.as_ref()).map(|kv| kv.mod_revision);
        position.heard(&answer, last);
        Ok(Some(if events.is_empty() { Heard::Progress } else { Heard::Changes(events) }))
    }
}
