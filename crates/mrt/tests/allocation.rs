//! What reading MRT allocates is bounded by what is there, whatever a length field says.
//!
//! Files that are not compressed: a decompressor needs its tables (bzip2 several MiB), and what comes out of it is the input here.

#[path = "../../../fuzz/src/allocation.rs"]
pub mod allocation;
#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;

use allocation::{WIRE, Worst};
use heddle_mrt::Reader;
use heddle_mrt::reader::MAX_RECORD_LEN;
use heddle_mrt::record::Record;

fn read(data: &[u8]) {
    let Ok(mut reader) = Reader::new(data) else { return };
    while let Ok(Some(record)) = reader.next() {
        if let Ok(Record::Rib(rib)) = record.decode() {
            assert!(rib.entries().count() <= usize::from(rib.count));
        }
    }
}

fn record(kind: u8, subtype: u8, length: u32, body: &[u8]) -> Vec<u8> {
    [&[0; 4][..], &[0, kind, 0, subtype], &length.to_be_bytes(), body].concat()
}

#[test]
fn files() {
    let mut worst = Worst::new(WIRE);
    corpus::each("mrt", |what, input| {
        if !input.starts_with(&[0x1f, 0x8b]) && !input.starts_with(b"BZh") {
            worst.decode(what, input, read);
        }
    });
    // 65535 peers in the smallest form, of which there are none; and as many as fit.
    let peers = |count: u16, there: usize| {
        let body = [&[0; 6][..], &count.to_be_bytes(), &[0; 11].repeat(there)].concat();
        record(13, 1, u32::try_from(body.len()).expect("short"), &body)
    };
    let further = [
        ("a record that claims 32 MiB", record(13, 1, MAX_RECORD_LEN, &[])),
        ("one that claims 32 MiB and has some", record(16, 4, MAX_RECORD_LEN, &[7; 9000])),
        ("65535 peers that are not there", peers(u16::MAX, 0)),
        ("65535 peers", peers(u16::MAX, 65_535)),
        ("65535 routes that are not there", record(13, 2, 7, &[0, 0, 0, 0, 0, 0xff, 0xff])),
    ];
    further.iter().for_each(|(what, input)| worst.decode(what, input, read));
    worst.check("mrt");
}
