//! Addresses of services, held back after a start until the forwarding table is written (projectcalico/calico #11523).
//!
//! What comes to the address of a service is sent on to a pod, which may be on any node: a machine that has just started
//! and tells of the address before its kernel has the routes to the pods draws traffic that it drops. The node's own
//! blocks and workloads are advertised at once all the same, for they need no learned route.
//!
//! **A restart holds nothing back.** Where the kernel has routes of ours, it forwards as it did; peers with graceful restart
//! keep what we advertised before until our End-of-RIB (RFC 4724 §4.2), and would drop the addresses then. Where it has none, we
//! tell peers so (F = 0) and they have dropped our routes already, or have never had any: that End-of-RIB comes without the
//! addresses costs nobody anything.

use std::collections::BTreeSet;
use std::time::Duration;

use heddle_bgp_core::Prefix;
use heddle_config::Config;
use tokio::time::Instant;

use crate::forwarding::Found;

/// Whether addresses of services are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldServices {
    /// Until the forwarding table is written, and not longer than this.
    Until(Instant),
    /// They are advertised.
    No,
}

impl HeldServices {
    /// Not longer than this after the sessions began: the initial tables of the peers are waited for for 10 s
    /// (`selection_deferral_time`), and the kernel may take as long again. A kernel that does not answer, or refuses, does not keep
    /// the addresses away for ever: other nodes may not have them.
    pub(crate) const AT_MOST: Duration = Duration::from_secs(20);

    /// After a start with this in the kernel.
    pub(crate) fn after(found: Found, now: Instant) -> Self {
        match found {
            Found::Nothing => Self::Until(now + Self::AT_MOST),
            Found::Routes => Self::No,
        }
    }

    /// Takes them out of what the speaker originates; answers how many.
    pub(crate) fn apply(self, config: &mut Config, services: &BTreeSet<Prefix>) -> usize {
        match self {
            Self::Until(_) => {
                let all = config.networks.len();
                config.networks.retain(|network| !services.contains(&network.prefix));
                all - config.networks.len()
            }
            Self::No => 0,
        }
    }

    /// When they are advertised, whatever the kernel does.
    pub(crate) const fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(at) => Some(at),
            Self::No => None,
        }
    }
}

/// What `show node` says of so many.
pub(crate) fn problem(held: usize) -> Option<String> {
    let most = HeldServices::AT_MOST.as_secs();
    (held > 0).then(|| {
        format!(
            "{held} prefixes of services are not advertised yet: they wait until the peers' first routes are in the kernel, at most {most} s \
             after the sessions began"
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config() -> Config {
        Config::from_toml(
            "router = { asn = 64512, router_id = \"10.0.0.1\" }\n\
             networks = [{ prefix = \"10.1.0.0/26\" }, { prefix = \"10.96.0.0/12\" }, { prefix = \"10.96.0.7/32\" }]",
            "test.toml",
        )
        .unwrap()
    }

    fn left(held: HeldServices) -> (usize, Vec<String>) {
        let services = ["10.96.0.0/12", "10.96.0.7/32"].map(|text| text.parse().unwrap()).into();
        let mut config = config();
        let count = held.apply(&mut config, &services);
        (count, config.networks.iter().map(|n| n.prefix.to_string()).collect())
    }

    #[test]
    fn services_alone_are_held_back_and_only_over_an_empty_kernel() {
        let now = Instant::now();
        let held = HeldServices::after(Found::Nothing, now);
        assert_eq!(left(held), (2, vec!["10.1.0.0/26".to_owned()]));
        assert_eq!(held.deadline(), Some(now + HeldServices::AT_MOST));
        assert!(problem(2).is_some_and(|text| text.contains("2 prefixes") && text.contains("20 s")));
        let at_once = HeldServices::after(Found::Routes, now);
        assert_eq!((left(at_once).0, left(at_once).1.len(), at_once.deadline(), problem(0)), (0, 3, None, None));
    }
}
