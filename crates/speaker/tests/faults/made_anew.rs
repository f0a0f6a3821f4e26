//! Peers whose task was made anew: what held them before holds them still, and dynamic ones are dynamic.

use heddle_admin::types::{Peer, PeerAction, PeerState, Refresh};
use heddle_speaker::fault;

use crate::anywhere::{ALONE, connected};
use crate::process_log::of_process;
use crate::raw_peer::{Offer, RawPeer, updates};
use crate::world::{Running, World, soon, tick};

fn limited(n: u8, action: &str) -> String {
    format!(
        "[[peers]]\naddress = \"NET.{n}\"\nasn = 65001\npassive = true\nroute_reflector_client = true\n\
         prefix_limit = {{ max = 2, {action} }}\n\n"
    )
}

const RANGE: &str = "[[peer_groups]]\nname = \"nodes\"\nasn = 65001\nroute_reflector_client = true\n\n\
                     [[listen_ranges]]\nprefix = \"NET.0/24\"\ngroup = \"nodes\"\n";

fn held_by(p: &Peer, code: &str) -> bool {
    p.down_reason.as_ref().is_some_and(|reason| reason.code == code)
}

/// The task fails on what it hears next, and once more while that is cleaned up.
async fn fail_twice(speaker: &Running, world: &World, n: u8) {
    fault::arm(world.ip(n), 0);
    fault::arm(world.ip(n), 0);
    let fails = async {
        while fault::is_armed() {
            // One that changes nothing, whoever hears it.
            let _ = speaker.client.act(&world.ip(n).into(), &PeerAction::Refresh(Refresh::default())).await;
        }
    };
    soon("two faults", fails).await;
}

/// Whoever exceeded a limit waits as long as he had to, and where that is for the operator, for him.
#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_limit_holds() {
    let _alone = ALONE.lock().await;
    let _log = of_process();
    let world = World::new(147);
    let config = limited(2, "action = \"down\"") + &limited(3, "action = \"restart\", restart_after = 5000");
    let speaker = world.start(1, &config).await;
    for n in [2, 3] {
        let mut peer = connected(&world, n, Offer::default()).await;
        peer.send(&updates(3, 1, 4)).await;
        speaker.peer_until(world.ip(n), "too many", |p| held_by(p, "prefix_limit")).await;
        fail_twice(&speaker, &world, n).await;
        let anew = |p: &Peer| p.internal_errors == 2 && held_by(p, "prefix_limit");
        let held = speaker.peer_until(world.ip(n), "held as before", anew).await;
        assert_eq!(held.state, PeerState::Idle);
        // The pause for faults is one of half a minute.
        assert_eq!(held.retry_seconds.is_some_and(|seconds| seconds > 1000), n == 3, "{:?}", held.retry_seconds);
        assert!(RawPeer::try_connect(&world, n, 1, Offer::default()).await.is_none());
        speaker.client.act(&world.ip(n).into(), &PeerAction::Up).await.expect("goes up");
        let mut peer = connected(&world, n, Offer::default()).await;
        peer.send(&updates(2, 1, 4)).await;
        speaker.peer_until(world.ip(n), "routes", |p| p.accepted() == 2 && p.down_reason.is_none()).await;
    }
    speaker.speaker.stop().await;
}

/// A peer of a listen range is one afterwards, too: it is held, and comes back with its connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_dynamic_peer_is_dynamic() {
    let _alone = ALONE.lock().await;
    let _log = of_process();
    let world = World::new(148);
    let speaker = world.start(1, RANGE).await;
    let mut peer = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    peer.send(&updates(3, 1, 4)).await;
    speaker.peer_until(world.ip(2), "routes", |p| p.dynamic && p.accepted() == 3).await;
    fail_twice(&speaker, &world, 2).await;
    let anew = |p: &Peer| p.internal_errors == 2 && p.state == PeerState::Idle && held_by(p, "idle_hold");
    let held = speaker.peer_until(world.ip(2), "held", anew).await;
    assert!(held.dynamic && held.received() == 0, "{held:?}");
    assert!(RawPeer::try_connect(&world, 2, 1, Offer::default()).await.is_none());
    speaker.client.act(&world.ip(2).into(), &PeerAction::Up).await.expect("goes up");
    let mut peer = connected(&world, 2, Offer::default()).await;
    peer.send(&updates(2, 1, 4)).await;
    let back = speaker.peer_until(world.ip(2), "routes", |p| p.accepted() == 2).await;
    assert!(back.dynamic);
    speaker.speaker.stop().await;
}

/// Where the RIB has no number left for it, the log says so, and what to do; with the next configuration it is there again.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_number_it_is_said() {
    let _alone = ALONE.lock().await;
    let log = of_process();
    let world = World::new(149);
    let config = limited(2, "action = \"down\"");
    let speaker = world.start(1, &config).await;
    speaker.peer_until(world.ip(2), "waits", |p| p.state == PeerState::Active).await;
    fault::arm_full_rib();
    fail_twice(&speaker, &world, 2).await;
    let said = async {
        while log.lines(&["ERROR", "127.149.0.2", "it cannot be made anew, as the RIB knows too many peers"]).is_empty()
        {
            tick().await;
        }
    };
    soon("a line of the log", said).await;
    assert!(speaker.peer(world.ip(2)).await.is_none());
    speaker.apply(&world.toml(1, &config)).await;
    connected(&world, 2, Offer::default()).await;
    speaker.speaker.stop().await;
}
