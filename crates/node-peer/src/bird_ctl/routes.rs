//! `show route`: all paths of the RIB, with the gateways that the forwarding table has for them.

use std::collections::HashMap;
use std::net::IpAddr;

use heddle_admin::types::{
    Destination, FibQuery, KernelLeg, KernelRoute, Match, NodeReport, Path, PathStatus, RouteOrigin, RouteQuery,
    RouteView, WallTime,
};
use heddle_fib_sync::{LocalKind, LocalRoute};
use ipnetwork::IpNetwork;

use super::protocols::Names;
use super::reply::{Reply, since};
use super::{BirdCtl, Daemon, Failure, Out};

/// Which routes are asked for, and how.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Which<'a> {
    /// This destination, and whether the most specific one that covers it is meant.
    destination: Option<(IpNetwork, Match)>,
    /// Those of this protocol.
    protocol: Option<&'a str>,
    /// The best of each destination alone.
    primary: bool,
    /// How many there are.
    count: bool,
}

impl<'a> Which<'a> {
    /// The words after `show route`; none where they are not understood.
    pub(super) fn parse(words: &[&'a str]) -> Option<Self> {
        let mut which = Self::default();
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            match word {
                "primary" => which.primary = true,
                "count" => which.count = true,
                "protocol" => which.protocol = Some(words.next()?.trim_matches('"')),
                "for" => which.destination = Some((words.next()?.parse().ok()?, Match::Longest)),
                prefix => which.destination = Some((prefix.parse().ok()?, Match::Exact)),
            }
        }
        Some(which)
    }
}

/// Writes all routes that are asked for.
pub(super) async fn walk(ctl: &BirdCtl, daemon: Daemon, which: &Which<'_>, out: &mut Out<'_>) -> Result<(), Failure> {
    let (node, kernel) = (ctl.client.node().await?, kernel(ctl, daemon).await?);
    let around = Around::new(&node, kernel, ctl.state.local_routes(), WallTime::now());
    let mut query = RouteQuery { family: Some(daemon.family()), view: RouteView::All, ..RouteQuery::default() };
    if let Some((prefix, matching)) = which.destination {
        (query.prefix, query.matching) = (Some(prefix), matching);
    }
    let mut routes = ctl.client.routes(&query).await?;
    let mut reply = Reply::default();
    let (mut paths, mut destinations) = (0_u64, 0_u64);
    while let Some(destination) = routes.next().await? {
        let lines = lines(&destination, which, &around);
        paths += lines.len() as u64;
        destinations += u64::from(!lines.is_empty());
        if !which.count {
            lines.iter().for_each(|line| reply.line(1007, line));
            out.send_some(&mut reply).await?;
        }
    }
    if which.count {
        reply.last_line(14, &format!("{paths} of {paths} routes for {destinations} networks"));
    } else if paths == 0 && which.destination.is_some() {
        reply.last_line(8001, "Network not in table");
    } else {
        reply.end(true);
    }
    Ok(out.send(reply.text()).await?)
}

/// What routes are shown by: made once a walk, for there may be as many routes by a gateway, and peers, as there are paths.
pub(super) struct Around {
    names: Names,
    /// What the kernel has or should have.
    kernel: HashMap<IpNetwork, KernelRoute>,
    /// A leg by each gateway.
    gateways: HashMap<IpAddr, KernelLeg>,
    /// The node's own.
    local: HashMap<Option<IpNetwork>, LocalRoute>,
    now: WallTime,
}

impl Around {
    pub(super) fn new(
        node: &NodeReport,
        kernel: HashMap<IpNetwork, KernelRoute>,
        local: Vec<LocalRoute>,
        now: WallTime,
    ) -> Self {
        let mut gateways: HashMap<IpAddr, KernelLeg> = HashMap::new();
        for leg in kernel.values().flat_map(|route| &route.legs) {
            let Some(via) = leg.via else { continue };
            // The same one each time it is asked.
            let is_first = gateways.get(&via).is_none_or(|found| leg.interface < found.interface);
            if is_first {
                gateways.insert(via, leg.clone());
            }
        }
        let local = local.into_iter().map(|route| (network(&route), route)).collect();
        Self { names: Names::new(node), kernel, gateways, local, now }
    }
}

fn network(route: &LocalRoute) -> Option<IpNetwork> {
    IpNetwork::new(route.prefix.addr(), route.prefix.len()).ok()
}

async fn kernel(ctl: &BirdCtl, daemon: Daemon) -> Result<HashMap<IpNetwork, KernelRoute>, Failure> {
    let mut query = FibQuery::default();
    let mut kernel = HashMap::new();
    loop {
        let page = ctl.client.fib(&query).await?;
        let of_family = page.routes.into_iter().filter(|r| r.prefix.is_ipv4() == (daemon == Daemon::V4));
        kernel.extend(of_family.filter_map(|r| Some((r.prefix, r.actual.or(r.desired)?))));
        query.from = page.next;
        if page.next.is_none() {
            return Ok(kernel);
        }
    }
}

/// The lines of a destination; the first has its prefix.
pub(super) fn lines(destination: &Destination, which: &Which<'_>, around: &Around) -> Vec<String> {
    let mut lines = Vec::new();
    for path in &destination.paths {
        let used = match path.status {
            PathStatus::Best => true,
            PathStatus::Multipath => !which.primary,
            PathStatus::Valid | PathStatus::Rejected | PathStatus::Ineligible => false,
        };
        // BIRD does not have what a filter rejected.
        if path.status == PathStatus::Rejected || (which.primary && !used) {
            continue;
        }
        let (protocol, ways, info) = match path.origin_type {
            RouteOrigin::Local => local(destination.prefix, around),
            RouteOrigin::Ibgp | RouteOrigin::Ebgp => learned(destination.prefix, path, around),
        };
        if which.protocol.is_some_and(|wanted| wanted != protocol) {
            continue;
        }
        let ago = std::time::Duration::from_secs(path.age_seconds);
        let since = since(around.now.before(ago), path.age_seconds);
        for way in ways {
            let shown = if lines.is_empty() { destination.prefix.to_string() } else { String::new() };
            let from =
                path.peer.as_ref().map(|peer| peer.ip()).filter(|peer| way.gateway.is_some_and(|gw| gw != *peer));
            let from = from.map(|peer| format!(" from {peer}")).unwrap_or_default();
            let star = if used { " *" } else { "" };
            lines.push(format!("{shown:<18} {} [{protocol} {since}{from}]{star} {info}", way.text));
        }
    }
    lines
}

/// A way to a destination.
struct Way {
    text: String,
    gateway: Option<IpAddr>,
}

impl Way {
    fn of(text: &str) -> Self {
        Self { text: text.to_owned(), gateway: None }
    }
}

/// Protocol, ways, and preference of a route of the node's own, as BIRD has them.
fn local(prefix: IpNetwork, around: &Around) -> (String, Vec<Way>, String) {
    let Some(route) = around.local.get(&Some(prefix)) else {
        // Blocks, and addresses of services.
        return ("static1".to_owned(), vec![Way::of("blackhole")], "(200)".to_owned());
    };
    let (protocol, preference) = match route.kind {
        LocalKind::Workload | LocalKind::Learned => ("kernel1", "(10)"),
        LocalKind::Connected => ("direct1", "(240)"),
    };
    let way = route.interface.as_ref().map_or_else(|| Way::of("blackhole"), |name| Way::of(&format!("dev {name}")));
    (protocol.to_owned(), vec![way], preference.to_owned())
}

/// The same of a route of a peer. Where the kernel has another path, or none, the interface of its next hop is that of other routes by
/// the same gateway.
fn learned(prefix: IpNetwork, path: &Path, around: &Around) -> (String, Vec<Way>, String) {
    let protocol = path.peer.as_ref().map_or_else(|| "Global_".to_owned(), |peer| around.names.of(peer));
    let next_hop = path.attributes.next_hop;
    let legs = around.kernel.get(&prefix).map_or(&[][..], |route| &route.legs);
    let leg_way = |leg: &KernelLeg| {
        let interface = leg.interface.as_deref().unwrap_or("?");
        Way {
            text: leg.via.map_or_else(|| format!("dev {interface}"), |via| format!("via {via} on {interface}")),
            gateway: leg.via,
        }
    };
    let own = legs.iter().filter(|leg| leg.via.is_some() && leg.via == next_hop);
    let mut ways: Vec<Way> = own.map(leg_way).collect();
    if ways.is_empty() && path.status == PathStatus::Best {
        // Its next hop is reached through others.
        ways = legs.iter().map(leg_way).collect();
    }
    if ways.is_empty() {
        ways.extend(next_hop.and_then(|gateway| around.gateways.get(&gateway)).map(leg_way));
    }
    if ways.is_empty() {
        return (protocol, vec![Way::of("unreachable")], attributes(path, "-"));
    }
    let cost = path.igp_cost.map_or_else(|| "?".to_owned(), |cost| cost.to_string());
    (protocol, ways, attributes(path, &cost))
}

/// `(100/0) [AS65001i]`: preference, cost of the next hop, and the origin.
fn attributes(path: &Path, cost: &str) -> String {
    let last = path.attributes.as_path.split_whitespace().next_back();
    let last = last.map(|asn| format!("AS{}", asn.trim_matches(['{', '}']))).unwrap_or_default();
    let origin = match &*path.attributes.origin {
        "igp" => "i",
        "egp" => "e",
        _ => "?",
    };
    format!("(100/{cost}) [{last}{origin}]")
}
