//! Who is there, who speaks with whom, and who originates what.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heddle_bgp_core::Prefix;

use crate::Random;

/// What a speaker originates with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) origin: u8,
    pub(crate) med: Option<u32>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) communities: Vec<u32>,
}

impl Origin {
    pub(crate) fn random(random: &mut Random) -> Self {
        Self {
            origin: u8::try_from(random.below(3)).expect("below 3"),
            med: random.one_in(3).then(|| 10 * u32::try_from(random.below(3)).expect("below 3")),
            local_pref: random.one_in(3).then(|| 100 + 50 * u32::try_from(random.below(3)).expect("below 3")),
            communities: match random.below(8) {
                0 => vec![NO_EXPORT],
                1 => vec![NO_ADVERTISE],
                2 => vec![0xfde8_0001, NO_EXPORT],
                3 => vec![0xfde8_0001],
                _ => Vec::new(),
            },
        }
    }
}

pub(crate) const NO_EXPORT: u32 = 0xffff_ff01;
pub(crate) const NO_ADVERTISE: u32 = 0xffff_ff02;

/// What the peer at the other end is to a speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    External,
    Client,
    NonClient,
}

/// One session, as one of its ends sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbor {
    /// Number of the node at the other end.
    pub(crate) node: usize,
    /// The number that the session has there.
    pub(crate) back: usize,
    pub(crate) relation: Relation,
    /// What policy rejects.
    pub(crate) filters: Filters,
    /// The paths that the neighbor is sent.
    pub(crate) sends: Paths,
    /// Whether several paths come from the neighbor.
    pub(crate) gets: Paths,
}

/// How many paths of a prefix a speaker sends (RFC 7911).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paths {
    One,
    /// So many of the best.
    Best(u16),
    All,
}

/// One prefix that the policies of a session may reject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters {
    pub(crate) import: Option<Prefix>,
    pub(crate) export: Option<Prefix>,
}

#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    pub(crate) asn: u32,
    /// Whether it speaks 2-octet AS numbers only (RFC 6793).
    pub(crate) two_octets: bool,
    pub(crate) bgp_id: u32,
    pub(crate) cluster: u32,
    pub(crate) neighbors: Vec<Neighbor>,
    pub(crate) origins: BTreeMap<Prefix, Origin>,
}

#[derive(Clone, Debug)]
pub(crate) struct Topology {
    pub(crate) speakers: Vec<Speaker>,
    /// All prefixes that anybody may originate.
    pub(crate) prefixes: Vec<Prefix>,
    /// Octets that a pipe holds in each direction.
    pub(crate) window: usize,
    /// Whether sessions restart gracefully.
    pub(crate) graceful: bool,
    /// The hold time of all sessions, in seconds.
    pub(crate) hold_time: u16,
    /// Seconds after which a peer that does not read is given up; none: as RFC 9687 says.
    pub(crate) send_hold: Option<u64>,
    /// One in so many connections is so slow that others overtake it.
    pub(crate) late: u64,
    /// Milliseconds after which the owner of a RIB gets to what there is to do, at most.
    pub(crate) owner: u64,
    /// The most destinations of a quantum.
    pub(crate) quantum: usize,
}

/// The addresses of a node.
pub(crate) fn address(node: usize) -> IpAddr {
    let last = u8::try_from(node + 1).expect("few nodes");
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

pub(crate) fn address6(node: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::try_from(node + 1).expect("few nodes"))
}

const HOME: u32 = 65000;
/// AS numbers from here on need four octets.
const LARGE: u32 = 4_200_000_000;

/// What never happens.
pub(crate) const NEVER: u64 = u64::MAX;

/// So many, a third of them of IPv6.
fn prefixes(count: usize) -> Vec<Prefix> {
    (0..count)
        .map(|n| if n % 3 == 0 { format!("2001:db8:{n}::/48") } else { format!("198.51.{n}.0/24") })
        .map(|text| text.parse().expect("a prefix"))
        .collect()
}

impl Speaker {
    /// One that nobody knows yet.
    fn new(number: u32, asn: u32) -> Self {
        Self {
            asn,
            two_octets: false,
            bgp_id: 0x0a00_0001 + number,
            cluster: 0x0a00_0001 + number,
            neighbors: Vec::new(),
            origins: BTreeMap::new(),
        }
    }
}

impl Topology {
    /// One AS with reflectors, clients and perhaps a speaker that is neither, and other ASes around it.
    pub(crate) fn random(random: &mut Random) -> Self {
        let reflectors = 1 + random.index(2);
        let clients = 1 + random.index(3);
        let others = random.index(2);
        let external = 1 + random.index(3);
        let home = reflectors + clients + others;
        let one_cluster = random.one_in(2);
        let mut ids: Vec<u32> = (0..home + external).map(|n| 0x0a00_0001 + u32::try_from(n).expect("few")).collect();
        (1..ids.len()).rev().for_each(|last| ids.swap(last, random.index(last + 1)));
        let asns: Vec<u32> = (0..home + external)
            .map(|node| match u32::try_from(node.saturating_sub(home)).expect("few") {
                _ if node < home => HOME,
                number if random.one_in(2) => LARGE + number,
                number => HOME + 1 + number,
            })
            .collect();
        let speakers = (0..home + external)
            .map(|node| Speaker {
                asn: asns[node],
                two_octets: asns[node] < LARGE && random.one_in(4),
                bgp_id: ids[node],
                cluster: if one_cluster && node < reflectors { 0x0101_0101 } else { ids[node] },
                neighbors: Vec::new(),
                origins: BTreeMap::new(),
            })
            .collect();
        let prefixes = prefixes(6);
        let window = [64, 700, 4096, 65536][random.index(4)];
        let graceful = random.one_in(2);
        let send_hold = random.one_in(2).then_some(8);
        let late = if window >= 4096 { 6 } else { NEVER };
        let mut topology =
            Self { speakers, prefixes, window, graceful, hold_time: 9, send_hold, late, owner: 15, quantum: 4 };
        // Reflectors and those that are no clients know each other; a client knows one reflector, or all.
        for a in 0..reflectors {
            for b in (a + 1..reflectors).chain(reflectors + clients..home) {
                topology.join(a, b, Relation::NonClient, Relation::NonClient);
            }
        }
        for a in reflectors + clients..home {
            for b in a + 1..home {
                topology.join(a, b, Relation::NonClient, Relation::NonClient);
            }
        }
        for client in reflectors..reflectors + clients {
            let only = random.one_in(2).then(|| random.index(reflectors));
            for reflector in (0..reflectors).filter(|r| only.is_none_or(|o| o == *r)) {
                topology.join(reflector, client, Relation::Client, Relation::NonClient);
            }
        }
        for node in home..home + external {
            let first = random.index(home);
            topology.join(node, first, Relation::External, Relation::External);
            let second = random.index(node);
            if second != first && random.one_in(2) {
                topology.join(node, second, Relation::External, Relation::External);
            }
        }
        for node in 0..home + external {
            for prefix in topology.prefixes.clone() {
                if random.one_in(3) {
                    topology.speakers[node].origins.insert(prefix, Origin::random(random));
                }
            }
        }
        topology.send_several(random);
        topology
    }

    /// Some who have a single neighbor are sent several paths. What they prefer among those they tell nobody, so that it
    /// does not matter which Path Identifiers the paths got.
    fn send_several(&mut self, random: &mut Random) {
        for leaf in 0..self.speakers.len() {
            let [only] = self.speakers[leaf].neighbors.as_mut_slice() else { continue };
            let sends = [Paths::One, Paths::Best(2), Paths::All][random.index(3)];
            only.gets = sends;
            let (node, back) = (only.node, only.back);
            self.speakers[node].neighbors[back].sends = sends;
        }
    }

    /// Three speakers, each of which knows the others, two of one AS; each of 100 prefixes is originated by one, and some
    /// by two.
    pub(crate) fn three(random: &mut Random) -> Self {
        let speakers = (0..3).map(|n| Speaker::new(n, if n < 2 { HOME } else { LARGE })).collect();
        let mut topology = Self::of(speakers, prefixes(100));
        topology.join(0, 1, Relation::NonClient, Relation::NonClient);
        topology.join(2, 0, Relation::External, Relation::External);
        topology.join(2, 1, Relation::External, Relation::External);
        for (n, prefix) in topology.prefixes.clone().into_iter().enumerate() {
            topology.speakers[n % 3].origins.insert(prefix, Origin::random(random));
            if random.one_in(4) {
                topology.speakers[(n + 1) % 3].origins.insert(prefix, Origin::random(random));
            }
        }
        topology
    }

    /// A reflector with clients and external peers that know nobody else; many of them are sent several paths, and read
    /// from narrow pipes. Where all originate the same few prefixes, the paths of one are more than a journal holds.
    pub(crate) fn star(random: &mut Random) -> Self {
        let crowded = random.one_in(3);
        let clients = if crowded { 10 } else { 2 + random.index(3) };
        let external = 1 + random.index(2);
        let asn = |n: u32| if n > u32::try_from(clients).expect("few") { LARGE + n } else { HOME };
        let all = 1 + clients + external;
        let speakers = (0..u32::try_from(all).expect("few")).map(|n| Speaker::new(n, asn(n))).collect();
        let mut topology = Self::of(speakers, prefixes(if crowded { 4 } else { 30 }));
        topology.window = [64, 150, 700][random.index(3)];
        topology.quantum = 16;
        for client in 1..=clients {
            topology.join(0, client, Relation::Client, Relation::NonClient);
        }
        for node in 1 + clients..all {
            topology.join(0, node, Relation::External, Relation::External);
        }
        for prefix in topology.prefixes.clone() {
            for node in 0..all {
                if crowded || random.one_in(3) {
                    topology.speakers[node].origins.insert(prefix, Origin::random(random));
                }
            }
        }
        topology.send_several(random);
        topology
    }

    /// Two speakers, and perhaps a third, each of which knows the others, whose connections are all late.
    pub(crate) fn late(random: &mut Random) -> Self {
        let mut speakers: Vec<Speaker> = (0..2 + u32::try_from(random.below(2)).expect("few"))
            .map(|n| Speaker::new(n, if n == 1 { LARGE } else { HOME + n }))
            .collect();
        // Either side of a session has the higher identifier.
        let first = random.index(2);
        speakers[first].bgp_id += 100;
        let mut topology = Self::of(speakers, prefixes(2));
        topology.late = 1;
        for b in 1..topology.speakers.len() {
            (0..b).for_each(|a| topology.join(a, b, Relation::External, Relation::External));
        }
        topology.speakers[0].origins.insert(topology.prefixes[0], Origin::random(random));
        topology
    }

    /// A network in which little is narrow, slow or short.
    fn of(speakers: Vec<Speaker>, prefixes: Vec<Prefix>) -> Self {
        Self {
            speakers,
            prefixes,
            window: 65536,
            graceful: true,
            hold_time: 90,
            send_hold: None,
            late: 6,
            owner: 15,
            quantum: 4,
        }
    }

    /// A session between two; the relations say what `b` is to `a`, and `a` to `b`.
    fn join(&mut self, a: usize, b: usize, of_b: Relation, of_a: Relation) {
        let (at_a, at_b) = (self.speakers[a].neighbors.len(), self.speakers[b].neighbors.len());
        let neighbor = |node, back, relation| Neighbor {
            node,
            back,
            relation,
            filters: Filters::default(),
            sends: Paths::One,
            gets: Paths::One,
        };
        self.speakers[a].neighbors.push(neighbor(b, at_b, of_b));
        self.speakers[b].neighbors.push(neighbor(a, at_a, of_a));
    }

    /// With what has become of it: what each speaker originates, and the filters of its sessions.
    pub(crate) fn changed(&self, now: Vec<(BTreeMap<Prefix, Origin>, Vec<Filters>)>) -> Self {
        let mut new = self.clone();
        for (speaker, (origins, filters)) in new.speakers.iter_mut().zip(now) {
            speaker.origins = origins;
            speaker.neighbors.iter_mut().zip(filters).for_each(|(neighbor, filters)| neighbor.filters = filters);
        }
        new
    }
}
