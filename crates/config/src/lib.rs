//! What a speaker runs, as one value.
//!
//! No I/O: the text of a file comes in as an argument, and files that the configuration names (MD5 keys) are read by
//! who runs it.

mod value;

pub use value::*;
