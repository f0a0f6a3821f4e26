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

#[cfg(test)]
mod tests {
    use super::*;

    /// Four octets in the order of the network, written as an address.
    #[test]
    fn text_and_numbers() {
        let addr = Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!((BgpId::from(addr), ClusterId::from(addr)), (BgpId(0x0a00_0001), ClusterId(0x0a00_0001)));
        assert_eq!((BgpId(0x0a00_0001).to_string(), ClusterId(7).to_string()), ("10.0.0.1".into(), "0.0.0.7".into()));
        assert_eq!(("200.0.0.1".parse(), "0.0.0.7".parse()), (Ok(BgpId(0xc800_0001)), Ok(ClusterId(7))));
        assert!("10.0.0".parse::<BgpId>().is_err() && "7".parse::<ClusterId>().is_err());
    }
}
