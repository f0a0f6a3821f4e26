//! A panic of the RIB: the process ends, for a table that is half changed is worse than none; the next run holds the peer on
//! whose message it failed, and serves all others at once.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use heddle_admin::types::{Peer, PeerState};
use heddle_speaker::{Role, Speaker, StartOptions, fault, read_config};

use crate::anywhere::{connected, ends_silently};
use crate::raw_peer::{NotificationBit, Offer, updates};
use crate::world::{World, soon, tick};

const TOML: &str = "HEDDLE_FAULT_TOML";

/// What the peers say of graceful restart.
fn offer() -> Offer {
    Offer { graceful_restart: Some(NotificationBit::Clear), ..Offer::default() }
}

/// The speaker that is to fail: a process of its own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other process of the test below"]
async fn the_speaker_that_fails() {
    let Some(file) = std::env::var_os(TOML) else { return };
    let toml = std::fs::read_to_string(file).expect("the configuration");
    let config = read_config(&toml, "test.toml").expect("a sound configuration");
    fault::arm_rib();
    let options = StartOptions::new(Role::RouteReflector);
    let _speaker = Speaker::start(config, options).await.expect("starts");
    std::future::pending().await
}

/// Ended when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    async fn ended(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.0.try_wait().expect("a child") {
                return status;
            }
            tick().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_ends_and_the_next_run_holds_the_peer() {
    let world = World::new(143);
    let peer = |n: u8| {
        format!("[[peers]]\naddress = \"NET.{n}\"\nasn = 65001\npassive = true\nroute_reflector_client = true\n")
    };
    let rest = [peer(2), peer(3)].concat();
    let file = world.path("1.toml");
    std::fs::write(&file, world.toml(1, &rest)).expect("writable");
    for run in 1..=2 {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "rib::the_speaker_that_fails", "--ignored", "--nocapture"])
            .env(TOML, &file)
            .current_dir(world.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut process = Process(child);
        let mut sound = connected(&world, 3, offer()).await;
        let mut poisoner = connected(&world, 2, offer()).await;
        poisoner.send(&updates(3, 1, 40)).await;
        let status = soon("the end of the process", process.ended()).await;
        assert_eq!(status.signal(), Some(6), "aborted, so that the service manager starts it again: {status}");
        assert!(ends_silently(&mut sound).await, "and nobody was told to drop routes");
        let marker = std::fs::read_to_string(world.path("1.running")).expect("the marker");
        assert_eq!(marker.lines().last(), Some(format!("!{run} 127.143.0.2").as_str()), "{marker}");
    }

    let speaker = world.start(1, &rest).await;
    let mut sound = connected(&world, 3, offer()).await;
    // Nobody waits for a table of the peer that is held.
    sound.send(&updates(3, 1, 40)).await;
    sound.end_of_rib().await;
    speaker.summary_until("its routes are selected", |s| s.families.iter().any(|f| f.best == 3)).await;
    assert!(sound.graceful_restart().is_some_and(|g| g.restarted), "it has restarted");
    let held = |p: &Peer| p.down_reason.as_ref().is_some_and(|r| r.code == "idle_hold");
    let shown = speaker.peer_until(world.ip(2), "held", held).await;
    assert_eq!((shown.state, shown.established_count), (PeerState::Idle, 0));
    let reset = shown.last_reset.expect("was told");
    assert_eq!(reset.reason, "internal error of this speaker: the run before failed on what this peer sent");
    // Half a minute after the second time; the operator need not wait.
    assert!(shown.retry_seconds.is_some_and(|s| s > 1), "{:?}", shown.retry_seconds);
    let up = heddle_admin::types::PeerAction::Up;
    speaker.client.act(&world.ip(2).into(), &up).await.expect("goes up");
    let mut poisoner = connected(&world, 2, offer()).await;
    poisoner.send(&updates(3, 1, 40)).await;
    speaker.peer_until(world.ip(2), "its routes", |p| p.received() == 3).await;
    speaker.speaker.stop().await;
    assert!(!std::fs::read_to_string(world.path("1.running")).expect("the marker").contains('!'));
}
