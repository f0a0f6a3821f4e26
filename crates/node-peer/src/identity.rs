//! Who looks after the Node: its addresses, and in a cluster its condition and events about it. All of that Calico's node
//! does, unless its backend is `none`.
//!
//! What is there is adopted: only what is other than wanted is written, and sessions begin when the Node is as it should
//! be, or cannot be made so. The Node that comes back by the watch is what counts; whatever was written is not written again
//! before that, and what somebody else changes again at most once a minute. After a failure nothing is asked before its pause
//! is over, whatever changes meanwhile.

mod attempts;
mod events;
mod interfaces;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use heddle_admin::types::AddressReport;
use heddle_datastore::{
    Event, EventType, IfAbsent, KubernetesError, KubernetesWriter, NodeEvent, NodeField, NodeWriter, Reachable, Watch,
};
use heddle_resources::Metadata;
use heddle_resources::{Kind, Node, Snapshot};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use crate::address::{Listing, Memory, Plan, Retreat, Wishes, interfaces, plan, read};
use crate::state::Runs;

use self::attempts::{Attempts, cut};
use self::events::Events;
use self::interfaces::Interfaces;

/// What was written is not written again sooner, whatever the Node says meanwhile.
const WRITTEN: Duration = Duration::from_secs(60);
/// How often the condition is looked at: somebody else may write it, or make the Node anew.
const CONDITION: Duration = Duration::from_secs(60);
/// A node that does not run for so long cannot be relied on, whatever its condition says.
const IDLE: Duration = Duration::from_secs(30);
/// An address that was written is not waited for longer, where nothing is heard of it.
const CLAIM: Duration = Duration::from_secs(20);
/// How long the end of the process waits until its condition is written.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is known of the Node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Identity {
    /// Whether sessions may begin.
    pub(crate) settled: Settled,
    /// The addresses, and why.
    pub(crate) addresses: Vec<AddressReport>,
    /// What is not as it should be.
    pub(crate) problems: Vec<String>,
}

/// Whether the Node is as it should be, or cannot be made so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Settled {
    Yes,
    #[default]
    NotYet,
}

/// Looks after the Node.
#[derive(Debug)]
pub(crate) struct Steward {
    node: Arc<str>,
    writer: Arc<NodeWriter>,
    wishes: Wishes,
    watch: Watch,
    /// Whether sessions run.
    runs: watch::Receiver<Runs>,
    /// Conflicts in the resources, which are worth an event.
    conflicts: watch::Receiver<BTreeSet<String>>,
    told: watch::Sender<Identity>,
    snapshot: Option<Arc<Snapshot>>,
    /// Where it is made, a Node that was there once is not made again: whoever has deleted it means it.
    if_absent: IfAbsent,
    /// What earlier looks at this machine have found.
    memory: Memory,
    interfaces: Interfaces,
    /// What was written last, and when.
    written: Option<(Fields, Instant)>,
    look_at: Option<Instant>,
    attempts: Attempts,
    /// What is written of which it is not known yet whose it is.
    claiming: Option<Claiming>,
    /// How often in a row another node took an address at the same time.
    retreats: Attempts,
    /// Why the Node could not be written.
    failed: Option<String>,
    condition: Condition,
    condition_attempts: Attempts,
    condition_failed: Option<String>,
    /// What was seen at the last look.
    seen: Identity,
    /// Events, and why no more of them are told.
    events: Events,
    events_failed: Option<String>,
    remarks: Vec<String>,
}

type Fields = Vec<(NodeField, Option<String>)>;

/// Addresses that are written into the Node. Nothing begins with them before they are seen there, or for so long that nothing is heard.
#[derive(Clone, Debug)]
struct Claiming {
    fields: Fields,
    /// Since they were to be written first: another attempt is no reason to wait longer.
    since: Instant,
    is_awaited: bool,
}

/// Whether the condition of the Node says that packets reach its workloads.
#[derive(Clone, Copy, Debug)]
enum Condition {
    /// It is not for us to say yet.
    Open,
    /// It is to be looked at then, and written where it is other.
    Due(Instant),
}

/// What the steward is given by those whom it works with.
#[derive(Debug)]
pub(crate) struct Around {
    pub(crate) watch: Watch,
    pub(crate) runs: watch::Receiver<Runs>,
    pub(crate) conflicts: watch::Receiver<BTreeSet<String>>,
    pub(crate) told: watch::Sender<Identity>,
    /// What there is to say of it in any case.
    pub(crate) remarks: Vec<String>,
}

impl Steward {
    pub(crate) fn new(node: Arc<str>, writer: Arc<NodeWriter>, wishes: Wishes, around: Around) -> Self {
        let Around { watch, runs, conflicts, told, remarks } = around;
        for remark in &remarks {
            warn!("{remark}");
        }
        Self {
            node,
            if_absent: writer.if_absent(),
            writer,
            wishes,
            watch,
            runs,
            conflicts,
            told,
            snapshot: None,
            memory: Memory::default(),
            interfaces: Interfaces::default(),
            written: None,
            look_at: None,
            attempts: Attempts::default(),
            claiming: None,
            retreats: Attempts::default(),
            condition_attempts: Attempts::default(),
            failed: None,
            condition: Condition::Open,
            condition_failed: None,
            seen: Identity::default(),
            events: Events::default(),
            events_failed: None,
            remarks,
        }
    }

    /// Works until the datastore ends.
    pub(crate) async fn run(mut self) {
        loop {
            let due = match self.condition {
                Condition::Due(at) => Some(at),
                Condition::Open => None,
            };
            let (look_at, due, tell_at) = (self.look_at, due, self.events.due(Instant::now()));
            let claimed_at =
                self.claiming.as_ref().filter(|claiming| claiming.is_awaited).map(|claiming| claiming.since);
            tokio::select! {
                event = self.watch.next() => {
                    let Some(event) = event else { return };
                    let news = concerns_nodes(&event);
                    self.snapshot = Some(Arc::clone(event.snapshot()));
                    if news {
                        self.look().await;
                    }
                }
                () = until(look_at) => self.look().await,
                () = until(claimed_at.map(|since| since + CLAIM)) => self.awaits_no_longer(),
                Ok(()) = self.runs.changed() => {
                    self.runs.borrow_and_update();
                    self.condition_is_due(self.condition_attempts.soonest(Instant::now()));
                }
                () = until(due) => self.bring_condition().await,
                () = until(tell_at) => self.tell_events().await,
                Ok(()) = self.conflicts.changed() => {
                    let conflicts = self.conflicts.borrow_and_update().clone();
                    self.tell_of("Conflict", conflicts).await;
                }
            }
        }
    }

    /// Compares the Node with what is wanted, and writes what is other.
    async fn look(&mut self) {
        let now = Instant::now();
        self.look_at = self.attempts.held_until(now).max(self.retreats.held_until(now));
        if self.look_at.is_some() {
            return;
        }
        let Some(snapshot) = self.snapshot.clone() else { return };
        let present = snapshot.all::<Node>().find(|node| node.metadata.name == self.node).cloned();
        let node = match (present, self.if_absent) {
            (Some(node), _) => {
                self.if_absent = IfAbsent::Fail;
                node
            }
            (None, IfAbsent::Create) => {
                let metadata = Metadata { name: Arc::clone(&self.node), ..Metadata::default() };
                Arc::new(Node { metadata, ..Node::default() })
            }
            // The node waits for its Node, and says so.
            (None, IfAbsent::Fail) => return,
        };
        if let Condition::Open = self.condition {
            self.condition_is_due(now + IDLE);
        }
        let wanted = self.wishes.wanted(&node);
        let listing = match tokio::task::spawn_blocking(move || read(&wanted)).await {
            Ok(Ok(listing)) => listing,
            Ok(Err(error)) => return self.cannot_look(&error.to_string()),
            // It ends.
            Err(_) => return,
        };
        let found = self.plan(&node, &snapshot, &listing);
        self.keep_claiming();
        self.look_at = found.again(&self.wishes).map(|pause| Instant::now() + pause);
        let settled = self.bring(&found).await;
        if settled == Settled::Yes && self.if_absent == IfAbsent::Fail {
            self.bring_interfaces(&listing).await;
        }
        let conflicts: BTreeSet<String> = found.conflicts.iter().map(ToString::to_string).collect();
        let problems = conflicts.iter().cloned().chain(found.problems).collect();
        self.say(settled, found.addresses, problems);
        self.tell_of("AddressConflict", conflicts).await;
    }

    /// The condition of the Node is to be looked at then, where it has one.
    fn condition_is_due(&mut self, at: Instant) {
        if self.writer.cluster().is_some() {
            self.condition = Condition::Due(at);
        }
    }

    /// Tells events of what is so now, where there are events.
    async fn tell_of(&mut self, reason: &'static str, messages: BTreeSet<String>) {
        if self.writer.cluster().is_some() {
            self.events.are(reason, messages);
            self.tell_events().await;
        }
    }

    fn plan(&mut self, node: &Node, snapshot: &Snapshot, listing: &Listing) -> Plan {
        let all: Vec<&Arc<Node>> = snapshot.all::<Node>().collect();
        plan(&self.wishes, node, all.into_iter(), listing, &mut self.memory, Instant::now())
    }

    /// Writes the machine's interfaces where Calico's node does, and the Node has others. Nothing waits for that.
    async fn bring_interfaces(&mut self, listing: &Listing) {
        let Some(wanted) = interfaces(&self.wishes, listing) else { return };
        let now = Instant::now();
        let due = self.interfaces.due(&wanted, now);
        if due > now {
            return self.look_again_at(due);
        }
        let (again, failed) = match self.writer.compare_and_write(NodeField::Interfaces, &wanted).await {
            Ok(()) => (self.interfaces.are(wanted, now), None),
            Err(error) => (
                self.interfaces.failed(Instant::now(), error.retry_after()),
                Some(format!("the machine's interfaces are not written into its Node: {error}")),
            ),
        };
        self.look_again_at(again);
        if let Some(text) = failed.as_ref().filter(|_| self.interfaces.failed != failed) {
            warn!("{text}");
        }
        self.interfaces.failed = failed;
    }

    /// Writes what is other than wanted. Settled is what needs no writing, or cannot be written, now or for long.
    async fn bring(&mut self, found: &Plan) -> Settled {
        if found.fields.is_empty() {
            self.failed = None;
            self.attempts.succeeded();
            if found.conflicts.is_empty() {
                self.retreats.succeeded();
            }
            return match self.if_absent {
                IfAbsent::Fail => Settled::Yes,
                // There is no Node, and nothing that one should be made for: what it will say is not known.
                IfAbsent::Create => Settled::NotYet,
            };
        }
        let now = Instant::now();
        match &self.written {
            Some((written, at)) if *written == found.fields && at.elapsed() < WRITTEN => {
                // It is on its way back, or somebody writes against us.
                self.look_again_at(*at + WRITTEN);
                return Settled::NotYet;
            }
            Some(_) | None => {}
        }
        // Who runs the sessions knows it before the Node can come back with the address.
        self.claim(found, now);
        match self.writer.write(&found.fields, self.if_absent).await {
            Ok(()) => {
                for (field, value) in &found.fields {
                    match (value, found.retreat) {
                        (Some(value), _) => info!(%field, %value, "written into the Node"),
                        (None, Retreat::No) => {
                            info!(%field, "taken out of the Node: it is no address of this machine any more")
                        }
                        (None, Retreat::Yes) => {
                            info!(%field, "taken out of the Node: another node took the address at the same time")
                        }
                    }
                }
                self.written = Some((found.fields.clone(), now));
                match found.retreat {
                    // If both have given it up, the one that comes first gets it.
                    Retreat::Yes => {
                        let again = self.retreats.failed(Instant::now(), None);
                        self.look_again_at(again);
                    }
                    Retreat::No => self.look_again_at(now + WRITTEN),
                }
                self.failed = None;
                self.attempts.succeeded();
                Settled::NotYet
            }
            Err(error) => {
                let text = format!("the node's addresses are not written into its Node: {error}");
                let now = Instant::now();
                let again = self.attempts.failed(now, error.retry_after());
                self.look_again_at(again);
                if self.failed.as_ref() != Some(&text) {
                    warn!("{text}");
                }
                self.failed = Some(text);
                if error.is_denial() {
                    // A permission that is missing is not waited for, and surely nothing was written.
                    for (family, address) in &found.claims {
                        self.memory.claims_not(*family, *address);
                    }
                    self.keep_claiming();
                    return Settled::Yes;
                }
                let settled = self.attempts.settled(now);
                if settled == Settled::Yes {
                    self.awaits_no_longer();
                }
                settled
            }
        }
    }

    /// Addresses are about to be written, or written again.
    fn claim(&mut self, found: &Plan, now: Instant) {
        for (family, address) in &found.claims {
            self.memory.claims(*family, *address);
        }
        let is_known = self.claiming.as_ref().is_some_and(|claiming| claiming.fields == found.fields);
        if !found.claims.is_empty() && !is_known {
            self.claiming = Some(Claiming { fields: found.fields.clone(), since: now, is_awaited: true });
        }
        self.publish();
    }

    /// What was claimed is waited for as long as it is not known whose it is.
    fn keep_claiming(&mut self) {
        if !self.memory.has_claims() {
            self.claiming = None;
        }
    }

    fn awaits_no_longer(&mut self) {
        if let Some(claiming) = &mut self.claiming {
            claiming.is_awaited = false;
        }
        self.publish();
    }

    fn look_again_at(&mut self, at: Instant) {
        self.look_at = Some(self.look_at.map_or(at, |sooner| sooner.min(at)));
    }

    fn cannot_look(&mut self, why: &str) {
        let now = Instant::now();
        self.look_at = Some(self.attempts.failed(now, None));
        let addresses = self.seen.addresses.clone();
        self.say(
            self.attempts.settled(now),
            addresses,
            vec![format!("the addresses of this machine cannot be read: {why}")],
        );
    }

    fn say(&mut self, settled: Settled, mut addresses: Vec<AddressReport>, problems: Vec<String>) {
        // Once the Node has what was detected, why it was chosen is still what is worth knowing.
        let same = |a: &AddressReport, b: &AddressReport| (&a.address, &a.interface) == (&b.address, &b.interface);
        for address in &mut addresses {
            if let Some(before) = self.seen.addresses.iter().find(|before| same(before, address)) {
                address.reason.clone_from(&before.reason);
            }
        }
        for address in addresses.iter().filter(|address| !self.seen.addresses.contains(address)) {
            let interface = address.interface.as_deref().unwrap_or("none");
            info!(address = %address.address, interface, reason = %address.reason, "the node's address");
        }
        for problem in problems.iter().filter(|problem| !self.seen.problems.contains(problem)) {
            warn!("{problem}");
        }
        // What was settled once is: what runs goes on.
        let settled = if self.seen.settled == Settled::Yes { Settled::Yes } else { settled };
        self.seen = Identity { settled, addresses, problems };
        self.publish();
    }

    fn publish(&self) {
        let mut identity = self.seen.clone();
        let failed = [&self.failed, &self.interfaces.failed, &self.condition_failed, &self.events_failed];
        if self.claiming.as_ref().is_some_and(|claiming| claiming.is_awaited) {
            identity.settled = Settled::NotYet;
        }
        identity.problems.extend(failed.into_iter().flatten().chain(&self.remarks).cloned());
        self.told.send_if_modified(|told| {
            let is_other = *told != identity;
            *told = identity;
            is_other
        });
    }

    /// Brings the condition of the Node to what is. Once a minute, more or less: nodes that began together do not ask together.
    async fn bring_condition(&mut self) {
        let reachable = match *self.runs.borrow() {
            Runs::Yes => Reachable::Yes,
            Runs::NotYet => Reachable::NotYet,
        };
        let Some(cluster) = self.writer.cluster() else { return };
        match cluster.set_network(reachable).await {
            Ok(()) => {
                self.condition = Condition::Due(Instant::now() + CONDITION / 2 + cut(CONDITION));
                self.condition_attempts.succeeded();
                self.note_condition(None);
            }
            Err(error) => {
                self.condition = Condition::Due(self.condition_attempts.failed(Instant::now(), error.retry_after()));
                self.note_condition(Some(&error));
            }
        }
    }

    fn note_condition(&mut self, error: Option<&KubernetesError>) {
        let now = error.map(ToString::to_string);
        if let Some(text) = now.as_ref().filter(|_| self.condition_failed != now) {
            warn!("{text}");
        }
        self.condition_failed = now;
        self.publish();
    }

    /// Tells what was not told yet, as far as it may be now. Without the right to it all else goes on.
    async fn tell_events(&mut self) {
        while let Some((reason, message)) = self.events.next(Instant::now()) {
            let Some(cluster) = self.writer.cluster() else { return };
            let event = NodeEvent { kind: EventType::Warning, reason, message: message.clone() };
            let failed = match cluster.tell(&event).await {
                Ok(()) => {
                    self.events.were_told((reason, message), Instant::now());
                    None
                }
                Err(error) => {
                    self.events.failed(Instant::now(), error.retry_after());
                    let forbidden = matches!(error, KubernetesError::Forbidden { .. });
                    let what = if forbidden { "no events are told" } else { "an event was not told" };
                    Some(format!("{what}: {error}"))
                }
            };
            if let Some(text) = failed.as_ref().filter(|_| self.events_failed != failed) {
                warn!("{text}");
            }
            self.events_failed = failed;
        }
        if self.events.pending().is_none() {
            self.events_failed = None;
        }
        self.publish();
    }
}

/// Says to the cluster that the node's workloads cannot be relied on any more. Waits a moment at most.
pub(crate) async fn farewell(writer: &KubernetesWriter) {
    match timeout(FAREWELL, writer.set_network(Reachable::No)).await {
        Ok(Ok(())) => info!("the condition NetworkUnavailable of the Node is True, or is somebody else's"),
        Ok(Err(error)) => warn!("{error}"),
        Err(_) => warn!("the API server did not take the condition NetworkUnavailable in time"),
    }
}

/// Whether a change has to do with what is looked at.
fn concerns_nodes(event: &Event) -> bool {
    match event {
        Event::Snapshot(_) => true,
        Event::Changes { deltas, .. } => deltas.iter().any(|delta| delta.key().kind == Kind::Node),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
