//! A model of the kernel's rules, and random histories against it.
//!
//! What the model knows was measured: `CREATE | EXCL` fails on a taken key whoever owns it, `REPLACE` takes the first
//! route of a key whoever owns it, the loss of carrier deletes nexthop objects and, silently, the IPv4 routes over them, a
//! link that goes down takes IPv4 routes silently and IPv6 routes aloud, routes stay when the address goes that their
//! gateway was on. It also has tunnels, which the machines that run the tests may not have.
//!
//! Carrier is lost in two steps, up to a second apart: first a dump says so and no object can be made, then the objects go
//! and the link is reported; where the carrier is back by then they stay. Between the two anything may happen.

mod kernel;
mod objects;
mod world;

use world::{Fault, World};

use crate::route::LinkState;
use crate::settings::{FibAction, FibRule, NexthopObjects, Settings};

const FAULTS: [Fault; 4] = [Fault::LostAnswers, Fault::Overrun, Fault::TornDump, Fault::LateReports];

/// BIRD's number on the second link, which is a workload's.
fn with_a_workload(objects: NexthopObjects) -> Settings {
    Settings { workload_protocol: Some(12), workload_interfaces: vec!["b*".to_owned()], ..settings(objects) }
}

fn settings(objects: NexthopObjects) -> Settings {
    let long = std::time::Duration::from_secs(1_000_000);
    Settings { nexthop_objects: objects, stale_time: long, unresolved_time: long, ..Settings::default() }
}

/// How often a moment is the last one of the program, where it is killed.
const KILLED_ONE_IN: u64 = 60;

/// How many histories a test plays: `HEDDLE_FIB_HISTORIES`, or so many.
fn number_of(plain: u64) -> u64 {
    std::env::var("HEDDLE_FIB_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(plain)
}

/// What is random in histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Never,
    /// In the middle of a dump, of reports, of a batch of writes.
    AtAnyMoment,
}

/// Histories of random doings; after each quiet the kernel has what the oracle expects, and strangers what was theirs.
/// `HEDDLE_FIB_SEED` plays one alone.
fn histories(test: &str, settings: &Settings, faults: &[Fault], killed: Killed, seeds: u64) -> usize {
    let one = std::env::var("HEDDLE_FIB_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = one.map_or_else(|| 0..number_of(seeds), |seed| seed..seed + 1);
    let (mut doings, mut writes, mut kills) = (0, 0, 0);
    for seed in seeds {
        let run = std::panic::catch_unwind(|| history(settings, faults, killed, seed));
        let (done, world) = run.unwrap_or_else(|panic| {
            eprintln!("history {seed} failed: HEDDLE_FIB_SEED={seed} cargo test -p heddle-fib-sync --lib {test}");
            std::panic::resume_unwind(panic);
        });
        doings += done;
        writes += world.written();
        kills += world.kills();
    }
    println!("{test}: {doings} doings, {writes} writes, {kills} kills, nothing of strangers touched");
    kills
}

fn history(settings: &Settings, faults: &[Fault], killed: Killed, seed: u64) -> (u64, World) {
    let mut world = World::new(settings.clone(), seed + 1);
    world.at_any_moment();
    if killed == Killed::AtAnyMoment {
        world.is_killed_at_any_moment(KILLED_ONE_IN);
    }
    let mut done = 0;
    for step in 0..60 {
        let doings = world.random(4);
        for _ in 0..=doings {
            world.act();
        }
        done += 1 + doings;
        if world.random(8) == 0 {
            world.restart();
        }
        for fault in faults {
            if world.random(3) == 0 {
                world.next_fault(*fault);
            }
        }
        world.run_until_quiet();
        let context = format!("seed {seed}, step {step}");
        world.check(&context);
        world.idle(&context);
    }
    (done, world)
}

#[test]
fn random_histories_end_as_wanted() {
    histories("random_histories_end_as_wanted", &settings(NexthopObjects::Never), &[], Killed::Never, 150);
}

#[test]
fn random_histories_with_lost_answers_and_reports() {
    let name = "random_histories_with_lost_answers_and_reports";
    histories(name, &settings(NexthopObjects::Never), &FAULTS, Killed::Never, 150);
}

#[test]
fn random_histories_with_nexthop_objects() {
    histories("random_histories_with_nexthop_objects", &settings(NexthopObjects::Always), &[], Killed::Never, 150);
}

#[test]
fn random_histories_with_nexthop_objects_and_faults() {
    let name = "random_histories_with_nexthop_objects_and_faults";
    histories(name, &settings(NexthopObjects::Always), &FAULTS, Killed::Never, 150);
}

/// Killed between any two writes, reports, or parts of a dump: what it left there is what it goes on from.
#[test]
fn killed_at_any_moment() {
    let kills = histories("killed_at_any_moment", &settings(NexthopObjects::Never), &FAULTS, Killed::AtAnyMoment, 60);
    assert!(kills > 0, "nobody was killed");
}

#[test]
fn killed_at_any_moment_with_nexthop_objects() {
    let name = "killed_at_any_moment_with_nexthop_objects";
    let kills = histories(name, &settings(NexthopObjects::Always), &FAULTS, Killed::AtAnyMoment, 60);
    assert!(kills > 0, "nobody was killed");
}

/// A route is ours by its interface too, after each restart and whatever is lost.
#[test]
fn random_histories_with_a_workload_that_peers() {
    for objects in [NexthopObjects::Never, NexthopObjects::Always] {
        let name = "random_histories_with_a_workload_that_peers";
        histories(name, &with_a_workload(objects), &[], Killed::Never, 75);
        histories(name, &with_a_workload(objects), &FAULTS, Killed::Never, 75);
        let kills = histories(name, &with_a_workload(objects), &FAULTS, Killed::AtAnyMoment, 30);
        assert!(kills > 0, "nobody was killed");
    }
}

/// Felix removes what is not BIRD's from a workload's interface: there is nothing that it could remove, and nothing to be
/// written again.
#[test]
fn who_takes_all_but_one_number_off_an_interface_finds_nothing() {
    let mut world = World::new(with_a_workload(NexthopObjects::Always), 1);
    world.learn("10.1.0.0/16", &["198.51.100.2"]);
    world.learn("10.2.0.0/16", &["192.0.2.2", "198.51.100.2"]);
    world.learn("10.3.0.0/16", &["192.0.2.2"]);
    world.run_until_quiet();
    world.check("with a workload");
    let (there, written) = (world.ours(), world.written());
    for _ in 0..10 {
        assert_eq!(world.take_off(2, &[12]), 0, "{there:?}");
        world.dump_again();
        world.run_until_quiet();
    }
    assert_eq!((world.ours(), world.written(), world.of_bird()), (there, written, 1));
    // The workload is gone from there: the number is the usual one.
    world.learn("10.1.0.0/16", &["192.0.2.2"]);
    world.learn("10.2.0.0/16", &["192.0.2.2"]);
    world.run_until_quiet();
    world.check("without");
    assert_eq!(world.of_bird(), 0);
}

/// A route that has the number of the other kind, of a run before, gets its own in place; what nobody wants goes.
#[test]
fn numbers_of_the_run_before_are_changed_in_place() {
    for (before, after) in [
        (settings(NexthopObjects::Never), with_a_workload(NexthopObjects::Never)),
        (with_a_workload(NexthopObjects::Never), with_a_workload(NexthopObjects::Never)),
    ] {
        let mut world = World::new(before, 1);
        world.learn("10.1.0.0/16", &["198.51.100.2"]);
        world.learn("10.2.0.0/16", &["198.51.100.2"]);
        world.run_until_quiet();
        world.forget("10.2.0.0/16");
        world.restart_with(after);
        world.react_with_dump();
        assert_eq!((world.ours().len(), world.local_routes()), (2, 4));
        world.sweep();
        world.run_until_quiet();
        world.check("after the restart");
        assert_eq!((world.ours(), world.of_bird()), (vec!["10.1.0.0/16 1024 198.51.100.2@2".to_owned()], 1));
    }
}

/// No event says so: the next look at the whole table finds it.
#[test]
fn a_route_that_goes_without_a_word_comes_back() {
    let mut world = World::new(settings(NexthopObjects::Never), 1);
    world.learn("10.1.0.0/26", &["192.0.2.2"]);
    world.run_until_quiet();
    let before = world.ours();
    world.lose_silently("10.1.0.0/26");
    world.react();
    assert!(world.ours().is_empty(), "who could know?");
    world.run_until_quiet();
    assert_eq!((world.ours(), world.repairs()), (before, 1));
}

/// The kernel puts a route in the place of whichever has the key. Where reports were lost nobody knows whose it is, so nothing
/// is replaced before a dump has told; what has a key of its own need not wait.
#[test]
fn a_stranger_of_whom_the_report_was_lost_is_left_alone() {
    for objects in [NexthopObjects::Never, NexthopObjects::Always] {
        let mut world = World::new(settings(objects), 1);
        world.learn("10.1.0.0/16", &["192.0.2.2"]);
        world.learn("10.3.0.0/16", &["192.0.2.2"]);
        world.run_until_quiet();
        world.stranger_takes("10.1.0.0/16");
        world.next_fault(Fault::Overrun);
        world.learn("10.1.0.0/16", &["198.51.100.2"]);
        world.learn("10.2.0.0/16", &["198.51.100.2"]);
        world.learn("10.3.0.0/16", &["198.51.100.2"]);
        world.react();
        let (left, made) = ("10.3.0.0/16 1024 192.0.2.2@1", "10.2.0.0/16 1024 198.51.100.2@2");
        assert_eq!((world.ours(), world.conflicts()), (vec![made.to_owned(), left.to_owned()], 0));
        world.run_until_quiet();
        let moved = "10.3.0.0/16 1024 198.51.100.2@2";
        assert_eq!((world.ours(), world.conflicts()), (vec![made.to_owned(), moved.to_owned()], 1));
        world.check("in the end");
    }
}

/// Where each dump is followed by a loss no dump says whose is what. What is to be changed or to go does so all the same after
/// a few of them, and no stranger is touched.
#[test]
fn changes_arrive_also_where_each_dump_is_followed_by_a_loss() {
    let mut world = World::new(settings(NexthopObjects::Never), 1);
    for prefix in ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] {
        world.learn(prefix, &["192.0.2.2"]);
    }
    world.run_until_quiet();
    world.dump_again();
    world.react();
    world.learn("10.1.0.0/16", &["198.51.100.2"]);
    world.learn("10.2.0.0/16", &[]);
    world.react();
    let before = world.ours();
    assert_eq!(before.len(), 3);
    for _ in 0..3 {
        world.dump_again();
        world.later(std::time::Duration::from_millis(200));
        world.react_with_dump();
    }
    let (moved, left) = ("10.1.0.0/16 1024 198.51.100.2@2", "10.3.0.0/16 1024 192.0.2.2@1");
    assert_eq!(world.ours(), [moved, left]);
    world.stranger_takes("10.3.0.0/16");
    world.lose_reports();
    world.learn("10.3.0.0/16", &["198.51.100.2"]);
    world.react();
    assert_eq!(world.ours(), [moved]);
    world.run_until_quiet();
    assert_eq!((world.ours(), world.conflicts()), (vec![moved.to_owned()], 1));
    world.check("in the end");
}

/// The same where the report has only not been read yet.
#[test]
fn a_stranger_of_whom_nobody_has_heard_yet_is_left_alone() {
    let mut world = World::new(settings(NexthopObjects::Never), 1);
    world.learn("10.1.0.0/16", &["192.0.2.2"]);
    world.run_until_quiet();
    world.stranger_takes("10.1.0.0/16");
    world.learn("10.1.0.0/16", &["198.51.100.2"]);
    world.next_fault(Fault::LateReports);
    world.run_until_quiet();
    assert_eq!((world.ours(), world.conflicts()), (Vec::new(), 1));
    world.check("in the end");
}

/// IPIP: `via NEXT_HOP dev tunl0 onlink`, in the same network without the tunnel.
#[test]
fn routes_through_a_tunnel() {
    let rule = FibRule {
        name: Some("pool".to_owned()),
        prefixes: Vec::new(),
        next_hops: Vec::new(),
        action: FibAction::Tunnel {
            interface: "tunl0".to_owned(),
            except: vec!["192.0.2.0/24".parse().expect("a prefix")],
        },
    };
    let mut world = World::new(Settings { rules: vec![rule], ..settings(NexthopObjects::Never) }, 1);
    world.learn("10.1.0.0/26", &["192.0.2.2"]);
    world.learn("10.2.0.0/26", &["198.51.100.2"]);
    // Several next hops (projectcalico/bird #90), one of them in the same network.
    world.learn("10.3.0.0/26", &["198.51.100.2", "198.51.100.3"]);
    world.learn("10.4.0.0/26", &["192.0.2.2", "198.51.100.2"]);
    world.run_until_quiet();
    assert_eq!(world.ours(), ["10.1.0.0/26 1024 192.0.2.2@1", "10.4.0.0/26 1024 192.0.2.2@1"], "no tunnel yet");
    world.add_tunnel("tunl0", 9);
    world.run_until_quiet();
    let routes = [
        "10.1.0.0/26 1024 192.0.2.2@1",
        "10.2.0.0/26 1024 198.51.100.2@9!",
        "10.3.0.0/26 1024 198.51.100.2@9!,198.51.100.3@9!",
        "10.4.0.0/26 1024 192.0.2.2@1,198.51.100.2@9!",
    ];
    assert_eq!(world.ours(), routes);
}

#[test]
fn no_writes_while_desired_equals_actual() {
    let mut world = World::new(settings(NexthopObjects::Never), 1);
    world.learn("10.1.0.0/26", &["192.0.2.2"]);
    world.run_until_quiet();
    let written = world.written();
    assert_eq!(written, 1);
    world.learn("10.1.0.0/26", &["192.0.2.2"]);
    world.dump_again();
    world.run_until_quiet();
    assert_eq!(world.written(), written);
    // A day, in which the kernel is read each minute.
    for _ in 0..24 * 12 {
        world.idle("a day");
    }
    assert_eq!((world.written(), world.dumps() > 24 * 60), (written, true), "{} dumps", world.dumps());
}

/// 50,000 changes of one route in a second are a few dozen writes, and the last one counts. Others do not wait for it.
#[test]
fn a_route_that_flaps_is_written_now_and_then() {
    let mut world = World::new(settings(NexthopObjects::Never), 1);
    let hops: [&[&str]; 4] = [&["192.0.2.2"], &["192.0.2.3"], &[], &["198.51.100.2"]];
    let mut others = Vec::new();
    world.react_with_dump();
    for n in 0..50_000 {
        world.later(std::time::Duration::from_micros(20));
        world.learn("10.1.0.0/16", hops[n % hops.len()]);
        if n % 5000 == 2500 {
            let other = format!("10.2.{}.0/24", n / 5000);
            world.learn(&other, &["192.0.2.2"]);
            others.push(format!("{other} 1024 192.0.2.2@1"));
        }
        world.react();
        assert!(others.iter().all(|other| world.ours().contains(other)), "{others:?} of {:?}", world.ours());
    }
    // Four changes of what is there in each tenth of a second, and what was made again between them.
    let writes = world.written() - others.len();
    assert!((40..=88).contains(&writes), "{writes} writes");
    world.run_until_quiet();
    others.insert(0, "10.1.0.0/16 1024 198.51.100.2@2".to_owned());
    assert_eq!(world.ours(), others);
    assert!(world.written() - others.len() <= writes, "{} writes", world.written());
}

/// Somebody who deletes a route of ours again and again makes us write it a few times in a while, and in the end it is there.
#[test]
fn who_deletes_a_route_again_and_again_is_not_answered_each_time() {
    let mut world = World::new(settings(NexthopObjects::Never), 1);
    world.learn("10.1.0.0/16", &["192.0.2.2"]);
    world.run_until_quiet();
    for _ in 0..1000 {
        world.later(std::time::Duration::from_micros(20));
        world.delete("10.1.0.0/16");
        world.react();
    }
    assert_eq!((world.ours(), world.written()), (Vec::new(), 4));
    world.run_until_quiet();
    assert_eq!((world.ours(), world.written()), (vec!["10.1.0.0/16 1024 192.0.2.2@1".to_owned()], 5));
}

/// The same where he takes its place and goes again.
#[test]
fn who_takes_the_place_of_a_route_again_and_again_is_not_answered_each_time() {
    let mut world = World::new(settings(NexthopObjects::Never), 1);
    world.learn("10.1.0.0/16", &["192.0.2.2"]);
    world.run_until_quiet();
    for _ in 0..1000 {
        world.later(std::time::Duration::from_micros(20));
        if !world.ours().is_empty() {
            world.stranger_takes("10.1.0.0/16");
            world.stranger_goes("10.1.0.0/16");
        }
        world.react();
    }
    assert_eq!((world.ours(), world.written()), (Vec::new(), 4));
    world.run_until_quiet();
    assert_eq!((world.ours(), world.written()), (vec!["10.1.0.0/16 1024 192.0.2.2@1".to_owned()], 5));
}

/// What the kernel took silently is written again at once: nothing waits for the dump that confirms it.
#[test]
fn routes_of_a_link_that_flaps_come_back_without_a_dump() {
    let mut world = World::new(settings(NexthopObjects::Never), 1);
    world.learn("10.1.0.0/26", &["192.0.2.2"]);
    world.run_until_quiet();
    let before = world.ours();
    world.flap(1);
    assert!(world.ours().is_empty());
    world.react();
    assert_eq!(world.ours(), before);
}

/// A dump finds the link without carrier before the kernel has acted on that; what it does then it says only by a report
/// of the link, which is no news.
#[test]
fn objects_that_go_after_a_dump_has_told_that_the_carrier_is_lost() {
    let mut world = World::new(settings(NexthopObjects::Always), 1);
    world.learn("10.1.0.0/26", &["192.0.2.2"]);
    world.learn("2001:db8:f1::/48", &["2001:db8:1::2"]);
    world.run_until_quiet();
    let before = world.ours();
    assert_eq!(before.len(), 2);
    world.only_carrier(1, LinkState::NoCarrier);
    world.dump_again();
    // A second dump confirms what the first one says.
    for _ in 0..3 {
        world.react();
        world.later(std::time::Duration::from_millis(200));
        world.react_with_dump();
    }
    assert_eq!(world.known(), (2, 4), "nothing has gone yet");
    world.act_on_carrier();
    world.run_until_quiet();
    assert_eq!((world.ours(), world.known()), (Vec::new(), (0, 0)));
    world.only_carrier(1, LinkState::Up);
    world.act_on_carrier();
    world.react();
    assert_eq!(world.ours(), before);
}

#[test]
fn stale_routes_go_when_their_time_is_over_even_if_nobody_says_so() {
    let stale_time = std::time::Duration::from_secs(10);
    let mut world = World::new(Settings { stale_time, ..settings(NexthopObjects::Never) }, 1);
    world.learn("10.1.0.0/26", &["192.0.2.2"]);
    world.learn("10.2.0.0/26", &["192.0.2.2"]);
    world.run_until_quiet();
    world.forget("10.2.0.0/26");
    world.restart();
    world.react_with_dump();
    assert_eq!(world.ours().len(), 2);
    world.run_until_quiet();
    assert_eq!(world.ours(), ["10.1.0.0/26 1024 192.0.2.2@1"]);
}

/// The RIB withdraws what it cannot resolve any more; the kernel keeps it for its time, and so it does what is withdrawn
/// while the time runs.
#[test]
fn the_last_good_route_stays_for_its_time() {
    let unresolved_time = std::time::Duration::from_secs(30);
    let mut world = World::new(Settings { unresolved_time, ..settings(NexthopObjects::Never) }, 1);
    world.learn("10.1.0.0/26", &["192.0.2.2"]);
    world.learn("10.2.0.0/26", &["192.0.2.2"]);
    world.learn("10.3.0.0/26", &["198.51.100.2"]);
    world.run_until_quiet();
    world.lose_carrier(1);
    world.react();
    world.learn("10.1.0.0/26", &[]);
    world.learn("10.3.0.0/26", &[]);
    world.react();
    assert_eq!(world.ours(), ["10.1.0.0/26 1024 192.0.2.2@1", "10.2.0.0/26 1024 192.0.2.2@1"]);
    world.run_until_quiet();
    assert!(world.ours().is_empty());
}

/// The kernel may be read again before the sweep, because a link flapped: what was adopted is ours still.
#[test]
fn adopted_routes_stay_ours_when_the_kernel_is_read_again() {
    let stale_time = std::time::Duration::from_secs(10);
    let settings = Settings { adopt_protocols: vec![12], stale_time, ..settings(NexthopObjects::Never) };
    let mut world = World::new(settings, 1);
    world.bird_creates("10.1.0.0/26", 32);
    world.bird_creates("10.2.0.0/26", 32);
    world.react_with_dump();
    world.learn("10.1.0.0/26", &["192.0.2.2"]);
    world.dump_again();
    world.run_until_quiet();
    assert_eq!((world.ours(), world.of_bird()), (vec!["10.1.0.0/26 1024 192.0.2.2@1".to_owned()], 0));
}
