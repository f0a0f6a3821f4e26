//! FRR on the node: `zebra` writes into the kernel what `bgpd` decides.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::bail;
use heddle_lab::fabric::Fabric;
use heddle_lab::host::Host;
use heddle_lab::process::{Process, Program};
use heddle_lab::topology::DEFAULT_ASN;
use heddle_lab::tor::frr::{BGPD, ZEBRA};

/// Until `zebra` listens for `bgpd`.
const READY: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);

/// As in the reflector cases: no policy, no import check, defaults otherwise.
fn config(local: IpAddr, router_id: IpAddr, peer: IpAddr) -> String {
    let family = if local.is_ipv4() { "ipv4" } else { "ipv6" };
    format!(
        "frr defaults traditional\nhostname node\nrouter bgp {DEFAULT_ASN}\n bgp router-id {router_id}\n \
         no bgp default ipv4-unicast\n no bgp network import-check\n neighbor {peer} remote-as {DEFAULT_ASN}\n \
         neighbor {peer} passive\n address-family {family} unicast\n  neighbor {peer} activate\n exit-address-family\nexit\n"
    )
}

/// Starts both; they run until they are dropped.
pub(super) fn start(fabric: &Fabric, node: &Host, local: [IpAddr; 2], peer: IpAddr) -> anyhow::Result<Vec<Process>> {
    let [local, router_id] = local;
    let bgpd = node.write("bgpd.conf", &config(local, router_id, peer))?;
    let zebra = node.write("zebra.conf", "frr defaults traditional\nhostname node\n")?;
    let socket = node.path("zserv.api");
    let daemon = |name: &str, executable, file: &Path, more: &[&str]| {
        let path = |suffix: &str| OsString::from(node.path(&format!("{name}.{suffix}")));
        let fixed = ["-u", "root", "-g", "root", "-P", "0", "--log", "stdout", "-f"].map(OsString::from);
        let files = [file.into(), "-i".into(), path("pid"), "--vty_socket".into(), node.path("").into()];
        let zserv = ["-z".into(), OsString::from(&socket)];
        let arguments = fixed.into_iter().chain(files).chain(zserv).chain(more.iter().map(OsString::from));
        let program = Program::new(Path::new(executable), arguments);
        fabric.spawn(node.name(), &program, &node.path(&format!("{name}.log")))
    };
    let mut processes = vec![daemon("zebra", ZEBRA, &zebra, &[])?];
    let deadline = Instant::now() + READY;
    while !socket.exists() {
        if Instant::now() >= deadline || !processes.iter_mut().all(Process::is_alive) {
            bail!("zebra does not listen: {}", std::fs::read_to_string(node.path("zebra.log")).unwrap_or_default());
        }
        sleep(PAUSE);
    }
    processes.push(daemon("bgpd", BGPD, &bgpd, &["-l", &local.to_string()])?);
    Ok(processes)
}
