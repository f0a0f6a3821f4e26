//! Live events: one bounded ring that everybody reads at his own pace.

use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};

use crate::types::{Event, EventKind, PeerAddress, WallTime};

/// How many events a reader may lag behind before it misses some.
pub const EVENT_RING: usize = 1024;

/// Where the speaker puts events. Publishing never waits; it costs nothing while nobody reads.
#[derive(Clone, Debug)]
pub struct EventHub {
    /// The ring is there from the beginning: of pointers, not of events.
    sender: broadcast::Sender<Arc<Event>>,
}

impl Default for EventHub {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(EVENT_RING) }
    }
}

impl EventHub {
    /// Tells all readers, with the present time.
    pub fn publish(&self, peer: Option<PeerAddress>, kind: EventKind) {
        if self.sender.receiver_count() > 0 {
            // An error only says that the last reader has just gone.
            let _ = self.sender.send(Arc::new(Event { at: WallTime::now(), peer, kind }));
        }
    }

    /// A reader of what is published from now on.
    #[must_use]
    pub fn subscribe(&self) -> EventReader {
        EventReader { receiver: self.sender.subscribe(), greeted: false }
    }
}

/// A reader of events; one that lags by more than [`EVENT_RING`] is told how many it missed.
#[derive(Debug)]
pub struct EventReader {
    receiver: broadcast::Receiver<Arc<Event>>,
    greeted: bool,
}

impl EventReader {
    /// The next event: first [`EventKind::Connected`]; none when the hub is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        if !self.greeted {
            self.greeted = true;
            return Some(Event { at: WallTime::now(), peer: None, kind: EventKind::Connected });
        }
        match self.receiver.recv().await {
            Ok(event) => Some(Arc::unwrap_or_clone(event)),
            Err(RecvError::Lagged(count)) => {
                Some(Event { at: WallTime::now(), peer: None, kind: EventKind::Lost { count } })
            }
            Err(RecvError::Closed) => None,
        }
    }
}
