//! Changes of best paths for a reader of the API, out of the RIB's journal of changes: nothing is buffered for a reader
//! who is slow; he is told that he missed something, and then the last state of what changed.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use heddle_admin::ChangeFeed;
use heddle_admin::types::{ApiError, Event, EventKind, PeerAddress, RouteAttributes, WallTime};
use heddle_bgp_core::Family;
use heddle_rib::PeerId;
use heddle_rib::feed::{PathRecord, Paths, Record};
use heddle_rib::rib::Begin;

use super::attributes::attributes;
use super::routes::network;
use super::stopped;
use crate::change_reader::{ChangeReader, Found};
use crate::registry::Registry;
use crate::report;
use crate::rib_link::PeerLink;
use crate::rib_thread::{RibHandle, Subscription};

/// A subscription.
pub(super) struct Changes {
    feeds: Vec<ChangeReader>,
    link: Arc<PeerLink>,
    registry: Registry,
    /// The attribute set that was shown last: neighbours share it.
    last: Option<(Vec<u8>, Arc<RouteAttributes>)>,
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
            let wanted = Subscription { family, begin: Begin::Changes, paths: Paths::Best };
            feeds.push(rib.subscribe(wanted, Arc::clone(&link)).await.map_err(|_| stopped())?);
        }
        Ok(Self { feeds, link, registry: registry.clone(), last: None })
    }

    /// What there is, and whether there may be more without a wake-up; none when the RIB has ended the subscription.
    fn take(&mut self) -> Option<(Vec<Event>, bool)> {
        let mut events = Vec::new();
        let mut more = false;
        let mut peers = HashMap::new();
        let Self { feeds, registry, last, .. } = self;
        for feed in feeds {
            let found = feed.take(|record| {
                show(record, &mut events, last, |id| {
                    let find = || registry.address_of(id).map(|a| report::address(&a));
                    peers.entry(id).or_insert_with(find).clone()
                });
            });
            match found {
                Found::Records => more = true,
                Found::Nothing => {}
                Found::Behind => events.push(event(None, EventKind::Lost { count: 0 })),
                Found::Closed => return None,
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

/// A record as an event.
fn show(
    record: Record<'_>,
    events: &mut Vec<Event>,
    last: &mut Option<(Vec<u8>, Arc<RouteAttributes>)>,
    mut address: impl FnMut(PeerId) -> Option<PeerAddress>,
) {
    match record {
        Record::Complete => {}
        Record::Withdrawn(prefix) => {
            events.push(event(None, EventKind::RouteWithdrawn { prefix: network(prefix) }));
        }
        Record::Announced { prefix, best: PathRecord { peer, flags, block, .. }, others: _ } => {
            let shown = match last {
                Some((known, shown)) if known == block.0 => Arc::clone(shown),
                _ => {
                    let shown = Arc::new(attributes(block.0));
                    *last = Some((block.0.to_vec(), Arc::clone(&shown)));
                    shown
                }
            };
            let kind =
                EventKind::RouteBest { prefix: network(prefix), llgr_stale: flags.is_llgr_stale(), attributes: shown };
            events.push(event(address(peer), kind));
        }
    }
}
