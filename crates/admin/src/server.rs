//! The server: accepts connections, routes requests, bounds both.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::backend::AdminBackend;
use crate::caller::{self, Caller};
use crate::metrics;
use crate::node::Node;
use crate::served::Served;
use crate::socket::{Access, BindError, BoundSocket};
use crate::stream::{self, Format};
use crate::types::{
    ApiError, ConfigSource, DrainStep, ErrorCode, EventQuery, FibQuery, InvalidAddress, PeerAction, PeerAddress,
    PeerList, PeerSummary, RouteQuery, RouteView,
};

/// Connections at a time; further ones are answered with 503.
pub const MAX_CONNECTIONS: usize = 64;

/// Streams (routes, events) at a time, so that stalled readers never lock out a short request.
pub const MAX_STREAMS: usize = 48;

/// Connections beyond [`MAX_CONNECTIONS`] that get their 503; beyond these they are closed without a word.
const MAX_REFUSALS: usize = 16;

/// Octets of the longest body that is taken.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// How long a client may take for the head of a request, and a connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connections may go on when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Octets that hyper buffers of a connection.
const CONNECTION_BUFFER: usize = 64 * 1024;

/// When the server is to stop.
type Stop<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send)>;

/// A server at work.
type Serving<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A bound admin socket.
#[derive(Debug)]
pub struct AdminServer {
    socket: BoundSocket,
}

impl AdminServer {
    /// Binds the socket; must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`]: another instance serves there, something else is at the path, or the system refused.
    pub fn bind(path: &Path, access: Access) -> Result<Self, BindError> {
        BoundSocket::bind(path, access).map(|socket| Self { socket })
    }

    /// The path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.socket.path()
    }

    /// Serves until `stop` is ready; then streams of events say so, requests that run get a second, and the socket is removed.
    pub async fn serve<B: AdminBackend>(self, backend: Arc<B>, stop: impl Future<Output = ()> + Send) {
        self.run(backend, std::pin::pin!(stop)).await;
    }

    /// Boxed, which makes it code of this crate and not of the one that waits for it.
    fn run(self, backend: Arc<dyn Served>, stop: Stop<'_>) -> Serving<'_> {
        Box::pin(self.accept(backend, stop))
    }

    async fn accept(self, backend: Arc<dyn Served>, mut stop: Stop<'_>) {
        let (stopping_sender, stopping) = watch::channel(false);
        let router =
            router(Shared { backend, streams: Arc::new(Semaphore::new(MAX_STREAMS)), stopping: stopping.clone() });
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.socket.listener().accept() => match accepted {
                    Ok((connection, _)) => {
                        if connections.len() < MAX_CONNECTIONS + MAX_REFUSALS {
                            let caller = caller::admit(&connection, self.socket.path());
                            let slot = if caller.is_ok() { slots.clone().try_acquire_owned().ok() } else { None };
                            let service = match (&caller, &slot) {
                                (Ok(_), Some(_)) => router.clone(),
                                (Ok(_), None) => refusal(),
                                (Err(refused), _) => forbidden(refused),
                            };
                            let caller = caller.ok();
                            connections.spawn(serve_connection(connection, service, caller, slot, stopping.clone()));
                        }
                    }
                    Err(error) => after_accept_error(&error).await,
                }
            }
        }
        stopping_sender.send_replace(true);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// Connections at a time on the TCP port of the metrics; further ones are closed.
pub const MAX_METRICS_CONNECTIONS: usize = 16;

/// Serves `GET /metrics` alone on a TCP port, until `stop` is ready.
pub async fn serve_metrics<B: AdminBackend>(
    listener: TcpListener,
    backend: Arc<B>,
    stop: impl Future<Output = ()> + Send,
) {
    run_metrics(listener, backend, std::pin::pin!(stop)).await;
}

/// Boxed as [`AdminServer::run`].
fn run_metrics(listener: TcpListener, backend: Arc<dyn Served>, stop: Stop<'_>) -> Serving<'_> {
    Box::pin(accept_metrics(listener, backend, stop))
}

async fn accept_metrics(listener: TcpListener, backend: Arc<dyn Served>, mut stop: Stop<'_>) {
    let (_sender, stopping) = watch::channel(false);
    let shared = Shared { backend, streams: Arc::new(Semaphore::new(0)), stopping: stopping.clone() };
    let service = Router::new()
        .route("/metrics", get(render_metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(shared);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((connection, _)) if connections.len() < MAX_METRICS_CONNECTIONS => {
                    connections.spawn(serve_connection(connection, service.clone(), None, None, stopping.clone()));
                }
                Ok(_) => {}
                Err(error) => after_accept_error(&error).await,
            }
        }
    }
}

/// Out of file descriptors or memory: the connections that are there are served, new ones wait.
async fn after_accept_error(error: &io::Error) {
    tracing::warn!(%error, "the admin socket cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn serve_connection(
    connection: impl AsyncRead + AsyncWrite + Unpin,
    service: Router,
    caller: Option<Caller>,
    slot: Option<OwnedSemaphorePermit>,
    mut stopping: watch::Receiver<bool>,
) {
    // Who asks, for the handlers of what changes something.
    let service = service.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(caller);
        request
    });
    let http = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(CONNECTION_BUFFER)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(service));
    let mut http = std::pin::pin!(http);
    let result = tokio::select! {
        result = &mut http => result,
        () = stream::stopped(&mut stopping) => {
            http.as_mut().graceful_shutdown();
            http.await
        }
    };
    if let Err(error) = result {
        // A client that goes away in the middle of an answer is nothing to report.
        tracing::debug!(%error, "connection on the admin socket ended");
    }
    drop(slot);
}

#[derive(Clone)]
struct Shared {
    backend: Arc<dyn Served>,
    streams: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/version", get(version))
        .route("/v1/summary", get(summary))
        .route("/v1/peers", get(peers))
        .route("/v1/peers/{address}", get(peer))
        .route("/v1/peers/{address}/{action}", post(act))
        .route("/v1/routes", get(routes))
        .route("/v1/events", get(events))
        .route("/v1/config", get(config))
        .route("/v1/config/diff", get(config_diff).post(config_diff))
        .route("/v1/config/apply", post(config_apply))
        .route("/v1/node", get(node))
        .route("/v1/node/drain", post(drain))
        .route("/v1/fib", get(fib))
        .route("/metrics", get(render_metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(shared)
}

/// Answers everything with 503.
fn refusal() -> Router {
    let text = format!("more than {MAX_CONNECTIONS} connections are open on the admin socket");
    only(ApiError::new(ErrorCode::Unavailable, text).with_remedy("close some, and try again"))
}

/// Answers everything with 403.
fn forbidden(refused: &caller::Refused) -> Router {
    tracing::warn!("a connection to the admin socket was refused: {refused}");
    only(ApiError::new(ErrorCode::Forbidden, refused.to_string()).with_remedy("ask as root, or see api.group_access"))
}

/// Answers everything with an error, and closes.
fn only(error: ApiError) -> Router {
    Router::new().fallback(async move || {
        let mut response = error.into_response();
        response.headers_mut().insert("connection", HeaderValue::from_static("close"));
        response
    })
}

type Answer = Result<Response, ApiError>;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(CONTENT_TYPE, "application/json")], stream::error_body(self)).into_response()
    }
}

fn json<T: Serialize>(result: Result<T, ApiError>) -> Answer {
    let body = result.and_then(|value| stream::json_body(&value))?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

fn bad_request(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, message)
}

/// Parts of the path; an error when they are no UTF-8.
type UrlPart<T> = Result<UrlPath<T>, PathRejection>;

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err calls")]
fn bad_path(error: PathRejection) -> ApiError {
    bad_request(format!("the path is not as it should be: {error}"))
}

fn peer_address(text: &str) -> Result<PeerAddress, ApiError> {
    text.parse().map_err(|error: InvalidAddress| bad_request(error.to_string()))
}

/// The body as JSON; an empty one is an empty object.
async fn body<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    let bytes = to_bytes(body, MAX_BODY).await.map_err(|error| {
        let too_large = format!("the body could not be read or exceeds {MAX_BODY} octets: {error}");
        ApiError::new(ErrorCode::TooLarge, too_large)
    })?;
    let text = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes.as_ref() };
    serde_json::from_slice(text).map_err(|error| bad_request(format!("the body is not as it should be: {error}")))
}

async fn version(State(shared): State<Shared>) -> Answer {
    json(Ok(shared.backend.version()))
}

async fn summary(State(shared): State<Shared>) -> Answer {
    json(shared.backend.summary().await)
}

async fn peers(State(shared): State<Shared>) -> Answer {
    let peers = shared.backend.peers().await;
    json(peers.map(|peers| PeerList { peers: peers.into_iter().map(PeerSummary::from).collect() }))
}

async fn peer(State(shared): State<Shared>, path: UrlPart<String>) -> Answer {
    let UrlPath(address) = path.map_err(bad_path)?;
    let address = peer_address(&address)?;
    json(shared.backend.peer(&address).await)
}

async fn act(
    State(shared): State<Shared>,
    Extension(caller): Extension<Option<Caller>>,
    path: UrlPart<(String, String)>,
    request: Request,
) -> Answer {
    let UrlPath((address, action)) = path.map_err(bad_path)?;
    let address = peer_address(&address)?;
    let content = request.into_body();
    let action = match action.as_str() {
        "up" => {
            let Nothing {} = body(content).await?;
            PeerAction::Up
        }
        "down" => PeerAction::Down(body(content).await?),
        "refresh" => PeerAction::Refresh(body(content).await?),
        "clear" => PeerAction::Clear(body(content).await?),
        "drain" => PeerAction::Drain(body(content).await?),
        other => {
            let text = format!("there is no action {other:?}; there are up, down, refresh, clear and drain");
            return Err(ApiError::new(ErrorCode::NotFound, text));
        }
    };
    let text = match &action {
        PeerAction::Down(down) => down.text.as_deref(),
        PeerAction::Clear(clear) => clear.text.as_deref(),
        PeerAction::Up | PeerAction::Refresh(_) | PeerAction::Drain(_) => None,
    };
    // RFC 9003 §2: the length of a shutdown communication is one octet.
    if let Some(text) = text.filter(|text| text.len() > 255) {
        return Err(bad_request(format!("the text has {} octets; 255 are possible (RFC 9003)", text.len())));
    }
    log_change(caller, &format!("{} of peer {address}", action.name()));
    json(shared.backend.act(&address, action).await)
}

/// Says in the log who wants something changed, before it is.
fn log_change(caller: Option<Caller>, what: &str) {
    match caller {
        Some(Caller { uid, pid }) => tracing::info!(uid, pid, "asked over the API: {what}"),
        None => tracing::info!("asked over the API: {what}"),
    }
}

/// The body of an action without parameters.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn routes(State(shared): State<Shared>, uri: Uri, headers: HeaderMap) -> Answer {
    let query: RouteQuery = serde_urlencoded::from_str(uri.query().unwrap_or_default())
        .map_err(|error| bad_request(format!("the query is not as it should be: {error}")))?;
    check_query(&query).map_err(bad_request)?;
    let format = match headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()) {
        Some(accept) if accept.contains(NDJSON) => Format::NdJson,
        Some(_) | None => Format::Json,
    };
    let slot = stream_slot(&shared)?;
    let cursor = shared.backend.routes(query).await?;
    let content_type = match format {
        Format::Json => "application/json",
        Format::NdJson => NDJSON,
    };
    Ok(streaming(content_type, stream::routes(cursor, format), slot))
}

fn check_query(query: &RouteQuery) -> Result<(), String> {
    match (query.view, &query.peer) {
        (RouteView::Received | RouteView::Advertised, None) => {
            return Err("view=received and view=advertised are those of a peer; name it with peer=ADDRESS".to_owned());
        }
        (RouteView::Received | RouteView::Advertised | RouteView::All | RouteView::Best, _) => {}
    }
    match (query.family, &query.prefix) {
        (Some(family), Some(prefix)) if family != crate::types::Family::of(prefix) => {
            Err(format!("{prefix} is no prefix of {family}"))
        }
        _ => Ok(()),
    }
}

const NDJSON: &str = "application/x-ndjson";

async fn events(State(shared): State<Shared>, uri: Uri) -> Answer {
    let query: EventQuery = serde_urlencoded::from_str(uri.query().unwrap_or_default())
        .map_err(|error| bad_request(format!("the query is not as it should be: {error}")))?;
    if query.family.is_some() && !query.routes {
        return Err(bad_request("family=FAMILY is for routes=true"));
    }
    let slot = stream_slot(&shared)?;
    let changes = if query.routes { Some(shared.backend.route_changes(query.family).await?) } else { None };
    Ok(streaming(NDJSON, stream::events(shared.backend.events(), changes, shared.stopping), slot))
}

fn stream_slot(shared: &Shared) -> Result<OwnedSemaphorePermit, ApiError> {
    shared.streams.clone().try_acquire_owned().map_err(|_| {
        let text = format!("{MAX_STREAMS} streams of routes or events are open on the admin socket");
        ApiError::new(ErrorCode::Unavailable, text).with_remedy("end some, and try again")
    })
}

/// A streamed answer that holds `slot` until it ends or its reader goes.
fn streaming<S>(content_type: &'static str, pieces: S, slot: OwnedSemaphorePermit) -> Response
where
    S: futures_util::Stream<Item = Result<bytes::Bytes, std::convert::Infallible>> + Send + 'static,
{
    use futures_util::StreamExt;
    let pieces = pieces.map(move |piece| {
        let _held = &slot;
        piece
    });
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")], Body::from_stream(pieces)).into_response()
}

async fn config(State(shared): State<Shared>) -> Answer {
    json(shared.backend.config().await)
}

async fn config_diff(State(shared): State<Shared>, request: Request) -> Answer {
    let source: ConfigSource = body(request.into_body()).await?;
    json(shared.backend.config_diff(source).await)
}

async fn config_apply(
    State(shared): State<Shared>,
    Extension(caller): Extension<Option<Caller>>,
    request: Request,
) -> Answer {
    let source: ConfigSource = body(request.into_body()).await?;
    log_change(caller, if source.toml.is_some() { "another configuration" } else { "to read the configuration anew" });
    json(shared.backend.config_apply(source).await)
}

fn the_node(shared: &Shared) -> Result<&dyn Node, ApiError> {
    shared.backend.node().ok_or_else(|| {
        let role = shared.backend.version().role;
        ApiError::new(ErrorCode::NotFound, format!("this daemon is a {role} and no node: it has no forwarding table"))
            .with_remedy("name the socket of a node peer with --socket")
    })
}

async fn node(State(shared): State<Shared>) -> Answer {
    json(the_node(&shared)?.report().await)
}

async fn drain(State(shared): State<Shared>, Extension(caller): Extension<Option<Caller>>, request: Request) -> Answer {
    let DrainBody { step } = body(request.into_body()).await?;
    let what = match step {
        DrainStep::Drain => "to drain the node",
        DrainStep::Undo => "to end the drain of the node",
    };
    log_change(caller, what);
    json(the_node(&shared)?.drain(step).await)
}

/// The body of a drain.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct DrainBody {
    #[serde(default)]
    step: DrainStep,
}

async fn fib(State(shared): State<Shared>, uri: Uri) -> Answer {
    let query: FibQuery = serde_urlencoded::from_str(uri.query().unwrap_or_default())
        .map_err(|error| bad_request(format!("the query is not as it should be: {error}")))?;
    json(the_node(&shared)?.fib(query).await)
}

async fn render_metrics(State(shared): State<Shared>) -> Answer {
    let summary = shared.backend.summary().await?;
    let peers = shared.backend.peers().await?;
    let node = match shared.backend.node() {
        Some(node) => Some(node.report().await?),
        None => None,
    };
    let text = metrics::render(summary, peers, node)
        .map_err(|error| ApiError::new(ErrorCode::Internal, format!("the metrics could not be written: {error}")))?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

async fn not_found(uri: Uri) -> ApiError {
    let text = format!("there is no {}", uri.path());
    ApiError::new(ErrorCode::NotFound, text).with_remedy("docs/api.md lists all paths; they begin with /v1/")
}

async fn method_not_allowed(request: Request) -> ApiError {
    let text = format!("{} does not take {}", request.uri().path(), request.method());
    ApiError::new(ErrorCode::MethodNotAllowed, text)
}
