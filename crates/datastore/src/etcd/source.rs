//! The source: one member at a time, from which all is listed once and then watched.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use heddle_resources::{Kind, Object};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::client::Client;
use super::error::EtcdError;
use super::keys::{self, Place, Range};
use super::objects::Objects;
use super::options::EtcdOptions;
use super::position::Position;
use super::rpc::{Event, RangeRequest};
use super::watch::{Heard, Watches};
use super::writer::EtcdWriter;
use crate::datastore::{Feed, Source};
use crate::error::SourceError;
use crate::event::{Guard, Revision, SourceEvent, WaitingFor};
use crate::kinds::Kinds;
use crate::kubernetes::backoff::Backoff;
use crate::kubernetes::unfiltered::Unfiltered;

/// Keys in a page of a list.
const PAGE: i64 = 500;
/// A watch that held so long makes good for lists before it.
const SETTLED: Duration = Duration::from_secs(60);
/// A connection whose watches held so long makes good for failures before it, also if they told nothing.
const LASTS: Duration = Duration::from_secs(5);
/// After an outage changes are gathered until all watches have told theirs: then they are one change. They are asked this often.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// They are not gathered for longer.
const GATHER: Duration = Duration::from_secs(2);

/// Calico's objects in etcd, listed and watched.
#[derive(Debug)]
pub struct EtcdSource {
    options: EtcdOptions,
}

impl EtcdSource {
    /// A source of what is in this etcd.
    #[must_use]
    pub const fn new(options: EtcdOptions) -> Self {
        Self { options }
    }

    /// What writes to where this reads from.
    #[must_use]
    pub fn writer(&self) -> EtcdWriter {
        EtcdWriter::new(self.options.clone())
    }

    fn address(&self) -> Arc<str> {
        let names: Vec<String> = self.options.endpoints.iter().map(ToString::to_string).collect();
        names.join(", ").into()
    }
}

impl Source for EtcdSource {
    fn name(&self) -> String {
        format!("etcd at {}", self.address())
    }

    fn kinds(&self) -> Kinds {
        keys::kinds().collect()
    }

    async fn run(self, feed: Feed) {
        let (address, kinds) = (self.address(), self.kinds());
        feed.tell([SourceEvent::Waiting(WaitingFor::Server(Arc::clone(&address)))]);
        let mut run = Run::new(feed, address, kinds, self.options);
        loop {
            let Err(error) = run.session().await;
            run.failed(error).await;
        }
    }
}

/// Why watches ended of a connection that is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Changes were missed.
    Gap,
    /// What a list lacked is to be asked for again.
    Doubt,
}

/// Changes that wait until those of all watches are there.
#[derive(Debug)]
struct Gathered {
    events: Vec<Event>,
    ask_at: Instant,
    until: Instant,
}

/// A running source.
#[derive(Debug)]
struct Run {
    feed: Feed,
    address: Arc<str>,
    kinds: Kinds,
    options: EtcdOptions,
    ranges: Vec<Range>,
    objects: Objects,
    unfiltered: Unfiltered,
    /// Which member is asked.
    member: usize,
    /// How far it was heard; none: not at all, or something was missed.
    position: Option<Position>,
    /// Whether all was listed once.
    listed: bool,
    /// When a list that lacked too much is to be read again.
    again_at: Option<Instant>,
    /// Connections in a row that failed.
    failures: usize,
    /// Why it is lost, while it is.
    trouble: Option<String>,
    /// Pauses after failures, and between lists.
    errors: Backoff,
    lists: Backoff,
}

impl Run {
    fn new(feed: Feed, address: Arc<str>, kinds: Kinds, options: EtcdOptions) -> Self {
        // Nodes are spread over the members.
        let members = options.endpoints.len().max(1);
        let chance = usize::try_from(RandomState::new().hash_one(0_u8) >> 33).unwrap_or_default();
        Self {
            feed,
            address,
            kinds,
            ranges: keys::ranges(&options.node),
            objects: Objects::new(Arc::clone(&options.node)),
            unfiltered: Unfiltered::default(),
            member: chance % members,
            position: None,
            listed: false,
            again_at: None,
            failures: 0,
            trouble: None,
            errors: Backoff::default(),
            lists: Backoff::starting_at(options.spread),
            options,
        }
    }

    /// Follows one member for as long as it can be followed.
    async fn session(&mut self) -> Result<Infallible, EtcdError> {
        let member = self.options.endpoints.get(self.member).cloned().ok_or(EtcdError::NoEndpoint)?;
        let client = Client::connect(&member, &self.options).await?;
        debug!(member = %client.name(), "connected");
        if let Some(position) = &self.position {
            let first = self.ranges.first().map(|range| range.start.clone()).unwrap_or_default();
            let request = RangeRequest { key: first, count_only: true, ..RangeRequest::default() };
            let (header, _) = client.range(request).await?;
            if !position.is_in(&header) {
                info!(member = %client.name(), "this etcd is another one than before, or was set back; listing again");
                self.list_again().await;
            }
        }
        let mut gathered = None;
        loop {
            let mut position = match self.position.take() {
                Some(position) => {
                    let now = Instant::now();
                    gathered = Some(Gathered { events: Vec::new(), ask_at: now, until: now + GATHER });
                    position
                }
                None => self.list(&client).await?,
            };
            let begun = Instant::now();
            let ended = self.follow(&client, &mut position, gathered.take()).await;
            if begun.elapsed() > SETTLED {
                self.lists.reset();
            }
            match ended {
                Ok(Ended::Doubt) => {}
                Ok(Ended::Gap) => {
                    info!(member = %client.name(), "changes may have been missed; listing again");
                    self.list_again().await;
                }
                Err(error) => {
                    self.position = Some(position);
                    return Err(error);
                }
            }
        }
    }

    /// Forgets how far it was heard, and waits until all may be listed again.
    async fn list_again(&mut self) {
        self.position = None;
        tokio::time::sleep(self.lists.next(None)).await;
    }

    /// Says what went wrong, and waits until it can be tried again: at once while there is a member that was not asked.
    async fn failed(&mut self, error: EtcdError) {
        debug!(%error, "asking again");
        let members = self.options.endpoints.len().max(1);
        self.member = (self.member + 1) % members;
        self.failures = self.failures.saturating_add(1);
        let text = error.to_string();
        let told: SourceError = error.into();
        if self.failures < members.max(2) {
            self.feed.tell([SourceEvent::Failed(told)]);
            return;
        }
        let first = self.trouble.is_none();
        let server = || WaitingFor::Server(Arc::clone(&self.address));
        let events = match (self.listed, first) {
            (true, true) => vec![SourceEvent::Lost(told)],
            (false, true) => vec![SourceEvent::Failed(told), SourceEvent::Waiting(server())],
            (_, false) => vec![SourceEvent::Failed(told)],
        };
        // The state says what is waited for, and not why it does not come.
        if !self.listed && self.trouble.as_ref() != Some(&text) {
            warn!("{text}");
        }
        self.trouble = Some(text);
        self.feed.tell(events);
        tokio::time::sleep(self.errors.next(None)).await;
    }

    /// Watches were begun.
    fn is_well(&mut self) {
        if self.trouble.take().is_some() {
            self.feed.tell([SourceEvent::Regained]);
        }
    }

    /// Lists all kinds at one revision; they come into force together.
    async fn list(&mut self, client: &Client) -> Result<Position, EtcdError> {
        let begin = SourceEvent::ResyncBegin { kinds: self.kinds, guard: Guard::Doubt };
        let known = self.feed.snapshot();
        // Peers that wait for a filter wait no more: this list says which there are.
        let mut events = self.unfiltered.sift(vec![begin], &known);
        let before = self.objects.begin_list();
        let mut position = None;
        for range in self.ranges.clone() {
            if let Err(error) = self.list_range(client, &range, &mut position, &mut events).await {
                self.objects.break_list(before);
                return Err(error);
            }
        }
        self.objects.end_list(before, &mut events);
        let header = position.unwrap_or_default();
        let revision = Some(Revision(header.revision.to_string().into()));
        events.push(SourceEvent::ResyncEnd { kinds: self.kinds, revision });
        let held = self.feed.tell(events);
        self.again_at = held.iter().map(|held| Instant::now() + held.list_again_in).max();
        self.listed = true;
        Ok(Position::behind(&header, self.ranges.len()))
    }

    /// Lists a range, page by page, at the revision of the first page of all.
    async fn list_range(
        &mut self,
        client: &Client,
        range: &Range,
        first: &mut Option<super::rpc::ResponseHeader>,
        events: &mut Vec<SourceEvent>,
    ) -> Result<(), EtcdError> {
        let known = self.feed.snapshot();
        let mut from = range.start.clone();
        loop {
            let request = RangeRequest {
                key: from,
                range_end: range.end.clone(),
                limit: PAGE,
                revision: first.map_or(0, |header| header.revision),
                // The member has that revision, so that it need not ask the others again.
                serializable: first.is_some(),
                count_only: false,
            };
            let (header, answer) = client.range(request).await?;
            first.get_or_insert(header);
            for kv in &answer.kvs {
                if let Some(place) = Place::of(&kv.key, &self.options.node) {
                    self.objects.put(place, &kv.value, None, &known, events);
                }
            }
            match answer.kvs.last() {
                Some(last) if answer.more => from = behind(&last.key),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Watches from a position on.
    async fn follow(
        &mut self,
        client: &Client,
        position: &mut Position,
        mut gathered: Option<Gathered>,
    ) -> Result<Ended, EtcdError> {
        self.find_filters(client).await?;
        let before = position.clone();
        let (mut watches, early) = match Watches::begin(client, &self.ranges, position).await {
            Ok(begun) => begun,
            Err(error) => {
                // What was heard meanwhile is asked for again.
                *position = before;
                return Err(error);
            }
        };
        self.is_well();
        let lasts_at = Instant::now() + LASTS;
        let mut settled = false;
        let mut early = early.into_iter();
        loop {
            let asks_at = gathered.as_ref().map(|gathered| gathered.ask_at);
            let sooner = [self.again_at, asks_at, (!settled).then_some(lasts_at)].into_iter().flatten().min();
            let heard = match early.next() {
                Some(heard) => Some(heard),
                None => {
                    tokio::select! {
                        heard = watches.next(position) => match heard {
                            Ok(heard) => Some(heard),
                            Err(error) => {
                                // What was gathered was heard, and is not told again.
                                let rest = gathered.map(|gathered| gathered.events).unwrap_or_default();
                                self.tell(&rest, std::time::Instant::now());
                                return Err(error);
                            }
                        },
                        () = until(sooner) => None,
                    }
                }
            };
            let (at, now) = (std::time::Instant::now(), Instant::now());
            if !settled && (matches!(heard, Some(Heard::Changes(_))) || lasts_at <= now) {
                settled = true;
                self.failures = 0;
                self.errors.reset();
            }
            let caught_up = match heard {
                Some(Heard::Compacted) => return Ok(Ended::Gap),
                Some(Heard::Changes(events)) => match &mut gathered {
                    Some(gathered) => {
                        gathered.events.extend(events);
                        false
                    }
                    None => {
                        self.tell(&events, at);
                        self.find_filters(client).await?;
                        false
                    }
                },
                Some(Heard::CaughtUp) => true,
                Some(Heard::Progress) | None => false,
            };
            if let Some(waiting) = &mut gathered {
                if caught_up || waiting.until <= now {
                    let events = std::mem::take(&mut waiting.events);
                    gathered = None;
                    self.tell(&events, at);
                    self.find_filters(client).await?;
                } else if waiting.ask_at <= now {
                    waiting.ask_at = now + ASK_AGAIN;
                    watches.ask_progress();
                }
            }
            if self.again_at.is_some_and(|again| again <= now) {
                self.again_at = None;
                return Ok(Ended::Doubt);
            }
        }
    }

    /// Tells changes; together they are one.
    fn tell(&mut self, changes: &[Event], heard: std::time::Instant) {
        let mut known = (*self.feed.snapshot()).clone();
        let mut events = Vec::new();
        for change in changes {
            let Some(kv) = &change.kv else { continue };
            let Some(place) = Place::of(&kv.key, &self.options.node) else { continue };
            let revision = Some(Revision(kv.mod_revision.to_string().into()));
            match change.what {
                Event::PUT => self.objects.put(place, &kv.value, revision, &known, &mut events),
                Event::DELETED => self.objects.deleted(place, revision, &mut events),
                // Of a later version of etcd.
                _ => {}
            }
        }
        // Filters that come together with their peers are known to them.
        for event in &events {
            if let SourceEvent::Set { object: filter @ Object::BgpFilter(_), .. } = event {
                known.insert(filter.clone());
            }
        }
        let events = self.unfiltered.sift(events, &known);
        if !events.is_empty() {
            self.feed.tell_heard_at(events, heard);
        }
    }

    /// Asks for filters that peers name, and of which nothing was heard.
    async fn find_filters(&mut self, client: &Client) -> Result<(), EtcdError> {
        let lacking: BTreeSet<Arc<str>> = self.unfiltered.lacking();
        for name in lacking {
            let key = keys::filter(&name);
            let value = client.get(key.clone()).await?.map(|kv| kv.value);
            let known = self.feed.snapshot();
            let mut events = Vec::new();
            if let (Some(value), Some(place)) = (value, Place::of(&key, &self.options.node)) {
                self.objects.put(place, &value, None, &known, &mut events);
            }
            let is_set = |event: &SourceEvent| matches!(event, SourceEvent::Set { object, .. } if object.kind() == Kind::BgpFilter);
            let found = events.iter().any(is_set);
            let mut events = self.unfiltered.sift(events, &known);
            if !found {
                // There is none, or it cannot be read, which is said of it.
                events.extend(self.unfiltered.absent(&name));
            }
            self.feed.tell(events);
        }
        Ok(())
    }
}

/// The first key behind another one.
fn behind(key: &Bytes) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.put_slice(key);
    next.put_u8(0);
    next.freeze()
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
