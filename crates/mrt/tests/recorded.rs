//! Recorded UPDATEs of the Internet, whole, cut and with bits turned over, through what the fuzz target of UPDATEs checks: no panic, and
//! what is accepted goes out equal.
//!
//! The small recordings, a full table of 2015, and another hour of the shared data folder (`HEDDLE_DATA`) where that is there: all of their
//! messages whole, and other forms of some; `HEDDLE_FUZZ_ROUNDS=N` makes N forms of each.

use std::fs::File;
use std::path::{Path, PathBuf};

use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::{AsWidth, Framer, MessageType};
use heddle_mrt::Reader;
use heddle_mrt::bgp4mp::Message;
use heddle_mrt::record::Record;
use random::Random;

#[path = "../../../fuzz/src/random.rs"]
pub mod random;
#[path = "../../../fuzz/src/wire.rs"]
pub mod wire;

/// The octets by which the target knows the session: internal, AIGP, AS sets as they come.
fn session(message: &Message<'_>) -> [u8; 2] {
    let width = if message.as_width == AsWidth::Two { 0x02 } else { 0 };
    let path_ids = if message.path_ids == PathIds::Present { 0x0c } else { 0 };
    [0xc1 | width | path_ids, 5]
}

/// Plays a file; of one message in `every` other forms too. Says how many UPDATEs there were.
fn play(path: &Path, every: usize, rounds: usize) -> usize {
    let mut reader = Reader::new(File::open(path).expect("a file")).expect("a file that can be read");
    let (mut seen, mut random) = (0, Random::new(0x2545_f491_4f6c_dd1d));
    while let Some(record) = reader.next().expect("a sound recording") {
        let Ok(Record::Message(message)) = record.decode() else { continue };
        let mut framer = Framer::new();
        framer.allow_extended();
        framer.push(message.message);
        let frame = framer.next().expect("a sound message").expect("a whole message");
        if frame.kind != MessageType::Update {
            continue;
        }
        let input = [&session(&message), frame.body()].concat();
        wire::update(&input);
        seen += 1;
        for _ in 0..if seen % every == 0 { rounds } else { 0 } {
            wire::update(&input[..2 + random.below(input.len() - 2)]);
            let mut turned = input.clone();
            for _ in 0..=random.below(2) {
                let at = 2 + random.below(turned.len() - 2);
                turned[at] ^= 1 << random.below(8);
            }
            wire::update(&turned);
        }
    }
    seen
}

#[test]
fn every_recorded_update() {
    let asked = std::env::var("HEDDLE_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok());
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let seen: usize =
        ["updates.gz", "updates.et.gz"].map(|name| play(&ours.join(name), 1, asked.unwrap_or(50))).iter().sum();
    assert!(seen > 50, "{seen} UPDATEs");
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let shared = std::env::var_os("HEDDLE_DATA").map_or_else(beside, PathBuf::from);
    let (every, rounds) = asked.map_or((16, 1), |rounds| (1, rounds));
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/internet-2015.mrt.gz");
    assert_eq!(play(&table, every, rounds), 89_679);
    let hour = shared.join("updates.20160811.1600.gz");
    if hour.exists() {
        println!("{}: {} UPDATEs", hour.display(), play(&hour, every, rounds));
    } else {
        println!("{} is not there: HEDDLE_DATA names the folder that has it", hour.display());
    }
}
