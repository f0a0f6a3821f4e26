//! The source: who follows what.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heddle_resources::Kind;
use kube::{Client, Config};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinSet};
use tracing::error;

use super::api::{CalicoApi, Followed};
use super::backoff::{Backoff, cut};
use super::client::{kubernetes_client, kubernetes_config};
use super::discovery::{Discovered, discover};
use super::error::KubernetesError;
use super::filter::find_filter;
use super::follower::{Follower, MayMigrate};
use super::hub::{Hub, Reader, Tie, Wishes};
use super::secret::{SecretFollower, secret_key};
use super::server::{Found, Server};
use super::writer::KubernetesWriter;
use crate::datastore::{Feed, Source};
use crate::event::{Guard, SourceEvent, WaitingFor};
use crate::kinds::Kinds;

/// Kinds of Calico's.
const CALICO: [Kind; 6] =
    [Kind::BgpConfiguration, Kind::BgpPeer, Kind::BgpFilter, Kind::IpPool, Kind::BlockAffinity, Kind::CalicoNodeStatus];
/// Those that a reflector needs: filters, too, for no peer counts before the filters that it names are known.
const OF_REFLECTOR: [Kind; 3] = [Kind::BgpConfiguration, Kind::BgpPeer, Kind::BgpFilter];
/// Kinds that count where services are advertised.
const SERVICES: [Kind; 2] = [Kind::Service, Kind::EndpointSlice];

/// How often is looked whether an API came that was not there.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// How often, while the API server has both of Calico's, is looked which one counts.
const LOOK_WHILE_BOTH: Duration = Duration::from_secs(60);
/// How often is looked whether there can be filters where there could not.
const LOOK_FOR_FILTERS: Duration = Duration::from_secs(30);
/// An API that goes is not believed to have gone before it is still so after this: servers that start have none at first.
const CONFIRM: Duration = Duration::from_secs(10);

/// What is wanted of an API server.
#[derive(Clone, Debug)]
pub struct KubernetesOptions {
    /// The node whose BlockAffinities and passwords are wanted.
    pub node: Arc<str>,
    /// Its name in Pods, where that is another one.
    pub kubernetes_node: Option<Arc<str>>,
    /// Where Secrets with passwords are.
    pub secrets_namespace: Arc<str>,
    /// Where Calico's objects are; none: as Calico finds out itself.
    pub calico: Option<CalicoApi>,
    /// When Services and EndpointSlices are read.
    pub services: ServiceUse,
    /// Whether Pods of the node are read.
    pub pods: PodUse,
    /// Addresses of a route reflector that is none of the nodes: the passwords of peers at these addresses are wanted, and nothing is
    /// read that only nodes need. Empty: the source is a node's.
    pub reflector: Vec<IpAddr>,
    /// A kind that was in sync is listed again after half of this to all of it: nodes that were told at once that changes may
    /// have been missed do not ask at once.
    pub spread: Duration,
}

impl KubernetesOptions {
    /// See [`spread`](Self::spread).
    pub const SPREAD: Duration = Duration::from_secs(5);

    /// What this node wants, with everything else by default.
    #[must_use]
    pub fn of(node: impl Into<Arc<str>>) -> Self {
        Self {
            node: node.into(),
            kubernetes_node: None,
            secrets_namespace: "kube-system".into(),
            calico: None,
            services: ServiceUse::AsConfigured,
            pods: PodUse::None,
            reflector: Vec::new(),
            spread: Self::SPREAD,
        }
    }

    /// The kinds of Calico's that are wanted.
    fn calico_kinds(&self) -> &'static [Kind] {
        if self.reflector.is_empty() { &CALICO } else { &OF_REFLECTOR }
    }

    /// The kinds that count where services are advertised, by whoever does that.
    fn service_kinds(&self) -> &'static [Kind] {
        if self.reflector.is_empty() { &SERVICES } else { &[] }
    }
}

/// When Services and EndpointSlices are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceUse {
    /// Where a BGPConfiguration names networks of services to advertise.
    #[default]
    AsConfigured,
    /// Always.
    Always,
}

/// Whether Pods of the node are read.
///
/// A node peer reads none: the kernel's routes tell it of its pods, before the API server could. It is for programs that have to
/// know what a pod is called, or labelled, such as one that enforces network policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodUse {
    /// They are not.
    #[default]
    None,
    /// Those of the node.
    OfNode,
}

/// The objects of a Kubernetes API server, listed and watched.
#[derive(Debug)]
pub struct KubernetesSource {
    server: Server,
    address: Arc<str>,
    options: KubernetesOptions,
    /// Where Calico's objects are, for those who write.
    calico: watch::Sender<Option<CalicoApi>>,
}

impl KubernetesSource {
    /// A source of what this client reaches; `address` is what messages call it. The client must not try again by itself.
    #[must_use]
    pub fn new(client: Client, address: impl Into<Arc<str>>, options: KubernetesOptions) -> Self {
        Self::found(client, Found::Given, address, options)
    }

    fn found(client: Client, found: Found, address: impl Into<Arc<str>>, options: KubernetesOptions) -> Self {
        let calico = watch::Sender::new(None);
        Self { server: Server::new(client, found), address: address.into(), options, calico }
    }

    /// A source of the API server of a kubeconfig, or, where none is named, of the cluster in which this is a pod. It is read
    /// again while the API server cannot be reached by it, or does not know us: certificates and tokens are replaced.
    ///
    /// # Errors
    /// The file cannot be used, or there is no service account.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn of(kubeconfig: Option<&Path>, options: KubernetesOptions) -> Result<Self, KubernetesError> {
        let config = kubernetes_config(kubeconfig).await?;
        let address = config.cluster_url.to_string();
        let found = Found::ByKubeconfig(kubeconfig.map(Path::to_owned));
        Ok(Self::found(kubernetes_client(&config)?, found, address.trim_end_matches('/'), options))
    }

    /// A source of the API server of a configuration.
    ///
    /// # Errors
    /// A certificate, key or token of the configuration cannot be used.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(config: &Config, options: KubernetesOptions) -> Result<Self, KubernetesError> {
        let address = config.cluster_url.to_string();
        Ok(Self::new(kubernetes_client(config)?, address.trim_end_matches('/'), options))
    }

    /// What the node writes back, by the way that the source finds to the API server.
    #[must_use]
    pub fn writer(&self) -> KubernetesWriter {
        KubernetesWriter::new(self.server.clone(), self.options.clone(), self.calico.subscribe())
    }
}

impl Source for KubernetesSource {
    fn name(&self) -> String {
        format!("Kubernetes at {}", self.address)
    }

    fn kinds(&self) -> Kinds {
        let pods = match self.options.pods {
            PodUse::None => None,
            PodUse::OfNode => Some(Kind::Pod),
        };
        let (calico, services) = (self.options.calico_kinds(), self.options.service_kinds());
        [Kind::Node, Kind::Secret].iter().chain(calico).chain(services).chain(&pods).copied().collect()
    }

    async fn run(self, feed: Feed) {
        feed.tell([SourceEvent::Waiting(WaitingFor::Server(Arc::clone(&self.address)))]);
        let kinds = self.kinds();
        let reader = Reader { node: Arc::clone(&self.options.node), reflector: self.options.reflector.clone() };
        let hub = Arc::new(Hub::new(feed, self.address, reader, kinds));
        let (answered, mut answers) = mpsc::unbounded_channel();
        let mut run = Run::new(&hub, self.server, self.options, answered);
        run.told = self.calico;
        let (mut wishes, mut filters, mut apis) = (run.hub.wishes(), run.hub.filters(), run.apis.subscribe());
        run.discover();
        run.probe();
        run.follow(Kind::Node, CalicoApi::Stored);
        if run.options.pods == PodUse::OfNode {
            run.follow(Kind::Pod, CalicoApi::Stored);
        }
        loop {
            tokio::select! {
                Ok(()) = wishes.changed() => {
                    let wishes = wishes.borrow_and_update().clone();
                    run.wish(wishes);
                }
                Ok(()) = apis.changed() => {
                    let found = apis.borrow_and_update().clone();
                    found.into_iter().for_each(|found| run.found(found));
                }
                Ok(()) = filters.changed() => {
                    let wanted = filters.borrow_and_update().clone();
                    run.find_filters(&wanted);
                }
                Some(name) = answers.recv() => run.answer(&name),
                Some(ended) = run.tasks.join_next_with_id() => {
                    match ended {
                        Err(error) if error.is_panic() => run.begin_again(error.id()),
                        Ok(_) | Err(_) => {}
                    }
                    let wanted = filters.borrow().clone();
                    run.find_filters(&wanted);
                }
                else => return,
            }
        }
    }
}

/// A secret that is followed.
#[derive(Debug)]
struct FollowedSecret {
    task: Task,
    known: Known,
}

/// Who follows something.
#[derive(Debug)]
struct Task {
    handle: AbortHandle,
    tie: Tie,
}

impl Task {
    /// Stops it; nothing of it comes in any more, also of what it is just doing.
    fn stop(&self) {
        self.tie.cut();
        self.handle.abort();
    }
}

/// Whether it was found out what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Yes,
    NotYet,
}

/// A running source.
#[derive(Debug)]
struct Run {
    hub: Tie,
    server: Server,
    options: KubernetesOptions,
    tasks: JoinSet<()>,
    followers: BTreeMap<Kind, Task>,
    discovered: Option<Discovered>,
    /// Whether filters are still to be listed for the first time: after the peers, so that none of these comes before its own.
    filters_wait: bool,
    /// Filters that are asked for by name.
    filters: BTreeMap<Arc<str>, Task>,
    secrets: BTreeMap<Arc<str>, FollowedSecret>,
    answered: mpsc::UnboundedSender<Arc<str>>,
    /// Which APIs there are.
    apis: watch::Sender<Option<Discovered>>,
    /// Which of Calico's counts, for those who write.
    told: watch::Sender<Option<CalicoApi>>,
    /// Who finds that out, and who looks after a server of which nothing is heard.
    looking: Option<Id>,
    probing: Option<Id>,
    /// Pauses after faults of ours.
    failures: Backoff,
}

impl Run {
    /// Of which nothing runs yet.
    fn new(
        hub: &Arc<Hub>,
        server: Server,
        options: KubernetesOptions,
        answered: mpsc::UnboundedSender<Arc<str>>,
    ) -> Self {
        Self {
            hub: Tie::new(hub),
            server,
            options,
            tasks: JoinSet::new(),
            followers: BTreeMap::new(),
            discovered: None,
            filters_wait: true,
            filters: BTreeMap::new(),
            secrets: BTreeMap::new(),
            answered,
            apis: watch::Sender::new(None),
            told: watch::Sender::new(None),
            looking: None,
            probing: None,
            failures: Backoff::default(),
        }
    }

    /// The API of Calico's that counts.
    fn calico(&self) -> CalicoApi {
        self.discovered.as_ref().map_or(CalicoApi::Stored, |found| found.calico)
    }

    /// Whoever failed begins again: a fault in one place must not leave a kind as it is for good.
    fn begin_again(&mut self, id: Id) {
        error!("a fault of ours ended a task that follows the API server; it begins again; report this");
        let is_it = |task: &Task| task.handle.id() == id;
        if self.looking == Some(id) {
            self.discover();
        }
        if self.probing == Some(id) {
            self.probe();
        }
        let failed = self.followers.iter().find(|(_, task)| is_it(task)).map(|(kind, _)| *kind);
        if let Some(kind) = failed {
            self.followers.remove(&kind).iter().for_each(Task::stop);
            let what: Arc<str> = kind.as_str().into();
            self.hub.trouble(&what, KubernetesError::Failed { what: Arc::clone(&what) });
            let pause = self.failures.next(None);
            self.follow_after(pause, kind, self.calico());
        }
        let wanted: BTreeSet<Arc<str>> = self.secrets.keys().cloned().collect();
        self.secrets.retain(|_, secret| !is_it(&secret.task));
        if self.secrets.len() != wanted.len() {
            self.wish_secrets(&wanted);
        }
        self.filters.retain(|_, task| !is_it(task));
    }

    /// Begins to find out which APIs there are; says so whenever that changes.
    fn discover(&mut self) {
        let tell = self.apis.clone();
        let (hub, server, wanted) = (self.hub.clone(), self.server.clone(), self.options.calico);
        let kinds = self.options.calico_kinds();
        let task = self.tasks.spawn(async move {
            let what: Arc<str> = "APIs".into();
            let (mut errors, mut missing) = (Backoff::default(), Backoff::default());
            let mut doubted = None;
            loop {
                match discover(&server, wanted, kinds).await {
                    Ok(found) => {
                        errors.reset();
                        hub.well(&what);
                        let differs = |now: &Discovered| now.calico != found.calico;
                        let other = !found.both && tell.borrow().as_ref().is_some_and(differs);
                        if other && doubted != Some(found.calico) {
                            doubted = Some(found.calico);
                            tokio::time::sleep(cut(CONFIRM)).await;
                            continue;
                        }
                        doubted = None;
                        // What is there may be joined by what is not, or by the API that comes before it.
                        let earlier = wanted.is_none() && found.calico == CalicoApi::Native;
                        let more = found.both || earlier || !found.lacking.is_empty();
                        let pause = match &found {
                            Discovered { lacking, .. } if lacking.contains(&Kind::BgpFilter) => LOOK_FOR_FILTERS,
                            Discovered { both: true, .. } => LOOK_WHILE_BOTH,
                            Discovered { both: false, .. } => LOOK_AGAIN,
                        };
                        tell.send_if_modified(|now| {
                            let changed = now.as_ref() != Some(&found);
                            *now = Some(found);
                            changed
                        });
                        tokio::select! {
                            () = hub.unserved.notified() => tokio::time::sleep(missing.next(None)).await,
                            () = tokio::time::sleep(cut(pause)), if more => {}
                        }
                    }
                    Err(error) => {
                        hub.trouble(&what, error);
                        tokio::time::sleep(errors.next(None)).await;
                    }
                }
            }
        });
        self.looking = Some(task.id());
    }

    /// Looks after an API server of which nothing is heard.
    fn probe(&mut self) {
        let (hub, server) = (self.hub.clone(), self.server.clone());
        let task = self.tasks.spawn(async move {
            let what: Arc<str> = "API server".into();
            let mut errors = Backoff::default();
            loop {
                match server.probe(&what).await {
                    Ok(()) => {
                        errors.reset();
                        hub.well(&what);
                    }
                    Err(error) => {
                        if errors.is_fresh() {
                            hub.interrupt();
                        }
                        hub.trouble(&what, error);
                        tokio::time::sleep(errors.next(None)).await;
                    }
                }
            }
        });
        self.probing = Some(task.id());
    }

    /// Finds out of filters that peers name whether there are any of these names.
    fn find_filters(&mut self, wanted: &BTreeSet<Arc<str>>) {
        for (_, task) in self.filters.extract_if(.., |name, _| !wanted.contains(name)) {
            task.stop();
        }
        let calico = self.calico();
        for name in wanted {
            if self.filters.get(name).is_none_or(|task| task.handle.is_finished()) {
                let tie = Tie::new(self.hub.hub());
                let found = find_filter(tie.clone(), self.server.clone(), calico, Arc::clone(name));
                let handle = self.tasks.spawn(found);
                self.filters.insert(Arc::clone(name), Task { handle, tie });
            }
        }
    }

    /// Begins to follow a kind, if nobody does.
    fn follow(&mut self, kind: Kind, calico: CalicoApi) {
        self.follow_after(Duration::ZERO, kind, calico);
    }

    fn follow_after(&mut self, pause: Duration, kind: Kind, calico: CalicoApi) {
        if self.followers.contains_key(&kind) {
            return;
        }
        let other_name = self.options.kubernetes_node.as_ref().filter(|_| kind == Kind::Pod);
        let node = other_name.unwrap_or(&self.options.node);
        let followed = Followed::new(kind, calico, node);
        let stored = CALICO.contains(&kind) && calico == CalicoApi::Stored;
        let may_migrate = if stored && self.options.calico.is_none() { MayMigrate::Yes } else { MayMigrate::No };
        let tie = Tie::new(self.hub.hub());
        let follower = Follower::new(tie.clone(), self.server.clone(), followed, self.options.spread, may_migrate);
        let handle = self.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            follower.run().await;
        });
        self.followers.insert(kind, Task { handle, tie });
    }

    fn leave(&mut self, kind: Kind) {
        if let Some(task) = self.followers.remove(&kind) {
            task.stop();
            self.hub.forget(&kind.as_str().into());
        }
    }

    /// It is known which APIs there are.
    fn found(&mut self, found: Discovered) {
        if self.discovered.as_ref().is_some_and(|before| before.calico != found.calico) {
            // The objects stay until the other API's lists say what is gone.
            self.options.calico_kinds().iter().for_each(|&kind| self.leave(kind));
            self.find_filters(&BTreeSet::new());
        }
        for &kind in self.options.calico_kinds() {
            if found.lacking.contains(&kind) {
                self.hub.without(kind);
            } else if kind != Kind::BgpFilter || !self.filters_wait {
                self.follow(kind, found.calico);
            }
        }
        self.told.send_replace(Some(found.calico));
        self.discovered = Some(found);
    }

    /// Peers were listed: a list of filters has those that they name.
    fn follow_filters(&mut self) {
        self.filters_wait = false;
        if let Some(found) = self.discovered.clone() {
            self.found(found);
        }
    }

    /// The objects ask for others.
    fn wish(&mut self, wishes: Wishes) {
        if wishes.filters.is_some() && self.filters_wait {
            self.follow_filters();
        }
        let always = self.options.services == ServiceUse::Always;
        let services = self.options.service_kinds();
        match wishes.services {
            Some(wanted) if wanted || always => {
                services.iter().for_each(|&kind| self.follow(kind, CalicoApi::Stored));
            }
            Some(_) => {
                for &kind in services {
                    let followed = self.followers.contains_key(&kind);
                    self.leave(kind);
                    if followed || !self.hub.listed(kind) {
                        self.hub.empty(kind);
                    }
                }
            }
            None => {}
        }
        if let Some(wanted) = wishes.secrets {
            self.wish_secrets(&wanted);
        }
    }

    fn wish_secrets(&mut self, wanted: &BTreeSet<Arc<str>>) {
        let namespace = &self.options.secrets_namespace;
        let gone: Vec<Arc<str>> = self.secrets.keys().filter(|name| !wanted.contains(*name)).cloned().collect();
        for name in gone {
            if let Some(secret) = self.secrets.remove(&name) {
                secret.task.stop();
            }
            let key = secret_key(namespace, &name);
            self.hub.forget(&key.to_string().into());
            self.hub.tell(vec![SourceEvent::Deleted { key, revision: None }], Instant::now());
        }
        for name in wanted {
            if !self.secrets.contains_key(name) {
                let (tie, answered) = (Tie::new(self.hub.hub()), self.answered.clone());
                let follower = SecretFollower::new(tie.clone(), self.server.clone(), namespace, name, answered);
                let task = Task { handle: self.tasks.spawn(follower.run()), tie };
                self.secrets.insert(Arc::clone(name), FollowedSecret { task, known: Known::NotYet });
            }
        }
        self.list_secrets();
    }

    /// It is known whether a secret is there.
    fn answer(&mut self, name: &str) {
        if let Some(secret) = self.secrets.get_mut(name) {
            secret.known = Known::Yes;
        }
        self.list_secrets();
    }

    /// Once all that are wanted are known, they are as good as a list.
    fn list_secrets(&self) {
        if self.hub.listed(Kind::Secret) || self.secrets.values().any(|s| s.known == Known::NotYet) {
            return;
        }
        let kinds = Kinds::from(Kind::Secret);
        let kept = |name| SourceEvent::Kept(secret_key(&self.options.secrets_namespace, name));
        let mut events = vec![SourceEvent::ResyncBegin { kinds, guard: Guard::Believe }];
        events.extend(self.secrets.keys().map(kept));
        events.push(SourceEvent::ResyncEnd { kinds, revision: None });
        self.hub.tell(events, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::super::hub::tests::hub;
    use super::*;

    /// A fault of ours ends one task, and that begins again.
    #[tokio::test]
    async fn who_fails_begins_again() {
        let (_datastore, hub) = hub().await;
        let config = Config::new("http://127.0.0.1:1".parse().expect("an address"));
        let (answered, _answers) = mpsc::unbounded_channel();
        let server = Server::new(kubernetes_client(&config).expect("a client"), Found::Given);
        let mut run = Run::new(&hub, server, KubernetesOptions::of("n1"), answered);
        let handle = run.tasks.spawn(async { panic!("a fault, for the test") });
        let failed = handle.id();
        run.followers.insert(Kind::Node, Task { handle, tie: Tie::new(&hub) });
        let ended = run.tasks.join_next_with_id().await.expect("a task").expect_err("it panicked");
        assert!(ended.is_panic() && ended.id() == failed);
        run.begin_again(ended.id());
        assert!(run.followers.get(&Kind::Node).is_some_and(|task| task.handle.id() != failed));
        assert_eq!(run.tasks.len(), 1);
    }

    #[test]
    fn nodes_that_hear_the_same_do_not_ask_at_once() {
        let pauses: BTreeSet<Duration> =
            (0..50).map(|_| Backoff::starting_at(KubernetesOptions::SPREAD).next(None)).collect();
        let bounds = Duration::from_secs(2)..=Duration::from_secs(5);
        assert!(pauses.len() > 10 && pauses.iter().all(|pause| bounds.contains(pause)), "{pauses:?}");
    }
}
