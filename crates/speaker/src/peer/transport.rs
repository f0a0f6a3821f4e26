//! Opening a connection: which address it comes from, which TTL and keys it has.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heddle_bgp_core::PeerType;
use heddle_config::{PeerAddress, PeerSettings};
use heddle_socket_options::{self as options, ao};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};
use tracing::{info, warn};

use super::Shared;
use super::keys::Keys;
use super::status::{Blocked, Obstacle};
use crate::listener::socket_addr;

/// What a connection needs.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    /// The peer.
    pub peer: PeerAddress,
    /// Its port.
    pub port: u16,
    /// Our address; none lets the system choose.
    pub local: Option<PeerAddress>,
    /// TTL of what we send and least TTL of what we take.
    pub hops: Hops,
    /// What its segments are signed with.
    pub keys: Option<Keys>,
}

/// How far away a peer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hops {
    /// TTL of what we send.
    pub ttl: u8,
    /// The least TTL of what we take (RFC 5082); none takes any.
    pub min_ttl: Option<u8>,
}

impl Hops {
    /// What the settings say: TTL security, else multihop, else 1 for an external peer (RFC 4271 §5.1.3 expects it on
    /// a shared subnet) and 255 for an internal one.
    #[must_use]
    pub(crate) fn of(settings: &PeerSettings, peer_type: PeerType) -> Self {
        if let Some(hops) = settings.ttl_security {
            // RFC 5082 §3: a packet that came over n hops has a TTL of 255 - (n - 1) or more, n = 1 being the same link.
            return Self { ttl: 255, min_ttl: Some(255 - hops.saturating_sub(1)) };
        }
        let ttl = match (settings.multihop, peer_type) {
            (Some(n), _) => n,
            (None, PeerType::Ebgp) => 1,
            (None, PeerType::Ibgp) => 255,
        };
        Self { ttl, min_ttl: None }
    }
}

/// Addresses to connect from that this machine did not have at the last attempt. Peers have them in common, and try again
/// and again: one is told when it is found missing and when it is there.
#[derive(Debug, Default)]
pub(crate) struct MissingAddresses(Mutex<BTreeSet<IpAddr>>);

impl MissingAddresses {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<IpAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missing(&self, address: IpAddr) {
        if self.lock().insert(address) {
            warn!(
                local = %address,
                "this machine does not have local_address yet; connecting from it anyway until it has, and told once"
            );
        }
    }

    fn there(&self, address: IpAddr) {
        if self.lock().remove(&address) {
            info!(local = %address, "this machine has local_address now");
        }
    }
}

/// Opens a connection.
///
/// # Errors
/// The system's, or an interface that does not exist.
pub(crate) async fn dial(dial: Dial, shared: Arc<Shared>) -> io::Result<TcpStream> {
    let remote = socket_addr(&dial.peer, dial.port).ok_or_else(|| missing_interface(&dial.peer))?;
    let socket = Socket::new(Domain::for_address(remote), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if let Some(local) = &dial.local {
        bind(&socket, local, &shared.missing_addresses)?;
    }
    sign(&socket, remote.ip(), dial.keys.as_ref())?;
    // The family is known here: nothing has to be asked of the socket.
    match remote {
        SocketAddr::V4(_) => socket.set_ttl_v4(dial.hops.ttl.into())?,
        SocketAddr::V6(_) => socket.set_unicast_hops_v6(dial.hops.ttl.into())?,
    }
    if let Some(min) = dial.hops.min_ttl {
        options::ttl::set_min_ttl(&socket, min)?;
    }
    TcpSocket::from_std_stream(socket.into()).connect(remote).await
}

/// Gives a socket that is about to connect the keys of the peer.
fn sign(socket: &Socket, peer: IpAddr, keys: Option<&Keys>) -> io::Result<()> {
    match keys {
        None => Ok(()),
        Some(Keys::Md5(password)) => options::md5::set_key(socket, peer, None, password.octets()),
        Some(Keys::Ao(keys)) => keys.iter().enumerate().try_for_each(|(at, key)| {
            // We sign with the first; which of them the peer has is up to it.
            let r#use = if at == 0 { ao::Use::Current } else { ao::Use::Ready };
            ao::add_key(socket, peer, None, key, r#use)
        }),
    }
}

fn bind(socket: &Socket, local: &PeerAddress, missing: &MissingAddresses) -> io::Result<()> {
    let at = socket_addr(local, 0).ok_or_else(|| missing_interface(local))?;
    options::bind::set_bind_address_no_port(socket)?;
    match socket.bind(&at.into()) {
        Err(e) if e.kind() == io::ErrorKind::AddrNotAvailable => {
            missing.missing(at.ip());
            options::bind::set_freebind(socket, at.ip())?;
            socket.bind(&at.into())
        }
        Ok(()) => {
            missing.there(at.ip());
            Ok(())
        }
        other => other,
    }
}

/// Sets what a connection needs that the peer opened.
///
/// # Errors
/// The system's.
pub(crate) fn prepare_incoming(stream: &TcpStream, hops: Hops) -> io::Result<()> {
    apply_hops(stream, hops)
}

fn apply_hops(socket: &impl std::os::fd::AsFd, hops: Hops) -> io::Result<()> {
    options::ttl::set_ttl(socket, hops.ttl)?;
    if let Some(min) = hops.min_ttl {
        options::ttl::set_min_ttl(socket, min)?;
    }
    Ok(())
}

/// What is in the way of connecting to `peer`, where the error tells of something on this machine.
#[must_use]
pub(super) fn hindrance(error: &io::Error, peer: &PeerAddress) -> Option<Blocked> {
    if error.kind() != io::ErrorKind::AddrNotAvailable {
        return None;
    }
    let by = if peer.zone.is_some() { Obstacle::InterfaceMissing } else { Obstacle::NoLocalAddress };
    Some(Blocked { by, text: error.to_string().into() })
}

fn missing_interface(address: &PeerAddress) -> io::Error {
    let zone = address.zone.as_deref().unwrap_or("?");
    io::Error::new(io::ErrorKind::AddrNotAvailable, format!("there is no interface {zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_log::Log;

    /// Peers have it in common, and each tries again and again.
    #[test]
    fn an_address_that_is_missing_is_told_once() {
        let log = Log::default();
        let count = |what: &str| log.text().matches(what).count();
        let to = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || to.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            let missing = MissingAddresses::default();
            // Documentation addresses (RFC 5737): no machine has them.
            let [one, other, ours] = ["192.0.2.77", "192.0.2.78", "127.0.0.77"].map(|a| a.parse().expect("an address"));
            let bind = |address: &PeerAddress| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
                bind(&socket, address, &missing).expect("it is connected from anyway");
            };
            for _ in 0..20 {
                bind(&one);
                bind(&ours);
            }
            assert_eq!(count("does not have local_address yet"), 1);
            bind(&other);
            assert_eq!(count("does not have local_address yet"), 2);
            assert_eq!(count("has local_address now"), 0, "what was never missing is not told");

            // It comes and goes again: both are told.
            missing.there(one.ip);
            missing.there(one.ip);
            assert_eq!(count("has local_address now"), 1);
            bind(&one);
            assert_eq!(count("does not have local_address yet"), 3);
        });
    }
}
