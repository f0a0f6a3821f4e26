//! Changes of the configuration while sessions run.
//!
//! RFC 2918 (a policy is evaluated anew without asking the peer), RFC 2385. Topology: the reflector (host 1); clients BIRD
//! (2), FRR (3), GoBGP (4, added later), and ExaBGP (5, AS 65005, eBGP), with a password between us and FRR.
//! Claims: 1. a peer that is added comes up, one that is removed ends with Cease, Peer De-configured, and comes back when it is
//! added again. 2. A changed import policy changes what the clients have, without a refresh from anybody; so does an export
//! policy. 3. A changed password reaches only its peer: that session is new, no other. 4. A file with an error changes
//! nothing, and `heddle config check` and `config apply` say where it is. 5. The sessions that a change is not about keep their uptime.

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, frr_router, gobgp_router, router};

pub(crate) const CASES: &[Case] =
    &[Case { name: "reload", needs: &[Need::Bird, Need::Frr, Need::Gobgp, Need::Exabgp], run }];

/// What varies in the configuration.
struct Variant<'a> {
    key_file: &'a str,
    gobgp: &'a str,
    import: &'a str,
    export: &'a str,
}

impl Variant<'_> {
    fn text(&self) -> String {
        let policies = format!(
            "\n[[policies]]\nname = \"in\"\ndefault = \"accept\"\n{}\n[[policies]]\nname = \"out\"\ndefault = \"accept\"\n{}\n",
            self.import, self.export
        );
        let external = "\n[[peers]]\naddress = \"10.0.0.5\"\nasn = 65005\nconnect_retry = 1\nimport_policy = \"in\"\n\
            export_policy = \"all\"\n";
        [
            router("10.0.0.1"),
            policies,
            client("10.0.0.2", "export_policy = \"out\""),
            client("10.0.0.3", &format!("password_file = \"{}\"", self.key_file)),
            self.gobgp.to_owned(),
            external.to_owned(),
        ]
        .concat()
    }
}

fn run() {
    let lab = Lab::new("reload");
    let rr = lab.host(1, "rr");
    let (first, second) = (rr.write("first.key", "warp"), rr.write("second.key", "weft"));
    let (first, second) = (first.to_string_lossy(), second.to_string_lossy());
    let base = Variant { key_file: &first, gobgp: "", import: "", export: "" };
    let heddle = Heddle::start(&rr, &base.text());
    let bird = Bird::start(&lab.host(2, "bird"), &bird_session(2, 65001, "10.0.0.1", "", ""));
    let with_password = " neighbor RR password warp\n";
    let frr = Frr::start(&lab.host(3, "frr"), &frr_router(3, 65001, &["10.0.0.1"], with_password, "", ""));
    let gobgp = Gobgp::start(&lab.host(4, "gobgp"), &gobgp_router(4, 65001, &["10.0.0.1"], "", ""));
    let route = "route 198.51.100.0/24 next-hop 10.0.0.5 community [65005:1];";
    let exabgp = Exabgp::start(&lab.host(5, "exabgp"), &exabgp_session(5, 65005, "10.0.0.1", "asn4 enable;", route));
    let others: [&dyn Daemon; 2] = [&bird, &exabgp];
    let before = others.map(|daemon| daemon.wait_established("10.0.0.1"));
    let frr_before = frr.wait_established("10.0.0.1");
    assert_eq!(bird.wait_route("198.51.100.0/24").attributes.local_pref, Some(100));

    // Claim 1.
    let added = client("10.0.0.4", "");
    heddle.reload(&Variant { gobgp: &added, ..base }.text());
    gobgp.wait_established("10.0.0.1");
    gobgp.wait_route("198.51.100.0/24");
    heddle.reload(&base.text());
    gobgp.wait_down("10.0.0.1");
    assert!(heddle.session("10.0.0.4").is_err(), "the peer is gone");
    heddle.reload(&Variant { gobgp: &added, ..base }.text());
    gobgp.wait_established("10.0.0.1");

    // Claim 2.
    let import = "[[policies.rules]]\nmatch = { communities = \"65005:1\" }\nthen = { set = { local_pref = 250 }, action = \"accept\" }\n";
    let export = "[[policies.rules]]\nmatch = { prefixes = \"198.51.100.0/24\" }\nthen = { set = { med = 9 }, action = \"accept\" }\n";
    let asked = exabgp.refreshes("10.0.0.1");
    heddle.reload(&Variant { gobgp: &added, import, export, ..base }.text());
    for daemon in [&bird as &dyn Daemon, &frr, &gobgp] {
        wait_for(&format!("{}: the new policies act", daemon.name()), PATIENCE, || {
            let route = daemon.paths("198.51.100.0/24")?.pop().ok_or("it is gone")?;
            let med = if daemon.name() == "bird" { Some(9) } else { None };
            ensure(route.attributes.local_pref == Some(250) && route.attributes.med == med, || format!("{route:#?}"))
        });
    }
    assert_eq!(exabgp.refreshes("10.0.0.1"), asked, "nobody was asked for routes");

    // Claim 3.
    let gobgp_before = gobgp.wait_established("10.0.0.1");
    heddle.reload(&Variant { key_file: &second, gobgp: &added, import, export }.text());
    frr.configure(&["router bgp 65001", "neighbor 10.0.0.1 password weft"]);
    wait_for("FRR has a new session with the new password", PATIENCE, || {
        let now = frr.session("10.0.0.1")?;
        ensure(now.established && now.incarnation != frr_before.incarnation, || format!("{now:?}"))
    });
    assert_eq!(gobgp.session("10.0.0.1"), Ok(gobgp_before));

    refuses_a_bad_file(&heddle, &rr, &Variant { key_file: &second, gobgp: &added, import, export }.text());

    // Claim 5.
    for (daemon, before) in others.into_iter().zip(before) {
        assert_eq!(daemon.session("10.0.0.1"), Ok(before), "{}: the session stayed", daemon.name());
    }
}

/// Claim 4.
fn refuses_a_bad_file(heddle: &Heddle, rr: &Host, good: &str) {
    heddle.write_config(&good.replacen("connect_retry = 1", "conect_retry = 1", 1));
    let file = rr.path("heddle.toml");
    for args in [["config", "check"], ["config", "apply"]] {
        let output = heddle.run(&[args[0], args[1], &file.to_string_lossy()]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && text.contains("conect_retry") && text.contains("connect_retry"),
            "{args:?}: {text}"
        );
    }
    assert!(heddle.session("10.0.0.2").expect("it answers").established);
}
