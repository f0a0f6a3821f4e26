//! The corpus without libFuzzer: `tests/fuzz_corpus.rs` and `tests/allocation.rs` of the crates that the targets are about include
//! this file.

use std::fs;
use std::path::Path;

#[path = "random.rs"]
pub mod random;

use random::Random;

/// Runs a target over its part of the corpus, see [`each`].
///
/// # Panics
/// When the target does, with what it was given; when there is no corpus.
pub fn replay(target: &str, body: fn(&[u8])) {
    each(target, |what, input| {
        let run = std::panic::catch_unwind(|| body(input));
        assert!(run.is_ok(), "{what}: {input:02x?}");
    });
}

/// As [`replay`] for a target of which an input takes long: each file whole, and changed in some octets.
///
/// # Panics
/// As [`replay`].
pub fn replay_long(target: &str, body: fn(&[u8])) {
    each_of(target, Forms::Changed, |what, input| {
        let run = std::panic::catch_unwind(|| body(input));
        assert!(run.is_ok(), "{what}: {input:02x?}");
    });
}

/// Each file of a part of the corpus, each of them cut short, with one bit turned over, and changed in some octets: always the same
/// ones. Of large files fewer forms are made. `HEDDLE_FUZZ_ROUNDS` sets how many changed ones of each file there are.
///
/// # Panics
/// There is no corpus.
pub fn each(target: &str, visit: impl FnMut(&str, &[u8])) {
    each_of(target, Forms::All, visit);
}

/// Which forms of a file there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forms {
    All,
    /// Not those that are cut short, and not those with one bit turned over.
    Changed,
}

fn each_of(target: &str, which: Forms, mut visit: impl FnMut(&str, &[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let rounds = std::env::var("HEDDLE_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut files: Vec<_> = files.map(|file| file.expect("a directory entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    let mut random = Random::new(0x2545_f491_4f6c_dd1d);
    for path in files {
        let octets = fs::read(&path).expect("a file of the corpus");
        let name = path.display();
        let (cuts, forms) = match which {
            Forms::All => (50.max(OCTETS / octets.len().max(1)), OCTETS / octets.len().max(1)),
            Forms::Changed => (0, 0),
        };
        for cut in spread(octets.len(), cuts).chain([octets.len()]) {
            let input = octets.get(..cut).expect("a length within the file");
            visit(&format!("{name}, its first {cut} octets"), input);
        }
        let mut turned = octets.clone();
        for bit in spread(octets.len() * 8, forms) {
            turned[bit / 8] ^= 0x80 >> (bit % 8);
            visit(&format!("{name}, bit {bit} turned over"), &turned);
            turned[bit / 8] ^= 0x80 >> (bit % 8);
        }
        for _ in 0..rounds {
            visit(&format!("{name}, changed"), &mutate(&mut random, &octets));
        }
    }
}

/// Mutations of each file in a plain run.
const ROUNDS: u64 = 20;
/// So many octets are there in the forms of a file with one bit turned over, about.
const OCTETS: usize = 65_536;

/// So many numbers below `bound`, at most, at equal distances.
fn spread(bound: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..bound).step_by(bound.div_ceil(count.max(1)).max(1)).take(count)
}

/// One to four octets set, removed, doubled or put in.
fn mutate(random: &mut Random, octets: &[u8]) -> Vec<u8> {
    let mut new = octets.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(new.len());
        let value = [0, 1, 0x7f, 0xff, b'"', random.below(256).try_into().unwrap_or(0)][random.below(6)];
        match random.below(5) {
            _ if new.is_empty() => new.push(value),
            0 | 1 => new[at] = value,
            2 => drop(new.remove(at)),
            3 => new.insert(at, value),
            _ => {
                let end = new.len().min(at + 1 + random.below(8));
                new.extend_from_within(at..end);
            }
        }
    }
    new
}
