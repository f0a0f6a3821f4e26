//! Routes and their attributes through the reflector, to and from each of the five daemons.
//!
//! RFC 4271 §5.1, §9.1, 4456 §5 and §8, 4760 §3, 2545 §3, 1997, 4360, 8092.
//! Topology: the reflector (host 1, AS 65001) and six speakers of one kind on a LAN: a client over IPv4 (host 2) and IPv6
//! (3), a non-client over IPv4 (4) and IPv6 (5), an eBGP peer over IPv4 (6, AS 65006) and IPv6 (7, AS 65007). Each session
//! has both families. Host N originates `198.51.N.0/24` and `2001:db8:N::/48` with all attributes that the daemon can set.
//! Claims: 1. all sessions come up. 2. Clients and eBGP peers get every route, non-clients all but those of the
//! non-clients (RFC 4456 §6). 3. Each route has, as the receiver says, exactly the attributes that it should have there:
//! AS_PATH with our AS toward eBGP only; NEXT_HOP kept toward iBGP and ours toward eBGP; MULTI_EXIT_DISC not toward other
//! ASes; LOCAL_PREF inside the AS only; ORIGINATOR_ID and CLUSTER_LIST on reflected routes only; all else as it was sent.
//! 4. A route that is withdrawn goes everywhere.

use std::rc::Rc;
use std::sync::Arc;

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::peers::openbgpd::Openbgpd;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::view::{Attributes, Family, Route};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, frr_router, gobgp_router, openbgpd_router, peer, router};

pub(crate) const CASES: &[Case] = &[
    Case { name: "attributes::bird", needs: &[Need::Bird], run: || run(&BIRD) },
    Case { name: "attributes::frr", needs: &[Need::Frr], run: || run(&FRR) },
    Case { name: "attributes::gobgp", needs: &[Need::Gobgp], run: || run(&GOBGP) },
    Case { name: "attributes::openbgpd", needs: &[Need::Openbgpd], run: || run(&OPENBGPD) },
    Case { name: "attributes::exabgp", needs: &[Need::Exabgp], run: || run(&EXABGP) },
];

/// What a speaker is to the reflector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    NonClient,
    External,
}

/// One of the six speakers.
#[derive(Clone, Copy, Debug)]
struct Speaker {
    number: u8,
    role: Role,
    transport: Family,
}

impl Speaker {
    fn asn(self) -> u32 {
        if self.role == Role::External { 65000 + u32::from(self.number) } else { 65001 }
    }

    fn address(self) -> String {
        self.next_hop(self.transport)
    }

    fn reflector(self) -> &'static str {
        if self.transport == Family::Ipv4 { "10.0.0.1" } else { "fd00::1" }
    }

    fn prefix(self, family: Family) -> String {
        match family {
            Family::Ipv4 => format!("198.51.{}.0/24", self.number),
            Family::Ipv6 => format!("2001:db8:{}::/48", self.number),
        }
    }

    fn next_hop(self, family: Family) -> String {
        match family {
            Family::Ipv4 => format!("10.0.0.{}", self.number),
            Family::Ipv6 => format!("fd00::{}", self.number),
        }
    }

    /// Whether the reflector passes routes of `origin` on to this speaker (RFC 4456 §6).
    fn hears(self, origin: Speaker) -> bool {
        self.number != origin.number && !(self.role == Role::NonClient && origin.role == Role::NonClient)
    }
}

/// One of the five, and what is particular about it.
struct Kind {
    name: &'static str,
    start: fn(&Arc<Host>, Speaker) -> Instance,
    /// What it originates, next hop and its own AS left out.
    sends: fn() -> Attributes,
    /// What it shows for attributes that an eBGP peer did not send.
    absent: fn(&mut Attributes),
    /// Further lines of our configuration for it as an eBGP peer.
    external: &'static str,
}

/// A running daemon, and how it takes its IPv4 route back.
struct Instance {
    daemon: Rc<dyn Daemon>,
    withdraw: Box<dyn Fn()>,
}

impl Instance {
    fn new<D: Daemon + 'static>(daemon: D, withdraw: impl Fn(&D) + 'static) -> Self {
        let daemon = Rc::new(daemon);
        let same = Rc::clone(&daemon);
        Self { daemon, withdraw: Box::new(move || withdraw(&same)) }
    }
}

fn speakers() -> Vec<Speaker> {
    let mut all = Vec::new();
    for (number, role) in (2..).step_by(2).zip([Role::Client, Role::NonClient, Role::External]) {
        all.push(Speaker { number, role, transport: Family::Ipv4 });
        all.push(Speaker { number: number + 1, role, transport: Family::Ipv6 });
    }
    all
}

fn run(kind: &Kind) {
    let lab = Lab::new(kind.name);
    let rr = lab.host(1, "rr");
    let mut config = router("10.0.0.1");
    for speaker in speakers() {
        config.push_str(&match speaker.role {
            Role::Client => client(&speaker.address(), ""),
            Role::NonClient => peer(&speaker.address(), speaker.asn(), ""),
            Role::External => peer(&speaker.address(), speaker.asn(), kind.external),
        });
    }
    let heddle = Heddle::start(&rr, &config);
    let running: Vec<(Speaker, Instance)> = speakers()
        .into_iter()
        .map(|speaker| (speaker, (kind.start)(&lab.host(speaker.number, &format!("host{}", speaker.number)), speaker)))
        .collect();
    for (speaker, instance) in &running {
        instance.daemon.wait_established(speaker.reflector());
        heddle.wait_established(&speaker.address());
    }
    for (viewer, instance) in &running {
        for family in Family::ALL {
            check(kind, *viewer, instance.daemon.as_ref(), family);
        }
    }
    let (gone, instance) = running.first().expect("six speakers");
    (instance.withdraw)();
    for (_, instance) in running.iter().filter(|(viewer, _)| viewer.hears(*gone)) {
        instance.daemon.wait_no_route(&gone.prefix(Family::Ipv4));
    }
}

/// All that a speaker has in a family is what it should have, to the last attribute.
fn check(kind: &Kind, viewer: Speaker, daemon: &dyn Daemon, family: Family) {
    let expected: Vec<(String, Attributes)> = speakers()
        .into_iter()
        .filter(|origin| viewer.hears(*origin))
        .map(|origin| {
            let attributes = expected(kind, origin, viewer, family).without(daemon.blind_to());
            (origin.prefix(family), attributes)
        })
        .collect();
    let what =
        format!("{} host {} ({:?}) has the routes of the others, {family:?}", kind.name, viewer.number, viewer.role);
    let mut routes = wait_for(&what, PATIENCE, || {
        let routes = daemon.routes(family)?;
        ensure(routes.len() == expected.len(), || daemon.prefixes())?;
        Ok(routes)
    });
    routes.sort_by(|left, right| left.prefix.cmp(&right.prefix));
    let seen: Vec<(String, Attributes)> = routes
        .into_iter()
        .map(|Route { prefix, attributes, .. }| (prefix, attributes.without(daemon.blind_to())))
        .collect();
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!(seen, expected, "{what}");
    }
}

/// What a route of `origin` should look like at `viewer`.
fn expected(kind: &Kind, origin: Speaker, viewer: Speaker, family: Family) -> Attributes {
    let mut attributes = (kind.sends)();
    attributes.next_hop = origin.next_hop(family);
    if origin.role == Role::External {
        attributes.as_path = format!("{} {}", origin.asn(), attributes.as_path);
        // LOCAL_PREF is not sent over eBGP; the reflector gives the default inside the AS (RFC 4271 §5.1.5).
        attributes.local_pref = Some(100);
    }
    if origin.role == Role::External || viewer.role == Role::External {
        // Non-transitive ones stay inside the AS (RFC 4360 §6).
        attributes.extended_communities.retain(|community| !community.starts_with("43"));
    }
    match (origin.role, viewer.role) {
        (_, Role::External) => {
            attributes.as_path = format!("65001 {}", attributes.as_path);
            attributes.next_hop = if family == Family::Ipv4 { "10.0.0.1" } else { "fd00::1" }.to_owned();
            attributes.med = None;
            attributes.local_pref = None;
            (kind.absent)(&mut attributes);
        }
        (Role::External, _) => {}
        (Role::Client | Role::NonClient, _) => {
            attributes.originator_id = Some(format!("10.0.0.{}", origin.number));
            attributes.cluster_list = vec!["10.0.0.1".to_owned()];
        }
    }
    attributes.normalized()
}

/// What most of them can set.
fn rich() -> Attributes {
    Attributes {
        origin: "EGP".to_owned(),
        as_path: "65100 65101".to_owned(),
        med: Some(77),
        local_pref: Some(200),
        communities: vec!["65001:1".to_owned(), "65001:2".to_owned()],
        extended_communities: vec!["rt 65001:5".to_owned()],
        large_communities: vec!["65001:1:2".to_owned()],
        ..Attributes::default()
    }
}

const BIRD: Kind = Kind {
    name: "BIRD",
    start: start_bird,
    sends: || Attributes {
        extended_communities: vec!["4300000000000001".to_owned(), "rt 65001:5".to_owned()],
        ..rich()
    },
    // It gives every route a LOCAL_PREF.
    absent: |attributes| attributes.local_pref = Some(100),
    external: "",
};

fn start_bird(host: &Arc<Host>, speaker: Speaker) -> Instance {
    let attributes = "{ bgp_origin = ORIGIN_EGP; bgp_path.prepend(65101); bgp_path.prepend(65100); bgp_med = 77; \
        bgp_local_pref = 200; bgp_community.add((65001,1)); bgp_community.add((65001,2)); \
        bgp_ext_community.add((rt,65001,5)); bgp_ext_community.add((generic,0x43000000,0x1)); \
        bgp_large_community.add((65001,1,2)); }";
    // It sends MULTI_EXIT_DISC over eBGP only where the export filter sets it.
    let channel = "export filter { bgp_med = 77; accept; };";
    let config = format!(
        "protocol static own4 {{ ipv4; route {} blackhole {attributes}; }}\n\
         protocol static own6 {{ ipv6; route {} blackhole {attributes}; }}\n{}",
        speaker.prefix(Family::Ipv4),
        speaker.prefix(Family::Ipv6),
        bird_session(speaker.number, speaker.asn(), speaker.reflector(), "", channel)
    );
    Instance::new(Bird::start(host, &config), |bird| drop(bird.expect("disable own4")))
}

const FRR: Kind = Kind {
    name: "FRR",
    start: start_frr,
    sends: || Attributes { atomic_aggregate: true, aggregator: Some("65100 10.9.9.9".to_owned()), ..rich() },
    absent: |_| {},
    // Without zebra it knows no interfaces and ends the session over the link-local next hop that goes to a directly
    // connected eBGP peer (RFC 2545 §3).
    external: "multihop = 2",
};

fn start_frr(host: &Arc<Host>, speaker: Speaker) -> Instance {
    let map = "route-map rich permit 10\n set community 65001:1 65001:2\n set large-community 65001:1:2\n \
        set extcommunity rt 65001:5\n set metric 77\n set local-preference 200\n set as-path prepend 65100 65101\n \
        set atomic-aggregate\n set origin egp\n set aggregator as 65100 10.9.9.9\nexit\n";
    let networks = Family::ALL.map(|family| format!("  network {} route-map rich\n", speaker.prefix(family)));
    let router = frr_router(speaker.number, speaker.asn(), &[speaker.reflector()], "", &networks[0], &networks[1]);
    let as_line = format!("router bgp {}", speaker.asn());
    let network = format!("no network {}", speaker.prefix(Family::Ipv4));
    Instance::new(Frr::start(host, &format!("{map}{router}")), move |frr| {
        frr.configure(&[&as_line, "address-family ipv4 unicast", &network]);
    })
}

const GOBGP: Kind = Kind {
    name: "GoBGP",
    start: start_gobgp,
    sends: || Attributes { aggregator: Some("65100 10.9.9.9".to_owned()), ..rich() },
    absent: |_| {},
    external: "",
};

fn start_gobgp(host: &Arc<Host>, speaker: Speaker) -> Instance {
    let config = gobgp_router(speaker.number, speaker.asn(), &[speaker.reflector()], "", "");
    let gobgp = Gobgp::start(host, &config);
    for family in Family::ALL {
        gobgp.advertise(&format!(
            "{} nexthop {} origin egp aspath 65100,65101 med 77 local-pref 200 community 65001:1,65001:2 \
             aggregator 65100:10.9.9.9 large-community 65001:1:2 rt 65001:5",
            speaker.prefix(family),
            speaker.next_hop(family)
        ));
    }
    Instance::new(gobgp, move |gobgp| gobgp.withdraw(&speaker.prefix(Family::Ipv4)))
}

const OPENBGPD: Kind = Kind {
    name: "OpenBGPD",
    start: start_openbgpd,
    // It cannot set an AS_PATH of others.
    sends: || Attributes { as_path: String::new(), ..rich() },
    absent: |attributes| {
        attributes.local_pref = Some(100);
        attributes.med = Some(0);
    },
    external: "",
};

fn start_openbgpd(host: &Arc<Host>, speaker: Speaker) -> Instance {
    let networks = Family::ALL.map(|family| {
        format!(
            "network {} set {{ nexthop {} localpref 200 med 77 community 65001:1 community 65001:2 \
             large-community 65001:1:2 ext-community rt 65001:5 origin egp }}\n",
            speaker.prefix(family),
            speaker.next_hop(family)
        )
    });
    // Toward a directly connected eBGP peer it puts its own address, over the other family's transport a loopback one.
    let multihop = if speaker.role == Role::External { " multihop 2" } else { "" };
    let router = openbgpd_router(speaker.asn(), speaker.reflector(), &networks.concat(), multihop);
    let config = format!("{router}\nmatch to any set nexthop no-modify\n");
    Instance::new(Openbgpd::start(host, &config), move |openbgpd| {
        openbgpd.expect(&format!("network delete {}", speaker.prefix(Family::Ipv4)));
    })
}

const EXABGP: Kind = Kind {
    name: "ExaBGP",
    start: start_exabgp,
    sends: || Attributes {
        atomic_aggregate: true,
        aggregator: Some("65100 10.9.9.9".to_owned()),
        // An optional transitive attribute that nobody knows.
        unknown: [(0x63, "010203".to_owned())].into(),
        ..rich()
    },
    absent: |_| {},
    external: "",
};

fn start_exabgp(host: &Arc<Host>, speaker: Speaker) -> Instance {
    // It sends the AS_PATH as it is written.
    let own = if speaker.role == Role::External { speaker.asn().to_string() } else { String::new() };
    let routes = Family::ALL.map(|family| {
        format!(
            "route {} next-hop {} origin egp med 77 local-preference 200 community [65001:1 65001:2] \
             large-community [65001:1:2] extended-community [target:65001:5] as-path [{own} 65100 65101] \
             attribute [0x63 0xc0 0x010203] aggregator (65100:10.9.9.9) atomic-aggregate;\n",
            speaker.prefix(family),
            speaker.next_hop(family)
        )
    });
    let config = exabgp_session(speaker.number, speaker.asn(), speaker.reflector(), "asn4 enable;", &routes.concat());
    Instance::new(Exabgp::start(host, &config), move |exabgp| {
        let (peer, prefix) = (speaker.reflector(), speaker.prefix(Family::Ipv4));
        exabgp.command(&format!("neighbor {peer} withdraw route {prefix} next-hop {}", speaker.next_hop(Family::Ipv4)));
    })
}
