//! What is shown and counted.

use heddle_bgp_core::Family;

use super::*;
use crate::resolver::Unresolved;
use crate::settings::{FibAction, FibRule, PrefixRange};
use crate::status::{Cursor, Filter};

#[test]
fn a_page_goes_on_where_the_last_one_ended() {
    let mut desk = Desk::new(never());
    for n in 0..1024_u32 {
        desk.learn(&format!("10.{}.{}.0/24", n / 256, n % 256), &["192.0.2.2"]);
    }
    let page = desk.fib.show(Cursor::default(), Filter::All);
    assert_eq!((page.rows.len(), page.next), (1024, None), "all are on one page");
    desk.learn("10.9.0.0/16", &["192.0.2.2"]);
    let first = desk.fib.show(Cursor::default(), Filter::All);
    let next = first.next.expect("another page");
    let last = desk.fib.show(next, Filter::All);
    assert_eq!((first.rows.len(), last.rows.len(), last.next), (1024, 1, None));
}

#[test]
fn those_that_differ_are_those_that_the_kernel_does_not_have() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.writes();
    desk.learn("10.2.0.0/16", &["192.0.2.2"]);
    let page = desk.fib.show(Cursor::default(), Filter::Differing);
    let shown: Vec<Prefix> = page.rows.iter().map(|row| row.prefix).collect();
    assert_eq!(shown, [prefix("10.2.0.0/16")]);
}

#[test]
fn families_are_those_of_routes_in_the_kernel() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    assert_eq!(desk.fib.families_in_kernel(), []);
    desk.writes();
    assert_eq!(desk.fib.families_in_kernel(), [Family::IPV4_UNICAST]);
    desk.learn("2001:db8:f1::/48", &["2001:db8:1::2"]);
    desk.writes();
    assert_eq!(desk.fib.families_in_kernel(), [Family::IPV4_UNICAST, Family::IPV6_UNICAST]);
}

#[test]
fn next_hops_are_shown_as_long_as_something_uses_them() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.learn("10.2.0.0/16", &["203.0.113.1"]);
    let shown: Vec<_> =
        desk.fib.show_next_hops().into_iter().map(|row| (row.next_hop, row.resolution, row.cost)).collect();
    let (good, bad) = (ip("192.0.2.2"), ip("203.0.113.1"));
    let nowhere = Err(Unresolved::NoRoute(bad));
    assert_eq!(shown, [(good.into(), Ok(legs("192.0.2.2@1")), Some(0)), (bad.into(), nowhere, None)]);
    desk.withdraw("10.1.0.0/16");
    desk.withdraw("10.2.0.0/16");
    assert_eq!(desk.fib.show_next_hops(), []);
}

#[test]
fn all_interfaces_have_names() {
    let desk = Desk::new(never());
    let mut names: Vec<_> =
        desk.fib.interface_names().iter().map(|name| (name.index.0, name.name.to_string())).collect();
    names.sort();
    assert_eq!(names, [(1, "a0".to_owned()), (2, "b0".to_owned())]);
}

#[test]
fn a_rule_is_shown_by_its_name_or_its_place() {
    let rule = |name: Option<&str>, within: &str| FibRule {
        name: name.map(str::to_owned),
        prefixes: vec![PrefixRange { prefix: prefix(within), min: 0, max: 32 }],
        next_hops: Vec::new(),
        action: FibAction::Reject,
    };
    let rules = vec![rule(Some("first"), "10.1.0.0/16"), rule(None, "10.2.0.0/16")];
    let mut desk = Desk::new(Settings { rules, ..never() });
    for (destination, name) in [("10.1.0.0/16", "first"), ("10.2.0.0/16", "2")] {
        desk.learn(destination, &["192.0.2.2"]);
        assert_eq!(desk.state(destination), State::Rejected { rule: name.to_owned() });
    }
    assert_eq!((desk.fib.counters().rejected, desk.writes().len()), (2, 0));
}

/// A route that is there is what is wanted only where metric, target and protocol are.
#[test]
fn installed_is_what_is_wanted_in_all_its_parts() {
    let adopted = route("10.2.0.0/16", 1024, 12, legs("192.0.2.2@1"));
    let mut desk = Desk::with(Settings { adopt_protocols: vec![12], ..never() }, [there(adopted)]);
    for destination in ["10.1.0.0/16", "10.2.0.0/16"] {
        desk.learn(destination, &["192.0.2.2"]);
        assert_eq!(desk.state(destination), State::Pending);
    }
    desk.writes();
    for destination in ["10.1.0.0/16", "10.2.0.0/16"] {
        assert_eq!(desk.state(destination), State::Installed);
    }
    desk.learn("10.1.0.0/16", &["192.0.2.3"]);
    desk.learn_at("10.2.0.0/16", 512, &["192.0.2.2"]);
    for destination in ["10.1.0.0/16", "10.2.0.0/16"] {
        assert_eq!(desk.state(destination), State::Pending);
    }
}

#[test]
fn what_is_done_and_what_there_is_is_counted() {
    let mut desk = Desk::with(never(), [there(ours("10.3.0.0/16", 1024, "192.0.2.2@1"))]);
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.learn("10.2.0.0/16", &["192.0.2.2"]);
    desk.writes();
    let counted = desk.fib.counters();
    assert_eq!((counted.wanted, counted.installed, counted.stale), (2, 3, 1));
    assert_eq!((counted.created, counted.replaced, counted.deleted), (2, 0, 0));
    desk.learn("10.1.0.0/16", &["192.0.2.3"]);
    desk.learn("10.2.0.0/16", &["192.0.2.3"]);
    desk.writes();
    desk.withdraw("10.1.0.0/16");
    desk.withdraw("10.2.0.0/16");
    desk.writes();
    let counted = desk.fib.counters();
    assert_eq!((counted.wanted, counted.installed, counted.stale), (0, 1, 1));
    assert_eq!((counted.created, counted.replaced, counted.deleted), (2, 2, 2));
}

#[test]
fn a_group_of_a_time_that_changed_is_counted_once() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["203.0.113.1"]);
    assert_eq!(desk.fib.counters().held, 1);
    desk.apply(|settings| settings.unresolved_time *= 2);
    desk.writes();
    assert_eq!(desk.fib.counters().held, 1);
}
