//! Follows one Secret by its name: a role need not permit more than `get` and `watch` of those that are named.

use std::sync::Arc;
use std::time::Duration;

use heddle_resources::{Document, Key, Kind};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::backoff::{Backoff, cut};
use super::error::KubernetesError;
use super::hub::{self, Tie};
use super::items::Lines;
use super::server::{Piece, Server, Watch, form};
use super::slim::{Names, slim};
use super::value;
use crate::event::SourceEvent;
use crate::problem::{InForce, Problem};

/// How often a Secret is read that may not be watched.
const READ_AGAIN: Duration = Duration::from_secs(30);
/// Whoever waits for the answer waits no longer.
const ANSWER: Duration = Duration::from_secs(20);
/// A Secret is not larger.
const MOST: usize = 4 << 20;

/// Follows one Secret.
#[derive(Debug)]
pub(super) struct SecretFollower {
    hub: Tie,
    returns: watch::Receiver<u64>,
    server: Server,
    key: Key,
    what: Arc<str>,
    /// The place of what is said of its watch.
    of_watch: Arc<str>,
    path: String,
    selector: String,
    errors: Backoff,
    /// Called when it is known whether the Secret is there.
    answered: tokio::sync::mpsc::UnboundedSender<Arc<str>>,
    /// Until when somebody waits for that; none: it was said.
    answer_at: Option<Instant>,
    /// Answers in a row that this is not permitted; one alone is not believed.
    denials: u32,
}

impl SecretFollower {
    pub(super) fn new(
        hub: Tie,
        server: Server,
        namespace: &Arc<str>,
        name: &Arc<str>,
        answered: tokio::sync::mpsc::UnboundedSender<Arc<str>>,
    ) -> Self {
        let key = secret_key(namespace, name);
        Self {
            returns: hub.returns(),
            hub,
            server,
            of_watch: format!("{key}/watch").into(),
            what: key.to_string().into(),
            path: format!("/api/v1/namespaces/{namespace}/secrets"),
            selector: format!("metadata.name={name}"),
            key,
            errors: Backoff::default(),
            answered,
            answer_at: Some(Instant::now() + ANSWER),
            denials: 0,
        }
    }

    /// Follows until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            // Without a version a watch begins with what is there; the one that is read after it began is not older.
            self.returns.mark_unchanged();
            let query = [("fieldSelector", self.selector.as_str())];
            let watch = self.server.watch(&self.what, &self.path, &query).await;
            match self.read().await {
                Ok(found) => self.found(found),
                Err(error) => {
                    self.failed(error).await;
                    continue;
                }
            }
            match watch {
                Ok(mut watch) => {
                    self.is_well();
                    self.events(&mut watch).await;
                    if watch.is_short() {
                        tokio::time::sleep(self.errors.next(None)).await;
                    } else {
                        self.errors.reset();
                    }
                }
                Err(error @ KubernetesError::Forbidden { .. }) => {
                    // It can be read, but not watched: later, then.
                    self.hub.well(&self.what);
                    let problems = vec![Problem::NotGiven { error: error.into(), in_force: InForce::LastGood }];
                    self.tell(vec![SourceEvent::Problems { origin: Arc::clone(&self.of_watch), problems }]);
                    tokio::time::sleep(cut(READ_AGAIN * 2)).await;
                }
                Err(error) => self.failed(error).await,
            }
        }
    }

    fn is_well(&mut self) {
        self.hub.well(&self.what);
        self.hub.permitted(&self.of_watch);
        if std::mem::take(&mut self.denials) > 1 {
            self.hub.permitted(&self.what);
        }
    }

    async fn failed(&mut self, error: KubernetesError) {
        let asked = if let KubernetesError::Refused { retry_after, .. } = &error { *retry_after } else { None };
        let is_silence = error.is_silence();
        if matches!(error, KubernetesError::Forbidden { .. }) {
            self.denials = self.denials.saturating_add(1);
            if self.denials > 1 {
                self.hub.well(&self.what);
                self.refused(error);
            }
        } else if self.answer_at.is_some_and(|at| at <= Instant::now()) {
            // One session without its password is better than a node without sessions.
            self.hub.trouble(&self.what, error.clone());
            self.refused(error);
        } else if !self.errors.is_fresh() {
            self.hub.trouble(&self.what, error);
        }
        let pause = self.errors.next(asked);
        hub::pause(pause, is_silence, &mut self.returns).await;
    }

    /// It cannot be read; who waits for it goes on without it.
    fn refused(&mut self, error: KubernetesError) {
        let in_force = if self.hub.has(&self.key) { InForce::LastGood } else { InForce::Nothing };
        let problems = vec![Problem::NotGiven { error: error.into(), in_force }];
        self.tell(vec![SourceEvent::Problems { origin: Arc::clone(&self.what), problems }]);
        self.answered();
    }

    fn answered(&mut self) {
        self.answer_at = None;
        let _ = self.answered.send(Arc::clone(&self.key.name));
    }

    fn tell(&self, events: Vec<SourceEvent>) {
        self.hub.tell(events, std::time::Instant::now());
    }

    /// Reads the Secret itself; none: there is none.
    async fn read(&self) -> Result<Option<Value>, KubernetesError> {
        let path = format!("{}/{}", self.path, self.key.name);
        match self.server.get(&self.what, &path).await {
            Ok(answer) => {
                let text = answer.whole(MOST).await?;
                value::object(&text, Kind::Secret).map(Some).map_err(|e| form(&self.what, e))
            }
            Err(KubernetesError::Absent { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn found(&mut self, found: Option<Value>) {
        let events = match found {
            Some(object) => self.object(object),
            None => self.gone(),
        };
        self.tell(events);
        self.answered();
    }

    fn gone(&self) -> Vec<SourceEvent> {
        let fine = SourceEvent::Problems { origin: Arc::clone(&self.what), problems: Vec::new() };
        vec![SourceEvent::Deleted { key: self.key.clone(), revision: None }, fine]
    }

    fn object(&self, object: Value) -> Vec<SourceEvent> {
        let (first, problems) = match value::decode(object, Kind::Secret, "v1") {
            Ok(Document::Object(decoded)) if decoded.key == self.key => {
                let mut object = decoded.object;
                slim(&mut object, &mut Names::default());
                (SourceEvent::Set { object, revision: None }, decoded.notes.into_iter().map(Problem::Note).collect())
            }
            Ok(Document::Object(_) | Document::Skipped { .. }) => return Vec::new(),
            Err(invalid) => {
                let in_force = if self.hub.has(&self.key) { InForce::LastGood } else { InForce::Nothing };
                (SourceEvent::Kept(self.key.clone()), vec![Problem::Invalid { object: invalid, in_force }])
            }
        };
        vec![first, SourceEvent::Problems { origin: Arc::clone(&self.what), problems }]
    }

    /// Reads the events of a watch, until it ends however it does: the next one begins with what is there.
    async fn events(&mut self, watch: &mut Watch) {
        let mut lines = Lines::default();
        let mut interrupts = self.hub.interrupts();
        loop {
            let piece = tokio::select! {
                next = watch.next(None) => match next {
                    Ok(Piece::Octets(piece)) => piece,
                    Ok(Piece::End | Piece::Nothing) | Err(_) => return,
                },
                Ok(()) = interrupts.changed() => return,
            };
            let mut events = Vec::new();
            let mut wrong = false;
            let taken = lines.take(&piece, |line| match value::event(line, Kind::Secret) {
                Ok(event) => match event.what.as_str() {
                    "ADDED" | "MODIFIED" => events.extend(self.object(event.object)),
                    "DELETED" => events.extend(self.gone()),
                    "BOOKMARK" => {}
                    // `ERROR`, or something new.
                    _ => wrong = true,
                },
                Err(_) => wrong = true,
            });
            self.tell(events);
            if wrong || taken.is_err() {
                tokio::time::sleep(self.errors.next(None)).await;
                return;
            }
        }
    }
}

/// The key of a Secret.
pub(super) fn secret_key(namespace: &Arc<str>, name: &Arc<str>) -> Key {
    Key { kind: Kind::Secret, namespace: Some(Arc::clone(namespace)), name: Arc::clone(name) }
}
