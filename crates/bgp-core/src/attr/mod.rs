//! Path attributes (RFC 4271 §4.3, §5).
//!
//! The form in which attributes are kept is the *canonical block*: attributes in wire form, ascending types, one of
//! each, minimal length form, flags normalised, AS_PATH in 4 octets, the next hop (4, 16 or 32 octets) as attribute 3
//! whatever the family, no MP_REACH_NLRI, MP_UNREACH_NLRI, AS4_PATH or AS4_AGGREGATOR, discarded ones gone. Routes of our
//! own may have the pseudo-attribute [`AttrCode::INTERFACE`].
//! [`block::BlockView`] reads it in place; [`PathAttributes`] is the owned, typed form for policy and display.

pub mod aggregator;
pub mod aigp;
pub mod as_path;
pub mod block;
pub mod code;
pub mod community;
pub mod ext_community;
pub mod items;
pub mod large_community;
pub mod origin;
pub mod otc;
pub mod path_attributes;
mod summary;
pub mod table;
pub(crate) mod tlv;

pub use aggregator::Aggregator;
pub use as_path::{AsPath, AsPathView};
pub use block::{AttributeTooLong, BlockView, NextHop, RawAttr};
pub use code::{AttrCode, AttrFlags};
pub use community::Community;
pub use ext_community::{Administrator, ExtCommunity, Ipv6ExtCommunity};
pub use items::Items;
pub use large_community::LargeCommunity;
pub use origin::Origin;
pub use path_attributes::{AtomicAggregate, OtherAttr, Partial, PathAttributes};
