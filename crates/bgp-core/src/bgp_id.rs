//! BGP Identifier (RFC 4271 §4.2, RFC 6286) and CLUSTER_ID (RFC 4456 §7).

use std::fmt;
use std::net::{AddrParseError, Ipv4Addr};
use std::str::FromStr;

macro_rules! four_octets {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u32);

        impl From<Ipv4Addr> for $name {
            fn from(a: Ipv4Addr) -> Self {
                Self(u32::from(a))
            }
        }
        impl FromStr for $name {
            type Err = AddrParseError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse::<Ipv4Addr>().map(Self::from)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Ipv4Addr::from(self.0).fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

four_octets! {
    /// The BGP Identifier: four octets, not zero, unique within an AS (RFC 6286 §2.1), compared as an unsigned number.
    BgpId
}
four_octets! {
    /// The CLUSTER_ID of a route reflector (RFC 4456 §7).
    ClusterId
}
