//! A client: one connection a request, answers as the types of the API, lists as streams.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::UnixStream;

use crate::types::{
    ActionResult, ApiError, ConfigApplied, ConfigDiff, ConfigSource, Destination, DrainReport, DrainStep, ErrorBody,
    Event, EventQuery, FibPage, FibQuery, NodeReport, Peer, PeerAction, PeerAddress, PeerList, RouteQuery,
    RunningConfig, Summary, Version,
};

/// Octets of the longest answer that is read whole.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Octets of the longest line of a stream.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// In a path, all but these is percent-encoded.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b':').remove(b'-').remove(b'_').remove(b'~');

/// A request failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// There is no such socket.
    #[error("there is no socket {}: is the daemon running?", path.display())]
    NoSocket {
        /// The socket that was tried.
        path: PathBuf,
    },
    /// The socket is there, but nobody serves on it.
    #[error("nobody serves on {}: the daemon has ended without removing its socket", path.display())]
    NotServed {
        /// The socket that was tried.
        path: PathBuf,
    },
    /// We may not open it.
    #[error("no permission to open {}", path.display())]
    Permission {
        /// The socket that was tried.
        path: PathBuf,
    },
    /// It cannot be opened for another reason.
    #[error("cannot open {}: {source}", path.display())]
    Connect {
        /// The socket that was tried.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke, or what answers does not speak HTTP.
    #[error("the daemon's answer broke off: {0}")]
    Http(#[from] hyper::Error),
    /// The answer is longer than it may be.
    #[error("the daemon's answer is longer than {limit} octets")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The daemon says that it cannot do it.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The answer is not what the API promises.
    #[error("the daemon's answer (status {status}) is not understood: {source}")]
    Decode {
        /// HTTP status.
        status: u16,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// The request could not be written.
    #[error("the request could not be written: {0}")]
    Request(#[from] RequestError),
}

/// A request could not be written.
#[derive(Debug, Error)]
pub enum RequestError {
    /// As HTTP.
    #[error(transparent)]
    Http(#[from] hyper::http::Error),
    /// Its body as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Its query.
    #[error(transparent)]
    Query(#[from] serde_urlencoded::ser::Error),
}

/// A client of one socket.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// A client of the daemon that serves on `path`; connects with each request.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `GET /v1/version`.
    ///
    /// # Errors
    /// [`ClientError`], as all of these.
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.get("/v1/version").await
    }

    /// `GET /v1/summary`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn summary(&self) -> Result<Summary, ClientError> {
        self.get("/v1/summary").await
    }

    /// `GET /v1/peers`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn peers(&self) -> Result<PeerList, ClientError> {
        self.get("/v1/peers").await
    }

    /// `GET /v1/peers/{address}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn peer(&self, address: &PeerAddress) -> Result<Peer, ClientError> {
        self.get(&peer_path(address)).await
    }

    /// `GET /v1/peers/{address}` as JSON, in pieces as they come.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn peer_json(&self, address: &PeerAddress) -> Result<Pieces, ClientError> {
        self.get_raw(&peer_path(address)).await
    }

    /// `POST /v1/peers/{address}/{action}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn act(&self, address: &PeerAddress, action: &PeerAction) -> Result<ActionResult, ClientError> {
        let path = format!("{}/{}", peer_path(address), action.name());
        let body = match action {
            PeerAction::Up => Ok(b"{}".to_vec()),
            PeerAction::Down(down) => serde_json::to_vec(down),
            PeerAction::Refresh(refresh) => serde_json::to_vec(refresh),
            PeerAction::Clear(clear) => serde_json::to_vec(clear),
            PeerAction::Drain(drain) => serde_json::to_vec(drain),
        };
        let body = body.map_err(RequestError::from)?;
        whole(self.send(Method::POST, &path, JSON, body).await?).await
    }

    /// `GET /v1/routes`, a destination at a time.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn routes(&self, query: &RouteQuery) -> Result<Lines<Destination>, ClientError> {
        let response = self.send(Method::GET, &routes_path(query)?, NDJSON, Vec::new()).await?;
        Ok(Lines::new(response.into_body()))
    }

    /// `GET /v1/routes` as one JSON object, in pieces as they come.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn routes_json(&self, query: &RouteQuery) -> Result<Pieces, ClientError> {
        let response = self.send(Method::GET, &routes_path(query)?, JSON, Vec::new()).await?;
        Ok(Pieces { body: response.into_body() })
    }

    /// `GET /v1/events`, live.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(&self, query: &EventQuery) -> Result<Lines<Event>, ClientError> {
        let query = serde_urlencoded::to_string(query).map_err(RequestError::from)?;
        let response = self.send(Method::GET, &format!("/v1/events?{query}"), NDJSON, Vec::new()).await?;
        Ok(Lines::new(response.into_body()))
    }

    /// `GET /v1/node`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn node(&self) -> Result<NodeReport, ClientError> {
        self.get("/v1/node").await
    }

    /// `POST /v1/node/drain`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn drain_node(&self, step: DrainStep) -> Result<DrainReport, ClientError> {
        self.post("/v1/node/drain", &serde_json::json!({ "step": step })).await
    }

    /// `GET /v1/fib`: a page.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn fib(&self, query: &FibQuery) -> Result<FibPage, ClientError> {
        let query = serde_urlencoded::to_string(query).map_err(RequestError::from)?;
        self.get(&format!("/v1/fib?{query}")).await
    }

    /// `GET /v1/config`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn config(&self) -> Result<RunningConfig, ClientError> {
        self.get("/v1/config").await
    }

    /// `POST /v1/config/diff`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn config_diff(&self, source: &ConfigSource) -> Result<ConfigDiff, ClientError> {
        self.post("/v1/config/diff", source).await
    }

    /// `POST /v1/config/apply`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn config_apply(&self, source: &ConfigSource) -> Result<ConfigApplied, ClientError> {
        self.post("/v1/config/apply", source).await
    }

    /// `GET /metrics` as text.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn metrics(&self) -> Result<Pieces, ClientError> {
        let response = self.send(Method::GET, "/metrics", "*/*", Vec::new()).await?;
        Ok(Pieces { body: response.into_body() })
    }

    /// `GET` of any path, whose answer is printed as it comes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get_raw(&self, path: &str) -> Result<Pieces, ClientError> {
        Ok(Pieces { body: self.send(Method::GET, path, JSON, Vec::new()).await?.into_body() })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        whole(self.send(Method::GET, path, JSON, Vec::new()).await?).await
    }

    async fn post<T: DeserializeOwned, B: Serialize>(&self, path: &str, body: &B) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(RequestError::from)?;
        whole(self.send(Method::POST, path, JSON, body).await?).await
    }

    /// Sends a request; an answer that is an error becomes [`ClientError::Api`].
    async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &'static str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, ClientError> {
        let stream = self.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Its error reaches us by the request or the body as well.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "heddle")
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, JSON)
            .body(Full::new(Bytes::from(body)))
            .map_err(RequestError::from)?;
        let response = sender.send_request(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let error: ErrorBody = whole(response).await?;
        Err(error.error.into())
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        let path = self.path.clone();
        UnixStream::connect(&self.path).await.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ClientError::NoSocket { path },
            io::ErrorKind::ConnectionRefused => ClientError::NotServed { path },
            io::ErrorKind::PermissionDenied => ClientError::Permission { path },
            _ => ClientError::Connect { path, source },
        })
    }
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

fn peer_path(address: &PeerAddress) -> String {
    format!("/v1/peers/{}", utf8_percent_encode(&address.to_string(), PATH_SEGMENT))
}

fn routes_path(query: &RouteQuery) -> Result<String, ClientError> {
    let mut path = "/v1/routes".to_owned();
    let query = serde_urlencoded::to_string(query).map_err(RequestError::from)?;
    if !query.is_empty() {
        // Writing into a String does not fail.
        let _ = write!(path, "?{query}");
    }
    Ok(path)
}

/// Reads an answer to its end.
async fn whole<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, ClientError> {
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let bytes = body.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(error) => ClientError::Http(*error),
        Err(_) => ClientError::TooLong { limit: MAX_ANSWER },
    })?;
    serde_json::from_slice(&bytes.to_bytes()).map_err(|source| ClientError::Decode { status, source })
}

/// An answer in pieces, as they come.
#[derive(Debug)]
pub struct Pieces {
    body: Incoming,
}

impl Pieces {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// [`ClientError::Http`] when the answer breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// A stream of lines, each a JSON value.
#[derive(Debug)]
pub struct Lines<T> {
    pieces: Pieces,
    /// What came after the last line break.
    rest: BytesMut,
    ready: VecDeque<T>,
}

impl<T: DeserializeOwned> Lines<T> {
    fn new(body: Incoming) -> Self {
        Self { pieces: Pieces { body }, rest: BytesMut::new(), ready: VecDeque::new() }
    }

    /// The next value; none at the end. Empty lines are skipped.
    ///
    /// # Errors
    /// [`ClientError::Api`] when the daemon ends the stream with an error, others when it breaks off.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(value) = self.ready.pop_front() {
                return Ok(Some(value));
            }
            match self.pieces.next().await? {
                Some(piece) => self.take(&piece)?,
                None if self.rest.is_empty() => return Ok(None),
                None => {
                    let last = self.rest.split();
                    return parse_line(&last);
                }
            }
        }
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), ClientError> {
        if self.rest.len() + piece.len() > MAX_LINE {
            return Err(ClientError::TooLong { limit: MAX_LINE });
        }
        self.rest.extend_from_slice(piece);
        while let Some(end) = self.rest.iter().position(|&b| b == b'\n') {
            let line = self.rest.split_to(end);
            self.rest.advance(1);
            self.ready.extend(parse_line(&line)?);
        }
        Ok(())
    }
}

/// A line's value; none for an empty line.
fn parse_line<T: DeserializeOwned>(line: &[u8]) -> Result<Option<T>, ClientError> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(line).map(Some).map_err(|source| {
        // The last line of a stream that failed is an error of the API.
        match serde_json::from_slice::<ErrorBody>(line) {
            Ok(body) => ClientError::Api(body.error),
            Err(_) => ClientError::Decode { status: 200, source },
        }
    })
}
