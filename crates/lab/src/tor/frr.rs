//! FRR as a top-of-rack switch: `bgpd` for the sessions, `zebra` for the kernel.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::neighbors;
use crate::plan::{Host, Session};

/// The BGP daemon.
pub const BGPD: &str = "/usr/lib/frr/bgpd";
/// The daemon that writes routes into the kernel.
pub const ZEBRA: &str = "/usr/lib/frr/zebra";

/// The configuration of `bgpd`. The datacenter defaults advertise without delay.
#[must_use]
pub fn config(host: &Host, asn: u32, hold_time: u16, sessions: &[&Session]) -> String {
    let Some(address) = host.address else { return String::new() };
    let mut text = format!(
        "frr defaults datacenter\n\
        hostname {}\n\
        router bgp {asn}\n \
        bgp router-id {}\n \
        no bgp ebgp-requires-policy\n \
        no bgp default ipv4-unicast\n \
        bgp bestpath as-path multipath-relax\n \
        timers bgp {} {hold_time}\n",
        host.name,
        address.v4.ip(),
        (hold_time / 3).max(1),
    );
    let mut families = [String::new(), String::new()];
    for neighbor in neighbors(sessions) {
        let _ = write!(
            text,
            " neighbor {0} remote-as {1}\n neighbor {0} description {2}\n neighbor {0} timers connect 1\n \
            neighbor {0} update-source {3}\n",
            neighbor.address, neighbor.asn, neighbor.name, neighbor.local
        );
        if let Some(family) = families.get_mut(usize::from(neighbor.address.is_ipv6())) {
            let _ = writeln!(family, "  neighbor {} activate", neighbor.address);
        }
    }
    for (name, lines) in ["ipv4", "ipv6"].into_iter().zip(families) {
        let _ = write!(text, " address-family {name} unicast\n  maximum-paths 16\n{lines} exit-address-family\n");
    }
    text
}

/// The configuration of `zebra`.
#[must_use]
pub fn zebra_config(host: &Host) -> String {
    format!("frr defaults datacenter\nhostname {}\n", host.name)
}

/// Runs a command as `vtysh -c` does.
///
/// # Errors
/// Why there was no reply, or FRR's message.
pub fn command(socket: &Path, command: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    exchange(&mut stream, "enable")?;
    exchange(&mut stream, command)
}

/// A command ends with a NUL; the reply with three NULs and a status octet, which is not 0 for an error.
fn exchange(stream: &mut UnixStream, command: &str) -> io::Result<String> {
    stream.write_all(format!("{command}\0").as_bytes())?;
    let mut reply = Vec::new();
    let mut buffer = vec![0; 65536];
    loop {
        let length = match stream.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        reply.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if let Some([0, 0, 0, status]) = reply.last_chunk::<4>().copied() {
            reply.truncate(reply.len() - 4);
            let text = String::from_utf8_lossy(&reply).into_owned();
            return if status == 0 { Ok(text) } else { Err(io::Error::other(format!("{command}: {text}"))) };
        }
    }
}

/// Sessions in `show bgp neighbors json`: the peer's address and the state.
#[must_use]
pub fn sessions(text: &str) -> Vec<(String, String)> {
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let peers = value.as_object().into_iter().flatten();
    let state = |peer: &serde_json::Value| peer.get("bgpState").and_then(serde_json::Value::as_str).map(str::to_owned);
    peers.filter_map(|(address, peer)| state(peer).map(|state| (address.clone(), state))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sessions() {
        let text = r#"{"10.65.0.1": {"bgpState": "Established"}, "fd00::1": {"bgpState": "Active"}, "vrf": "x"}"#;
        let expected = [("10.65.0.1", "Established"), ("fd00::1", "Active")];
        assert_eq!(sessions(text), expected.map(|(address, state)| (address.to_owned(), state.to_owned())));
        assert_eq!(sessions("no JSON"), []);
    }
}
