//! What a configuration file may say, and what is said about one that is wrong.

use heddle_bgp_core::{Asn, BgpId, ClusterId, Family};
use heddle_config::{
    Config, ConfinementPart, ExpressionError, Fib, FibAction, PeerAs, PeerSettings, RouteMetric, Seconds, Tunnel,
};

const REFLECTOR: &str = r#"
[router]
asn = 65001
router_id = "10.255.0.1"
cluster_id = "10.255.0.1"
listen = ["10.255.0.1:179"]

[api]
socket = "/run/heddle/route-reflector.sock"

[[policies]]
name = "all"
default = "accept"

[[peer_groups]]
name = "nodes"
asn = 65001
route_reflector_client = true
passive = true
hold_time = 240
families = ["ipv4-unicast"]

[[listen_ranges]]
prefix = "10.10.0.0/16"
group = "nodes"

[[peers]]
address = "192.0.2.7"
asn = 65001
description = "second reflector"
password_file = "/etc/heddle/rr2.key"

[[peers]]
address = "192.0.2.9"
asn = 65010
multihop = 10
passive = true
import_policy = "all"
export_policy = "all"
families = ["ipv4-unicast", "ipv6-unicast"]
"#;

#[test]
fn a_reflector() {
    let config = Config::from_toml(REFLECTOR, "rr.toml").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.router.asn, Asn(65001));
    assert_eq!(config.router.router_id, BgpId(0x0aff_0001));
    assert_eq!(config.router.cluster_id, ClusterId(0x0aff_0001));
    assert_eq!(config.router.listen[0].to_string(), "10.255.0.1:179");
    let range = &config.listen_ranges[0];
    assert_eq!(range.prefix.to_string(), "10.10.0.0/16");
    assert_eq!((range.asn, range.limit), (PeerAs::Asn(Asn(65001)), 1000));
    assert!(range.settings.route_reflector_client && range.settings.passive);
    assert_eq!(range.settings.hold_time, Seconds(240));
    let [first, second] = config.peers.as_slice() else { panic!("two peers") };
    assert_eq!(first.settings.password_file.as_deref(), Some("/etc/heddle/rr2.key".as_ref()));
    assert_eq!(first.settings.families.len(), 1);
    assert_eq!(first.settings.families[0].family, Family::IPV4_UNICAST);
    assert_eq!(second.settings.multihop, Some(10));
    let families: Vec<_> = second.settings.families.iter().map(|f| f.family).collect();
    assert_eq!(families, [Family::IPV4_UNICAST, Family::IPV6_UNICAST]);
    assert!(second.settings.families.iter().all(|f| f.settings.import_policy == ["all"]));
}

#[test]
fn the_example_is_a_configuration_and_shows_every_key() {
    let example = heddle_config::example();
    let config = Config::from_toml(example, "example.toml").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.peers.len(), 4);
    for key in heddle_config::schema::keys() {
        let shown = example.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == key.name);
        assert!(shown, "{} of {} is not in the example", key.name, key.table.title());
    }
}

#[test]
fn what_is_commented_out_in_the_example_is_the_default() {
    // Uncommenting what says to be a default changes nothing. Comments that say another default are left out.
    let by_word = ["cluster_id", "hostname", "metrics", "keepalive", "local_address", "multihop", "ttl_security"];
    let by_word =
        [&by_word[..], &["local_as", "guard", "tcp_ao", "password", "next_hop = \"10", "local_pref", "med"]].concat();
    let example = heddle_config::example();
    let uncommented: Vec<&str> = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") && !by_word.iter().any(|w| rest.starts_with(w)) => rest,
            Some(_) | None => line,
        })
        .collect();
    let all = Config::from_toml(&uncommented.join("\n"), "all.toml").unwrap_or_else(|e| panic!("{e}"));
    assert!(all == Config::from_toml(example, "example.toml").unwrap_or_else(|e| panic!("{e}")));
}

#[test]
fn the_forwarding_table_of_the_example() {
    let example = heddle_config::example();
    let bare = |line: &str| line.strip_prefix('#').filter(|l| !l.starts_with(' ')).map(str::to_owned);
    let text: Vec<String> = example.lines().map(|line| bare(line).unwrap_or_else(|| line.to_owned())).collect();
    let config = Config::from_toml(&text.join("\n"), "all.toml").unwrap_or_else(|e| panic!("{e}"));
    let Some(mut fib) = config.fib else { panic!("no [fib]") };
    assert_eq!((fib.static_routes.len(), fib.rules.len()), (1, 2));
    assert_eq!(fib.rules[0].action, FibAction::Reject);
    let except = vec!["192.0.2.0/24".parse().unwrap_or_else(|e| panic!("{e}"))];
    assert_eq!(fib.rules[1].action, FibAction::Tunnel(Tunnel { interface: "tunl0".to_owned(), except }));
    (fib.static_routes, fib.rules) = Default::default();
    assert_eq!(fib, Fib::default(), "all else shows its default");
}

#[test]
fn a_forwarding_table() {
    let text = r#"
        router = { asn = 65001, router_id = "10.0.0.1", decision = { resolve_next_hops = true } }
        [fib]
        table = 100
        protocol = "heddle"
        workload_protocol = "bird"
        adopt_protocols = ["bird", 13]
        learn_protocols = ["static", "dhcp", 42, "static"]
        workload_interfaces = []
        metric = { v6 = 512 }
        nexthop_objects = "never"
        rules = [{ then = "install", next_hop = "192.0.2.1" }]
    "#;
    let config = Config::from_toml(text, "t").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.warnings(), []);
    let Some(fib) = &config.fib else { panic!("no [fib]") };
    assert_eq!((fib.table, fib.protocol, fib.metric), (100, 158, RouteMetric { v4: 1024, v6: 512 }));
    assert_eq!(fib.workload_protocol, Some(12));
    assert_eq!((fib.adopt_protocols.as_slice(), fib.learn_protocols.as_slice()), (&[12, 13][..], &[4, 16, 42][..]));
    assert!(fib.workload_interfaces.is_empty() && fib.ignored_interfaces == ["kube-ipvs*"]);
    let written = config.to_toml();
    assert!(written.contains("adopt_protocols = [\"bird\", \"dnrouted\"]"), "{written}");
    assert!(written.contains("metric = { v6 = 512 }"), "{written}");
}

#[test]
fn a_key_in_place_is_never_shown() {
    let text = |peer: &str| {
        let head = "router = { asn = 65001, router_id = '10.0.0.1' }\npeer_groups = [{ name = 'g', asn = 'internal', ";
        let text =
            format!("{head}password = 'of the group' }}]\n[[peers]]\naddress = '192.0.2.1'\ngroup = 'g'\n{peer}");
        Config::from_toml(&text, "t").unwrap_or_else(|e| panic!("{e}"))
    };
    let key = |c: &Config| c.peers[0].settings.password.as_ref().map(|p| p.reveal().to_owned());
    let (taken, own, none) = (text(""), text("password = 'own'"), text("password = ''"));
    assert_eq!((key(&taken).as_deref(), key(&own).as_deref(), key(&none)), (Some("of the group"), Some("own"), None));
    let file = text("password_file = '/key'");
    assert_eq!(
        (key(&file), file.peers[0].settings.password_file.is_some()),
        (None, true),
        "one takes the other's place"
    );
    for config in [&taken, &own, &none, &file] {
        let shown = format!("{}{config:?}", config.to_toml());
        assert!(shown.contains("(hidden)") && !shown.contains("of the group") && !shown.contains("'own'"), "{shown}");
    }
    assert!(own.to_toml().contains("password = \"(hidden)\""));
    let lines = |a: &Config, b: &Config| heddle_config::diff(a, b).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(lines(&taken, &own), ["peer 192.0.2.1: password \"(hidden)\" -> \"(hidden)\" (reset)"]);
    assert_eq!(lines(&own, &none), ["peer 192.0.2.1: password \"(hidden)\" -> none (reset)"]);
    assert_eq!(lines(&own, &text("password = 'own'")), [""; 0]);
}

#[test]
fn peers_take_keys_from_their_group_one_by_one() {
    let config = Config::from_toml(
        r#"
        router = { asn = 65001, router_id = "10.0.0.1" }
        policies = [{ name = "a" }, { name = "b" }]
        [[peer_groups]]
        name = "g"
        asn = 65010
        hold_time = 30
        description = "of the group"
        password_file = "/key"
        ttl_security = 1
        prefix_limit = 10
        import_policy = "a"
        add_path = { receive = true, send = 4 }
        idle_hold = { min = 5 }
        [peer_groups.families.ipv4-unicast]
        [peer_groups.families.ipv6-unicast]
        import_policy = "b"
        prefix_limit = 20

        [[peers]]
        address = "192.0.2.1"
        group = "g"

        [[peers]]
        address = "192.0.2.2"
        group = "g"
        asn = 65011
        description = ""
        password_file = ""
        ttl_security = 0
        multihop = 3
        prefix_limit = "none"
        import_policy = ["b", "a"]
        add_path = { send = "all" }
        idle_hold = { max = 60 }

        [[peers]]
        address = "192.0.2.3"
        group = "g"
        families = ["ipv6-unicast"]
        "#,
        "t",
    )
    .unwrap_or_else(|e| panic!("{e}"));
    let [one, two, three] = config.peers.as_slice() else { panic!("three peers") };
    assert_eq!((one.asn, two.asn), (PeerAs::Asn(Asn(65010)), PeerAs::Asn(Asn(65011))));
    let group = &config.peer_groups[0].settings;
    assert_eq!(one.description.as_deref(), Some("of the group"));
    assert_eq!(*one.settings, PeerSettings { description: None, ..group.clone() });
    let (v4, v6) = (&group.families[0].settings, &group.families[1].settings);
    assert_eq!((v4.import_policy.as_slice(), v6.import_policy.as_slice()), (&["a".into()][..], &["b".into()][..]));
    assert_eq!((v4.prefix_limit.map(|l| l.max), v6.prefix_limit.map(|l| l.max)), (Some(10), Some(20)));

    let s = &two.settings;
    assert_eq!((&two.description, &s.password_file, s.ttl_security, s.multihop), (&None, &None, None, Some(3)));
    assert_eq!((s.hold_time, s.idle_hold.min, s.idle_hold.max), (Seconds(30), Seconds(5), Seconds(60)));
    let (v4, v6) = (&s.families[0].settings, &s.families[1].settings);
    assert_eq!(v4.import_policy, ["b", "a"], "the peer's own");
    assert_eq!(v6.import_policy, ["b"], "what the group says of the family stands before what the peer says of all");
    assert_eq!((v4.prefix_limit, v6.prefix_limit.map(|l| l.max)), (None, Some(20)));
    assert!(v4.add_path.receive && v4.add_path.send == heddle_config::AddPathSend::All);

    let s = &three.settings;
    assert_eq!(s.families.len(), 1);
    assert_eq!(s.families[0].settings.import_policy, ["a"], "the peer's list takes the place of the group's tables");
}

/// One error: what is written, and the whole message.
struct Wrong {
    text: &'static str,
    message: &'static str,
}

/// Puts `text` below a router that is right, in line 2.
fn message(text: &str) -> String {
    let head = "router = { asn = 65001, router_id = \"10.0.0.1\" }\n";
    match Config::from_toml(&format!("{head}{text}"), "f.toml") {
        Ok(_) => "accepted".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn every_error_tells_place_text_and_remedy() {
    let mut failures = Vec::new();
    for Wrong { text, message: want } in WRONG {
        let got = message(text);
        if got != want.trim_start_matches('\n') {
            failures.push(format!("--- {text}\n{got}\n"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

include!("wrong/mod.rs");

#[test]
fn an_expression_that_does_not_compile_is_told_with_line_and_column() {
    let refuse = |text: &str| -> Result<(), ExpressionError> {
        match text.chars().position(|c| c == '(') {
            Some(i) if !text.contains(')') => {
                Err(ExpressionError { column: i + 1, reason: "this group is never closed".to_owned() })
            }
            Some(_) | None => Ok(()),
        }
    };
    let text = r#"
[router]
asn = 65001
router_id = "10.0.0.1"
[[as_path_sets]]
name = "x"
expressions = ['^65010$', '^(65010', "\\u00fc\\.\u00fc(x", '''ü(''', '^(1|2)$']
"#;
    let Err(errors) = Config::from_toml_with(text, "f.toml", &refuse) else { panic!("accepted") };
    assert_eq!(
        errors.to_string(),
        r#"
f.toml:7:29: "^(65010" is no AS_PATH expression: this group is never closed
7 | expressions = ['^65010$', '^(65010', "\\u00fc\\.\u00fc(x", '''ü(''', '^(1|2)$']
  |                             ^
f.toml:7:55: "\\u00fc\\.ü(x" is no AS_PATH expression: this group is never closed
7 | expressions = ['^65010$', '^(65010', "\\u00fc\\.\u00fc(x", '''ü(''', '^(1|2)$']
  |                                                       ^
f.toml:7:64: "ü(" is no AS_PATH expression: this group is never closed
7 | expressions = ['^65010$', '^(65010', "\\u00fc\\.\u00fc(x", '''ü(''', '^(1|2)$']
  |                                                                ^"#
            .trim_start()
    );
    let config = Config::from_toml(text, "f.toml").unwrap_or_else(|e| panic!("{e}"));
    let place = |i: usize| config.as_path_sets[0].expressions[i].at.as_ref().map(ToString::to_string);
    assert_eq!(place(1).as_deref(), Some("f.toml:7:28"));
}

#[test]
fn all_errors_at_once_in_the_order_of_the_file() {
    let text = "router = { asn = 0, router_id = \"0.0.0.0\" }\n[[peers]]\nadress = \"x\"\nhold_time = 1\n";
    let Err(errors) = Config::from_toml(text, "f.toml") else { panic!("accepted") };
    let places: Vec<_> = errors.0.iter().map(|e| (e.at.line, e.at.column)).collect();
    assert_eq!(places, [(1, 18), (1, 33), (2, 1), (2, 1), (3, 1), (4, 13)], "{errors}");
}

#[test]
fn confinement_is_read_written_and_compared() {
    let with = |more: &str| {
        let text = format!("router = {{ asn = 65001, router_id = \"10.0.0.1\" }}\n{more}");
        Config::from_toml(&text, "f.toml").unwrap_or_else(|e| panic!("{e}"))
    };
    let plain = with("");
    let more = with(
        "api.group_access = true\n[confinement]\noff = [\"seccomp\", \"dumps\"]\nreadable = [\"/run/secrets\", \"/mnt/keys\"]\n",
    );
    assert!(plain.confinement.off.is_empty() && !plain.api.group_access);
    assert_eq!(more.confinement.off, [ConfinementPart::Dumps, ConfinementPart::Seccomp].into());
    assert_eq!(Config::from_toml(&more.to_toml(), "f.toml").as_ref(), Ok(&more), "{}", more.to_toml());
    let told: Vec<String> = heddle_config::diff(&plain, &more).iter().map(ToString::to_string).collect();
    let expected = [
        "api: group_access false -> true (restart)",
        "confinement: off none -> [\"dumps\", \"seccomp\"] (restart)",
        "confinement: readable none -> [\"/run/secrets\", \"/mnt/keys\"] (restart)",
    ];
    assert_eq!(told, expected);
}
