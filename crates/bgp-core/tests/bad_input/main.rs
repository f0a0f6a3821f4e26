//! Malformed and borderline input: the list of what the RFCs ask for, and what the decoders make of every row.
//!
//! `data/` has the rows; `docs/bad-input.md` says where daemons disagree and what is done here.

mod list;
mod messages;
pub mod rows;
mod updates;
