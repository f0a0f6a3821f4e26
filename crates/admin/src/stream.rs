//! Bodies that are made while they are read: routes and events.
//!
//! hyper asks for the next piece when the socket has room, so a reader who stops holds one piece and one cursor.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::watch;

use crate::backend::ChangeFeed;
use crate::events::EventReader;
use crate::served::Walk;
use crate::types::{ApiError, Destination, ErrorBody, ErrorCode, Event, EventKind, WallTime};

/// A piece of a body is sent when it has this many bytes; one destination may make it longer.
pub(crate) const PIECE: usize = 32 * 1024;

/// How often an idle stream of events gets an empty line, so that a reader who is gone is noticed.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(30);

/// How a list of routes is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One object around the list.
    Json,
    /// A line each.
    NdJson,
}

struct RouteBody {
    cursor: Box<dyn Walk>,
    format: Format,
    /// Destinations of the last chunk that are not written yet.
    chunk: std::vec::IntoIter<Destination>,
    written: u64,
    state: BodyState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyState {
    Begin,
    Middle,
    End,
}

/// The body of `GET /v1/routes`. An error of the cursor is told inside the body, which then ends regularly.
pub(crate) fn routes(cursor: Box<dyn Walk>, format: Format) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let body = RouteBody { cursor, format, chunk: Vec::new().into_iter(), written: 0, state: BodyState::Begin };
    stream::unfold(body, async |mut body| body.piece().await.map(|piece| (Ok(piece), body)))
}

impl RouteBody {
    async fn piece(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        match self.state {
            BodyState::Begin => {
                if self.format == Format::Json {
                    out.extend_from_slice(b"{\"routes\":[");
                }
                self.state = BodyState::Middle;
            }
            BodyState::Middle => {}
            BodyState::End => return None,
        }
        while out.len() < PIECE {
            if let Some(destination) = self.chunk.next() {
                self.write(&mut out, &destination);
                continue;
            }
            match self.cursor.next().await {
                Ok(Some(chunk)) => self.chunk = chunk.into_iter(),
                Ok(None) => {
                    self.finish(&mut out, None);
                    break;
                }
                Err(error) => {
                    self.finish(&mut out, Some(error));
                    break;
                }
            }
        }
        Some(out.into())
    }

    fn write(&mut self, out: &mut Vec<u8>, destination: &Destination) {
        match self.format {
            Format::Json if self.written > 0 => out.extend_from_slice(b",\n"),
            Format::Json => out.push(b'\n'),
            Format::NdJson => {}
        }
        append(out, destination);
        if self.format == Format::NdJson {
            out.push(b'\n');
        }
        self.written += 1;
    }

    fn finish(&mut self, out: &mut Vec<u8>, error: Option<ApiError>) {
        self.state = BodyState::End;
        match (self.format, error) {
            (Format::Json, None) => out.extend_from_slice(b"\n]}\n"),
            (Format::Json, Some(error)) => {
                out.extend_from_slice(b"\n],\"error\":");
                append(out, &error);
                out.extend_from_slice(b"}\n");
            }
            (Format::NdJson, None) => {}
            (Format::NdJson, Some(error)) => {
                append(out, &ErrorBody { error });
                out.push(b'\n');
            }
        }
    }
}

/// Appends `value` as JSON. Our types have string keys only, so this cannot fail; if it did, the reader would see it.
fn append<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    let before = out.len();
    if let Err(error) = serde_json::to_writer(&mut *out, value) {
        tracing::error!(%error, "an answer could not be written as JSON");
        out.truncate(before);
        out.extend_from_slice(b"null");
    }
}

/// The body of `GET /v1/events`; ends when the hub or the server does, with one [`EventKind::Stopping`], whoever says it.
pub(crate) fn events(
    reader: EventReader,
    changes: Option<Box<dyn ChangeFeed>>,
    stopping: watch::Receiver<bool>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let body = EventBody { reader, changes, stopping, said_goodbye: false };
    stream::unfold(Some(body), async |body| {
        let mut body = body?;
        tokio::select! {
            biased;
            event = body.reader.next() => {
                let event = event?;
                body.said_goodbye |= event.kind == EventKind::Stopping;
                Some((Ok(line(&event)), Some(body)))
            }
            () = stopped(&mut body.stopping) => {
                let last = Event { at: WallTime::now(), peer: None, kind: EventKind::Stopping };
                (!body.said_goodbye).then(|| (Ok(line(&last)), None))
            }
            changes = next_changes(&mut body.changes) => {
                let Some(changes) = changes else {
                    // The speaker has given this reader up.
                    let last = Event { at: WallTime::now(), peer: None, kind: EventKind::Lost { count: 0 } };
                    return Some((Ok(line(&last)), None));
                };
                let mut out = Vec::new();
                for change in &changes {
                    append(&mut out, change);
                    out.push(b'\n');
                }
                Some((Ok(out.into()), Some(body)))
            }
            () = tokio::time::sleep(HEARTBEAT) => Some((Ok(Bytes::from_static(b"\n")), Some(body))),
        }
    })
}

struct EventBody {
    reader: EventReader,
    changes: Option<Box<dyn ChangeFeed>>,
    stopping: watch::Receiver<bool>,
    said_goodbye: bool,
}

/// Never ready without a feed.
async fn next_changes(changes: &mut Option<Box<dyn ChangeFeed>>) -> Option<Vec<Event>> {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}

/// Ready when the server stops, or is gone already.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn line(event: &Event) -> Bytes {
    let mut out = Vec::with_capacity(128);
    append(&mut out, event);
    out.push(b'\n');
    out.into()
}

/// An error as a whole body.
pub(crate) fn error_body(error: ApiError) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    append(&mut out, &ErrorBody { error });
    out.push(b'\n');
    out
}

/// A value as a whole body, with a final line break for people with `curl`.
pub(crate) fn json_body<T: Serialize>(value: &T) -> Result<Vec<u8>, ApiError> {
    let mut out = serde_json::to_vec(value)
        .map_err(|error| ApiError::new(ErrorCode::Internal, format!("the answer could not be written: {error}")))?;
    out.push(b'\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::StreamExt;

    use super::*;
    use crate::backend::RouteCursor;
    use crate::events::{EVENT_RING, EventHub};
    use crate::types::PeerAddress;

    struct Chunks(std::vec::IntoIter<Result<Vec<Destination>, ApiError>>);
    impl RouteCursor for Chunks {
        async fn next(&mut self) -> Result<Option<Vec<Destination>>, ApiError> {
            self.0.next().transpose()
        }
    }

    fn destinations(range: std::ops::Range<u8>) -> Vec<Destination> {
        range.map(|n| Destination { prefix: format!("10.{n}.0.0/16").parse().unwrap(), paths: Vec::new() }).collect()
    }

    async fn collect(chunks: Vec<Result<Vec<Destination>, ApiError>>, format: Format) -> (String, usize) {
        let pieces: Vec<_> = routes(Box::new(Chunks(chunks.into_iter())), format).map(Result::unwrap).collect().await;
        (String::from_utf8(pieces.concat()).unwrap(), pieces.len())
    }

    #[tokio::test]
    async fn all_chunks_make_one_object() {
        let chunks = vec![Ok(destinations(0..2)), Ok(Vec::new()), Ok(destinations(2..3))];
        let (text, _) = collect(chunks, Format::Json).await;
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["routes"].as_array().unwrap().len(), 3);
        assert_eq!(value["routes"][2]["prefix"], "10.2.0.0/16");
        let (text, _) = collect(Vec::new(), Format::Json).await;
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), serde_json::json!({"routes": []}));
    }

    #[tokio::test]
    async fn a_line_each() {
        let (text, _) = collect(vec![Ok(destinations(0..2)), Ok(destinations(2..3))], Format::NdJson).await;
        let prefixes: Vec<_> =
            text.lines().map(|l| serde_json::from_str::<Destination>(l).unwrap().prefix.to_string()).collect();
        assert_eq!(prefixes, ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"]);
    }

    #[tokio::test]
    async fn an_error_on_the_way_is_told_at_the_end() {
        let error = ApiError::new(ErrorCode::Unavailable, "stopping");
        let (text, _) = collect(vec![Ok(destinations(0..1)), Err(error.clone())], Format::NdJson).await;
        let last = text.lines().last().unwrap();
        assert_eq!(serde_json::from_str::<ErrorBody>(last).unwrap().error, error);
        let (text, _) = collect(vec![Ok(destinations(0..1)), Err(error)], Format::Json).await;
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["error"]["code"], "unavailable");
    }

    #[tokio::test]
    async fn pieces_are_bounded() {
        let chunk: Vec<_> = (0..100).flat_map(|_| destinations(0..100)).collect();
        let stream = routes(Box::new(Chunks(vec![Ok(chunk)].into_iter())), Format::NdJson);
        let lengths: Vec<_> = stream.map(|p| p.unwrap().len()).collect().await;
        assert!(lengths.len() > 5, "{lengths:?}");
        assert!(lengths.iter().all(|&l| l < PIECE + 256), "{lengths:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn events_greet_beat_and_say_goodbye() {
        let hub = EventHub::default();
        let (stop, stopping) = watch::channel(false);
        let mut body = Box::pin(events(hub.subscribe(), None, stopping));
        let mut next = async || String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap();
        assert!(next().await.contains("\"event\":\"connected\""));
        let peer: PeerAddress = "192.0.2.7".parse().unwrap();
        hub.publish(Some(peer), EventKind::PeerRemoved);
        let event = next().await;
        assert!(event.contains("\"event\":\"peer_removed\"") && event.contains("\"peer\":\"192.0.2.7\""), "{event}");
        assert_eq!(next().await, "\n", "time passes by itself until the heartbeat");
        stop.send(true).unwrap();
        assert!(next().await.contains("\"event\":\"stopping\""));
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn goodbye_is_said_once() {
        let hub = EventHub::default();
        let (stop, stopping) = watch::channel(false);
        let body = events(hub.subscribe(), None, stopping);
        hub.publish(None, EventKind::Stopping);
        hub.publish(None, EventKind::PeerRemoved);
        stop.send(true).unwrap();
        let lines: Vec<_> = body.map(|line| String::from_utf8(line.unwrap().to_vec()).unwrap()).collect().await;
        let names: Vec<_> = lines.iter().map(|line| line.split("\"event\":\"").nth(1).unwrap()).collect();
        assert_eq!(names, ["connected\"}\n", "stopping\"}\n", "peer_removed\"}\n"]);
    }

    #[tokio::test]
    async fn a_slow_reader_of_events_is_told_what_it_missed() {
        let hub = EventHub::default();
        let mut reader = hub.subscribe();
        assert_eq!(reader.next().await.unwrap().kind, EventKind::Connected);
        for _ in 0..EVENT_RING + 5 {
            hub.publish(None, EventKind::PeerRemoved);
        }
        assert_eq!(reader.next().await.unwrap().kind, EventKind::Lost { count: 5 });
        assert_eq!(reader.next().await.unwrap().kind, EventKind::PeerRemoved);
    }
}
