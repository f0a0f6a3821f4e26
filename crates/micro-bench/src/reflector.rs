//! A RIB whose peers are clients of a reflector, all in one update group a family.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use heddle_bgp_core::{Asn, BgpId, ClusterId, Family, Timestamp};
use heddle_rib::decision::DecisionOptions;
use heddle_rib::export::{ExportKey, Receiver};
use heddle_rib::nexthop::Resolve;
use heddle_rib::policy::{EvalContext, GracefulShutdown, ImportSettings, PolicyChain};
use heddle_rib::rib::{Bounds, Start};
use heddle_rib::session::{DefaultOriginate, FamilyParams, RefreshMode, Retained};
use heddle_rib::{
    Batch, JournalReader, Progress, Rib, RibConfig, RunStatus, SessionId, SessionParams, SourceKind, TakeStatus,
};

/// The AS of all.
pub const ASN: Asn = Asn(65000);
/// The reflector's BGP Identifier and CLUSTER_ID.
pub const BGP_ID: u32 = 0x0aff_0001;
/// What hashes are keyed with: always the same, so that the work is.
pub const SEED: u64 = 1;

/// The only time there is: nothing here waits.
const NOW: Timestamp = Timestamp::from_secs(1);
/// Destinations of a quantum, as the RIB's thread asks for them.
const QUANTUM: usize = 4096;
/// Octets of a write.
const WRITE: usize = 64 * 1024;
/// Quanta after which something is wrong: those of the largest table are a fraction.
const MOST_QUANTA: usize = 100_000;

#[derive(Debug)]
struct Client {
    session: SessionId,
    readers: Vec<(Family, JournalReader)>,
}

/// A RIB and its clients.
#[derive(Debug)]
pub struct Reflector {
    rib: Rib,
    clients: Vec<Client>,
    pieces: Vec<Bytes>,
}

impl Reflector {
    /// With `clients` whose sessions have just begun.
    #[must_use]
    pub fn new(clients: u32) -> Self {
        let config = RibConfig {
            asn: ASN,
            bgp_id: BgpId(BGP_ID),
            decision: DecisionOptions::default(),
            resolve: Resolve::Off,
            // Nor does time pass.
            bounds: Bounds { gathering: Duration::ZERO, ..Bounds::default() },
            start: Start::Fresh,
        };
        let mut rib = Rib::new(&config, SEED);
        let clients = (1..=clients).map(|number| begin(&mut rib, number)).collect();
        let mut reflector = Self { rib, clients, pieces: Vec::new() };
        reflector.settle(|_, _| {});
        reflector
    }

    /// What a client sent.
    pub fn ingest(&mut self, client: usize, batch: &Batch) {
        self.rib.ingest(NOW, self.clients[client].session, batch);
    }

    /// A quantum: decision, and UPDATEs for the group.
    pub fn run(&mut self) -> RunStatus {
        let status = self.rib.run(NOW, QUANTUM);
        while self.rib.poll_output().is_some() {}
        status
    }

    /// Each client's writer writes all that it has, to a socket that takes everything; says how many octets.
    pub fn write(&mut self, mut each: impl FnMut(usize, &[u8])) -> usize {
        let mut all = 0;
        for (number, client) in self.clients.iter_mut().enumerate() {
            for (_, reader) in &mut client.readers {
                all += write(reader, &mut self.pieces, |octets| each(number, octets));
            }
        }
        all
    }

    /// Runs and writes until there is nothing more to do; says how many octets were written.
    ///
    /// # Panics
    /// There is no end to it.
    pub fn settle(&mut self, mut each: impl FnMut(usize, &[u8])) -> usize {
        let mut all = 0;
        for _ in 0..MOST_QUANTA {
            let status = self.run();
            let written = self.write(&mut each);
            all += written;
            if written == 0 && matches!(status, RunStatus::Idle(_)) {
                return all;
            }
        }
        panic!("the RIB has something to do for ever");
    }

    /// All paths of a family, and all sets of attributes.
    #[must_use]
    pub fn counts(&self, family: Family) -> (u64, u64) {
        let stats = self.rib.stats();
        let paths = stats.families.iter().find(|f| f.family == family).map_or(0, |f| f.paths);
        (paths, stats.attributes)
    }
}

fn begin(rib: &mut Rib, number: u32) -> Client {
    let session = SessionId { peer: rib.add_peer().expect("invariant: fewer peers than numbers"), serial: 1 };
    let import = Arc::new(ImportSettings {
        guard: None,
        policy: PolicyChain::accept_all(),
        prepend: None,
        graceful_shutdown: GracefulShutdown::Ignore,
        context: EvalContext { own_asn: ASN, self_next_hop: None },
    });
    let family = |family| FamilyParams {
        export: ExportKey { cluster_id: ClusterId(BGP_ID), ..ExportKey::new(family, Receiver::Client, ASN) },
        default_originate: DefaultOriginate::Off,
        import: Arc::clone(&import),
        refresh: RefreshMode::Enhanced,
        limit_in: None,
        limit_out: None,
        retained: Retained::Discard,
    };
    let params = SessionParams {
        kind: SourceKind::Client,
        peer_asn: ASN,
        local_asn: ASN,
        bgp_id: BgpId(number),
        peer_addr: Ipv4Addr::from(0x0a00_0000 + number).into(),
        families: Family::SUPPORTED.map(family).into(),
    };
    let handles = rib.peer_up(NOW, session, &params).expect("invariant: the peer was added");
    Client { session, readers: handles.readers }
}

fn write(reader: &mut JournalReader, pieces: &mut Vec<Bytes>, mut each: impl FnMut(&[u8])) -> usize {
    let mut all = 0;
    loop {
        pieces.clear();
        match reader.take(pieces, WRITE) {
            TakeStatus::Taken => {
                let written = pieces.iter().map(Bytes::len).sum();
                pieces.iter().for_each(|piece| each(piece));
                all += written;
                // Whether the owner has to be woken does not matter: it runs next anyhow.
                let (Progress::Quiet | Progress::WakeOwner) = reader.advance(written);
            }
            TakeStatus::Detached => {
                let (Progress::Quiet | Progress::WakeOwner) = reader.ready();
                return all;
            }
            TakeStatus::Empty(_) | TakeStatus::Closed => return all,
        }
    }
}
