//! What Calico makes of a case, out of BIRD's configuration.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use heddle_bgp_core::Prefix;

use crate::bird::ast::{Bird, Destination, FilterUse, InterfacePattern, Kind, Protocol, Setting, Statement};
use crate::bird::eval::{Route, Verdict, glob_matches, run};
use crate::session::{Distance, NextHop, Node, Session, Version};

/// Restart Time of BIRD where none is given.
const RESTART_TIME: u16 = 120;

/// One daemon.
pub struct Expected {
    pub node: Node,
    pub bird: Bird,
    /// All sessions with one address, where there are several: `node` has the first.
    pub alternatives: BTreeMap<IpAddr, Vec<Session>>,
    interfaces: Vec<InterfacePattern>,
}

impl Expected {
    pub fn new(bird: Bird, version: Version) -> Result<Self, String> {
        let mut node = Node { router_id: bird.router_id, ..Node::default() };
        let listen = bird.listen.unwrap_or_default();
        node.listen.insert((listen.address, listen.port.unwrap_or(179)));
        let mut interfaces = Vec::new();
        let mut alternatives: BTreeMap<IpAddr, Vec<Session>> = BTreeMap::new();
        for protocol in &bird.protocols {
            match protocol.kind {
                Kind::Bgp => {
                    let session = session(protocol)?;
                    if session.address.is_ipv4() != (version == Version::V4) {
                        return Err(format!("{}: not of the daemon's family", session.address));
                    }
                    alternatives.entry(session.address).or_default().push(session.clone());
                    node.sessions.entry(session.address).or_insert(session);
                }
                Kind::Direct => interfaces.extend(protocol.settings.iter().flat_map(|s| match s {
                    Setting::Interfaces(patterns) => patterns.clone(),
                    _ => Vec::new(),
                })),
                Kind::Static => statics(protocol, &mut node),
                Kind::Kernel => check_kernel(protocol)?,
                Kind::Device => {}
            }
        }
        alternatives.retain(|_, sessions| sessions.len() > 1);
        Ok(Self { node, bird, alternatives, interfaces })
    }

    /// Whether the connected prefixes of this interface are taken in.
    pub fn takes_interface(&self, name: &str) -> bool {
        let found = self.interfaces.iter().find(|i| glob_matches(i.glob.as_bytes(), name.as_bytes()));
        found.is_some_and(|i| i.takes)
    }

    pub fn interface_globs(&self) -> impl Iterator<Item = &str> {
        self.interfaces.iter().map(|i| i.glob.as_str())
    }

    /// Statements of the import (or export) filter toward a peer.
    pub fn filter(&self, session: &Session, which: Direction) -> Result<&[Statement], String> {
        let (address, port) = (session.address, session.port);
        let is_it = |s: &Setting| matches!(s, Setting::Neighbor { address: a, port: p, .. } if *a == address && p.unwrap_or(179) == port);
        let protocol = self.bird.protocols.iter().find(|p| p.settings.iter().any(is_it));
        let settings = protocol.map(|p| p.settings.as_slice()).unwrap_or_default();
        let found = settings.iter().rev().find_map(|s| match (s, which) {
            (Setting::Import(f), Direction::Import) | (Setting::Export(f), Direction::Export) => Some(f),
            _ => None,
        });
        match found {
            Some(FilterUse::Body(body)) => Ok(body),
            other => Err(format!("{address}: {which:?} is {other:?}, not a filter with a body")),
        }
    }

    /// Runs a filter; one that decides nothing rejects, as BIRD has it.
    pub fn decide(&self, body: &[Statement], route: &mut Route) -> Result<Verdict, String> {
        let verdict = run(&self.bird, body, route).map_err(|e| format!("{e:?} on {route:?}"))?;
        Ok(verdict.unwrap_or(Verdict::Reject))
    }

    pub fn kernel_filter(&self) -> &[Statement] {
        self.bird.filters.get("calico_kernel_programming").map(Vec::as_slice).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Import,
    Export,
}

/// What a protocol's settings say, as they come.
struct Settings {
    session: Session,
    neighbor: Option<(IpAddr, u16, u32)>,
    local_as: Option<u32>,
    proves_distance: bool,
    multihop: Option<Option<u8>>,
    restarts: bool,
    restart_time: u16,
    is_client: bool,
    cluster_id: Option<Ipv4Addr>,
}

impl Settings {
    fn new() -> Self {
        let session = Session {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 0,
            asn: 0,
            local_as: 0,
            source: None,
            distance: Distance::Any,
            passive: false,
            password: None,
            blocked: None,
            restart_time: None,
            keepalive: None,
            cluster_id: None,
            next_hop: NextHop::Default,
            allow_own_as: 0,
            add_paths: false,
        };
        Self {
            session,
            neighbor: None,
            local_as: None,
            proves_distance: false,
            multihop: None,
            restarts: false,
            restart_time: RESTART_TIME,
            is_client: false,
            cluster_id: None,
        }
    }

    fn take(&mut self, setting: &Setting) -> Result<(), String> {
        match setting {
            Setting::Neighbor { address, port, asn } => self.neighbor = Some((*address, port.unwrap_or(179), *asn)),
            Setting::LocalAs(asn) => self.local_as = Some(*asn),
            Setting::SourceAddress(ip) => self.session.source = Some(*ip),
            Setting::TtlSecurity(on) => self.proves_distance = *on,
            Setting::Multihop(hops) => self.multihop = Some(*hops),
            Setting::Passive(on) => self.session.passive = *on,
            Setting::Password(text) => self.session.password = Some(text.clone()),
            Setting::GracefulRestart => self.restarts = true,
            Setting::GracefulRestartTime(seconds) => self.restart_time = *seconds,
            Setting::KeepaliveTime(seconds) => self.session.keepalive = Some(*seconds),
            Setting::RrClient => self.is_client = true,
            Setting::RrClusterId(id) => self.cluster_id = Some(*id),
            Setting::NextHopSelf => self.session.next_hop = NextHop::OwnAddress,
            Setting::NextHopKeep => self.session.next_hop = NextHop::Keep,
            Setting::AllowLocalAs(times) => self.session.allow_own_as = *times,
            Setting::AddPaths => self.session.add_paths = true,
            // Filters are compared apart; the rest is the same in every file and has no counterpart.
            Setting::Import(_)
            | Setting::Export(_)
            | Setting::Debug(_)
            | Setting::Description(_)
            | Setting::GatewayRecursive
            | Setting::ConnectDelay(2)
            | Setting::ConnectRetry(5)
            | Setting::ErrorWait(5, 30) => {}
            other => return Err(format!("{other:?} is not compared")),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Session, String> {
        (self.session.address, self.session.port, self.session.asn) = self.neighbor.ok_or("no neighbor")?;
        self.session.local_as = self.local_as.ok_or("no local as")?;
        self.session.distance = match (self.proves_distance, self.multihop) {
            (false, Some(None)) => Distance::Any,
            (false, Some(Some(hops))) => Distance::Hops(hops),
            (true, Some(Some(hops))) => Distance::Proven(hops),
            (_, None) | (true, Some(None)) => return Err("a direct session".to_owned()),
        };
        self.session.restart_time = self.restarts.then_some(self.restart_time);
        self.session.cluster_id = self.cluster_id;
        if self.is_client == self.cluster_id.is_some() {
            Ok(self.session)
        } else {
            Err("only one of rr client and rr cluster id".to_owned())
        }
    }
}

fn session(protocol: &Protocol) -> Result<Session, String> {
    let mut settings = Settings::new();
    let taken = protocol.settings.iter().try_for_each(|s| settings.take(s));
    let name = protocol.name.as_deref().unwrap_or_default();
    taken.and_then(|()| settings.finish()).map_err(|e| format!("{name}: {e}"))
}

fn statics(protocol: &Protocol, node: &mut Node) {
    for setting in &protocol.settings {
        if let Setting::Route(prefix, destination) = setting {
            match destination {
                Destination::Blackhole => {
                    node.blackholes.insert(*prefix);
                }
                Destination::Via(gateway) => {
                    node.static_routes.insert((*prefix, *gateway));
                }
            }
        }
    }
}

/// What every file says of the kernel protocol; anything else would have to be compared.
fn check_kernel(protocol: &Protocol) -> Result<(), String> {
    for wanted in [
        Setting::Learn,
        Setting::Persist,
        Setting::ScanTime(2),
        Setting::Import(FilterUse::All),
        Setting::Export(FilterUse::Named("calico_kernel_programming".to_owned())),
        Setting::GracefulRestart,
        Setting::MergePaths,
    ] {
        if !protocol.settings.contains(&wanted) {
            return Err(format!("kernel protocol without {wanted:?}"));
        }
    }
    if protocol.settings.len() == 7 { Ok(()) } else { Err("kernel protocol with more than usual".to_owned()) }
}

/// All prefixes that occur in filters and static routes.
pub fn static_prefixes(node: &Node) -> impl Iterator<Item = Prefix> + '_ {
    node.blackholes.iter().copied().chain(node.static_routes.iter().map(|r| r.0))
}
