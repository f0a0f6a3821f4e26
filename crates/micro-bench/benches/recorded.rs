//! A recorded table of the Internet instead of one that was thought up; skipped where the recording is not there.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput};
use heddle_bgp_core::message::MAX_LEN;
use heddle_bgp_core::{AsWidth, Family, PeerType};
use heddle_micro_bench::reflector::{ASN, Reflector};
use heddle_micro_bench::session::{READ, Session};
use heddle_mrt::Reader;
use heddle_mrt::replay::{Filled, Replay, ReplayOptions, peers};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/internet-2015.mrt.gz");

fn main() -> anyhow::Result<()> {
    if !Path::new(RECORDING).exists() {
        println!("recorded: skipped: there is no {RECORDING}");
        return Ok(());
    }
    let octets = recording().with_context(|| format!("cannot play {RECORDING}"))?;
    let mut session = Session::new();
    let mut routes = 0;
    let batches = session.all_batches(&octets);
    octets.chunks(READ).for_each(|read| {
        session.updates(read, |update| {
            routes += update.reach.iter().map(|reach| reach.nlri.iter().count()).sum::<usize>()
        });
    });
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("recorded");
    group.throughput(Throughput::Elements(routes as u64)).sample_size(10);
    group.bench_function("framed, decoded", |b| {
        b.iter(|| octets.chunks(READ).map(|read| session.updates(read, |_| {})).sum::<usize>());
    });
    group.bench_function("inserted", |b| {
        let insert = |r: &mut Reflector| batches.iter().for_each(|batch| r.ingest(0, batch));
        b.iter_batched_ref(|| Reflector::new(6), insert, BatchSize::PerIteration);
    });
    group.bench_function("decided, encoded for five clients", |b| {
        let ready = || {
            let mut reflector = Reflector::new(6);
            batches.iter().for_each(|batch| reflector.ingest(0, batch));
            reflector
        };
        b.iter_batched_ref(ready, |r| r.settle(|_, _| {}), BatchSize::PerIteration);
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// The UPDATEs of its largest peer.
fn recording() -> anyhow::Result<Bytes> {
    let open = || anyhow::Ok(Reader::new(File::open(RECORDING)?)?);
    let recorded = peers(&mut open()?);
    let most = recorded.peers.iter().max_by_key(|peer| peer.updates).context("it has no peer")?;
    let options = ReplayOptions {
        peer: most.addr,
        local_asn: ASN,
        peer_type: PeerType::Ibgp,
        as_width: AsWidth::Four,
        max_message_len: MAX_LEN,
        families: vec![Family::IPV4_UNICAST],
        extended_next_hop: Vec::new(),
    };
    let mut replay = Replay::new(open()?, options);
    let mut octets = BytesMut::new();
    while replay.fill(&mut octets, usize::MAX)? == Filled::More {}
    Ok(octets.freeze())
}
