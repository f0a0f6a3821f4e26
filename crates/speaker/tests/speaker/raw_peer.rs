//! A peer that speaks BGP message by message, and does only what a test says.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use heddle_bgp_core::attr::{AsPath, Community, NextHop, Origin, PathAttributes};
use heddle_bgp_core::capability::{ForwardingState, GracefulRestart};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::open::OptionalParameters;
use heddle_bgp_core::update::{EncodeParams, Encoder};
use heddle_bgp_core::{
    AsWidth, Asn, BgpId, Capability, Family, Framer, MessageType, Nlri, Notification, Open, PathId, Prefix, message,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use crate::world::{World, soon};

/// What the peer offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) hold_time: u16,
    pub(crate) graceful_restart: Option<NotificationBit>,
    /// Size of its receive buffer; none: as the system has it.
    pub(crate) receive_buffer: Option<u32>,
}

/// The N bit of graceful restart (RFC 8538).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotificationBit {
    Set,
    Clear,
}

impl Default for Offer {
    fn default() -> Self {
        Self { hold_time: 180, graceful_restart: None, receive_buffer: None }
    }
}

/// What a connection ended with.
#[derive(Debug)]
pub(crate) enum End {
    /// FIN.
    Closed,
    /// A NOTIFICATION, then FIN.
    Notified(Notification),
}

pub(crate) struct RawPeer {
    pub(crate) stream: TcpStream,
    framer: Framer,
    /// The speaker's OPEN.
    pub(crate) open: Option<Open>,
}

impl RawPeer {
    /// Connects from address `from` to speaker `to`, and waits until the session is established.
    pub(crate) async fn connect(world: &World, from: u8, to: u8, offer: Offer) -> Self {
        soon("a session", Self::try_connect(world, from, to, offer)).await.expect("a session")
    }

    /// As [`connect`](Self::connect), where the connection may be refused or end half-way.
    pub(crate) async fn try_connect(world: &World, from: u8, to: u8, offer: Offer) -> Option<Self> {
        let mut peer = Self::dial(world, from, to, offer).await.ok()?;
        let mut out = BytesMut::new();
        open(world.ip(from), offer).encode(&mut out, OptionalParameters::WhereNeeded).expect("a short OPEN");
        peer.stream.write_all(&out).await.ok()?;
        let (kind, body) = peer.quiet_message().await?;
        if kind != MessageType::Open {
            return None;
        }
        peer.open = Open::decode(&body).ok();
        peer.stream.write_all(&message::KEEPALIVE).await.ok()?;
        let (kind, _) = peer.quiet_message().await?;
        (kind == MessageType::Keepalive).then_some(peer)
    }

    /// The next message; none at any end.
    pub(crate) async fn quiet_message(&mut self) -> Option<(MessageType, Vec<u8>)> {
        loop {
            if let Some(frame) = self.framer.next().expect("a sound header") {
                return Some((frame.kind, frame.body().to_vec()));
            }
            let mut buffer = vec![0; 64 << 10];
            let n = self.stream.read(&mut buffer).await.ok()?;
            if n == 0 {
                return None;
            }
            self.framer.push(buffer.get(..n).expect("was read"));
        }
    }

    /// Opens a connection and says nothing.
    pub(crate) async fn dial(world: &World, from: u8, to: u8, offer: Offer) -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(octets) = offer.receive_buffer {
            socket.set_recv_buffer_size(octets)?;
        }
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(world.ip(from), 0))?;
        let stream = soon("a connection", socket.connect(SocketAddr::new(world.ip(to), world.port))).await?;
        Ok(Self { stream, framer: Framer::new(), open: None })
    }

    /// The next message, as type and body; none at the end.
    pub(crate) async fn message(&mut self) -> Option<(MessageType, Vec<u8>)> {
        read(&mut self.stream, &mut self.framer).await
    }

    /// Reads on until the connection ends.
    pub(crate) async fn end(&mut self) -> End {
        let mut end = End::Closed;
        while let Some((kind, body)) = self.message().await {
            if kind == MessageType::Notification {
                end = End::Notified(Notification::decode(&body).expect("a sound NOTIFICATION"));
            }
        }
        end
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) {
        soon("the speaker reads", self.stream.write_all(octets)).await.expect("writes");
    }

    /// Reads until so many different prefixes came.
    pub(crate) async fn routes(&mut self, count: usize) {
        let mut seen = BTreeSet::new();
        while seen.len() < count {
            let (kind, body) = self.message().await.expect("the session goes on");
            assert_ne!(kind, MessageType::Notification);
            if kind == MessageType::Update {
                prefixes(&body, &mut seen);
            }
        }
    }

    /// Reads until the speaker asks for our routes.
    pub(crate) async fn refresh_asked(&mut self) {
        while self.message().await.expect("the session goes on").0 != MessageType::RouteRefresh {}
    }

    pub(crate) async fn end_of_rib(&mut self) {
        let mut out = BytesMut::new();
        Encoder::new(PARAMS).end_of_rib(&mut out);
        self.send(&out).await;
    }

    /// What the speaker said of graceful restart.
    pub(crate) fn graceful_restart(&self) -> Option<&GracefulRestart> {
        self.open.as_ref()?.capabilities.iter().find_map(|c| match c {
            Capability::GracefulRestart(g) => Some(g),
            _ => None,
        })
    }

    /// Both directions, to be used at once.
    pub(crate) fn split(self) -> (Reader, OwnedWriteHalf) {
        let (stream, writer) = self.stream.into_split();
        (Reader { stream, framer: self.framer }, writer)
    }
}

/// The reading side of a peer.
pub(crate) struct Reader {
    stream: OwnedReadHalf,
    framer: Framer,
}

impl Reader {
    async fn kind(&mut self) -> Option<(MessageType, Vec<u8>)> {
        read(&mut self.stream, &mut self.framer).await
    }

    /// Reads on until a NOTIFICATION comes.
    pub(crate) async fn notification(&mut self) -> Notification {
        loop {
            let (kind, body) = self.kind().await.expect("a NOTIFICATION before the end");
            if kind == MessageType::Notification {
                return Notification::decode(&body).expect("a sound NOTIFICATION");
            }
        }
    }

    /// Reads so many KEEPALIVEs, with a hold timer as any peer has one.
    pub(crate) async fn keepalives(&mut self, count: usize, hold_time: Duration) {
        let mut seen = 0;
        while seen < count {
            let message =
                tokio::time::timeout(hold_time, self.kind()).await.expect("the hold timer of the peer expired");
            let (kind, _) = message.expect("the session goes on");
            assert_ne!(kind, MessageType::Notification);
            seen += usize::from(kind == MessageType::Keepalive);
        }
    }
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin), framer: &mut Framer) -> Option<(MessageType, Vec<u8>)> {
    loop {
        if let Some(frame) = framer.next().expect("a sound header") {
            return Some((frame.kind, frame.body().to_vec()));
        }
        let mut buffer = vec![0; 64 << 10];
        let n = soon("octets of the speaker", stream.read(&mut buffer)).await.expect("no reset");
        if n == 0 {
            return None;
        }
        framer.push(buffer.get(..n).expect("was read"));
    }
}

/// Says KEEPALIVE every second.
pub(crate) async fn say_keepalives(mut writer: OwnedWriteHalf) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        if writer.write_all(&message::KEEPALIVE).await.is_err() {
            return;
        }
    }
}

fn open(id: IpAddr, offer: Offer) -> Open {
    let mut capabilities = vec![
        Capability::MultiProtocol(Family::IPV4_UNICAST),
        Capability::RouteRefresh,
        Capability::FourOctetAs(Asn(65001)),
    ];
    if let Some(n) = offer.graceful_restart {
        capabilities.push(Capability::GracefulRestart(GracefulRestart {
            restarted: false,
            notification: n == NotificationBit::Set,
            restart_time: 120,
            families: vec![(Family::IPV4_UNICAST, ForwardingState::Preserved)],
        }));
    }
    let IpAddr::V4(id) = id else { panic!("an IPv4 address") };
    Open { asn: Asn(65001), hold_time: offer.hold_time, bgp_id: BgpId::from(id), capabilities }
}

/// IPv4 prefixes that an UPDATE advertises.
fn prefixes(body: &[u8], seen: &mut BTreeSet<Vec<u8>>) {
    let length = |at: usize| body.get(at..at + 2).map_or(0, |b| usize::from(u16::from_be_bytes([b[0], b[1]])));
    let withdrawn = length(0);
    let attributes = length(2 + withdrawn);
    let mut nlri = body.get(4 + withdrawn + attributes..).unwrap_or_default();
    while let Some(bits) = nlri.first() {
        let (prefix, rest) = nlri.split_at(1 + usize::from(*bits).div_ceil(8));
        seen.insert(prefix.to_vec());
        nlri = rest;
    }
}

const PARAMS: EncodeParams = EncodeParams {
    family: Family::IPV4_UNICAST,
    as_width: AsWidth::Four,
    path_ids: PathIds::Absent,
    max_message_len: message::MAX_LEN,
};

/// `count` prefixes as /32 from 10.0.0.0 on, `each` of them in one UPDATE with its own attributes of about `size` octets.
pub(crate) fn updates(count: u32, each: u32, size: u32) -> Vec<u8> {
    let mut encoder = Encoder::new(PARAMS);
    let mut out = BytesMut::new();
    for first in (0..count).step_by(usize::try_from(each).expect("small")) {
        let mut attributes = PathAttributes::new();
        attributes.origin = Some(Origin::Igp);
        attributes.as_path = Some(AsPath::new());
        attributes.next_hop = Some(NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)));
        attributes.local_pref = Some(100);
        attributes.communities = (0..size / 4).map(|n| Community((first << 12) + n)).collect();
        let block = attributes.to_block().expect("a short block");
        let of = |n: u32| Prefix::new(Ipv4Addr::from(0x0a00_0000 + n).into(), 32).expect("a prefix");
        let nlri = (first..count.min(first + each)).map(|n| Nlri { prefix: of(n), path_id: PathId(0) });
        encoder.advertise(&mut out, &block, &mut nlri.peekable(), usize::MAX).expect("fits");
    }
    out.to_vec()
}
