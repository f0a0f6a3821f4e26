//! Making listening sockets, and the keys and hop limits on them.

use std::io;
use std::net::{IpAddr, SocketAddr};

use heddle_bgp_core::{PeerType, Prefix};
use heddle_config::{Config, ListenAddress};
use heddle_socket_options::{self as options, ao};
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::listener::{Listener, socket_addr};
use crate::peer::keys::{Keys, Password};
use crate::peer::transport::Hops;

/// Connections that the kernel holds for us.
const BACKLOG: i32 = 1024;

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Somebody else does.
    #[error(
        "cannot listen on {0}: another program listens there already; stop it (another instance, BIRD, FRR, GoBGP?) or choose \
         another address in router.listen"
    )]
    InUse(ListenAddress),
    /// The interface of a link-local address does not exist.
    #[error("cannot listen on {0}: there is no such interface")]
    NoInterface(ListenAddress),
    /// No permission.
    #[error("cannot listen on {0}: ports below 1024 need root or the capability CAP_NET_BIND_SERVICE")]
    Permission(ListenAddress),
    /// The system refused.
    #[error("cannot listen on {0}: {1}")]
    Io(ListenAddress, io::Error),
}

/// Opens a listening socket.
///
/// # Errors
/// The address is taken, or the system refuses.
pub(crate) fn open(address: &ListenAddress, min_ttl: Option<u8>) -> Result<Listener, ListenError> {
    let at = socket_addr(&address.address, address.port).ok_or_else(|| ListenError::NoInterface(address.clone()))?;
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(address.clone()),
        io::ErrorKind::PermissionDenied => ListenError::Permission(address.clone()),
        _ => ListenError::Io(address.clone(), e),
    };
    let socket = bind(at, address).map_err(failed)?;
    // The kernel answers a SYN with the listener's TTL: a peer with RFC 5082 on its side takes 255 only.
    options::ttl::set_ttl(&socket, 255).map_err(failed)?;
    if let Some(min) = min_ttl {
        // Before the first connection: RFC 5082 §3 wants packets of others gone before they reach the protocol.
        options::ttl::set_min_ttl(&socket, min).map_err(failed)?;
    }
    socket.listen(BACKLOG).map_err(failed)?;
    let listener = TcpListener::from_std(socket.into()).map_err(failed)?;
    info!(address = %address, "listening");
    Ok(Listener::new(listener))
}

fn bind(at: SocketAddr, address: &ListenAddress) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    match socket.bind(&at.into()) {
        Err(e) if e.kind() == io::ErrorKind::AddrNotAvailable => {
            warn!(address = %address, "this machine does not have the address yet; listening there anyway");
            options::bind::set_freebind(&socket, at.ip())?;
            socket.bind(&at.into())?;
        }
        other => other?,
    }
    Ok(socket)
}

/// Changes the least TTL of a socket that listens already.
pub(crate) fn apply_min_ttl(listener: &Listener, config: &Config) {
    let Some(local) = listener.local_addr() else { return };
    let min = common_min_ttl(config, local.is_ipv4()).unwrap_or(0);
    if let Err(error) = options::ttl::set_min_ttl(listener, min) {
        warn!(%local, %error, "cannot change the least TTL of a listening socket");
    }
}

/// One key on a listening socket: whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenKey {
    /// The address, or the prefix of a listen range.
    pub who: Prefix,
    /// The key.
    pub secret: Secret,
}

/// A key as the kernel has it on a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Secret {
    /// For TCP MD5 signatures: one for each address or prefix.
    Md5(Password),
    /// For the TCP Authentication Option (RFC 5925): one for each pair of numbers.
    Ao(ao::Key),
}

impl ListenKey {
    /// The keys of a peer or range, one by one.
    pub(crate) fn of(who: Prefix, keys: Option<Keys>) -> Vec<Self> {
        match keys {
            None => Vec::new(),
            Some(Keys::Md5(password)) => vec![Self { who, secret: Secret::Md5(password) }],
            Some(Keys::Ao(keys)) => keys.iter().map(|key| Self { who, secret: Secret::Ao(key.clone()) }).collect(),
        }
    }

    fn set(&self, listener: &Listener) -> io::Result<()> {
        let (peer, len) = (self.who.addr(), range(self.who));
        match &self.secret {
            Secret::Md5(password) => options::md5::set_key(listener, peer, len, password.octets()),
            Secret::Ao(key) => ao::add_key(listener, peer, len, key, ao::Use::Ready),
        }
    }

    fn remove(&self, listener: &Listener) -> io::Result<()> {
        let (peer, len) = (self.who.addr(), range(self.who));
        match &self.secret {
            Secret::Md5(_) => options::md5::remove_key(listener, peer, len),
            Secret::Ao(key) => ao::remove_key(listener, peer, len, (key.send_id, key.recv_id)),
        }
    }

    /// Whether the kernel takes the other one in place of this one.
    fn is_replaced_by(&self, other: &Self) -> bool {
        self.who == other.who && matches!((&self.secret, &other.secret), (Secret::Md5(_), Secret::Md5(_)))
    }

    /// Whether the kernel cannot have both.
    fn clashes(&self, other: &Self) -> bool {
        let clash = match (&self.secret, &other.secret) {
            (Secret::Md5(a), Secret::Md5(b)) => a != b,
            (Secret::Ao(a), Secret::Ao(b)) => a != b && (a.send_id == b.send_id || a.recv_id == b.recv_id),
            (Secret::Md5(_), Secret::Ao(_)) | (Secret::Ao(_), Secret::Md5(_)) => true,
        };
        self.who == other.who && clash
    }
}

/// Makes the keys on `listener` those of `new`, touching only those that differ from `old`.
pub(crate) fn apply_keys(listener: &Listener, old: &[ListenKey], new: &[ListenKey]) {
    let Some(local) = listener.local_addr() else { return };
    let fits = |k: &&ListenKey| k.who.addr().is_ipv4() == local.is_ipv4();
    let goes = |k: &&ListenKey| !new.iter().any(|n| n == *k || k.is_replaced_by(n));
    for gone in old.iter().filter(fits).filter(goes) {
        if let Err(error) = gone.remove(listener) {
            warn!(peer = %gone.who, %error, "cannot remove a key of the peer from a listening socket");
        }
    }
    // Peers on two links may share an address and a key.
    let first = |at: usize, key: &ListenKey| !new.iter().take(at).any(|k| k == key);
    let comes = new.iter().enumerate().filter(|(_, k)| fits(k) && !old.contains(k));
    for (_, key) in comes.filter(|(at, key)| first(*at, key)) {
        if let Err(error) = key.set(listener) {
            warn!(peer = %key.who, %error, "cannot set a key of the peer on a listening socket: does the kernel have CONFIG_TCP_MD5SIG, or CONFIG_TCP_AO?");
        }
    }
}

/// Says where two peers have the same address, on two links, and not the same key: the kernel knows one an address.
pub(crate) fn warn_of_shared_addresses(keys: &[ListenKey]) {
    for (at, key) in keys.iter().enumerate() {
        if keys.iter().skip(at + 1).any(|k| k.clashes(key)) {
            warn!(peer = %key.who, "peers with the same link-local address on different interfaces need the same key");
        }
    }
}

/// The prefix length of a range; none for a single address.
fn range(who: Prefix) -> Option<u8> {
    let host = if who.addr().is_ipv4() { 32 } else { 128 };
    (who.len() != host).then_some(who.len())
}

/// A single address as a prefix.
#[must_use]
pub(crate) fn host(ip: IpAddr) -> Option<Prefix> {
    Prefix::new(ip, if ip.is_ipv4() { 32 } else { 128 })
}

/// The least TTL that may stand on the listening sockets of one family: the smallest that its peers want, where all of
/// them want one.
#[must_use]
pub(crate) fn common_min_ttl(config: &Config, v4: bool) -> Option<u8> {
    let of = |settings, asn: heddle_config::PeerAs| {
        let local = crate::mapping::session::local_asn(&config.router, settings);
        let peer_type: PeerType = asn.peer_type(local);
        Hops::of(settings, peer_type).min_ttl
    };
    let peers = config.peers.iter().filter(|p| p.address.ip.is_ipv4() == v4).map(|p| of(&p.settings, p.asn));
    let ranges =
        config.listen_ranges.iter().filter(|r| r.prefix.addr().is_ipv4() == v4).map(|r| of(&r.settings, r.asn));
    let wanted: Vec<Option<u8>> = peers.chain(ranges).collect();
    if wanted.iter().any(Option::is_none) {
        return None;
    }
    wanted.into_iter().flatten().min()
}
