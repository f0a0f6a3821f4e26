//! The RIB: interning, insertion, decision, export. Times are of 12,000 routes; criterion also says how many a second.

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use heddle_bgp_core::attr::BlockView;
use heddle_bgp_core::{BgpId, Family, PathId};
use heddle_micro_bench::reflector::{ASN, Reflector};
use heddle_micro_bench::session::Session;
use heddle_micro_bench::table::Table;
use heddle_rib::decision::{DecisionOptions, select_best};
use heddle_rib::{AttrMeta, Batch, Candidate, PathFlags, PeerId, SourceInfo, SourceKind, Staleness};

const ROUTES: u32 = 12_000;
const TABLE: Table = Table::new(Family::IPV4_UNICAST, ROUTES);

/// A table as batches.
fn told(table: Table) -> Vec<Batch> {
    Session::new().all_batches(&table.advertisement())
}

fn ingest(reflector: &mut Reflector, client: usize, batches: &[Batch]) {
    batches.iter().for_each(|batch| reflector.ingest(client, batch));
}

/// A reflector with six clients, the first of which told these tables.
fn reflector(tables: &[Table]) -> Reflector {
    let mut reflector = Reflector::new(6);
    for &table in tables {
        ingest(&mut reflector, 0, &told(table));
        reflector.settle(|_, _| {});
    }
    reflector
}

/// What it takes to look up sets of attributes, and to store them. Each set has one destination, so that as few as can be
/// of everything else is measured with it: `insertion` says how much that is.
fn interning(c: &mut Criterion) {
    let alone = Table { of_one_set: 1, ..TABLE };
    let mut group = c.benchmark_group("interning");
    group.throughput(Throughput::Elements(ROUTES.into()));
    let batches = told(alone);
    group.bench_function("new sets, new routes", |b| {
        b.iter_batched_ref(|| reflector(&[]), |r| ingest(r, 0, &batches), BatchSize::PerIteration);
    });
    group.bench_function("known sets, known routes", |b| {
        b.iter_batched_ref(|| reflector(&[alone]), |r| ingest(r, 0, &batches), BatchSize::PerIteration);
    });
}

/// Into Adj-RIB-In; what it takes to decide and to tell others comes later.
fn insertion(c: &mut Criterion) {
    let mut group = c.benchmark_group("insertion");
    group.throughput(Throughput::Elements(ROUTES.into()));
    let one_set = told(Table { of_one_set: ROUTES, ..TABLE });
    group.bench_function("new routes, one set", |b| {
        b.iter_batched_ref(|| reflector(&[]), |r| ingest(r, 0, &one_set), BatchSize::PerIteration);
    });
    for family in Family::SUPPORTED {
        let table = Table { family, ..TABLE };
        let (first, newer) = (told(table), told(Table { version: 1, ..table }));
        let withdrawal = Session::new().all_batches(&table.withdrawal());
        let cases: [(&str, &[Table], &[Batch]); 4] = [
            ("new routes", &[], &first),
            ("the same again", &[table], &first),
            ("other attributes", &[table], &newer),
            ("withdrawal", &[table], &withdrawal),
        ];
        for (name, before, batches) in cases {
            group.bench_function(format!("{name}, {family}"), |b| {
                b.iter_batched_ref(|| reflector(before), |r| ingest(r, 0, batches), BatchSize::PerIteration);
            });
        }
    }
}

/// The comparison alone, of paths that differ in nothing but the last steps.
fn decision(c: &mut Criterion) {
    let mut group = c.benchmark_group("decision");
    let sources: Vec<SourceInfo> = (1..=10).map(source).collect();
    let block = TABLE.block(7);
    let meta = AttrMeta::detached(BlockView(&block));
    let candidates: Vec<Candidate<'_>> = sources
        .iter()
        .map(|source| Candidate {
            meta: &meta,
            block: BlockView(&block),
            source,
            path_id: PathId(0),
            flags: PathFlags::NONE,
            igp_cost: 0,
            since: 0,
        })
        .collect();
    let options = DecisionOptions::default();
    for n in [2, 10] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{n} equal paths"), |b| {
            b.iter(|| select_best(black_box(&candidates[..n]), black_box(&options)));
        });
    }
}

fn source(number: u32) -> SourceInfo {
    SourceInfo {
        peer: PeerId(u16::try_from(number).unwrap_or(0)),
        kind: SourceKind::Client,
        peer_asn: ASN,
        local_asn: ASN,
        bgp_id: BgpId(number),
        peer_addr: Ipv4Addr::from(0x0a00_0000 + number).into(),
        staleness: Staleness::Live,
    }
}

/// From dirty destinations to octets that five clients have taken.
fn export(c: &mut Criterion) {
    let mut group = c.benchmark_group("export");
    group.throughput(Throughput::Elements(ROUTES.into()));
    for family in Family::SUPPORTED {
        let table = Table { family, ..TABLE };
        let first = told(table);
        let withdrawal = Session::new().all_batches(&table.withdrawal());
        let cases: [(&str, &[Table], &[Batch]); 2] =
            [("new routes", &[], &first), ("withdrawal", &[table], &withdrawal)];
        for (name, before, batches) in cases {
            let ready = || {
                let mut reflector = reflector(before);
                ingest(&mut reflector, 0, batches);
                reflector
            };
            group.bench_function(format!("{name}, {family}"), |b| {
                b.iter_batched_ref(ready, |r| r.settle(|_, octets| _ = black_box(octets)), BatchSize::PerIteration);
            });
        }
    }
    // Ten clients tell the same destinations: each is the best to some, or was for a while.
    let ready = || {
        let mut reflector = Reflector::new(10);
        for client in 0..10 {
            ingest(&mut reflector, client as usize, &told(Table { client, ..TABLE }));
        }
        reflector
    };
    group.sample_size(20);
    group.bench_function("ten paths a destination", |b| {
        b.iter_batched_ref(ready, |r| r.settle(|_, octets| _ = black_box(octets)), BatchSize::PerIteration);
    });
}

criterion_group!(benches, interning, insertion, decision, export);
criterion_main!(benches);
