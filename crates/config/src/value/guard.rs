//! What is refused of an eBGP peer on the Internet whatever its policies say.

use heddle_bgp_core::Prefix;

/// The guard of a peer (RFC 7454 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Lengths of IPv4 prefixes that pass.
    pub ipv4_lengths: Lengths,
    /// Lengths of IPv6 prefixes that pass.
    pub ipv6_lengths: Lengths,
    /// The default route passes.
    pub allow_default: bool,
    /// Special-purpose prefixes (RFC 6890) pass.
    pub allow_martians: bool,
    /// Prefixes of `[[networks]]` pass, and what is in them.
    pub allow_networks: bool,
    /// Prefixes of ours that are not in `[[networks]]`; they are refused, and what is in them.
    pub own: Vec<Prefix>,
}

/// The shortest and the longest length that pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// The shortest.
    pub min: u8,
    /// The longest.
    pub max: u8,
}

impl Guard {
    /// Between networks nobody takes IPv4 prefixes that are longer, and nobody was ever given shorter ones.
    pub const IPV4_LENGTHS: Lengths = Lengths { min: 8, max: 24 };
    /// The same of IPv6.
    pub const IPV6_LENGTHS: Lengths = Lengths { min: 16, max: 48 };
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            ipv4_lengths: Self::IPV4_LENGTHS,
            ipv6_lengths: Self::IPV6_LENGTHS,
            allow_default: false,
            allow_martians: false,
            allow_networks: false,
            own: Vec::new(),
        }
    }
}
