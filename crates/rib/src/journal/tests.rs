use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::*;

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);

/// A message of `len` octets (at least 19) filled with `fill`.
fn message(len: u16, fill: u8) -> Vec<u8> {
    let mut m = vec![fill; usize::from(len)];
    m[16..18].copy_from_slice(&len.to_be_bytes());
    m
}

struct Setup {
    journal: Arc<Mutex<Journal>>,
    links: Vec<MemberLink>,
    woken: Vec<PeerId>,
}

impl Setup {
    fn new() -> Self {
        let journal = Arc::new(Mutex::new(Journal::new()));
        let links = [A, B].iter().map(|&p| MemberLink::new(p, &journal, Arc::new(AtomicBool::new(false)))).collect();
        Self { journal, links, woken: Vec::new() }
    }
    fn reader(&self, n: usize) -> JournalReader {
        self.links[n].reader(Framing::Bgp)
    }
    fn append(&mut self, generation: u32, runs: &[(&[u8], Audience)]) {
        let mut data = Vec::new();
        let mut list = Vec::new();
        for (bytes, audience) in runs {
            data.extend_from_slice(bytes);
            list.push(Run { end: u32::try_from(data.len()).expect("short"), audience: *audience });
        }
        let mut journal = lock(&self.journal);
        journal.append(generation, Bytes::from(data), list.into(), self.links.iter(), &mut self.woken);
    }
}

fn take(r: &mut JournalReader, max: usize) -> (TakeStatus, Vec<u8>) {
    let mut out = Vec::new();
    let status = r.take(&mut out, max);
    (status, out.concat())
}

const EMPTY: TakeStatus = TakeStatus::Empty(Progress::Quiet);

#[test]
fn each_member_reads_what_is_for_it() {
    let mut s = Setup::new();
    let (mut a, mut b) = (s.reader(0), s.reader(1));
    assert_eq!(take(&mut a, 1000).0, EMPTY);
    let (m1, m2, m3, m4) = (message(30, 1), message(31, 2), message(32, 3), message(33, 4));
    let set = lock(&s.journal).set(&[A]);
    s.append(
        2,
        &[
            (&m1, Audience::All),
            (&m2, Audience::Except(A)),
            (&m3, Audience::Only(B)),
            (&m4, Audience::Set(set)),
            (&m1, Audience::SetExcept(set, B)),
        ],
    );
    assert_eq!(s.woken, [A, B]);
    assert_eq!(take(&mut a, 1000), (TakeStatus::Taken, [&m1[..], &m4, &m1].concat()));
    assert_eq!(take(&mut b, 1000), (TakeStatus::Taken, [&m1[..], &m2, &m3].concat()));
    let _ = b.advance(30 + 31 + 32);
    assert_eq!(take(&mut b, 1000).0, EMPTY);
    assert_eq!(s.links[1].position(), lock(&s.journal).head(), "what follows for others is passed");
}

#[test]
fn a_parked_member_is_carried_over_what_is_for_others() {
    let mut s = Setup::new();
    let mut a = s.reader(0);
    assert_eq!(take(&mut a, 1000).0, EMPTY);
    s.append(2, &[(&message(30, 1), Audience::Except(A))]);
    assert_eq!(s.woken, [B], "the writer of the source sleeps on");
    assert_eq!(s.links[0].position(), 30);
    lock(&s.journal).trim(30);
    s.append(3, &[(&message(40, 2), Audience::All)]);
    assert_eq!(take(&mut a, 1000), (TakeStatus::Taken, message(40, 2)));
}

/// I5: whatever the socket takes, the octets come whole and in order.
#[test]
fn every_way_to_write_gives_the_same_stream() {
    for accepted in 1..70 {
        for max in [1, 40, 75, 1000] {
            let mut s = Setup::new();
            let mut a = s.reader(0);
            let (m1, m2, m3) = (message(30, 1), message(50, 2), message(20, 3));
            s.append(2, &[(&[&m1[..], &m2].concat(), Audience::All), (&m3, Audience::Only(B))]);
            s.append(3, &[(&m3, Audience::Only(B)), (&m3, Audience::Only(A)), (&m1, Audience::All)]);
            let mut got = Vec::new();
            for _ in 0..1000 {
                let (status, bytes) = take(&mut a, max);
                if status != TakeStatus::Taken {
                    break;
                }
                let n = accepted.min(bytes.len());
                got.extend_from_slice(&bytes[..n]);
                let _ = a.advance(n);
                let boundary = [0, 30, 80, 100, 130].contains(&got.len());
                assert_eq!(a.mid_message(), !boundary, "after {} octets", got.len());
            }
            assert_eq!(got, [&m1[..], &m2, &m3, &m1].concat());
        }
    }
}

#[test]
fn a_detached_writer_finishes_its_message_and_nothing_else() {
    let mut s = Setup::new();
    let mut a = s.reader(0);
    let (m1, m2) = (message(30, 1), message(50, 2));
    s.append(5, &[(&[&m1[..], &m2, &m1].concat(), Audience::All)]);
    assert_eq!(take(&mut a, 1000).0, TakeStatus::Taken);
    let _ = a.advance(40);
    assert!(a.mid_message());
    let (position, _) = s.links[0].detach(&mut lock(&s.journal));
    assert_eq!(position, 40);
    assert_eq!(lock(&s.journal).delivered(position, 9), 4, "batch 5 is not wholly delivered");
    // The owner forgets what it wrote; the reader does not need it.
    let head = lock(&s.journal).head();
    lock(&s.journal).trim(head);
    assert_eq!(a.ready(), Progress::Quiet, "not before the message is finished");
    assert_eq!(take(&mut a, 1000), (TakeStatus::Taken, m2[10..].to_vec()));
    let _ = a.advance(15);
    assert_eq!(take(&mut a, 1000), (TakeStatus::Taken, m2[25..].to_vec()));
    let _ = a.advance(25);
    assert_eq!(take(&mut a, 1000).0, TakeStatus::Detached);
    assert_eq!(s.links[0].position(), 80, "the owner learns how far it came");
    assert_eq!(a.ready(), Progress::WakeOwner);
    assert!(s.links[0].is_ready());
    s.links[0].attach(&s.journal);
    s.append(6, &[(&m2, Audience::All)]);
    assert_eq!(take(&mut a, 1000), (TakeStatus::Taken, m2));
}

#[test]
fn a_member_can_come_back_in_another_journal() {
    let mut s = Setup::new();
    let mut a = s.reader(0);
    s.append(5, &[(&message(30, 1), Audience::All)]);
    let other = Arc::new(Mutex::new(Journal::new()));
    s.links[0].detach(&mut lock(&s.journal));
    assert_eq!(take(&mut a, 1000).0, TakeStatus::Detached);
    let _ = a.ready();
    s.links[0].attach(&other);
    s.journal = other;
    s.append(6, &[(&message(40, 2), Audience::All)]);
    assert_eq!(take(&mut a, 1000), (TakeStatus::Taken, message(40, 2)));
}

#[test]
fn the_owner_is_woken_at_the_position_that_it_asked_for() {
    let mut s = Setup::new();
    let mut a = s.reader(0);
    s.append(2, &[(&message(30, 1), Audience::All), (&message(40, 2), Audience::All)]);
    s.links[0].wake_at(70);
    assert_eq!(take(&mut a, 30).0, TakeStatus::Taken);
    assert_eq!(a.advance(30), Progress::Quiet);
    assert_eq!(take(&mut a, 1000).0, TakeStatus::Taken);
    assert_eq!(a.advance(40), Progress::WakeOwner);
    assert_eq!(take(&mut a, 1000).0, EMPTY, "once");
}

#[test]
fn sets_live_as_long_as_runs_name_them() {
    let mut s = Setup::new();
    let one = lock(&s.journal).set(&[A]);
    assert_eq!(lock(&s.journal).set(&[A]), one);
    s.append(2, &[(&message(30, 1), Audience::Set(one))]);
    lock(&s.journal).trim(30);
    assert_eq!(lock(&s.journal).set(&[B]), one, "its number is free again");
    assert_eq!(lock(&s.journal).bytes(), 0);
}

#[test]
fn a_closed_member_has_nothing_more() {
    let s = Setup::new();
    let mut a = s.reader(0);
    assert_eq!(take(&mut a, 1000).0, EMPTY);
    assert!(s.links[0].close(), "its writer is to be woken");
    assert_eq!(take(&mut a, 1000).0, TakeStatus::Closed);
}
