//! Numbers of the kernel, each a type of its own.

use std::fmt;
use std::num::NonZeroU16;

/// Makes a newtype with its `Display`.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A routing table.
    Table(u32)
}

impl Table {
    /// The table of routes that packets normally follow.
    pub const MAIN: Table = Table(254);
    /// The kernel's own: local and broadcast addresses.
    pub const LOCAL: Table = Table(255);
}

number! {
    /// Who wrote a route or a nexthop object (`rtm_protocol`; names are in `rt_protos`).
    Protocol(u8)
}

impl Protocol {
    /// The kernel, because of an address.
    pub const KERNEL: Protocol = Protocol(2);
    /// `ip route` without `proto`.
    pub const BOOT: Protocol = Protocol(3);
    /// An administrator.
    pub const STATIC: Protocol = Protocol(4);
    /// BIRD.
    pub const BIRD: Protocol = Protocol(12);
    /// Heddle, unless configured otherwise.
    pub const HEDDLE: Protocol = Protocol(158);
}

number! {
    /// The index of a link in its network namespace. It is never given to another link while the namespace lives.
    LinkIndex(u32)
}

impl LinkIndex {
    /// The loopback link, which every namespace has.
    pub const LOOPBACK: LinkIndex = LinkIndex(1);
}

number! {
    /// The number of a nexthop object.
    NexthopId(u32)
}

number! {
    /// The port of a netlink socket: what the kernel calls the sender of a request, and the cause of an event.
    Port(u32)
}

/// How much of the traffic a leg of a multipath route or a member of a nexthop group takes, compared with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(NonZeroU16);

impl Weight {
    /// The weight that all have unless told otherwise.
    pub const ONE: Weight = Weight(NonZeroU16::MIN);
    /// The most that a leg of a route can have; members of groups can have more since Linux 6.12.
    pub const LEG_MAX: Weight = Weight(NonZeroU16::MIN.saturating_add(255));

    /// A weight; 0 is none.
    #[must_use]
    pub fn new(weight: u16) -> Option<Weight> {
        NonZeroU16::new(weight).map(Weight)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }

    /// From the kernel's form, which counts from 0.
    pub(crate) fn from_hops(hops: u16) -> Weight {
        Weight(NonZeroU16::MIN.saturating_add(hops))
    }

    /// In the kernel's form.
    pub(crate) fn hops(self) -> u16 {
        self.0.get().saturating_sub(1)
    }
}

impl Default for Weight {
    fn default() -> Weight {
        Weight::ONE
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Both.
    pub const BOTH: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    /// The family of an address.
    #[must_use]
    pub fn of(address: std::net::IpAddr) -> Family {
        match address {
            std::net::IpAddr::V4(_) => Family::Ipv4,
            std::net::IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// The kernel's number of it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Family::Ipv4 => crate::wire::AF_INET,
            Family::Ipv6 => crate::wire::AF_INET6,
        }
    }

    /// From the kernel's number.
    pub(crate) fn from_code(code: u8) -> Option<Family> {
        match code {
            crate::wire::AF_INET => Some(Family::Ipv4),
            crate::wire::AF_INET6 => Some(Family::Ipv6),
            _ => None,
        }
    }

    /// The address of all zeros.
    pub(crate) fn unspecified(self) -> std::net::IpAddr {
        match self {
            Family::Ipv4 => std::net::Ipv4Addr::UNSPECIFIED.into(),
            Family::Ipv6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        })
    }
}
