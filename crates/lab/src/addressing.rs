//! Which host gets which address: pure arithmetic on numbers of hosts, racks and links.
//!
//! | what | IPv4 | IPv6 |
//! |---|---|---|
//! | the LAN or the spine | `10.64.0.0/16` | `fd00:64::/64` |
//! | links below top-of-rack switch `t` (from 0) | `10.65.t.0/24` in `/31` (RFC 3021) | `fd00:65:t::/64` in `/127` (RFC 6164) |
//! | pods | `10.244.0.0/16` in blocks of `/26` | `fd00:10:244::/48` in blocks of `/122` |
//!
//! On the LAN the first 127 numbers are switches, the next 128 reflectors, nodes begin at 256.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

/// A number of a host on the LAN: unique there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LanNumber(u16);

impl LanNumber {
    /// The `index`th top-of-rack switch.
    #[must_use]
    pub fn tor(index: usize) -> Self {
        Self(1 + narrow(index))
    }

    /// The `index`th reflector.
    #[must_use]
    pub fn reflector(index: usize) -> Self {
        Self(128 + narrow(index))
    }

    /// The `index`th node.
    #[must_use]
    pub fn node(index: usize) -> Self {
        Self(256 + narrow(index))
    }
}

/// An address of each family, with the length of its subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// IPv4.
    pub v4: Ipv4Network,
    /// IPv6.
    pub v6: Ipv6Network,
}

impl Pair {
    /// The addresses alone.
    #[must_use]
    pub fn addresses(&self) -> [IpAddr; 2] {
        [IpAddr::V4(self.v4.ip()), IpAddr::V6(self.v6.ip())]
    }

    /// Both, with their lengths.
    #[must_use]
    pub fn networks(&self) -> [IpNetwork; 2] {
        [IpNetwork::V4(self.v4), IpNetwork::V6(self.v6)]
    }
}

/// An address on the LAN.
#[must_use]
pub fn lan(number: LanNumber) -> Pair {
    let v4 = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 64, 0, 0)) + u32::from(number.0));
    pair(v4, 16, Ipv6Addr::new(0xfd00, 0x64, 0, 0, 0, 0, 0, number.0), 64)
}

/// The two ends of the link between top-of-rack switch `tor` and the `port`th node below it: the switch's, the node's.
#[must_use]
pub fn downlink(tor: usize, port: usize) -> (Pair, Pair) {
    let (subnet, first) = (narrow(tor), narrow(port).saturating_mul(2));
    let end = |number: u16| {
        let v4 = u32::from(Ipv4Addr::new(10, 65, 0, 0)) + u32::from(subnet) * 256 + u32::from(number);
        pair(v4.into(), 31, Ipv6Addr::new(0xfd00, 0x65, subnet, 0, 0, 0, 0, number), 127)
    };
    (end(first), end(first + 1))
}

/// All links below a top-of-rack switch.
#[must_use]
pub fn downlinks(tor: usize) -> Pair {
    let (first, _) = downlink(tor, 0);
    pair(first.v4.ip(), 24, first.v6.ip(), 64)
}

/// The pools that pods get their addresses from.
#[must_use]
pub fn pools() -> Pair {
    pair(Ipv4Addr::new(10, 244, 0, 0), 16, Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0), 48)
}

/// The blocks of the `index`th node.
#[must_use]
pub fn blocks(index: usize) -> Pair {
    let pools = pools();
    let offset = u32::from(narrow(index)) * 64;
    pair((u32::from(pools.v4.ip()) + offset).into(), 26, (u128::from(pools.v6.ip()) + u128::from(offset)).into(), 122)
}

/// The addresses of a pod: the `number`th of its block, from 1.
#[must_use]
pub fn pod(block: Pair, number: u8) -> Pair {
    let v4 = u32::from(block.v4.network()) + u32::from(number);
    let v6 = u128::from(block.v6.network()) + u128::from(number);
    pair(v4.into(), 32, v6.into(), 128)
}

/// The addresses in a block, the network's own included.
pub const BLOCK_SIZE: u8 = 64;

/// The MAC address that goes with an IPv4 address of the underlay, so that neighbour entries can be written down.
#[must_use]
pub fn mac(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x00, a, b, c, d]
}

/// Numbers are bounded by the rules for topologies, far below.
fn narrow(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn pair(v4: Ipv4Addr, v4_length: u8, v6: Ipv6Addr, v6_length: u8) -> Pair {
    Pair {
        v4: Ipv4Network::new(v4, v4_length).expect("invariant: lengths here are constants up to 32"),
        v6: Ipv6Network::new(v6, v6_length).expect("invariant: lengths here are constants up to 128"),
    }
}
