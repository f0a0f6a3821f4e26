//! TCP segments written by hand: what somebody may send in another's name.
//!
//! RFC 791 §3.1, RFC 9293 §3.1.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};

/// SYN.
pub const SYN: u8 = 0x02;
/// RST.
pub const RST: u8 = 0x04;
/// RST with ACK.
pub const RST_ACK: u8 = 0x14;

const TCP: u8 = 6;
/// `SOCK_RAW`, and the protocol with which the sender writes the IP header.
const RAW: (i32, i32) = (3, 255);

/// A segment without data and options.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Whom it claims to be from.
    pub from: SocketAddrV4,
    /// Whom it is to.
    pub to: SocketAddrV4,
    /// Its sequence number.
    pub sequence: u32,
    /// Its acknowledgment number.
    pub acknowledgment: u32,
    /// Its flags.
    pub flags: u8,
    /// TTL of its packet.
    pub ttl: u8,
}

impl Segment {
    /// The packet; the kernel fills in the IP header's checksum and length.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        let mut tcp = [self.from.port().to_be_bytes(), self.to.port().to_be_bytes()].concat();
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledgment.to_be_bytes());
        // Five words of header, a window, no checksum yet, no urgent data.
        tcp.extend([5 << 4, self.flags, 0x10, 0, 0, 0, 0, 0]);
        let pseudo =
            [&self.from.ip().octets()[..], &self.to.ip().octets()[..], &[0, TCP, 0, 20][..], &tcp[..]].concat();
        if let Some(place) = tcp.get_mut(16..18) {
            place.copy_from_slice(&checksum(&pseudo).to_be_bytes());
        }
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, self.ttl, TCP, 0, 0];
        packet.extend(self.from.ip().octets());
        packet.extend(self.to.ip().octets());
        packet.extend(tcp);
        packet
    }
}

/// RFC 1071.
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// Sends segments from the network namespace in which it was made.
#[derive(Debug)]
pub struct Forger(Socket);

impl Forger {
    /// In the namespace of the calling thread.
    ///
    /// # Panics
    /// When raw sockets are not allowed.
    #[must_use]
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::from(RAW.0), Some(Protocol::from(RAW.1)));
        Self(socket.unwrap_or_else(|error| panic!("a raw socket: {error}")))
    }

    /// Sends a segment; one that the machine has no room for is sent again.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn send(&self, segment: &Segment) {
        let to = SocketAddr::V4(SocketAddrV4::new(*segment.to.ip(), 0)).into();
        for _ in 0..1000 {
            match self.0.send_to(&segment.packet(), &to) {
                Ok(_) => return,
                // ENOBUFS.
                Err(error) if error.raw_os_error() == Some(105) => std::thread::yield_now(),
                Err(error) => panic!("{segment:?}: {error}"),
            }
        }
        panic!("{segment:?}: no room");
    }
}

impl Default for Forger {
    fn default() -> Self {
        Self::new()
    }
}

/// An address and a port as one.
///
/// # Panics
/// When it is no IPv4 address.
#[must_use]
pub fn at(address: &str, port: u16) -> SocketAddrV4 {
    let ip: Ipv4Addr = address.parse().unwrap_or_else(|error| panic!("{address}: {error}"));
    SocketAddrV4::new(ip, port)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SYN as another implementation writes it (its IP header's checksum aside).
    #[test]
    fn a_packet_is_as_the_rfcs_say() {
        let segment = Segment {
            from: at("10.0.0.2", 40_000),
            to: at("10.0.0.1", 179),
            sequence: 1,
            acknowledgment: 0,
            flags: SYN,
            ttl: 64,
        };
        let packet = segment.packet();
        assert_eq!(packet.len(), 40);
        // With the right checksum in it, the sum over all is zero.
        let tcp = &packet[20..];
        let pseudo = [&packet[12..20], &[0, TCP, 0, 20][..], tcp].concat();
        assert_eq!(checksum(&pseudo), 0);
        assert_eq!(&tcp[..4], [0x9c, 0x40, 0, 179]);
    }
}
