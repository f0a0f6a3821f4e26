//! All cases.

use std::collections::BTreeSet;
use std::sync::Arc;

use heddle_config::{Config, Password, PeerSettings};
use heddle_config_gen::{EndpointStatus, Generated, NodeContext, generate};

use crate::cases::{Case, Cases};
use crate::compare::{Findings, compare};
use crate::data::Data;
use crate::deviations::{Deviation, Deviations};
use crate::expected::Expected;
use crate::ours::Ours;
use crate::session::Version;

fn context(case: &Case) -> Result<NodeContext, String> {
    let mut context = NodeContext::new(case.node.as_str());
    for (name, value) in &case.environment {
        match name.as_str() {
            "CALICO_ROUTER_ID" => {
                context.router_id = Some(value.parse().map_err(|e| format!("CALICO_ROUTER_ID: {e}"))?);
            }
            other => return Err(format!("what does {other} do?")),
        }
    }
    for endpoint in &case.endpoints {
        let address = |a: &String| a.parse().map_err(|e| format!("{a}: {e:?}"));
        let nets = endpoint.ipv4_nets.iter().chain(&endpoint.ipv6_nets);
        context.endpoints.push(EndpointStatus {
            interface: endpoint.iface_name.as_str().into(),
            addresses: nets.map(address).collect::<Result<_, String>>()?,
            bgp_peer: Some(endpoint.bgp_peer_name.as_str().into()),
        });
    }
    Ok(context)
}

fn check(case: &Case, cases: &Cases, data: &Data) -> Result<Findings, String> {
    let snapshot = cases.snapshot(case, data)?;
    let generated = generate(&snapshot, &context(case)?);
    let mut findings = Findings::default();
    warnings(case, &generated, &mut findings);
    if std::env::var_os("HEDDLE_CASE").is_some() {
        println!("{}: {:?}", case.name(), generated.warnings);
    }
    let Some(config) = generated.config else { return Err(format!("no configuration: {:?}", generated.waiting)) };
    let ours = Ours::new(config)?;
    if let Some(count) = case.sessions {
        let found = ours.node(Version::V4)?.sessions.len();
        if found != count {
            findings.differences.push(format!("{count} sessions expected, ours are {found}"));
        }
    }
    if let Some(folder) = &case.expected {
        if let Some((from, _)) = case.rewrite.iter().find(|(from, _)| !data.occurs(folder, &case.rewrite, from)) {
            return Err(format!("nothing to rewrite: {from:?}"));
        }
        for version in Version::BOTH {
            let bird = data.expected(folder, version, &case.rewrite)?;
            compare(&Expected::new(bird, version)?, &ours, version, &mut findings);
        }
    }
    Ok(findings)
}

/// Warnings that the case wants are there; two of them are deviations.
fn warnings(case: &Case, generated: &Generated, findings: &mut Findings) {
    for wanted in &case.warnings {
        if !generated.warnings.iter().any(|w| w.to_string() == *wanted) {
            let all = generated.warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
            findings.differences.push(format!("no warning {wanted:?}, but {all:?}"));
        }
        match case.name() {
            "duplicate-peers" => findings.used.insert(Deviation::DuplicatePeers),
            "length-with-equality" => findings.used.insert(Deviation::LengthWithEquality),
            _ => false,
        };
    }
}

/// Every kind of difference is found.
#[test]
fn what_is_changed_is_found() {
    let (cases, data) = (Cases::load(), Data::open());
    let findings = |name: &str, version: Version, change: &dyn Fn(&mut Config)| {
        let case = cases.cases.iter().find(|c| c.name() == name).expect(name);
        let generated = generate(&cases.snapshot(case, &data).unwrap(), &context(case).unwrap());
        let mut config = generated.config.unwrap();
        change(&mut config);
        let bird = data.expected(name, version, &case.rewrite).unwrap();
        let mut findings = Findings::default();
        compare(&Expected::new(bird, version).unwrap(), &Ours::new(config).unwrap(), version, &mut findings);
        findings.differences
    };
    let peer =
        |c: &mut Config, f: &dyn Fn(&mut PeerSettings)| f(Arc::make_mut(&mut c.peers.first_mut().unwrap().settings));
    let last_rule = |c: &mut Config| c.policies.iter_mut().rev().find_map(|p| p.rules.pop()).unwrap();
    type Change<'a> = Box<dyn Fn(&mut Config) + 'a>;
    let rows: Vec<(&str, Change<'_>)> = vec![
        ("router id", Box::new(|c| c.router.router_id.0 += 1)),
        ("originated", Box::new(|c| c.networks.truncate(1))),
        ("blackhole", Box::new(|c| c.networks[0].blackhole = false)),
        ("listen", Box::new(|c| c.router.listen.iter_mut().for_each(|l| l.port = 1179))),
        ("peers", Box::new(|c| c.peers.truncate(1))),
        ("passive", Box::new(|c| peer(c, &|s| s.passive = !s.passive))),
        ("port", Box::new(|c| peer(c, &|s| s.port += 1))),
        ("distance", Box::new(|c| peer(c, &|s| s.multihop = Some(2)))),
        ("source", Box::new(|c| peer(c, &|s| s.local_address = None))),
        ("blocked", Box::new(|c| peer(c, &|s| (s.password, s.blocked) = (Password::new("x"), Some("y".into()))))),
        ("add_paths", Box::new(|c| peer(c, &|s| s.families[0].settings.add_path.receive = false))),
        ("families", Box::new(|c| peer(c, &|s| s.families.clear()))),
        ("Import", Box::new(|c| peer(c, &|s| s.families[0].settings.import_policy.clear()))),
        ("Export", Box::new(|c| drop(last_rule(c)))),
        ("kernel", Box::new(|c| c.fib.as_mut().unwrap().rules.clear())),
        ("normal metric", Box::new(|c| c.fib.as_mut().unwrap().metric.v4 = 7)),
        ("interface", Box::new(|c| c.fib.as_mut().unwrap().ignored_interfaces.clear())),
        ("LOCAL_PREF", Box::new(|c| c.networks.iter_mut().for_each(|n| n.local_pref = Some(1)))),
    ];
    assert_eq!(findings("bgpfilter/match_operators", Version::V4, &|_| ()), Vec::<String>::new());
    assert_eq!(findings("mesh/ipip-always", Version::V4, &|_| ()), Vec::<String>::new());
    for (what, change) in rows {
        // An internal session that lost its policy accepts all: only a filter that rejects shows that.
        let case = if what == "Import" { "bgpfilter/match_operators" } else { "mesh/ipip-always" };
        let found = findings(case, Version::V4, &*change);
        assert!(!found.is_empty(), "{what}");
        println!("{what}: {}", found[0]);
    }
}

/// Checks cases on all processors; the order of the results is that of the cases.
fn check_all<'a>(chosen: &[&'a Case], cases: &Cases, data: &Data) -> Vec<(&'a Case, Findings)> {
    let one = |case: &&'a Case| {
        let failed = |e| Findings { differences: vec![e], ..Findings::default() };
        (*case, check(case, cases, data).unwrap_or_else(failed))
    };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = chosen.len().div_ceil(workers).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> =
            chosen.chunks(share).map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<_>>())).collect();
        parts.into_iter().flat_map(|p| p.join().expect("no case panics")).collect()
    })
}

#[test]
fn all_cases_mean_the_same() {
    let (cases, data) = (Cases::load(), Data::open());
    let only = std::env::var("HEDDLE_CASE").ok();
    let is_chosen = |c: &&Case| only.as_ref().is_none_or(|o| c.name().contains(o.as_str()));
    let chosen: Vec<&Case> = cases.cases.iter().filter(is_chosen).collect();
    let (mut wrong, mut used, mut routes, mut passed) = (Vec::new(), BTreeSet::new(), 0, 0);
    for (case, findings) in check_all(&chosen, &cases, &data) {
        routes += findings.routes;
        used.extend(findings.used.iter().map(|d| (*d, case.name().to_owned())));
        passed += usize::from(findings.differences.is_empty());
        wrong.extend(findings.differences.iter().map(|d| format!("{}: {d}", case.name())));
    }
    if only.is_none() {
        wrong.extend(Deviations::load().check(&used));
    }
    println!("{passed} of {} cases, {routes} routes through both sides", chosen.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
