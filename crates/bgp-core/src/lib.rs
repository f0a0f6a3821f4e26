//! BGP on the wire.
//!
//! Framing, the five message types, capabilities, path attributes, NLRI and NOTIFICATION codes; no I/O, no clock,
//! no allocation that grows with a length field that a peer sent.
//!
//! # Call order
//!
//! 1. [`Framer::push`] what was read, then [`Framer::next`] until it wants more.
//! 2. By [`Frame::kind`]: [`Open::decode`] (body), [`update`] (body, in the context of what was negotiated),
//!    [`Notification::decode`] (body), [`RouteRefresh::decode`](route_refresh::RouteRefresh::decode) (whole message);
//!    a KEEPALIVE is its header.
//! 3. Each error has `notification()`: what goes on the wire before the connection is closed.
//! 4. To send: `encode` of the same types into a `BytesMut`, and [`message::KEEPALIVE`]. What can be constructed can be
//!    sent.
//!
//! # RFCs
//!
//! | RFC | what | code | test |
//! |---|---|---|---|
//! | 4271 §4.1, §6.1 | header, framing | [`framer`], [`message`] | `framer/tests.rs`, `tests/bad_input/messages.rs` |
//! | 4271 §4.2, §6.2 | OPEN | [`open`] | `open/tests.rs`, `tests/bad_input/messages.rs` |
//! | 4271 §4.4 | KEEPALIVE | [`message`] | `framer/tests.rs` |
//! | 4271 §4.5, §6 | NOTIFICATION | [`notification`] | `notification/tests.rs` |
//! | 2918, 7313 | route refresh, enhanced | [`route_refresh`] | `route_refresh/tests.rs` |
//! | 4486, 9384 | subcodes of Cease | [`notification::cease`] | `notification/tests.rs` |
//! | 4724 §3, 8538 §2 | graceful restart: capability | [`capability`] | `capability/tests.rs` |
//! | 4760 §8 | multiprotocol: capability | [`capability`] | `capability/tests.rs` |
//! | 5492 | capabilities | [`capability`], [`open`] | `capability/tests.rs`, `open/tests.rs` |
//! | 6286 §2.1 | BGP Identifier | [`open`] | `open/tests.rs` |
//! | 6608 | subcodes of FSM errors | [`notification`] | `notification/tests.rs` |
//! | 6793 §3, §4.1, §9 | 4-octet AS: capability, AS_TRANS in OPEN | [`open`] | `open/tests.rs` |
//! | 7607 §2 | AS 0 in OPEN | [`open`] | `open/tests.rs` |
//! | 7911 §4 | ADD-PATH: capability | [`capability`] | `capability/tests.rs` |
//! | 8538 §3.1 | Hard Reset | [`notification`] | `notification/tests.rs` |
//! | 8654 | extended messages | [`framer`], [`capability`] | `framer/tests.rs` |
//! | 8950 §4 | extended next hop: capability | [`capability`] | `capability/tests.rs` |
//! | 9003 | shutdown communication | [`notification`] | `notification/tests.rs` |
//! | 9072 | extended optional parameters | [`open`] | `open/tests.rs` |
//! | 9234 §4 | roles: capability, which fit | [`capability`], [`open`], [`Role`] | `open/tests.rs` |
//! | 9494 §3 | long-lived graceful restart: capability | [`capability`] | `capability/tests.rs` |
//! | 9687 | Send Hold Timer Expired | [`notification`] | `notification/tests.rs` |
//! | 4271 §4.3, §6.3 | UPDATE | [`update`] | `update/encode/tests.rs`, `tests/bad_input/updates.rs`, `tests/update_properties.rs` |
//! | 4271 §5, §9.1.2.2 a | path attributes, length of AS_PATH | [`attr`] | `attr/*/tests.rs` |
//! | 1997; 7611, 7999, 8326, 9494 §4.6 | communities, the well-known ones | [`attr::community`] | there, `attr/summary.rs` |
//! | 2545 §3 | IPv6 next hops of 16 and 32 octets | `update/next_hop.rs` | there |
//! | 4360, 5668, 5701 | extended communities | [`attr::ext_community`] | there |
//! | 4456 §8 | ORIGINATOR_ID, CLUSTER_LIST | [`attr::PathAttributes::reflect`] | `attr/path_attributes/tests.rs` |
//! | 4724 §2 | End-of-RIB | [`update`] | `update/encode/tests.rs` |
//! | 4760 §3, §4, §6 | MP_REACH_NLRI, MP_UNREACH_NLRI | [`update`] | `update/encode/tests.rs`, `tests/bad_input/updates.rs` |
//! | 6793 §4.2, §6 | AS4_PATH, AS4_AGGREGATOR | [`update`] | `update/as4.rs`, `update/encode/tests.rs` |
//! | 7311 | AIGP | [`attr::aigp`] | there |
//! | 7606 | revised error handling, one table | [`attr::table`] | there, `tests/bad_input/updates.rs` |
//! | 7607 §2 | AS 0 in UPDATE | `update/walk.rs` | `tests/bad_input/updates.rs` |
//! | 7911 §3 | ADD-PATH: Path Identifiers | [`nlri`], [`update`] | `update/encode/tests.rs` |
//! | 8092 | large communities | [`attr::large_community`] | there |
//! | 8950 §3 | IPv6 next hops of IPv4 prefixes | [`update`] | `update/encode/tests.rs` |
//! | 6368 §5, 6514 §5, 8669, 9012, 9252, 9552 | structure of attributes that are only carried | `attr/tlv.rs` | there, `tests/bad_input/updates.rs` |
//! | 9234 §5 | OTC | [`attr::otc`] | there, `tests/bad_input/updates.rs` |
//! | 9774 §3 | AS sets | `update/walk.rs` | `tests/bad_input/updates.rs` |
//!
//! Known deviations, each beside its code and in `tests/bad_input/updates.rs`: an unknown well-known attribute is treated as
//! withdraw, not answered with 3/2 (4271 §6.3); a missing LOCAL_PREF of an internal peer is 100 (4271 §5.1.5);
//! attribute type 0 is discarded; AS_PATH has at most 750 hops; there are no confederation peers (5065).

#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::wildcard_enum_match_arm)
)]

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
pub use open::{Open, OpenError};
pub use prefix::{Prefix, Prefix4, Prefix6};
pub use route_refresh::{RefreshSubtype, RouteRefresh};
pub use time::Timestamp;
