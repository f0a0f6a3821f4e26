//! A lab in words and tables.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use heddle_netlink::{Family, Route};
use serde_json::{Value, json};

use crate::fabric::{Convergence, Fabric, FabricError};
use crate::ping::Ping;
use crate::plan::{Host, Role};
use crate::prober::FlowReport;
use crate::process::State;
use crate::topology::{NodeProgram, ReflectorKind};

/// Protocol numbers of routes that came by BGP: BIRD, Heddle, FRR.
const BGP: [u8; 3] = [12, 158, 186];
/// More pods than this make no readable matrix.
const WIDEST: usize = 16;

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header.to_vec());
    table
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn role(host: &Host) -> String {
    match &host.role {
        Role::Switch => "switch".to_owned(),
        Role::Tor { rack, asn, .. } => format!("top of {rack}, AS {asn}"),
        Role::Reflector(ReflectorKind::Process | ReflectorKind::Node) => "reflector".to_owned(),
        Role::Node { rack, asn, .. } => format!("node in {rack}, AS {asn}"),
    }
}

fn daemon(host: &Host) -> &'static str {
    match &host.role {
        Role::Switch | Role::Node { program: NodeProgram::Nothing, .. } => "",
        Role::Tor { daemon, .. } => daemon.as_str(),
        Role::Node { program: NodeProgram::Bird(_), .. } => "bird",
        Role::Reflector(_) | Role::Node { program: NodeProgram::Heddle, .. } => "heddle",
    }
}

/// Hosts, with sessions, routes and processes.
pub(crate) fn hosts(fabric: &Fabric) -> Result<String, FabricError> {
    let mut table = table(&["HOST", "ROLE", "DAEMON", "ADDRESS", "SESSIONS", "BGP ROUTES", "PROCESSES"]);
    let processes = fabric.processes();
    for host in fabric.plan().hosts.iter().filter(|host| host.role != Role::Switch) {
        let sessions = match fabric.sessions(&host.name) {
            Ok(sessions) => {
                let up = sessions.iter().filter(|session| session.is_established()).count();
                format!("{up}/{}", sessions.len())
            }
            Err(_) => "no answer".to_owned(),
        };
        let fib = fabric.fib(&host.name)?;
        let [v4, v6] =
            BGP.iter().filter_map(|protocol| fib.routes.get(protocol)).fold([0, 0], |[a, b], [c, d]| [a + c, b + d]);
        let own = processes.iter().filter(|(on, ..)| *on == host.name);
        let own: Vec<String> = own.map(|(_, name, pid, state)| process(name, *pid, *state)).collect();
        let address = host.address.map(|pair| pair.v4.ip().to_string()).unwrap_or_default();
        table.add_row([
            host.name.clone(),
            role(host),
            daemon(host).to_owned(),
            address,
            sessions,
            format!("{v4} + {v6}"),
            own.join(", "),
        ]);
    }
    Ok(lines(&table))
}

fn process(name: &str, pid: u32, state: State) -> String {
    match state {
        State::Running => format!("{name} {pid}"),
        State::Frozen => format!("{name} {pid} frozen"),
        State::Ended { signal: Some(signal), .. } => format!("{name} killed by signal {signal}"),
        State::Ended { code, .. } => format!("{name} ended with {}", code.unwrap_or_default()),
    }
}

/// The forwarding table of a host, without what the kernel makes of addresses itself.
pub(crate) fn forwarding(fabric: &Fabric, host: &str) -> Result<String, FabricError> {
    let names = links(fabric, host)?;
    let mut text = String::new();
    for family in Family::BOTH {
        for route in fabric.kernel_routes(host, family)? {
            if route.protocol.0 > 2 && !route.prefix.ip().is_multicast() {
                text.push_str(&format!("  {}\n", in_words(&route, &names)));
            }
        }
    }
    Ok(text)
}

/// Names of links, by their numbers.
fn links(fabric: &Fabric, host: &str) -> Result<BTreeMap<u32, String>, FabricError> {
    let machine = fabric.host(host)?;
    let mut names = BTreeMap::from([(1, "lo".to_owned())]);
    let ends = fabric.plan().ends(host).map(|end| end.interface.clone());
    let pods = fabric.with_pods(|pods| {
        pods.iter().filter(|pod| pod.node() == host).map(|pod| pod.interface().to_owned()).collect::<Vec<_>>()
    });
    for name in ends.chain(pods) {
        if let Ok(index) = machine.link(&name) {
            names.insert(index.0, name);
        }
    }
    Ok(names)
}

fn in_words(route: &Route, names: &BTreeMap<u32, String>) -> String {
    let mut text = match route.kind {
        heddle_netlink::RouteKind::Unicast => route.prefix.to_string(),
        other => format!("{other} {}", route.prefix),
    };
    for leg in &route.legs {
        if let Some(gateway) = leg.gateway {
            text.push_str(&format!(" via {gateway}"));
        }
        if let Some(name) = leg.oif.and_then(|index| names.get(&index.0)) {
            text.push_str(&format!(" dev {name}"));
        }
    }
    let protocol = match route.protocol.0 {
        3 => "boot".to_owned(),
        4 => "static".to_owned(),
        12 => "bird".to_owned(),
        158 => "heddle".to_owned(),
        186 => "bgp (FRR)".to_owned(),
        number => number.to_string(),
    };
    text.push_str(&format!(" proto {protocol}"));
    if route.metric != 0 {
        text.push_str(&format!(" metric {}", route.metric));
    }
    text
}

/// Who reached whom: a grid, or where that would be too wide, a count and what is missing.
pub(crate) fn ping_matrix(pings: &[Ping]) -> String {
    let answered = pings.iter().filter(|ping| ping.answer.is_some()).count();
    let mut text = format!("Pings: {answered} of {} answered (every pod to every other, IPv4 and IPv6)\n", pings.len());
    let mut names: Vec<&str> = pings.iter().flat_map(|ping| [ping.from.as_str(), ping.to.as_str()]).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() > WIDEST {
        let missing = pings.iter().filter(|ping| ping.answer.is_none()).take(20);
        missing
            .for_each(|ping| text.push_str(&format!("  no answer: {} > {} ({})\n", ping.from, ping.to, ping.address)));
        return text;
    }
    let numbers: Vec<String> = (1..=names.len()).map(|number| number.to_string()).collect();
    let mut header = vec!["  FROM / TO"];
    header.extend(numbers.iter().map(String::as_str));
    let mut grid = table(&header);
    for (from, number) in names.iter().zip(&numbers) {
        let mut row = vec![format!("  {number:>2} {from}")];
        row.extend(names.iter().map(|to| cell(pings, from, to).to_owned()));
        grid.add_row(row);
    }
    text.push_str(&lines(&grid));
    text
}

fn cell(pings: &[Ping], from: &str, to: &str) -> &'static str {
    if from == to {
        return "";
    }
    let answered = |v6: bool| {
        pings
            .iter()
            .any(|ping| ping.from == from && ping.to == to && ping.address.is_ipv6() == v6 && ping.answer.is_some())
    };
    match (answered(false), answered(true)) {
        (true, true) => "ok",
        (true, false) => "v4",
        (false, true) => "v6",
        (false, false) => "-",
    }
}

/// How it came up.
pub(crate) fn convergence(result: &Convergence) -> String {
    let mut text = String::new();
    match result.routes {
        Some(time) => {
            text.push_str(&format!(
                "Every node has every block in its kernel {} after the first process.\n",
                span(time)
            ));
        }
        None => {
            text.push_str("Routes are missing:\n");
            for (node, blocks) in &result.missing {
                let blocks: Vec<String> = blocks.iter().map(ToString::to_string).collect();
                text.push_str(&format!("  {node}: {}\n", blocks.join(", ")));
            }
        }
    }
    match result.pings {
        Some(time) => {
            text.push_str(&format!("Converged in {}: every pod has reached every other.\n", span(time)));
        }
        None => text.push_str("Not converged: some pods do not reach each other.\n"),
    }
    if let Some(time) = result.sessions {
        text.push_str(&format!("All sessions were up after {}.\n", span(time)));
    } else if result.pings.is_some() {
        text.push_str("Some sessions are not established yet: `heddle lab status` counts them.\n");
    }
    text
}

pub(crate) fn span(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

/// What was lost on each flow that lost something.
pub(crate) fn loss(flows: &[FlowReport]) -> String {
    let losers: Vec<&FlowReport> = flows.iter().filter(|flow| flow.lost > 0).collect();
    if losers.is_empty() {
        return format!("No packet lost on {} flows.\n", flows.len());
    }
    let mut grid = table(&["FLOW", "LOST", "LONGEST GAP"]);
    for flow in &losers {
        grid.add_row([flow.name.clone(), format!("{} ms", flow.lost), format!("{} ms", flow.longest_gap)]);
    }
    format!("{}{} of {} flows lost nothing.\n", lines(&grid), flows.len() - losers.len(), flows.len())
}

/// Everything for programs.
pub(crate) fn status_json(fabric: &Fabric) -> Result<Value, FabricError> {
    let processes = fabric.processes();
    let mut hosts = Vec::new();
    for host in &fabric.plan().hosts {
        let sessions = fabric.sessions(&host.name).unwrap_or_default();
        let own = processes.iter().filter(|(on, ..)| *on == host.name);
        let own: Vec<Value> = own
            .map(|(_, name, pid, state)| json!({"name": name, "pid": pid, "running": *state == State::Running}))
            .collect();
        let addresses: Vec<String> =
            host.address.map(|pair| pair.networks().map(|net| net.to_string()).to_vec()).unwrap_or_default();
        hosts.push(json!({
            "name": host.name,
            "daemon": daemon(host),
            "addresses": addresses,
            "sessions": sessions,
            "routes": fabric.fib(&host.name)?.routes,
            "processes": own,
        }));
    }
    let pods = fabric.with_pods(|pods| {
        let pod = |pod: &&crate::pod::Pod| {
            let addresses = pod.address().addresses().map(|address| address.to_string());
            json!({"name": pod.name(), "node": pod.node(), "addresses": addresses, "interface": pod.interface()})
        };
        pods.iter().map(pod).collect::<Vec<Value>>()
    });
    let name = &fabric.plan().topology.name;
    Ok(json!({"name": name, "hosts": hosts, "pods": pods, "broken_links": fabric.broken_links()}))
}

/// Pods, with their addresses.
pub(crate) fn pods(fabric: &Fabric) -> String {
    let mut grid = table(&["POD", "NODE", "IPV4", "IPV6"]);
    fabric.with_pods(|pods| {
        for pod in pods {
            let [v4, v6] = pod.address().addresses().map(|address| address.to_string());
            grid.add_row([pod.name().to_owned(), pod.node().to_owned(), v4, v6]);
        }
    });
    lines(&grid)
}

/// The last words of processes that ended by themselves.
pub(crate) fn obituaries(fabric: &Fabric) -> String {
    const LINES: usize = 5;
    let mut text = String::new();
    for (host, name, _, state) in fabric.processes() {
        let State::Ended { code: Some(code), .. } = state else { continue };
        let log = fabric.host(&host).map(|machine| machine.path(&format!("{name}.log"))).unwrap_or_default();
        let words = std::fs::read_to_string(&log).unwrap_or_default();
        let all: Vec<&str> = words.lines().collect();
        text.push_str(&format!("{name} on {host} ended with exit code {code}:\n"));
        for line in all.get(all.len().saturating_sub(LINES)..).unwrap_or_default() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}
