//! One test's world: a bridge in a namespace of its own, hosts around it, and the logs of all that ran there.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::netns::{self, Netns};
use crate::process::tail;

/// Where the daemons of one test wrote their logs, by name.
type Logs = Arc<Mutex<Vec<(String, PathBuf)>>>;

/// A LAN with hosts. Declare it first in a test, so that it drops last: when the test fails it prints every log.
#[derive(Debug)]
pub struct Lab {
    case: String,
    directory: TempDir,
    bridges: Vec<Netns>,
    logs: Logs,
}

/// A host: a namespace with an interface on the LAN.
#[derive(Debug)]
pub struct Host {
    netns: Netns,
    name: String,
    number: u8,
    lan: usize,
    interfaces: AtomicU32,
    directory: PathBuf,
    logs: Logs,
}

impl Lab {
    /// A new, empty LAN.
    ///
    /// # Panics
    /// When there is no temporary directory or no namespace.
    #[must_use]
    pub fn new(case: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("heddle-interop-").tempdir().expect("a temporary directory");
        let mut lab = Self { case: case.to_owned(), directory, bridges: Vec::new(), logs: Logs::default() };
        lab.add_lan();
        lab
    }

    /// Adds another LAN and returns its number; the first is 0.
    pub fn add_lan(&mut self) -> usize {
        let bridge = Netns::new("lan");
        bridge.ip(&["link", "add", "br0", "type", "bridge", "mcast_snooping", "0"]);
        bridge.ip(&["link", "set", "br0", "up"]);
        self.bridges.push(bridge);
        self.bridges.len() - 1
    }

    /// Adds a host to LAN 0 with the addresses `10.0.0.NUMBER/24` and `fd00::NUMBER/64`.
    #[must_use]
    pub fn host(&self, number: u8, name: &str) -> Arc<Host> {
        self.host_on(0, number, name)
    }

    /// Adds a host to a LAN, with the addresses `10.0.LAN.NUMBER/24` and `fd00:0:0:LAN::NUMBER/64`.
    ///
    /// # Panics
    /// When a host of this name is there.
    #[must_use]
    pub fn host_on(&self, lan: usize, number: u8, name: &str) -> Arc<Host> {
        let directory = self.directory.path().join(name);
        fs::create_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let host = Host {
            netns: Netns::new(name),
            name: name.to_owned(),
            number,
            lan,
            interfaces: AtomicU32::new(0),
            directory,
            logs: Arc::clone(&self.logs),
        };
        self.attach(&host, lan);
        Arc::new(host)
    }

    /// Gives a host an interface on (another) LAN; it keeps its number there.
    ///
    /// # Panics
    /// When the LAN does not exist.
    pub fn attach(&self, host: &Host, lan: usize) {
        let bridge = self.bridges.get(lan).unwrap_or_else(|| panic!("there is no LAN {lan}"));
        let interface = format!("eth{}", host.interfaces.fetch_add(1, Ordering::Relaxed));
        let port = format!("{}-{lan}", host.number);
        netns::ip(&[
            "link",
            "add",
            &interface,
            "netns",
            host.netns.name(),
            "type",
            "veth",
            "peer",
            "name",
            &port,
            "netns",
            bridge.name(),
        ]);
        bridge.ip(&["link", "set", &port, "master", "br0", "up"]);
        host.netns.ip(&["addr", "add", &format!("{}/24", host.v4_on(lan)), "dev", &interface]);
        host.netns.ip(&["addr", "add", &format!("{}/64", host.v6_on(lan)), "dev", &interface, "nodad"]);
        host.netns.ip(&["link", "set", &interface, "up"]);
    }

    /// Adds a pod of a host: a namespace that is on no LAN. Its `eth0` has this address and leads to an interface of the host, which
    /// has a route to it there, and an address of its own that the pod reaches.
    ///
    /// # Panics
    /// When a host of this name is there.
    #[must_use]
    pub fn pod(&self, host: &Host, number: u8, name: &str, interface: &str, (pod, own): (&str, &str)) -> Arc<Host> {
        let directory = self.directory.path().join(name);
        fs::create_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let netns = Netns::new(name);
        let (host, name) = (host.netns(), name.to_owned());
        let peer = ["type", "veth", "peer", "name", "eth0", "netns", netns.name()];
        netns::ip(&[&["link", "add", interface, "netns", host.name()], &peer[..]].concat());
        netns.ip(&["addr", "add", &format!("{pod}/32"), "dev", "eth0"]);
        netns.ip(&["link", "set", "eth0", "up"]);
        netns.ip(&["route", "add", own, "dev", "eth0", "scope", "link"]);
        host.ip(&["addr", "add", &format!("{own}/32"), "dev", interface, "scope", "link"]);
        host.ip(&["link", "set", interface, "up"]);
        host.ip(&["route", "add", pod, "dev", interface, "scope", "link"]);
        let (interfaces, logs) = (AtomicU32::new(1), Arc::clone(&self.logs));
        Arc::new(Host { netns, name, number, lan: 0, interfaces, directory, logs })
    }

    /// A directory that lives as long as the lab.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut report = format!("==== {}: the daemons' logs\n", self.case);
        let logs = self.logs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (name, path) in logs.iter() {
            report.push_str(&format!("---- {name}\n{}\n", tail(path, 60)));
        }
        if std::env::var_os("HEDDLE_INTEROP_KEEP").is_some() {
            self.directory.disable_cleanup(true);
            report.push_str(&format!("kept: {}\n", self.directory.path().display()));
        }
        report.push_str(&format!("==== end of the logs of {}\n", self.case));
        eprint!("{report}");
    }
}

impl Host {
    /// The name that the test gave.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace.
    #[must_use]
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// The IPv4 address on its first LAN.
    #[must_use]
    pub fn v4(&self) -> String {
        self.v4_on(self.lan)
    }

    /// The IPv6 address on its first LAN.
    #[must_use]
    pub fn v6(&self) -> String {
        self.v6_on(self.lan)
    }

    /// The IPv4 address on a LAN.
    #[must_use]
    pub fn v4_on(&self, lan: usize) -> String {
        format!("10.0.{lan}.{}", self.number)
    }

    /// The IPv6 address on a LAN.
    #[must_use]
    pub fn v6_on(&self, lan: usize) -> String {
        if lan == 0 { format!("fd00::{:x}", self.number) } else { format!("fd00:0:0:{lan:x}::{:x}", self.number) }
    }

    /// The link-local address of `eth0`.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn link_local(&self) -> String {
        let text = self.netns.run("ip", &["-6", "-o", "addr", "show", "dev", "eth0", "scope", "link"]);
        let mut words = text.split_whitespace().skip_while(|word| *word != "inet6").skip(1);
        let address = words.next().unwrap_or_else(|| panic!("no link-local address on eth0: {text}"));
        address.split('/').next().unwrap_or_default().to_owned()
    }

    /// Adds addresses (`10.10.0.5/32`) to a device. Many belong on `lo`, with a route to them through the host's own address:
    /// neighbours on a LAN fill the kernel's table of them, which all namespaces share.
    pub fn add_addresses<'a>(&self, device: &str, addresses: impl IntoIterator<Item = &'a str>) {
        let lines: Vec<String> = addresses
            .into_iter()
            .map(|address| {
                let nodad = if address.contains(':') { " nodad" } else { "" };
                format!("addr add {address} dev {device}{nodad}\n")
            })
            .collect();
        let batch = self.write("addresses", &lines.concat());
        let mut command = Command::new("ip");
        command.args(["-n", self.netns.name(), "-batch"]).arg(batch);
        netns::output(command);
    }

    /// A path in the directory of this host.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// Writes a file that only its owner can read, and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, file: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(file);
        let written =
            fs::write(&path, text).and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// The log file of a daemon on this host, which will be printed if the test fails.
    #[must_use]
    pub fn log(&self, daemon: &str) -> PathBuf {
        let path = self.path(&format!("{daemon}.log"));
        let mut logs = self.logs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !logs.iter().any(|(_, known)| *known == path) {
            logs.push((format!("{} ({daemon})", self.name), path.clone()));
        }
        path
    }
}

/// Whether an address as text, perhaps with a zone, is IPv6.
///
/// # Panics
/// When it is no address.
#[must_use]
pub fn is_v6(address: &str) -> bool {
    let plain = address.split('%').next().unwrap_or_default();
    plain.parse::<IpAddr>().unwrap_or_else(|error| panic!("{address}: {error}")).is_ipv6()
}
