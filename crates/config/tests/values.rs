//! Texts of addresses, prefixes and communities.

use heddle_config::{
    Community, CommunityError, CommunityPattern, Config, ListenAddress, PeerAddress, PrefixRange, PrefixRangeError,
};

#[test]
fn communities_both_ways() {
    let table = [
        ("65001:100", Community::Standard(0xfde9_0064)),
        ("no-export", Community::Standard(0xffff_ff01)),
        ("graceful-shutdown", Community::Standard(0xffff_0000)),
        ("65001:1:4294967295", Community::Large([65001, 1, u32::MAX])),
        ("rt:65001:100000", Community::Extended([0, 2, 0xfd, 0xe9, 0, 1, 0x86, 0xa0])),
        ("soo:192.0.2.1:7", Community::Extended([1, 3, 192, 0, 2, 1, 0, 7])),
        ("rt:4200000000:7", Community::Extended([2, 2, 0xfa, 0x56, 0xea, 0, 0, 7])),
        ("0x4300000000000001", Community::Extended([0x43, 0, 0, 0, 0, 0, 0, 1])),
        // RFC 5668 §2: an AS that fits into two octets has no four-octet form, so these octets have no name.
        ("0x02020000fde90007", Community::Extended([2, 2, 0, 0, 0xfd, 0xe9, 0, 7])),
    ];
    for (text, community) in table {
        assert_eq!(text.parse(), Ok(community), "{text}");
        assert_eq!(community.to_string(), text);
        assert_eq!(Community::try_from(CommunityPattern::from(community)), Ok(community), "{text}");
    }
    for text in ["65001:*", "*:*", "65001:100-199", "1:*:2-3", "rt:65001:*", "rt:*:1-2", "soo:192.0.2.1:*"] {
        let pattern: CommunityPattern = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(pattern.to_string(), text);
        assert_eq!(text.parse::<Community>(), Err(CommunityError::Pattern), "{text}");
    }
    for text in [
        "",
        "1",
        "65536:1",
        "1:65536",
        "-1:1",
        "+1:1",
        "1:2:3:4",
        "rt:1",
        "rt:1:4294967296",
        "rt:70000:65536",
        "soo:192.0.2.1:65536",
        "0x1",
        "0xzz00000000000001",
        "5-3:1",
        "1:-",
        "No-Export",
        "1: 2",
    ] {
        assert!(text.parse::<CommunityPattern>().is_err(), "{text}");
    }
}

#[test]
fn prefix_ranges_both_ways() {
    let table = [
        ("10.0.0.0/8", (8, 8), "10.0.0.0/8"),
        ("10.0.0.0/8 ge 16", (16, 32), "10.0.0.0/8 ge 16"),
        ("10.0.0.0/8 le 24", (8, 24), "10.0.0.0/8 le 24"),
        ("10.0.0.0/8  le 24 ge 16", (16, 24), "10.0.0.0/8 ge 16 le 24"),
        ("10.0.0.0/8 ge 8", (8, 32), "10.0.0.0/8 le 32"),
        ("10.0.0.0/8 ge 8 le 8", (8, 8), "10.0.0.0/8"),
        ("2001:db8::/32 ge 48", (48, 128), "2001:db8::/32 ge 48"),
        ("0.0.0.0/0 le 32", (0, 32), "0.0.0.0/0 le 32"),
    ];
    for (text, bounds, shown) in table {
        let range: PrefixRange = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!((range.ge, range.le), bounds, "{text}");
        assert_eq!(range.to_string(), shown);
        assert_eq!(shown.parse(), Ok(range));
    }
    for text in ["10.0.0.0/8 ge 4", "10.0.0.0/8 le 33", "10.0.0.0/8 ge 20 le 16", "2001:db8::/32 le 129"] {
        assert!(matches!(text.parse::<PrefixRange>(), Err(PrefixRangeError::Order(..))), "{text}");
    }
    for text in ["10.0.0.0/8 ge", "10.0.0.0/8 eq 9", "10.0.0.0/8 ge 9 ge 9", "10.0.0.0/8 ge x", "10.0.0.0/8 ge 256"] {
        assert_eq!(text.parse::<PrefixRange>(), Err(PrefixRangeError::Shape), "{text}");
    }
}

#[test]
fn addresses_both_ways() {
    for (text, shown) in [
        ("192.0.2.1", "192.0.2.1:179"),
        ("192.0.2.1:1179", "192.0.2.1:1179"),
        ("::", "[::]:179"),
        ("[2001:db8::1]:0", "[2001:db8::1]:0"),
        ("[fe80::1%eth0]:179", "[fe80::1%eth0]:179"),
    ] {
        let address: ListenAddress = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(address.to_string(), shown);
    }
    for text in
        ["", ":179", "192.0.2.1:", "192.0.2.1:65536", "[::1]", "[::1]:x", "host:179", "[fe80::1]:179", "[::1%lo]:179"]
    {
        assert!(text.parse::<ListenAddress>().is_err(), "{text}");
    }
    for text in ["192.0.2.1", "2001:db8::1", "fe80::1%eth0.100"] {
        assert_eq!(text.parse::<PeerAddress>().map(|a| a.to_string()).as_deref(), Ok(text));
    }
    for text in [
        "fe80::1",
        "fe80::1%",
        "fe80::1%a/b",
        "fe80::1%0123456789abcdef",
        "192.0.2.1%lo",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "192.0.2.1:179",
        "x",
    ] {
        assert!(text.parse::<PeerAddress>().is_err(), "{text}");
    }
}

#[test]
fn what_is_most_likely_not_meant() {
    let text = "
        router = { asn = 65001, router_id = '10.0.0.1' }
        policies = [{ name = 'in' }, { name = 'out' }]
        [[peers]]
        address = '192.0.2.1'
        asn = 65010
        import_policy = 'in'
        [[peers]]
        address = '192.0.2.2'
        asn = 65001
    ";
    let warnings = |text: &str| -> Vec<String> {
        let config = Config::from_toml(text, "t").unwrap_or_else(|e| panic!("{e}"));
        config.warnings().iter().map(ToString::to_string).collect()
    };
    let router = "router = { asn = 1, router_id = '10.0.0.1' }\n";
    assert_eq!(
        warnings(&format!("{router}[fib]")),
        [
            "[fib] without resolve_next_hops = true in [router.decision]: routes to next hops that cannot be reached are \
          chosen and advertised all the same"
        ]
    );
    assert_eq!(
        warnings(&format!("{router}networks = [{{ prefix = '10.0.0.0/8', blackhole = true }}]")),
        ["network 10.0.0.0/8 has blackhole = true, but there is no [fib] that would put it into the kernel"]
    );
    assert_eq!(
        warnings(text),
        [
            "no peer uses the policy \"out\"",
            "peer 192.0.2.1 is an eBGP peer without \"export_policy\" for ipv4-unicast: nothing is advertised to it \
             (RFC 8212)",
        ]
    );
}
