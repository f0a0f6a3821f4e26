//! What the kernel refuses, and when it is tried again.

use super::*;

const EINVAL: Refusal = Refusal::Errno(22);

/// The kernel has refused both 10.1.0.0/16 and 10.2.0.0/16.
fn refused() -> Desk {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.learn("10.2.0.0/16", &["192.0.2.2"]);
    assert_eq!((desk.refuse(EINVAL).len(), desk.wants_dump()), (2, true));
    desk.dump([]);
    assert_eq!(desk.refuse(EINVAL).len(), 2, "the dump may have made it possible");
    desk
}

#[test]
fn what_is_refused_is_shown_and_counted_with_its_error() {
    let mut desk = refused();
    let counted = desk.fib.counters();
    assert_eq!((counted.refused, counted.failures, desk.wants_dump()), (2, 4, false));
    assert_eq!(desk.state("10.1.0.0/16"), State::Refused { error: 22 });
    desk.withdraw("10.1.0.0/16");
    assert_eq!((desk.writes(), desk.fib.counters().refused), (Vec::new(), 1));
    assert_eq!(desk.fib.show_prefix(prefix("10.1.0.0/16")), None, "nobody wants it, and it is not there");
    desk.later(1);
    assert_eq!((desk.writes().len(), desk.fib.counters().refused), (1, 0));
    assert_eq!(desk.state("10.2.0.0/16"), State::Installed);
}

/// The one that is left is tried again at the time of both.
#[test]
fn it_is_tried_again_when_its_time_has_come() {
    let mut desk = refused();
    desk.withdraw("10.1.0.0/16");
    assert_eq!(desk.writes(), [""; 0]);
    assert_eq!(desk.fib.poll_timeout(), Some(desk.now + Duration::from_secs(1)));
    desk.later(0);
    assert_eq!(desk.writes(), [""; 0], "not before");
    for wait in [1, 2, 4] {
        desk.later(wait);
        assert_eq!(desk.refuse(EINVAL).len(), 1);
        assert_eq!(desk.fib.poll_timeout(), Some(desk.now + Duration::from_secs(wait * 2)));
    }
    desk.later(8);
    assert_eq!(desk.writes(), ["create 10.2.0.0/16 1024 192.0.2.2@1"]);
    assert!(desk.fib.poll_timeout() > Some(desk.now + Duration::from_secs(10)), "only the next look at the table");
}

/// A gateway may be on the link now.
#[test]
fn it_is_tried_again_at_once_when_an_address_or_a_link_comes() {
    let mut desk = refused();
    desk.hear(there(strangers("203.0.113.0/24", 0, "192.0.2.9@1")));
    assert_eq!(desk.writes(), [""; 0], "that makes nothing possible");
    desk.hear(address(1, "192.0.2.77", "192.0.2.0/24"));
    assert_eq!(desk.refuse(EINVAL).len(), 2);
    desk.hear(link(2, LinkState::NoCarrier));
    assert_eq!(desk.writes(), [""; 0]);
    desk.hear(link(2, LinkState::Up));
    assert_eq!(desk.writes().len(), 2);
}

/// Whose route it is comes as an event, or by a dump; that one is asked for once.
#[test]
fn a_key_that_is_taken_asks_for_one_dump() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.refuse(Refusal::Exists);
    assert_eq!((desk.wants_dump(), desk.state("10.1.0.0/16")), (true, State::Refused { error: 17 }));
    desk.dump([]);
    assert_eq!((desk.refuse(Refusal::Exists).len(), desk.wants_dump()), (1, false));
    assert_eq!(desk.fib.counters().failures, 0);
}

/// Only what is to be replaced waits until all reports are read.
#[test]
fn what_is_made_does_not_wait_for_reports() {
    let mut desk = Desk::new(never());
    let heard_some = |desk: &mut Desk| {
        let mut writes = Vec::new();
        desk.fib.poll_writes(10, Heard::Some, &mut writes);
        (writes.len(), desk.fib.wants_to_hear())
    };
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    assert_eq!(heard_some(&mut desk), (1, false));
    desk.fib.handle_results(desk.now, &[]);
    desk.learn("10.1.0.0/16", &["192.0.2.3"]);
    assert_eq!(heard_some(&mut desk), (0, true));
    assert_eq!(desk.writes().len(), 1);
}
