//! The reflector of these tests and the hosts around it.
//!
//! Topology: the reflector (10.0.0.1, AS 65000) on one host, on another one the raw peers. Each peer has an address of its
//! own, by whose second octet it is told what it is, so that a session that was reset holds nobody else back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::peer::{RawPeer, enter};
use crate::rows::Session;
use crate::wire::{FAMILIES, OpenWith, USUAL_PREFIX, advertise, four_octets};

/// What a peer is to the reflector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// One of those that rows are for.
    Of(Session),
    /// External without extended messages.
    ShortMessages,
    /// Internal without extended messages.
    InternalShortMessages,
    /// External; we are its customer and want to hear its role.
    StrictRole,
}

impl Kind {
    /// AS 65001.
    pub(crate) const EXTERNAL: Kind = Kind::Of(Session::External);
    /// A client.
    pub(crate) const INTERNAL: Kind = Kind::Of(Session::Internal);
    /// What each message is said as.
    pub(crate) const BOTH: [Kind; 2] = [Kind::EXTERNAL, Kind::INTERNAL];
    pub(crate) const ALL: [Kind; 12] = [
        Kind::EXTERNAL,
        Kind::INTERNAL,
        Kind::Of(Session::TwoOctet),
        Kind::Of(Session::AddPath),
        Kind::Of(Session::Customer),
        Kind::Of(Session::AnyFirstAs),
        Kind::Of(Session::InternalNoSets),
        Kind::ShortMessages,
        Kind::StrictRole,
        Kind::Of(Session::InternalTwoOctet),
        Kind::Of(Session::InternalAddPath),
        Kind::InternalShortMessages,
    ];

    /// The same without extended messages.
    pub(crate) fn short(self) -> Kind {
        if self.internal() { Kind::InternalShortMessages } else { Kind::ShortMessages }
    }

    /// The second octet of its addresses, the name and the keys of its peer group.
    fn group(self) -> (u8, &'static str, &'static str) {
        const CLIENT: &str = "route_reflector_client = true\naigp = true";
        match self {
            Kind::Of(Session::External) => (1, "external", ""),
            Kind::Of(Session::Internal) => (2, "internal", CLIENT),
            Kind::Of(Session::TwoOctet) => (3, "two-octet", ""),
            Kind::Of(Session::AddPath) => (4, "add-path", "add_path = { receive = true }"),
            Kind::Of(Session::Customer) => (5, "customer", "role = \"provider\""),
            Kind::Of(Session::AnyFirstAs) => (6, "any-first-as", "enforce_first_as = false"),
            Kind::Of(Session::InternalNoSets) => {
                (7, "internal-no-sets", "route_reflector_client = true\nreject_as_sets = true")
            }
            Kind::ShortMessages => (8, "short", "extended_messages = false"),
            Kind::StrictRole => (9, "strict-role", "role = \"customer\"\nstrict_role = true"),
            Kind::Of(Session::InternalTwoOctet) => (10, "internal-two-octet", CLIENT),
            Kind::Of(Session::InternalAddPath) => {
                (12, "internal-add-path", "route_reflector_client = true\nadd_path = { receive = true }")
            }
            Kind::InternalShortMessages => {
                (13, "internal-short", "route_reflector_client = true\nextended_messages = false")
            }
        }
    }

    pub(crate) fn internal(self) -> bool {
        match self {
            Kind::Of(session) => session.internal(),
            Kind::InternalShortMessages => true,
            Kind::ShortMessages | Kind::StrictRole => false,
        }
    }

    pub(crate) fn asn(self) -> u16 {
        if self.internal() { 65000 } else { 65001 }
    }

    /// The usual path attributes of its routes.
    pub(crate) fn base(self) -> Vec<&'static str> {
        match self {
            Kind::Of(session) => session.base(),
            Kind::InternalShortMessages => Session::Internal.base(),
            Kind::ShortMessages | Kind::StrictRole => Session::External.base(),
        }
    }

    /// The capabilities of its OPEN.
    pub(crate) fn capabilities(self) -> String {
        let narrow = matches!(self, Kind::Of(Session::TwoOctet | Session::InternalTwoOctet));
        let asn = if narrow { String::new() } else { four_octets(self.asn()) };
        let more = match self {
            // RFC 7911 §4: IPv4 unicast, send.
            Kind::Of(Session::AddPath | Session::InternalAddPath) => "450400010102",
            // RFC 9234 §4.1: customer.
            Kind::Of(Session::Customer) => "090103",
            // Provider.
            Kind::StrictRole => "090100",
            _ => "",
        };
        format!("{FAMILIES} {asn} 0200 {more}")
    }
}

/// The configuration; `more` stands at its end.
pub(crate) fn config(more: &str) -> String {
    let mut text = String::from(
        "[router]\nasn = 65000\nrouter_id = \"10.0.0.1\"\nlisten = [\"10.0.0.1:179\"]\n\n\
         [[policies]]\nname = \"all\"\ndefault = \"accept\"\n",
    );
    for kind in Kind::ALL {
        let (octet, name, keys) = kind.group();
        let asn = kind.asn();
        let policies = if kind.internal() { "" } else { "import_policy = \"all\"\nexport_policy = \"all\"\n" };
        text.push_str(&format!(
            "\n[[peer_groups]]\nname = \"{name}\"\nasn = {asn}\npassive = true\n\
             families = [\"ipv4-unicast\", \"ipv6-unicast\"]\n{policies}{keys}\n\
             \n[[listen_ranges]]\nprefix = \"10.{octet}.0.0/16\"\ngroup = \"{name}\"\n"
        ));
    }
    text + more
}

/// A lab with the reflector, and this thread among the peers.
pub(crate) struct World {
    pub(crate) heddle: Heddle,
    next: AtomicU16,
    peers: Arc<Host>,
    // Last, so that the logs are printed after all else has gone.
    _lab: Lab,
}

impl World {
    pub(crate) fn new(case: &str, more: &str) -> Self {
        let lab = Lab::new(case);
        let (reflector, peers) = (lab.host(1, "rr"), lab.host(2, "peers"));
        for octet in 1..=20 {
            let range = format!("10.{octet}.0.0/16");
            peers.netns().ip(&["route", "add", "local", &range, "dev", "lo"]);
            reflector.netns().ip(&["route", "add", &range, "via", "10.0.0.2"]);
        }
        let heddle = Heddle::start(&reflector, &config(more));
        enter(&peers);
        Self { heddle, next: AtomicU16::new(0), peers, _lab: lab }
    }

    /// The host of all peers.
    pub(crate) fn peers(&self) -> &Host {
        &self.peers
    }

    /// An address of this kind that no session had before.
    pub(crate) fn address(&self, kind: Kind) -> String {
        let [high, low] = (256 + self.next.fetch_add(1, Ordering::Relaxed)).to_be_bytes();
        format!("10.{}.{high}.{low}", kind.group().0)
    }

    /// A session of this kind, established on both sides.
    pub(crate) fn session(&self, kind: Kind) -> RawPeer {
        self.session_with(kind, "")
    }

    /// As [`Self::session`], with further capabilities.
    pub(crate) fn session_with(&self, kind: Kind, more: &str) -> RawPeer {
        let capabilities = format!("{} {more}", kind.capabilities());
        let open = OpenWith { asn: kind.asn(), hold_time: 90, capabilities: &capabilities };
        let peer = RawPeer::establish(&self.address(kind), open);
        self.heddle.wait_peer(&peer.address);
        peer
    }

    /// The state of a peer, `None` where there is none.
    pub(crate) fn state(&self, address: &str) -> Option<String> {
        self.heddle.peer(address).ok().and_then(|peer| peer["state"].as_str().map(str::to_owned))
    }

    /// Waits until a peer has no session, or is no more.
    pub(crate) fn wait_down(&self, address: &str) {
        wait_for(&format!("{address} has no session"), PATIENCE, || match self.state(address) {
            Some(state) if state == "established" => Err(state),
            _ => Ok(()),
        });
    }

    /// The only path that this peer has to a prefix, as the API shows it.
    pub(crate) fn path(&self, address: &str, prefix: &str) -> Result<Option<Value>, String> {
        let answer = self.heddle.get(&format!("/v1/routes?prefix={prefix}&peer={address}"))?;
        let paths: Vec<&Value> = answer["routes"]
            .as_array()
            .ok_or("no routes")?
            .iter()
            .flat_map(|destination| destination["paths"].as_array())
            .flatten()
            .collect();
        match paths[..] {
            [] => Ok(None),
            [path] => Ok(Some(path.clone())),
            _ => Err(format!("{} paths", paths.len())),
        }
    }

    /// Whether nobody has a path to the prefix.
    pub(crate) fn no_routes(&self, prefix: &str) -> Result<(), String> {
        let answer = self.heddle.get(&format!("/v1/routes?prefix={prefix}"))?;
        ensure(answer["routes"].as_array().is_some_and(Vec::is_empty), || answer.to_string())
    }

    /// How often an error of this kind was counted.
    pub(crate) fn errors(&self, address: &str, which: &str) -> u64 {
        let peer = self.heddle.peer(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        peer["errors"][which].as_u64().unwrap_or_else(|| panic!("{address}: no counter {which}: {peer}"))
    }

    /// The peer advertises the usual prefix with these attributes, and it is taken.
    pub(crate) fn advertised(&self, peer: &mut RawPeer, attributes: &str, before: &str) {
        peer.send(&advertise(&[USUAL_PREFIX], attributes));
        wait_for(&format!("the route before {before}"), PATIENCE, || {
            self.path(&peer.address, USUAL_PREFIX)?.ok_or_else(|| "no path".to_owned())
        });
    }

    /// The session is over, and its route is gone.
    pub(crate) fn is_over(&mut self, peer: &RawPeer, after: &str) {
        self.wait_down(&peer.address);
        wait_for(&format!("no routes after {after}"), PATIENCE, || self.no_routes(USUAL_PREFIX));
        self.heddle.process().assert_alive();
    }

    /// The reflector runs, and this peer's session stands.
    pub(crate) fn assert_established(&mut self, address: &str, after: &str) {
        self.heddle.process().assert_alive();
        assert_eq!(self.state(address).as_deref(), Some("established"), "{address} after {after}");
    }
}

/// A session that has nothing to do with what is tested: it stands, and is understood, whatever others say.
pub(crate) struct Witness {
    peer: RawPeer,
    said: u16,
}

impl Witness {
    pub(crate) fn new(world: &World) -> Self {
        let peer = world.session(Kind::INTERNAL);
        peer.drain();
        Self { peer, said: 0 }
    }

    /// Its next route is taken.
    pub(crate) fn is_heard(&mut self, world: &mut World, after: &str) {
        let [high, low] = self.said.to_be_bytes();
        self.said += 1;
        let prefix = format!("10.{}.{low}.0/24", 230 + high);
        self.peer.send(&advertise(&[&prefix], &Kind::INTERNAL.base().concat()));
        wait_for(&format!("the route of another peer after {after}"), PATIENCE, || {
            world.path(&self.peer.address, &prefix)?.ok_or_else(|| "no path".to_owned())
        });
        let address = self.peer.address.clone();
        world.assert_established(&address, after);
    }
}
