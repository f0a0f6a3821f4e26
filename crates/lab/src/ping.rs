//! ICMP echo between pods, both families, many at once.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::pod::Pod;

/// ICMP (RFC 792) and ICMPv6 (RFC 4443 §4.1) echo request.
const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;

/// What became of a ping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// The pod that asked.
    pub from: String,
    /// The pod that was asked.
    pub to: String,
    /// The address that was asked.
    pub address: IpAddr,
    /// How long the answer took; `None`: there was none in time.
    pub answer: Option<Duration>,
}

/// Every pod pings every other, once in each family.
#[must_use]
pub fn matrix(pods: &[&Pod], patience: Duration) -> Vec<Ping> {
    let mut pings = Vec::new();
    for from in pods {
        let others = pods.iter().filter(|to| to.name() != from.name());
        let targets: Vec<(String, IpAddr)> =
            others.flat_map(|to| to.address().addresses().map(|address| (to.name().to_owned(), address))).collect();
        pings.extend(ping(from, &targets, patience));
    }
    pings
}

/// One pod pings addresses.
#[must_use]
pub fn ping(from: &Pod, targets: &[(String, IpAddr)], patience: Duration) -> Vec<Ping> {
    let mut answers = BTreeMap::new();
    // Without a socket nothing is answered, which the result says.
    if let Ok(sockets) = from.namespace().run(|| [open(Domain::IPV4), open(Domain::IPV6)]) {
        for (socket, v6) in sockets.into_iter().zip([false, true]) {
            let wanted: Vec<IpAddr> =
                targets.iter().map(|(_, address)| *address).filter(|address| address.is_ipv6() == v6).collect();
            if let Ok(socket) = socket {
                answers.extend(exchange(&socket, &wanted, Instant::now() + patience));
            }
        }
    }
    let result = |(to, address): &(String, IpAddr)| Ping {
        from: from.name().to_owned(),
        to: to.clone(),
        address: *address,
        answer: answers.get(address).copied(),
    };
    targets.iter().map(result).collect()
}

fn open(domain: Domain) -> io::Result<Socket> {
    let protocol = if domain == Domain::IPV4 { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    Socket::new(domain, Type::DGRAM, Some(protocol))
}

/// Sends all requests, then reads answers until all are there.
fn exchange(socket: &Socket, targets: &[IpAddr], deadline: Instant) -> BTreeMap<IpAddr, Duration> {
    let (mut sent, mut answers) = (BTreeMap::new(), BTreeMap::new());
    for (address, number) in targets.iter().zip(0u16..) {
        let kind = if address.is_ipv4() { ECHO_REQUEST_V4 } else { ECHO_REQUEST_V6 };
        let [high, low] = number.to_be_bytes();
        // The kernel fills in checksum and identifier.
        let request = [kind, 0, 0, 0, 0, 0, high, low, b'h', b'e', b'd', b'd', b'l', b'e'];
        sent.insert(*address, Instant::now());
        let _ = socket.send_to(&request, &SocketAddr::new(*address, 0).into());
    }
    let mut buffer = [MaybeUninit::uninit(); 256];
    while answers.len() < sent.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
            break;
        }
        match socket.recv_from(&mut buffer) {
            Ok((_, source)) => {
                let Some(address) = source.as_socket().map(|source| source.ip()) else { continue };
                if let Some(since) = sent.get(&address) {
                    answers.entry(address).or_insert_with(|| since.elapsed());
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => break,
            // An error that came back for one request says nothing of the others.
            Err(_) => {}
        }
    }
    answers
}
