//! What is held too long, and what flaps.

use super::*;
use crate::engine::flaps;

/// When the table wants to be called, but for the next look at the kernel.
fn due(desk: &Desk) -> Option<Duration> {
    let at = desk.fib.poll_timeout()?.since(desk.now);
    (at < Duration::from_secs(59)).then_some(at)
}

/// With a route whose next hop cannot be resolved any more.
fn held() -> Desk {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.writes();
    desk.hear(link(1, LinkState::NoCarrier));
    assert_eq!((desk.writes(), desk.fib.counters().held), (Vec::new(), 1));
    desk
}

#[test]
fn a_route_that_cannot_be_resolved_goes_when_its_time_is_over() {
    let mut desk = held();
    let since = desk.now;
    assert_eq!(due(&desk), Some(Duration::from_secs(30)));
    desk.later(29);
    assert_eq!(desk.writes(), [""; 0]);
    desk.later(1);
    assert_eq!(desk.writes(), ["delete 10.1.0.0/16 1024 192.0.2.2@1"]);
    let why = crate::resolver::Unresolved::LinkDown(ip("192.0.2.2"));
    assert_eq!(desk.state("10.1.0.0/16"), State::Unresolved { since, why });
    assert_eq!((desk.fib.counters().held, desk.fib.counters().unresolved), (0, 1));
}

#[test]
fn a_route_that_can_be_resolved_again_stays() {
    let mut desk = held();
    desk.hear(link(1, LinkState::Up));
    assert_eq!((desk.writes(), desk.fib.counters().held, due(&desk)), (Vec::new(), 0, None));
    desk.later(40);
    assert_eq!((desk.writes(), desk.state("10.1.0.0/16")), (Vec::new(), State::Installed));
}

/// A path that comes when its next hop cannot be resolved has the same time.
#[test]
fn a_path_that_cannot_be_resolved_from_the_start_has_its_time_too() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["203.0.113.1"]);
    assert_eq!(due(&desk), Some(Duration::from_secs(30)));
    desk.withdraw("10.1.0.0/16");
    assert_eq!((desk.writes(), due(&desk)), (Vec::new(), None));
}

#[test]
fn another_time_holds_for_what_is_held_already() {
    let mut desk = held();
    desk.apply(|settings| settings.unresolved_time = Duration::from_secs(50));
    desk.later(30);
    assert_eq!((desk.writes(), due(&desk)), (Vec::new(), Some(Duration::from_secs(20))));
    desk.later(20);
    assert_eq!(desk.writes(), ["delete 10.1.0.0/16 1024 192.0.2.2@1"]);
}

#[test]
fn what_flaps_is_due_when_the_while_is_over() {
    let mut desk = Desk::new(never());
    for last in 2..8 {
        desk.learn("10.1.0.0/16", &[&format!("192.0.2.{last}")]);
        desk.writes();
    }
    assert_eq!((desk.fib.counters().pending, due(&desk)), (1, Some(flaps::WHILE)));
    desk.now = desk.now + flaps::WHILE;
    desk.later(0);
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 192.0.2.7@1"]);
}

/// While something of it waits for a dump the sweep is not over.
#[test]
fn a_sweep_that_waits_for_a_dump_is_not_told() {
    let stale = || [there(ours("10.3.0.0/16", 1024, "192.0.2.2@1"))];
    let swept = |desk: &mut Desk| {
        desk.told().into_iter().filter(|output| matches!(output, Output::Swept(_))).collect::<Vec<_>>()
    };
    let mut desk = Desk::with(never(), stale());
    desk.hear(KernelEvent::Overrun);
    desk.fib.sweep(desk.now);
    assert_eq!((desk.writes(), swept(&mut desk)), (Vec::new(), Vec::new()));
    desk.dump(stale());
    assert_eq!((desk.writes().len(), swept(&mut desk)), (1, vec![Output::Swept(1)]));
}
