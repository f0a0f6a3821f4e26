//! Path attributes (RFC 4271 §4.3, §5).
//!
//! The form in which attributes are kept is the *canonical block*: attributes in wire form, ascending types, one of
//! each, minimal length form, flags normalised, AS_PATH in 4 octets, the next hop (4, 16 or 32 octets) as attribute 3
//! whatever the family, no MP_REACH_NLRI, MP_UNREACH_NLRI, AS4_PATH or AS4_AGGREGATOR, discarded ones gone.
//! [`block::BlockView`] reads it in place; [`PathAttributes`] is the owned, typed form for policy and display.

pub mod aggregator;
pub mod as_path;
pub mod block;
pub mod code;
pub mod origin;

pub use aggregator::Aggregator;
pub use as_path::{AsPath, AsPathView};
pub use block::{BlockView, NextHop, RawAttr};
pub use code::AttrCode;
pub use origin::Origin;
