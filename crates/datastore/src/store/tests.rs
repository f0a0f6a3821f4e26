//! A store without clocks: resyncs, guards, states.

use std::time::Duration;

use heddle_resources::{Document, decode_documents};

use super::*;

fn pool(number: usize) -> Object {
    let text = format!(
        "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {{ name: pool-{number} }}\nspec: {{ cidr: 10.{number}.0.0/16 }}\n"
    );
    match decode_documents(&text, "t").remove(0).unwrap() {
        Document::Object(decoded) => decoded.object,
        Document::Skipped { .. } => panic!("no pool"),
    }
}

fn set(number: usize) -> SourceEvent {
    SourceEvent::Set { object: pool(number), revision: Some(Revision(number.to_string().into())) }
}

fn key(number: usize) -> Key {
    Key::cluster(Kind::IpPool, format!("pool-{number}"))
}

/// A store that expects pools, with its clock.
struct Clocked {
    store: Store,
    start: Now,
}

impl Clocked {
    fn new() -> Self {
        let start = Now { wall: SystemTime::UNIX_EPOCH, monotonic: Instant::now() };
        Self { store: Store::new("test".into(), Kinds::from(Kind::IpPool), start), start }
    }

    fn at(&mut self, seconds: u64, events: impl IntoIterator<Item = SourceEvent>) -> Vec<Held> {
        let after = Duration::from_secs(seconds);
        let now = Now { wall: self.start.wall + after, monotonic: self.start.monotonic + after };
        self.store.handle(events, now)
    }

    /// A list of these pools.
    fn list(&mut self, seconds: u64, guard: Guard, numbers: impl IntoIterator<Item = usize>) -> Vec<Held> {
        let kinds = Kinds::from(Kind::IpPool);
        let begin = [SourceEvent::ResyncBegin { kinds, guard }];
        let end = [SourceEvent::ResyncEnd { kinds, revision: None }];
        self.at(seconds, begin.into_iter().chain(numbers.into_iter().map(set)).chain(end))
    }

    fn count(&self) -> usize {
        self.store.snapshot.len()
    }
}

#[test]
fn a_list_that_lacks_too_much_needs_a_second_one_that_agrees() {
    let mut s = Clocked::new();
    assert_eq!(s.list(0, Guard::Doubt, 0..20), []);
    // Half of them may go at once.
    assert_eq!(s.list(1, Guard::Doubt, 0..10), []);
    assert_eq!(s.count(), 10);
    let held = s.list(2, Guard::Doubt, 0..4);
    assert_eq!((held.len(), held[0].kind, held[0].list_again_in), (1, Kind::IpPool, Guard::PAUSE));
    assert_eq!(held[0].keys, (4..10).map(key).collect());
    assert_eq!((s.count(), s.store.status().held[&Kind::IpPool]), (10, 6));
    // Too early to agree: the rest of the pause is what is asked for.
    let held = s.list(12, Guard::Doubt, 0..4);
    assert_eq!((held[0].list_again_in, s.count()), (Duration::from_secs(20), 10));
    // A deletion that is told by itself is believed at once, and an object that is set again is not missing.
    s.at(13, [SourceEvent::Deleted { key: key(9), revision: None }, set(4)]);
    assert_eq!(s.count(), 9);
    s.at(14, [set(9)]);
    assert_eq!(s.list(32, Guard::Doubt, [0, 1, 2, 3]), [], "the second list agrees about 5 to 8");
    assert_eq!(s.count(), 4, "and what only it lacks is no majority any more");
    assert!(s.store.status().held.is_empty());
}

#[test]
fn a_list_that_is_whole_again_ends_the_doubt() {
    let mut s = Clocked::new();
    s.list(0, Guard::Doubt, 0..20);
    assert_eq!(s.list(1, Guard::Doubt, []).len(), 1);
    assert_eq!(s.list(31, Guard::Doubt, 0..20), []);
    // The first doubt is forgotten: the next needs a second list again.
    assert_eq!(s.list(40, Guard::Doubt, []).len(), 1);
    assert_eq!((s.count(), s.list(70, Guard::Doubt, []).len(), s.count()), (20, 0, 0));
}

#[test]
fn few_objects_and_lists_that_are_to_be_believed_are_not_guarded() {
    let mut s = Clocked::new();
    s.list(0, Guard::Doubt, 0..9);
    assert_eq!((s.list(1, Guard::Doubt, []), s.count()), (vec![], 0));
    s.list(2, Guard::Believe, 0..100);
    assert_eq!((s.list(3, Guard::Believe, 7..8), s.count()), (vec![], 1));
}

#[test]
fn an_end_without_a_beginning_takes_nothing_away() {
    let mut s = Clocked::new();
    s.list(0, Guard::Believe, 0..5);
    s.at(1, [SourceEvent::ResyncEnd { kinds: Kinds::from(Kind::IpPool), revision: None }]);
    assert_eq!(s.count(), 5);
}

#[test]
fn what_changes_within_a_batch_and_back_is_nothing() {
    let mut s = Clocked::new();
    s.list(0, Guard::Believe, 0..2);
    let version = s.store.version;
    s.at(1, [SourceEvent::Deleted { key: key(0), revision: None }, set(0), set(1)]);
    s.at(1, [set(2), SourceEvent::Deleted { key: key(2), revision: None }]);
    assert_eq!((s.store.version, s.store.status().last_change), (version, Some(SystemTime::UNIX_EPOCH)));
    assert_eq!(s.store.counters().objects[&Kind::IpPool], 2);
}

#[test]
fn states_and_since_when() {
    let mut s = Clocked::new();
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let server = || WaitingFor::Server("https://10.96.0.1".into());
    assert_eq!(s.store.status().state.to_string(), "waiting for the source to begin");
    s.at(1, [SourceEvent::Waiting(server())]);
    s.at(2, [SourceEvent::Waiting(server())]);
    assert_eq!((s.store.status().since, s.store.status().synced_once), (at(1), false));
    s.at(3, [SourceEvent::Regained]);
    assert_eq!(s.store.status().state.to_string(), "waiting for the first list of IPPool");
    s.list(4, Guard::Believe, [1]);
    assert_eq!((s.store.status().state.to_string(), s.store.status().since), ("in sync".to_owned(), at(4)));
    s.at(5, [SourceEvent::Failed(SourceError::Ended)]);
    assert_eq!((s.store.status().since, s.store.status().last_error.map(|e| e.0)), (at(4), Some(at(5))));
    s.at(6, [SourceEvent::Lost(SourceError::FolderGone { path: "/x".into() })]);
    s.at(7, [SourceEvent::Lost(SourceError::FolderGone { path: "/x".into() })]);
    let status = s.store.status();
    assert_eq!(status.state.to_string(), "lost: the folder /x is gone; what was in it stays in force until it is back");
    assert_eq!((status.since, status.synced_once, status.objects[&Kind::IpPool]), (at(6), true, 1));
    s.at(8, [SourceEvent::Regained]);
    assert!(matches!(s.store.status().state, State::InSync));
    assert_eq!(s.store.status().revision, Some(Revision("1".into())));
    let counters = s.store.counters();
    assert_eq!((counters.losses, counters.errors, counters.in_sync), (2, 3, 1));
}

#[test]
fn a_fault_is_logged_once() {
    let mut s = Clocked::new();
    let emptied = |name: &str| Problem::Emptied { path: name.into() };
    let at = |names: &[&str]| SourceEvent::Problems {
        origin: "place".into(),
        problems: names.iter().map(|n| emptied(n)).chain([Problem::Ignored { path: "/i".into() }]).collect(),
    };
    let logged = |s: &mut Clocked| -> usize { s.store.take_fresh().len() };
    s.at(0, [at(&["/a"])]);
    assert_eq!(logged(&mut s), 1);
    s.at(1, [at(&["/a", "/b"])]);
    assert_eq!(logged(&mut s), 1);
    s.at(2, [at(&[]), at(&["/a"])]);
    assert_eq!(logged(&mut s), 1, "gone and back is news");
    s.at(
        3,
        (0..3 * MOST_LOGGED)
            .map(|i| SourceEvent::Problems { origin: i.to_string().into(), problems: vec![emptied("/x")] }),
    );
    assert_eq!(logged(&mut s), MOST_LOGGED);
}

#[test]
fn problems_by_place_and_no_more_of_them_than_can_be_shown() {
    let mut s = Clocked::new();
    let ignored = |n: usize| Problem::Ignored { path: format!("/x/{n}").into() };
    let at = |place: usize, n: usize| SourceEvent::Problems {
        origin: format!("{place:05}").into(),
        problems: (0..n).map(ignored).collect(),
    };
    s.at(0, (0..MOST_PROBLEMS + 5).map(|place| at(place, 1)));
    assert_eq!((s.store.status().problems.len(), s.store.status().more_problems), (MOST_PROBLEMS, 5));
    s.at(1, (0..MOST_PROBLEMS + 5).map(|place| at(place, 0)));
    assert!(s.store.status().problems.is_empty());
    s.at(2, [at(7, MOST_PROBLEMS * 2)]);
    assert_eq!((s.store.counters().problems, s.store.counters().faults), (MOST_PROBLEMS, 0));
}

/// A list of one kind that ends while another cannot be followed.
#[test]
fn a_state_that_comes_back_within_a_batch_was_always_so() {
    let lost = || SourceEvent::Lost(SourceError::Other(Arc::new(std::io::Error::other("gone"))));
    let kinds = Kinds::from(Kind::IpPool);
    let list = || {
        [SourceEvent::ResyncBegin { kinds, guard: Guard::Believe }, SourceEvent::ResyncEnd { kinds, revision: None }]
    };
    let mut s = Clocked::new();
    s.list(0, Guard::Believe, 0..2);
    s.at(5, [lost()]);
    s.at(9, list().into_iter().chain([lost()]));
    let since = |s: &Clocked| s.store.status().since.duration_since(s.start.wall).expect("later").as_secs();
    assert_eq!((s.store.status().state.to_string().as_str(), since(&s)), ("lost: gone", 5));
    s.at(12, list());
    assert_eq!((s.store.status().state.to_string().as_str(), since(&s)), ("in sync", 12));
}
