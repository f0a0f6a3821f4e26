//! MRT files.

use std::io;

use heddle_mrt::header::Header;
use heddle_mrt::record::Record;
use heddle_mrt::show::show;
use heddle_mrt::writer::Time;
use heddle_mrt::{Reader, Writer};

/// The largest file that is looked at: compressed ones grow.
const MAX: u64 = 1 << 20;

/// Any file: its records are decoded, written and read again, and shown until it ends or is malformed.
pub fn file(data: &[u8]) {
    let Ok(mut reader) = Reader::new(data) else { return };
    let mut octets = 0;
    while let Ok(Some(record)) = reader.next() {
        if let Ok(decoded) = record.decode() {
            round_trip(record.header, &decoded);
        }
        octets += 12 + u64::try_from(record.body.len()).expect("a length");
        if octets > MAX {
            return;
        }
    }
    if let Ok(mut reader) = Reader::new(data) {
        let _ = show(&mut reader, io::sink());
    }
}

/// What was read is written, and reads as before.
fn round_trip(header: Header, record: &Record<'_>) {
    let Some(file) = written(header, record) else { return };
    let mut reader = Reader::new(&file[..]).expect("memory can be read");
    let again = reader.next().expect("what we write is an MRT file").expect("a record");
    let decoded = again.decode().expect("what we write is well-formed");
    match (record, &decoded) {
        // Of its entries those count that it claims; what stands behind them is not written.
        (Record::Rib(old), Record::Rib(new)) => {
            assert_eq!((old.sequence, old.prefix, old.path_ids), (new.sequence, new.prefix, new.path_ids));
            assert!(old.entries().eq(new.entries()), "{old:?}\n{new:?}");
        }
        (old, new) => assert_eq!(old, new),
    }
    assert_eq!((again.header.seconds, again.header.micros), (header.seconds, header.micros));
}

/// The record as a file; none for what is not written: other types, entries that are cut, and a type that has no microseconds.
fn written(header: Header, record: &Record<'_>) -> Option<Vec<u8>> {
    let mut writer = Writer::new(Vec::new());
    let (seconds, micros) = (header.seconds, header.micros);
    match record {
        Record::Other => return None,
        Record::TableDump(route) => writer.table_dump(seconds, route),
        // A name that was no UTF-8 may be longer now than the field.
        Record::PeerIndexTable(table) if table.view.len() > usize::from(u16::MAX) => return None,
        Record::PeerIndexTable(table) => writer.peer_index_table(seconds, table),
        Record::Rib(rib) => {
            let entries = rib.entries().collect::<Result<Vec<_>, _>>().ok()?;
            writer.rib(seconds, rib.sequence, rib.prefix, rib.path_ids, &entries)
        }
        Record::StateChange(change) => writer.state_change(Time { seconds, micros }, change),
        Record::Message(message) => writer.message(Time { seconds, micros }, message),
    }
    .expect("memory can be written");
    Some(writer.into_inner())
}
