//! One simulated speaker: a RIB and a state machine for each of its peers, joined as the real shell joins them.

mod claims;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use heddle_bgp_core::attr::{AsPath, BlockView, Community, Origin as OriginCode, PathAttributes};
use heddle_bgp_core::capability::{AddPathMode, ForwardingState};
use heddle_bgp_core::update::{DecodeOptions, Scratch, UpdateContext};
use heddle_bgp_core::{Asn, BgpId, ClusterId, Family, Negotiated, Prefix, Timestamp};
use heddle_bgp_fsm::{
    ConnectionId, DownReason, FamilyConfig, GracefulRestartConfig, GracefulRestartMode, IdleHold, Peer, PeerAsn,
    PeerConfig, SendHold,
};
use heddle_rib::decision::{DecisionOptions, MedScope, Reason};
use heddle_rib::export::{AddPathSend, ExportKey, Receiver, SelfNextHop};
use heddle_rib::nexthop::Resolve;
use heddle_rib::policy::{
    EvalContext, GracefulShutdown, ImportSettings, Match, Policy, PolicyChain, PrefixRange, PrefixSet, Rule, Then,
};
use heddle_rib::query::{Cursor, Reading, RouteInfo, Scope, Standing, View};
use heddle_rib::rib::{Bounds, Start};
use heddle_rib::route::{Ineligible, PeerId, SourceKind, Staleness};
use heddle_rib::session::{
    Beyond, DefaultOriginate, DownMode, FamilyParams, PrefixLimit, RefreshMode, Retained, SessionId, SessionParams,
};
use heddle_rib::{BatchBuilder, IngestContext, JournalReader, Rib, RibConfig};

pub(crate) use claims::{ATTRIBUTES, TABLE};

use crate::reference::{Destination, Loop, Route, Table};
use crate::topology::{Filters, Neighbor, Origin, Paths, Relation, Topology, address, address6};

/// Seconds that a peer has to come back.
const RESTART_TIME: u16 = 30;

/// Octets that a journal takes: room for a destination with all its paths, and for the small segments behind it (128 octets each
/// beside what is in them) that make up `low`.
const JOURNAL: usize = 1536;
/// Octets after which a step ends.
const STEP: u64 = 128;

/// One end of a session.
pub(crate) struct End {
    pub(crate) fsm: Peer,
    /// The node and the end there.
    pub(crate) to: (usize, usize),
    pub(crate) session: Option<Session>,
    /// When the stale routes of the last session go.
    pub(crate) stale_until: Option<Timestamp>,
    pub(crate) filters: Filters,
    /// The most prefixes that the peer may send of a family.
    pub(crate) limit: Option<u32>,
    relation: Relation,
    sends: Paths,
    pub(crate) peer: PeerId,
    serial: u32,
}

/// An established session.
pub(crate) struct Session {
    pub(crate) connection: ConnectionId,
    pub(crate) id: SessionId,
    pub(crate) negotiated: Negotiated,
    pub(crate) context: UpdateContext,
    pub(crate) scratch: Scratch,
    pub(crate) builder: BatchBuilder,
    pub(crate) readers: VecDeque<(Family, JournalReader)>,
    /// Families whose End-of-RIB has not come.
    pub(crate) incomplete: BTreeSet<Family>,
}

pub(crate) struct Node {
    pub(crate) rib: Rib,
    pub(crate) ends: Vec<End>,
    pub(crate) origins: BTreeMap<Prefix, Origin>,
    /// When the RIB is to be run next.
    pub(crate) rib_due: Option<Timestamp>,
    /// It does not run: until then, and how it comes back.
    pub(crate) away: Option<(Timestamp, Absence)>,
    /// Restarted: when learned routes are selected at the latest, and who has not sent all that it has.
    pub(crate) deferral: Option<Deferral>,
    topology: Topology,
    number: usize,
    asn: Asn,
    bgp_id: BgpId,
    cluster: ClusterId,
    seed: u64,
}

/// Why a node does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// It is stopped, and goes on where it was: to it time jumps.
    Stopped,
    /// It was killed, or its power was cut; it comes back with nothing, or after a graceful restart.
    Dead(Death, Comeback),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// Its kernel ends its connections.
    Killed,
    /// Nobody says anything: its connections are half-open.
    PowerCut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comeback {
    /// With R and F (RFC 4724 §3): its forwarding state is what it was.
    Restarted,
    /// With nothing.
    Fresh,
}

/// RFC 4724 §4.1: learned routes wait.
#[derive(Clone, Debug)]
pub(crate) struct Deferral {
    until: Timestamp,
    waiting: BTreeSet<(usize, Family)>,
}

impl End {
    fn kind(&self) -> SourceKind {
        match self.relation {
            Relation::External => SourceKind::Ebgp,
            Relation::Client => SourceKind::Client,
            Relation::NonClient => SourceKind::NonClient,
        }
    }

    fn receiver(&self) -> Receiver {
        match self.relation {
            Relation::External => Receiver::Ebgp,
            Relation::Client => Receiver::Client,
            Relation::NonClient => Receiver::NonClient,
        }
    }
}

/// A policy that rejects one prefix.
fn all_but(prefix: Option<Prefix>) -> PolicyChain {
    let Some(prefix) = prefix else { return PolicyChain::accept_all() };
    let range = PrefixRange::parse(&prefix.to_string()).expect("a prefix");
    let set: PrefixSet = std::iter::once(range).collect();
    let rule = Rule { matches: vec![Match::Prefix(set.into())], actions: Vec::new(), then: Then::Reject };
    PolicyChain::new([Arc::new(Policy { name: "filter".to_owned(), rules: vec![rule], default: Then::Accept })])
}

impl Node {
    pub(crate) fn new(topology: &Topology, number: usize, seed: u64, comeback: Option<Comeback>) -> Self {
        let speaker = &topology.speakers[number];
        let (asn, bgp_id) = (Asn(speaker.asn), BgpId(speaker.bgp_id));
        let config = RibConfig {
            asn,
            bgp_id,
            decision: DecisionOptions { med_scope: MedScope::Always, ..DecisionOptions::default() },
            resolve: Resolve::Off,
            // Small, so that slow readers are detached and walks take many steps; of half of the nodes all that comes is
            // taken for tables.
            bounds: Bounds {
                journal_bytes: JOURNAL,
                low: 128,
                step_slots: 2,
                step_bytes: STEP as usize,
                small_batch: if number.is_multiple_of(2) { 0 } else { 512 },
                ..Bounds::default()
            },
            start: if comeback == Some(Comeback::Restarted) { Start::Restarting } else { Start::Fresh },
        };
        let mut rib = Rib::new(&config, seed);
        let ends = speaker.neighbors.iter().enumerate().map(|(at, neighbor)| End {
            fsm: Peer::new(peer_config(topology, number, neighbor, comeback), seed ^ at as u64),
            to: (neighbor.node, neighbor.back),
            session: None,
            stale_until: None,
            filters: Filters::default(),
            limit: None,
            relation: neighbor.relation,
            sends: neighbor.sends,
            peer: rib.add_peer().expect("few peers"),
            serial: 0,
        });
        let ends = ends.collect();
        let cluster = ClusterId(speaker.cluster);
        Self {
            rib,
            ends,
            origins: BTreeMap::new(),
            rib_due: None,
            away: None,
            deferral: None,
            topology: topology.clone(),
            number,
            asn,
            bgp_id,
            cluster,
            seed,
        }
    }

    /// It is started again: what was learned is gone, what is configured is not.
    pub(crate) fn start_again(&mut self, now: Timestamp, comeback: Comeback, seed: u64) {
        let comeback = if self.topology.graceful { comeback } else { Comeback::Fresh };
        let new = Self::new(&self.topology, self.number, seed, Some(comeback));
        let old = std::mem::replace(self, new);
        for (prefix, origin) in old.origins {
            self.originate(now, prefix, origin);
        }
        for (end, old) in self.ends.iter_mut().zip(old.ends) {
            (end.filters, end.limit) = (old.filters, old.limit);
        }
        if comeback == Comeback::Restarted {
            let ends = 0..self.ends.len();
            let waiting = ends.flat_map(|end| Family::SUPPORTED.map(|family| (end, family))).collect();
            self.deferral = Some(Deferral { until: now + Duration::from_secs(RESTART_TIME.into()), waiting });
        }
    }

    /// RFC 4724 §4.1: a peer sent End-of-RIB, or it is late.
    pub(crate) fn end_deferral(&mut self, now: Timestamp, complete: Option<(usize, Family)>) {
        let Some(deferral) = &mut self.deferral else { return };
        if let Some(end) = complete {
            deferral.waiting.remove(&end);
        }
        if deferral.waiting.is_empty() || deferral.until <= now {
            self.deferral = None;
            Family::SUPPORTED.into_iter().for_each(|family| self.rib.open_gate(now, family));
        }
    }

    pub(crate) fn deferred_until(&self) -> Option<Timestamp> {
        self.deferral.as_ref().map(|deferral| deferral.until)
    }

    /// R is said once to each peer (RFC 4724 §3).
    fn said_restarted(&mut self, now: Timestamp, at: usize) {
        let neighbor = &self.topology.speakers[self.number].neighbors[at];
        let config = peer_config(&self.topology, self.number, neighbor, None);
        self.ends[at].fsm.set_config(now, config);
    }

    pub(crate) fn originate(&mut self, now: Timestamp, prefix: Prefix, origin: Origin) {
        let mut attributes = PathAttributes::new();
        attributes.origin = OriginCode::from_octet(origin.origin);
        attributes.med = origin.med;
        attributes.local_pref = origin.local_pref;
        origin.communities.iter().for_each(|c| attributes.add_community(Community(*c)));
        *attributes.as_path_mut() = AsPath::from_asns(&[]);
        let block = attributes.to_block().expect("short attributes");
        self.rib.originate(now, prefix, &block);
        self.origins.insert(prefix, origin);
    }

    pub(crate) fn retract(&mut self, now: Timestamp, prefix: Prefix) {
        self.rib.retract(now, prefix);
        self.origins.remove(&prefix);
    }

    /// What the RIB has to know of a session of an end.
    fn params(&self, at: usize, negotiated: &Negotiated) -> SessionParams {
        let end = &self.ends[at];
        let keeps = |family| {
            let f = negotiated.family(family);
            f.is_some_and(|f| f.graceful_restart == Some(ForwardingState::Preserved)) && end.stale_until.is_some()
        };
        let family = |family: Family| {
            let mut export = ExportKey::new(family, end.receiver(), self.asn);
            export.policy = all_but(end.filters.export);
            export.cluster_id = self.cluster;
            let several = negotiated.family(family).and_then(|f| f.add_path).is_some();
            export.add_path = match end.sends {
                Paths::Best(count) if several => AddPathSend::Best(count),
                Paths::All if several => AddPathSend::All,
                Paths::One | Paths::Best(_) | Paths::All => AddPathSend::Off,
            };
            export.max_message_len = negotiated.max_message_len;
            export.as_width = negotiated.as_width;
            export.self_next_hop = SelfNextHop {
                v4: match address(self.number) {
                    std::net::IpAddr::V4(v4) => Some(v4),
                    std::net::IpAddr::V6(_) => None,
                },
                v6: Some(address6(self.number)),
                ..SelfNextHop::default()
            };
            FamilyParams {
                export,
                default_originate: DefaultOriginate::Off,
                import: Arc::new(ImportSettings {
                    guard: None,
                    policy: all_but(end.filters.import),
                    prepend: None,
                    graceful_shutdown: GracefulShutdown::Honor,
                    context: EvalContext { own_asn: self.asn, self_next_hop: None },
                }),
                refresh: if negotiated.enhanced_route_refresh { RefreshMode::Enhanced } else { RefreshMode::Plain },
                limit_in: end.limit.map(|max| PrefixLimit { max, warn_at: None, beyond: Beyond::Refuse }),
                limit_out: None,
                retained: if keeps(family) { Retained::Keep } else { Retained::Discard },
            }
        };
        SessionParams {
            kind: end.kind(),
            peer_asn: negotiated.peer_asn,
            local_asn: self.asn,
            bgp_id: negotiated.peer_id,
            peer_addr: address(end.to.0),
            families: negotiated.families.iter().map(|f| family(f.family)).collect(),
        }
    }

    /// Other policies from now on; a session that is up takes them without being asked anew.
    pub(crate) fn set_filters(&mut self, now: Timestamp, at: usize, filters: Filters) {
        self.ends[at].filters = filters;
        self.tell_rib(now, at);
    }

    /// Another limit from now on.
    pub(crate) fn set_limit(&mut self, now: Timestamp, at: usize, limit: Option<u32>) {
        self.ends[at].limit = limit;
        self.tell_rib(now, at);
    }

    fn tell_rib(&mut self, now: Timestamp, at: usize) {
        if let Some(session) = &self.ends[at].session {
            let params = self.params(at, &session.negotiated);
            self.rib.update_session(now, session.id, &params);
        }
    }

    /// The session of an end is up.
    pub(crate) fn up(&mut self, now: Timestamp, at: usize, connection: ConnectionId, negotiated: Negotiated) {
        let (asn, bgp_id) = (self.asn, self.bgp_id);
        let params = self.params(at, &negotiated);
        let end = &mut self.ends[at];
        end.serial += 1;
        let id = SessionId { peer: end.peer, serial: end.serial };
        let negotiated_families = negotiated.families.iter().map(|f| f.family).collect();
        let handles = self.rib.peer_up(now, id, &params).expect("the RIB takes the session");
        let ingest = IngestContext {
            kind: end.kind(),
            own_asns: [asn].into_iter().collect(),
            allow_own_as: 0,
            bgp_id,
            cluster_id: self.cluster,
            seed: self.seed,
        };
        // What the peer sends again replaces what is stale; End-of-RIB ends the rest.
        end.stale_until = end.stale_until.map(|_| now + Duration::from_secs(u64::from(RESTART_TIME)));
        end.session = Some(Session {
            connection,
            id,
            context: UpdateContext::new(&negotiated, DecodeOptions::default()),
            negotiated,
            scratch: Scratch::new(),
            builder: BatchBuilder::new(ingest),
            readers: handles.readers.into_iter().collect(),
            incomplete: negotiated_families,
        });
        self.said_restarted(now, at);
    }

    /// The session of an end is over; says whether its routes stay for a while.
    pub(crate) fn down(&mut self, now: Timestamp, at: usize, reason: &DownReason) -> bool {
        let end = &mut self.ends[at];
        let session = end.session.take().expect("a session was up");
        let retained = reason.retains_routes() && session.negotiated.graceful_restart.is_some();
        let kept = session.negotiated.families.iter().filter(|f| retained && f.graceful_restart.is_some());
        let modes: Vec<_> = kept.map(|f| (f.family, DownMode::KeepStale)).collect();
        end.stale_until = (!modes.is_empty()).then(|| now + Duration::from_secs(u64::from(RESTART_TIME)));
        self.rib.peer_down(now, session.id, &modes);
        !modes.is_empty()
    }

    /// A peer has sent all that it has of a family. With the last one nothing is stale any more: the RIB saw to that.
    pub(crate) fn complete(&mut self, at: usize, family: Family) {
        let end = &mut self.ends[at];
        if let Some(session) = &mut end.session {
            session.incomplete.remove(&family);
            if session.incomplete.is_empty() {
                end.stale_until = None;
            }
        }
    }

    /// Sweeps what was stale for too long.
    pub(crate) fn sweep(&mut self, now: Timestamp) -> bool {
        let mut swept = false;
        for end in self.ends.iter_mut().filter(|end| end.stale_until.is_some_and(|at| at <= now)) {
            end.stale_until = None;
            Family::SUPPORTED.into_iter().for_each(|family| self.rib.sweep_stale(now, end.peer, family));
            swept = true;
        }
        swept
    }

    pub(crate) fn bgp_id(&self) -> BgpId {
        self.bgp_id
    }

    /// The end that has this peer of the RIB.
    pub(crate) fn end_of(&self, peer: PeerId) -> usize {
        self.ends.iter().position(|end| end.peer == peer).expect("a peer of ours")
    }

    /// All that the RIB has, in the words of the reference model.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        for family in Family::SUPPORTED {
            let (mut cursor, mut found) = (Cursor::default(), Vec::new());
            while self.rib.routes(Scope::All(family), View::LocRib, &mut cursor, 7, &mut found) == Reading::More {}
            for info in found {
                let source = (info.source.peer != PeerId::LOCAL).then(|| self.end_of(info.source.peer));
                assert_eq!(info.source.staleness, Staleness::Live, "{info:?}");
                let destination: &mut Destination = table.entry(info.prefix).or_default();
                if info.standing == Standing::Decided(Reason::Best) {
                    destination.best = Some(source);
                }
                destination.routes.push((source, route(&info), why(&info)));
            }
        }
        table.values_mut().for_each(|destination| destination.routes.sort());
        table
    }
}

fn why(info: &RouteInfo) -> Option<Loop> {
    match info.standing {
        Standing::Decided(_) | Standing::Advertised => None,
        Standing::Ineligible(Ineligible::OwnAsLoop) => Some(Loop::AsPath),
        Standing::Ineligible(Ineligible::OriginatorLoop) => Some(Loop::Originator),
        Standing::Ineligible(Ineligible::ClusterLoop) => Some(Loop::Cluster),
        Standing::Ineligible(Ineligible::ImportPolicy) => Some(Loop::Policy),
        Standing::Ineligible(_) | Standing::Refused(_) => panic!("{info:?}"),
    }
}

fn route(info: &RouteInfo) -> Route {
    let block = BlockView(&info.block);
    Route {
        origin: block.origin().map_or(0xff, |origin| origin as u8),
        as_path: block.as_path().asns().map(|asn| asn.0).collect(),
        next_hop: block.next_hop().map(|hop| hop.addr()),
        med: block.med(),
        local_pref: block.local_pref(),
        communities: block.communities().map(|community| community.0).collect(),
        originator: block.originator_id().map(|id| id.0),
        clusters: block.cluster_list().map(|id| id.0).collect(),
    }
}

/// Timers short enough for many rounds in little virtual time, where the hold time is short.
fn peer_config(topology: &Topology, node: usize, to: &Neighbor, comeback: Option<Comeback>) -> PeerConfig {
    let (ours, theirs) = (&topology.speakers[node], &topology.speakers[to.node]);
    let mut config = PeerConfig::new(Asn(ours.asn), BgpId(ours.bgp_id), PeerAsn::Exactly(Asn(theirs.asn)));
    // One that comes back with nothing has not kept its forwarding state.
    let forwarding = if comeback == Some(Comeback::Fresh) { ForwardingState::Lost } else { ForwardingState::Preserved };
    let add_path = match (to.sends, to.gets) {
        (Paths::One, Paths::One) => None,
        (_, Paths::One) => Some(AddPathMode::Send),
        (Paths::One, _) => Some(AddPathMode::Receive),
        _ => Some(AddPathMode::Both),
    };
    config.families =
        Family::SUPPORTED.map(|family| FamilyConfig { forwarding, add_path, ..FamilyConfig::new(family) }).to_vec();
    config.hold_time = topology.hold_time;
    config.four_octet_as = !ours.two_octets;
    config.connect_retry = Duration::from_secs(5);
    config.connect_retry_initial = Duration::from_secs(1);
    config.idle_hold = IdleHold {
        damped: Duration::from_secs(4),
        max: Duration::from_secs(8),
        max_before_established: Duration::from_secs(8),
        ..IdleHold::default()
    };
    if let Some(seconds) = topology.send_hold {
        config.send_hold = SendHold::After(Duration::from_secs(seconds));
    }
    config.enhanced_route_refresh = node % 3 != 2;
    config.graceful_restart = topology.graceful.then_some(GracefulRestartConfig {
        mode: GracefulRestartMode::Restarter,
        restart_time: RESTART_TIME,
        restarted: comeback == Some(Comeback::Restarted),
        notification: node.is_multiple_of(2),
    });
    config
}
