//! BGP on the wire.
//!
//! Framing, the five message types, capabilities, path attributes, NLRI and NOTIFICATION codes; no I/O, no clock,
//! no allocation that grows with a length field that a peer sent.

pub mod asn;
pub mod attr;
pub mod bgp_id;
pub mod capability;
pub mod family;
pub mod framer;
pub mod message;
pub mod negotiated;
pub mod nlri;
pub mod notification;
pub mod open;
pub mod prefix;
pub mod reader;
pub mod route_refresh;
pub mod time;
pub mod update;

pub use asn::{AsWidth, Asn};
pub use bgp_id::{BgpId, ClusterId};
pub use capability::Capability;
pub use family::{Afi, Family, Safi};
pub use framer::{Frame, Framer, HeaderError};
pub use message::MessageType;
pub use negotiated::{Negotiated, PeerType, Role};
pub use nlri::{Nlri, NlriSlice, PathId};
pub use notification::Notification;
pub use open::Open;
pub use prefix::{Prefix, Prefix4, Prefix6};
pub use time::Timestamp;
