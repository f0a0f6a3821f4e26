//! What consumers may rely on, whatever the source: first with one that says what it is told to, then with every source
//! and the place that it reads.

mod api_server;
mod places;

use std::collections::BTreeMap;
use std::time::Duration;

use heddle_datastore::*;
use heddle_resources::{Delta, Document, IpPool, Key, Kind, Object, Snapshot, decode_documents};
use places::{Cluster, Folder, Place};
use proptest::prelude::*;
use serde_json::json;
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

/// The pools that there are, each by its block size.
type Pools = BTreeMap<String, u8>;

fn pools(snapshot: &Snapshot) -> Pools {
    snapshot.all::<IpPool>().map(|pool| (pool.metadata.name.to_string(), pool.spec.block_size)).collect()
}

fn put(place: &impl Place, number: usize, size: u8) {
    place.set("IPPool", &format!("p{number}"), json!({ "cidr": format!("10.{number}.0.0/16"), "blockSize": size }));
}

/// A consumer, and what it was told.
struct Reader {
    watch: Watch,
    had: Option<Snapshot>,
}

impl Reader {
    fn new(datastore: &Datastore) -> Self {
        Self { watch: datastore.subscribe(), had: None }
    }

    /// Takes an event, which has to lead from what it had to what it has.
    fn take(&mut self, event: Event) {
        self.had = Some(match event {
            Event::Snapshot(snapshot) => {
                assert!(self.had.is_none(), "one snapshot");
                (*snapshot).clone()
            }
            Event::Changes { snapshot, deltas } => {
                let mut applied = self.had.take().expect("a snapshot came first");
                assert_eq!(Snapshot::diff(&applied, &snapshot), deltas);
                assert!(!deltas.is_empty(), "a change changes something");
                deltas.iter().for_each(|d| applied.apply(d));
                assert_eq!(applied, *snapshot);
                applied
            }
        });
    }

    fn pools(&self) -> Option<Pools> {
        self.had.as_ref().map(pools)
    }

    /// Reads until it has these pools.
    async fn until(&mut self, want: &Pools) {
        while self.pools().as_ref() != Some(want) {
            let event = tokio::time::timeout(Duration::from_secs(60), self.watch.next()).await;
            let Ok(event) = event else { panic!("{want:?} did not come; there is {:?}", self.pools()) };
            self.take(event.expect("it goes on"));
        }
    }

    fn take_all(&mut self) {
        while let Some(event) = self.watch.try_next() {
            self.take(event);
        }
    }
}

/// Something that happens where the objects are.
#[derive(Clone, Debug)]
enum Happens {
    Set(usize, u8),
    Delete(usize),
    Forget,
    /// The source is lost for as long as these take.
    Away(Vec<(usize, u8)>),
    Read(usize),
    Wait,
}

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

/// Whatever happens, all who follow end up with what is there.
async fn every_reader_ends_up_with_what_is_there<P: Place>(events: Vec<Happens>) {
    let place = P::new().await;
    put(&place, 9, 26);
    let mut model = Pools::from([("p9".to_owned(), 26)]);
    let datastore = Datastore::start(place.source());
    let mut readers: Vec<Reader> = (0..3).map(|_| Reader::new(&datastore)).collect();
    for event in events {
        match event {
            Happens::Set(n, size) => {
                put(&place, n, size);
                model.insert(format!("p{n}"), size);
            }
            Happens::Delete(n) => {
                if model.remove(&format!("p{n}")).is_some() {
                    place.delete("IPPool", &format!("p{n}"));
                }
            }
            Happens::Forget => place.forget(),
            Happens::Away(sets) => {
                place.lose();
                for (n, size) in sets {
                    put(&place, n, size);
                    model.insert(format!("p{n}"), size);
                }
                place.regain();
            }
            Happens::Read(n) => readers[n].take_all(),
            Happens::Wait => readers[0].until(&model).await,
        }
    }
    for reader in &mut readers {
        reader.until(&model).await;
    }
    let mut late = Reader::new(&datastore);
    late.until(&model).await;
    // What was fleeting is over, and nothing more comes.
    readers.iter_mut().for_each(Reader::take_all);
    assert!(readers.iter().all(|r| r.pools().as_ref() == Some(&model)));
}

async fn away_and_back<P: Place>() {
    let place = P::new().await;
    (0..12).for_each(|n| put(&place, n, 26));
    let mut model: Pools = (0..12).map(|n| (format!("p{n}"), 26)).collect();
    let datastore = Datastore::start(place.source());
    let mut reader = Reader::new(&datastore);
    reader.until(&model).await;
    place.lose();
    until_state(&datastore, |state| matches!(state, State::Lost(_))).await;
    assert!(reader.watch.try_next().is_none(), "losing it changes nothing");
    assert_eq!(datastore.snapshot().map(|s| pools(&s)).as_ref(), Some(&model));
    assert!(datastore.status().last_error.is_some() && datastore.counters().losses == 1);
    put(&place, 3, 27);
    place.delete("IPPool", "p4");
    place.regain();
    model.insert("p3".to_owned(), 27);
    model.remove("p4");
    reader.until(&model).await;
    until_state(&datastore, |state| matches!(state, State::InSync)).await;
}

async fn one_wrong_object<P: Place>() {
    let place = P::new().await;
    put(&place, 1, 26);
    put(&place, 2, 99);
    let datastore = Datastore::start(place.source());
    let mut reader = Reader::new(&datastore);
    reader.until(&Pools::from([("p1".to_owned(), 26)])).await;
    let faults = |d: &Datastore| d.status().faults().map(ToString::to_string).collect::<Vec<_>>();
    let said = faults(&datastore);
    assert!(said.len() == 1 && said[0].contains("IPPool/p2: spec.blockSize"), "{said:?}");
    assert!(said[0].ends_with("it is ignored"), "{said:?}");
    // What becomes wrong keeps its last good state, also where all is read anew.
    put(&place, 1, 99);
    put(&place, 3, 26);
    let want = Pools::from([("p1".to_owned(), 26), ("p3".to_owned(), 26)]);
    reader.until(&want).await;
    place.forget();
    put(&place, 4, 26);
    reader.until(&want.into_iter().chain([("p4".to_owned(), 26)]).collect()).await;
    let said = faults(&datastore);
    assert!(said.len() == 2 && said[0].ends_with("its last good state stays in force"), "{said:?}");
    put(&place, 1, 28);
    place.delete("IPPool", "p2");
    let mut news = datastore.news();
    while !faults(&datastore).is_empty() {
        tokio::time::timeout(Duration::from_secs(60), news.changed()).await.expect("news").expect("it is told");
    }
    reader.until(&Pools::from([("p1".to_owned(), 28), ("p3".to_owned(), 26), ("p4".to_owned(), 26)])).await;
}

async fn a_reader_that_waits_can_be_cancelled<P: Place>() {
    let place = P::new().await;
    put(&place, 0, 26);
    let datastore = Datastore::start(place.source());
    let mut reader = Reader::new(&datastore);
    let mut model = Pools::from([("p0".to_owned(), 26)]);
    reader.until(&model).await;
    for n in 1..10 {
        let mut waiting = Box::pin(reader.watch.next());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(waiting);
        put(&place, n, 26);
        model.insert(format!("p{n}"), 26);
        reader.until(&model).await;
    }
}

/// Waits for a state.
async fn until_state(datastore: &Datastore, is_so: impl Fn(&State) -> bool) {
    let mut news = datastore.news();
    while !is_so(&datastore.status().state) {
        let waited = tokio::time::timeout(Duration::from_secs(60), news.changed()).await;
        assert!(waited.is_ok(), "{}", datastore.status().state);
    }
}

macro_rules! every_source {
    ($($name:ident: $place:ty,)*) => {
        $(
            mod $name {
                use super::*;

                #[tokio::test]
                async fn away_and_back() {
                    super::away_and_back::<$place>().await;
                }

                #[tokio::test]
                async fn one_wrong_object() {
                    super::one_wrong_object::<$place>().await;
                }

                #[tokio::test]
                async fn a_reader_that_waits_can_be_cancelled() {
                    super::a_reader_that_waits_can_be_cancelled::<$place>().await;
                }

                proptest! {
                    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

                    #[test]
                    fn every_reader_ends_up_with_what_is_there(events in proptest::collection::vec(happens(), 1..40)) {
                        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                        let all = super::every_reader_ends_up_with_what_is_there::<$place>(events);
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
