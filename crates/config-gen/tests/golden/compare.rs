//! Both sides of a case, compared as meaning.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::IpAddr;

use crate::bird::ast::Statement;
use crate::bird::eval::{Verdict, glob_matches};
use crate::candidate::{Candidate, From, LearnedInterface, Outcome};
use crate::deviations::Deviation;
use crate::expected::{Direction, Expected};
use crate::generate::candidates;
use crate::ours::Ours;
use crate::pools::Pools;
use crate::session::{Session, Version};

/// How many examples of a filter's differences are told.
const EXAMPLES: usize = 3;

/// What differs in one case, and what was allowed to.
#[derive(Debug, Default)]
pub struct Findings {
    pub differences: Vec<String>,
    pub used: BTreeSet<Deviation>,
    /// How many routes went through both sides.
    pub routes: usize,
}

impl Findings {
    fn differ(&mut self, what: impl Into<String>) {
        self.differences.push(what.into());
    }

    fn expect<T: PartialEq + Debug>(&mut self, what: &str, expected: &T, ours: &T) {
        if expected != ours {
            self.differ(format!("{what}: {expected:?} expected, ours is {ours:?}"));
        }
    }

    fn take<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|e| self.differ(e)).ok()
    }
}

/// One IP version of a case.
pub fn compare(expected: &Expected, ours: &Ours, version: Version, findings: &mut Findings) {
    let Some(node) = findings.take(ours.node(version)) else { return };
    let label = |what: &str| format!("{version:?} {what}");
    findings.expect(&label("router id"), &expected.node.router_id, &node.router_id);
    findings.expect(&label("originated"), &expected.node.blackholes, &node.blackholes);
    findings.expect(&label("static routes"), &expected.node.static_routes, &node.static_routes);
    let addresses = |sessions: &std::collections::BTreeMap<IpAddr, Session>| -> BTreeSet<IpAddr> {
        sessions.keys().copied().collect()
    };
    findings.expect(&label("peers"), &addresses(&expected.node.sessions), &addresses(&node.sessions));
    // A daemon without sessions does not listen at all.
    if !expected.node.sessions.is_empty() {
        findings.expect(&label("listen"), &expected.node.listen, &node.listen);
    }
    let pools = Pools::new(expected, &ours.config, version);
    let mut done = Vec::new();
    for (address, theirs) in &expected.node.sessions {
        let Some(session) = node.sessions.get(address) else { continue };
        let mut theirs = theirs;
        if let Some(several) = expected.alternatives.get(address) {
            findings.used.insert(Deviation::OneSessionAnAddress);
            theirs = several.iter().min_by_key(|s| s.differences(session).len()).unwrap_or(theirs);
        }
        compare_session(theirs, session, findings);
        for which in [Direction::Import, Direction::Export] {
            let Some(body) = findings.take(expected.filter(theirs, which)) else { continue };
            let names = ours.policy_names(*address, which);
            let key = (body, names, theirs.is_internal(), which);
            if !done.contains(&key) {
                compare_filter(expected, ours, theirs, &pools, body, which, findings);
                done.push(key);
            }
        }
    }
    compare_kernel(expected, ours, &pools, version, findings);
    compare_interfaces(expected, ours, &pools, findings);
}

fn compare_session(theirs: &Session, ours: &Session, findings: &mut Findings) {
    let mut ours = ours.clone();
    if ours.blocked.is_some() && theirs.address.is_multicast() {
        findings.used.insert(Deviation::UnusableAddress);
        ours.blocked = None;
    } else if names_a_secret(&ours) && theirs.password.is_none() && ours.password.is_none() {
        findings.used.insert(Deviation::MissingPassword);
        ours.blocked = None;
    }
    for (field, values) in theirs.differences(&ours) {
        findings.differ(format!("{}: {field}: {values}", theirs.address));
    }
}

/// Whether the reason for which there is no session is a password that is not there.
fn names_a_secret(session: &Session) -> bool {
    session.blocked.as_ref().is_some_and(|reason| reason.contains("Secret kube-system/my-secrets-"))
}

fn compare_filter(
    expected: &Expected,
    ours: &Ours,
    session: &Session,
    pools: &Pools,
    body: &[Statement],
    which: Direction,
    findings: &mut Findings,
) {
    let Some(chain) = findings.take(ours.chain(session.address, which)) else { return };
    let sources: &[From] = match (which, session.is_internal()) {
        (Direction::Import, true) => &[From::Internal],
        (Direction::Import, false) => &[From::External],
        (Direction::Export, _) => &[From::External, From::Internal, From::Static, From::Kernel, From::Connected],
    };
    let mut examples = 0;
    for mut candidate in candidates(pools, sources) {
        // An external peer sends no LOCAL_PREF: BIRD sets 100 before its filter runs.
        if which == Direction::Import && candidate.from == From::External {
            candidate.local_pref = 100;
        }
        findings.routes += 1;
        let got = ours.decide(&chain, session, which, &candidate);
        let wanted = filter(expected, session, body, which, &candidate, LearnedInterface::Known);
        let Some(wanted) = findings.take(wanted) else { return };
        if wanted.preference == Preference::Raised {
            findings.used.insert(Deviation::Preference);
        }
        if wanted.outcome == got {
            continue;
        }
        let without = filter(expected, session, body, which, &candidate, LearnedInterface::Absent);
        if candidate.from.is_learned() && without.is_ok_and(|w| w.outcome == got) {
            findings.used.insert(Deviation::LearnedInterface);
            continue;
        }
        examples += 1;
        if examples <= EXAMPLES {
            let to = session.address;
            findings.differ(format!("{to} {which:?}: {:?} expected, ours {got:?}, of {candidate:?}", wanted.outcome));
        }
    }
    if examples > EXAMPLES {
        findings.differ(format!("{} {which:?}: {} more", session.address, examples - EXAMPLES));
    }
}

/// BIRD's preference of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preference {
    Usual,
    Raised,
}

struct Filtered {
    outcome: Outcome,
    preference: Preference,
}

/// What BIRD makes of a candidate.
fn filter(
    expected: &Expected,
    session: &Session,
    body: &[Statement],
    which: Direction,
    candidate: &Candidate,
    learned: LearnedInterface,
) -> Result<Filtered, String> {
    let mut route = candidate.bird(learned);
    let preference = route.preference;
    let outcome = match expected.decide(body, &mut route)? {
        Verdict::Reject => Outcome::Rejected,
        Verdict::Accept => Outcome::Accepted {
            local_pref: route.local_pref.filter(|_| which == Direction::Import || session.is_internal()),
            communities: route.communities,
            large_communities: route.large_communities,
            path: route.path,
        },
    };
    let is_raised = outcome != Outcome::Rejected && route.preference != preference;
    Ok(Filtered { outcome, preference: if is_raised { Preference::Raised } else { Preference::Usual } })
}

fn compare_kernel(expected: &Expected, ours: &Ours, pools: &Pools, version: Version, findings: &mut Findings) {
    let mut routes = candidates(pools, &[From::External, From::Internal]);
    let blackholes = candidates(pools, &[From::Static]);
    routes.extend(blackholes.into_iter().filter(|c| expected.node.blackholes.contains(&c.net)));
    let mut examples = 0;
    for candidate in routes {
        findings.routes += 1;
        let mut route = candidate.bird(LearnedInterface::Known);
        let Some(verdict) = findings.take(expected.decide(expected.kernel_filter(), &mut route)) else { return };
        let tunnel = route.krt_tunnel.filter(|t| !t.is_empty());
        let wanted = (verdict == Verdict::Accept).then_some((route.krt_metric, tunnel));
        let got = ours.kernel(&candidate);
        if wanted != got {
            examples += 1;
            if examples <= EXAMPLES {
                findings.differ(format!("kernel: {wanted:?} expected, ours {got:?}, of {candidate:?}"));
            }
        }
    }
    // A learned route without LOCAL_PREF shows what an ordinary metric is.
    if let Some(first) = candidates(pools, &[From::Internal]).first() {
        let mut route = first.bird(LearnedInterface::Known);
        route.local_pref = None;
        if findings.take(expected.decide(expected.kernel_filter(), &mut route)) == Some(Verdict::Accept) {
            findings.expect("normal metric", &route.krt_metric, &Some(ours.normal_metric(version)));
        }
    }
}

fn compare_interfaces(expected: &Expected, ours: &Ours, pools: &Pools, findings: &mut Findings) {
    let mut names: BTreeSet<String> = pools.interfaces.iter().flatten().cloned().collect();
    for glob in expected.interface_globs() {
        names.extend(["", "x", "7"].map(|star| glob.replace('*', star)));
        names.insert(format!("{}z", glob.replace('*', "")));
    }
    for name in names.iter().filter(|n| !n.is_empty()) {
        let (wanted, got) = (expected.takes_interface(name), ours.takes_interface(name));
        if wanted != got && !glob_matches(b"heddle*", name.as_bytes()) {
            findings.differ(format!("interface {name:?}: {wanted} expected, ours {got}"));
        }
    }
}
