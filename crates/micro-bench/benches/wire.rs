//! The wire: framing, attribute decoding, batches, encoding. Times are of 12,000 routes; criterion also says how many a second.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use heddle_bgp_core::{Family, Framer};
use heddle_micro_bench::session::{READ, Session};
use heddle_micro_bench::table::{Table, encoder};

const ROUTES: u32 = 12_000;

fn framing(c: &mut Criterion) {
    let octets = Table::new(Family::IPV4_UNICAST, ROUTES).advertisement();
    let mut group = c.benchmark_group("framing");
    group.throughput(Throughput::Elements(ROUTES.into()));
    // Short reads cut many messages in two.
    for (name, read) in [("reads of 64 KiB", READ), ("reads of 1 KiB", 1024)] {
        let mut framer = Framer::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                for read in octets.chunks(read) {
                    framer.push(read);
                    while let Some(frame) = framer.next().expect("whole messages are sent") {
                        black_box(frame);
                    }
                }
            });
        });
    }
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decoding");
    group.throughput(Throughput::Elements(ROUTES.into()));
    for family in Family::SUPPORTED {
        let table = Table::new(family, ROUTES);
        let (advertisement, withdrawal) = (table.advertisement(), table.withdrawal());
        let mut session = Session::new();
        for (name, octets) in [("framed, attributes", &advertisement), ("framed, withdrawals", &withdrawal)] {
            group.bench_function(format!("{name}, {family}"), |b| {
                b.iter(|| {
                    octets.chunks(READ).map(|read| session.updates(read, |update| _ = black_box(update))).sum::<usize>()
                });
            });
        }
        let mut batches = Vec::new();
        group.bench_function(format!("framed, attributes, batches, {family}"), |b| {
            b.iter(|| {
                for read in advertisement.chunks(READ) {
                    session.batches(read, &mut batches);
                    black_box(&mut batches).clear();
                }
            });
        });
    }
}

fn encoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("encoding");
    group.throughput(Throughput::Elements(ROUTES.into()));
    for family in Family::SUPPORTED {
        // Six destinations an UPDATE, and as many as fit.
        for of_one_set in [6, ROUTES] {
            let table = Table { of_one_set, ..Table::new(family, ROUTES) };
            let blocks: Vec<Vec<u8>> = (0..table.sets()).map(|set| table.block(set)).collect();
            let nlri: Vec<Vec<_>> = (0..table.sets()).map(|set| table.nlri(set).collect()).collect();
            let (mut encoder, mut out) = (encoder(family), BytesMut::new());
            group.bench_function(format!("{of_one_set} of a set, {family}"), |b| {
                b.iter(|| {
                    out.clear();
                    for (block, nlri) in blocks.iter().zip(&nlri) {
                        let nlri = &mut nlri.iter().copied().peekable();
                        encoder.advertise(&mut out, block, nlri, usize::MAX).expect("short attributes");
                    }
                    black_box(&out).len()
                });
            });
        }
    }
}

criterion_group!(benches, framing, decoding, encoding);
criterion_main!(benches);
