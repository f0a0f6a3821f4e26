//! Follows one kind: lists it, watches it, and lists it again where something may have been missed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use heddle_resources::{Document, Key, Kind, ObjectName, Scope};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info};

use super::api::{Followed, Known};
use super::backoff::Backoff;
use super::discovery::{Superseded, superseded};
use super::error::KubernetesError;
use super::hub::{self, Tie};
use super::items::{Items, LARGEST, Lines, TooLarge};
use super::server::{Piece, Server, Watch, form, with_query};
use super::slim::{Names, slim};
use super::value;
use crate::event::{Guard, Held, Revision, SourceEvent};
use crate::kinds::Kinds;
use crate::problem::{InForce, Problem};

/// Objects in a page of a list.
const LIST_PAGE: u32 = 500;
/// Events that are told at once while a list comes in.
const BATCH: usize = 500;
/// A watch that held so long makes good for lists before it.
const SETTLED: Duration = Duration::from_secs(60);
/// A list of one object is not larger.
const MOST_OF_ONE: usize = LARGEST;

/// Why a watch ended.
#[derive(Debug)]
enum Ended {
    /// It may go on where it was.
    Pause,
    /// Something may have been missed.
    Gap,
    /// What a list lacked is to be asked for again.
    Doubt,
}

/// Follows one kind.
#[derive(Debug)]
pub(super) struct Follower {
    hub: Tie,
    /// Changes when another one got an answer again.
    returns: watch::Receiver<u64>,
    /// Changes when watches are to be begun again.
    interrupts: watch::Receiver<u64>,
    server: Server,
    of: Followed,
    names: Names,
    /// Pauses after errors, and between lists.
    errors: Backoff,
    lists: Backoff,
    /// Objects with problems.
    origins: BTreeSet<Arc<str>>,
    /// When a list that lacked too much is to be read again.
    again_at: Option<Instant>,
    /// Answers in a row that this is not permitted. A server that just started may say so once without meaning it.
    denials: u32,
    /// Requests in a row that failed.
    failures: u32,
    /// Whether lists come page by page.
    pages: bool,
    /// Whether objects may be migrated from the API in which they are followed to another one.
    may_migrate: MayMigrate,
}

/// Whether objects may be migrated to another API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayMigrate {
    Yes,
    No,
}

impl Follower {
    /// Lists of what was in sync are spread over half of `spread` to all of it.
    pub(super) fn new(hub: Tie, server: Server, of: Followed, spread: Duration, may_migrate: MayMigrate) -> Self {
        Self {
            returns: hub.returns(),
            interrupts: hub.interrupts(),
            hub,
            server,
            of,
            names: Names::default(),
            errors: Backoff::default(),
            lists: Backoff::starting_at(spread),
            origins: BTreeSet::new(),
            again_at: None,
            denials: 0,
            failures: 0,
            pages: true,
            may_migrate,
        }
    }

    /// Follows until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let version = match self.list().await {
                Ok(version) => version,
                Err(error) => {
                    self.failed(error).await;
                    continue;
                }
            };
            self.errors.reset();
            self.is_well();
            let begun = Instant::now();
            let ended = self.watch(version).await;
            if begun.elapsed() > SETTLED {
                self.lists.reset();
            }
            if matches!(ended, Ended::Gap) {
                info!(kind = %self.of.kind, "changes may have been missed; listing again");
                tokio::time::sleep(self.lists.next(None)).await;
            }
        }
    }

    fn is_well(&mut self) {
        self.failures = 0;
        self.hub.well(&self.of.what);
        if std::mem::take(&mut self.denials) > 1 {
            self.hub.permitted(&self.of.what);
        }
    }

    /// Says what went wrong, and waits until it can be tried again.
    async fn failed(&mut self, error: KubernetesError) {
        debug!(kind = %self.of.kind, %error, "asking again later");
        let (mut asked, is_silence) = (None, error.is_silence());
        match &error {
            KubernetesError::Forbidden { .. } => {
                self.denials = self.denials.saturating_add(1);
                if self.denials > 1 {
                    self.hub.forbidden(self.of.kind, &self.of.what, error);
                }
            }
            KubernetesError::Refused { code: 404, .. } => {
                self.hub.trouble(&self.of.what, error);
                self.hub.unserved.notify_one();
            }
            // Not every API server knows the field: then all are asked for, and most are left alone here.
            KubernetesError::Refused { code: 400, .. } if self.may_select_less() => {
                self.of.selector = None;
                return;
            }
            // The rest of a list is not to be had any more: the next one is asked for as a whole.
            KubernetesError::Refused { code: 410, .. } if self.pages => {
                self.pages = false;
                return;
            }
            // A connection that ended while nobody looked costs one request, and is worth no word; nor is one answer that says
            // "later".
            error if error.may_pass() && self.failures == 0 => {
                if let KubernetesError::Refused { retry_after, .. } = error {
                    asked = *retry_after;
                }
            }
            // The other API is looked for.
            KubernetesError::Superseded { .. } => self.hub.unserved.notify_one(),
            KubernetesError::Refused { retry_after, .. } => {
                asked = *retry_after;
                self.hub.trouble(&self.of.what, error);
            }
            KubernetesError::Unreachable { .. }
            | KubernetesError::Absent { .. }
            | KubernetesError::Failed { .. }
            | KubernetesError::CutOff { .. }
            | KubernetesError::Silent { .. }
            | KubernetesError::Form { .. }
            | KubernetesError::TooLarge { .. }
            | KubernetesError::NoCalico { .. }
            | KubernetesError::Kubeconfig { .. }
            | KubernetesError::Proxy { .. }
            | KubernetesError::InCluster { .. }
            | KubernetesError::Client { .. } => self.hub.trouble(&self.of.what, error),
        }
        self.failures = self.failures.saturating_add(1);
        let pause = self.errors.next(asked);
        hub::pause(pause, is_silence, &mut self.returns).await;
    }

    fn may_select_less(&self) -> bool {
        self.of.selector.as_ref().is_some_and(|selector| selector.known == Known::Perhaps)
    }

    /// A query, with what the API server is to select.
    fn selecting<'q>(&'q self, query: impl IntoIterator<Item = (&'q str, &'q str)>) -> Vec<(&'q str, &'q str)> {
        let selector = self.of.selector.as_ref().map(|s| ("fieldSelector", s.fields.as_str()));
        selector.into_iter().chain(query).collect()
    }

    /// Lists all objects; answers the version of the list, from which a watch goes on.
    async fn list(&mut self) -> Result<String, KubernetesError> {
        let kinds = Kinds::from(self.of.kind);
        let mut events = vec![SourceEvent::ResyncBegin { kinds, guard: Guard::Doubt }];
        let before = std::mem::take(&mut self.origins);
        let mut next = String::new();
        let was_listed = self.hub.listed(self.of.kind);
        let read = loop {
            match self.page(&next, &mut events).await {
                Ok((version, more)) if more.is_empty() => break Ok(version),
                Ok((_, more)) => next = more,
                Err(error) => break Err(error),
            }
        };
        // What a list lacks may have been migrated.
        let read = match read {
            Ok(_) if was_listed && self.is_superseded().await => {
                Err(KubernetesError::Superseded { what: Arc::clone(&self.of.what), api: self.of.api_version })
            }
            read => read,
        };
        let version = match read {
            Ok(version) => version,
            Err(error) => {
                // What was wrong before may still be.
                self.origins.extend(before);
                return Err(error);
            }
        };
        self.pages = true;
        let fine = |origin| SourceEvent::Problems { origin, problems: Vec::new() };
        events.extend(before.into_iter().filter(|origin| !self.origins.contains(origin)).map(fine));
        events.push(SourceEvent::ResyncEnd { kinds, revision: Some(Revision(version.as_str().into())) });
        let held = self.tell(events);
        self.again_at = held.first().map(|held| Instant::now() + held.list_again_in);
        Ok(version)
    }

    /// A page of a list; answers its version, and where the next one begins.
    async fn page(&mut self, next: &str, events: &mut Vec<SourceEvent>) -> Result<(String, String), KubernetesError> {
        let limit = LIST_PAGE.to_string();
        let mut query = Vec::new();
        if self.pages {
            query.push(("limit", limit.as_str()));
        }
        if !next.is_empty() {
            query.push(("continue", next));
        }
        let path = with_query(&self.of.path, &self.selecting(query));
        let mut answer = self.server.get(&self.of.what, &path).await?;
        let mut items = Items::default();
        while let Some(piece) = answer.piece().await? {
            let mut wrong = None;
            let taken = items.take(&piece, |item| match value::object(item, self.of.kind) {
                Ok(value) => self.listed(value, events),
                Err(error) => wrong = Some(error),
            });
            taken.map_err(|e| self.too_large(e))?;
            if let Some(error) = wrong {
                return Err(form(&self.of.what, error));
            }
            if events.len() >= BATCH {
                self.tell(std::mem::take(events));
            }
        }
        let cut_off = || KubernetesError::CutOff { what: Arc::clone(&self.of.what) };
        let rest = items.rest().ok_or_else(cut_off)?;
        let list: Value = serde_json::from_slice(&rest).map_err(|e| form(&self.of.what, e))?;
        let of_list = |name| list.get("metadata")?.get(name)?.as_str().map(str::to_owned);
        let version = of_list("resourceVersion").ok_or_else(cut_off)?;
        Ok((version, of_list("continue").unwrap_or_default()))
    }

    fn too_large(&self, _: TooLarge) -> KubernetesError {
        KubernetesError::TooLarge { what: Arc::clone(&self.of.what), max: LARGEST }
    }

    fn tell(&self, events: Vec<SourceEvent>) -> Vec<Held> {
        self.hub.tell(events, std::time::Instant::now())
    }

    /// An object of a list.
    fn listed(&mut self, object: Value, events: &mut Vec<SourceEvent>) {
        if self.of.takes(&object) {
            self.object(object, None, events);
        }
    }

    /// An object that is there.
    fn object(&mut self, object: Value, revision: Option<Revision>, events: &mut Vec<SourceEvent>) {
        match value::decode(object, self.of.kind, self.of.api_version) {
            Ok(Document::Object(decoded)) => {
                let origin: Arc<str> = decoded.key.to_string().into();
                let mut object = decoded.object;
                slim(&mut object, &mut self.names);
                events.push(SourceEvent::Set { object, revision });
                self.problems(origin, decoded.notes.into_iter().map(Problem::Note).collect(), events);
            }
            // Of another kind than was asked for.
            Ok(Document::Skipped { .. }) => {}
            Err(invalid) => {
                let origin: Arc<str> = invalid.object.to_string().into();
                let key = key_of(self.of.kind, &invalid.object);
                let known = key.as_ref().is_some_and(|key| self.hub.has(key));
                let in_force = if known { InForce::LastGood } else { InForce::Nothing };
                events.extend(key.map(SourceEvent::Kept));
                self.problems(origin, vec![Problem::Invalid { object: invalid, in_force }], events);
            }
        }
    }

    /// All that is wrong with an object.
    fn problems(&mut self, origin: Arc<str>, problems: Vec<Problem>, events: &mut Vec<SourceEvent>) {
        let had = self.origins.remove(&origin);
        if !problems.is_empty() {
            self.origins.insert(Arc::clone(&origin));
        } else if !had {
            return;
        }
        events.push(SourceEvent::Problems { origin, problems });
    }

    /// Watches from a version on, until all is to be listed again.
    async fn watch(&mut self, mut version: String) -> Ended {
        // After a list that failed for a while, a watch may be refused for good; then a list says what is so.
        let mut refusals = 0_u32;
        // Whether the server may be another one than before, or set back.
        let mut unsure = false;
        loop {
            if unsure {
                match self.is_behind(&version).await {
                    Ok(true) => return Ended::Gap,
                    Ok(false) => {}
                    Err(error) => {
                        self.failed(error).await;
                        if self.is_doubtful() {
                            return Ended::Gap;
                        }
                        continue;
                    }
                }
            }
            self.returns.mark_unchanged();
            let query = self.selecting([("allowWatchBookmarks", "true"), ("resourceVersion", version.as_str())]);
            match self.server.watch(&self.of.what, &self.of.path, &query).await {
                Ok(mut watch) => {
                    refusals = 0;
                    self.is_well();
                    let read = self.events(&mut watch, &mut version).await;
                    match read {
                        Ended::Pause => {
                            unsure = watch.is_early();
                            if watch.is_short() {
                                tokio::time::sleep(self.errors.next(None)).await;
                            }
                        }
                        Ended::Gap | Ended::Doubt => return read,
                    }
                }
                Err(KubernetesError::Refused { code: 410, .. }) => return Ended::Gap,
                Err(error) => {
                    unsure = true;
                    refusals += u32::from(refuses_version(&error));
                    self.failed(error).await;
                    if refusals > 1 || self.is_doubtful() {
                        return Ended::Gap;
                    }
                }
            }
        }
    }

    /// Whether the server's version is smaller than one that it told before: it was set back to a backup. Asked for changes since
    /// a version that it does not have, it says nothing at all until it has it.
    async fn is_behind(&self, version: &str) -> Result<bool, KubernetesError> {
        #[derive(Deserialize)]
        struct List {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            resource_version: String,
        }
        let answer = self.server.get(&self.of.what, &with_query(&self.of.path, &[("limit", "1")])).await?;
        let text = answer.whole(MOST_OF_ONE).await?;
        let list: List = serde_json::from_slice(&text).map_err(|e| form(&self.of.what, e))?;
        let number = |version: &str| version.parse::<u64>().ok();
        Ok(match (number(&list.metadata.resource_version), number(version)) {
            (Some(now), Some(before)) => now < before,
            // Versions are numbers; of others nothing is known.
            _ => true,
        })
    }

    /// Whether what is followed was migrated to another API; asked until there is an answer.
    async fn is_superseded(&mut self) -> bool {
        if self.may_migrate == MayMigrate::No {
            return false;
        }
        loop {
            match superseded(&self.server).await {
                Ok(Superseded::Yes) => return true,
                Ok(Superseded::No) => return false,
                Err(error) => self.failed(error).await,
            }
        }
    }

    fn is_doubtful(&self) -> bool {
        self.again_at.is_some_and(|at| at <= Instant::now())
    }

    /// Reads the events of a watch.
    async fn events(&mut self, watch: &mut Watch, version: &mut String) -> Ended {
        let mut lines = Lines::default();
        self.interrupts.mark_unchanged();
        // Only a watch that lasts or tells something makes good for errors before it.
        let mut settled = false;
        loop {
            let settles_at = (!settled).then(|| watch.lasts_at());
            let sooner = self.again_at.into_iter().chain(settles_at).min();
            let next = tokio::select! {
                next = watch.next(sooner) => next,
                Ok(()) = self.interrupts.changed() => return Ended::Pause,
            };
            let piece = match next {
                Ok(Piece::Octets(piece)) => piece,
                Ok(Piece::Nothing) if self.is_doubtful() => return Ended::Doubt,
                Ok(Piece::Nothing) if !settled => {
                    settled = true;
                    self.errors.reset();
                    continue;
                }
                Ok(Piece::End | Piece::Nothing) => return Ended::Pause,
                Err(error) => {
                    debug!(kind = %self.of.kind, %error, "the watch broke off");
                    return Ended::Pause;
                }
            };
            if !settled {
                settled = true;
                self.errors.reset();
            }
            let heard = std::time::Instant::now();
            let (mut events, mut gap) = (Vec::new(), false);
            let taken = lines.take(&piece, |line| {
                // What is behind something that cannot be read may not be in order.
                gap = gap || self.event(line, version, &mut events).is_err();
            });
            let goes = |event: &SourceEvent| matches!(event, SourceEvent::Deleted { key, .. } if self.hub.has(key));
            if events.iter().any(goes) && self.is_superseded().await {
                // They were not deleted, but migrated; whatever is told of them here is no matter.
                debug!(kind = %self.of.kind, "what goes here is in another API");
                self.hub.unserved.notify_one();
                return Ended::Gap;
            }
            self.hub.tell(events, heard);
            if gap || taken.is_err() {
                return Ended::Gap;
            }
        }
    }

    /// An event of a watch.
    fn event(&mut self, line: &[u8], version: &mut String, events: &mut Vec<SourceEvent>) -> Result<(), Missed> {
        let event = value::event(line, self.of.kind).map_err(|_| Missed)?;
        let object = event.object;
        let its_version = object.get("metadata").and_then(|m| m.get("resourceVersion")?.as_str()).map(str::to_owned);
        let revision = its_version.as_deref().map(|v| Revision(v.into()));
        match event.what.as_str() {
            "ADDED" | "MODIFIED" if self.of.takes(&object) => self.object(object, revision, events),
            "ADDED" | "MODIFIED" | "DELETED" => {
                // One of another node may have been this one's before: it may be known, or stand before this event.
                let may_be_known = |key: &Key| self.of.takes(&object) || !events.is_empty() || self.hub.has(key);
                if let Some(key) = key_of_json(self.of.kind, &object).filter(may_be_known) {
                    self.problems(key.to_string().into(), Vec::new(), events);
                    events.push(SourceEvent::Deleted { key, revision });
                }
            }
            "BOOKMARK" => {}
            // Most often that the version is too old (410).
            "ERROR" => {
                debug!(kind = %self.of.kind, status = %object, "the watch ends");
                return Err(Missed);
            }
            _ => return Err(Missed),
        }
        if let Some(its_version) = its_version {
            *version = its_version;
        }
        Ok(())
    }
}

/// Changes may have been missed.
#[derive(Debug)]
struct Missed;

/// Whether an answer says that a watch cannot begin as it is asked for, and not only that it cannot now.
fn refuses_version(error: &KubernetesError) -> bool {
    let KubernetesError::Refused { code, .. } = error else { return false };
    (400..=499).contains(code) && !matches!(code, 401 | 408 | 429)
}

/// The key of an object that cannot be decoded.
fn key_of(kind: Kind, object: &ObjectName) -> Option<Key> {
    let name = Arc::clone(object.name.as_ref()?);
    let namespace = match kind.scope() {
        Scope::Cluster => None,
        Scope::Namespaced => Some(object.namespace.clone().unwrap_or_else(|| "default".into())),
    };
    Some(Key { kind, namespace, name })
}

fn key_of_json(kind: Kind, object: &Value) -> Option<Key> {
    let text = |name| object.get("metadata")?.get(name)?.as_str().filter(|text| !text.is_empty()).map(Arc::from);
    key_of(kind, &ObjectName { kind: None, namespace: text("namespace"), name: text("name") })
}
