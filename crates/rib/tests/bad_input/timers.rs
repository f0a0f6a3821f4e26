//! Peers that say nothing, or too slowly.

use heddle_bgp_core::notification::HOLD_TIMER;

use crate::rows::Session;
use crate::stand::{End, Kind, Stand};
use crate::wire::{KEEPALIVE, OpenWith, USUAL_PREFIX, advertise, message};

fn ended_by_the_hold_timer(stand: &Stand, at: usize) -> bool {
    matches!(stand.end(at), Some(End::Notification(n)) if n.code == HOLD_TIMER)
}

/// S02; RFC 4271 §8.2.2: a peer that says nothing is waited for, but not for ever; 4 minutes are suggested.
#[test]
fn no_open() {
    let mut stand = Stand::new();
    let at = stand.connect(Kind::Of(Session::External));
    stand.wait(239);
    assert_eq!(stand.end(at), None);
    stand.wait(2);
    assert!(ended_by_the_hold_timer(&stand, at), "{:?}", stand.end(at));
}

/// S01: an octet of an OPEN now and then is no OPEN.
#[test]
fn an_open_octet_by_octet() {
    let mut stand = Stand::new();
    let (kind, octets) =
        (Kind::Of(Session::External), OpenWith { asn: 65001, hold_time: 90, capabilities: "" }.message());
    let at = stand.connect(kind);
    for (said, octet) in octets.iter().enumerate() {
        if stand.end(at).is_some() {
            assert_eq!(said, 12, "20 s each: the 13th is too late");
            break;
        }
        stand.say(at, &[*octet]);
        stand.wait(20);
    }
    assert!(ended_by_the_hold_timer(&stand, at), "{:?}", stand.end(at));
}

/// S16: silence ends an established session, and its routes; half a message is silence too.
#[test]
fn silence() {
    for last_words in [&[][..], &[0xff; 10]] {
        let mut stand = Stand::new();
        let at = stand.establish(Kind::Of(Session::Internal), "");
        stand.say(at, &advertise(&[USUAL_PREFIX], &Kind::Of(Session::Internal).base()));
        stand.say(at, last_words);
        stand.wait(89);
        assert!(stand.is_established(at) && stand.usable(at, USUAL_PREFIX).is_some());
        stand.wait(2);
        assert!(ended_by_the_hold_timer(&stand, at), "{:?}", stand.end(at));
        assert_eq!(stand.path(at, USUAL_PREFIX), None);
    }
    // And who talks stays.
    let mut stand = Stand::new();
    let at = stand.establish(Kind::Of(Session::Internal), "");
    for _ in 0..100 {
        stand.wait(60);
        stand.say(at, &message(KEEPALIVE, &[]));
    }
    assert!(stand.is_established(at));
}
