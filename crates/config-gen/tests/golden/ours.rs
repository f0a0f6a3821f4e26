//! What Heddle makes of a case. Policies are evaluated by the RIB, through the speaker's own mapping.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::{AsPath, AttrCode, BlockView, NextHop as WireNextHop};
use heddle_bgp_core::{Asn, BgpId, PeerType, Prefix};
use heddle_config::{
    AddPath, AddPathSend, Config, Fib, FibAction, GracefulRestartMode, NextHopMode, Peer, PeerSettings,
};
use heddle_rib::policy::as_path::write_text;
use heddle_rib::policy::{EvalContext, EvalScratch, Overlay, PeerContext, PolicyChain, PolicySet, Verdict};
use heddle_rib::route::{AttrMeta, PathFlags, PeerId, RouteView, SourceInfo, SourceKind, Staleness};

use crate::bird::eval::glob_matches;
use crate::candidate::{Candidate, From, Outcome};
use crate::expected::Direction;
use crate::mapping;
use crate::session::{Distance, NextHop, Node, Session, Version};

/// The greatest metric: LOCAL_PREF counts down from it.
const M: u32 = Fib::METRIC_BASE;

pub struct Ours {
    pub config: Config,
    policies: PolicySet,
    fib: Fib,
}

impl Ours {
    pub fn new(config: Config) -> Result<Self, String> {
        let policies = mapping::compile(&config).map_err(|e| e.to_string())?;
        let fib = config.fib.clone().ok_or("a node peer forwards: there has to be a fib section")?;
        Ok(Self { config, policies, fib })
    }

    /// One IP version of the configuration.
    pub fn node(&self, version: Version) -> Result<Node, String> {
        let is_it = |ip: IpAddr| ip.is_ipv4() == (version == Version::V4);
        let mut node = Node { router_id: Some(Ipv4Addr::from(self.config.router.router_id.0)), ..Node::default() };
        for listen in self.config.router.listen.iter().filter(|l| is_it(l.address.ip)) {
            let address = Some(listen.address.ip).filter(|ip| !ip.is_unspecified());
            node.listen.insert((address, listen.port));
        }
        for peer in self.config.peers.iter().filter(|p| is_it(p.address.ip)) {
            node.sessions.insert(peer.address.ip, self.session(peer)?);
        }
        for network in self.config.networks.iter().filter(|n| Version::of(n.prefix) == version) {
            if !network.blackhole || network.next_hop.is_some() {
                return Err(format!("network {} is no blackhole", network.prefix));
            }
            node.blackholes.insert(network.prefix);
        }
        for route in self.fib.static_routes.iter().filter(|r| Version::of(r.prefix) == version) {
            node.static_routes.insert((route.prefix, route.via));
        }
        Ok(node)
    }

    fn session(&self, peer: &Peer) -> Result<Session, String> {
        let s = &peer.settings;
        let address = peer.address.ip;
        let [family] = s.families.as_slice() else {
            return Err(format!("{address}: {} families instead of one", s.families.len()));
        };
        let wanted = Version::BOTH[usize::from(address.is_ipv6())];
        if family.family != unicast(wanted) || s.shutdown || s.password_file.is_some() {
            return Err(format!("{address}: family {}, shutdown {}", family.family, s.shutdown));
        }
        let local_as = self.local_as(s);
        let asn = peer.asn.expected(local_as).ok_or_else(|| format!("{address}: any AS"))?;
        Ok(Session {
            address,
            port: s.port,
            asn: asn.0,
            local_as: local_as.0,
            source: s.local_address.as_ref().map(|a| a.ip),
            distance: distance(s, asn == local_as),
            passive: s.passive,
            password: s.password.as_ref().map(|p| p.reveal().to_owned()),
            blocked: s.blocked.clone(),
            restart_time: self.restart_time(s),
            keepalive: s.keepalive.map(|k| u16::try_from(k.0).unwrap_or(u16::MAX)),
            cluster_id: s.route_reflector_client.then(|| Ipv4Addr::from(self.config.router.cluster_id.0)),
            next_hop: match family.settings.next_hop {
                NextHopMode::Auto => NextHop::Default,
                NextHopMode::SelfAddress => NextHop::OwnAddress,
                NextHopMode::Unchanged => NextHop::Keep,
            },
            allow_own_as: s.allow_own_as,
            add_paths: family.settings.add_path == AddPath { receive: true, send: AddPathSend::All },
        })
    }

    fn local_as(&self, s: &PeerSettings) -> Asn {
        s.local_as.map_or(self.config.router.asn, |l| l.asn)
    }

    fn restart_time(&self, s: &PeerSettings) -> Option<u16> {
        let seconds = s.restart_time.unwrap_or(self.config.router.graceful_restart.restart_time);
        match s.graceful_restart {
            GracefulRestartMode::On => u16::try_from(seconds.0).ok(),
            GracefulRestartMode::Helper | GracefulRestartMode::Off => None,
        }
    }

    fn peer(&self, address: IpAddr) -> Option<&Peer> {
        self.config.peers.iter().find(|p| p.address.ip == address)
    }

    /// The names of the policies of a session; equal names decide alike.
    pub fn policy_names(&self, address: IpAddr, which: Direction) -> Vec<String> {
        let settings = self.peer(address).and_then(|p| p.settings.families.first()).map(|f| &f.settings);
        let names = settings.map(|s| match which {
            Direction::Import => &s.import_policy,
            Direction::Export => &s.export_policy,
        });
        names.cloned().unwrap_or_default()
    }

    /// The policies of a session, ready for [`Ours::decide`].
    pub fn chain(&self, address: IpAddr, which: Direction) -> Result<PolicyChain, String> {
        let peer = self.peer(address).ok_or_else(|| format!("no session with {address}"))?;
        let local = self.local_as(&peer.settings);
        let asn = peer.asn.expected(local).unwrap_or_default();
        let names = self.policy_names(address, which);
        if names.is_empty() {
            return Ok(PolicyChain::without_policy(peer_type(asn == local)));
        }
        let chain = self.policies.chain(names.iter().map(String::as_str)).map_err(|e| e.to_string())?;
        Ok(chain.resolve(&PeerContext { address, group: None, asn }))
    }

    /// What the policies make of a route on its way from or to the peer.
    pub fn decide(&self, chain: &PolicyChain, session: &Session, which: Direction, candidate: &Candidate) -> Outcome {
        let base = block();
        let mut overlay = Overlay::new(BlockView(&base));
        self.write(candidate, session, which, &mut overlay);
        let mut given = Vec::new();
        overlay.write_to(&mut given).expect("short");
        let kind = match candidate.from {
            From::External => SourceKind::Ebgp,
            From::Internal => SourceKind::NonClient,
            From::Static | From::Kernel | From::Connected => SourceKind::Local,
        };
        let source = SourceInfo {
            peer: PeerId(1),
            kind,
            peer_asn: Asn(session.asn),
            local_asn: Asn(session.local_as),
            bgp_id: BgpId(1),
            peer_addr: session.address,
            staleness: Staleness::Live,
        };
        let meta = AttrMeta::detached(BlockView(&given));
        let view = RouteView {
            prefix: candidate.net,
            meta: &meta,
            block: BlockView(&given),
            source: &source,
            flags: PathFlags::NONE,
        };
        let context = EvalContext { own_asn: Asn(session.local_as), self_next_hop: None };
        let mut overlay = Overlay::new(BlockView(&given));
        match chain.evaluate(&view, &mut overlay, &context, &mut EvalScratch::default()) {
            Verdict::Reject => Outcome::Rejected,
            Verdict::Accept => accepted(&overlay, session, which),
        }
    }

    /// The attributes of a candidate as they are before the policies.
    fn write(&self, candidate: &Candidate, session: &Session, which: Direction, overlay: &mut Overlay<'_>) {
        let path: Vec<Asn> = candidate.path.iter().copied().map(Asn).collect();
        overlay.set(AttrCode::AS_PATH, AsPath::from_asns(&path).octets());
        match candidate.next_hop {
            Some(IpAddr::V4(ip)) => overlay.set_next_hop(WireNextHop::V4(ip)),
            Some(IpAddr::V6(ip)) => overlay.set_next_hop(WireNextHop::V6(ip)),
            None => {}
        }
        // An external peer sends no LOCAL_PREF; what we import from it has 100 when it is exported.
        let is_absent = which == Direction::Import && !session.is_internal();
        if !is_absent {
            overlay.set_number(AttrCode::LOCAL_PREF, self.local_pref(candidate));
        }
        let list = candidate.communities.iter().flat_map(|(a, b)| (a << 16 | b).to_be_bytes());
        overlay.set_list(AttrCode::COMMUNITIES, &list.collect::<Vec<_>>());
        let list = candidate.large_communities.iter().flat_map(|(a, b, c)| [*a, *b, *c]).flat_map(u32::to_be_bytes);
        overlay.set_list(AttrCode::LARGE_COMMUNITIES, &list.collect::<Vec<_>>());
        if let Some(name) = candidate.interface.as_ref().filter(|_| !candidate.from.is_learned()) {
            overlay.set(AttrCode::INTERFACE, name.as_bytes());
        }
    }

    fn local_pref(&self, candidate: &Candidate) -> u32 {
        let network = self.config.networks.iter().find(|n| n.prefix == candidate.net);
        match candidate.from {
            From::External | From::Internal => candidate.local_pref,
            From::Static if network.is_some() => network.and_then(|n| n.local_pref).unwrap_or(100),
            From::Static | From::Kernel | From::Connected => {
                M - candidate.metric.unwrap_or_else(|| self.normal_metric(Version::of(candidate.net)))
            }
        }
    }

    pub const fn normal_metric(&self, version: Version) -> u32 {
        match version {
            Version::V4 => self.fib.metric.v4,
            Version::V6 => self.fib.metric.v6,
        }
    }

    /// What the kernel gets of a route: its metric (of a learned one) and the tunnel it goes through.
    pub fn kernel(&self, candidate: &Candidate) -> Option<(Option<u32>, Option<String>)> {
        let rule = self.fib.rules.iter().find(|r| {
            let next_hop = candidate.next_hop;
            (r.prefixes.is_empty() || r.prefixes.iter().any(|p| p.contains(candidate.net)))
                && (r.next_hops.is_empty() || next_hop.is_some_and(|n| r.next_hops.contains(&n)))
        });
        let tunnel = match rule.map(|r| &r.action) {
            None | Some(FibAction::Install) => None,
            Some(FibAction::Reject) => return None,
            Some(FibAction::Tunnel(tunnel)) => {
                let is_near = |n: IpAddr| tunnel.except.iter().any(|p| p.contains_addr(n));
                Some(tunnel.interface.clone()).filter(|_| !candidate.next_hop.is_some_and(is_near))
            }
        };
        let metric = candidate.from.is_learned().then(|| (M - candidate.local_pref).max(1));
        Some((metric, tunnel))
    }

    /// Whether the connected prefixes of this interface are local routes.
    pub fn takes_interface(&self, name: &str) -> bool {
        let left_out = self.fib.workload_interfaces.iter().chain(&self.fib.ignored_interfaces);
        !left_out.into_iter().any(|g| glob_matches(g.as_bytes(), name.as_bytes()))
    }
}

const fn unicast(version: Version) -> heddle_bgp_core::Family {
    match version {
        Version::V4 => heddle_bgp_core::Family::IPV4_UNICAST,
        Version::V6 => heddle_bgp_core::Family::IPV6_UNICAST,
    }
}

const fn peer_type(is_internal: bool) -> PeerType {
    if is_internal { PeerType::Ibgp } else { PeerType::Ebgp }
}

fn distance(s: &PeerSettings, is_internal: bool) -> Distance {
    match (s.ttl_security, s.multihop) {
        (Some(hops), _) => Distance::Proven(hops),
        // Calico's sessions are sent with 64: as far as anything goes.
        (None, Some(64..)) => Distance::Any,
        (None, Some(hops)) => Distance::Hops(hops),
        (None, None) if is_internal => Distance::Any,
        (None, None) => Distance::Hops(1),
    }
}

/// ORIGIN IGP, an empty AS_PATH, an unspecified next hop.
fn block() -> Vec<u8> {
    let mut block = Vec::new();
    push_attr(&mut block, 0x40, AttrCode::ORIGIN, &[0]);
    push_attr(&mut block, 0x40, AttrCode::AS_PATH, &[]);
    push_attr(&mut block, 0x40, AttrCode::NEXT_HOP, &[0, 0, 0, 0]);
    block
}

fn accepted(overlay: &Overlay<'_>, session: &Session, which: Direction) -> Outcome {
    let word = |octets: &[u8]| octets.iter().fold(0, |n, b| n << 8 | u32::from(*b));
    let value = |code| overlay.value(code).unwrap_or_default();
    let communities = value(AttrCode::COMMUNITIES).chunks(4).map(word).map(|n| (n >> 16, n & 0xffff));
    let large = value(AttrCode::LARGE_COMMUNITIES).chunks(12).map(|c| (word(&c[..4]), word(&c[4..8]), word(&c[8..])));
    let mut text = String::new();
    write_text(value(AttrCode::AS_PATH), &mut text);
    let path = text.split_ascii_whitespace().map(|a| a.parse().expect("sequences alone were given"));
    let is_sent = which == Direction::Import || session.is_internal();
    Outcome::Accepted {
        local_pref: is_sent.then(|| overlay.number(AttrCode::LOCAL_PREF).unwrap_or(100)),
        communities: communities.collect::<BTreeSet<_>>(),
        large_communities: large.collect::<BTreeSet<_>>(),
        path: path.collect(),
    }
}

/// All prefixes that policies, kernel rules and networks name.
pub fn prefixes(config: &Config) -> BTreeSet<Prefix> {
    let rules = config.policies.iter().flat_map(|p| &p.rules);
    let of_rules = rules.flat_map(|r| r.conditions.prefixes.iter().chain(&r.conditions.not_prefixes));
    let of_sets = config.prefix_sets.iter().flat_map(|s| &s.prefixes);
    let of_fib = config.fib.iter().flat_map(|f| &f.rules).flat_map(|r| &r.prefixes);
    let mut all: BTreeSet<Prefix> = of_rules.chain(of_sets).chain(of_fib).map(|r| r.prefix).collect();
    all.extend(config.networks.iter().map(|n| n.prefix));
    all
}
