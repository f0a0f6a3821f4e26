//! Strangers who take the numbers of nexthop objects of ours: the kernel replaces and deletes an object by its number, whoever
//! has it. That none of his is touched the model says itself, at each write.

use super::settings;
use super::world::{Take, Which, World};
use crate::settings::NexthopObjects;

const DESTINATION: &str = "10.1.0.0/16";
/// What [`DESTINATION`] leads to is around here, over a route that is another's.
const AROUND: &str = "203.0.113.0/24";
const TAKES: [(Which, Take); 4] =
    [(Which::Group, Take::InPlace), (Which::Group, Take::Anew), (Which::Leg, Take::InPlace), (Which::Leg, Take::Anew)];

/// One destination over link 1, with an object of its own.
fn world() -> World {
    let mut world = World::new(settings(NexthopObjects::Always), 1);
    world.stranger_leads(AROUND, 1);
    world.learn(DESTINATION, &["203.0.113.7"]);
    world.run_until_quiet();
    world.sweep();
    world.run_until_quiet();
    assert_eq!((world.ours(), world.known()), (over(1), (1, 2)));
    world
}

fn over(link: u32) -> Vec<String> {
    let leg = if link == 1 { "192.0.2.9@1" } else { "198.51.100.9@2" };
    vec![format!("{DESTINATION} 1024 {leg}")]
}

/// No report says so, but that some were lost.
#[test]
fn who_took_the_number_unseen_keeps_it() {
    for (which, take) in TAKES {
        let mut world = world();
        world.stranger_takes_the(which, take);
        world.lose_reports();
        world.dump_again();
        world.stranger_leads(AROUND, 2);
        world.react();
        world.run_until_quiet();
        assert_eq!((world.ours(), world.known()), (over(2), (1, 2)), "{which:?} {take:?}");
        world.check("in the end");
        world.idle("in the end");
    }
}

/// The report is there, and was not read yet.
#[test]
fn who_took_the_number_unheard_keeps_it() {
    for (which, take) in TAKES {
        let mut world = world();
        world.stranger_leads(AROUND, 2);
        world.only_hear();
        world.stranger_takes_the(which, take);
        world.react_before_all_is_heard();
        world.run_until_quiet();
        assert_eq!((world.ours(), world.known()), (over(2), (1, 2)), "{which:?} {take:?}");
        world.check("in the end");
    }
}

/// What nothing points to any more goes only when it is known to be ours.
#[test]
fn who_took_the_number_of_an_idle_object_keeps_it() {
    for (which, take) in TAKES {
        let mut world = world();
        world.learn(DESTINATION, &[]);
        world.stranger_takes_the(which, take);
        world.lose_reports();
        world.dump_again();
        world.react();
        world.run_until_quiet();
        assert_eq!(world.known(), (0, 0), "{which:?} {take:?}");
        world.check("in the end");
    }
    for (which, take) in TAKES {
        let mut world = world();
        world.learn(DESTINATION, &[]);
        world.only_hear();
        world.stranger_takes_the(which, take);
        world.react_before_all_is_heard();
        world.run_until_quiet();
        assert_eq!(world.known(), (0, 0), "{which:?} {take:?}");
        world.check("in the end");
    }
}

/// Nobody knows where the next hop is, so routes are left as they are, also where they lead over an object of his. When that
/// goes they go with it, without a word.
#[test]
fn routes_that_go_with_an_object_of_his_are_missed() {
    let gives_back = |world: &mut World| world.stranger_gives_back();
    let loses_carrier = |world: &mut World| world.lose_carrier(1);
    for goes in [gives_back as fn(&mut World), loses_carrier] {
        for which in [Which::Group, Which::Leg] {
            let mut world = world();
            world.stranger_goes(AROUND);
            world.stranger_takes_the(which, Take::InPlace);
            world.react();
            assert_eq!((world.ours(), world.known().0), (over(1), 1));
            goes(&mut world);
            world.react();
            assert_eq!((world.ours(), world.known().0), (Vec::new(), 0), "{which:?}");
        }
        let mut world = world();
        world.stranger_takes_the(Which::Group, Take::Anew);
        world.learn("10.2.0.0/16", &["203.0.113.7"]);
        world.only_write();
        world.stranger_goes(AROUND);
        world.react_with_dump();
        world.later(std::time::Duration::from_millis(200));
        world.react_with_dump();
        assert_eq!((world.ours().len(), world.known().0), (1, 1), "it points to his group");
        goes(&mut world);
        world.react();
        assert_eq!((world.ours(), world.known().0), (Vec::new(), 0));
    }
}

/// Where each dump is followed by a loss the routes get their legs themselves, and objects again in better times.
#[test]
fn objects_are_not_waited_for_where_each_dump_is_followed_by_a_loss() {
    let mut world = world();
    world.dump_again();
    world.react();
    world.stranger_takes_the(Which::Group, Take::InPlace);
    world.lose_reports();
    world.stranger_leads(AROUND, 2);
    world.react();
    assert_ne!(world.ours(), over(2));
    for _ in 0..3 {
        world.lose_reports();
        world.dump_again();
        world.later(std::time::Duration::from_millis(200));
        world.react_with_dump();
    }
    assert_eq!(world.ours(), over(2));
    world.run_until_quiet();
    assert_eq!((world.ours(), world.known()), (over(2), (1, 2)));
    world.check("in the end");
}

/// Somebody writes with our protocol number: what says something else than it should is not used any more.
#[test]
fn a_leg_of_ours_that_leads_elsewhere_is_not_used() {
    let mut world = world();
    world.somebody_moves_our_leg(2);
    world.run_until_quiet();
    assert_eq!((world.ours(), world.known()), (over(1), (1, 2)));
    world.check("in the end");
}
