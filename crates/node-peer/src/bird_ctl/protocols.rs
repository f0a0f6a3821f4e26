//! `show protocols`: the peers, by the names that Calico's templates give them.

use std::collections::HashMap;

use heddle_admin::types::{
    AdminState, CounterRow, NodeReport, Peer, PeerAddress, PeerState, PeerSummary, PeerType, ResetBy, RouteCounters,
};

use super::Daemon;
use super::reply::{Reply, since};

/// Protocols of BIRD that are no peers; whoever reads the table passes over them, and a person expects them.
const OTHERS: [(&str, &str); 4] =
    [("static1", "Static"), ("kernel1", "Kernel"), ("device1", "Device"), ("direct1", "Direct")];

/// `show protocols`.
pub(super) fn table(daemon: Daemon, peers: &[PeerSummary], node: &NodeReport) -> Reply {
    let mut reply = Reply::default();
    heading(&mut reply);
    others(&mut reply, daemon);
    let names = Names::new(node);
    for peer in peers.iter().filter(|peer| of(daemon, &peer.address)) {
        let since = since(peer.state_since, peer.state_seconds);
        let error = error(peer);
        row(
            &mut reply,
            &names.of(&peer.address),
            [state(peer.state, peer.admin_state), &since],
            &info(peer.state, &error),
        );
    }
    reply.end(true);
    reply
}

/// The peers of a daemon, with their names.
pub(super) fn named<'a>(
    daemon: Daemon,
    peers: &'a [PeerSummary],
    node: &NodeReport,
) -> impl Iterator<Item = (String, &'a PeerAddress)> + use<'a> {
    let names = Names::new(node);
    let peers = peers.iter().filter(move |peer| of(daemon, &peer.address));
    peers.map(move |peer| (names.of(&peer.address), &peer.address))
}

fn of(daemon: Daemon, address: &PeerAddress) -> bool {
    address.ip().is_ipv4() == (daemon == Daemon::V4)
}

/// The kinds of all peers by their addresses.
pub(super) struct Names(HashMap<String, &'static str>);

impl Names {
    pub(super) fn new(node: &NodeReport) -> Self {
        Self(node.peers.iter().map(|peer| (peer.address.clone(), kind(&peer.name))).collect())
    }

    /// `Mesh_10_0_0_2`: kind and address, from which readers make the address again. They know three kinds, and no port behind it.
    pub(super) fn of(&self, address: &PeerAddress) -> String {
        let text = address.to_string();
        let kind = self.0.get(&text).copied().unwrap_or("Global");
        format!("{kind}_{}", text.replace(['.', ':', '%'], "_"))
    }
}

fn kind(name: &str) -> &'static str {
    match name.split('_').next() {
        Some("Mesh") => "Mesh",
        // A route of any other name spoils all of the routes in a CalicoNodeStatus.
        Some("Node" | "Local") => "Node",
        _ => "Global",
    }
}

pub(super) fn heading(reply: &mut Reply) {
    reply.line(2002, "name     proto    table    state  since       info");
}

pub(super) fn others(reply: &mut Reply, _daemon: Daemon) {
    for (name, kind) in OTHERS {
        reply.line(1002, &format!("{name:<8} {kind:<8} {:<8} {:<5}  {:<10}  ", "master", "up", ""));
    }
}

fn row(reply: &mut Reply, name: &str, [state, since]: [&str; 2], info: &str) {
    reply.line(1002, &format!("{name:<8} {:<8} {:<8} {state:<5}  {since:<10}  {info}", "BGP", "master"));
}

/// BIRD's word for whether it tries.
const fn state(state: PeerState, admin: AdminState) -> &'static str {
    match (state, admin) {
        (PeerState::Established, _) => "up",
        (_, AdminState::Down) => "down",
        (_, AdminState::Up | AdminState::Draining) => "start",
    }
}

fn info(state: PeerState, error: &str) -> String {
    format!("{:<14}{error}", state.as_str())
}

/// Why there is no session, as BIRD begins it: by whose fault.
fn error(peer: &PeerSummary) -> String {
    if peer.state == PeerState::Established {
        return String::new();
    }
    // That the peer is the one that connects is no error.
    let reason = peer.down_reason.as_ref().filter(|reason| reason.code != "passive");
    let text = match (reason, &peer.connect_error, &peer.last_reset) {
        (Some(reason), _, _) => format!("Error: {}", reason.text),
        (None, Some(error), _) => format!("Socket: {}", error.text),
        (None, None, Some(reset)) => match reset.by {
            ResetBy::Sent => format!("BGP Error: {}", reset.reason),
            ResetBy::Received => format!("Received: {}", reset.reason),
            ResetBy::Connection => format!("Socket: {}", reset.reason),
        },
        (None, None, None) => String::new(),
    };
    // One line is one peer.
    text.replace(['\n', '\r'], " ")
}

/// `show protocols all`: one peer.
pub(super) fn detail(reply: &mut Reply, name: &str, peer: &Peer) {
    let summary = PeerSummary::from(peer.clone());
    let error = error(&summary);
    let since = since(peer.state_since, peer.state_seconds);
    row(reply, name, [state(peer.state, peer.admin_state), &since], &info(peer.state, &error));
    let mut line = |text: String| reply.line(1006, &text);
    line("  Description:    Connection to BGP peer".to_owned());
    line("  Preference:     100".to_owned());
    line(format!("  Input filter:   {}", policy(peer.families.iter().find_map(|f| f.import_policy.as_deref()))));
    line(format!("  Output filter:  {}", policy(peer.families.iter().find_map(|f| f.export_policy.as_deref()))));
    if peer.state == PeerState::Established {
        let best: u64 = peer.families.iter().map(|f| f.best).sum();
        line(format!(
            "  Routes:         {} imported, {} exported, {best} preferred",
            peer.accepted(),
            peer.advertised()
        ));
        if let Some(family) = peer.families.first() {
            counters(&mut line, &family.counters);
        }
    }
    line(format!("  BGP state:          {}", peer.state.as_str()));
    line(format!("    Neighbor address: {}", peer.address));
    line(format!("    Neighbor AS:      {}", peer.asn.unwrap_or(0)));
    if peer.state == PeerState::Established {
        session(&mut line, peer);
    } else if !error.is_empty() {
        line(format!("    Last error:       {error}"));
    }
    line(String::new());
}

fn policy(name: Option<&str>) -> &str {
    name.unwrap_or("ACCEPT")
}

fn counters(line: &mut impl FnMut(String), counters: &RouteCounters) {
    line("  Route change stats:     received   rejected   filtered    ignored   accepted".to_owned());
    let rows = [
        ("Import updates:", counters.import_updates),
        ("Import withdraws:", counters.import_withdraws),
        ("Export updates:", counters.export_updates),
        ("Export withdraws:", counters.export_withdraws),
    ];
    for (name, row) in rows {
        let CounterRow { received, rejected, filtered, ignored, accepted } = row;
        let figures = [received, rejected, filtered, ignored, accepted];
        let figures = figures.map(|figure| figure.map_or_else(|| "---".to_owned(), |figure| figure.to_string()));
        let columns: Vec<String> = figures.iter().map(|figure| format!(" {figure:>10}")).collect();
        line(format!("    {name:<19}{}", columns.concat()));
    }
}

fn session(line: &mut impl FnMut(String), peer: &Peer) {
    if let Some(id) = peer.router_id {
        line(format!("    Neighbor ID:      {id}"));
    }
    let told = |name: &str| peer.capabilities.iter().any(|c| c.name == name && c.received);
    let names = [
        ("route_refresh", "refresh"),
        ("enhanced_route_refresh", "enhanced-refresh"),
        ("graceful_restart", "restart-able"),
        ("long_lived_graceful_restart", "llgr-aware"),
        ("four_octet_as", "AS4"),
        ("add_path", "add-path-rx add-path-tx"),
    ];
    let capabilities: Vec<&str> = names.iter().filter(|(name, _)| told(name)).map(|(_, theirs)| *theirs).collect();
    line(format!("    Neighbor caps:    {}", capabilities.join(" ")));
    let mut words = vec![match peer.peer_type {
        Some(PeerType::Ibgp) => "internal",
        Some(PeerType::Ebgp) | None => "external",
    }];
    words.extend(peer.transport.multihop_ttl.map(|_| "multihop"));
    words.extend(peer.route_reflector_client.then_some("route-reflector client"));
    words.push("AS4");
    line(format!("    Session:          {}", words.join(" ")));
    if let Some(source) = &peer.transport.local_address {
        line(format!("    Source address:   {source}"));
    }
    let timers = &peer.timers;
    let timer = |left: Option<u64>, all: Option<u16>| format!("{}/{}", left.unwrap_or(0), all.unwrap_or(0));
    line(format!("    Hold timer:       {}", timer(timers.hold_remaining_seconds, timers.hold_time_seconds)));
    let keepalive = timer(timers.keepalive_remaining_seconds, timers.keepalive_interval_seconds);
    line(format!("    Keepalive timer:  {keepalive}"));
}
