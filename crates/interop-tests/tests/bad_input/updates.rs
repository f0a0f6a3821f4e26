//! Every malformed UPDATE against the running program, and a sound prefix after each: `updates.tsv`.
//!
//! RFC 7606, 4271 §6.3, 7607, 9774, 9234. Claims: 1. each row has its outcome, on the wire or in the RIB. 2. The next UPDATE is
//! understood. 3. What other peers are sent is well-formed, and what is carried unknown is carried octet for octet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::peer::{End, RawPeer};
use crate::wire::{OpenWith, Received, USUAL_PREFIX, advertise, hex, message, unhex, update, withdraw};
use crate::world::{Kind, World};

const ROWS: &str = include_str!("updates.tsv");
/// Whole messages by id, as the decoder's own tests have them.
pub(crate) const FILE: &str = include_str!("../../../bgp-core/tests/data/bad-input.jsonl");
/// A community that the sound routes before each row have: 65001:77.
const MARK: &str = "c00804fde9004d";

struct Row {
    id: &'static str,
    kind: Kind,
    input: &'static str,
    outcome: &'static str,
    checks: Vec<&'static str>,
    text: &'static str,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for line in ROWS.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&'static str> = line.split('\t').collect();
        let [id, sessions, input, outcome, text] = fields[..] else { panic!("no row: {line}") };
        let (outcome, checks) = match outcome.split_once(' ') {
            Some(("reset" | "discard" | "ineligible", _)) => (outcome, ""),
            Some((first, rest)) => (first, rest),
            None => (outcome, ""),
        };
        let kinds: &[Kind] = match sessions {
            "both" => &[Kind::External, Kind::Internal],
            "external" => &[Kind::External],
            "internal" => &[Kind::Internal],
            "two-octet" => &[Kind::TwoOctet],
            "add-path" => &[Kind::AddPath],
            "customer" => &[Kind::Customer],
            "any-first-as" => &[Kind::AnyFirstAs],
            "internal-no-sets" => &[Kind::InternalNoSets],
            other => panic!("{other} is no session"),
        };
        let checks: Vec<&'static str> = checks.split_whitespace().collect();
        rows.extend(kinds.iter().map(|kind| Row { id, kind: *kind, input, outcome, checks: checks.clone(), text }));
    }
    rows
}

impl Row {
    fn message(&self, file: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
        let base = self.kind.base();
        let usual = unhex("180a6301");
        match self.input.split_once(':').unwrap_or((self.input, "")) {
            ("file", _) => file.get(self.id).unwrap_or_else(|| panic!("{} is not in the file", self.id)).clone(),
            ("body", body) => message(2, &unhex(body)),
            ("with", more) => message(2, &update(&[], &unhex(&(base.concat() + more)), &usual)),
            ("replace", one) => {
                let attributes: String = base.iter().map(|a| if a[2..4] == one[2..4] { one } else { *a }).collect();
                message(2, &update(&[], &unhex(&attributes), &usual))
            }
            ("long-path", _) => {
                let path = ["02ff", &"0000fde9".repeat(255)].concat().repeat(62);
                let attributes = unhex(&format!("40010100 5002{:04x}{path} 4003040a000002", path.len() / 2));
                message(2, &update(&[], &attributes, &usual))
            }
            _ => panic!("{}: no input: {}", self.id, self.input),
        }
    }

    fn name(&self) -> String {
        format!("{} on {:?} ({})", self.id, self.kind, self.text)
    }
}

pub(crate) fn file() -> BTreeMap<String, Vec<u8>> {
    FILE.lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).expect("JSON");
            (row["id"].as_str().expect("an id").to_owned(), unhex(row["hex"].as_str().expect("digits")))
        })
        .collect()
}

/// What the other peers of the reflector are sent.
struct Observers {
    internal: Arc<Mutex<Received>>,
    external: Arc<Mutex<Received>>,
}

impl Observers {
    fn new(world: &World) -> Self {
        // Extended messages (RFC 8654): LOCAL_PREF makes the longest rows longer than 4096 octets.
        let internal = world.session_with(Kind::Internal, "0600").observe();
        // Another AS, so that no loop keeps anything away; it is from a range of its own.
        let capabilities = format!("{} {}", crate::wire::FAMILIES, crate::wire::four_octets(65002));
        let open = OpenWith { asn: 65002, hold_time: 90, capabilities: &capabilities };
        let external = RawPeer::establish(OBSERVER, open);
        world.heddle.wait_peer(OBSERVER);
        Self { internal, external: external.observe() }
    }

    fn check(&self, check: &str) -> Result<(), String> {
        let route = |which: &Mutex<Received>| {
            let received = which.lock().unwrap_or_else(PoisonError::into_inner);
            received.routes.get(USUAL_PREFIX).cloned()
        };
        let (which, rest) = (if check.starts_with('e') { &self.external } else { &self.internal }, check.get(1..));
        let attributes = route(which);
        let rest = rest.unwrap_or_default();
        if rest == "-" {
            return ensure(attributes.is_none(), || format!("{check}: {attributes:?}"));
        }
        let attributes = attributes.ok_or_else(|| format!("{check}: the route was not sent"))?;
        let seen = || format!("{check}: {attributes:?}");
        if let Some(octets) = rest.strip_prefix(':') {
            return ensure(attributes.iter().any(|attribute| hex(&attribute.octets) == octets), seen);
        }
        let (wanted, code) = match (rest.strip_prefix('?'), rest.strip_prefix('!')) {
            (Some(code), _) => (true, code),
            (_, Some(code)) => (false, code),
            _ => panic!("{check} is no check"),
        };
        let code: u8 = code.parse().unwrap_or_else(|_| panic!("{check} is no check"));
        ensure(attributes.iter().any(|attribute| attribute.code == code) == wanted, seen)
    }

    /// RFC 4271 §5.1.2: toward an external peer, a segment of 255 gets another one before it.
    fn check_segments(&self) -> Result<(), String> {
        let received = self.external.lock().unwrap_or_else(PoisonError::into_inner);
        let attributes = received.routes.get(USUAL_PREFIX).ok_or("the route was not sent")?;
        let path = attributes.iter().find(|attribute| attribute.code == 2).ok_or("no AS_PATH")?;
        let second = 2 + 4;
        let lengths = (path.value.get(1), path.value.get(second + 1), path.value.len());
        ensure(lengths == (Some(&1), Some(&255), second + 2 + 4 * 255), || hex(&path.value))
    }

    fn assert_sound(&self) {
        for which in [&self.internal, &self.external] {
            let received = which.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(received.updates > 100, "an observer was sent {} UPDATEs", received.updates);
            assert!(received.wrong.is_empty(), "malformed messages of ours: {:?}", received.wrong);
        }
    }
}

const OBSERVER: &str = "10.20.0.1";
const OBSERVER_PEER: &str = "\n[[peers]]\naddress = \"10.20.0.1\"\nasn = 65002\npassive = true\n\
    families = [\"ipv4-unicast\", \"ipv6-unicast\"]\nimport_policy = \"all\"\nexport_policy = \"all\"\n";

/// The rows after which the session goes on, many on one session.
pub(crate) fn survived() {
    let mut world = World::new("bad_input::survived", OBSERVER_PEER);
    let observers = Observers::new(&world);
    let file = file();
    let mut sessions: BTreeMap<Kind, RawPeer> = BTreeMap::new();
    for (number, row) in rows().iter().enumerate().filter(|(_, row)| !row.outcome.starts_with("reset")) {
        let peer = sessions.entry(row.kind).or_insert_with(|| {
            let peer = world.session(row.kind);
            peer.drain();
            peer
        });
        one_row(&mut world, &observers, peer, number, row, &row.message(&file));
    }
    observers.assert_sound();
}

fn one_row(world: &mut World, observers: &Observers, peer: &mut RawPeer, number: usize, row: &Row, octets: &[u8]) {
    let name = row.name();
    let address = peer.address.clone();
    let of = |sign: char| -> Vec<&'static str> { row.checks.iter().filter_map(|c| c.strip_prefix(sign)).collect() };
    let (here, gone) = (of('+'), of('-'));
    // What the row has to replace or withdraw.
    let before: Vec<&str> = [USUAL_PREFIX].into_iter().chain(gone.iter().copied()).collect();
    peer.send(&advertise(&before, &(row.kind.base().concat() + MARK)));
    wait_for(&format!("the routes before {name}"), PATIENCE, || {
        before.iter().try_for_each(|prefix| usable(world, &address, prefix).and_then(|path| marked(&path, true)))
    });
    let kinds = ["treat_as_withdraw", "attribute_discard"];
    let counted = kinds.map(|which| world.errors(&address, which));

    peer.send(octets);
    let sentinel = format!("10.{}.{}.0/24", 200 + number / 250, number % 250);
    peer.send(&advertise(&[&sentinel], &row.kind.base().concat()));
    wait_for(&format!("the prefix after {name}"), PATIENCE, || usable(world, &address, &sentinel).map(drop));

    wait_for(&name, PATIENCE, || {
        outcome(world, &address, row)?;
        here.iter().try_for_each(|prefix| usable(world, &address, prefix).map(drop))?;
        gone.iter().try_for_each(|prefix| absent(world, &address, prefix))?;
        observed(observers, row)
    });
    let now = kinds.map(|which| world.errors(&address, which));
    let added = match row.outcome.split(' ').next() {
        Some("withdraw") => [1, 0],
        Some("discard" | "kept-fault") => [0, 1],
        _ => [0, 0],
    };
    assert_eq!([now[0] - counted[0], now[1] - counted[1]], added, "{name}: errors counted, of {kinds:?}");
    world.assert_established(&address, &name);
    let all: Vec<&str> = before.into_iter().chain(here).chain([sentinel.as_str()]).collect();
    peer.send(&withdraw(&all));
    wait_for(&format!("no routes after {name}"), PATIENCE, || {
        all.iter().try_for_each(|prefix| absent(world, &address, prefix))
    });
}

fn usable(world: &World, address: &str, prefix: &str) -> Result<Value, String> {
    let path = world.path(address, prefix)?.ok_or_else(|| format!("no path to {prefix}"))?;
    ensure(matches!(path["status"].as_str(), Some("best" | "valid")), || path.to_string())?;
    Ok(path)
}

fn absent(world: &World, address: &str, prefix: &str) -> Result<(), String> {
    let path = world.path(address, prefix)?;
    ensure(path.is_none(), || format!("{prefix} is there: {path:?}"))
}

fn marked(path: &Value, wanted: bool) -> Result<(), String> {
    let communities = path["attributes"]["communities"].as_array();
    let mark = communities.is_some_and(|all| all.iter().any(|one| one == "65001:77"));
    ensure(mark == wanted, || path.to_string())
}

/// The state of the usual prefix that the outcome names.
fn outcome(world: &World, address: &str, row: &Row) -> Result<(), String> {
    match row.outcome.split_once(' ').unwrap_or((row.outcome, "")) {
        ("withdraw", _) => absent(world, address, USUAL_PREFIX),
        ("ok" | "discard", _) => marked(&usable(world, address, USUAL_PREFIX)?, false),
        ("kept", _) => marked(&usable(world, address, USUAL_PREFIX)?, true),
        // The families of other addresses: with NLRI of our own, or without.
        ("kept-fault" | "only", _) => usable(world, address, USUAL_PREFIX).map(drop),
        ("ineligible", reason) => {
            let path = world.path(address, USUAL_PREFIX)?.ok_or("no path")?;
            ensure(path["status"] == "ineligible" && path["reason"] == reason, || path.to_string())
        }
        _ => panic!("{}: no outcome: {}", row.id, row.outcome),
    }
}

fn observed(observers: &Observers, row: &Row) -> Result<(), String> {
    if let Some(code) = row.outcome.strip_prefix("discard ") {
        // An internal peer always gets LOCAL_PREF; 0 is no attribute.
        if !matches!(code, "0" | "5") {
            observers.check(&format!("i!{code}"))?;
        }
    }
    if matches!(row.outcome.split(' ').next(), Some("withdraw" | "ineligible")) {
        observers.check("i-")?;
    }
    for check in &row.checks {
        match *check {
            "as-segments" => observers.check_segments()?,
            check if check.starts_with(['i', 'e']) => observers.check(check)?,
            check if check.starts_with(['+', '-']) => {}
            check => panic!("{}: no check: {check}", row.id),
        }
    }
    Ok(())
}

/// The rows that end the session, each on its own; the routes of the session are gone with it.
pub(crate) fn resets() {
    let mut world = World::new("bad_input::resets", "");
    let file = file();
    let rows = rows();
    let resets: Vec<&Row> = rows.iter().filter(|row| row.outcome.starts_with("reset")).collect();
    assert!(resets.len() > 30, "rows lost: {}", resets.len());
    for row in resets {
        let name = row.name();
        let mut peer = world.session(row.kind);
        if row.kind != Kind::AddPath {
            peer.send(&advertise(&[USUAL_PREFIX], &row.kind.base().concat()));
            wait_for(&format!("the route before {name}"), PATIENCE, || {
                usable(&world, &peer.address, USUAL_PREFIX).map(drop)
            });
        }
        peer.send(&row.message(&file));
        let subcode: u8 = row.outcome.trim_start_matches("reset ").parse().expect("a subcode");
        match peer.end() {
            End::Notification(3, seen, data) if seen == subcode => {
                // RFC 4271 §6.3: the attribute is the data of Optional Attribute Error, and nothing else has any here.
                assert_eq!(data.is_empty(), subcode != 9, "{name}: data {}", hex(&data));
                assert!(subcode != 9 || matches!(data.get(1), Some(14 | 15)), "{name}: data {}", hex(&data));
            }
            end => panic!("{name}: {end:?}"),
        }
        world.wait_down(&peer.address);
        wait_for(&format!("no routes after {name}"), PATIENCE, || world.no_routes(USUAL_PREFIX));
        world.heddle.process().assert_alive();
    }
}

/// No UPDATE of the list is forgotten.
pub(crate) fn complete() {
    let rows = rows();
    let numbered = |letter: char, last: usize| (1..=last).map(move |number| format!("{letter}{number:02}"));
    for id in numbered('U', 19).chain(numbered('A', 107)).chain(numbered('M', 23)) {
        assert!(rows.iter().any(|row| row.id == id), "{id} is not in updates.tsv");
    }
    for id in file().keys().filter(|id| id.starts_with(['U', 'A', 'M'])) {
        assert!(rows.iter().any(|row| row.id == id && row.input == "file"), "{id} of the file is not used");
    }
}
