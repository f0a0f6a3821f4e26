//! What decoding allocates: `tests/allocation.rs` of the crates that decode include this file, and count with an allocator of their own.

use allocation_counter::measure;

/// What decoding may hold at any time.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Octets that any input may cost.
    pub base: u64,
    /// Octets that each octet of the input may cost beside.
    pub each: u64,
}

/// What peers and recordings are held to.
pub const WIRE: Bound = Bound { base: 64 << 10, each: 8 };
/// What text is held to that operators write: it becomes a tree, in which a value of two octets is a node.
pub const TEXT: Bound = Bound { base: 64 << 10, each: 64 };

/// The most that was held, for the test's output.
#[derive(Debug)]
pub struct Worst {
    bound: Bound,
    /// How much of what is allowed, in percent.
    percent: u64,
    /// By which input.
    what: String,
    inputs: u64,
}

impl Worst {
    /// Nothing yet.
    pub const fn new(bound: Bound) -> Self {
        Self { bound, percent: 0, what: String::new(), inputs: 0 }
    }

    /// Decodes an input, and counts what is allocated and not given back at any time.
    ///
    /// # Panics
    /// When decoding does, and when it keeps something.
    pub fn decode(&mut self, what: &str, input: &[u8], decode: impl FnOnce(&[u8])) {
        let length = u64::try_from(input.len()).expect("a length");
        let held = measure(|| decode(input)).bytes_max;
        self.inputs += 1;
        let percent = held * 100 / (self.bound.base + self.bound.each * length);
        if percent >= self.percent {
            (self.percent, self.what) = (percent, format!("{what}: {held} octets for {length}"));
        }
    }

    /// Prints the worst.
    ///
    /// # Panics
    /// It is more than is allowed; or there was no input.
    pub fn check(&self, target: &str) {
        let Self { bound, percent, what, inputs } = self;
        assert!(*inputs > 0, "{target}: no input");
        println!("{target}: {inputs} inputs; at most {percent} % of what is allowed, {what}");
        assert!(*percent <= 100, "{target}: {percent} % of what is allowed ({bound:?}), {what}");
    }
}
