//! One large table through the RIB, in release on demand: time and octets a route.
//!
//! `cargo test -p heddle-rib --release -- --ignored --nocapture million`

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use heddle_bgp_core::attr::AttrCode;
use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::nlri::{PathIds, encode_nlri};
use heddle_bgp_core::{BgpId, ClusterId, Family, Nlri, NlriSlice, PathId, Prefix, Prefix4, Timestamp};
use smallvec::smallvec;

use crate::decision::DecisionOptions;
use crate::export::{ExportKey, Receiver};
use crate::ingest::{Batch, BatchBuilder, IngestContext};
use crate::journal::{JournalReader, TakeStatus};
use crate::nexthop::Resolve;
use crate::policy::{EvalContext, GracefulShutdown, ImportSettings, PolicyChain};
use crate::rib::{Bounds, Rib, RibConfig, RunStatus, Start};
use crate::route::SourceKind;
use crate::session::{DefaultOriginate, FamilyParams, RefreshMode, Retained, SessionId, SessionParams};
use crate::test_route::OWN;

const NOW: Timestamp = Timestamp::from_secs(1);

fn rib() -> Rib {
    let config = RibConfig {
        asn: OWN,
        bgp_id: BgpId(99),
        decision: DecisionOptions::default(),
        resolve: Resolve::Off,
        bounds: Bounds::default(),
        start: Start::Fresh,
    };
    Rib::new(&config, 1)
}

fn up(rib: &mut Rib, family: Family, n: u32) -> (SessionId, JournalReader) {
    let id = SessionId { peer: rib.add_peer().expect("free"), serial: 1 };
    let mut export = ExportKey::new(family, Receiver::Client, OWN);
    export.cluster_id = ClusterId(99);
    let params = SessionParams {
        kind: SourceKind::Client,
        peer_asn: OWN,
        local_asn: OWN,
        bgp_id: BgpId(n),
        peer_addr: std::net::Ipv4Addr::from(n).into(),
        families: vec![FamilyParams {
            export,
            default_originate: DefaultOriginate::Off,
            import: Arc::new(ImportSettings {
                policy: PolicyChain::accept_all(),
                prepend: None,
                graceful_shutdown: GracefulShutdown::Ignore,
                context: EvalContext { own_asn: OWN, self_next_hop: None },
            }),
            refresh: RefreshMode::Enhanced,
            limit_in: None,
            limit_out: None,
            retained: Retained::Discard,
        }],
    };
    let mut handles = rib.peer_up(NOW, id, &params).expect("known");
    (id, handles.readers.pop().expect("one").1)
}

/// Batches of 64 KiB: /24 or /48 prefixes, six to an attribute set of 57 octets.
fn batches(family: Family, routes: u32, source: u32) -> Vec<Batch> {
    let mut builder = BatchBuilder::new(IngestContext {
        kind: SourceKind::Client,
        own_asns: smallvec![OWN],
        allow_own_as: 0,
        bgp_id: BgpId(99),
        cluster_id: ClusterId(99),
        seed: 1,
    });
    let mut out = Vec::new();
    for set in 0..routes.div_ceil(6) {
        let mut block = Vec::new();
        push_attr(&mut block, 0x40, AttrCode::ORIGIN, &[0]);
        let path = [&[2, 4][..], &[set, 3356, 1299, 64500 + source].map(u32::to_be_bytes).concat()].concat();
        push_attr(&mut block, 0x40, AttrCode::AS_PATH, &path);
        let next_hop: &[u8] = if family == Family::IPV4_UNICAST { &[192, 0, 2, 1] } else { &[32; 16] };
        push_attr(&mut block, 0x40, AttrCode::NEXT_HOP, next_hop);
        push_attr(&mut block, 0x40, AttrCode::LOCAL_PREF, &[0, 0, 0, 100]);
        push_attr(&mut block, 0xc0, AttrCode::COMMUNITIES, &[1, 2, 3, 4, 5, 6, 7, 8]);
        let mut wire = BytesMut::new();
        for i in set * 6..((set + 1) * 6).min(routes) {
            let prefix = if family == Family::IPV4_UNICAST {
                Prefix::V4(Prefix4::new(0x0100_0000 + (i << 8), 24).expect("a prefix"))
            } else {
                Prefix::new(std::net::Ipv6Addr::from(0x2000_u128 << 112 | u128::from(i) << 80).into(), 48)
                    .expect("a prefix")
            };
            encode_nlri(&mut wire, Nlri { prefix, path_id: PathId(0) }, PathIds::Absent);
        }
        builder.advertise(NlriSlice::trusted(family, PathIds::Absent, &wire), &block, None);
        if builder.is_full() {
            out.push(builder.take());
        }
    }
    builder.end_of_rib(family);
    out.push(builder.take());
    out
}

fn read(reader: &mut JournalReader, out: &mut Vec<Bytes>) -> usize {
    let mut all = 0;
    for _ in 0..64 {
        out.clear();
        match reader.take(out, 65_536) {
            TakeStatus::Taken => {
                let n = out.iter().map(Bytes::len).sum();
                all += n;
                let _ = reader.advance(n);
            }
            TakeStatus::Detached => {
                let _ = reader.ready();
                return all;
            }
            TakeStatus::Empty(_) | TakeStatus::Closed => return all,
        }
    }
    all
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split_whitespace().nth(1).and_then(|p| p.parse::<usize>().ok()).expect("pages") * 4096
}

fn play(family: Family, routes: u32, sources: u32, receivers: u32) {
    let mut rib = rib();
    let mut sessions: Vec<_> = (1..=sources.max(receivers)).map(|n| up(&mut rib, family, n)).collect();
    let all: Vec<Vec<Batch>> = (0..sources).map(|s| batches(family, routes, s)).collect();
    let before = resident();
    let (mut out, mut written, mut peak) = (Vec::new(), 0, 0);
    let (mut ingest, mut run, mut write) = (0.0, 0.0, 0.0);
    let start = Instant::now();
    let clock = |t: Instant| t.elapsed().as_secs_f64();
    let most = all.iter().map(Vec::len).max().expect("some");
    for i in 0..most + 1_000_000 {
        let now = Timestamp::from_secs(1) + start.elapsed();
        let t = Instant::now();
        for (s, b) in all.iter().enumerate() {
            if let Some(batch) = b.get(i) {
                rib.ingest(now, sessions[s].0, batch);
            }
        }
        ingest += clock(t);
        let t = Instant::now();
        let status = rib.run(now, 4096);
        while rib.poll_output().is_some() {}
        run += clock(t);
        let t = Instant::now();
        let wrote: usize = sessions.iter_mut().map(|s| read(&mut s.1, &mut out)).sum();
        write += clock(t);
        written += wrote;
        if i % 64 == 0 {
            peak = peak.max(resident());
        }
        if i > most && wrote == 0 && matches!(status, RunStatus::Idle(_)) {
            break;
        }
    }
    let stats = rib.stats();
    let f = stats.families.iter().find(|f| f.family == family).expect("both are told");
    let paths = f.paths as f64;
    println!(
        "{family}: {routes} routes, {sources} sources, {receivers} receivers: {:.3} s (ingest {ingest:.3}, run {run:.3}, write {write:.3}), {} MiB written",
        clock(start),
        written >> 20
    );
    println!(
        "  paths {}, attributes {}, {:.1} octets a path in table, {:.1} in attributes; resident grew {:.1} MiB; batches {}",
        f.paths,
        stats.attributes,
        f.table_bytes as f64 / paths,
        stats.attribute_bytes as f64 / paths,
        (peak.max(resident()) - before) as f64 / 1048576.0,
        f.generation,
    );
}

#[test]
#[ignore = "a measurement, in release"]
fn million() {
    for family in Family::SUPPORTED {
        play(family, 1_000_000, 1, 6);
        play(family, 200_000, 10, 10);
    }
}
