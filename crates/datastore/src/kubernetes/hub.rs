//! What those who follow a kind each have in common: the way into the datastore, what went wrong, and what the objects ask
//! for beside themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use heddle_resources::bgp_peer::{PeeringNodes, PeeringPeers, ReversePeering};
use heddle_resources::{BgpConfiguration, BgpPeer, Key, Kind, Node, Snapshot};
use tokio::sync::{Notify, watch};
use tracing::warn;

use super::api::{Need, need};
use super::backoff::{Backoff, cut};
use super::error::KubernetesError;
use super::unfiltered::Unfiltered;
use crate::datastore::Feed;
use crate::error::SourceError;
use crate::event::{Guard, Held, SourceEvent, WaitingFor};
use crate::kinds::Kinds;
use crate::problem::{InForce, Problem};

/// What the objects ask for beside themselves; none: not known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Whether services are advertised.
    pub(super) services: Option<bool>,
    /// The secrets that this node's sessions need.
    pub(super) secrets: Option<BTreeSet<Arc<str>>>,
    /// Filters, now that it is known which peers name some.
    pub(super) filters: Option<()>,
}

#[derive(Debug)]
struct Inner {
    /// Who cannot follow now, and why.
    troubles: BTreeMap<Arc<str>, KubernetesError>,
    listed: Kinds,
    /// Objects with problems.
    wrong: BTreeSet<Arc<str>>,
    unfiltered: Unfiltered,
}

/// Waits until it is tried again: for the pause, or, after a request that got no answer at all, until somebody else gets one.
/// What belongs together comes together.
pub(super) async fn pause(pause: Duration, is_silence: bool, returns: &mut watch::Receiver<u64>) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        Ok(()) = returns.changed(), if is_silence => tokio::time::sleep(cut(Backoff::FIRST)).await,
    }
}

/// For whom objects are read.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    /// The name of the node.
    pub(super) node: Arc<str>,
    /// Or the addresses of a reflector.
    pub(super) reflector: Vec<IpAddr>,
}

/// What those who follow a kind each have in common.
#[derive(Debug)]
pub(super) struct Hub {
    feed: Feed,
    server: Arc<str>,
    reader: Reader,
    expected: Kinds,
    inner: Mutex<Inner>,
    wishes: watch::Sender<Wishes>,
    /// Filters that peers name, and of which nothing was heard.
    filters: watch::Sender<BTreeSet<Arc<str>>>,
    /// Counts how often somebody got an answer again.
    returns: watch::Sender<u64>,
    /// Counts how often the API server was found to stand still.
    interrupts: watch::Sender<u64>,
    /// A kind is not served where it was, or does not count any more.
    pub(super) unserved: Notify,
}

impl Hub {
    pub(super) fn new(feed: Feed, server: Arc<str>, reader: Reader, expected: Kinds) -> Self {
        let inner = Inner {
            troubles: BTreeMap::new(),
            listed: Kinds::NONE,
            wrong: BTreeSet::new(),
            unfiltered: Unfiltered::default(),
        };
        Self {
            feed,
            server,
            reader,
            expected,
            inner: Mutex::new(inner),
            wishes: watch::Sender::default(),
            filters: watch::Sender::default(),
            returns: watch::Sender::default(),
            interrupts: watch::Sender::default(),
            unserved: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wishes(&self) -> watch::Receiver<Wishes> {
        self.wishes.subscribe()
    }

    pub(super) fn filters(&self) -> watch::Receiver<BTreeSet<Arc<str>>> {
        self.filters.subscribe()
    }

    pub(super) fn returns(&self) -> watch::Receiver<u64> {
        self.returns.subscribe()
    }

    pub(super) fn interrupts(&self) -> watch::Receiver<u64> {
        self.interrupts.subscribe()
    }

    /// All watches are to be begun again.
    pub(super) fn interrupt(&self) {
        self.interrupts.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.feed.snapshot().get(key).is_some()
    }

    pub(super) fn listed(&self, kind: Kind) -> bool {
        self.lock().listed.contains(kind)
    }

    const fn is_synced(&self, inner: &Inner) -> bool {
        self.expected.without(inner.listed).is_empty()
    }

    fn tell(&self, inner: &mut Inner, events: Vec<SourceEvent>, heard: Instant) -> Vec<Held> {
        // Before both were listed nobody is told anything, and peers are listed before their filters.
        let both = inner.listed.contains(Kind::BgpPeer) && inner.listed.contains(Kind::BgpFilter);
        let events = if both { inner.unfiltered.sift(events, &self.feed.snapshot()) } else { events };
        self.tell_sifted(inner, events, heard)
    }

    fn tell_sifted(&self, inner: &mut Inner, mut events: Vec<SourceEvent>, heard: Instant) -> Vec<Held> {
        if events.is_empty() {
            return Vec::new();
        }
        let asks = events.iter().any(|event| self.asks(event));
        let mut ends = false;
        for event in &events {
            if let SourceEvent::ResyncEnd { kinds, .. } = event {
                kinds.iter().for_each(|kind| inner.listed.insert(kind));
                ends = true;
            }
            if let SourceEvent::Problems { origin, problems } = event {
                if problems.is_empty() {
                    inner.wrong.remove(origin);
                } else {
                    inner.wrong.insert(Arc::clone(origin));
                }
            }
        }
        // The end of one kind's list does not mean that the others are followed.
        if ends
            && self.is_synced(inner)
            && let Some(error) = inner.troubles.values().next()
        {
            events.push(SourceEvent::Lost(error.clone().into()));
        }
        let held = self.feed.tell_heard_at(events, heard);
        if asks {
            self.ask(inner);
        }
        let lacking = inner.unfiltered.lacking();
        self.filters.send_if_modified(|now| {
            let changed = *now != lacking;
            *now = lacking;
            changed
        });
        held
    }

    fn trouble(&self, inner: &mut Inner, who: &Arc<str>, error: KubernetesError) {
        let first = inner.troubles.is_empty();
        let told: SourceError = error.clone().into();
        let text = error.to_string();
        let before = inner.troubles.insert(Arc::clone(who), error);
        let events = match (self.is_synced(inner), first) {
            (true, true) => vec![SourceEvent::Lost(told)],
            (false, true) => {
                let missing = self.expected.without(inner.listed);
                let server = || WaitingFor::Server(Arc::clone(&self.server));
                let waiting = if inner.listed.is_empty() { server() } else { WaitingFor::Kinds(missing) };
                vec![SourceEvent::Failed(told), SourceEvent::Waiting(waiting)]
            }
            (_, false) => vec![SourceEvent::Failed(told)],
        };
        // The state says what is waited for, and not why it does not come.
        if !self.is_synced(inner) && before.is_none_or(|before| before.to_string() != text) {
            warn!("{text}");
        }
        self.feed.tell(events);
    }

    fn well(&self, inner: &mut Inner, who: &Arc<str>) {
        let Some(error) = inner.troubles.remove(who) else { return };
        if inner.troubles.is_empty() {
            self.feed.tell([SourceEvent::Regained]);
        }
        if error.is_silence() {
            self.returns.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    fn empty(&self, inner: &mut Inner, kind: Kind) {
        let kinds = Kinds::from(kind);
        let begin = SourceEvent::ResyncBegin { kinds, guard: Guard::Believe };
        self.tell(inner, vec![begin, SourceEvent::ResyncEnd { kinds, revision: None }], Instant::now());
    }

    /// Whether an event may change the wishes.
    fn asks(&self, event: &SourceEvent) -> bool {
        let of_kind = |kind| matches!(kind, Kind::BgpPeer | Kind::BgpConfiguration);
        let of_key = |key: &Key| of_kind(key.kind) || (key.kind == Kind::Node && *key.name == *self.reader.node);
        match event {
            SourceEvent::Set { object, .. } => {
                let name = &object.metadata().name;
                of_kind(object.kind()) || (object.kind() == Kind::Node && **name == *self.reader.node)
            }
            SourceEvent::Deleted { key, .. } => of_key(key),
            SourceEvent::ResyncEnd { kinds, .. } => kinds.iter().any(|kind| of_kind(kind) || kind == Kind::Node),
            SourceEvent::ResyncBegin { .. }
            | SourceEvent::Kept(_)
            | SourceEvent::Problems { .. }
            | SourceEvent::Waiting(_)
            | SourceEvent::Failed(_)
            | SourceEvent::Lost(_)
            | SourceEvent::Regained => false,
        }
    }

    /// Finds out what the objects ask for.
    fn ask(&self, inner: &Inner) {
        let snapshot = self.feed.snapshot();
        let known = |kinds: &[Kind]| kinds.iter().all(|kind| inner.listed.contains(*kind));
        let services = known(&[Kind::BgpConfiguration]).then(|| advertises_services(&snapshot));
        let secrets =
            known(&[Kind::BgpConfiguration, Kind::BgpPeer, Kind::Node]).then(|| secrets(&snapshot, &self.reader));
        let filters = known(&[Kind::BgpPeer]).then_some(());
        let wishes = Wishes { services, secrets, filters };
        self.wishes.send_if_modified(|now| {
            let changed = *now != wishes;
            *now = wishes;
            changed
        });
    }
}

/// A way into the datastore that can be cut: whoever is stopped may be in the middle of telling something just then.
#[derive(Clone, Debug)]
pub(super) struct Tie {
    hub: Arc<Hub>,
    cut: Arc<AtomicBool>,
}

impl Deref for Tie {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl Tie {
    pub(super) fn new(hub: &Arc<Hub>) -> Self {
        Self { hub: Arc::clone(hub), cut: Arc::default() }
    }

    /// From now on nothing comes in by it.
    pub(super) fn cut(&self) {
        let _inner = self.hub.lock();
        self.cut.store(true, Ordering::Relaxed);
    }

    /// What it leads to.
    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    fn enter(&self) -> Option<MutexGuard<'_, Inner>> {
        // Whoever cuts it holds the lock, too.
        let inner = self.hub.lock();
        (!self.cut.load(Ordering::Relaxed)).then_some(inner)
    }

    /// Tells events; together they are one change.
    pub(super) fn tell(&self, events: Vec<SourceEvent>, heard: Instant) -> Vec<Held> {
        if events.is_empty() {
            return Vec::new();
        }
        self.enter().map(|mut inner| self.hub.tell(&mut inner, events, heard)).unwrap_or_default()
    }

    /// Somebody cannot follow.
    pub(super) fn trouble(&self, who: &Arc<str>, error: KubernetesError) {
        if let Some(mut inner) = self.enter() {
            self.hub.trouble(&mut inner, who, error);
        }
    }

    /// Somebody follows, again or still.
    pub(super) fn well(&self, who: &Arc<str>) {
        if let Some(mut inner) = self.enter() {
            self.hub.well(&mut inner, who);
        }
    }

    /// Somebody is not asked any more; what was wrong with it is no matter.
    pub(super) fn forget(&self, who: &Arc<str>) {
        let Some(mut inner) = self.enter() else { return };
        self.hub.well(&mut inner, who);
        let is_of = |origin: &Arc<str>| origin.strip_prefix(&**who).is_some_and(|rest| rest.starts_with('/'));
        let objects: Vec<Arc<str>> = inner.wrong.iter().filter(|origin| is_of(origin)).cloned().collect();
        let all = objects.into_iter().chain([Arc::clone(who)]);
        let fine = all.map(|origin| SourceEvent::Problems { origin, problems: Vec::new() }).collect();
        self.hub.tell(&mut inner, fine, Instant::now());
    }

    /// A kind may not be read. What was read of it stays; if that is nothing, a node goes on without it if it can.
    pub(super) fn forbidden(&self, kind: Kind, who: &Arc<str>, error: KubernetesError) {
        let Some(mut inner) = self.enter() else { return };
        let in_force = if inner.listed.contains(kind) { InForce::LastGood } else { InForce::Nothing };
        let problem = Problem::NotGiven { error: error.clone().into(), in_force };
        self.hub.feed.tell([SourceEvent::Problems { origin: Arc::clone(who), problems: vec![problem] }]);
        match need(kind) {
            Need::Always => self.hub.trouble(&mut inner, who, error),
            Need::Perhaps => {
                self.hub.well(&mut inner, who);
                if !inner.listed.contains(kind) {
                    self.hub.empty(&mut inner, kind);
                }
            }
        }
    }

    /// A kind may be read again.
    pub(super) fn permitted(&self, who: &Arc<str>) {
        if let Some(_inner) = self.enter() {
            self.hub.feed.tell([SourceEvent::Problems { origin: Arc::clone(who), problems: Vec::new() }]);
        }
    }

    /// There is nothing of a kind, as far as is known: whoever waits for it goes on.
    pub(super) fn without(&self, kind: Kind) {
        if let Some(mut inner) = self.enter().filter(|inner| !inner.listed.contains(kind)) {
            self.hub.empty(&mut inner, kind);
        }
    }

    /// There is nothing of a kind.
    pub(super) fn empty(&self, kind: Kind) {
        if let Some(mut inner) = self.enter() {
            self.hub.empty(&mut inner, kind);
        }
    }

    /// There is no filter of this name: peers that wait for it wait in vain.
    pub(super) fn filter_absent(&self, filter: &Arc<str>) {
        if let Some(mut inner) = self.enter() {
            let events = inner.unfiltered.absent(filter);
            self.hub.tell_sifted(&mut inner, events, Instant::now());
        }
    }
}

fn advertises_services(snapshot: &Snapshot) -> bool {
    snapshot.all::<BgpConfiguration>().any(|configuration| {
        let spec = &configuration.spec;
        [&spec.service_cluster_ips, &spec.service_external_ips, &spec.service_load_balancer_ips]
            .into_iter()
            .any(|list| !list.is_empty())
    })
}

/// The secrets of sessions that the reader may have. More than it needs are no harm but a connection each.
fn secrets(snapshot: &Snapshot, reader: &Reader) -> BTreeSet<Arc<str>> {
    let node = snapshot.named::<Node>(&reader.node);
    let is_reflector = |peer: &BgpPeer| match &peer.spec.peers {
        PeeringPeers::Address { peer, .. } => reader.reflector.contains(&peer.address),
        PeeringPeers::Nobody | PeeringPeers::Nodes(_) | PeeringPeers::LocalWorkloads(_) => false,
    };
    let mesh = snapshot.all::<BgpConfiguration>().filter_map(|c| c.spec.node_mesh_password.as_ref());
    let mesh = mesh.filter(|_| reader.reflector.is_empty());
    let peers = snapshot.all::<BgpPeer>();
    let peers = peers.filter(|peer| node.is_some_and(|node| concerns(peer, node)) || is_reflector(peer));
    mesh.chain(peers.filter_map(|peer| peer.spec.password.as_ref())).map(|of| Arc::clone(&of.name)).collect()
}

/// Whether a node may have sessions of this peer: its own, or those of others towards it, the other way round.
fn concerns(peer: &BgpPeer, node: &Node) -> bool {
    let labels = &node.metadata.labels;
    let own = match &peer.spec.nodes {
        PeeringNodes::All => true,
        PeeringNodes::Node(name) => *name == node.metadata.name,
        PeeringNodes::Selector(selector) => selector.matches(labels),
    };
    let reverse = || match &peer.spec.peers {
        PeeringPeers::Nodes(selector) => selector.matches(labels),
        PeeringPeers::Address { peer, .. } => {
            let own = [node.spec.bgp.ipv4_address, node.spec.bgp.ipv6_address];
            own.into_iter().flatten().any(|own| own.address() == peer.address)
        }
        PeeringPeers::Nobody | PeeringPeers::LocalWorkloads(_) => false,
    };
    own || (peer.spec.reverse_peering == ReversePeering::Auto && reverse())
}

#[cfg(test)]
pub(super) mod tests {
    use heddle_resources::{Document, decode_json};
    use serde_json::json;
    use tokio::sync::oneshot;

    use super::*;
    use crate::datastore::{Datastore, Source};

    /// Gives its way into the datastore away.
    struct Lends(oneshot::Sender<Feed>);

    impl Source for Lends {
        fn name(&self) -> String {
            "a test".to_owned()
        }

        fn kinds(&self) -> Kinds {
            Kind::IpPool.into()
        }

        async fn run(self, feed: Feed) {
            let _ = self.0.send(feed);
            std::future::pending().await
        }
    }

    fn reader(node: &str, reflector: &[&str]) -> Reader {
        let addresses = reflector.iter().map(|text| text.parse().expect("an address"));
        Reader { node: node.into(), reflector: addresses.collect() }
    }

    /// A reflector reads the passwords of those that peer with it, and no others.
    #[test]
    fn secrets_of_a_reflector() {
        let object = |kind: &str, name: &str, spec: serde_json::Value| {
            let value = json!({
                "apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": { "name": name }, "spec": spec,
            });
            let Ok(Document::Object(decoded)) = decode_json(&value) else { panic!("{value}") };
            decoded.object
        };
        let key = |name: &str| json!({ "secretKeyRef": { "name": name, "key": "password" } });
        let snapshot: Snapshot = [
            object("BGPConfiguration", "default", json!({ "nodeMeshPassword": key("mesh") })),
            object("BGPPeer", "rr", json!({ "peerIP": "10.0.0.9:1790", "password": key("rr") })),
            object("BGPPeer", "tor", json!({ "peerIP": "10.0.0.8", "password": key("tor") })),
            object("Node", "n1", json!({ "bgp": { "ipv4Address": "10.0.0.1/24" } })),
        ]
        .into_iter()
        .collect();
        let names =
            |reader: &Reader| secrets(&snapshot, reader).iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&reader("r1", &["10.0.0.9"])), ["rr"]);
        assert_eq!(names(&reader("n1", &[])), ["mesh", "rr", "tor"]);
    }

    /// A datastore, and the hub of a source of it.
    pub(in super::super) async fn hub() -> (Datastore, Arc<Hub>) {
        let (lend, lent) = oneshot::channel();
        let datastore = Datastore::start(Lends(lend));
        let feed = lent.await.expect("it runs");
        (datastore, Arc::new(Hub::new(feed, "server".into(), reader("n1", &[]), Kind::IpPool.into())))
    }

    /// What is stopped may be in the middle of telling something.
    #[tokio::test]
    async fn nothing_comes_by_a_way_that_is_cut() {
        let (datastore, hub) = hub().await;
        let (own, other) = (Tie::new(&hub), Tie::new(&hub));
        let pool = |name: &str| {
            let value = json!({
                "apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": { "name": name },
                "spec": { "cidr": "10.0.0.0/16" },
            });
            let Ok(Document::Object(decoded)) = decode_json(&value) else { panic!("{value}") };
            vec![SourceEvent::Set { object: decoded.object, revision: None }]
        };
        own.empty(Kind::IpPool);
        own.tell(pool("a"), Instant::now());
        own.cut();
        own.tell(pool("b"), Instant::now());
        own.empty(Kind::IpPool);
        let what: Arc<str> = "IPPool".into();
        own.trouble(&what, KubernetesError::CutOff { what: Arc::clone(&what) });
        other.tell(pool("c"), Instant::now());
        let names: Vec<String> = datastore
            .snapshot()
            .iter()
            .flat_map(|s| s.iter().map(|o| o.key().to_string()).collect::<Vec<_>>())
            .collect();
        assert_eq!(names, ["IPPool/a", "IPPool/c"]);
        assert_eq!(datastore.counters().errors, 0);
    }
}
