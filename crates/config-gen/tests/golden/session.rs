//! What is compared of a configuration beside its filters.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use heddle_bgp_core::Prefix;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V4,
    V6,
}

impl Version {
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub const fn of(prefix: Prefix) -> Self {
        match prefix {
            Prefix::V4(_) => Self::V4,
            Prefix::V6(_) => Self::V6,
        }
    }
}

/// How far a peer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// As far as IP carries.
    Any,
    /// So many hops, proven by the TTL (RFC 5082).
    Proven(u8),
    /// So many hops.
    Hops(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    Default,
    Keep,
    OwnAddress,
}

/// One session, whoever's words describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub address: IpAddr,
    pub port: u16,
    pub asn: u32,
    /// The AS that the peer knows us by.
    pub local_as: u32,
    pub source: Option<IpAddr>,
    pub distance: Distance,
    pub passive: bool,
    pub password: Option<String>,
    /// Why it cannot be started.
    pub blocked: Option<String>,
    /// Restart Time that we advertise; none: no graceful restart.
    pub restart_time: Option<u16>,
    pub keepalive: Option<u16>,
    /// The peer is our client, and our cluster id then.
    pub cluster_id: Option<Ipv4Addr>,
    pub next_hop: NextHop,
    pub allow_own_as: u8,
    /// Additional paths both ways (RFC 7911).
    pub add_paths: bool,
}

impl Session {
    pub fn is_internal(&self) -> bool {
        self.asn == self.local_as
    }

    /// The names of fields that differ, with both values.
    pub fn differences(&self, ours: &Self) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        macro_rules! compare {
            ($($field:ident),*) => {$(
                if self.$field != ours.$field {
                    out.push((stringify!($field), format!("{:?}, ours {:?}", self.$field, ours.$field)));
                }
            )*};
        }
        compare!(
            port,
            asn,
            local_as,
            source,
            distance,
            passive,
            password,
            blocked,
            restart_time,
            keepalive,
            cluster_id,
            next_hop,
            allow_own_as,
            add_paths
        );
        out
    }
}

/// What one IP version of a node is, beside its filters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub router_id: Option<Ipv4Addr>,
    /// Where connections are accepted: an address of this version, or any; and the port.
    pub listen: BTreeSet<(Option<IpAddr>, u16)>,
    pub sessions: BTreeMap<IpAddr, Session>,
    /// Originated prefixes that are blackholes in the kernel.
    pub blackholes: BTreeSet<Prefix>,
    /// Host routes for the kernel alone.
    pub static_routes: BTreeSet<(Prefix, IpAddr)>,
}
