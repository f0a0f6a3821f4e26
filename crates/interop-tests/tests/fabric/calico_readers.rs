//! What Calico 3.29 to 3.33 reads of `bird.ctl` and `bird6.ctl`, after its source: each reader's words octet by octet, the beginnings of lines that it
//! takes, where it stops, and at what it gives up. They are strict where Calico is: a line that it does not know is an error, as is a silence of two
//! seconds. What Calico passes over without a word (an answer that ends early, a row that is none) is an error here, too.
//!
//! | here | there |
//! |---|---|
//! | [`peers`] | `calicoctl/…/node/status.go` and `node/pkg/health/bird/bird.go`: `calicoctl node status`, `-bird-ready` |
//! | [`restarting`] | `node/pkg/health/bird/bird.go`: `-bird-ready` |
//! | [`agent`], [`sessions`], [`routes`] | `node/pkg/status/populators`: the three classes of `CalicoNodeStatus` |

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use regex_automata::meta::Regex;

/// How long a reader waits for each line.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest line of a Go `bufio.Scanner`.
const LONGEST: usize = 64 * 1024;

/// The columns of `show protocols`.
const HEADINGS: [&str; 6] = ["name", "proto", "table", "state", "since", "info"];

/// Which of the two daemons is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// What an underscore in a name stands for.
    fn separator(self) -> &'static str {
        if self == Self::V4 { "." } else { ":" }
    }
}

/// A connection, which a reader keeps for all that it asks.
struct Talk(BufReader<UnixStream>);

impl Talk {
    fn connect(socket: &Path) -> Result<Self, String> {
        let failed = |error| format!("{}: {error}", socket.display());
        let stream = UnixStream::connect(socket).map_err(failed)?;
        stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a command, without waiting for the greeting, and gives each line to the reader until that has enough.
    fn ask<T>(&mut self, command: &str, mut take: impl FnMut(&str) -> Result<Option<T>, String>) -> Result<T, String> {
        self.0.get_mut().write_all(command.as_bytes()).map_err(|error| format!("{command:?}: {error}"))?;
        loop {
            let mut line = String::new();
            let length = self.0.read_line(&mut line).map_err(|error| format!("{command:?}: {error}"))?;
            if length == 0 || length > LONGEST {
                return Err(format!("{command:?}: a line of {length} octets"));
            }
            if let Some(answer) = take(line.trim_end_matches(['\r', '\n']))? {
                return Ok(answer);
            }
        }
    }
}

/// A line without its first octets.
fn behind(line: &str, octets: usize) -> Result<&str, String> {
    line.get(octets..).ok_or_else(|| format!("a short line: {line:?}"))
}

fn unexpected<T>(line: &str) -> Result<T, String> {
    Err(format!("unexpected output line from BIRD: {line:?}"))
}

/// A row of the table of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) address: String,
    /// `global`, `node-to-node mesh`, `node specific`.
    pub(crate) kind: &'static str,
    pub(crate) state: String,
    pub(crate) since: String,
    pub(crate) bgp_state: String,
    pub(crate) info: String,
}

/// `^(Global|Node|Mesh)_(.+)$`.
fn peer_of(family: Family, name: &str) -> Option<(&'static str, String)> {
    let kinds = [("Global_", "global"), ("Node_", "node specific"), ("Mesh_", "node-to-node mesh")];
    let (kind, rest) = kinds.into_iter().find_map(|(prefix, kind)| Some((kind, name.strip_prefix(prefix)?)))?;
    (!rest.is_empty()).then(|| (kind, rest.replace('_', family.separator())))
}

/// A row, if it is one of a peer.
fn peer(family: Family, row: &str) -> Option<Peer> {
    let columns: Vec<&str> = row.split_whitespace().collect();
    let [name, "BGP", _, state, since, bgp_state, info @ ..] = columns.as_slice() else { return None };
    let (kind, address) = peer_of(family, name)?;
    let [name, state, since, bgp_state] = [name, state, since, bgp_state].map(|&word| word.to_owned());
    Some(Peer { name, address, kind, state, since, bgp_state, info: info.join(" ") })
}

/// The table of sessions.
pub(crate) fn peers(socket: &Path, family: Family) -> Result<Vec<Peer>, String> {
    table(&mut Talk::connect(socket)?, family)
}

fn table(talk: &mut Talk, family: Family) -> Result<Vec<Peer>, String> {
    let mut peers = Vec::new();
    talk.ask("show protocols\n", |line| {
        if line.starts_with("0000") {
            return Ok(Some(()));
        } else if line.starts_with("2002") {
            let headings: Vec<&str> = behind(line, 5)?.split_whitespace().collect();
            if headings != HEADINGS {
                return Err("unknown BIRD table output format".to_owned());
            }
        } else if line.starts_with("1002") {
            peers.extend(peer(family, behind(line, 5)?));
        } else if line.starts_with(' ') {
            peers.extend(peer(family, behind(line, 1)?));
        } else if !line.starts_with("0001") {
            return unexpected(line);
        }
        Ok(None)
    })?;
    Ok(peers)
}

/// Whether a graceful restart is under way.
pub(crate) fn restarting(socket: &Path) -> Result<bool, String> {
    Talk::connect(socket)?.ask("show status\n", |line| {
        if line.starts_with("0013") {
            Ok(Some(false))
        } else if line.starts_with("0024") {
            Ok(Some(true))
        } else if ["0001", "1000", "1011", " "].iter().any(|known| line.starts_with(known)) {
            Ok(None)
        } else {
            unexpected(line)
        }
    })
}

/// The class `Agent`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) ready: bool,
    pub(crate) version: String,
    pub(crate) router_id: String,
    pub(crate) server_time: String,
    pub(crate) last_boot: String,
    pub(crate) last_reconfiguration: String,
}

/// The class `Agent`: it stops at the line of a restart.
pub(crate) fn agent(socket: &Path) -> Result<Agent, String> {
    let mut agent = Agent::default();
    let mut row = |row: &str| {
        let fields: [(&str, &mut String); 5] = [
            ("BIRD ", &mut agent.version),
            ("Router ID is ", &mut agent.router_id),
            ("Current server time is ", &mut agent.server_time),
            ("Last reboot on ", &mut agent.last_boot),
            ("Last reconfiguration on ", &mut agent.last_reconfiguration),
        ];
        if row.contains("BIRD") && row.contains("ready") {
            agent.ready = true;
        } else if let Some((value, field)) = fields.into_iter().find_map(|(key, to)| Some((row.strip_prefix(key)?, to)))
        {
            value.clone_into(field);
        }
    };
    Talk::connect(socket)?.ask("show status\n", |line| {
        if line.starts_with("0013") || line.starts_with("0024") {
            return Ok(Some(()));
        } else if ["0001", "1000", "1011"].iter().any(|known| line.starts_with(known)) {
            row(behind(line, 5)?);
        } else if line.starts_with(' ') {
            row(behind(line, 1)?);
        } else {
            return unexpected(line);
        }
        Ok(None)
    })?;
    Ok(agent)
}

/// The class `BGP`, each session with its state and its address: one connection for the table and for each row of it.
pub(crate) fn sessions(socket: &Path, family: Family) -> Result<Vec<(Peer, String, String)>, String> {
    let mut talk = Talk::connect(socket)?;
    let peers = table(&mut talk, family)?;
    let value = |line: &str, key: &str| line.contains(key).then(|| line.replace(key, " ").trim().to_owned());
    let mut complete = |peer: Peer| -> Result<(Peer, String, String), String> {
        let (mut state, mut address) = (String::new(), String::new());
        talk.ask(&format!("show protocols all {}\n", peer.name), |line| {
            if line.starts_with("0000") {
                return Ok(Some(()));
            } else if let Some(found) = value(line, "BGP state:") {
                state = found;
            } else if let Some(found) = value(line, "Neighbor address:") {
                address = found;
            }
            Ok(None)
        })?;
        Ok((peer, state, address))
    };
    peers.into_iter().map(&mut complete).collect()
}

/// The rows that the class `Routes` understands, to the letter.
const ROUTES: [&str; 4] = [
    r"(?P<dest>\S*)\s*via\s(?P<gateway>\S*)\s*on\s(?P<iface>.*)\s\[(?P<from>\S*)\s.*\].*",
    r"(?P<dest>\S*)\s*dev\s(?P<iface>.*)\s\[(?P<from>\S*)\s.*\].*",
    r"(?P<dest>\S*)\s*blackhole\s\[(?P<from>\S*)\s.*\].*",
    r"(?P<dest>\S*)\s*unreachable\s\[(?P<from>\S*)\s.*\].*",
];

/// By which words it knows which of them is meant, and what it makes of a route without a gateway or an interface.
const SORTS: [(&str, &str); 4] =
    [(" via ", ""), (" dev ", ""), (" blackhole ", "blackhole"), (" unreachable ", "unreachable")];

/// A row of the class `Routes`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) destination: String,
    pub(crate) gateway: String,
    pub(crate) interface: String,
    /// `Kernel`, `Static`, `Direct`, or `NodeMesh` and `BGPPeer` with the peer's address behind.
    pub(crate) learned_from: String,
    /// Of type `FIB`.
    pub(crate) primary: bool,
}

/// The class `Routes`: a name of a session that it does not know makes an end of all of it.
pub(crate) fn routes(socket: &Path, family: Family) -> Result<Vec<Route>, String> {
    let patterns = ROUTES.map(|pattern| Regex::new(pattern).expect("Calico compiles it, too"));
    let mut routes: Vec<Route> = Vec::new();
    let mut row = |row: &str| -> Result<(), String> {
        let failed = || format!("failed to parse: {row:?}");
        let sorts = patterns.iter().zip(SORTS);
        let (pattern, (_, stand_in)) =
            sorts.into_iter().find(|(_, (word, _))| row.contains(word)).ok_or_else(failed)?;
        let mut found = pattern.create_captures();
        pattern.captures(row, &mut found);
        let group = |name: &str| found.get_group_by_name(name).map(|span| row[span.range()].to_owned());
        let before = routes.last().map(|route| route.destination.clone());
        let named = group("dest").ok_or_else(failed)?;
        let destination = if named.is_empty() { before.ok_or_else(failed)? } else { named };
        let interface = group("iface").unwrap_or_else(|| stand_in.to_owned());
        let gateway = group("gateway").unwrap_or_else(|| "N/A".to_owned());
        let learned_from = learned_from(family, &group("from").ok_or_else(failed)?)?;
        routes.push(Route { destination, gateway, interface, learned_from, primary: row.contains("] *") });
        Ok(())
    };
    Talk::connect(socket)?.ask("show route\n", |line| {
        if line.starts_with("0000") {
            return Ok(Some(()));
        } else if line.starts_with("1007") {
            row(behind(line, 5)?)?;
        } else if line.starts_with(' ') {
            row(behind(line, 1)?)?;
        } else if !line.starts_with("0001") {
            return unexpected(line);
        }
        Ok(None)
    })?;
    Ok(routes)
}

fn learned_from(family: Family, name: &str) -> Result<String, String> {
    for (prefix, source) in [("kernel", "Kernel"), ("static", "Static"), ("direct", "Direct")] {
        if name.starts_with(prefix) {
            return Ok(source.to_owned());
        }
    }
    let (kind, address) =
        peer_of(family, name).ok_or_else(|| format!("session name {name:?} is not a correct format"))?;
    let source = if kind == "node-to-node mesh" { "NodeMesh" } else { "BGPPeer" };
    Ok(format!("{source} {address}"))
}
