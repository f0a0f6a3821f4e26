//! OPEN (RFC 4271 §4.2, RFC 5492, RFC 9072).

use crate::asn::Asn;
use crate::bgp_id::BgpId;
use crate::capability::Capability;

/// An OPEN message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// AS of the sender: from the 4-octet AS capability where there is one, else My Autonomous System.
    pub asn: Asn,
    /// Proposed hold time in seconds: 0, or at least 3.
    pub hold_time: u16,
    /// BGP Identifier of the sender; not zero.
    pub bgp_id: BgpId,
    /// Capabilities in the order in which they came.
    pub capabilities: Vec<Capability>,
}
