//! Changes of best paths for a reader of the API, out of the RIB's journal of changes: nothing is buffered for a reader
//! who is slow; he is told that he missed something, and then the last state of what changed.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use heddle_admin::ChangeFeed;
use heddle_admin::types::{ApiError, Event, EventKind, PeerAddress, RouteAttributes, WallTime};
use heddle_bgp_core::Family;
use heddle_rib::feed::{self, Record};
use heddle_rib::{JournalReader, PeerId, Progress, TakeStatus};
use tracing::error;

use super::attributes::attributes;
use super::routes::network;
use super::stopped;
use crate::ingest_queue::IngestQueues;
use crate::registry::Registry;
use crate::report;
use crate::rib_link::{PeerLink, RibSender, Seat, ToRib};
use crate::rib_thread::RibHandle;

/// Octets of changes that are taken out of a journal at once.
const READ: usize = 8 * 1024;

/// A subscription.
pub(super) struct Changes {
    feeds: Vec<Feed>,
    link: Arc<PeerLink>,
    queues: Arc<IngestQueues<ToRib>>,
    registry: Registry,
    /// The attribute set that was shown last: neighbours share it.
    last: Option<(Vec<u8>, Arc<RouteAttributes>)>,
}

struct Feed {
    reader: JournalReader,
    /// It fell out of the journal, and was told so.
    behind: bool,
    /// Ends the subscription when it is dropped.
    _seat: Seat,
}

impl Changes {
    /// To the changes of a family, or of all.
    pub(super) async fn subscribe(
        rib: &RibHandle,
        registry: &Registry,
        only: Option<Family>,
    ) -> Result<Self, ApiError> {
        let link = Arc::new(PeerLink::default());
        let mut feeds = Vec::new();
        for family in Family::SUPPORTED.into_iter().filter(|f| only.is_none_or(|o| o == *f)) {
            let (id, reader) = rib.subscribe(family, Arc::clone(&link)).await.map_err(|_| stopped())?;
            let seat = Seat { id, rib: RibSender::new(rib.queues()) };
            feeds.push(Feed { reader, behind: false, _seat: seat });
        }
        Ok(Self { feeds, link, queues: rib.queues(), registry: registry.clone(), last: None })
    }

    /// What there is, and whether there may be more without a wake-up; none when the RIB has ended the subscription.
    fn take(&mut self) -> Option<(Vec<Event>, bool)> {
        let mut events = Vec::new();
        let mut more = false;
        let mut peers = HashMap::new();
        let mut out: Vec<Bytes> = Vec::new();
        for feed in &mut self.feeds {
            out.clear();
            let progress = match feed.reader.take(&mut out, READ) {
                TakeStatus::Taken => {
                    feed.behind = false;
                    more = true;
                    for piece in &out {
                        read(piece, &mut events, &mut self.last, |id| {
                            let find = || self.registry.address_of(id).map(|a| report::address(&a));
                            peers.entry(id).or_insert_with(find).clone()
                        });
                    }
                    feed.reader.advance(out.iter().map(Bytes::len).sum())
                }
                TakeStatus::Empty(progress) => {
                    feed.behind = false;
                    progress
                }
                TakeStatus::Detached => {
                    if !std::mem::replace(&mut feed.behind, true) {
                        events.push(event(None, EventKind::Lost { count: 0 }));
                    }
                    feed.reader.ready()
                }
                TakeStatus::Closed => return None,
            };
            match progress {
                Progress::Quiet => {}
                Progress::WakeOwner => self.queues.ring(),
            }
        }
        Some((events, more))
    }
}

impl ChangeFeed for Changes {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Vec<Event>>> + Send + '_>> {
        Box::pin(async {
            loop {
                let (events, more) = self.take()?;
                if !events.is_empty() {
                    return Some(events);
                }
                if !more {
                    self.link.news.notified().await;
                }
            }
        })
    }
}

fn event(peer: Option<PeerAddress>, kind: EventKind) -> Event {
    Event { at: WallTime::now(), peer, kind }
}

/// Whole records as events.
fn read(
    mut data: &[u8],
    events: &mut Vec<Event>,
    last: &mut Option<(Vec<u8>, Arc<RouteAttributes>)>,
    mut address: impl FnMut(PeerId) -> Option<PeerAddress>,
) {
    loop {
        let (record, rest) = match feed::read(data) {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(e) => return error!(error = %e, "the RIB's changes cannot be read"),
        };
        data = rest;
        match record {
            Record::Complete => {}
            Record::Withdrawn(prefix) => {
                events.push(event(None, EventKind::RouteWithdrawn { prefix: network(prefix) }));
            }
            Record::Announced { prefix, peer, flags, block } => {
                let shown = match last {
                    Some((known, shown)) if known == block.0 => Arc::clone(shown),
                    _ => {
                        let shown = Arc::new(attributes(block.0));
                        *last = Some((block.0.to_vec(), Arc::clone(&shown)));
                        shown
                    }
                };
                let kind = EventKind::RouteBest {
                    prefix: network(prefix),
                    llgr_stale: flags.is_llgr_stale(),
                    attributes: shown,
                };
                events.push(event(address(peer), kind));
            }
        }
    }
}
