//! BIRD 1.6 as Calico configures it: a parser of the subset of the language that the expected files use, and the
//! filter language's meaning.

pub mod ast;
mod cursor;
pub mod eval;
mod filter;
pub mod lex;
mod parse;
#[cfg(test)]
mod tests;

pub use parse::parse;
