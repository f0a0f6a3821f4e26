//! UPDATE (RFC 4271 §4.3): decoding with the revised error handling of RFC 7606, and packed encoding.
//!
//! [`decode`] reads one UPDATE against what was negotiated ([`UpdateContext`]) and hands out packed NLRI together with
//! canonical attribute blocks; nothing is allocated while the peer sends well-formed messages, because the blocks live
//! in a [`Scratch`] that is used again. Whatever is wrong with an attribute is data ([`AttrFault`]), each with its
//! action; the strongest wins. Only what RFC 7606 leaves no other way for ends the session ([`SessionReset`]).
//!
//! [`Encoder`] writes the same routes for a session: attributes are prepared once a block, NLRI fill each message to
//! the negotiated size.

mod as4;
mod context;
mod decode;
mod encode;
mod fault;
mod next_hop;
mod walk;

pub use context::{AigpSession, AsSets, AsZero, DecodeOptions, FamilyContext, UpdateContext};
pub use decode::{Ineligible, Reach, Scratch, Update, Withdrawn, decode};
pub use encode::{AttributesTooLong, EncodeParams, Encoder};
pub use fault::{AttrFault, FaultAction, FaultKind, ResetReason, SessionReset};
