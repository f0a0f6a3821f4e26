//! Requests: a [`Server`] is asked by GET, but for the little that a node writes back ([`Server::change`]).

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::backoff::cut;
use super::client::{kubernetes_client, kubernetes_config};
use super::error::KubernetesError;

/// How long the beginning of an answer may take: API servers give up after 60 s, and whoever does so sooner asks a busy one
/// for the same again.
const HEAD: Duration = Duration::from_secs(70);
/// How long an answer may pause, and how long a watch may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);
/// After so long without a word of the API server it is asked whether it is there, and this long it may take to say so.
const QUIET: Duration = Duration::from_secs(30);
const PROBE: Duration = Duration::from_secs(10);
/// How often a kubeconfig is read again while the API server cannot be reached by it, or does not know us.
const FIND_AGAIN: Duration = Duration::from_secs(10);
/// How long a watch is asked for, at most; then it is begun again.
const WATCH: Duration = Duration::from_secs(600);
/// A watch that ended sooner without a word was none.
const SHORTEST: Duration = Duration::from_secs(1);
/// Of an answer that is an error so much is read.
const MOST_OF_ERROR: usize = 64 << 10;
/// How long it may take until a change is answered, and how large an object may be.
const CHANGE: Duration = Duration::from_secs(10);
const MOST_OF_OBJECT: usize = 4 << 20;
/// Lists of what there is are smaller.
const MOST_OF_DISCOVERY: usize = 4 << 20;

/// The API server.
#[derive(Clone)]
pub(super) struct Server {
    way: Arc<Way>,
    heard: Arc<Heard>,
}

/// The way to the API server, which may have to be found anew: certificates and tokens are replaced while we run.
struct Way {
    client: Mutex<Client>,
    found: Found,
    looked_at: Mutex<Instant>,
}

/// How the way was found.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// By whoever uses us.
    Given,
    /// By this kubeconfig, or, without one, as a pod finds it.
    ByKubeconfig(Option<PathBuf>),
}

/// When something came from the API server last.
#[derive(Debug)]
struct Heard(Mutex<Instant>);

impl Heard {
    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// An answer that is coming in.
#[derive(Debug)]
pub(super) struct Answer {
    what: Arc<str>,
    body: Body,
    heard: Arc<Heard>,
}

/// A watch that goes on.
#[derive(Debug)]
pub(super) struct Watch {
    answer: Answer,
    begun: Instant,
    /// When the server was asked to end it.
    ends: Instant,
    /// When the server should have ended it at the latest.
    silent_at: Instant,
}

/// What is to be written.
#[derive(Debug)]
pub(super) enum Change<'a> {
    /// An object.
    Create(&'a Value),
    /// An object in place of another one.
    Replace(&'a Value),
    /// Fields (RFC 7386).
    Merge(&'a Value),
    /// Fields, and members of lists by their key.
    MergeByKey(&'a Value),
}

/// What came next of an answer.
#[derive(Debug)]
pub(super) enum Piece {
    Octets(Vec<u8>),
    /// It is complete.
    End,
    /// Nothing until the deadline.
    Nothing,
}

impl Server {
    pub(super) fn new(client: Client, found: Found) -> Self {
        let now = Instant::now();
        let way = Way { client: Mutex::new(client), found, looked_at: Mutex::new(now) };
        Self { way: Arc::new(way), heard: Arc::new(Heard(Mutex::new(now))) }
    }

    fn client(&self) -> Client {
        self.way.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads again what says how the API server is reached, and who we are.
    async fn find_again(&self) {
        let Found::ByKubeconfig(kubeconfig) = &self.way.found else { return };
        {
            let mut looked_at = self.way.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
            if looked_at.elapsed() < FIND_AGAIN {
                return;
            }
            *looked_at = Instant::now();
        }
        match kubernetes_config(kubeconfig.as_deref()).await.and_then(|config| kubernetes_client(&config)) {
            Ok(client) => *self.way.client.lock().unwrap_or_else(PoisonError::into_inner) = client,
            Err(error) => warn!(%error, "what was read of it before counts"),
        }
    }

    /// Asks; the answer is one of success, and its beginning is here.
    pub(super) async fn get(&self, what: &Arc<str>, path: &str) -> Result<Answer, KubernetesError> {
        self.get_within(HEAD, what, path).await
    }

    async fn get_within(&self, patience: Duration, what: &Arc<str>, path: &str) -> Result<Answer, KubernetesError> {
        let answer = self.ask(patience, what, path).await;
        if let Err(KubernetesError::Unreachable { .. } | KubernetesError::Refused { code: 401, .. }) = &answer {
            self.find_again().await;
        }
        answer
    }

    async fn ask(&self, patience: Duration, what: &Arc<str>, path: &str) -> Result<Answer, KubernetesError> {
        let request = Request::get(path).header(header::ACCEPT, "application/json").body(Body::empty());
        self.send(patience, what, request).await
    }

    async fn send(
        &self,
        patience: Duration,
        what: &Arc<str>,
        request: Result<Request<Body>, http::Error>,
    ) -> Result<Answer, KubernetesError> {
        let what = Arc::clone(what);
        let request = request.map_err(|e| unreachable(&what, kube::Error::HttpError(e)))?;
        let Ok(answer) = timeout(patience, self.client().send(request)).await else {
            return Err(KubernetesError::Silent { what, after: patience });
        };
        let answer = answer.map_err(|e| unreachable(&what, e))?;
        self.heard.now();
        let heard = Arc::clone(&self.heard);
        if answer.status().is_success() {
            return Ok(Answer { what, body: answer.into_body(), heard });
        }
        let (code, seconds) = (answer.status(), answer.headers().get(header::RETRY_AFTER));
        let retry_after = seconds.and_then(|s| s.to_str().ok()?.trim().parse().ok()).map(Duration::from_secs);
        let said = Answer { what: Arc::clone(&what), body: answer.into_body(), heard }.whole(MOST_OF_ERROR).await;
        Err(refusal(what, code, retry_after, &said.unwrap_or_default()))
    }

    /// Begins a watch, which the server ends after a while.
    pub(super) async fn watch(
        &self,
        what: &Arc<str>,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Watch, KubernetesError> {
        let (asked, begun) = (cut(WATCH), Instant::now());
        let seconds = asked.as_secs().to_string();
        let of_watch = [("watch", "true"), ("timeoutSeconds", seconds.as_str())];
        let query: Vec<(&str, &str)> = of_watch.into_iter().chain(query.iter().copied()).collect();
        let answer = self.get_within(PATIENCE, what, &with_query(path, &query)).await?;
        let ends = begun + asked;
        Ok(Watch { answer, begun, ends, silent_at: ends + PATIENCE })
    }

    /// Waits until nothing came for a while, then asks whether the API server is there: one that stands still keeps its
    /// connections, and says nothing on them.
    pub(super) async fn probe(&self, what: &Arc<str>) -> Result<(), KubernetesError> {
        loop {
            let quiet_at = self.heard.last() + QUIET;
            if quiet_at <= Instant::now() {
                break;
            }
            tokio::time::sleep_until(quiet_at).await;
        }
        match self.get_within(PROBE, what, "/version").await {
            Err(error) if error.is_silence() => Err(error),
            // Whatever it says, it is there.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Changes something; the answer is what it is then. Nothing is tried again here.
    pub(super) async fn change(
        &self,
        what: &Arc<str>,
        path: &str,
        change: &Change<'_>,
    ) -> Result<Value, KubernetesError> {
        let (method, content, body) = match change {
            Change::Create(body) => (Method::POST, "application/json", body),
            Change::Replace(body) => (Method::PUT, "application/json", body),
            Change::Merge(body) => (Method::PATCH, "application/merge-patch+json", body),
            Change::MergeByKey(body) => (Method::PATCH, "application/strategic-merge-patch+json", body),
        };
        let request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
        let request = request.header(header::CONTENT_TYPE, content).body(Body::from(body.to_string().into_bytes()));
        let answer = self.send(CHANGE, what, request).await;
        if let Err(KubernetesError::Unreachable { .. } | KubernetesError::Refused { code: 401, .. }) = &answer {
            self.find_again().await;
        }
        let text = answer?.whole(MOST_OF_OBJECT).await?;
        serde_json::from_slice(&text).map_err(|e| form(what, e))
    }

    /// A small answer, as a whole.
    pub(super) async fn get_json(&self, what: &Arc<str>, path: &str) -> Result<Value, KubernetesError> {
        let text = self.get(what, path).await?.whole(MOST_OF_DISCOVERY).await?;
        serde_json::from_slice(&text).map_err(|e| form(what, e))
    }
}

impl Watch {
    /// What comes next, until the watch should have ended, or sooner where that is said. Cancel-safe.
    pub(super) async fn next(&mut self, sooner: Option<Instant>) -> Result<Piece, KubernetesError> {
        self.answer.next(sooner.map_or(self.silent_at, |at| at.min(self.silent_at))).await
    }

    /// Whether it lasts, so that whatever went wrong before is over.
    pub(super) fn lasts_at(&self) -> Instant {
        self.begun + SHORTEST
    }

    /// Whether it is over before its time: the server that was asked may be another one now.
    pub(super) fn is_early(&self) -> bool {
        Instant::now() + SHORTEST < self.ends
    }

    /// Whether it has only just begun.
    pub(super) fn is_short(&self) -> bool {
        self.begun.elapsed() < SHORTEST
    }
}

impl Answer {
    /// What comes next, until the deadline. Cancel-safe.
    async fn next(&mut self, deadline: Instant) -> Result<Piece, KubernetesError> {
        loop {
            match tokio::time::timeout_at(deadline, self.body.frame()).await {
                Err(_) => return Ok(Piece::Nothing),
                Ok(None) => return Ok(Piece::End),
                Ok(Some(Err(_))) => return Err(KubernetesError::CutOff { what: Arc::clone(&self.what) }),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(octets) if !octets.is_empty() => {
                        self.heard.now();
                        return Ok(Piece::Octets(octets.into()));
                    }
                    Ok(_) | Err(_) => {}
                },
            }
        }
    }

    /// What comes next, of an answer that does not pause.
    pub(super) async fn piece(&mut self) -> Result<Option<Vec<u8>>, KubernetesError> {
        match self.next(Instant::now() + PATIENCE).await? {
            Piece::Octets(octets) => Ok(Some(octets)),
            Piece::End => Ok(None),
            Piece::Nothing => Err(KubernetesError::Silent { what: Arc::clone(&self.what), after: PATIENCE }),
        }
    }

    /// All of it.
    pub(super) async fn whole(mut self, max: usize) -> Result<Vec<u8>, KubernetesError> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await? {
            if all.len().saturating_add(piece.len()) > max {
                return Err(KubernetesError::TooLarge { what: Arc::clone(&self.what), max });
            }
            all.extend(piece);
        }
        Ok(all)
    }
}

fn unreachable(what: &Arc<str>, error: kube::Error) -> KubernetesError {
    KubernetesError::Unreachable { what: Arc::clone(what), error: Arc::new(error) }
}

pub(super) fn form(what: &Arc<str>, error: serde_json::Error) -> KubernetesError {
    KubernetesError::Form { what: Arc::clone(what), error: Arc::new(error) }
}

/// What an answer that is an error says: a `Status` object, or any text.
fn refusal(what: Arc<str>, code: StatusCode, retry_after: Option<Duration>, said: &[u8]) -> KubernetesError {
    const SHOWN: usize = 300;
    let status: Option<Value> = serde_json::from_slice(said).ok();
    let message = status.as_ref().and_then(|s| s.get("message")?.as_str()).map(str::to_owned);
    let message = message.unwrap_or_else(|| String::from_utf8_lossy(said).trim().to_owned());
    let message = if message.is_empty() { code.to_string() } else { message.chars().take(SHOWN).collect() };
    // The server may say it in its object alone.
    let details = status.as_ref().and_then(|s| s.get("details")?.get("retryAfterSeconds")?.as_u64());
    let retry_after = retry_after.or_else(|| details.filter(|s| *s > 0).map(Duration::from_secs));
    // A path that is not served is 404 too, and so is what a proxy on the way may say.
    let text = |name: &str| status.as_ref().and_then(|s| s.get(name)?.as_str());
    let names = |name: &str| status.as_ref().and_then(|s| s.get("details")?.get(name)?.as_str()).is_some();
    let absent = text("kind") == Some("Status") && text("reason") == Some("NotFound") && names("name") && names("kind");
    match code {
        StatusCode::FORBIDDEN => KubernetesError::Forbidden { what, message },
        StatusCode::NOT_FOUND if absent => KubernetesError::Absent { what },
        _ => KubernetesError::Refused { what, code: code.as_u16(), message, retry_after },
    }
}

/// Whether it is all the same to send an octet of a query as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path with a query.
pub(super) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut text = path.to_owned();
    for (i, (name, value)) in query.iter().enumerate() {
        text.push(if i == 0 { '?' } else { '&' });
        text.extend([name, "="]);
        text.extend(utf8_percent_encode(value, QUERY));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        let query = [("limit", "500"), ("continue", "a+/=&b"), ("fieldSelector", "spec.node=n-1")];
        assert_eq!(
            with_query("/api/v1/nodes", &query),
            "/api/v1/nodes?limit=500&continue=a%2B%2F%3D%26b&fieldSelector=spec.node%3Dn-1"
        );
        assert_eq!(with_query("/apis", &[]), "/apis");
    }

    #[test]
    fn what_an_error_says() {
        let status = br#"{"kind":"Status","message":"too many","details":{"retryAfterSeconds":3}}"#;
        let error = refusal("Node".into(), StatusCode::TOO_MANY_REQUESTS, None, status);
        assert_eq!(error.to_string(), "Node: the API server answers 429: too many");
        assert!(matches!(error, KubernetesError::Refused { retry_after: Some(s), .. } if s.as_secs() == 3));
        let error = refusal("Node".into(), StatusCode::BAD_GATEWAY, None, b"");
        assert_eq!(error.to_string(), "Node: the API server answers 502: 502 Bad Gateway");
        let error = refusal("Secret/a".into(), StatusCode::FORBIDDEN, None, b"no way\n");
        assert!(matches!(&error, KubernetesError::Forbidden { message, .. } if message == "no way"), "{error}");
    }

    /// A path that nobody serves is 404 as well as an object that is not there.
    #[test]
    fn an_object_is_not_there_where_the_server_says_so_of_it() {
        let refused = |said: &[u8]| refusal("Secret/a".into(), StatusCode::NOT_FOUND, None, said);
        let absent = br#"{"kind":"Status","reason":"NotFound","details":{"name":"a","kind":"secrets"}}"#;
        assert!(matches!(refused(absent), KubernetesError::Absent { .. }));
        let others: [&[u8]; 5] = [
            br#"{"kind":"Status","reason":"NotFound","details":{}}"#,
            br#"{"kind":"Status","reason":"Gone","details":{"name":"a","kind":"secrets"}}"#,
            br#"{"reason":"NotFound","details":{"name":"a","kind":"secrets"}}"#,
            b"404 page not found",
            b"",
        ];
        for other in others {
            assert!(matches!(refused(other), KubernetesError::Refused { code: 404, .. }));
        }
    }
}
