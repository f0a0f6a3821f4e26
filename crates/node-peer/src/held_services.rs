//! Addresses of services, held back after a boot until the forwarding table is written (projectcalico/calico #11523).
//!
//! What comes to the address of a service is sent on to a pod, which may be on any node: a machine that has just started
//! and tells of the address before its kernel has the routes to the pods draws traffic that it drops. The node's own
//! blocks and workloads are advertised at once all the same, for they need no learned route.
//!
//! **A restart holds nothing back.** Peers with graceful restart keep what we advertised before until our End-of-RIB
//! (RFC 4724 §4.2), and would drop the addresses then. That they were advertised in this boot is what the
//! [mark](BootMark) beside the API socket says. The kernel cannot say it: it has no route of ours where pools are of VXLAN, and
//! the node's own black holes before any learned route. Only where there is no mark it is asked: routes that it has then are those
//! of a daemon that ran before ours and whose routes are adopted, and we go on with what that one advertised.
//!
//! **Time counts from the first session**, also that of the peers' initial tables ([`TimeFrom::FirstSession`]): before, nobody hears what
//! is advertised, and an uplink that is late (spanning tree, LACP, DHCP) takes nothing of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use heddle_bgp_core::Prefix;
use heddle_config::Config;
use heddle_speaker::forwarding::TimeFrom;
use tokio::time::Instant;
use tracing::warn;

use crate::boot_mark::{BootMark, Said};
use crate::forwarding::Found;

/// Whether addresses of services are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldServices {
    /// Until the forwarding table is written; there was no session yet.
    NobodyHears,
    /// Until the forwarding table is written, and not longer than this.
    Until(Instant),
    /// They are advertised.
    No,
}

impl HeldServices {
    /// Not longer than this after the first session: the initial tables of the peers are waited for for 10 s
    /// (`selection_deferral_time`), and the kernel may take as long again. A kernel that does not answer, or refuses, does not keep
    /// the addresses away for ever: other nodes may not have them.
    pub(crate) const AT_MOST: Duration = Duration::from_secs(20);

    /// At a start with this in the kernel, and with the mark beside this socket, which says from now on what is so.
    pub(crate) fn at_start(socket: &Path, found: Found) -> Self {
        let mark = BootMark::beside(socket);
        let said = mark.said();
        let held = Self::after(said, found);
        let now = match held {
            Self::NobodyHears | Self::Until(_) => Said::Held,
            Self::No => Said::Advertised,
        };
        if said == Some(now) {
            return held;
        }
        match mark.say(now) {
            Ok(()) => held,
            Err(error) => {
                // Else each restart would make a gap.
                warn!(%error, "cannot write the mark of this boot beside the API socket: addresses of services wait for nothing");
                Self::No
            }
        }
    }

    /// After a run that said this, with this in the kernel.
    fn after(said: Option<Said>, found: Found) -> Self {
        match (said, found) {
            (Some(Said::Held), _) | (None, Found::Nothing) => Self::NobodyHears,
            (Some(Said::Advertised), _) | (None, Found::Routes) => Self::No,
        }
    }

    /// From when the peers' time for their initial tables counts.
    pub(crate) const fn time_from(self) -> TimeFrom {
        match self {
            Self::NobodyHears | Self::Until(_) => TimeFrom::FirstSession,
            Self::No => TimeFrom::Start,
        }
    }

    /// After the first session.
    pub(crate) fn heard(self, now: Instant) -> Self {
        match self {
            Self::NobodyHears => Self::Until(now + Self::AT_MOST),
            Self::Until(_) | Self::No => self,
        }
    }

    /// They are advertised from now on, for whatever reason: no restart in this boot holds them back.
    pub(crate) fn release(&mut self, socket: &Path) {
        *self = Self::No;
        if let Err(error) = BootMark::beside(socket).say(Said::Advertised) {
            warn!(%error, "cannot write the mark of this boot beside the API socket: addresses of services may wait after a restart");
        }
    }

    /// Takes them out of what the speaker originates; answers how many.
    pub(crate) fn apply(self, config: &mut Config, services: &BTreeSet<Prefix>) -> usize {
        match self {
            Self::NobodyHears | Self::Until(_) => {
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
            Self::NobodyHears | Self::No => None,
        }
    }
}

/// What `show node` says of so many.
pub(crate) fn problem(held: usize) -> Option<String> {
    let most = HeldServices::AT_MOST.as_secs();
    (held > 0).then(|| {
        format!(
            "{held} prefixes of services are not advertised yet: they wait until the peers' first routes are in the kernel, at most {most} s \
             after the first session is established"
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BOTH: [Found; 2] = [Found::Nothing, Found::Routes];

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
    fn services_alone_are_held_back_and_for_a_time() {
        let now = Instant::now();
        let held = HeldServices::NobodyHears;
        assert_eq!((left(held), held.deadline()), ((2, vec!["10.1.0.0/26".to_owned()]), None));
        let held = held.heard(now);
        assert_eq!((left(held).0, held.deadline()), (2, Some(now + HeldServices::AT_MOST)));
        let later = now + Duration::from_secs(5);
        assert_eq!(held.heard(later), held, "the first session counts");
        assert!(problem(2).is_some_and(|text| text.contains("2 prefixes") && text.contains("20 s")));
        let at_once = HeldServices::No.heard(now);
        assert_eq!((left(at_once).0, left(at_once).1.len(), at_once.deadline(), problem(0)), (0, 3, None, None));
    }

    /// What is in the kernel says nothing of what was advertised in this boot: pools of VXLAN put nothing there, and black holes of
    /// the node's own are there before any learned route.
    #[test]
    fn a_restart_holds_nothing_back_whatever_is_in_the_kernel() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("node-peer.sock");
        let start = |found| HeldServices::at_start(&socket, found);
        let mut held = start(Found::Nothing);
        assert_eq!((held, held.time_from()), (HeldServices::NobodyHears, TimeFrom::FirstSession));
        for found in BOTH {
            assert_eq!(start(found), HeldServices::NobodyHears, "it ended before they were advertised");
        }
        held.release(&socket);
        assert_eq!((held, held.time_from()), (HeldServices::No, TimeFrom::Start));
        for found in BOTH {
            assert_eq!(start(found), HeldServices::No);
        }
    }

    /// Routes of a daemon that ran before ours are adopted: what it advertised stays on the wire, then and at later restarts.
    #[test]
    fn a_takeover_holds_nothing_back() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("node-peer.sock");
        for found in [Found::Routes, Found::Nothing] {
            assert_eq!(HeldServices::at_start(&socket, found), HeldServices::No);
        }
    }

    /// What cannot be remembered would make a gap at each restart.
    #[test]
    fn without_a_mark_nothing_is_held_back() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("missing/node-peer.sock");
        assert_eq!(HeldServices::at_start(&socket, Found::Nothing), HeldServices::No);
    }
}
