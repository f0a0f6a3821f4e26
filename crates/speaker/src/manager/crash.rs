//! A peer whose task ended by a panic, as the clean-up after another panic had one too: it is made anew, and held at first.
//!
//! With the task went all that it owned: connections, routes (those, too, that graceful restart would have kept), and the counts of
//! its damping. What counts from now on is here: how often that happened in a row.

use std::collections::BTreeMap;
use std::time::Duration;

use heddle_bgp_core::Timestamp;
use heddle_config::PeerAddress;
use tokio::task::JoinError;
use tracing::error;

use super::{Manager, range_of};
use crate::peer::failure::message;
use crate::peer::status::{Obstacle, PeerOrigin};
use crate::peer::{Faults, Limited};

/// Peers that are remembered.
const MAX_CRASHED: usize = 1024;
/// A crash that comes so long after the pause for the one before is the first again.
const SOUND: Duration = Duration::from_secs(600);

/// How often tasks of peers failed.
#[derive(Debug, Default)]
pub(super) struct Crashes(BTreeMap<PeerAddress, Crash>);

#[derive(Clone, Copy, Debug)]
struct Crash {
    in_a_row: u32,
    last: Timestamp,
}

impl Crashes {
    /// Counts one; says how many it are in a row. `longest` is the longest pause that follows one.
    fn note(&mut self, now: Timestamp, peer: &PeerAddress, longest: Duration) -> u32 {
        let before = self.0.get(peer).filter(|crash| now.since(crash.last) < longest.saturating_add(SOUND));
        let in_a_row = before.map_or(0, |crash| crash.in_a_row).saturating_add(1);
        if self.0.len() >= MAX_CRASHED && !self.0.contains_key(peer) {
            let oldest = self.0.iter().min_by_key(|(_, crash)| crash.last).map(|(peer, _)| peer.clone());
            oldest.map(|peer| self.0.remove(&peer));
        }
        self.0.insert(peer.clone(), Crash { in_a_row, last: now });
        in_a_row
    }
}

impl Manager {
    /// The task of a peer failed: the peer gets a new one, that begins with a pause. What the operator wanted of it holds, and so does
    /// a prefix limit that held it.
    pub(super) async fn crashed(&mut self, address: &PeerAddress, failed: JoinError) {
        let entry = self.registry.get(address).filter(|entry| entry.mailbox.is_closed());
        self.forget_ended(address);
        let text = failed.try_into_panic().map_or_else(|ended| ended.to_string(), |panic| message(&*panic));
        error!(peer = %address, panic = %text, "a fault of this program while it cleaned up after one: the peer is made anew");
        // None: it was removed meanwhile.
        let Some(entry) = entry else { return };
        let (wish, counted, limited) = {
            let status = entry.status.lock();
            let limit = status.blocked.clone().filter(|blocked| blocked.by == Obstacle::PrefixLimit);
            let limited = limit.map(|blocked| Box::new(Limited { blocked, until: status.retry_at }));
            (status.wish, status.internal_errors.saturating_add(1), limited)
        };
        let config = self.config();
        let runtime = match entry.origin {
            PeerOrigin::Static => config.peer(address).map(|peer| self.static_runtime(peer)),
            PeerOrigin::Dynamic => range_of(&config, address).map(|range| self.range_runtime(range, address)),
        };
        let Some(mut runtime) = runtime else { return };
        let longest = Duration::from_secs(runtime.settings.idle_hold.max.0.into());
        let in_a_row = self.crashes.note(self.shared.clock.now(), address, longest);
        (runtime.wish, runtime.limited) = (wish, limited);
        runtime.faults = Some(Faults::OfTaskBefore { in_a_row, counted });
        match self.add(runtime).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                error!(peer = %address, "it cannot be made anew, as the RIB knows too many peers: remove some, and apply the configuration again");
            }
            Err(error) => error!(peer = %address, %error, "it cannot be made anew"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crashes_in_a_row_are_counted_and_few_are_remembered() {
        let mut crashes = Crashes::default();
        let peer = |n: u16| {
            let [high, low] = n.to_be_bytes();
            format!("10.0.{high}.{low}").parse::<PeerAddress>().expect("an address")
        };
        let at = |seconds| Timestamp::ZERO + Duration::from_secs(seconds);
        let longest = Duration::from_secs(3600);
        assert_eq!(crashes.note(at(0), &peer(1), longest), 1);
        assert_eq!(crashes.note(at(3600), &peer(1), longest), 2);
        // Just within the longest pause and ten minutes, and just beyond.
        assert_eq!(crashes.note(at(3600 + 4199), &peer(1), longest), 3);
        assert_eq!(crashes.note(at(3600 + 4199 + 4200), &peer(1), longest), 1);
        for n in 2..3000 {
            crashes.note(at(20_000 + u64::from(n)), &peer(n), longest);
        }
        assert_eq!(crashes.0.len(), MAX_CRASHED);
        // The latest are those that are known.
        assert_eq!(crashes.note(at(23_000), &peer(2999), longest), 2);
        assert_eq!(crashes.note(at(23_000), &peer(2), longest), 1);
    }
}
