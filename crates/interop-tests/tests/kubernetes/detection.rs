//! Which of a machine's addresses a node takes, by every method: of a machine with many interfaces, by the program as it runs, confined.

use std::fs;
use std::path::{Path, PathBuf};

use heddle_interop_tests::kubernetes::Cluster;
use heddle_interop_tests::netns::Netns;
use serde_json::Value;

use crate::identity::{V4, V6, await_word, bare};
use crate::site::{NODE, Site};
use crate::stores::Store as _;

/// `IP_AUTODETECTION_METHOD`; the node's `InternalIP`; the address, its interface, and the reason that is given.
const CHOICES: [(&str, &str, [&str; 3]); 11] = [
    ("", "", ["10.5.0.1/24", "eth5", "its interface has the default route"]),
    ("first-found", "", ["10.6.0.1/24", "eth6", "it is the first that fits first-found"]),
    ("interface=eth[05]", "", ["10.5.0.1/24", "eth5", "it is the first that fits interface=eth[05]"]),
    ("interface=lo,docker", "", ["172.17.0.1/16", "docker0", "it is the first that fits interface=lo,docker"]),
    ("skip-interface=th5,eth6", "", ["10.0.0.1/24", "eth0", "it is the first that fits skip-interface=th5,eth6"]),
    ("cidr=192.0.2.0/24,10.4.0.0/15", "", ["10.5.0.1/24", "eth5", "it is the first that fits cidr="]),
    ("can-reach=10.0.0.2", "", ["10.0.0.1/24", "eth0", "packets to 10.0.0.2 have it as their source"]),
    ("can-reach=203.0.113.1", "", ["10.5.0.1/24", "eth5", "packets to 203.0.113.1 have it as their source"]),
    ("", "10.0.0.1", ["10.0.0.1/24", "eth0", "it is the node's InternalIP in Kubernetes"]),
    ("kubernetes-internal-ip", "172.17.0.1", ["172.17.0.1/16", "docker0", "it is the node's InternalIP in Kubernetes"]),
    ("can-reach=far.example", "10.0.0.1", ["10.6.0.1/24", "eth6", "packets to far.example have it as their source"]),
];

/// What names are in a namespace, while this is there: `ip netns exec` puts the file in the place of `/etc/hosts`.
struct Names(PathBuf);

impl Names {
    fn of(netns: &Netns, hosts: &str) -> Self {
        let names = Self(Path::new("/etc/netns").join(netns.name()));
        let done = fs::create_dir_all(&names.0).and_then(|()| fs::write(names.0.join("hosts"), hosts));
        done.unwrap_or_else(|error| panic!("{}: {error}", names.0.display()));
        names
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

/// Beside `eth0`: two networks, one of them with the default route, and Docker's.
fn add_interfaces(netns: &Netns) {
    for (name, far, v4, v6) in
        [("eth5", "far5", "10.5.0.1/24", "fd05::1/64"), ("eth6", "far6", "10.6.0.1/24", "fd06::1/64")]
    {
        netns.ip(&["link", "add", name, "type", "veth", "peer", "name", far]);
        netns.ip(&["addr", "add", v4, "dev", name]);
        netns.ip(&["addr", "add", v6, "dev", name, "nodad"]);
        netns.ip(&["link", "set", far, "up"]);
        netns.ip(&["link", "set", name, "up"]);
    }
    netns.ip(&["route", "add", "default", "via", "10.5.0.9", "dev", "eth5"]);
    netns.ip(&["link", "add", "docker0", "type", "bridge"]);
    netns.ip(&["addr", "add", "172.17.0.1/16", "dev", "docker0"]);
    netns.ip(&["link", "set", "docker0", "up"]);
}

/// The address that the node found, which its Node has then.
fn await_choice(site: &Site, cluster: &Cluster, method: &str, [address, interface, reason]: [&str; 3]) -> Value {
    let report = site.await_report(&format!("has the address by {method:?}"), |report| {
        let found = &report["addresses"][0];
        let given = found["reason"].as_str().unwrap_or_default();
        found["address"] == address && found["interface"] == interface && given.starts_with(reason)
    });
    await_word(&*cluster.hand(), V4, address);
    report
}

/// By each method the address, its interface and the reason; a way that changes changes the address that `can-reach` finds.
pub(crate) fn every_method(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::detection::every_method", cluster);
    let hand = cluster.hand();
    let names = Names::of(site.host().netns(), "127.0.0.1 localhost\n10.6.0.9 far.example\n");
    add_interfaces(site.host().netns());
    for (method, internal, choice) in CHOICES {
        site.stop();
        let status = if internal.is_empty() {
            String::new()
        } else {
            format!(", status: {{addresses: [{{type: InternalIP, address: {internal}}}]}}")
        };
        site.apply(&bare().replacen("}}", &format!("}}{status}}}"), 1));
        for word in [V4, V6] {
            hand.take_away(NODE, word).unwrap_or_else(|error| panic!("{error}"));
        }
        site.run_with(&[
            ("IP", "autodetect"),
            ("IP_AUTODETECTION_METHOD", method),
            ("IP6", "autodetect"),
            ("IP6_AUTODETECTION_METHOD", "can-reach=fd05::9"),
            ("AS", "65001"),
            ("AUTODETECT_POLL_INTERVAL", "1s"),
        ]);
        let report = await_choice(&site, cluster, method, choice);
        await_word(&*hand, V6, "fd05::1/64");
        let confinement = report["confinement"].as_array().map(Vec::as_slice).unwrap_or_default();
        for part in ["landlock", "seccomp"] {
            let state = confinement.iter().find(|state| state["part"] == part).map(|state| state["state"].clone());
            assert!(state.is_some_and(|state| state == "in_force" || state == "missing"), "{part}: {report}");
        }
    }
    site.host().netns().ip(&["route", "add", "10.6.0.9/32", "dev", "eth5"]);
    let reason = "packets to far.example have it as their source";
    await_choice(&site, cluster, "can-reach", ["10.5.0.1/24", "eth5", reason]);
    site.stop();
    drop(names);
}
