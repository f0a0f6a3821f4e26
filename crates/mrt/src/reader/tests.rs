use std::io::Write;

use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

/// A record of a type.
fn record(kind: u16, subtype: u16, body: &[u8]) -> Vec<u8> {
    let mut out = 1_700_000_000_u32.to_be_bytes().to_vec();
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&subtype.to_be_bytes());
    out.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    out.extend_from_slice(body);
    out
}

type Found = (u64, Header, Vec<u8>);

fn read_all(file: &[u8]) -> (Vec<Found>, Option<MrtError>) {
    let mut reader = Reader::new(file).unwrap();
    let mut found = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(r)) => found.push((r.offset, r.header, r.body.to_vec())),
            Ok(None) => return (found, None),
            Err(e) => return (found, Some(e)),
        }
    }
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::new(), flate2::Compression::default());
    e.write_all(octets).unwrap();
    e.finish().unwrap()
}

fn bzip2(octets: &[u8]) -> Vec<u8> {
    let mut e = BzEncoder::new(Vec::new(), bzip2::Compression::default());
    e.write_all(octets).unwrap();
    e.finish().unwrap()
}

/// RFC 6396 §2, §3: header, and microseconds that count in the length.
#[test]
fn records_plain_and_compressed() {
    let file = [record(16, 4, &[1, 2, 3]), record(17, 0, &[0, 1, 0xe2, 0x40, 9]), record(11, 1, &[])].concat();
    let (plain, error) = read_all(&file);
    assert!(error.is_none());
    let header = |kind, subtype, micros| Header { seconds: 1_700_000_000, micros, kind, subtype };
    assert_eq!(
        plain,
        [
            (0, header(16, 4, None), vec![1, 2, 3]),
            (15, header(17, 0, Some(123_456)), vec![9]),
            (32, header(11, 1, None), vec![]),
        ]
    );
    let members = [gzip(&file[..20]), gzip(&file[20..])].concat();
    for packed in [gzip(&file), bzip2(&file), members] {
        let (records, error) = read_all(&packed);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(records, plain);
    }
    assert_eq!(read_all(&[]).0.len(), 0);
}

/// The records before the cut come first, then its offset, wherever it is.
#[test]
fn a_cut_file() {
    let one = record(16, 4, &[7; 40]);
    let file = one.repeat(3);
    for len in 1..file.len() {
        let (records, error) = read_all(&file[..len]);
        let whole = len / one.len();
        assert_eq!(records.len(), whole, "{len}");
        let offset = (whole * one.len()) as u64;
        match error {
            None => assert_eq!(len % one.len(), 0),
            Some(MrtError::Truncated { offset: at }) => assert_eq!(at, offset),
            Some(other) => panic!("{len}: {other}"),
        }
    }
    let packed = gzip(&file);
    let (_, error) = read_all(&packed[..packed.len() - 9]);
    assert!(matches!(error, Some(MrtError::Truncated { .. })), "{error:?}");
}

/// Something else than MRT is seen at once, also behind sound records.
#[test]
fn a_foreign_file() {
    let (records, error) = read_all(b"#!/bin/sh\necho this is no table\n");
    assert!(records.is_empty());
    assert!(matches!(error, Some(MrtError::Foreign { offset: 0, .. })), "{error:?}");
    assert!(matches!(read_all(&[0; 4096]).1, Some(MrtError::Foreign { offset: 0, kind: 0 })));
    let (records, error) = read_all(&[record(16, 4, &[1]), vec![0xaa; 40]].concat());
    assert_eq!(records.len(), 1);
    let error = error.unwrap();
    assert_eq!(error.offset(), 13);
    assert_eq!(
        error.to_string(),
        "at octet 13 there is no MRT record (type 43690): the file is of another kind or damaged"
    );
    // Not even gzip behind the magic.
    assert!(matches!(read_all(&[0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]).1, Some(MrtError::Io { offset: 0, .. })));
}

/// A length field does not make memory: it is refused, or the file ends first.
#[test]
fn an_absurd_length() {
    let mut file = record(16, 4, &[]);
    file[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(read_all(&file).1, Some(MrtError::TooLong { offset: 0, len: u32::MAX })));
    file[8..12].copy_from_slice(&MAX_RECORD_LEN.to_be_bytes());
    let mut reader = Reader::new(&file[..]).unwrap();
    assert!(matches!(reader.next(), Err(MrtError::Truncated { offset: 0 })));
    assert!(reader.body.capacity() < 1 << 20);
}

/// RFC 6396 §3: no room for the microseconds is for the decoder of the body to see.
#[test]
fn short_extended_record() {
    let (records, error) = read_all(&record(17, 4, &[1, 2]));
    assert!(error.is_none());
    assert_eq!((records[0].1.micros, records[0].2.len()), (None, 2));
}

proptest! {
    /// No content of a record makes its decoder panic.
    #[test]
    fn any_body(kind in prop::sample::select(vec![12_u16, 13, 16, 17]), subtype in 0_u16..13,
                body in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..300)) {
        let file = record(kind, subtype, &body);
        let mut reader = Reader::new(&file[..]).unwrap();
        while let Ok(Some(r)) = reader.next() {
            if let Ok(Record::Rib(rib)) = r.decode() {
                prop_assert!(rib.entries().count() <= usize::from(rib.count));
            }
        }
    }
}
