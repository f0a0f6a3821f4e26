//! Peers that cost time, memory or patience: stalled, silent, endless, gone without a word. And a process that was stopped.
//!
//! RFC 4271 §6.5, §8; 4486 §4; 4724 §4.2; 9687 §3. The rows S03 to S18 of what other daemons have failed at. Claims: each session ends, or
//! stays, as it has to, with the right words; the memory that a peer can take is bounded; other peers are not concerned.

use std::time::{Duration, Instant};

use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::process::{Process, Signal};
use heddle_interop_tests::require::recording;
use heddle_interop_tests::segment::{Forger, SYN, Segment, at};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::peer::{Alive, End, RawPeer};
use crate::wire::{KEEPALIVE, OpenWith, UPDATE, USUAL_PREFIX, advertise, four_octets, hex, message, unhex, update};
use crate::world::{Kind, Witness, World};

/// A client of its own, of which the API tells also when it has no session.
const CLIENT: &str = "10.11.0.1";

/// Another one.
const OTHER_CLIENT: &str = "10.11.0.2";

fn other_client() -> String {
    client("").replace(CLIENT, OTHER_CLIENT)
}

/// Its configuration, with further keys.
fn client(keys: &str) -> String {
    of_kind(Kind::INTERNAL, keys)
}

/// The same for a client, or for an external peer.
fn of_kind(kind: Kind, keys: &str) -> String {
    let more = if kind.internal() {
        "route_reflector_client = true"
    } else {
        "import_policy = \"all\"\nexport_policy = \"all\""
    };
    format!("\n[[peers]]\naddress = \"{CLIENT}\"\nasn = {}\npassive = true\n{more}\n{keys}\n", kind.asn())
}

/// A session; a hold time of 3 s is for peers that say KEEPALIVEs ([`RawPeer::keep_alive`]).
fn establish(world: &World, address: &str, kind: Kind, hold_time: u16) -> RawPeer {
    establish_with(world, address, OpenWith { asn: kind.asn(), hold_time, capabilities: &kind.capabilities() })
}

fn establish_with(world: &World, address: &str, open: OpenWith<'_>) -> RawPeer {
    let peer = RawPeer::establish(address, open);
    world.heddle.wait_peer(address);
    peer
}

/// Attributes of a route with one that nobody knows, so long, that differs by its number.
fn long_attributes(kind: Kind, number: u32, length: u16) -> Vec<u8> {
    let value = [&number.to_be_bytes()[..], &vec![0; usize::from(length) - 4]].concat();
    [&unhex(&kind.base().concat())[..], &[0xf0, 200], &length.to_be_bytes(), &value].concat()
}

/// An UPDATE with such attributes, for a host route of its own.
fn long_update(kind: Kind, number: u32, length: u16) -> Vec<u8> {
    let [_, a, b, c] = number.to_be_bytes();
    message(UPDATE, &update(&[], &long_attributes(kind, number, length), &[32, 10, 96 + a, b, c]))
}

fn ended_by(world: &World, why: &str) {
    wait_for(&format!("the session ends: {why}"), PATIENCE, || {
        let peer = world.heddle.peer(CLIENT)?;
        ensure(peer["state"] != "established" && peer["last_reset"].to_string().contains(why), || peer.to_string())
    });
}

/// S04; RFC 9687 §3: who takes nothing of what we write is given up, although it says KEEPALIVEs; what others get does not wait.
pub(crate) fn stalled_reader() {
    Kind::BOTH.into_iter().for_each(stalled_reader_of);
}

fn stalled_reader_of(kind: Kind) {
    let mut world = World::new("bad_input::stalled_reader", &of_kind(kind, "send_hold_time = 2"));
    let mut witness = Witness::new(&world);
    let open = OpenWith { asn: kind.asn(), hold_time: 90, capabilities: &kind.capabilities() };
    let _stalled = RawPeer::establish_with_buffer(CLIENT, open, 4096);
    world.heddle.wait_peer(CLIENT);
    let before = world.heddle.process().memory("VmRSS");
    let mut source = world.session(Kind::INTERNAL);
    source.drain();
    for number in 0..8000 {
        source.send(&long_update(Kind::INTERNAL, number, 3000));
    }
    witness.is_heard(&mut world, "24 MB that one peer does not read");
    ended_by(&world, "send hold timer expired");
    witness.is_heard(&mut world, "the end of a peer that did not read");
    // The routes themselves, and a journal: nothing is kept for one peer beside.
    let more = world.heddle.process().memory("VmHWM").saturating_sub(before);
    assert!(more < 48 << 20, "24 MB of routes took {} MiB while one did not read", more >> 20);
}

/// S01, S02; RFC 4271 §8.2.2: who says nothing, or an octet now and then, is given up when the open hold time is over, and holds nobody
/// back meanwhile.
pub(crate) fn slow_open() {
    /// Of each sort of peer.
    const SILENT: u8 = 20;
    let ranges = [(14, 65000, ""), (15, 65001, "import_policy = \"all\"\nexport_policy = \"all\"\n")];
    let range = |(octet, asn, keys): (u8, u16, &str)| {
        format!(
            "\n[[peer_groups]]\nname = \"slow-{octet}\"\nasn = {asn}\npassive = true\nopen_hold_time = 3\n{keys}\
             \n[[listen_ranges]]\nprefix = \"10.{octet}.0.0/16\"\ngroup = \"slow-{octet}\"\n"
        )
    };
    let mut world = World::new("bad_input::slow_open", &ranges.map(range).concat());
    let mut witness = Witness::new(&world);
    for (octet, asn, _) in ranges {
        let mut peers: Vec<_> = (1..=SILENT).map(|last| RawPeer::connect(&format!("10.{octet}.0.{last}"))).collect();
        let said = OpenWith { asn, hold_time: 90, capabilities: "" }.message();
        // An octet each tenth of a second: it would be whole in three seconds.
        for octet in &said[..said.len() - 1] {
            for slow in peers.iter_mut().step_by(2) {
                slow.try_send(&[*octet]);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        witness.is_heard(&mut world, "many who open slowly");
        for mut peer in peers {
            let end = peer.end();
            assert!(matches!(end, End::Notification(4, 0, _)), "{}: {end:?}", peer.address);
        }
    }
    witness.is_heard(&mut world, "the end of those who opened slowly");
}

/// S05; RFC 4486 §4: what one peer can make us remember is bounded, in the count of `docs/limits.md` and in that of the kernel.
pub(crate) fn hostile_memory() {
    Kind::BOTH.into_iter().for_each(hostile_memory_of);
}

fn hostile_memory_of(kind: Kind) {
    /// What the attributes of a peer may take.
    const BUDGET: u64 = 256 << 20;
    /// What else a hostile peer may cost.
    const BESIDE: u64 = 64 << 20;
    let mut world = World::new("bad_input::hostile_memory", &of_kind(kind, ""));
    let mut witness = Witness::new(&world);
    let before = world.heddle.process().memory("VmRSS");
    let mut hostile = establish(&world, CLIENT, kind, 90);
    let mut sent = 0;
    // RFC 8654: we take extended messages.
    while sent < 6000 && hostile.try_send(&long_update(kind, sent, 64_000)) {
        sent += 1;
    }
    match hostile.end() {
        End::Notification(6, 8, _) => {}
        end => panic!("after {sent} UPDATEs of 64,000 octets: {end:?}"),
    }
    let most = world.heddle.process().memory("VmHWM") - before;
    println!("{sent} UPDATEs of 64,000 octets: {} MiB more at most", most >> 20);
    assert!(most < BUDGET + BESIDE, "{} MiB more", most >> 20);
    world.wait_down(CLIENT);
    witness.is_heard(&mut world, "a peer that wanted all memory");
    wait_for("the routes of the hostile peer are gone", PATIENCE, || world.no_routes("10.96.0.0/32"));
}

/// S06; RFC 4486 §4: the session ends with the family and the limit as data, and does not come back by itself.
pub(crate) fn too_many_prefixes() {
    Kind::BOTH.into_iter().for_each(too_many_prefixes_of);
}

fn too_many_prefixes_of(kind: Kind) {
    let limit = "[peers.families.ipv4-unicast]\nprefix_limit = { max = 1000, action = \"down\" }";
    let mut world = World::new("bad_input::too_many_prefixes", &of_kind(kind, limit));
    let mut witness = Witness::new(&world);
    let mut peer = establish(&world, CLIENT, kind, 90);
    let base = unhex(&kind.base().concat());
    for block in 0..250_u8 {
        let nlri: Vec<u8> = (0..200_u8).flat_map(|last| [24, 10, block, last]).collect();
        if !peer.try_send(&message(UPDATE, &update(&[], &base, &nlri))) {
            break;
        }
    }
    match peer.end() {
        End::Notification(6, 1, data) => assert_eq!(hex(&data), "000101000003e8"),
        end => panic!("{end:?}"),
    }
    wait_for("the peer stays down", PATIENCE, || {
        let peer = world.heddle.peer(CLIENT)?;
        ensure(peer["down_reason"]["code"] == "prefix_limit", || peer.to_string())
    });
    wait_for("its routes are gone", PATIENCE, || world.no_routes("10.0.0.0/24"));
    witness.is_heard(&mut world, "a peer with too many prefixes");
}

/// S03: thousands of connections from nobody that we know, while a peer with the shortest hold time goes on.
pub(crate) fn strangers() {
    let mut world = World::new("bad_input::strangers", &client("hold_time = 3"));
    let mut peer = establish(&world, CLIENT, Kind::INTERNAL, 3);
    let _alive = peer.keep_alive();
    for number in 0..3000_u16 {
        let [high, low] = number.to_be_bytes();
        let mut stranger = RawPeer::connect(&format!("10.19.{high}.{low}"));
        assert_eq!(stranger.first(), None, "10.19.{high}.{low} is not configured, and is told nothing");
    }
    peer.send(&advertise(&[USUAL_PREFIX], &Kind::INTERNAL.base().concat()));
    wait_for("the route", PATIENCE, || world.path(CLIENT, USUAL_PREFIX)?.ok_or_else(|| "no path".to_owned()));
    let state = world.heddle.peer(CLIENT).expect("it answers");
    assert_eq!((&state["state"], &state["established_count"]), (&"established".into(), &1.into()), "{state}");
    world.heddle.process().assert_alive();
}

/// S03: 5,000 SYNs a second from addresses that never answer, and beside them connections that are opened, bring data and are
/// dropped: a peer with the shortest hold time goes on, another one can come, and the flood costs the program next to nothing.
pub(crate) fn connection_flood() {
    /// Seconds of flood, and SYNs a hundredth of a second.
    const FLOOD: (u64, u16) = (8, 50);
    let mut world = World::new("bad_input::connection_flood", &[client("hold_time = 3"), other_client()].concat());
    let mut peer = establish(&world, CLIENT, Kind::INTERNAL, 3);
    let _alive = peer.keep_alive();
    // Nobody is at these addresses: what is sent to them is not refused either.
    let nowhere = ["route", "del", "local", "10.20.0.0/16", "dev", "lo"];
    world.peers().netns().ip(&nowhere);
    world.peers().netns().ip(&["route", "add", "blackhole", "10.20.0.0/16"]);
    let (before, began) = (world.heddle.process().cpu_time(), Instant::now());
    let (mut sent, mut number) = (0_u64, 0_u32);
    let forger = Forger::new();
    while began.elapsed() < Duration::from_secs(FLOOD.0) {
        let due = u64::try_from(began.elapsed().as_millis()).expect("seconds") / 10 * u64::from(FLOOD.1);
        while sent < due {
            let [high, low, port @ ..] = number.wrapping_mul(2_654_435_761).to_be_bytes();
            number += 1;
            let from = at(&format!("10.20.{high}.{low}"), 1024 | u16::from_be_bytes(port));
            let to = at("10.0.0.1", 179);
            forger.send(&Segment { from, to, sequence: number, acknowledgment: 0, flags: SYN, ttl: 64 });
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let (spent, took) = (world.heddle.process().cpu_time().saturating_sub(before), began.elapsed());
    println!("{sent} SYNs in {took:.1?} cost the program {spent:.2?} of CPU time");
    assert!(sent > 1000, "{sent} SYNs");
    // While the queue is full of them.
    let late = establish(&world, OTHER_CLIENT, Kind::INTERNAL, 90);
    late.drain();
    let (before, mut opened) = (world.heddle.process().cpu_time(), 0_u32);
    for number in 0..5000_u16 {
        let [high, low] = number.to_be_bytes();
        let mut stranger = RawPeer::connect(&format!("10.19.{high}.{low}"));
        stranger.try_send(&message(KEEPALIVE, &[]));
        opened += 1;
    }
    println!(
        "{opened} connections with data cost the program {:.2?} of CPU time",
        world.heddle.process().cpu_time().saturating_sub(before)
    );
    peer.send(&advertise(&[USUAL_PREFIX], &Kind::INTERNAL.base().concat()));
    wait_for("the route", PATIENCE, || world.path(CLIENT, USUAL_PREFIX)?.ok_or_else(|| "no path".to_owned()));
    for address in [CLIENT, OTHER_CLIENT] {
        let state = world.heddle.peer(address).expect("it answers");
        assert_eq!((&state["state"], &state["established_count"]), (&"established".into(), &1.into()), "{state}");
    }
    world.heddle.process().assert_alive();
}

/// RFC 4271 §4.4, §6.5: keepalive 1 s and hold time 3 s on all sessions, while a million prefixes, a full Internet table among them, come
/// on two of them and go out on all: no hold timer runs out, and how long receivers hear nothing is printed.
pub(crate) fn hold_under_a_full_table() {
    /// All 577,703 that are recorded but 83, whose paths have the AS of these tests in them.
    const RECORDED: u32 = 577_620;
    /// As many more as make a million.
    const MORE: u32 = 1_000_000 - RECORDED;
    const RECEIVERS: u8 = 4;
    const MAKER: &str = "10.11.0.8";
    const PLAYER: &str = "10.11.0.9";
    /// Debug builds on two cores.
    const LOADED: Duration = Duration::from_secs(300);
    let address = |last: u8| format!("10.11.0.{last}");
    let receiving = (1..=RECEIVERS).map(address);
    let short = |address: String| client("hold_time = 3").replace(CLIENT, &address);
    let mut more: String = receiving.chain([MAKER.to_owned()]).map(short).collect();
    // Four of its routes have AS 0 in their paths.
    more += &client("hold_time = 3\nreject_as_zero = false").replace(CLIENT, PLAYER);
    let world = World::new("bad_input::hold_under_a_full_table", &more);
    let receivers: Vec<_> = (1..=RECEIVERS).map(|last| establish(&world, &address(last), Kind::INTERNAL, 3)).collect();
    let alive: Vec<_> = receivers.iter().map(RawPeer::keep_alive).collect();
    let maker = establish(&world, MAKER, Kind::INTERNAL, 3);
    let made = std::thread::spawn(move || made_routes(maker, MORE));

    let mut replay = world.peers().netns().command(&program().to_string_lossy());
    replay.args(["mrt", "replay"]).arg(recording());
    // It is a speaker of its own, and gives us up after 3 s of silence.
    replay.args(["--local-as", "65000", "--to", "10.0.0.1", "--bind", PLAYER, "--hold-time", "3"]);
    let mut player = Process::spawn("replay", replay, &world.peers().log("replay"));
    for last in 1..=RECEIVERS {
        wait_for(&format!("receiver {last} has the table"), LOADED, || {
            player.assert_alive();
            let peer = world.heddle.peer(&address(last))?;
            let family = &peer["families"][0];
            let has = family["advertised"] == RECORDED + MORE && family["backlog_bytes"] == 0;
            ensure(has && peer["state"] == "established", || format!("{} {family}", peer["state"]))
        });
    }
    let _maker = made.join().expect("all that is made was sent");
    for name in (1..=RECEIVERS).map(address).chain([MAKER.to_owned(), PLAYER.to_owned()]) {
        let peer = world.heddle.peer(&name).expect("it answers");
        assert_eq!(peer["timers"]["hold_time_seconds"], 3, "{peer}");
        assert_eq!((&peer["established_count"], &peer["flap_count"]), (&1.into(), &0.into()), "{peer}");
    }
    let longest = alive.iter().map(Alive::longest_silence).max().expect("there are some");
    println!("nothing came for {longest:.2?} at most");
}

/// Sends so many routes that no table has (/30 of RFC 6598), a thousand with each set of attributes, and stays. The session has a hold
/// time of 3 s.
fn made_routes(mut peer: RawPeer, count: u32) -> (RawPeer, Alive) {
    const EACH: u32 = 1_000;
    let first = u32::from(std::net::Ipv4Addr::new(100, 64, 0, 0));
    peer.drain();
    for (set, begin) in (0..count).step_by(EACH.try_into().expect("small")).enumerate() {
        let set = u32::try_from(set).expect("few sets");
        let prefixes = (begin..count.min(begin + EACH)).map(|number| first + number * 4);
        let nlri: Vec<u8> = prefixes.flat_map(|prefix| [&[30], &prefix.to_be_bytes()[..]].concat()).collect();
        // Two messages of less than 4,096 octets, with an attribute that nobody knows and that makes each set another one.
        for half in nlri.chunks(2_500) {
            peer.send(&message(UPDATE, &update(&[], &long_attributes(Kind::INTERNAL, set, 4), half)));
        }
        peer.send(&message(KEEPALIVE, &[]));
    }
    let alive = peer.keep_alive();
    (peer, alive)
}

/// S12; RFC 4724 §4.2: a peer that comes back, and never says that it is done, keeps what is stale for a bounded time; one that
/// did not keep its forwarding state, or restarts gracefully no more, loses it at once.
pub(crate) fn restart_without_end() {
    Kind::BOTH.into_iter().for_each(restart_without_end_of);
}

fn restart_without_end_of(kind: Kind) {
    // At most so long after the loss, whatever Restart Time the peer has said.
    let bounds = "\n[router.graceful_restart]\nstale_time = 4\n";
    let peers = |last: u8| of_kind(kind, "").replace(CLIENT, &format!("10.11.0.{last}"));
    let mut world =
        World::new("bad_input::restart_without_end", &[peers(1), peers(2), peers(3), bounds.to_owned()].concat());
    let first = "40064258 00010180";
    // Restarted, IPv4 unicast: with and without forwarding state; and without the capability.
    for (last, again) in [(1, "4006c258 00010180"), (2, "4006c258 00010100"), (3, "")] {
        let address = format!("10.11.0.{last}");
        let session = |more: &str| {
            let capabilities = format!("010400010001 {} 0200 {more}", four_octets(kind.asn()));
            establish_with(&world, &address, OpenWith { asn: kind.asn(), hold_time: 90, capabilities: &capabilities })
        };
        let mut peer = session(first);
        peer.send(&message(UPDATE, &update(&[], &[], &[])));
        world.advertised(&mut peer, &kind.base().concat(), again);
        drop(peer);
        wait_for("the route is stale", PATIENCE, || {
            let path = world.path(&address, USUAL_PREFIX)?;
            ensure(path.as_ref().is_some_and(|path| path["stale"] == true), || format!("{path:?}"))
        });
        let mut peer = session(again);
        wait_for("the stale route is gone", PATIENCE, || world.no_routes(USUAL_PREFIX));
        world.assert_established(&address, again);
        peer.send(&advertise(&[USUAL_PREFIX], &kind.base().concat()));
        wait_for("the new route", PATIENCE, || {
            let path = world.path(&address, USUAL_PREFIX)?;
            ensure(path.as_ref().is_some_and(|path| path["stale"] != true), || format!("{path:?}"))
        });
        drop(peer);
        wait_for("no session", PATIENCE, || {
            ensure(world.state(&address).as_deref() != Some("established"), String::new)
        });
        world.heddle.process().assert_alive();
        // The next address begins without this one's route.
        wait_for("no route", PATIENCE, || world.no_routes(USUAL_PREFIX));
    }
}

/// S16; RFC 4271 §6.5: the peer's host is gone without a word.
pub(crate) fn half_open() {
    Kind::BOTH.into_iter().for_each(half_open_of);
}

fn half_open_of(kind: Kind) {
    let mut world = World::new("bad_input::half_open", &of_kind(kind, "hold_time = 3\ngraceful_restart = false"));
    let mut peer = establish(&world, CLIENT, kind, 3);
    let _alive = peer.keep_alive();
    world.advertised(&mut peer, &kind.base().concat(), "the link goes");
    world.peers().netns().ip(&["link", "set", "eth0", "down"]);
    ended_by(&world, "hold timer expired");
    wait_for("no routes of a peer that is gone", PATIENCE, || world.no_routes(USUAL_PREFIX));
    world.heddle.process().assert_alive();
}

/// S18; RFC 4271 §8: our process did not run for longer than the hold time. What came meanwhile is read before silence counts.
pub(crate) fn stopped_process() {
    Kind::BOTH.into_iter().for_each(stopped_process_of);
}

fn stopped_process_of(kind: Kind) {
    let mut world = World::new("bad_input::stopped_process", &of_kind(kind, "hold_time = 3"));
    let mut peer = establish(&world, CLIENT, kind, 3);
    let alive = peer.keep_alive();
    world.advertised(&mut peer, &kind.base().concat(), "the process is stopped");
    world.heddle.process().signal(Signal::Stop);
    // Twice a second: more than the hold time.
    let said = alive.said();
    wait_for("KEEPALIVEs to a process that is stopped", PATIENCE, || {
        ensure(alive.said() >= said + 10, || format!("{} of 10", alive.said() - said))
    });
    world.heddle.process().signal(Signal::Cont);
    peer.send(&advertise(&["10.98.0.0/24"], &kind.base().concat()));
    wait_for("the next route", PATIENCE, || world.path(CLIENT, "10.98.0.0/24")?.ok_or_else(|| "no path".to_owned()));
    let state = world.heddle.peer(CLIENT).expect("it answers");
    assert_eq!((&state["state"], &state["established_count"]), (&"established".into(), &1.into()), "{state}");
}
