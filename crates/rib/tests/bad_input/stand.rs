//! The simulated speaker, AS 65000 and 10.0.0.1, and its peers, of which the tests play the other ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use heddle_bgp_core::capability::AddPathMode;
use heddle_bgp_core::route_refresh::{EnhancedRefresh, RefreshSubtype, RouteRefresh};
use heddle_bgp_core::update::{AsSets, DecodeOptions, Scratch, UpdateContext, decode};
use heddle_bgp_core::{Asn, BgpId, ClusterId, Family, Framer, MessageType, Negotiated, Notification, Open, Prefix};
use heddle_bgp_core::{Role, Timestamp};
use heddle_bgp_fsm::{
    Action, ConnectMode, ConnectionId, Door, Event, FamilyConfig, Peer, PeerAsn, PeerConfig, RoleConfig, TcpFailure,
};
use heddle_rib::decision::{Aigp, DecisionOptions};
use heddle_rib::export::{ExportKey, Receiver, SelfNextHop};
use heddle_rib::nexthop::Resolve;
use heddle_rib::policy::{EvalContext, GracefulShutdown, ImportSettings, PolicyChain};
use heddle_rib::query::{Cursor, Reading, RouteInfo, Scope, Standing, View};
use heddle_rib::rib::{Bounds, Output, Start};
use heddle_rib::route::{Ineligible, PeerId, SourceKind};
use heddle_rib::session::{DefaultOriginate, FamilyParams, RefreshMode, Retained, SessionId, SessionParams};
use heddle_rib::{BatchBuilder, IngestContext, JournalReader, Progress, Rib, RibConfig, RunStatus, TakeStatus};

use crate::rows::{Session as Sort, hex};
use crate::wire::{FAMILIES, KEEPALIVE, OpenWith, Received, four_octets, message};

/// What a peer is to the speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// One of those that rows are for.
    Of(Sort),
    /// Of this sort, without extended messages.
    Short(Sort),
    /// External; we are its customer and want to hear its role.
    StrictRole,
    /// AS 65002.
    Other,
}

impl Kind {
    /// External and internal.
    pub(crate) const BOTH: [Kind; 2] = [Kind::Of(Sort::External), Kind::Of(Sort::Internal)];

    const fn sort(self) -> Sort {
        match self {
            Self::Of(sort) | Self::Short(sort) => sort,
            Self::StrictRole | Self::Other => Sort::External,
        }
    }

    pub(crate) const fn asn(self) -> u16 {
        match self {
            Self::Other => 65002,
            _ if self.sort().internal() => 65000,
            _ => 65001,
        }
    }

    /// The usual path attributes of its routes.
    pub(crate) fn base(self) -> String {
        self.sort().base().concat()
    }

    fn config(self) -> PeerConfig {
        let mut config = PeerConfig::new(Asn(65000), BgpId(0x0a00_0001), PeerAsn::Exactly(Asn(u32::from(self.asn()))));
        config.mode = ConnectMode::Passive;
        config.families = Family::SUPPORTED.into_iter().map(FamilyConfig::new).collect();
        config.extended_message = !matches!(self, Self::Short(_));
        if matches!(self.sort(), Sort::AddPath | Sort::InternalAddPath) {
            let mut families = config.families.iter_mut();
            families.by_ref().take(1).for_each(|family| family.add_path = Some(AddPathMode::Receive));
        }
        config.role = match self {
            Self::StrictRole => Some(RoleConfig { role: Role::Customer, strict: true }),
            Self::Of(Sort::Customer) => Some(RoleConfig { role: Role::Provider, strict: false }),
            Self::Of(_) | Self::Short(_) | Self::Other => None,
        };
        config
    }

    fn decode_options(self) -> DecodeOptions {
        let checks_first = !self.sort().internal() && self.sort() != Sort::AnyFirstAs;
        DecodeOptions {
            enforce_first_as: checks_first.then(|| Asn(u32::from(self.asn()))),
            as_sets: (self.sort() == Sort::InternalNoSets).then_some(AsSets::TreatAsWithdraw),
            local_role: (self == Self::Of(Sort::Customer)).then_some(Role::Provider),
            local_addrs: ["10.0.0.1", "2001:db8::1"]
                .map(|text| text.parse().expect("an address"))
                .into_iter()
                .collect(),
            ..DecodeOptions::default()
        }
    }

    fn capabilities(self) -> String {
        let narrow = matches!(self.sort(), Sort::TwoOctet | Sort::InternalTwoOctet);
        let asn = if narrow { String::new() } else { four_octets(self.asn()) };
        let more = match self {
            // RFC 7911 §4: IPv4 unicast, send.
            Self::Of(Sort::AddPath | Sort::InternalAddPath) => "450400010102",
            // RFC 9234 §4.1: customer; provider.
            Self::Of(Sort::Customer) => "090103",
            Self::StrictRole => "090100",
            _ => "",
        };
        format!("{FAMILIES} {asn} 0200 {more}")
    }
}

/// What ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Notification(Notification),
    Closed,
}

/// One end of a connection, and what was sent to the other.
struct Side {
    kind: Kind,
    fsm: Peer,
    peer: PeerId,
    connection: Option<ConnectionId>,
    framer: Framer,
    session: Option<Session>,
    opens: usize,
    keepalives: usize,
    end: Option<End>,
    received: Received,
    faults: [u64; 2],
}

struct Session {
    id: SessionId,
    negotiated: Arc<Negotiated>,
    context: UpdateContext,
    scratch: Scratch,
    builder: BatchBuilder,
    readers: VecDeque<JournalReader>,
    rest: Vec<u8>,
}

/// The speaker.
pub(crate) struct Stand {
    now: Timestamp,
    rib: Rib,
    sides: Vec<Side>,
}

impl Stand {
    pub(crate) fn new() -> Self {
        let config = RibConfig {
            asn: Asn(65000),
            bgp_id: BgpId(0x0a00_0001),
            decision: DecisionOptions::default(),
            resolve: Resolve::Off,
            bounds: Bounds::default(),
            start: Start::Fresh,
        };
        Self { now: Timestamp::from_secs(1), rib: Rib::new(&config, 1), sides: Vec::new() }
    }

    /// A new peer, whose connection stands: our OPEN is on the way.
    pub(crate) fn connect(&mut self, kind: Kind) -> usize {
        let (peer, at) = (self.rib.add_peer().expect("few peers"), self.sides.len());
        let mut fsm = Peer::new(kind.config(), at as u64);
        fsm.handle(self.now, Event::ManualStart);
        let connection = fsm.new_connection_id();
        self.sides.push(Side {
            kind,
            fsm,
            peer,
            connection: Some(connection),
            framer: Framer::new(),
            session: None,
            opens: 0,
            keepalives: 0,
            end: None,
            received: Received::default(),
            faults: [0; 2],
        });
        self.event(at, Event::TcpConnectionConfirmed(connection));
        assert_eq!((self.sides[at].opens, &self.sides[at].end), (1, &None), "our OPEN");
        at
    }

    /// A peer whose OPEN was taken.
    pub(crate) fn open(&mut self, kind: Kind, more: &str) -> usize {
        let at = self.connect(kind);
        let capabilities = format!("{} {more}", kind.capabilities());
        let open = OpenWith { asn: kind.asn(), hold_time: 90, capabilities: &capabilities };
        self.say(at, &open.message());
        assert_eq!((self.sides[at].keepalives, &self.sides[at].end), (1, &None), "the answer to an OPEN of {kind:?}");
        at
    }

    /// An established session.
    pub(crate) fn establish(&mut self, kind: Kind, more: &str) -> usize {
        let at = self.open(kind, more);
        self.say(at, &message(KEEPALIVE, &[]));
        assert!(self.is_established(at), "{kind:?}");
        at
    }

    pub(crate) fn is_established(&self, at: usize) -> bool {
        self.sides[at].session.is_some() && self.sides[at].fsm.established().is_some()
    }

    pub(crate) fn end(&self, at: usize) -> Option<&End> {
        self.sides[at].end.as_ref()
    }

    /// UPDATEs that were treated as withdrawn, and those of which an attribute was discarded.
    pub(crate) fn faults(&self, at: usize) -> [u64; 2] {
        self.sides[at].faults
    }

    /// What this peer was sent.
    pub(crate) fn received(&self, at: usize) -> &Received {
        &self.sides[at].received
    }

    /// Our OPENs and KEEPALIVEs so far.
    pub(crate) fn control(&self, at: usize) -> (usize, usize) {
        (self.sides[at].opens, self.sides[at].keepalives)
    }

    /// The peer says this, all at once.
    pub(crate) fn say(&mut self, at: usize, octets: &[u8]) {
        self.say_in_pieces(at, octets, octets.len().max(1));
    }

    /// The peer says this, and so many octets arrive at a time; then everybody has time to work.
    pub(crate) fn say_in_pieces(&mut self, at: usize, octets: &[u8], piece: usize) {
        for piece in octets.chunks(piece) {
            self.now = self.now + Duration::from_millis(1);
            if self.sides[at].connection.is_some() {
                self.sides[at].framer.push(piece);
                self.frames(at);
            }
        }
        self.settle();
    }

    /// So many seconds pass.
    pub(crate) fn wait(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        loop {
            let due = self.sides.iter().enumerate().filter_map(|(at, side)| Some((side.fsm.poll_timeout()?, at))).min();
            let Some((due, at)) = due.filter(|(due, _)| *due <= until) else { break };
            self.now = self.now.max(due);
            self.sides[at].fsm.handle_timeout(self.now);
            self.carry_out(at);
        }
        self.now = until;
        self.settle();
    }

    /// The peer ends its direction of the connection.
    pub(crate) fn finish(&mut self, at: usize) {
        if let Some(id) = self.sides[at].connection.take() {
            self.event(at, Event::TcpConnectionFails(id, TcpFailure::Closed));
            self.sides[at].ended(End::Closed);
        }
        self.settle();
    }

    /// Whatever whole messages there are.
    fn frames(&mut self, at: usize) {
        let mut updates = 0;
        while let Some(id) = self.sides[at].connection {
            let side = &mut self.sides[at];
            let frame = match side.framer.next() {
                Ok(None) => break,
                Ok(Some(frame)) => frame,
                // RFC 4271 §6.4: a malformed NOTIFICATION is not answered.
                Err(error) => {
                    match error.notification() {
                        Some(notification) => self.event(at, Event::BgpHeaderErr(id, notification)),
                        None => self.finish(at),
                    }
                    break;
                }
            };
            let session = side.session.as_mut();
            let event = match (frame.kind, session) {
                (MessageType::Update, Some(session)) => {
                    match decode(frame.body(), &session.context, &mut session.scratch) {
                        Ok(update) => {
                            session.builder.push(&update);
                            if let Some(action) = update.action {
                                let withdraws = action >= heddle_bgp_core::update::FaultAction::TreatAsWithdraw;
                                side.faults[usize::from(!withdraws)] += 1;
                            }
                            updates += 1;
                            continue;
                        }
                        Err(reset) => Event::UpdateMsgErr(id, reset.notification()),
                    }
                }
                (MessageType::Update, None) => Event::UpdateMsg(id, 1),
                (MessageType::RouteRefresh, session) => {
                    let enhanced =
                        session.as_ref().map_or(EnhancedRefresh::Absent, |s| EnhancedRefresh::from(&*s.negotiated));
                    match (RouteRefresh::decode(frame.raw, enhanced), session) {
                        (Err(error), _) => Event::RouteRefreshMsgErr(id, error.notification()),
                        (Ok(refresh), Some(session)) => {
                            let known = session.negotiated.family(refresh.family).is_some();
                            match refresh.subtype {
                                RefreshSubtype::Request => self.rib.refresh(self.now, session.id, refresh.family),
                                RefreshSubtype::Begin if known => session.builder.begin_refresh(refresh.family),
                                RefreshSubtype::End if known => session.builder.end_refresh(refresh.family),
                                RefreshSubtype::Begin | RefreshSubtype::End | RefreshSubtype::Unknown(_) => {}
                            }
                            Event::RouteRefreshMsg(id)
                        }
                        (Ok(_), None) => Event::RouteRefreshMsg(id),
                    }
                }
                (MessageType::Open, _) => match Open::decode(frame.body()) {
                    Ok(open) => Event::BgpOpen(id, open),
                    Err(error) => Event::BgpOpenMsgErr(id, error.notification()),
                },
                (MessageType::Keepalive, _) => Event::KeepAliveMsg(id),
                (MessageType::Notification, _) => {
                    Event::NotifMsg(id, Notification::decode(frame.body()).expect("framed"))
                }
            };
            self.event(at, event);
        }
        let Some(id) = self.sides[at].connection else { return };
        let side = &mut self.sides[at];
        if updates > 0 && side.fsm.updates_received(self.now, id, updates) == Door::Shut {
            side.session.as_mut().into_iter().for_each(|session| drop(session.builder.take()));
        }
        if let Some(session) = side.session.as_mut().filter(|session| !session.builder.is_empty()) {
            self.rib.ingest(self.now, session.id, &session.builder.take());
        }
        self.carry_out(at);
    }

    fn event(&mut self, at: usize, event: Event) {
        self.sides[at].fsm.handle(self.now, event);
        self.carry_out(at);
    }

    fn carry_out(&mut self, at: usize) {
        let (mut silent, mut wrote) = (None, None);
        while let Some(action) = self.sides[at].fsm.poll_action() {
            let side = &mut self.sides[at];
            match action {
                Action::Connect(_) => panic!("a passive peer is not connected to"),
                Action::Send(id, sent) => {
                    wrote = Some(id);
                    match sent {
                        heddle_bgp_fsm::Message::Open(..) => side.opens += 1,
                        heddle_bgp_fsm::Message::Keepalive => side.keepalives += 1,
                        heddle_bgp_fsm::Message::Notification(n) => side.ended(End::Notification(n)),
                    }
                }
                Action::Close(_) => {
                    side.connection = None;
                    side.ended(End::Closed);
                }
                Action::Up(_, negotiated) => self.up(at, negotiated),
                Action::Down(..) => {
                    let session = side.session.take().expect("a session was up");
                    self.rib.peer_down(self.now, session.id, &[]);
                }
                // What came was handled when it came.
                Action::CheckHold(id) => silent = Some(id),
                Action::StateChanged { .. } => {}
            }
        }
        // RFC 9687 §4.4: the peer takes what is written.
        if let Some(id) = wrote {
            self.sides[at].fsm.handle(self.now, Event::WriteProgress(id));
        }
        if let Some(id) = silent {
            self.event(at, Event::ReadEmpty(id));
        }
    }

    fn up(&mut self, at: usize, negotiated: Arc<Negotiated>) {
        let side = &mut self.sides[at];
        if negotiated.max_receive_len > 4096 {
            side.framer.allow_extended();
        }
        let internal = side.kind.sort().internal();
        let (kind, receiver) =
            if internal { (SourceKind::Client, Receiver::Client) } else { (SourceKind::Ebgp, Receiver::Ebgp) };
        let family = |family: Family| {
            let mut export = ExportKey::new(family, receiver, Asn(65000));
            export.policy = PolicyChain::accept_all();
            export.cluster_id = ClusterId(0x0a00_0001);
            if internal {
                export.aigp = Aigp::On;
            }
            export.max_message_len = negotiated.max_message_len;
            export.as_width = negotiated.as_width;
            export.self_next_hop = SelfNextHop {
                v4: Some([10, 0, 0, 1].into()),
                v6: Some("2001:db8::1".parse().expect("an address")),
                ..SelfNextHop::default()
            };
            FamilyParams {
                export,
                default_originate: DefaultOriginate::Off,
                import: Arc::new(ImportSettings {
                    guard: None,
                    policy: PolicyChain::accept_all(),
                    prepend: None,
                    graceful_shutdown: GracefulShutdown::Honor,
                    context: EvalContext { own_asn: Asn(65000), self_next_hop: None },
                }),
                refresh: if negotiated.enhanced_route_refresh { RefreshMode::Enhanced } else { RefreshMode::Plain },
                limit_in: None,
                limit_out: None,
                retained: Retained::Discard,
            }
        };
        let params = SessionParams {
            kind,
            peer_asn: negotiated.peer_asn,
            local_asn: Asn(65000),
            bgp_id: negotiated.peer_id,
            peer_addr: std::net::Ipv4Addr::from(0x0a01_0000 + u32::try_from(at).expect("few peers")).into(),
            families: negotiated.families.iter().map(|f| family(f.family)).collect(),
        };
        let id = SessionId { peer: side.peer, serial: 1 };
        let handles = self.rib.peer_up(self.now, id, &params).expect("the RIB takes the session");
        let ingest = IngestContext {
            kind,
            own_asns: [Asn(65000)].into_iter().collect(),
            allow_own_as: 0,
            bgp_id: BgpId(0x0a00_0001),
            cluster_id: ClusterId(0x0a00_0001),
            seed: 1,
        };
        side.session = Some(Session {
            id,
            context: UpdateContext::new(&negotiated, side.kind.decode_options()),
            negotiated,
            scratch: Scratch::new(),
            builder: BatchBuilder::new(ingest),
            readers: handles.readers.into_iter().map(|(_, reader)| reader).collect(),
            rest: Vec::new(),
        });
    }

    /// The RIB and all writers work until there is nothing to do.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let status = self.rib.run(self.now, 1000);
            while let Some(output) = self.rib.poll_output() {
                assert!(
                    matches!(output, Output::WakeWriter { .. } | Output::EndOfRib { .. } | Output::NextHop { .. }),
                    "{output:?}"
                );
            }
            let wrote = self.sides.iter_mut().fold(false, |wrote, side| side.write() | wrote);
            if matches!(status, RunStatus::Idle(_)) && !wrote {
                return;
            }
        }
        panic!("the RIB does not come to rest");
    }

    /// The only path that this peer has to a prefix.
    pub(crate) fn path(&self, at: usize, prefix: &str) -> Option<RouteInfo> {
        let scope = Scope::Exact(prefix.parse::<Prefix>().expect("a prefix"));
        let (mut found, mut cursor) = (Vec::new(), Cursor::default());
        let view = View::Received(self.sides[at].peer);
        while self.rib.routes(scope, view, &mut cursor, 100, &mut found) == Reading::More {}
        assert!(found.len() < 2, "{found:?}");
        found.pop()
    }

    /// The path that is not used, and why.
    pub(crate) fn unused(&self, at: usize, prefix: &str) -> Option<&'static str> {
        match self.path(at, prefix)?.standing {
            Standing::Ineligible(Ineligible::OwnAsLoop) => Some("as_loop"),
            Standing::Ineligible(Ineligible::OriginatorLoop) => Some("originator_loop"),
            Standing::Ineligible(Ineligible::ClusterLoop) => Some("cluster_loop"),
            Standing::Ineligible(Ineligible::OtcLeak) => Some("otc_leak"),
            Standing::Ineligible(_) | Standing::Refused(_) => Some("for another reason"),
            Standing::Decided(_) | Standing::Advertised => None,
        }
    }

    /// A path that may be used.
    pub(crate) fn usable(&self, at: usize, prefix: &str) -> Option<RouteInfo> {
        self.path(at, prefix).filter(|path| matches!(path.standing, Standing::Decided(_)))
    }
}

impl Side {
    /// What ends a connection first is what ended it.
    fn ended(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
        }
    }

    /// Takes all that the journals have; says whether there was anything.
    fn write(&mut self) -> bool {
        let Some(session) = &mut self.session else { return false };
        let mut wrote = false;
        for at in 0..session.readers.len() {
            loop {
                let reader = &mut session.readers[at];
                let mut pieces = Vec::new();
                match reader.take(&mut pieces, 1 << 16) {
                    TakeStatus::Taken => {
                        let octets: Vec<u8> = pieces.into_iter().flatten().collect();
                        let _: Progress = reader.advance(octets.len());
                        session.rest.extend(octets);
                        wrote = true;
                    }
                    TakeStatus::Detached => {
                        wrote |= reader.ready() == Progress::WakeOwner;
                        break;
                    }
                    TakeStatus::Empty(_) | TakeStatus::Closed => break,
                }
            }
            // Whole messages: a journal has no others.
            while let Some(length) = session.rest.get(16..18).map(|l| usize::from(u16::from_be_bytes([l[0], l[1]]))) {
                let message: Vec<u8> = session.rest.drain(..length).collect();
                match message[18] {
                    2 => self.received.take(&message[19..]),
                    5 => {}
                    kind => panic!("a message of type {kind} in a journal: {}", hex(&message)),
                }
            }
        }
        wrote
    }
}
