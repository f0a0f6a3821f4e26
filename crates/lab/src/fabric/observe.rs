//! What the daemons and the kernels say.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use heddle_netlink::{Family, Route};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Fabric, FabricError};
use crate::daemons::{BIRD_SOCKET, BIRD6_SOCKET, FRR_SOCKET, HEDDLE_SOCKET};
use crate::host::Host;
use crate::plan::Role;
use crate::topology::{NodeProgram, TorDaemon};
use crate::tor::{bird, frr};

/// A session, as one of its ends sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// The other end's address.
    pub peer: String,
    /// The state by its name in RFC 4271 §8.2.2.
    pub state: String,
}

impl SessionView {
    /// Whether routes are exchanged.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.state == "established" || self.state == "Established"
    }
}

/// What a host's kernel has, by protocol number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FibEntry {
    /// Routes of a protocol, IPv4 and IPv6.
    pub routes: BTreeMap<u8, [usize; 2]>,
}

impl Fabric {
    /// The sessions of a host, asked of its daemon.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn sessions(&self, name: &str) -> io::Result<Vec<SessionView>> {
        let Some(host) = self.hosts.get(name) else { return Ok(Vec::new()) };
        let Some(planned) = self.plan.host(name) else { return Ok(Vec::new()) };
        let pairs = match &planned.role {
            Role::Switch | Role::Node { program: NodeProgram::Nothing, .. } => Vec::new(),
            Role::Node { program: NodeProgram::Heddle, .. }
            | Role::Reflector(_)
            | Role::Tor { daemon: TorDaemon::Heddle, .. } => heddle_sessions(host)?,
            Role::Node { program: NodeProgram::Bird(_), .. } => {
                let mut all = Vec::new();
                for socket in [BIRD_SOCKET, BIRD6_SOCKET] {
                    all.extend(bird::sessions(&bird::command(&host.path(socket), "show protocols all")?));
                }
                all
            }
            Role::Tor { daemon: TorDaemon::Bird, .. } => {
                bird::sessions(&bird::command(&host.path(BIRD_SOCKET), "show protocols all")?)
            }
            Role::Tor { daemon: TorDaemon::Frr, .. } => {
                frr::sessions(&frr::command(&host.path(FRR_SOCKET), "show bgp neighbors json")?)
            }
        };
        Ok(pairs.into_iter().map(|(peer, state)| SessionView { peer, state }).collect())
    }

    /// Asks the admin API of a host's `heddle` something: `GET PATH` (docs/api.md).
    ///
    /// # Errors
    /// When there is no answer, or no JSON in it.
    pub fn api(&self, name: &str, path: &str) -> io::Result<Value> {
        let host = self.hosts.get(name).ok_or(io::ErrorKind::NotFound)?;
        get(&host.path(HEDDLE_SOCKET), path)
    }

    /// The routes of a host's main table.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn kernel_routes(&self, name: &str, family: Family) -> Result<Vec<Route>, FabricError> {
        Ok(self.host(name)?.routes(family)?)
    }

    /// How many routes of which protocol a host's kernel has.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn fib(&self, name: &str) -> Result<FibEntry, FabricError> {
        let mut entry = FibEntry::default();
        for (index, family) in Family::BOTH.into_iter().enumerate() {
            for route in self.kernel_routes(name, family)? {
                if let Some(count) = entry.routes.entry(route.protocol.0).or_default().get_mut(index) {
                    *count += 1;
                }
            }
        }
        Ok(entry)
    }
}

fn heddle_sessions(host: &Host) -> io::Result<Vec<(String, String)>> {
    let answer = get(&host.path(HEDDLE_SOCKET), "/v1/peers")?;
    let peers = answer.get("peers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let word = |peer: &Value, key: &str| peer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(peers.iter().map(|peer| (word(peer, "address"), word(peer, "state"))).collect())
}

/// `GET PATH` from the admin API (docs/api.md).
///
/// # Errors
/// When there is no answer, or no JSON in it.
pub(crate) fn get(socket: &Path, path: &str) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // HTTP/1.0: the answer ends with the connection, and is not in chunks.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: heddle\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    serde_json::from_str(body).map_err(io::Error::other)
}
