//! What consumers may rely on, whatever the source: first with one that says what it is told to, then with every source
//! and the place that it reads.

mod api_server;
mod places;
mod suite;

use std::collections::BTreeMap;
use std::time::Duration;

use heddle_datastore::*;
use heddle_resources::{Delta, Document, Key, Kind, Object, Snapshot, decode_documents};
use places::{Cluster, Folder};
use proptest::prelude::*;
use suite::Happens;
use tokio::sync::{mpsc, oneshot};

type Step = (Vec<SourceEvent>, oneshot::Sender<Vec<Held>>);

/// Says what it is told to; ends when the script does.
struct Scripted {
    kinds: Kinds,
    script: mpsc::Receiver<Step>,
}

impl Source for Scripted {
    fn name(&self) -> String {
        "a script".to_owned()
    }

    fn kinds(&self) -> Kinds {
        self.kinds
    }

    async fn run(mut self, feed: Feed) {
        while let Some((events, done)) = self.script.recv().await {
            let held = feed.tell(events);
            done.send(held).expect("the test waits");
        }
    }
}

/// A datastore and the hand that writes its source's script.
struct Stage {
    datastore: Datastore,
    script: mpsc::Sender<Step>,
}

impl Stage {
    fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let (script, receiver) = mpsc::channel(1);
        let datastore = Datastore::start(Scripted { kinds: kinds.into_iter().collect(), script: receiver });
        Self { datastore, script }
    }

    async fn say(&self, events: impl IntoIterator<Item = SourceEvent>) -> Vec<Held> {
        let (done, wait) = oneshot::channel();
        self.script.send((events.into_iter().collect(), done)).await.expect("the source runs");
        wait.await.expect("the source answers")
    }

    async fn list(&self, kind: Kind, objects: impl IntoIterator<Item = Object>) {
        self.say([begin(kind)]).await;
        for object in objects {
            self.say([set(object)]).await;
        }
        self.say([end(kind)]).await;
    }
}

fn begin(kind: Kind) -> SourceEvent {
    SourceEvent::ResyncBegin { kinds: kind.into(), guard: Guard::Believe }
}

fn end(kind: Kind) -> SourceEvent {
    SourceEvent::ResyncEnd { kinds: kind.into(), revision: None }
}

fn set(object: Object) -> SourceEvent {
    SourceEvent::Set { object, revision: None }
}

fn deleted(key: Key) -> SourceEvent {
    SourceEvent::Deleted { key, revision: None }
}

fn object(kind: &str, name: &str, spec: &str) -> Object {
    let text = format!("apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n");
    match decode_documents(&text, "t").remove(0) {
        Ok(Document::Object(decoded)) => decoded.object,
        other => panic!("{other:?}"),
    }
}

fn pool(number: usize, size: u8) -> Object {
    object("IPPool", &format!("pool-{number}"), &format!("{{ cidr: 10.{number}.0.0/16, blockSize: {size} }}"))
}

fn peer(number: usize) -> Object {
    object("BGPPeer", &format!("peer-{number}"), "{ peerIP: 192.0.2.1, asNumber: 65001 }")
}

fn key(number: usize) -> Key {
    Key::cluster(Kind::IpPool, format!("pool-{number}"))
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.iter().map(|o| o.key().to_string()).collect()
}

fn shown(deltas: &[Delta]) -> Vec<String> {
    let one = |d: &Delta| match d {
        Delta::Set(key, _) => format!("+{key}"),
        Delta::Deleted(key) => format!("-{key}"),
    };
    deltas.iter().map(one).collect()
}

/// The next event; longer than this nothing takes.
async fn next(watch: &mut Watch) -> Option<Event> {
    tokio::time::timeout(Duration::from_secs(60), watch.next()).await.expect("an event")
}

/// The next event, which has to be one of changes.
async fn changes(watch: &mut Watch) -> Vec<String> {
    match next(watch).await {
        Some(Event::Changes { deltas, .. }) => shown(&deltas),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_is_told_anything_before_every_kind_was_listed() {
    let stage = Stage::new([Kind::IpPool, Kind::BgpPeer]);
    let mut watch = stage.datastore.subscribe();
    stage.list(Kind::IpPool, [pool(1, 26)]).await;
    stage.say([begin(Kind::BgpPeer), set(peer(1))]).await;
    stage.say([set(peer(2)), deleted(peer(1).key())]).await;
    assert!(watch.try_next().is_none() && stage.datastore.snapshot().is_none());
    assert_eq!(stage.datastore.status().state.to_string(), "waiting for the first list of BGPPeer");
    stage.say([end(Kind::BgpPeer)]).await;
    match next(&mut watch).await {
        Some(Event::Snapshot(snapshot)) => assert_eq!(names(&snapshot), ["BGPPeer/peer-2", "IPPool/pool-1"]),
        other => panic!("{other:?}"),
    }
    assert!(watch.try_next().is_none());
}

#[tokio::test]
async fn changes_come_in_order_to_every_consumer() {
    let stage = Stage::new([Kind::IpPool]);
    let mut early = stage.datastore.subscribe();
    stage.list(Kind::IpPool, [pool(1, 26)]).await;
    assert!(matches!(next(&mut early).await, Some(Event::Snapshot(_))));
    stage.say([set(pool(2, 26)), set(pool(3, 26))]).await;
    assert_eq!(changes(&mut early).await, ["+IPPool/pool-2", "+IPPool/pool-3"], "one batch is one change");
    let mut late = stage.datastore.subscribe();
    match next(&mut late).await {
        Some(Event::Snapshot(snapshot)) => assert_eq!(snapshot.len(), 3),
        other => panic!("{other:?}"),
    }
    assert_eq!(stage.datastore.counters().consumers, 2);
    stage.say([set(pool(2, 27))]).await;
    stage.say([set(pool(2, 27))]).await;
    stage.say([deleted(key(1)), deleted(key(9))]).await;
    for watch in [&mut early, &mut late] {
        assert_eq!(
            changes(watch).await,
            ["-IPPool/pool-1", "+IPPool/pool-2"],
            "both at once for who did not ask between"
        );
        assert!(watch.try_next().is_none(), "what is set to what it is, or deleted where it is not, is no change");
    }
    drop(late);
    assert_eq!(stage.datastore.counters().consumers, 1);
}

#[tokio::test]
async fn a_resync_finds_what_is_gone_kind_by_kind() {
    let stage = Stage::new([Kind::IpPool, Kind::BgpPeer]);
    let mut watch = stage.datastore.subscribe();
    stage.list(Kind::IpPool, [pool(1, 26), pool(2, 26), pool(3, 26)]).await;
    stage.list(Kind::BgpPeer, [peer(1)]).await;
    assert!(matches!(next(&mut watch).await, Some(Event::Snapshot(_))));
    stage.say([begin(Kind::IpPool)]).await;
    stage.say([set(pool(1, 26)), set(pool(4, 26))]).await;
    assert_eq!(changes(&mut watch).await, ["+IPPool/pool-4"], "what is listed is known at once");
    stage.say([SourceEvent::Kept(key(3))]).await;
    stage.say([end(Kind::IpPool)]).await;
    assert_eq!(changes(&mut watch).await, ["-IPPool/pool-2"], "neither the unreadable one nor another kind");
    // Begun again before the end: what the broken list mentioned does not count.
    stage.say([begin(Kind::IpPool), set(pool(3, 26))]).await;
    stage.list(Kind::IpPool, [pool(1, 26), pool(4, 26)]).await;
    assert_eq!(changes(&mut watch).await, ["-IPPool/pool-3"]);
    // An object that is deleted while its list is read was mentioned, and is gone all the same.
    stage.say([begin(Kind::IpPool), set(pool(1, 26)), set(pool(4, 26)), deleted(key(4)), end(Kind::IpPool)]).await;
    assert_eq!(changes(&mut watch).await, ["-IPPool/pool-4"]);
}

#[tokio::test]
async fn losing_the_source_changes_nothing_and_shows() {
    let stage = Stage::new([Kind::IpPool]);
    let mut watch = stage.datastore.subscribe();
    stage.list(Kind::IpPool, [pool(1, 26)]).await;
    assert!(matches!(next(&mut watch).await, Some(Event::Snapshot(_))));
    let mut news = stage.datastore.news();
    news.mark_unchanged();
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    stage.say([SourceEvent::Lost(SourceError::Other(std::sync::Arc::new(refused)))]).await;
    assert!(news.has_changed().expect("it runs"));
    let status = stage.datastore.status();
    assert_eq!(status.state.to_string(), "lost: connection refused");
    assert!(watch.try_next().is_none() && status.last_error.is_some());
    assert_eq!(stage.datastore.snapshot().map(|s| s.len()), Some(1));
    // The script ends, and with it the source.
    let Stage { datastore, script } = stage;
    drop(script);
    news.mark_unchanged();
    while datastore.status().state.to_string() == "lost: connection refused" {
        tokio::time::timeout(Duration::from_secs(60), news.changed()).await.expect("news").expect("it is told");
    }
    assert!(matches!(datastore.status().state, State::Lost(SourceError::Ended)));
    drop(datastore);
    assert!(next(&mut watch).await.is_none(), "with the datastore its consumers end");
}

#[tokio::test]
async fn a_slow_consumer_costs_nothing_and_misses_nothing() {
    let stage = Stage::new([Kind::IpPool]);
    let (mut slow, mut lazy) = (stage.datastore.subscribe(), stage.datastore.subscribe());
    stage.list(Kind::IpPool, [pool(0, 26), pool(1, 26)]).await;
    let first = next(&mut slow).await.expect("a snapshot").snapshot().clone();
    assert!(matches!(next(&mut lazy).await, Some(Event::Snapshot(_))));
    stage.say([set(pool(2, 26))]).await;
    for i in 0..50_usize {
        stage.say([set(pool(1, 20 + u8::try_from(i % 10).expect("small")))]).await;
        stage.say([set(pool(3, 26)), deleted(key(0))]).await;
        stage.say([deleted(key(3)), set(pool(0, 26))]).await;
    }
    match next(&mut slow).await {
        Some(Event::Changes { snapshot, deltas }) => {
            assert_eq!(
                shown(&deltas),
                ["+IPPool/pool-1", "+IPPool/pool-2"],
                "each object once; what came and went not at all"
            );
            let mut applied = (*first).clone();
            deltas.iter().for_each(|d| applied.apply(d));
            assert_eq!(applied, *snapshot);
        }
        other => panic!("{other:?}"),
    }
    assert!(stage.datastore.counters().coalesced >= 150);
    // Further behind than the journal reaches: the same by comparing snapshots.
    for i in 0..5000_usize {
        stage.say([set(pool(1, 20 + u8::try_from(i % 10).expect("small")))]).await;
    }
    stage.say([deleted(key(2))]).await;
    assert_eq!(changes(&mut lazy).await, ["+IPPool/pool-1"]);
    assert!(lazy.try_next().is_none());
}

#[tokio::test]
async fn waiting_can_be_cancelled() {
    let stage = Stage::new([Kind::IpPool]);
    let mut watch = stage.datastore.subscribe();
    assert!(tokio::time::timeout(Duration::from_millis(1), watch.next()).await.is_err());
    stage.list(Kind::IpPool, []).await;
    assert!(matches!(next(&mut watch).await, Some(Event::Snapshot(s)) if s.is_empty()));
    for i in 0..20 {
        let mut waiting = Box::pin(watch.next());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(waiting);
        stage.say([set(pool(i, 26))]).await;
        assert_eq!(changes(&mut watch).await.len(), 1);
    }
}

/// Something that happens to pools.
#[derive(Clone, Debug)]
enum Op {
    Set(usize, u8),
    Delete(usize),
    List(Vec<(usize, u8)>),
    Read(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let one = || (0..6_usize, 24..28_u8);
    prop_oneof![
        4 => one().prop_map(|(n, size)| Op::Set(n, size)),
        2 => (0..6_usize).prop_map(Op::Delete),
        1 => proptest::collection::vec(one(), 0..6).prop_map(Op::List),
        3 => (0..3_usize).prop_map(Op::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whoever reads whenever ends up with what is there, and each event leads from what it had to what it has.
    #[test]
    fn every_consumer_follows(ops in proptest::collection::vec(op(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let stage = Stage::new([Kind::IpPool]);
            stage.list(Kind::IpPool, []).await;
            let mut readers: Vec<(Watch, Option<Snapshot>)> =
                (0..3).map(|_| (stage.datastore.subscribe(), None)).collect();
            let mut model: BTreeMap<usize, u8> = BTreeMap::new();
            for op in ops.into_iter().chain((0..3).map(Op::Read)) {
                match op {
                    Op::Set(n, size) => {
                        model.insert(n, size);
                        stage.say([set(pool(n, size))]).await;
                    }
                    Op::Delete(n) => {
                        model.remove(&n);
                        stage.say([deleted(key(n))]).await;
                    }
                    Op::List(list) => {
                        model = list.iter().copied().collect();
                        stage.list(Kind::IpPool, list.into_iter().map(|(n, size)| pool(n, size))).await;
                    }
                    Op::Read(n) => {
                        let (watch, had) = &mut readers[n];
                        match watch.try_next() {
                            Some(Event::Snapshot(snapshot)) => {
                                assert!(had.is_none());
                                *had = Some((*snapshot).clone());
                            }
                            Some(Event::Changes { snapshot, deltas }) => {
                                let mut applied = had.take().expect("a snapshot came first");
                                assert_eq!(Snapshot::diff(&applied, &snapshot), deltas);
                                deltas.iter().for_each(|d| applied.apply(d));
                                assert_eq!(applied, *snapshot);
                                *had = Some(applied);
                            }
                            None => {}
                        }
                        let want: Snapshot = model.iter().map(|(n, size)| pool(*n, *size)).collect();
                        assert_eq!(had.as_ref(), Some(&want));
                    }
                }
            }
        });
    }
}

// Of every source, with what it reads.

fn happens() -> impl Strategy<Value = Happens> {
    let one = || (0..6_usize, 24..28_u8);
    prop_oneof![
        6 => one().prop_map(|(n, size)| Happens::Set(n, size)),
        3 => (0..6_usize).prop_map(Happens::Delete),
        1 => Just(Happens::Forget),
        1 => proptest::collection::vec(one(), 0..4).prop_map(Happens::Away),
        4 => (0..3_usize).prop_map(Happens::Read),
        2 => Just(Happens::Wait),
    ]
}

macro_rules! every_source {
    ($($name:ident: $place:ty,)*) => {
        $(
            mod $name {
                use super::*;

                #[tokio::test]
                async fn away_and_back() {
                    crate::suite::away_and_back::<$place>().await;
                }

                #[tokio::test]
                async fn one_wrong_object() {
                    crate::suite::one_wrong_object::<$place>().await;
                }

                #[tokio::test]
                async fn a_reader_that_waits_can_be_cancelled() {
                    crate::suite::a_reader_that_waits_can_be_cancelled::<$place>().await;
                }

                proptest! {
                    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

                    #[test]
                    fn every_reader_ends_up_with_what_is_there(events in proptest::collection::vec(happens(), 1..40)) {
                        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                        let all = crate::suite::every_reader_ends_up_with_what_is_there::<$place>(events);
                        runtime.expect("a runtime").block_on(all);
                    }
                }
            }
        )*
    };
}

every_source! {
    files: Folder,
    kubernetes: Cluster,
}
