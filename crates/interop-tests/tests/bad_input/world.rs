//! The reflector of these tests and the hosts around it.
//!
//! Topology: the reflector (10.0.0.1, AS 65000) on one host, on another one the raw peers. Each peer has an address of its
//! own, by whose second octet it is told what it is, so that a session that was reset holds nobody else back.

use std::sync::atomic::{AtomicU16, Ordering};

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::peer::{RawPeer, enter};
use crate::wire::{EXTERNAL_BASE, FAMILIES, INTERNAL_BASE, OpenWith, four_octets};

/// What a peer is to the reflector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// AS 65001.
    External,
    /// A client.
    Internal,
    /// External, without the 4-octet AS capability.
    TwoOctet,
    /// External, with Path Identifiers of IPv4.
    AddPath,
    /// External; the peer is our customer.
    Customer,
    /// External; the first AS is not checked.
    AnyFirstAs,
    /// Internal with `reject_as_sets`.
    InternalNoSets,
    /// External without extended messages.
    ShortMessages,
    /// External; we are its customer and want to hear its role.
    StrictRole,
}

impl Kind {
    pub(crate) const ALL: [Kind; 9] = [
        Kind::External,
        Kind::Internal,
        Kind::TwoOctet,
        Kind::AddPath,
        Kind::Customer,
        Kind::AnyFirstAs,
        Kind::InternalNoSets,
        Kind::ShortMessages,
        Kind::StrictRole,
    ];

    /// The second octet of its addresses, and what its peer group says.
    fn group(self) -> (u8, &'static str) {
        match self {
            Kind::External => (1, ""),
            Kind::Internal => (2, "route_reflector_client = true\naigp = true"),
            Kind::TwoOctet => (3, ""),
            Kind::AddPath => (4, "add_path = { receive = true }"),
            Kind::Customer => (5, "role = \"provider\""),
            Kind::AnyFirstAs => (6, "enforce_first_as = false"),
            Kind::InternalNoSets => (7, "route_reflector_client = true\nreject_as_sets = true"),
            Kind::ShortMessages => (8, "extended_messages = false"),
            Kind::StrictRole => (9, "role = \"customer\"\nstrict_role = true"),
        }
    }

    pub(crate) fn internal(self) -> bool {
        matches!(self, Kind::Internal | Kind::InternalNoSets)
    }

    pub(crate) fn asn(self) -> u16 {
        if self.internal() { 65000 } else { 65001 }
    }

    /// The usual path attributes of its routes.
    pub(crate) fn base(self) -> Vec<&'static str> {
        match self {
            Kind::Internal | Kind::InternalNoSets => INTERNAL_BASE.to_vec(),
            Kind::TwoOctet => vec![EXTERNAL_BASE[0], "4002040201fde9", EXTERNAL_BASE[2]],
            _ => EXTERNAL_BASE.to_vec(),
        }
    }

    /// The capabilities of its OPEN.
    pub(crate) fn capabilities(self) -> String {
        let asn = if self == Kind::TwoOctet { String::new() } else { four_octets(self.asn()) };
        let more = match self {
            // RFC 7911 §4: IPv4 unicast, send.
            Kind::AddPath => "450400010102",
            // RFC 9234 §4.1: customer.
            Kind::Customer => "090103",
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
        let (octet, keys) = kind.group();
        let asn = kind.asn();
        let policies = if kind.internal() { "" } else { "import_policy = \"all\"\nexport_policy = \"all\"\n" };
        text.push_str(&format!(
            "\n[[peer_groups]]\nname = \"{kind:?}\"\nasn = {asn}\npassive = true\n\
             families = [\"ipv4-unicast\", \"ipv6-unicast\"]\n{policies}{keys}\n\
             \n[[listen_ranges]]\nprefix = \"10.{octet}.0.0/16\"\ngroup = \"{kind:?}\"\n"
        ));
    }
    text + more
}

/// A lab with the reflector, and this thread among the peers.
pub(crate) struct World {
    pub(crate) heddle: Heddle,
    next: AtomicU16,
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
        Self { heddle, next: AtomicU16::new(0), _lab: lab }
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

    /// The reflector runs, and this peer's session stands.
    pub(crate) fn assert_established(&mut self, address: &str, after: &str) {
        self.heddle.process().assert_alive();
        assert_eq!(self.state(address).as_deref(), Some("established"), "{address} after {after}");
    }
}
