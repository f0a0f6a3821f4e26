//! Listening sockets: who may connect is decided before an octet is read.
//!
//! A connection goes to the task of the static peer with its address, else to the manager when a listen range holds the
//! address, else it is closed. Both ways are bounded and never waited on: a peer or a manager that is behind loses the
//! connection, and the peer tries again.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use heddle_bgp_core::Prefix;
use heddle_config::PeerAddress;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::mailbox::Mailbox;

/// Connections from listen ranges that may wait for the manager.
pub(crate) const RANGE_BACKLOG: usize = 1024;

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The socket.
    pub stream: TcpStream,
    /// Who connected.
    pub peer: PeerAddress,
}

/// Who may connect.
#[derive(Debug)]
pub(crate) struct AcceptTable {
    /// Static peers, and dynamic ones that exist.
    pub peers: HashMap<PeerAddress, Arc<Mailbox>>,
    /// Prefixes of the listen ranges.
    pub ranges: Vec<Prefix>,
    /// Where connections from listen ranges go.
    pub manager: mpsc::Sender<Incoming>,
}

/// The table as listeners and manager share it; locked for a look-up only.
pub(crate) type SharedAcceptTable = Arc<RwLock<AcceptTable>>;

/// A listening socket and its task.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Arc<TcpListener>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Listener {
    /// A listening socket whose connections wait in the kernel until [`start`](Self::start).
    pub(crate) fn new(socket: TcpListener) -> Self {
        Self { socket: Arc::new(socket), task: None }
    }

    /// Accepts connections from now on.
    pub(crate) fn start(&mut self, table: &SharedAcceptTable) {
        if self.task.is_none() {
            self.task = Some(tokio::spawn(accept(Arc::clone(&self.socket), Arc::clone(table))));
        }
    }

    /// Stops listening; when this returns the address is free again.
    pub(crate) async fn close(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // It was told to end: how it ended says nothing.
            let _ = task.await;
        }
    }

    /// The address that it is bound to.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn accept(socket: Arc<TcpListener>, table: SharedAcceptTable) {
    loop {
        match socket.accept().await {
            Ok((stream, remote)) => dispatch(stream, remote, &table),
            Err(error) => {
                // Out of descriptors, or the connection broke before it was accepted: neither ends the listener.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn dispatch(stream: TcpStream, remote: SocketAddr, table: &SharedAcceptTable) {
    let peer = peer_address(remote);
    let table = table.read().unwrap_or_else(PoisonError::into_inner);
    let taken = match table.peers.get(&peer) {
        Some(mailbox) => mailbox.deliver(Incoming { stream, peer }).is_ok(),
        None if table.ranges.iter().any(|r| r.contains_addr(peer.ip)) => {
            table.manager.try_send(Incoming { stream, peer }).is_ok()
        }
        None => {
            debug!(%remote, "closed a connection: no peer and no listen range has this address");
            return;
        }
    };
    if !taken {
        debug!(%remote, "closed a connection: too many wait already");
    }
}

/// The name of whoever is at `remote`: IPv4 behind an IPv6 socket is IPv4, a link-local address has its interface.
#[must_use]
pub(crate) fn peer_address(remote: SocketAddr) -> PeerAddress {
    match remote {
        SocketAddr::V4(a) => PeerAddress::from(IpAddr::V4(*a.ip())),
        SocketAddr::V6(a) => match a.ip().to_ipv4_mapped() {
            Some(v4) => PeerAddress::from(IpAddr::V4(v4)),
            None => PeerAddress { ip: IpAddr::V6(*a.ip()), zone: zone(a.scope_id()) },
        },
    }
}

/// The address to connect to; a link-local one needs its interface to exist.
#[must_use]
pub(crate) fn socket_addr(peer: &PeerAddress, port: u16) -> Option<SocketAddr> {
    match (peer.ip, &peer.zone) {
        (IpAddr::V6(ip), Some(zone)) => {
            let scope = nix::net::if_::if_nametoindex(zone.as_str()).ok()?;
            Some(SocketAddr::V6(std::net::SocketAddrV6::new(ip, port, 0, scope)))
        }
        (ip, _) => Some(SocketAddr::new(ip, port)),
    }
}

fn zone(scope: u32) -> Option<String> {
    if scope == 0 {
        return None;
    }
    nix::net::if_::if_indextoname(scope).ok()?.into_string().ok()
}
