//! Capabilities (RFC 5492).

use bytes::Bytes;

use crate::asn::Asn;
use crate::family::Family;
use crate::negotiated::Role;

/// One capability; unknown codes and known ones with an unusable value are kept as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// 1: a family (RFC 4760 §8).
    MultiProtocol(Family),
    /// 2: route refresh (RFC 2918 §2).
    RouteRefresh,
    /// 5: IPv6 next hops for IPv4 NLRI: (family, AFI of the next hop) (RFC 8950 §4).
    ExtendedNextHop(Vec<(Family, u16)>),
    /// 6: messages up to 65535 octets (RFC 8654 §3).
    ExtendedMessage,
    /// 9: BGP role (RFC 9234 §4.1).
    Role(Role),
    /// 64: graceful restart (RFC 4724 §3, RFC 8538 §2).
    GracefulRestart(GracefulRestart),
    /// 65: 4-octet AS numbers (RFC 6793 §3).
    FourOctetAs(Asn),
    /// 69: ADD-PATH (RFC 7911 §4).
    AddPath(Vec<(Family, AddPathMode)>),
    /// 70: enhanced route refresh (RFC 7313 §3.1).
    EnhancedRouteRefresh,
    /// 71: long-lived graceful restart (RFC 9494 §3).
    LongLivedGracefulRestart(Vec<LlgrFamily>),
    /// 73: host name and domain name (draft-walton-bgp-hostname-capability).
    HostName {
        /// Host name.
        host: String,
        /// Domain name; may be empty.
        domain: String,
    },
    /// Any other, or one whose value we cannot use: code and value as they came.
    Unknown {
        /// Capability code.
        code: u8,
        /// Value.
        value: Bytes,
    },
}

/// Value of the graceful restart capability (RFC 4724 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// R: the speaker has restarted.
    pub restarted: bool,
    /// N: a NOTIFICATION does not end graceful restart (RFC 8538 §2).
    pub notification: bool,
    /// Seconds until the session should be back, 0 to 4095.
    pub restart_time: u16,
    /// The families, and F: whether forwarding state was kept.
    pub families: Vec<(Family, ForwardingState)>,
}

/// F of a family in graceful restart (RFC 4724 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardingState {
    /// F = 0.
    Lost,
    /// F = 1.
    Preserved,
}

/// One family of long-lived graceful restart (RFC 9494 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LlgrFamily {
    /// The family.
    pub family: Family,
    /// F: whether forwarding state was kept.
    pub forwarding: ForwardingState,
    /// Long-lived stale time in seconds, 24 bits.
    pub stale_time: u32,
}

/// Send/Receive of ADD-PATH (RFC 7911 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddPathMode {
    /// 1: able to receive.
    Receive,
    /// 2: able to send.
    Send,
    /// 3: both.
    Both,
}
