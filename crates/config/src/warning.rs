//! What is allowed in a configuration, and most likely not meant.

use heddle_bgp_core::{Family, PeerType, Prefix};
use thiserror::Error;

use crate::diff::Subject;
use crate::value::{Config, PeerAs, PeerSettings};

/// Something that is allowed, and most likely not meant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Warning {
    /// RFC 8212 §2: without a policy nothing is taken from an eBGP peer.
    #[error("{0} is an eBGP peer without \"import_policy\" for {1}: nothing is accepted from it (RFC 8212)")]
    NoImportPolicy(Subject, Family),
    /// RFC 8212 §2: without a policy nothing is sent to an eBGP peer.
    #[error("{0} is an eBGP peer without \"export_policy\" for {1}: nothing is advertised to it (RFC 8212)")]
    NoExportPolicy(Subject, Family),
    /// Nobody asks whether next hops can be reached.
    #[error(
        "[fib] without resolve_next_hops = true in [router.decision]: routes to next hops that cannot be reached are \
         chosen and advertised all the same"
    )]
    FibWithoutResolve,
    /// A blackhole route without a forwarding table.
    #[error("network {0} has blackhole = true, but there is no [fib] that would put it into the kernel")]
    BlackholeWithoutFib(Prefix),
    /// A policy that no peer has.
    #[error("no peer uses the policy {0:?}")]
    UnusedPolicy(String),
}

impl Config {
    /// What is allowed, and most likely not meant, in the order of a file.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let all_settings = || {
            let ranges = self.listen_ranges.iter().map(|r| (Subject::ListenRange(r.prefix), r.asn, &r.settings));
            ranges.chain(self.peers.iter().map(|p| (Subject::Peer(p.address.clone()), p.asn, &p.settings)))
        };
        let used = |name: &String| {
            let families = all_settings().flat_map(|(_, _, s)| &s.families).map(|f| &f.settings);
            families.into_iter().any(|f| f.import_policy.contains(name) || f.export_policy.contains(name))
        };
        let unused = self.policies.iter().map(|p| &p.name).filter(|name| !used(name));
        let mut warnings: Vec<_> = unused.cloned().map(Warning::UnusedPolicy).collect();
        for (subject, asn, settings) in all_settings() {
            self.warn_of_policies(&mut warnings, &subject, asn, settings);
        }
        match &self.fib {
            Some(_) if !self.router.decision.resolve_next_hops => warnings.push(Warning::FibWithoutResolve),
            Some(_) => {}
            None => {
                let blackholes = self.networks.iter().filter(|n| n.blackhole);
                warnings.extend(blackholes.map(|n| Warning::BlackholeWithoutFib(n.prefix)));
            }
        }
        warnings
    }

    fn warn_of_policies(&self, warnings: &mut Vec<Warning>, subject: &Subject, asn: PeerAs, settings: &PeerSettings) {
        let local = settings.local_as.map_or(self.router.asn, |l| l.asn);
        if asn.peer_type(local) == PeerType::Ibgp {
            return;
        }
        for family in &settings.families {
            if family.settings.import_policy.is_empty() {
                warnings.push(Warning::NoImportPolicy(subject.clone(), family.family));
            }
            if family.settings.export_policy.is_empty() && !family.settings.default_originate {
                warnings.push(Warning::NoExportPolicy(subject.clone(), family.family));
            }
        }
    }
}
