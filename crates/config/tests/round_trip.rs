//! What is written is read back, and nothing that is read panics.

#[path = "../../../fuzz/src/config.rs"]
pub mod fuzz;

use heddle_config::{Config, Effect, PeerSettings, Subject, diff, resets};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Keys of a peer or group that go together in any combination, some of them in two ways.
const KEYS: &[&str] = &[
    "description = \"a \\\"quoted\\\" one\\n\"",
    "shutdown = true",
    "shutdown_text = 'back \\ soon'",
    "port = 1179",
    "local_address = \"192.0.2.200\"",
    "passive = true",
    "password_file = \"/etc/heddle/key\"",
    "blocked = \"the Secret \\\"bgp\\\" has no key \\\"rr\\\"\"",
    "multihop = 5",
    "hold_time = 0",
    "keepalive = 1",
    "connect_retry = 5",
    "idle_hold = { min = 2, max = 9 }",
    "send_hold_time = 0",
    "open_hold_time = 20",
    "restart_time = 300",
    "local_as = 65100",
    "allow_own_as = 3",
    "enforce_first_as = false",
    "reject_as_zero = false",
    "reject_as_sets = false",
    "guard = { ipv4_lengths = [16, 32], allow_default = true, own = [\"9.0.0.0/8\", \"2a00::/32\"] }",
    "remove_private_as = \"replace\"",
    "as_override = true",
    "role = \"customer\"",
    "aigp = true",
    "extended_messages = false",
    "force_extended_open = true",
    "four_octet_as = false",
    "graceful_restart = \"helper\"",
    "long_lived = true",
    "import_policy = \"a\"",
    "export_policy = [\"a\", \"b\"]",
    "add_path = { receive = true, send = 3 }",
    "next_hop = \"self\"",
    "extended_next_hop = true",
    "prefix_limit = 1000",
    "prefix_limit_out = { max = 5, action = \"down\" }",
    "default_originate = true",
];

/// The same keys at another value, as a peer overrides its group.
const OTHERS: &[&str] = &[
    "description = \"\"",
    "shutdown = false",
    "shutdown_text = \"\"",
    "local_address = \"\"",
    "passive = false",
    "tcp_ao = [{ send_id = 1, recv_id = 2, file = \"/a\" }, { send_id = 3, algorithm = \"cmac-aes-128\", file = \"/b\" }]",
    "blocked = \"\"",
    "multihop = 0",
    "hold_time = 30",
    "keepalive = 0",
    "idle_hold = { max = 10 }",
    "send_hold_time = \"default\"",
    "open_hold_time = 240",
    "restart_time = \"default\"",
    "local_as = { asn = 65101, replace_as = true }",
    "reject_as_sets = \"default\"",
    "guard = true",
    "remove_private_as = false",
    "role = \"none\"",
    "graceful_restart = true",
    "import_policy = []",
    "add_path = { send = \"all\" }",
    "next_hop = \"auto\"",
    "prefix_limit = \"none\"",
    "prefix_limit_out = { max = 6, warning_percent = 9, action = \"warn\" }",
];

const FAMILIES: &[&str] = &[
    "",
    "families = [\"ipv6-unicast\"]",
    "families = [\"ipv6-unicast\", \"ipv4-unicast\"]",
    "families.ipv4-unicast.import_policy = \"b\"",
    "families.ipv6-unicast = { next_hop = \"self\", prefix_limit = 7 }\nfamilies.ipv4-unicast = {}",
];

/// Keys of a rule's `match`.
const MATCHES: &[&str] = &[
    "prefixes = [\"10.0.0.0/8 le 32\"]",
    "not_prefixes = [\"10.1.0.0/16 ge 17 le 32\", \"2001:db8::/32\"]",
    "interface = \"cali*\"",
    "route_type = [\"local\", \"ibgp\"]",
    "med = { le = 5 }",
];

const PREPENDS: &[&str] = &[
    "then = \"accept\"",
    "then = { prepend = 3 }",
    "then = { prepend = [65001, 65002] }",
    "then = { prepend = { asn = 65001, times = 2 } }",
    "then = { prepend = { times = 4 } }",
];

/// Keys of `[fib]`.
const FIB: &[&str] = &[
    "table = 100",
    "protocol = 200",
    "workload_protocol = \"bird\"",
    "adopt_protocols = [\"bird\", 13]",
    "learn_protocols = [\"static\", 77]",
    "workload_interfaces = []",
    "ignored_interfaces = [\"docker?\", \"kube-*\"]",
    "metric = { v4 = 5 }",
    "nexthop_objects = \"always\"",
    "stale_time = 60",
    "unresolved_time = 0",
    "manage_sysctls = true",
    "static_routes = [{ prefix = \"10.20.0.0/16\", via = \"fe80::1\" }, { prefix = \"2001:db8::/32\", via = \"::2\" }]",
    "rules = [{ name = \"a\", prefixes = \"10.0.0.0/8 le 32\", then = \"reject\" }, { next_hop = [\"192.0.2.1\"], then = { tunnel = \"tunl0\", except = [\"192.0.2.0/24\"] } }, { then = { tunnel = \"t\" } }, { then = \"install\" }]",
];

/// A policy, a network and perhaps a forwarding table.
fn forwarding_text() -> impl Strategy<Value = String> {
    let fib = proptest::option::of(subsequence(FIB, 0..=FIB.len()));
    (subsequence(MATCHES, 0..=MATCHES.len()), select(PREPENDS), any::<bool>(), fib).prop_map(
        |(conditions, then, blackhole, fib)| {
            let fib = fib.map(|keys| format!("[fib]\n{}\n", keys.join("\n"))).unwrap_or_default();
            format!(
                "[[policies]]\nname = \"r\"\nrules = [{{ match = {{ {} }}, {then} }}]\n\
                 [[networks]]\nprefix = \"10.9.0.0/16\"\nblackhole = {blackhole}\n{fib}",
                conditions.join(", ")
            )
        },
    )
}

fn config_text() -> impl Strategy<Value = String> {
    (session_text(), forwarding_text()).prop_map(|(sessions, forwarding)| sessions + &forwarding)
}

fn session_text() -> impl Strategy<Value = String> {
    let keys = || subsequence(KEYS, 0..=KEYS.len());
    let others = subsequence(OTHERS, 0..=OTHERS.len());
    (keys(), others, keys(), select(FAMILIES), select(FAMILIES)).prop_map(|(group, peer, alone, fg, fp)| {
        format!(
            "[router]\nasn = 65001\nrouter_id = \"10.0.0.1\"\n[[policies]]\nname = \"a\"\n[[policies]]\nname = \"b\"\n\
             [[peer_groups]]\nname = \"g\"\nasn = 65010\n{}\n{fg}\n\
             [[listen_ranges]]\nprefix = \"10.0.0.0/8\"\ngroup = \"g\"\npassword_file = \"/other\"\n\
             [[peers]]\naddress = \"192.0.2.1\"\ngroup = \"g\"\n{}\n{fp}\n\
             [[peers]]\naddress = \"192.0.2.2\"\nasn = \"external\"\n{}\n{fg}\n",
            group.join("\n"),
            peer.join("\n"),
            alone.join("\n")
        )
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(text in config_text()) {
        let config = Config::from_toml(&text, "a").map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        let written = config.to_toml();
        let again = Config::from_toml(&written, "b").map_err(|e| TestCaseError::fail(format!("{e}\n{written}")))?;
        prop_assert!(config == again, "{text}\n---\n{written}");
        prop_assert_eq!(diff(&config, &again), []);
        prop_assert_eq!(again.to_toml(), written);
    }

    #[test]
    fn a_difference_shows_in_the_changes(a in config_text(), b in config_text()) {
        let parse = |t: &str| Config::from_toml(t, "a").map_err(|e| TestCaseError::fail(e.to_string()));
        let (a, b) = (parse(&a)?, parse(&b)?);
        let same = |a: &Config, b: &Config| {
            let settings = |c: &Config| c.peers.iter().map(|p| (p.asn, p.description.clone(), PeerSettings::clone(&p.settings))).collect::<Vec<_>>();
            let effective = |c: &Config| {
                settings(c).into_iter().map(|(asn, text, mut s)| { s.family_defaults = Default::default(); (asn, text, s) })
                    .collect::<Vec<_>>()
            };
            effective(a) == effective(b)
        };
        let of_peers = diff(&a, &b).into_iter().filter(|c| c.peer().is_some()).count();
        prop_assert_eq!(of_peers == 0, same(&a, &b));
    }

    #[test]
    fn a_different_forwarding_shows_in_the_changes(a in config_text(), b in config_text()) {
        let parse = |t: &str| Config::from_toml(t, "a").map_err(|e| TestCaseError::fail(e.to_string()));
        let (a, b) = (parse(&a)?, parse(&b)?);
        let changed = |subject: &Subject| diff(&a, &b).iter().any(|c| c.subject == *subject);
        prop_assert_eq!(changed(&Subject::Fib), a.fib != b.fib);
        prop_assert_eq!(changed(&Subject::Policy("r".to_owned())), a.policy("r") != b.policy("r"));
        prop_assert_eq!(changed(&Subject::Network(a.networks[0].prefix)), a.networks != b.networks);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = Config::from_toml(&text, "x").map_err(|e| e.to_string());
    }

    #[test]
    fn no_damaged_example_panics(from in 0..6000_usize, len in 0..40_usize, put in "[a-z0-9\\[\\]{}=\"'.#\n\\\\:%/ *-]{0,12}") {
        let example = heddle_config::example();
        let cut = |at: usize| (0..=at.min(example.len())).rev().find(|i| example.is_char_boundary(*i)).unwrap_or(0);
        let (a, b) = (cut(from), cut(from + len));
        fuzz::toml(format!("{}{put}{}", &example[..a], &example[b..]).as_bytes());
    }
}

#[test]
fn the_example_is_read_back() {
    let config = Config::from_toml(heddle_config::example(), "a").unwrap_or_else(|e| panic!("{e}"));
    let written = config.to_toml();
    let again = Config::from_toml(&written, "b").unwrap_or_else(|e| panic!("{e}\n{written}"));
    assert!(config == again, "{written}");
}

const BASE: &str = r#"
[router]
asn = 65001
router_id = "10.0.0.1"
[[policies]]
name = "a"
[[peers]]
address = "192.0.2.1"
asn = 65010
[[peers]]
address = "192.0.2.2"
asn = 65010
[[listen_ranges]]
prefix = "10.0.0.0/8"
group = "g"
[[peer_groups]]
name = "g"
asn = 65001
"#;

fn base() -> Config {
    Config::from_toml(BASE, "base").unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_lines_that_a_change_brings() {
    let table = [
        ("", "", ""),
        ("asn = 65001\nrouter_id", "asn = 65002\nrouter_id", "router: asn 65001 -> 65002 (reset)"),
        // The cluster that nobody has named is the router id.
        ("10.0.0.1", "10.0.0.9", "router: router_id \"10.0.0.1\" -> \"10.0.0.9\" (reset)"),
        (
            "router_id",
            "cluster_id = \"10.0.0.9\"\nrouter_id",
            "router: cluster_id \"10.0.0.1\" -> \"10.0.0.9\" (reset)",
        ),
        ("[[policies]]", "hostname = \"rr\"\n[[policies]]", "router: hostname none -> \"rr\" (next session)"),
        (
            "[[policies]]",
            "decision = { multipath = { ebgp = 4 } }\n[[policies]]",
            "router: decision.multipath.ebgp 1 -> 4 (refresh)",
        ),
        ("[[policies]]", "[log]\nlevel = \"debug\"\n[[policies]]", "log: level \"info\" -> \"debug\" (immediate)"),
        ("name = \"a\"", "name = \"a\"\ndefault = \"accept\"", "policy a: default none -> \"accept\" (refresh)"),
        ("name = \"a\"", "name = \"b\"", "policy a: removed (immediate)\npolicy b: added (immediate)"),
        ("192.0.2.1\"", "192.0.2.1\"\nhold_time = 30", "peer 192.0.2.1: hold_time 90 -> 30 (next session)"),
        ("192.0.2.1\"", "192.0.2.1\"\ndescription = \"x\"", "peer 192.0.2.1: description none -> \"x\" (immediate)"),
        ("192.0.2.1\"", "192.0.2.1\"\npassword_file = \"/k\"", "peer 192.0.2.1: password_file none -> \"/k\" (reset)"),
        (
            "192.0.2.1\"",
            "192.0.2.1\"\nfamilies = [\"ipv4-unicast\", \"ipv6-unicast\"]",
            "peer 192.0.2.1: families [\"ipv4-unicast\"] -> [\"ipv4-unicast\", \"ipv6-unicast\"] (reset)",
        ),
        (
            "192.0.2.1\"",
            "192.0.2.1\"\nimport_policy = \"a\"",
            "peer 192.0.2.1: families.ipv4-unicast.import_policy [] -> \"a\" (refresh)",
        ),
        (
            "192.0.2.1\"",
            "192.0.2.1\"\nprefix_limit = 5",
            "peer 192.0.2.1: families.ipv4-unicast.prefix_limit \"none\" -> { max = 5, warning_percent = 75, action = \"restart\", restart_after = 300 } (immediate)",
        ),
        (
            "192.0.2.1\"",
            "192.0.2.1\"\nadd_path = { receive = true }",
            "peer 192.0.2.1: families.ipv4-unicast.add_path.receive false -> true (reset)",
        ),
        ("192.0.2.1\"", "192.0.2.1\"\nidle_hold = { max = 9 }", "peer 192.0.2.1: idle_hold.max 3600 -> 9 (immediate)"),
        (
            "192.0.2.1\"",
            "192.0.2.1\"\ntcp_ao = [{ send_id = 1, file = \"/k\" }]",
            "peer 192.0.2.1: tcp_ao none -> [{ send_id = 1, recv_id = 1, algorithm = \"hmac-sha-1-96\", file = \"/k\" }] (next session)",
        ),
        ("192.0.2.1\"", "192.0.2.1\"\nguard = true", "peer 192.0.2.1: guard none -> true (refresh)"),
        (
            "192.0.2.1\"",
            "192.0.2.1\"\nguard = { allow_default = true }",
            "peer 192.0.2.1: guard none -> { allow_default = true } (refresh)",
        ),
        (
            "192.0.2.1\"",
            "192.0.2.1\"\nlocal_as = 65100",
            "peer 192.0.2.1: local_as none -> { asn = 65100, no_prepend = false, replace_as = false } (reset)",
        ),
        ("192.0.2.1\"", "192.0.2.3\"", "peer 192.0.2.1: removed (reset)\npeer 192.0.2.3: added (immediate)"),
        ("name = \"g\"", "name = \"g\"\nttl_security = 1", "listen range 10.0.0.0/8: ttl_security none -> 1 (reset)"),
        ("192.0.2.1\"", "192.0.2.1\"\nblocked = \"no key\"", "peer 192.0.2.1: blocked none -> \"no key\" (reset)"),
        (
            "name = \"g\"",
            "name = \"g\"\npassword = \"secret\"",
            "listen range 10.0.0.0/8: password none -> \"(hidden)\" (reset)",
        ),
        ("group = \"g\"", "group = \"g\"\nlimit = 5", "listen range 10.0.0.0/8: limit 1000 -> 5 (immediate)"),
    ];
    for (from, to, want) in table {
        let new = Config::from_toml(&BASE.replacen(from, to, 1), "new").unwrap_or_else(|e| panic!("{to}: {e}"));
        let lines: Vec<_> = diff(&base(), &new).iter().map(ToString::to_string).collect();
        assert_eq!(lines.join("\n"), want, "{from} -> {to}");
    }
}

#[test]
fn the_lines_that_a_change_of_forwarding_brings() {
    let parse = |fib: &str| Config::from_toml(&format!("{BASE}\n{fib}"), "f").unwrap_or_else(|e| panic!("{e}"));
    let table = [
        ("[fib]", "[fib]", ""),
        ("[fib]", "[fib]\ntable = 9", "fib: table 254 -> 9 (restart)"),
        ("[fib]", "[fib]\nprotocol = 12", "fib: protocol 158 -> 12 (restart)"),
        ("[fib]", "[fib]\nworkload_protocol = 12", "fib: workload_protocol none -> \"bird\" (restart)"),
        ("[fib]", "[fib]\nadopt_protocols = [12]", "fib: adopt_protocols [] -> [\"bird\"] (restart)"),
        ("[fib]", "[fib]\nmetric.v6 = 7", "fib: metric.v6 1024 -> 7 (immediate)"),
        ("[fib]", "[fib]\nrules = [{ then = \"reject\" }]", "fib: rules [] -> [{ then = \"reject\" }] (immediate)"),
        ("[fib]", "", "fib: removed (restart)"),
        ("", "[fib]", "fib: added (restart)"),
    ];
    for (old, new, want) in table {
        let lines: Vec<_> = diff(&parse(old), &parse(new)).iter().map(ToString::to_string).collect();
        assert_eq!(lines.join("\n"), want, "{old} -> {new}");
        assert_eq!(resets(&parse(old), &diff(&parse(old), &parse(new))), []);
    }
}

#[test]
fn who_is_reset() {
    let new =
        |from: &str, to: &str| Config::from_toml(&BASE.replacen(from, to, 1), "new").unwrap_or_else(|e| panic!("{e}"));
    let peer = |a: &str| Subject::Peer(a.parse().unwrap_or_else(|e| panic!("{e}")));
    let range = Subject::ListenRange("10.0.0.0/8".parse().unwrap_or_else(|e| panic!("{e}")));
    let reset = |new: &Config| resets(&base(), &diff(&base(), new));
    assert_eq!(reset(&new("192.0.2.1\"", "192.0.2.1\"\naigp = true")), []);
    assert_eq!(reset(&new("192.0.2.1\"", "192.0.2.1\"\nmultihop = 2")), [peer("192.0.2.1")]);
    assert_eq!(reset(&new("[[peers]]\naddress = \"192.0.2.2\"\nasn = 65010\n", "")), [peer("192.0.2.2")]);
    let all = [peer("192.0.2.1"), peer("192.0.2.2"), range.clone()];
    assert_eq!(reset(&new("10.0.0.1", "10.0.0.2")), all);
    assert_eq!(reset(&new("name = \"g\"", "name = \"g\"\nextended_next_hop = true")), [range]);
}

#[test]
fn policies_limits_descriptions_and_timers_never_reset() {
    let harmless = ["policy", "limit", "description", "time", "keepalive", "retry", "hold", "text", "warning"];
    for key in heddle_config::schema::keys() {
        if harmless.iter().any(|word| key.name.contains(word)) {
            assert_ne!(key.effect, Some(Effect::Reset), "{}", key.name);
        }
    }
}
