//! MRT files (RFC 6396, RFC 8050): tables and messages as route collectors and routers record them.
//!
//! # Call order
//!
//! [`Reader::new`] over anything that reads (gzip and bzip2 are recognised by their first octets), [`Reader::next`] until
//! it returns none; [`RawRecord::decode`] makes a typed [`Record`] of what it returned. Memory is bounded by the largest
//! record, not by the file. On top of that:
//!
//! - [`show`] prints routes one a line, as `bgpdump -m` does;
//! - [`replay`] turns a file into the UPDATEs of one recorded peer, and lists the peers;
//! - [`Writer`] writes files.
//!
//! # RFCs
//!
//! | RFC | what | code | test |
//! |---|---|---|---|
//! | 6396 §2, §3 | headers, microseconds | [`header`], [`reader`] | `reader/tests.rs` |
//! | 6396 §4.2 | TABLE_DUMP | [`table_dump`] | `tests/bgpdump.rs`, `writer/tests.rs` |
//! | 6396 §4.3 | TABLE_DUMP_V2 | [`table_dump_v2`] | `tests/bgpdump.rs`, `writer/tests.rs` |
//! | 6396 §4.4 | BGP4MP, BGP4MP_ET | [`bgp4mp`] | `tests/bgpdump.rs`, `writer/tests.rs` |
//! | 8050 | the ADD-PATH forms | [`bgp4mp`], [`table_dump_v2`] | `tests/bgpdump.rs`, `writer/tests.rs` |
//! | 6793 §4.2 | AS numbers of two and four octets, AS4_PATH, AS4_AGGREGATOR | [`show`], [`replay`] | `show/tests.rs`, `replay/tests.rs` |
//!
//! Other types and subtypes, RIB_GENERIC among them, are passed over as [`Record::Other`].

#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::wildcard_enum_match_arm)
)]

mod attrs;
pub mod bgp4mp;
pub mod header;
pub mod reader;
pub mod record;
pub mod replay;
pub mod show;
pub mod table_dump;
pub mod table_dump_v2;
pub mod writer;

pub use header::Header;
pub use reader::{MrtError, RawRecord, Reader};
pub use record::{MalformedRecord, Record};
pub use writer::Writer;
