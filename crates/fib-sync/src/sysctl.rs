//! Settings of the kernel without which a node does not forward as it should: what is wrong, and setting it right.

use heddle_netlink::sysctl::{self, SysctlError};

use crate::glob::matches_any;
use crate::settings::{ManageSysctls, Settings};

/// A setting that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name, as `sysctl` knows it (a dot within the name of an interface is written `/`).
    pub name: String,
    /// What it is; none when it cannot be read.
    pub found: Option<String>,
    /// What it should be.
    pub wanted: &'static str,
    /// What does not work as it is.
    pub why: &'static str,
    /// Whether it was set, where that was asked for.
    pub outcome: Outcome,
}

/// What became of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was only looked at.
    Reported,
    /// It was set.
    Set,
    /// It could not be set, for this reason.
    Failed(String),
}

/// What a strict `rp_filter` does.
const STRICT: &str = "packets that come back another way than they left are dropped";

struct Rule<'a> {
    parts: Vec<&'a str>,
    is_right: fn(&str) -> bool,
    wanted: &'static str,
    why: &'static str,
}

/// Whether the machine is to forward IPv6. Where it is not, its forwarding is left alone: switched on, the machine would
/// listen to router advertisements no longer, and perhaps lose its own default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6 {
    /// It is.
    Forwarded,
    /// It is not.
    Unused,
}

/// Looks at the settings, in the network namespace of the calling thread; `interfaces` are the names of those that exist.
/// With [`ManageSysctls::Yes`] what is wrong is set. Reads a few files, and one more for each workload interface.
#[must_use]
pub fn check(settings: &Settings, interfaces: &[&str], ipv6: Ipv6) -> Vec<Finding> {
    let mut rules = vec![
        rule(&["net", "ipv4", "ip_forward"], is_on, "1", "IPv4 packets are not forwarded"),
        rule(
            &["net", "ipv4", "fib_multipath_hash_policy"],
            is_flow_hash,
            "1",
            "the flows between two machines all take one of several equal paths",
        ),
        rule(&["net", "ipv4", "conf", "all", "rp_filter"], is_not_strict, "2", STRICT),
    ];
    if ipv6 == Ipv6::Forwarded {
        rules.push(rule(&["net", "ipv6", "conf", "all", "forwarding"], is_on, "1", "IPv6 packets are not forwarded"));
    }
    // The greater value counts, that for all or the interface's own: with 0 for all it is the interface's. On workloads'
    // strictness keeps them from sending with addresses of others.
    let each_counts = sysctl::read(&["net", "ipv4", "conf", "all", "rp_filter"]).is_ok_and(|value| value.trim() == "0");
    for interface in interfaces {
        let is_workload = matches_any(&settings.workload_interfaces, interface);
        if !is_workload && each_counts && *interface != "lo" {
            rules.push(rule(&["net", "ipv4", "conf", interface, "rp_filter"], is_not_strict, "2", STRICT));
        }
        if is_workload {
            rules.push(rule(
                &["net", "ipv4", "conf", interface, "proxy_arp"],
                is_on,
                "1",
                "workloads find no gateway: nobody answers for 169.254.1.1",
            ));
        }
    }
    rules.into_iter().filter_map(|rule| judge(&rule, settings.manage_sysctls)).collect()
}

fn rule<'a>(parts: &[&'a str], is_right: fn(&str) -> bool, wanted: &'static str, why: &'static str) -> Rule<'a> {
    Rule { parts: parts.to_vec(), is_right, wanted, why }
}

fn is_on(value: &str) -> bool {
    value.parse().is_ok_and(|value: u32| value >= 1)
}

/// 0 looks at addresses alone; 1, 2 and 3 at more.
fn is_flow_hash(value: &str) -> bool {
    is_on(value)
}

/// 1 is the strict check of RFC 3704 §2.2.
fn is_not_strict(value: &str) -> bool {
    value.trim() != "1"
}

fn judge(rule: &Rule<'_>, manage: ManageSysctls) -> Option<Finding> {
    let found = match sysctl::read(&rule.parts) {
        Ok(value) if (rule.is_right)(&value) => return None,
        Ok(value) => Some(value),
        // A kernel without IPv6, or a link that went meanwhile.
        Err(error) if error.is_missing() => return None,
        Err(_) => None,
    };
    let outcome = match manage {
        ManageSysctls::No => Outcome::Reported,
        ManageSysctls::Yes => match set(rule) {
            Ok(()) => Outcome::Set,
            Err(error) => Outcome::Failed(error.to_string()),
        },
    };
    let parts: Vec<String> = rule.parts.iter().map(|part| part.replace('.', "/")).collect();
    Some(Finding { name: parts.join("."), found, wanted: rule.wanted, why: rule.why, outcome })
}

fn set(rule: &Rule<'_>) -> Result<(), SysctlError> {
    sysctl::write(&rule.parts, rule.wanted)
}
