//! Which programs run on which host, with their files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::calico_bird::{self, Family};
use crate::datastore;
use crate::host::{Host, HostError};
use crate::plan::{self, Plan, Role, Session};
use crate::process::Program;
use crate::reflector;
use crate::topology::{NodeProgram, ReflectorKind, TorDaemon};
use crate::tor::{bird, frr};

/// The socket over which our programs are asked.
pub(crate) const HEDDLE_SOCKET: &str = "heddle.sock";
/// BIRD's, and that of a second one for IPv6.
pub(crate) const BIRD_SOCKET: &str = "bird.ctl";
pub(crate) const BIRD6_SOCKET: &str = "bird6.ctl";
/// That of FRR's `bgpd`, which names it itself.
pub(crate) const FRR_SOCKET: &str = "bgpd.vty";
/// That over which `bgpd` speaks to `zebra`.
pub(crate) const ZEBRA_SOCKET: &str = "zserv.api";

/// A program of a host.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    /// What it is called: `node-peer`, `route-reflector`, `bird`, `bgpd`, `zebra`.
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    /// A file that has to be there before the next program of the host starts.
    pub(crate) ready: Option<PathBuf>,
}

/// The programs of a host, in the order in which they start. The last one speaks BGP.
pub(crate) fn of(
    plan: &Plan,
    planned: &plan::Host,
    host: &Host,
    heddle: &Path,
    cluster: &Path,
) -> Result<Vec<Daemon>, HostError> {
    match &planned.role {
        Role::Switch => Ok(Vec::new()),
        Role::Node { program: NodeProgram::Nothing, .. } => Ok(Vec::new()),
        Role::Node { program: NodeProgram::Bird(_), .. } => {
            [Family::V4, Family::V6].into_iter().map(|family| bird_of_calico(plan, planned, host, family)).collect()
        }
        Role::Node { program: NodeProgram::Heddle, .. } | Role::Reflector(ReflectorKind::Node) => {
            Ok(vec![node_peer(host, heddle, cluster)])
        }
        Role::Reflector(ReflectorKind::Process) => {
            let text = reflector::config(plan, planned, &host.path(HEDDLE_SOCKET));
            let file = host.write("route-reflector.toml", &text)?;
            let arguments: [OsString; 3] = ["route-reflector".into(), "--config".into(), file.into()];
            Ok(vec![Daemon { name: "route-reflector", program: Program::new(heddle, arguments), ready: None }])
        }
        Role::Tor { daemon, asn, .. } => tor(plan, planned, host, heddle, *daemon, *asn),
    }
}

fn node_peer(host: &Host, heddle: &Path, datastore: &Path) -> Daemon {
    let arguments: [OsString; 9] = [
        "node-peer".into(),
        "--node".into(),
        host.name().into(),
        "--datastore".into(),
        datastore.into(),
        "--status-dir".into(),
        host.path("status").into(),
        "--socket".into(),
        host.path(HEDDLE_SOCKET).into(),
    ];
    Daemon { name: "node-peer", program: Program::new(heddle, arguments), ready: None }
}

fn bird_of_calico(plan: &Plan, planned: &plan::Host, host: &Host, family: Family) -> Result<Daemon, HostError> {
    let name = calico_bird::name(family);
    let file = host.write(&format!("{name}.conf"), &calico_bird::config(plan, planned, family))?;
    Ok(bird_daemon(host, name, file, &["-R"]))
}

fn bird_daemon(host: &Host, name: &'static str, file: PathBuf, more: &[&str]) -> Daemon {
    let arguments: [OsString; 7] = [
        "-f".into(),
        "-c".into(),
        file.into(),
        "-s".into(),
        host.path(&format!("{name}.ctl")).into(),
        "-P".into(),
        host.path(&format!("{name}.pid")).into(),
    ];
    let mut program = Program::new(Path::new(bird::PROGRAM), arguments);
    program.arguments.extend(more.iter().map(Into::into));
    Daemon { name, program, ready: None }
}

fn tor(
    plan: &Plan,
    planned: &plan::Host,
    host: &Host,
    heddle: &Path,
    daemon: TorDaemon,
    asn: u32,
) -> Result<Vec<Daemon>, HostError> {
    let sessions: Vec<&Session> = plan.sessions.iter().filter(|session| session.tor == planned.name).collect();
    let hold_time = plan.topology.hold_time;
    match daemon {
        TorDaemon::Heddle => {
            let directory = host.path("datastore");
            datastore::write(&directory, &datastore::of_tor(plan, planned))
                .map_err(|source| HostError::File { path: directory.clone(), source })?;
            Ok(vec![node_peer(host, heddle, &directory)])
        }
        TorDaemon::Bird => {
            let file = host.write("bird.conf", &bird::config(planned, asn, hold_time, &sessions))?;
            Ok(vec![bird_daemon(host, "bird", file, &[])])
        }
        TorDaemon::Frr => {
            let zebra = host.write("zebra.conf", &frr::zebra_config(planned))?;
            let bgpd = host.write("bgpd.conf", &frr::config(planned, asn, hold_time, &sessions))?;
            let socket = host.path(ZEBRA_SOCKET);
            let daemon = |name, executable, file: PathBuf, ready| {
                let arguments: [OsString; 18] = [
                    "-u".into(),
                    "root".into(),
                    "-g".into(),
                    "root".into(),
                    // No telnet port.
                    "-P".into(),
                    "0".into(),
                    "--log".into(),
                    "stdout".into(),
                    "-f".into(),
                    file.into(),
                    "-i".into(),
                    host.path(&format!("{name}.pid")).into(),
                    "--vty_socket".into(),
                    host.path("").into(),
                    "-z".into(),
                    socket.clone().into(),
                    "-A".into(),
                    "127.0.0.1".into(),
                ];
                Daemon { name, program: Program::new(Path::new(executable), arguments), ready }
            };
            let ready = Some(socket.clone());
            Ok(vec![daemon("zebra", frr::ZEBRA, zebra, ready), daemon("bgpd", frr::BGPD, bgpd, None)])
        }
    }
}
