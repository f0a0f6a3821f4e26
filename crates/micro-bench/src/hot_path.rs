//! All of it, one thread, from memory: what clients send is decoded, goes into the RIB, is decided and encoded, and written.
//!
//! Two clients send the same destinations, each the better path to half of them; then the first one withdraws all of its
//! own. Three more clients only receive.
//!
//! The four stages are functions that are never inlined, so that a profile has their names.

use bytes::Bytes;
use heddle_bgp_core::Family;
use heddle_rib::{Batch, RunStatus};

use crate::reflector::Reflector;
use crate::session::{READ, Session};
use crate::table::{OF_ONE_SET, Table};

/// Clients that send.
const SENDERS: u32 = 2;
/// Clients that do not.
const RECEIVERS: u32 = 3;

/// What is to be done, made beforehand.
#[derive(Debug)]
pub struct HotPath {
    reflector: Reflector,
    sessions: Vec<Session>,
    /// Who sends what, in this order.
    sent: Vec<(usize, Bytes)>,
    batches: Vec<Batch>,
}

impl HotPath {
    /// Each sender has `updates` UPDATEs with six IPv4 destinations.
    #[must_use]
    pub fn new(updates: u32) -> Self {
        let table = |client| Table { client, ..Table::new(Family::IPV4_UNICAST, updates * OF_ONE_SET) };
        Self {
            reflector: Reflector::new(SENDERS + RECEIVERS),
            sessions: (0..SENDERS).map(|_| Session::new()).collect(),
            sent: vec![(0, table(0).advertisement()), (1, table(1).advertisement()), (0, table(0).withdrawal())],
            batches: Vec::new(),
        }
    }

    /// Does it; `each` is told what is written to which client. Returns how many octets that is.
    #[inline(never)]
    pub fn run(&mut self, mut each: impl FnMut(usize, &[u8])) -> usize {
        let mut written = 0;
        for (client, octets) in std::mem::take(&mut self.sent) {
            for read in octets.chunks(READ) {
                decode(&mut self.sessions[client], read, &mut self.batches);
                ingest(&mut self.reflector, client, &mut self.batches);
                decide_and_encode(&mut self.reflector);
                written += write(&mut self.reflector, &mut each);
            }
        }
        loop {
            let idle = matches!(decide_and_encode(&mut self.reflector), RunStatus::Idle(_));
            let last = write(&mut self.reflector, &mut each);
            written += last;
            if idle && last == 0 {
                return written;
            }
        }
    }
}

#[inline(never)]
fn decode(session: &mut Session, read: &[u8], batches: &mut Vec<Batch>) {
    session.batches(read, batches);
}

#[inline(never)]
fn ingest(reflector: &mut Reflector, client: usize, batches: &mut Vec<Batch>) {
    batches.drain(..).for_each(|batch| reflector.ingest(client, &batch));
}

#[inline(never)]
fn decide_and_encode(reflector: &mut Reflector) -> RunStatus {
    reflector.run()
}

#[inline(never)]
fn write(reflector: &mut Reflector, each: &mut impl FnMut(usize, &[u8])) -> usize {
    reflector.write(each)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use heddle_bgp_core::Prefix;

    use super::*;

    /// In the end each has what the second sender told, but for that sender itself; and nothing else was there in between.
    #[test]
    fn every_client_has_every_route() {
        const UPDATES: u32 = 1500;
        let mut hot_path = HotPath::new(UPDATES);
        let mut receiving: Vec<Session> = (0..SENDERS + RECEIVERS).map(|_| Session::new()).collect();
        let mut tables = vec![BTreeMap::<Prefix, Vec<u8>>::new(); receiving.len()];
        let mut heard = vec![0_usize; receiving.len()];
        hot_path.run(|client, octets| {
            let table = &mut tables[client];
            receiving[client].updates(octets, |update| {
                for nlri in update.withdrawn.iter().flat_map(|field| field.iter()) {
                    assert!(table.remove(&nlri.prefix).is_some(), "{} was not there", nlri.prefix);
                }
                for reach in &update.reach {
                    for nlri in reach.nlri.iter() {
                        table.insert(nlri.prefix, reach.block.to_vec());
                        heard[client] += 1;
                    }
                }
            });
        });
        let second = Table { client: 1, ..Table::new(Family::IPV4_UNICAST, UPDATES * OF_ONE_SET) };
        let all: Vec<Prefix> = (0..second.routes).map(|number| second.prefix(number)).collect();
        for (client, table) in tables.iter().enumerate() {
            if client == 1 {
                assert!(table.is_empty(), "a route came back to its sender");
                continue;
            }
            assert_eq!(table.len(), all.len(), "client {client}");
            for set in 0..second.sets() {
                // The AS_PATH is what tells the senders apart; a reflector adds attributes behind these.
                let path = second.block(set)[4..25].to_vec();
                for nlri in second.nlri(set) {
                    assert_eq!(table[&nlri.prefix][4..25], path, "client {client}: {}", nlri.prefix);
                }
            }
        }
        let routes = all.len();
        assert_eq!(heard[4], 2 * routes, "all of the first sender's, and the second one's: half of them at once");
        assert_eq!(hot_path.reflector.counts(Family::IPV4_UNICAST), (routes as u64, u64::from(second.sets())));
    }
}
