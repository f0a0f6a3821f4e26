use super::*;

fn judge(guard: &Guard, prefix: &str) -> Option<Refusal> {
    guard.refuses(prefix.parse().expect(prefix), None)
}

/// RFC 7454 §6.1, one row a rule and its edges.
#[test]
fn what_the_internet_guard_refuses() {
    use Refusal::{DefaultRoute, Martian, TooLong, TooShort};
    let guard = Guard::internet();
    let rows = [
        ("0.0.0.0/0", Some(DefaultRoute)),
        ("::/0", Some(DefaultRoute)),
        ("8.0.0.0/7", Some(TooShort)),
        ("9.0.0.0/8", None),
        ("93.184.216.0/24", None),
        ("93.184.216.0/25", Some(TooLong)),
        ("93.184.216.34/32", Some(TooLong)),
        ("2400::/12", Some(TooShort)),
        ("2630::/16", None),
        ("2a00:1450:4001::/48", None),
        ("2a00:1450:4001::/49", Some(TooLong)),
        ("2a00:1450:4001::1/128", Some(TooLong)),
        ("2000::/3", Some(TooShort)),
        ("::/2", Some(TooShort)),
        ("0.0.0.0/8", Some(Martian)),
        ("10.0.0.0/8", Some(Martian)),
        ("10.65.0.17/32", Some(Martian)),
        ("100.64.0.0/10", Some(Martian)),
        ("100.128.0.0/10", None),
        ("127.0.0.0/8", Some(Martian)),
        ("169.254.0.0/16", Some(Martian)),
        ("172.16.0.0/12", Some(Martian)),
        ("172.32.0.0/12", None),
        ("192.0.0.0/24", Some(Martian)),
        ("192.0.1.0/24", None),
        ("192.0.2.0/24", Some(Martian)),
        ("192.88.99.0/24", Some(Martian)),
        ("192.168.7.0/24", Some(Martian)),
        ("198.18.0.0/15", Some(Martian)),
        ("198.20.0.0/16", None),
        ("198.51.100.0/24", Some(Martian)),
        ("203.0.113.0/24", Some(Martian)),
        ("224.0.0.0/8", Some(Martian)),
        ("240.0.0.0/8", Some(Martian)),
        ("255.255.255.0/24", Some(Martian)),
        ("::/16", Some(Martian)),
        ("64:ff9b::/32", Some(Martian)),
        ("100::/32", Some(Martian)),
        ("4000::/16", Some(Martian)),
        ("2001::/32", Some(Martian)),
        ("2001:4::/32", None),
        ("2001:2::/48", Some(Martian)),
        ("2001:10::/28", Some(Martian)),
        ("2001:db8:7::/48", Some(Martian)),
        ("2001:db9::/32", None),
        ("2002::/16", Some(Martian)),
        ("3ffe::/16", Some(Martian)),
        ("3fff::/20", Some(Martian)),
        ("5f00::/16", Some(Martian)),
        ("fc00::/16", Some(Martian)),
        ("fe80::/16", Some(Martian)),
        ("fec0::/16", Some(Martian)),
        ("ff00::/16", Some(Martian)),
    ];
    for (prefix, expected) in rows {
        assert_eq!(judge(&guard, prefix), expected, "{prefix}");
    }
}

/// RFC 7454 §6.1.4: our prefixes and what is in them, not what they are in.
#[test]
fn our_own_prefixes() {
    let own = ["93.184.216.0/22", "10.7.0.0/16", "2a00:1450::/32"];
    let guard = Guard { own: own.iter().map(|p| p.parse().expect(p)).collect(), ..Guard::internet() };
    for inside in ["93.184.216.0/22", "93.184.217.0/24", "10.7.3.0/24", "2a00:1450:1::/48"] {
        assert_eq!(judge(&guard, inside), Some(Refusal::OwnPrefix), "{inside}");
    }
    for outside in ["93.184.208.0/20", "93.184.220.0/24", "2a00:1451::/32"] {
        assert_eq!(judge(&guard, outside), None, "{outside}");
    }
    assert_eq!(judge(&guard, "10.8.0.0/16"), Some(Refusal::Martian));
}

#[test]
fn each_rule_is_turned_off_alone() {
    let default = Guard { default_route: Verdict::Accept, ..Guard::internet() };
    assert_eq!((judge(&default, "::/0"), judge(&default, "10.0.0.0/8")), (None, Some(Refusal::Martian)));
    let martians = Guard { martians: Verdict::Accept, ..Guard::internet() };
    assert_eq!((judge(&martians, "10.0.0.0/8"), judge(&martians, "0.0.0.0/0")), (None, Some(Refusal::DefaultRoute)));
    let lengths = Guard { ipv4_lengths: 16..=32, ipv6_lengths: 32..=64, ..Guard::internet() };
    for (prefix, expected) in [
        ("9.0.0.0/15", Some(Refusal::TooShort)),
        ("9.0.0.1/32", None),
        ("2a00::/31", Some(Refusal::TooShort)),
        ("2a00::/64", None),
        ("2a00::/65", Some(Refusal::TooLong)),
    ] {
        assert_eq!(judge(&lengths, prefix), expected, "{prefix}");
    }
}

/// RFC 7454 §10.
#[test]
fn next_hops_of_no_neighbour() {
    let guard = Guard::internet();
    let judge = |text: &str| {
        let next_hop = match text.parse().expect(text) {
            std::net::IpAddr::V4(a) => NextHop::V4(a),
            std::net::IpAddr::V6(a) => NextHop::V6(a),
        };
        guard.refuses("9.0.0.0/8".parse().expect("a prefix"), Some(next_hop))
    };
    for good in ["192.0.2.1", "10.0.0.1", "239.255.255.255", "2001:db8::1", "fd00::1", "fe80::1"] {
        assert_eq!(judge(good), None, "{good}");
    }
    for bad in ["240.0.0.1", "::ffff:192.0.2.1", "100::1", "4000::1", "fec0::1"] {
        assert_eq!(judge(bad), Some(Refusal::NextHop), "{bad}");
    }
    let both = NextHop::V6LinkLocal("4000::1".parse().expect("v6"), "fe80::1".parse().expect("v6"));
    assert_eq!(guard.refuses("9.0.0.0/8".parse().expect("a prefix"), Some(both)), Some(Refusal::NextHop));
}

/// Each refusal counts under its own reason, and counts of several peers add up.
#[test]
fn refusals_are_counted() {
    let mut counts = GuardCounts::default();
    assert!(counts.is_zero());
    for (times, refusal) in (1..).zip(Refusal::ALL) {
        (0..times).for_each(|_| counts.count(refusal));
        assert!(!counts.is_zero());
    }
    let mut sum = counts;
    sum += counts;
    for (times, refusal) in (1..).zip(Refusal::ALL) {
        assert_eq!((counts.of(refusal), sum.of(refusal)), (times, 2 * times), "{refusal}");
    }
}

/// The words that `show routes --explain` gives cite the rule; each reason has its own.
#[test]
fn refusals_in_words() {
    let words: std::collections::BTreeSet<String> = Refusal::ALL.iter().map(Refusal::to_string).collect();
    assert_eq!(words.len(), Refusal::ALL.len());
    assert_eq!(Refusal::TooLong.to_string(), "the prefix is too specific (RFC 7454 §6.1.3)");
}
