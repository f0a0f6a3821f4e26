//! Where the daemon listens: nowhere but where it is told to.
//!
//! The sockets are those that the kernel lists in a namespace in which nothing else runs. Topology: the reflector alone.
//! Claims: 1. one address: one socket. 2. After a reload: all that were added, and none that went. 3. `[]`: none. 4. Without a word: port 179
//! of all addresses, IPv4 and IPv6. 5. Nothing of UDP.

use std::collections::BTreeSet;
use std::sync::Arc;

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::Case;

pub(crate) const CASES: &[Case] = &[Case { name: "listeners", needs: &[], run }];

/// The configuration with this line about listeners.
fn config(listen: &str) -> String {
    format!("[router]\nasn = 65001\nrouter_id = \"10.0.0.1\"\n{listen}\n")
}

/// Sockets that wait for somebody (state 0A of TCP, any of UDP), as `tcp 179` or `tcp6 179`.
fn listening(host: &Host) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = host.netns().run("cat", &[&format!("/proc/net/{table}")]);
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (address, port) = fields[1].rsplit_once(':').expect("ADDRESS:PORT");
            if table.starts_with("udp") || fields[3] == "0A" {
                let port = u16::from_str_radix(port, 16).expect("a port");
                let all = if address.bytes().all(|digit| digit == b'0') { "*" } else { "one" };
                found.insert(format!("{table} {all} {port}"));
            }
        }
    }
    found
}

fn listens(host: &Arc<Host>, when: &str, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
    wait_for(&format!("sockets {when}"), PATIENCE, || {
        let found = listening(host);
        ensure(found == expected, || format!("{found:?}, not {expected:?}"))
    });
}

fn run() {
    let lab = Lab::new("listeners");
    let rr = lab.host(1, "rr");
    let mut heddle = Heddle::start(&rr, &config("listen = [\"10.0.0.1:179\"]"));
    listens(&rr, "with one address", &["tcp one 179"]);
    heddle.reload(&config("listen = [\"10.0.0.1:1179\", \"[::]:1180\"]"));
    listens(&rr, "after a reload", &["tcp one 1179", "tcp6 * 1180"]);
    heddle.reload(&config("listen = []"));
    listens(&rr, "with none", &[]);
    heddle.terminate();
    drop(heddle);
    let _open = Heddle::start_named(&rr, &config(""), "open");
    listens(&rr, "by default", &["tcp * 179", "tcp6 * 179"]);
}
