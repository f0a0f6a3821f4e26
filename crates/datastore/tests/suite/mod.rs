//! What consumers may rely on, whatever the source and the place that it reads. Tests with real servers run this, too.

use std::collections::BTreeMap;
use std::time::Duration;

use heddle_datastore::*;
use heddle_resources::{IpPool, Snapshot};
use serde_json::{Value, json};

/// A place where objects are.
pub(crate) trait Place: Sized {
    type Source: Source;

    /// With nothing in it.
    async fn new() -> Self;

    fn source(&self) -> Self::Source;

    /// Makes or changes an object.
    fn set(&self, kind: &str, name: &str, spec: Value);

    fn delete(&self, kind: &str, name: &str);

    /// The source cannot read any more.
    fn lose(&self);

    /// It can again. Changes in between are made as others are.
    fn regain(&self);

    /// Whatever was noticed is forgotten: the source has to read all anew.
    fn forget(&self);
}

/// The pools that there are, each by its block size.
pub(crate) type Pools = BTreeMap<String, u8>;

pub(crate) fn pools(snapshot: &Snapshot) -> Pools {
    snapshot.all::<IpPool>().map(|pool| (pool.metadata.name.to_string(), pool.spec.block_size)).collect()
}

pub(crate) fn put(place: &impl Place, number: usize, size: u8) {
    place.set("IPPool", &format!("p{number}"), json!({ "cidr": format!("10.{number}.0.0/16"), "blockSize": size }));
}

/// A consumer, and what it was told.
pub(crate) struct Reader {
    pub(crate) watch: Watch,
    had: Option<Snapshot>,
}

impl Reader {
    pub(crate) fn new(datastore: &Datastore) -> Self {
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
    pub(crate) async fn until(&mut self, want: &Pools) {
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
pub(crate) enum Happens {
    Set(usize, u8),
    Delete(usize),
    Forget,
    /// The source is lost for as long as these take.
    Away(Vec<(usize, u8)>),
    Read(usize),
    Wait,
}

/// Whatever happens, all who follow end up with what is there.
pub(crate) async fn every_reader_ends_up_with_what_is_there<P: Place>(events: Vec<Happens>) {
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

pub(crate) async fn away_and_back<P: Place>() {
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

pub(crate) async fn one_wrong_object<P: Place>() {
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

pub(crate) async fn a_reader_that_waits_can_be_cancelled<P: Place>() {
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
pub(crate) async fn until_state(datastore: &Datastore, is_so: impl Fn(&State) -> bool) {
    let mut news = datastore.news();
    let waiting = async {
        while !is_so(&datastore.status().state) {
            news.changed().await.expect("it goes on");
        }
    };
    // However much else is told meanwhile.
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok(), "{}", datastore.status().state);
}
