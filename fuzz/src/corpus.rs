//! The corpus without libFuzzer: `tests/fuzz_corpus.rs` of the crates that the targets are about includes this file.

use std::fs;
use std::path::Path;

/// Runs a target over each file of its part of the corpus, over each of them cut short, and over mutations of them:
/// `HEDDLE_FUZZ_ROUNDS` of each, always the same ones.
///
/// # Panics
/// When the target does, with the file; when there is no corpus.
pub fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let rounds = std::env::var("HEDDLE_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let (mut seen, mut random) = (0, Random(0x2545_f491_4f6c_dd1d));
    for file in files {
        let path = file.expect("a directory entry").path();
        let octets = fs::read(&path).expect("a file of the corpus");
        let cuts = (0..octets.len()).step_by(octets.len() / 50 + 1).chain([octets.len()]);
        for cut in cuts {
            let input = octets.get(..cut).expect("a length within the file");
            let run = std::panic::catch_unwind(|| body(input));
            assert!(run.is_ok(), "{}, its first {cut} octets", path.display());
        }
        for _ in 0..rounds {
            let input = random.mutate(&octets);
            let run = std::panic::catch_unwind(|| body(&input));
            assert!(run.is_ok(), "{}, mutated: {input:02x?}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 0, "{} is empty", folder.display());
}

/// Mutations of each file in a plain run.
const ROUNDS: u64 = 20;

/// A small generator of numbers (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }

    /// One to four octets set, removed, doubled or put in.
    fn mutate(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut new = octets.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(new.len());
            let value = [0, 1, 0x7f, 0xff, b'"', self.below(256).try_into().unwrap_or(0)][self.below(6)];
            match self.below(5) {
                _ if new.is_empty() => new.push(value),
                0 | 1 => new[at] = value,
                2 => drop(new.remove(at)),
                3 => new.insert(at, value),
                _ => {
                    let end = new.len().min(at + 1 + self.below(8));
                    new.extend_from_within(at..end);
                }
            }
        }
        new
    }
}
