//! MRT files.

use std::io;

use heddle_mrt::Reader;
use heddle_mrt::show::show;

/// The largest file that is looked at: compressed ones grow.
const MAX: u64 = 1 << 20;

/// Any file: its records are decoded and shown until it ends or is malformed.
pub fn file(data: &[u8]) {
    let Ok(mut reader) = Reader::new(data) else { return };
    let mut octets = 0;
    while let Ok(Some(record)) = reader.next() {
        let _ = record.decode();
        octets += 12 + u64::try_from(record.body.len()).expect("a length");
        if octets > MAX {
            return;
        }
    }
    if let Ok(mut reader) = Reader::new(data) {
        let _ = show(&mut reader, io::sink());
    }
}
