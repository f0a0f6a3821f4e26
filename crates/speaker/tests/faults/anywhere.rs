//! A panic at any point of a peer's task.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use heddle_admin::types::{Clear, Down, Peer, PeerAction, PeerState};
use heddle_bgp_core::route_refresh::{RefreshSubtype, RouteRefresh};
use heddle_bgp_core::{Family, MessageType, message};
use heddle_speaker::fault;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

use crate::process_log::of_process;
use crate::random::Random;
use crate::raw_peer::{NotificationBit, Offer, RawPeer, updates};
use crate::world::{Running, World, soon, tick};

/// Faults are those of the process: one test at a time.
pub(crate) static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Routes of the peer that nothing happens to, 10.0.0.0/32 and on.
const SOUND: u32 = 300;

fn client(n: u8) -> String {
    format!(
        "[[peers]]\naddress = \"NET.{n}\"\nasn = 65001\npassive = true\nroute_reflector_client = true\ngraceful_restart = \"helper\"\nidle_hold = {{ min = 0, max = 1 }}\n"
    )
}

/// The victim's routes: 200.0.0.0/32 and on, so many of them, `each` in one UPDATE.
fn of_victim(count: u32, each: u32) -> Vec<u8> {
    // The generator's begin with 10: its first octet stands behind the length of each prefix.
    let mut octets = updates(count, each, 40);
    let mut at = 0;
    while at < octets.len() {
        let len = usize::from(u16::from_be_bytes([octets[at + 16], octets[at + 17]]));
        let attributes = usize::from(u16::from_be_bytes([octets[at + 21], octets[at + 22]]));
        let mut nlri = at + 23 + attributes;
        while nlri < at + len {
            assert_eq!((octets[nlri], octets[nlri + 1]), (32, 10));
            octets[nlri + 1] = 200;
            nlri += 5;
        }
        at += len;
    }
    octets
}

/// Says all that a peer says, and does so until its connection ends; reads meanwhile, so that the speaker writes.
async fn talk(mut peer: RawPeer) {
    let mut refresh = BytesMut::new();
    RouteRefresh { family: Family::IPV4_UNICAST, subtype: RefreshSubtype::Request }.encode(&mut refresh);
    let script = [
        of_victim(1, 1),
        of_victim(600, 40),
        message::KEEPALIVE.to_vec(),
        refresh.to_vec(),
        of_victim(4, 1),
        vec![0xff; 16].into_iter().chain([0, 23, 2, 0, 0, 0, 0]).collect(),
    ];
    for part in script.iter().cycle().take(2000) {
        if peer.stream.write_all(part).await.is_err() {
            return;
        }
        let mut octets = [0; 65536];
        if tokio::time::timeout(Duration::from_millis(2), peer.stream.readable()).await.is_ok() {
            match peer.stream.try_read(&mut octets) {
                Ok(0) => return,
                Err(e) if e.kind() != std::io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// Tries until there is a session, as any peer does.
pub(crate) async fn connected(world: &World, n: u8, offer: Offer) -> RawPeer {
    let tries = async {
        loop {
            if let Some(peer) = RawPeer::try_connect(world, n, 1, offer).await {
                return peer;
            }
            tick().await;
        }
    };
    soon("a session", tries).await
}

/// Connects and talks until the fault has come.
async fn until_fault(world: &World, offer: Offer) {
    let tries = async {
        while fault::is_armed() {
            match RawPeer::try_connect(world, 2, 1, offer).await {
                Some(peer) => talk(peer).await,
                None => tick().await,
            }
        }
    };
    soon("the fault", tries).await;
}

/// Reads all that the speaker sends to a peer; says which prefixes that begin with 10 it has withdrawn.
fn watch(mut peer: RawPeer) -> JoinHandle<BTreeSet<Vec<u8>>> {
    tokio::spawn(async move {
        let mut withdrawn = BTreeSet::new();
        while let Some((kind, body)) = peer.quiet_message().await {
            if kind == MessageType::Update {
                let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
                withdrawn.extend(body[2..2 + len].chunks(5).filter(|p| p[1] == 10).map(<[u8]>::to_vec));
            }
        }
        withdrawn
    })
}

/// Reads until the connection ends; whether that came without a NOTIFICATION.
pub(crate) async fn ends_silently(peer: &mut RawPeer) -> bool {
    let mut silent = true;
    let read = async {
        while let Some((kind, _)) = peer.quiet_message().await {
            silent &= kind != MessageType::Notification;
        }
    };
    soon("the end", read).await;
    silent
}

async fn is_sound(speaker: &Running, world: &World, victim: &Peer) {
    for n in [3, 4] {
        let other = speaker.peer(world.ip(n)).await.expect("configured");
        assert_eq!((other.state, other.flap_count), (PeerState::Established, 0), "peer {n}");
        assert_eq!(other.internal_errors, 0);
        let accepted = if n == 3 { u64::from(SOUND) } else { 0 };
        assert_eq!(other.accepted(), accepted, "after {:?}", victim.last_reset);
    }
}

fn setting(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().map_or(otherwise, |value| value.parse().expect("a number"))
}

/// A speaker with a peer that is to fail, one to which nothing happens, and one that watches what becomes of its routes.
async fn with_bystanders(world: &World) -> (Running, RawPeer, JoinHandle<BTreeSet<Vec<u8>>>) {
    let speaker = world.start(1, &[client(2), client(3), client(4)].concat()).await;
    let mut sound = RawPeer::connect(world, 3, 1, Offer { hold_time: 0, ..Offer::default() }).await;
    sound.send(&updates(SOUND, 50, 40)).await;
    let mut observer = RawPeer::connect(world, 4, 1, Offer { hold_time: 0, ..Offer::default() }).await;
    observer.routes(SOUND as usize).await;
    (speaker, sound, watch(observer))
}

/// The peer's routes are taken as before; then what was counted against it is forgotten, so that the next pause is as short.
async fn is_back(speaker: &Running, world: &World, mut back: RawPeer) {
    back.send(&of_victim(7, 7)).await;
    back.end_of_rib().await;
    speaker.peer_until(world.ip(2), "back with its routes, and no others", |p| p.received() == 7).await;
    let clear = PeerAction::Clear(Clear { text: None });
    speaker.client.act(&world.ip(2).into(), &clear).await.expect("clears");
    // The next fault has to come after this reset, not in the midst of it.
    let cleared = |p: &Peer| p.last_reset.as_ref().is_some_and(|r| r.reason.starts_with("Cease/Administrative Reset"));
    speaker.peer_until(world.ip(2), "cleared", cleared).await;
}

/// Other sessions stay up, their routes are not touched, and the peer comes back by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_anywhere_ends_one_session_and_only_that() {
    let _alone = ALONE.lock().await;
    let log = of_process();
    let world = World::new(141);
    let (speaker, _sound, watching) = with_bystanders(&world).await;

    let seed = setting("HEDDLE_FAULT_SEED", 1);
    let mut random = Random::new(u64::try_from(seed).expect("small"));
    let (mut before, mut longest) = (0, Duration::ZERO);
    for trial in 0..setting("HEDDLE_FAULT_POINTS", 200) {
        let graceful_restart = [None, Some(NotificationBit::Clear), Some(NotificationBit::Set)][random.below(3)];
        let offer = Offer { graceful_restart, ..Offer::default() };
        // The first points are those of the opening; later ones those of the routes.
        let n = [12, 60, 400][random.below(3)];
        fault::arm(world.ip(2), u64::try_from(random.below(n)).expect("small"));
        until_fault(&world, offer).await;
        let failed = Instant::now();
        // It is counted first, and told when the peer is begun again.
        let whole = "internal error of this speaker: injected\\n\\u{1b}[31mfault at ";
        let counted = |p: &Peer| {
            p.internal_errors == before + 1 && p.last_reset.as_ref().is_some_and(|r| r.reason.starts_with(whole))
        };
        let what = format!("counted and told, trial {trial} of seed {seed}");
        let victim = speaker.peer_until(world.ip(2), &what, counted).await;
        before = victim.internal_errors;
        is_sound(&speaker, &world, &victim).await;
        // It is back by itself, and its routes are taken as before.
        let back = connected(&world, 2, offer).await;
        longest = longest.max(failed.elapsed());
        is_back(&speaker, &world, back).await;
    }
    assert_eq!(
        u64::try_from(log.lines(&["ERROR", "127.141.0.2", "injected\\n\\u{1b}[31mfault at "]).len()),
        Ok(before)
    );
    assert_eq!(log.lines(&["ERROR"]).len(), log.lines(&["ERROR", "a fault of this program"]).len());
    println!("{before} faults, {} points passed; the next session {longest:.0?} later at most", fault::passed());
    speaker.speaker.stop().await;
    assert_eq!(watching.await.expect("watched"), BTreeSet::new(), "nobody's route but the victim's was withdrawn");
}

/// A panic in the clean-up after another one ends the peer's task: the peer is made anew, after a pause, and nobody else is concerned.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_clean_up_too() {
    /// Places in it that panic on purpose.
    const PLACES: u64 = 4;
    let _alone = ALONE.lock().await;
    let log = of_process();
    let world = World::new(145);
    let (speaker, _sound, watching) = with_bystanders(&world).await;
    let mut random = Random::new(u64::try_from(setting("HEDDLE_FAULT_SEED", 1)).expect("small"));
    let mut counted = 0;
    for place in (0..PLACES).cycle().take(setting("HEDDLE_FAULT_POINTS", 200) / 20) {
        let graceful_restart = [None, Some(NotificationBit::Set)][random.below(2)];
        let offer = Offer { graceful_restart, ..Offer::default() };
        fault::arm(world.ip(2), u64::try_from(random.below(60)).expect("small"));
        fault::arm(world.ip(2), place);
        until_fault(&world, offer).await;
        counted += 2;
        let held = |p: &Peer| {
            p.internal_errors == counted
                && p.last_reset.as_ref().is_some_and(|r| r.reason.contains("the peer's task failed, and was made anew"))
        };
        let victim = speaker.peer_until(world.ip(2), "made anew", held).await;
        assert_eq!(victim.received(), 0, "its routes went with the task");
        is_sound(&speaker, &world, &victim).await;
        let back = connected(&world, 2, offer).await;
        is_back(&speaker, &world, back).await;
    }
    let twice =
        log.lines(&["ERROR", "127.145.0.2", "while it cleaned up after one", "injected\\n\\u{1b}[31mfault at "]);
    assert_eq!(u64::try_from(twice.len()), Ok(counted / 2));
    speaker.speaker.stop().await;
    assert_eq!(watching.await.expect("watched"), BTreeSet::new(), "nobody's route but the victim's was withdrawn");
}

/// What an operator has taken down stays down, also where the task is made anew, and needs no more than his word to come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_made_anew_does_what_the_operator_said() {
    let _alone = ALONE.lock().await;
    let _log = of_process();
    let world = World::new(146);
    let speaker =
        world.start(1, &[client(2), client(3)].concat().replace("min = 0, max = 1", "min = 30, max = 60")).await;
    speaker.client.act(&world.ip(2).into(), &PeerAction::Down(Down { text: None })).await.expect("goes down");
    let is_down = |p: &Peer| p.down_reason.as_ref().is_some_and(|r| r.code == "admin_down");
    speaker.peer_until(world.ip(2), "down", is_down).await;
    fault::arm(world.ip(2), 0);
    fault::arm(world.ip(2), 0);
    // The task fails on the command.
    assert!(speaker.client.act(&world.ip(2).into(), &PeerAction::Up).await.is_err());
    speaker.peer_until(world.ip(2), "down as before", |p| p.internal_errors == 2 && is_down(p)).await;
    assert!(RawPeer::try_connect(&world, 2, 1, Offer::default()).await.is_none());
    speaker.client.act(&world.ip(2).into(), &PeerAction::Up).await.expect("goes up");
    connected(&world, 2, Offer::default()).await;
    speaker.speaker.stop().await;
}

/// RFC 4724 §4.2: the session is lost without a word; where graceful restart was agreed, its routes stay until it is back.
#[tokio::test(flavor = "multi_thread")]
async fn routes_stay_where_graceful_restart_was_agreed() {
    let _alone = ALONE.lock().await;
    let _log = of_process();
    let world = World::new(142);
    let speaker =
        world.start(1, &[client(2), client(3)].concat().replace("min = 0, max = 1", "min = 30, max = 60")).await;
    for (round, graceful_restart) in [Some(NotificationBit::Clear), None].into_iter().enumerate() {
        let offer = Offer { graceful_restart, ..Offer::default() };
        let mut victim = connected(&world, 2, offer).await;
        victim.send(&of_victim(20, 5)).await;
        speaker.peer_until(world.ip(2), "its routes", |p| p.accepted() == 20).await;
        // The second fault is followed by a pause of half a minute, in which the peer is seen.
        for n in 0..2 {
            fault::arm(world.ip(2), 0);
            victim.send(&message::KEEPALIVE).await;
            assert!(ends_silently(&mut victim).await, "not a word");
            if n == 0 {
                victim = connected(&world, 2, offer).await;
            }
        }
        let held =
            |p: &Peer| p.state == PeerState::Idle && p.down_reason.as_ref().is_some_and(|r| r.code == "idle_hold");
        let shown = speaker.peer_until(world.ip(2), "held", held).await;
        assert_eq!(shown.internal_errors, 2 + 2 * u64::try_from(round).expect("small"));
        let stale: u64 = shown.families.iter().map(|f| f.stale).sum();
        match graceful_restart {
            Some(_) => assert_eq!((stale, shown.received()), (20, 20), "they are kept"),
            None => {
                speaker.peer_until(world.ip(2), "without routes", |p| p.received() == 0).await;
            }
        }
        // The operator need not wait.
        speaker.client.act(&world.ip(2).into(), &PeerAction::Up).await.expect("goes up");
        let mut back = connected(&world, 2, offer).await;
        back.end_of_rib().await;
        speaker.peer_until(world.ip(2), "without old routes", |p| p.received() == 0).await;
        let clear = PeerAction::Clear(Clear { text: None });
        speaker.client.act(&world.ip(2).into(), &clear).await.expect("clears");
    }
    speaker.speaker.stop().await;
}

/// A peer that is removed from the configuration ends, also where its task failed when it was told so.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_removed_does_not_come_back() {
    let _alone = ALONE.lock().await;
    let _log = of_process();
    let world = World::new(144);
    let speaker = world.start(1, &[client(2), client(3)].concat()).await;
    // Nothing happens on this session but what the configuration does to it.
    let mut victim = RawPeer::connect(&world, 2, 1, Offer { hold_time: 0, ..Offer::default() }).await;
    let sent = |p: &Peer| p.state == PeerState::Established && p.families.iter().all(|f| f.end_of_rib_sent);
    speaker.peer_until(world.ip(2), "all is said", sent).await;
    fault::arm(world.ip(2), 0);
    speaker.apply(&world.toml(1, &client(3))).await;
    assert!(ends_silently(&mut victim).await, "not a word");
    assert!(!fault::is_armed());
    assert!(speaker.peer(world.ip(2)).await.is_none());
    let stop = async {
        // Whoever is not configured gets no session.
        while RawPeer::try_connect(&world, 2, 1, Offer::default()).await.is_some() {
            tick().await;
        }
    };
    soon("no session with it", stop).await;
    speaker.speaker.stop().await;
}
