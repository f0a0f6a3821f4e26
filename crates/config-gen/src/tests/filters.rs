//! `template_funcs.go`: rules of a `BGPFilter` as conditions and operations.

use heddle_bgp_core::Asn;
use heddle_config::{Community, PolicyDefault, Prepend, Range, RouteType, Rule, RuleAction};

use super::{config, names, object, peer, policy, warned, without_mesh};
use crate::Warning;

const M: u32 = 2_147_483_647;

fn with(lists: &str) -> String {
    without_mesh(&["10.0.0.1/24"])
        + &peer("tor", "peerIP: 10.0.0.254, asNumber: 65001, filters: [f]")
        + &object("BGPFilter", "f", "", lists)
}

/// The rules of `importV4`.
fn import(rules: &str) -> Vec<Rule> {
    let config = warned(&with(&format!("importV4: [{rules}]")), "n1").0;
    let policy = policy(&config, "filter-f-import-ipv4");
    assert_eq!(policy.default, PolicyDefault::Next);
    policy.rules.clone()
}

fn one(rule: &str) -> Rule {
    let mut rules = import(rule);
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

fn ranges(rule: &str) -> (Vec<String>, Vec<String>) {
    let conditions = one(rule).conditions;
    let texts = |ranges: &[heddle_config::PrefixRange]| ranges.iter().map(ToString::to_string).collect();
    (texts(&conditions.prefixes), texts(&conditions.not_prefixes))
}

fn list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}

#[test]
fn match_operators() {
    let of = |operator: &str| ranges(&format!("{{action: Accept, matchOperator: {operator}, cidr: 10.0.0.0/8}}"));
    assert_eq!(of("In"), (list(&["10.0.0.0/8 le 32"]), vec![]));
    assert_eq!(of("NotIn"), (vec![], list(&["10.0.0.0/8 le 32"])));
    assert_eq!(of("Equal"), (list(&["10.0.0.0/8"]), vec![]));
    assert_eq!(of("NotEqual"), (vec![], list(&["10.0.0.0/8"])));
}

/// `[cidr{max(mask, min),min(32, max)}]`
#[test]
fn prefix_lengths() {
    let of = |operator: &str, length: &str| {
        ranges(&format!("{{action: Accept, matchOperator: {operator}, cidr: 10.0.0.0/8, prefixLength: {{{length}}}}}"))
    };
    assert_eq!(of("In", "min: 24, max: 26").0, list(&["10.0.0.0/8 ge 24 le 26"]));
    assert_eq!(of("In", "min: 4").0, list(&["10.0.0.0/8 le 32"]));
    assert_eq!(of("NotIn", "max: 16").1, list(&["10.0.0.0/8 le 16"]));
}

/// BIRD compares a prefix with a set of prefixes, which never are equal.
#[test]
fn equality_with_lengths() {
    let rules = "{action: Accept, matchOperator: Equal, cidr: 10.0.0.0/8, prefixLength: {min: 8}}, \
                 {action: Reject, matchOperator: NotEqual, cidr: 10.0.0.0/8, prefixLength: {min: 8}}";
    let (config, warnings) = warned(&with(&format!("importV4: [{rules}]")), "n1");
    let rules = &policy(&config, "filter-f-import-ipv4").rules;
    assert_eq!(rules.len(), 1, "Equal matches nothing");
    assert_eq!((&rules[0].conditions, rules[0].action), (&heddle_config::Conditions::default(), RuleAction::Reject));
    let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "BGPFilter/f, importV4 rule 1: matchOperator Equal with prefixLength matches no route; write In or NotIn, or \
             leave prefixLength out",
            "BGPFilter/f, importV4 rule 2: matchOperator NotEqual with prefixLength matches every route; write In or \
             NotIn, or leave prefixLength out"
        ]
    );
}

#[test]
fn other_conditions() {
    let rule =
        one("{action: Accept, source: RemotePeers, interface: \"eth*\", communities: {values: [\"65000:100\"]}, \
         asPathPrefix: [65001, 65002], priority: 512}");
    let c = &rule.conditions;
    assert_eq!(c.route_types, [RouteType::Ebgp, RouteType::Ibgp]);
    assert_eq!(c.interfaces, ["eth*"]);
    assert_eq!(c.communities, ["65000:100".parse().unwrap()]);
    assert_eq!(c.as_paths.iter().map(|p| p.value.as_str()).collect::<Vec<_>>(), ["^65001 65002_"]);
    assert_eq!(c.local_pref, Some(Range { ge: M - 512, le: M - 512 }));
    assert_eq!(rule.action, RuleAction::Accept);
}

/// The expression means "begins with", not "contains", and whole numbers.
#[test]
fn as_path_prefix() {
    let text = &one("{action: Accept, asPathPrefix: [65001, 65002]}").conditions.as_paths[0].value;
    let expression = heddle_rib::policy::AsPathRegex::new(text).unwrap();
    for (path, expected) in [
        ("65001 65002", true),
        ("65001 65002 65003", true),
        ("65001 650022", false),
        ("165001 65002", false),
        ("65000 65001 65002", false),
        ("65001", false),
        ("", false),
    ] {
        assert_eq!(expression.matches(path), expected, "{path:?}");
    }
}

#[test]
fn operations() {
    let m = one(
        "{action: Accept, operations: [{addCommunity: {value: \"65000:1\"}}, {prependASPath: {prefix: [65001, 65002]}}, \
         {prependASPath: {prefix: [65003]}}, {addCommunity: {value: \"65000:1:2\"}}, {setPriority: {value: 256}}]}",
    )
    .modifications;
    assert_eq!(m.add.communities, [Community::Standard(65000 << 16 | 1), Community::Large([65000, 1, 2])]);
    assert_eq!(m.prepend, Some(Prepend::List(vec![Asn(65003), Asn(65001), Asn(65002)])), "a later one goes first");
    assert_eq!(m.set.local_pref, Some(M - 256));
}

/// A policy takes 32 AS numbers; more would make the whole configuration invalid.
#[test]
fn many_prepended() {
    let ten = "{prependASPath: {prefix: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}}";
    let rule = format!("{{action: Accept, operations: [{ten}, {ten}, {ten}, {ten}]}}");
    let (config, warnings) = warned(&with(&format!("importV4: [{rule}]")), "n1");
    let rules = &policy(&config, "filter-f-import-ipv4").rules;
    assert!(matches!(&rules[0].modifications.prepend, Some(Prepend::List(asns)) if asns.len() == 32));
    assert!(matches!(&warnings[..], [Warning::LongPrepend { asked: 40, used: 32, .. }]), "{warnings:?}");
}

#[test]
fn peer_type_is_known_beforehand() {
    let lists = "exportV4: [{action: Accept, peerType: eBGP, priority: 1}, {action: Accept, peerType: iBGP, priority: 2}, \
                 {action: Reject}]";
    let manifests = with(lists) + &peer("own", "peerIP: 10.0.0.253, asNumber: 64512, filters: [f]");
    let config = config(&manifests, "n1");
    let priorities = |name: &str| -> Vec<Option<u32>> {
        policy(&config, name).rules.iter().map(|r| r.conditions.local_pref.map(|p| M - p.ge)).collect()
    };
    assert_eq!(priorities("filter-f-export-ipv4-ebgp"), [Some(1), None]);
    assert_eq!(priorities("filter-f-export-ipv4-ibgp"), [Some(2), None]);
}

/// Filters in their order, then what is always asked; a filter without rules for a direction and family is not asked.
#[test]
fn chains() {
    let manifests = without_mesh(&["10.0.0.1/24"])
        + &peer("tor", "peerIP: 10.0.0.254, asNumber: 65001, filters: [b, gone, a]")
        + &object("BGPFilter", "a", "", "importV4: [{action: Reject}], exportV6: [{action: Reject}]")
        + &object("BGPFilter", "b", "", "importV4: [{action: Accept}], exportV4: [{action: Accept}]");
    let (config, warnings) = warned(&manifests, "n1");
    let family = &config.peers[0].settings.families[0].settings;
    assert_eq!(family.import_policy, ["filter-b-import-ipv4", "filter-a-import-ipv4", "import-accept"]);
    assert_eq!(family.export_policy, ["filter-b-export-ipv4", "export-ipv4-ebgp"]);
    assert!(matches!(&warnings[..], [Warning::UnknownFilter { filter, .. }] if &**filter == "gone"), "{warnings:?}");
}

/// The mesh has no filters.
#[test]
fn not_in_the_mesh() {
    let manifests = super::mesh::nodes(&["10.0.0.1/24", "10.0.0.2/24"])
        + &object("BGPFilter", "a", "", "importV4: [{action: Reject}]");
    assert_eq!(names(&manifests, "n1"), ["Mesh_10_0_0_2"]);
    assert_eq!(config(&manifests, "n1").peers[0].settings.families[0].settings.import_policy, ["import-accept"]);
}
