//! The parser on all expected files, the evaluator by hand and on the worked example.

use heddle_bgp_core::Prefix;

use super::ast::{Bird, FilterUse, Kind, RouteSource, Setting};
use super::eval::{Route, Verdict, glob_matches, run};
use super::parse;
use crate::data::Data;
use crate::session::Version;

fn bird(text: &str) -> Bird {
    parse("t", &|_| Some(text.to_owned())).unwrap()
}

fn route(net: &str, source: RouteSource) -> Route {
    Route::new(net.parse::<Prefix>().unwrap(), source)
}

/// Runs a filter body given as text.
fn decide(body: &str, route: &mut Route) -> Option<Verdict> {
    let bird = bird(&format!("filter f {{ {body} }}"));
    run(&bird, &bird.filters["f"], route).unwrap()
}

#[test]
fn every_expected_file_is_understood() {
    let data = Data::open();
    let cases = data.expected_cases();
    assert!(cases.len() >= 67, "{}", cases.len());
    for case in cases {
        for version in Version::BOTH {
            let daemon = data.expected(&case, version, &[]).unwrap_or_else(|e| panic!("{e}"));
            assert!(daemon.router_id.is_some(), "{case}");
            let count = |k: Kind| daemon.protocols.iter().filter(|p| p.kind == k).count();
            assert_eq!((count(Kind::Kernel), count(Kind::Device), count(Kind::Direct)), (1, 1, 1), "{case}");
            assert!(daemon.filters.contains_key("calico_kernel_programming"), "{case}");
            assert!(daemon.functions.contains_key("calico_export_to_bgp_peers"), "{case}");
        }
    }
}

#[test]
fn what_is_not_known_names_file_and_line() {
    let rows = [
        ("router id 1;", "t:1: an address expected"),
        ("router id 1.1.1.1;\nrouter id 1.1.1.1;", "t:2: router id a second time"),
        ("\nprotocol ospf x {}", "t:2: bgp, device, direct, kernel or static expected"),
        ("protocol bgp x {\n  hold time 3;\n}", "t:2: a setting of the BGP protocol expected"),
        ("protocol bgp x from nowhere {}", "t:1: a template that is known before \"nowhere\""),
        ("protocol direct {\n passive on;\n}", "t:2: \"interface\" expected"),
        ("filter f {\n\n print 1;\n}", "t:3: an attribute of a route expected"),
        ("filter f { if net ~ 1.0.0.0/8 && source = RTS_BGP || net = 1.0.0.0/8 then accept; }", "parentheses"),
        ("filter f { bgp_path.delete(1); }", "t:1: \"prepend\" expected"),
        ("filter f { accept; ", "t:0: an attribute of a route expected, not the end"),
    ];
    for (text, want) in rows {
        let got = parse("t", &|_| Some(text.to_owned())).map(|_| ()).unwrap_err().to_string();
        assert!(got.contains(want), "{got}");
    }
    let missing = parse("t", &|f| (f == "t").then(|| "\ninclude \"other\";".to_owned())).map(|_| ()).unwrap_err();
    assert_eq!(missing.to_string(), "other:0: no such file");
}

#[test]
fn settings_of_a_template_come_before_the_protocols_own() {
    let text =
        "template bgp b { local as 1; passive; } protocol bgp p from b { local as 2; multihop 3; ttl security off; }";
    let settings = [
        Setting::LocalAs(1),
        Setting::Passive(true),
        Setting::LocalAs(2),
        Setting::Multihop(Some(3)),
        Setting::TtlSecurity(false),
    ];
    assert_eq!(bird(text).protocols[0].settings, settings);
}

#[test]
fn comparisons() {
    let mut bgp = route("10.1.2.0/24", RouteSource::Bgp);
    bgp.ifname = Some("vxlan.calico".to_owned());
    bgp.local_pref = Some(100);
    bgp.path = vec![65000, 65001, 65002];
    bgp.communities.insert((65000, 7));
    bgp.large_communities.insert((1, 2, 3));
    bgp.next_hop = Some("192.0.2.1".parse().unwrap());
    let rows = [
        ("net ~ 10.0.0.0/8", true),
        ("net ~ 10.1.2.0/24", true),
        ("net ~ 10.1.2.0/25", false),
        ("net !~ 10.0.0.0/8", false),
        ("net = 10.1.2.0/24", true),
        ("net = 10.0.0.0/8", false),
        ("net != 10.0.0.0/8", true),
        ("net ~ [ 10.0.0.0/8{24,32} ]", true),
        ("net ~ [ 10.0.0.0/8{25,32} ]", false),
        ("net ~ [ 10.0.0.0/8{16,23} ]", false),
        ("net ~ [ 11.0.0.0/8+, 10.0.0.0/8+ ]", true),
        ("net ~ [ 10.0.0.0/8 ]", false),
        ("net !~ [ 10.0.0.0/8{24,24} ]", false),
        // A prefix and a set of prefixes are of two types: equal never, unequal always.
        ("net = [ 10.1.2.0/24{24,24} ]", false),
        ("net != [ 10.1.2.0/24{24,24} ]", true),
        ("source = RTS_BGP", true),
        ("source ~ [ RTS_BGP ]", true),
        ("source ~ [ RTS_STATIC, RTS_DEVICE ]", false),
        ("defined(ifname) && ifname ~ \"*.calico\"", true),
        ("ifname ~ \"*.cali\"", false),
        ("defined(krt_metric)", false),
        ("krt_metric < 1024", true),
        ("defined(bgp_local_pref) && (bgp_local_pref = 100)", true),
        ("bgp_local_pref > 99 && bgp_local_pref >= 100 && bgp_local_pref <= 100 && bgp_local_pref < 101", true),
        ("2147483647 - bgp_local_pref = 2147483547", true),
        ("(65000, 7) ~ bgp_community", true),
        ("(65000, 8) ~ bgp_community", false),
        ("(1, 2, 3) ~ bgp_large_community", true),
        ("(1, 2, 4) ~ bgp_large_community", false),
        ("bgp_path ~ [= 65000 * =]", true),
        ("bgp_path ~ [= 65000 65001 * =]", true),
        ("bgp_path ~ [= 65000 65002 * =]", false),
        ("bgp_path ~ [= 65000 =]", false),
        ("bgp_path ~ [= * 65002 =]", true),
        ("bgp_path ~ [= 65000 ? 65002 =]", true),
        ("65001 ~ bgp_path", true),
        ("bgp_next_hop ~ 192.0.2.0/24", true),
        ("!(net ~ 10.0.0.0/8)", false),
        ("net ~ 11.0.0.0/8 || source = RTS_BGP", true),
    ];
    for (condition, holds) in rows {
        let want = if holds { Verdict::Accept } else { Verdict::Reject };
        let body = format!("if {condition} then accept; else reject;");
        assert_eq!(decide(&body, &mut bgp.clone()), Some(want), "{condition}");
    }
    let errors = ["net ~ 5", "bgp_path < 1", "net", "bgp_local_pref && true", "krt_metric + 1 = 2", "ifname ~ 1"];
    for condition in errors {
        let bird = bird(&format!("filter f {{ if {condition} then accept; }}"));
        let error = run(&bird, &bird.filters["f"], &mut bgp.clone()).unwrap_err();
        assert_eq!(error.place.map(|p| p.to_string()), Some("t:1".to_owned()), "{condition}");
    }
}

#[test]
fn changes() {
    let mut r = route("10.0.0.0/8", RouteSource::Bgp);
    let body = "krt_metric = 7; krt_tunnel = \"tunl0\"; bgp_local_pref = 9; preference = 200; \
                bgp_community.add((1, 2)); bgp_large_community.add((1, 2, 3)); bgp_path.prepend(5); bgp_path.prepend(4);";
    assert_eq!(decide(body, &mut r), None);
    let mut want = route("10.0.0.0/8", RouteSource::Bgp);
    (want.krt_metric, want.krt_tunnel, want.local_pref, want.preference) =
        (Some(7), Some("tunl0".to_owned()), Some(9), 200);
    want.communities.insert((1, 2));
    want.large_communities.insert((1, 2, 3));
    want.path = vec![4, 5];
    assert_eq!(r, want);
}

#[test]
fn a_function_that_accepts_ends_the_filter() {
    let text = "function 'f-1'(bool x) { if !x then reject; } filter g { 'f-1'(true); 'f-1'(false); accept; }";
    let bird = bird(text);
    let verdict = run(&bird, &bird.filters["g"], &mut route("10.0.0.0/8", RouteSource::Bgp));
    assert_eq!(verdict, Ok(Some(Verdict::Reject)));
}

#[test]
fn globs() {
    let rows = [
        ("*", "", true),
        ("*", "eth0", true),
        ("*.cali", "bpfin.cali", true),
        ("*.cali", "cali", false),
        ("bpf*.cali", "bpf.cali", true),
        ("eth?", "eth0", true),
        ("eth?", "eth", false),
        ("eth0", "eth0", true),
        ("eth0", "eth01", false),
    ];
    for (glob, text, want) in rows {
        assert_eq!(glob_matches(glob.as_bytes(), text.as_bytes()), want, "{glob} {text}");
    }
}

const M: u32 = 2_147_483_647;

/// `mesh/ipip-always` by hand: what the first mesh session takes, gives and what goes into the kernel.
#[test]
fn the_worked_example() {
    use RouteSource::{Bgp, Device, Inherit, Static};
    use Verdict::{Accept, Reject};
    let read = |version| Data::open().expected("mesh/ipip-always", version, &[]).unwrap();
    let (bird, bird6) = (&read(Version::V4), read(Version::V6));
    assert_eq!(bird.router_id, Some([10, 192, 0, 2].into()));
    let names: Vec<_> = bird.protocols.iter().filter_map(|p| p.name.as_deref()).collect();
    assert_eq!(names, ["Mesh_10_192_0_3", "Mesh_10_192_0_4"]);
    assert!(bird6.protocols.iter().all(|p| p.kind != Kind::Bgp));
    let session = bird.protocols.iter().find(|p| p.kind == Kind::Bgp).unwrap();
    let body = |pick: fn(&Setting) -> Option<&FilterUse>| match session.settings.iter().find_map(pick).unwrap() {
        FilterUse::Body(body) => body,
        other => panic!("{other:?}"),
    };
    let export = body(|s| if let Setting::Export(f) = s { Some(f) } else { None });
    let import = body(|s| if let Setting::Import(f) = s { Some(f) } else { None });

    let exports = [
        ("10.0.0.0/30", Static, "", None, Accept, M - 1024),
        ("10.0.0.1/32", Inherit, "cali1", None, Reject, M - 1024),
        ("10.0.0.1/32", Inherit, "cali1", Some(512), Accept, M - 512),
        ("10.2.0.1/32", Inherit, "cali1", None, Accept, M - 1024),
        // Pending: no block of ours, inside of the pool.
        ("192.168.221.0/26", Static, "", None, Accept, M - 1024),
        ("192.168.221.65/32", Inherit, "cali1", None, Reject, M - 1024),
        ("192.168.5.1/32", Inherit, "cali1", None, Accept, M - 1024),
        ("192.168.5.1/32", Inherit, "tunl0", None, Reject, M - 1024),
        ("192.168.5.1/32", Inherit, "vxlan.calico", None, Reject, M - 1024),
        ("192.168.5.1/32", Inherit, "bpfin.cali", None, Reject, M - 1024),
        ("10.192.0.0/16", Device, "eth0", None, Reject, M - 1024),
        ("0.0.0.0/0", Inherit, "eth0", None, Reject, M - 1024),
    ];
    for (net, source, ifname, metric, want, lp) in exports {
        let mut r = route(net, source);
        (r.ifname, r.krt_metric) = (Some(ifname.to_owned()), metric);
        assert_eq!((run(bird, export, &mut r), r.local_pref), (Ok(Some(want)), Some(lp)), "{net} {ifname}");
    }

    for (lp, want) in [(None, 100), (Some(100), 100), (Some(M - 1024), 100), (Some(M - 1023), 200)] {
        let mut r = route("192.168.7.0/26", Bgp);
        r.local_pref = lp;
        assert_eq!((run(bird, import, &mut r), r.preference), (Ok(Some(Accept)), want), "{lp:?}");
    }

    let kernel = &bird.filters["calico_kernel_programming"];
    let rows = [
        ("192.168.7.0/26", Some(M - 1024), Reject, 1024),
        ("172.16.0.0/16", Some(M - 512), Accept, 512),
        ("172.16.0.0/16", Some(100), Accept, M - 100),
        ("172.16.0.0/16", None, Accept, 1024),
    ];
    for (net, lp, want, metric) in rows {
        let mut r = route(net, Bgp);
        r.local_pref = lp;
        assert_eq!((run(bird, kernel, &mut r), r.krt_metric), (Ok(Some(want)), Some(metric)), "{net} {lp:?}");
    }
}
