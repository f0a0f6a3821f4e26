//! Capabilities (RFC 5492).
//!
//! A value that its RFC does not allow is kept as [`Capability::Unknown`], and so counts as not advertised; only for
//! multiprotocol and 4-octet AS it is an error, because what the peer meant decides how every UPDATE is read.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::asn::Asn;
use crate::family::Family;
use crate::negotiated::Role;
use crate::notification::floor_utf8;
use crate::reader::{Reader, UnexpectedEnd};

/// Capability codes (IANA "Capability Codes").
pub mod code {
    /// RFC 4760 §8.
    pub const MULTI_PROTOCOL: u8 = 1;
    /// RFC 2918 §2.
    pub const ROUTE_REFRESH: u8 = 2;
    /// RFC 8950 §4.
    pub const EXTENDED_NEXT_HOP: u8 = 5;
    /// RFC 8654 §3.
    pub const EXTENDED_MESSAGE: u8 = 6;
    /// RFC 9234 §4.1.
    pub const ROLE: u8 = 9;
    /// RFC 4724 §3.
    pub const GRACEFUL_RESTART: u8 = 64;
    /// RFC 6793 §3.
    pub const FOUR_OCTET_AS: u8 = 65;
    /// RFC 7911 §4.
    pub const ADD_PATH: u8 = 69;
    /// RFC 7313 §3.1.
    pub const ENHANCED_ROUTE_REFRESH: u8 = 70;
    /// RFC 9494 §3.
    pub const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;
    /// draft-walton-bgp-hostname-capability.
    pub const HOST_NAME: u8 = 73;
}

/// A capability whose length is wrong and that cannot be passed over: NOTIFICATION 2/0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("capability {code} has length {len}, which is impossible")]
pub struct CapabilityError {
    /// Its code.
    pub code: u8,
    /// Its length.
    pub len: usize,
}

/// One capability; unknown codes and known ones with an unusable value are kept as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// 1: a family (RFC 4760 §8).
    MultiProtocol(Family),
    /// 2: route refresh (RFC 2918 §2).
    RouteRefresh,
    /// 5: IPv6 next hops for IPv4 NLRI: (family, AFI of the next hop) (RFC 8950 §4).
    ExtendedNextHop(Vec<(Family, u16)>),
    /// 6: messages up to 65535 octets (RFC 8654 §3).
    ExtendedMessage,
    /// 9: BGP role (RFC 9234 §4.1).
    Role(Role),
    /// 64: graceful restart (RFC 4724 §3, RFC 8538 §2).
    GracefulRestart(GracefulRestart),
    /// 65: 4-octet AS numbers (RFC 6793 §3).
    FourOctetAs(Asn),
    /// 69: ADD-PATH (RFC 7911 §4).
    AddPath(Vec<(Family, AddPathMode)>),
    /// 70: enhanced route refresh (RFC 7313 §3.1).
    EnhancedRouteRefresh,
    /// 71: long-lived graceful restart (RFC 9494 §3).
    LongLivedGracefulRestart(Vec<LlgrFamily>),
    /// 73: host name and domain name (draft-walton-bgp-hostname-capability).
    HostName {
        /// Host name.
        host: String,
        /// Domain name; may be empty.
        domain: String,
    },
    /// Any other, or one whose value we cannot use: code and value as they came.
    Unknown {
        /// Capability code.
        code: u8,
        /// Value.
        value: Bytes,
    },
}

/// Value of the graceful restart capability (RFC 4724 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// R: the speaker has restarted.
    pub restarted: bool,
    /// N: a NOTIFICATION does not end graceful restart (RFC 8538 §2).
    pub notification: bool,
    /// Seconds until the session should be back, 0 to 4095.
    pub restart_time: u16,
    /// The families, and F: whether forwarding state was kept.
    pub families: Vec<(Family, ForwardingState)>,
}

/// F of a family in graceful restart (RFC 4724 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardingState {
    /// F = 0.
    Lost,
    /// F = 1.
    Preserved,
}

/// One family of long-lived graceful restart (RFC 9494 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LlgrFamily {
    /// The family.
    pub family: Family,
    /// F: whether forwarding state was kept.
    pub forwarding: ForwardingState,
    /// Long-lived stale time in seconds, 24 bits.
    pub stale_time: u32,
}

/// Send/Receive of ADD-PATH, from the point of view of its sender, with the number on the wire (RFC 7911 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AddPathMode {
    /// 1: able to receive.
    Receive = 1,
    /// 2: able to send.
    Send = 2,
    /// 3: both.
    Both = 3,
}

impl Capability {
    /// One capability from its code and its whole value.
    ///
    /// # Errors
    /// Multiprotocol or 4-octet AS with a length other than 4 (RFC 4760 §8, RFC 6793 §3).
    pub fn decode(code: u8, value: &[u8]) -> Result<Self, CapabilityError> {
        let known = match code {
            code::MULTI_PROTOCOL => {
                Some(decode_multi_protocol(value).ok_or(CapabilityError { code, len: value.len() })?)
            }
            code::FOUR_OCTET_AS => {
                let octets = value.try_into().map_err(|_| CapabilityError { code, len: value.len() })?;
                Some(Self::FourOctetAs(Asn(u32::from_be_bytes(octets))))
            }
            code::ROUTE_REFRESH => value.is_empty().then_some(Self::RouteRefresh),
            code::EXTENDED_MESSAGE => value.is_empty().then_some(Self::ExtendedMessage),
            code::ENHANCED_ROUTE_REFRESH => value.is_empty().then_some(Self::EnhancedRouteRefresh),
            code::EXTENDED_NEXT_HOP => decode_all(value, extended_next_hop).map(Self::ExtendedNextHop),
            code::ROLE => decode_role(value).map(Self::Role),
            code::GRACEFUL_RESTART => GracefulRestart::decode(value).map(Self::GracefulRestart),
            // RFC 7911 §4: with any Send/Receive but 1 to 3 the capability is ignored.
            code::ADD_PATH => decode_all(value, add_path).map(Self::AddPath),
            code::LONG_LIVED_GRACEFUL_RESTART => {
                decode_all(value, LlgrFamily::decode).map(Self::LongLivedGracefulRestart)
            }
            code::HOST_NAME => decode_host_name(value),
            _ => None,
        };
        Ok(known.unwrap_or_else(|| Self::Unknown { code, value: Bytes::copy_from_slice(value) }))
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::MultiProtocol(_) => code::MULTI_PROTOCOL,
            Self::RouteRefresh => code::ROUTE_REFRESH,
            Self::ExtendedNextHop(_) => code::EXTENDED_NEXT_HOP,
            Self::ExtendedMessage => code::EXTENDED_MESSAGE,
            Self::Role(_) => code::ROLE,
            Self::GracefulRestart(_) => code::GRACEFUL_RESTART,
            Self::FourOctetAs(_) => code::FOUR_OCTET_AS,
            Self::AddPath(_) => code::ADD_PATH,
            Self::EnhancedRouteRefresh => code::ENHANCED_ROUTE_REFRESH,
            Self::LongLivedGracefulRestart(_) => code::LONG_LIVED_GRACEFUL_RESTART,
            Self::HostName { .. } => code::HOST_NAME,
            Self::Unknown { code, .. } => *code,
        }
    }

    /// Appends it. Lists that exceed the 255 octets of a value go into several capabilities of the same code
    /// (RFC 5492 §4) where that is defined for the code, and are cut after the last whole element where it is not;
    /// names are cut between characters.
    pub fn encode(&self, out: &mut BytesMut) {
        let code = self.code();
        match self {
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRouteRefresh => push(out, code, &[]),
            Self::MultiProtocol(family) => {
                let [a, b] = family.afi.0.to_be_bytes();
                push(out, code, &[a, b, 0, family.safi.0]);
            }
            Self::Role(role) => push(out, code, &[*role as u8]),
            Self::FourOctetAs(asn) => push(out, code, &asn.0.to_be_bytes()),
            Self::GracefulRestart(gr) => push(out, code, &gr.value()),
            Self::ExtendedNextHop(list) => push_list(out, code, list, |(family, next_hop_afi)| {
                let ([a, b], [n0, n1]) = (family.afi.0.to_be_bytes(), next_hop_afi.to_be_bytes());
                [a, b, 0, family.safi.0, n0, n1]
            }),
            Self::AddPath(list) => push_list(out, code, list, |(family, mode)| {
                let [a, b] = family.afi.0.to_be_bytes();
                [a, b, family.safi.0, *mode as u8]
            }),
            Self::LongLivedGracefulRestart(list) => push_list(out, code, list, LlgrFamily::value),
            Self::HostName { host, domain } => push(out, code, &host_name_value(host, domain)),
            Self::Unknown { value, .. } => push(out, code, value.get(..255).unwrap_or(value)),
        }
    }
}

/// Code, length and value.
fn push(out: &mut BytesMut, code: u8, value: &[u8]) {
    let len = u8::try_from(value.len()).expect("invariant: the callers keep values within 255 octets");
    out.extend_from_slice(&[code, len]);
    out.extend_from_slice(value);
}

/// As many capabilities as the elements need; one with an empty value for none.
fn push_list<T, const N: usize>(out: &mut BytesMut, code: u8, list: &[T], element: impl Fn(&T) -> [u8; N]) {
    if list.is_empty() {
        push(out, code, &[]);
    }
    for chunk in list.chunks(255 / N) {
        push(out, code, &chunk.iter().flat_map(&element).collect::<Vec<u8>>());
    }
}

/// A list of elements without remainder.
fn decode_all<T>(value: &[u8], element: impl Fn(&mut Reader<'_>) -> Option<T>) -> Option<Vec<T>> {
    let mut r = Reader::new(value);
    let mut list = Vec::new();
    while !r.is_empty() {
        list.push(element(&mut r)?);
    }
    Some(list)
}

fn family(r: &mut Reader<'_>) -> Result<Family, UnexpectedEnd> {
    Ok(Family::new(r.u16()?, r.u8()?))
}

/// AFI, reserved octet (ignored), SAFI (RFC 4760 §8).
fn decode_multi_protocol(value: &[u8]) -> Option<Capability> {
    let [a, b, _, safi] = value.try_into().ok()?;
    Some(Capability::MultiProtocol(Family::new(u16::from_be_bytes([a, b]), safi)))
}

/// AFI, SAFI in two octets, AFI of the next hop (RFC 8950 §4).
fn extended_next_hop(r: &mut Reader<'_>) -> Option<(Family, u16)> {
    let (afi, safi, next_hop_afi) = (r.u16().ok()?, r.u16().ok()?, r.u16().ok()?);
    Some((Family::new(afi, u8::try_from(safi).ok()?), next_hop_afi))
}

/// AFI, SAFI, Send/Receive (RFC 7911 §4).
fn add_path(r: &mut Reader<'_>) -> Option<(Family, AddPathMode)> {
    let family = family(r).ok()?;
    let mode = match r.u8().ok()? {
        1 => AddPathMode::Receive,
        2 => AddPathMode::Send,
        3 => AddPathMode::Both,
        _ => return None,
    };
    Some((family, mode))
}

/// One octet; a number without a meaning is kept with its octet, for RFC 9234 §4.2 to judge.
fn decode_role(value: &[u8]) -> Option<Role> {
    let [octet] = value else { return None };
    Role::from_octet(*octet)
}

/// Two names, each after its length (draft-walton-bgp-hostname-capability §2).
fn decode_host_name(value: &[u8]) -> Option<Capability> {
    let mut r = Reader::new(value);
    let mut name = || {
        let len = usize::from(r.u8().ok()?);
        Some(String::from_utf8_lossy(r.take(len).ok()?).into_owned())
    };
    let (host, domain) = (name()?, name()?);
    r.is_empty().then_some(Capability::HostName { host, domain })
}

/// Both names within the 253 octets that the two lengths leave; the host name has precedence.
fn host_name_value(host: &str, domain: &str) -> Vec<u8> {
    let mut value = Vec::new();
    let mut room = 253;
    for name in [host, domain] {
        let name = floor_utf8(name, room);
        room -= name.len();
        value.push(u8::try_from(name.len()).expect("invariant: at most 253"));
        value.extend_from_slice(name.as_bytes());
    }
    value
}

const FORWARDING_PRESERVED: u8 = 0x80;

impl ForwardingState {
    const fn from_flags(flags: u8) -> Self {
        if flags & FORWARDING_PRESERVED == 0 { Self::Lost } else { Self::Preserved }
    }
    const fn flags(self) -> u8 {
        match self {
            Self::Lost => 0,
            Self::Preserved => FORWARDING_PRESERVED,
        }
    }
}

impl GracefulRestart {
    const RESTARTED: u16 = 0x8000;
    const NOTIFICATION: u16 = 0x4000;
    /// The longest restart time in seconds: 12 bits.
    pub const MAX_RESTART_TIME: u16 = 0x0fff;

    /// Flags and time, then the families; octets that make no whole family at the end are passed over.
    fn decode(value: &[u8]) -> Option<Self> {
        let mut r = Reader::new(value);
        let head = r.u16().ok()?;
        let mut families = Vec::new();
        while let (Ok(family), Ok(flags)) = (family(&mut r), r.u8()) {
            families.push((family, ForwardingState::from_flags(flags)));
        }
        Some(Self {
            restarted: head & Self::RESTARTED != 0,
            notification: head & Self::NOTIFICATION != 0,
            restart_time: head & Self::MAX_RESTART_TIME,
            families,
        })
    }

    fn value(&self) -> Vec<u8> {
        let mut head = self.restart_time.min(Self::MAX_RESTART_TIME);
        if self.restarted {
            head |= Self::RESTARTED;
        }
        if self.notification {
            head |= Self::NOTIFICATION;
        }
        let mut value = head.to_be_bytes().to_vec();
        for (family, forwarding) in self.families.iter().take((255 - 2) / 4) {
            value.extend_from_slice(&family.afi.0.to_be_bytes());
            value.extend_from_slice(&[family.safi.0, forwarding.flags()]);
        }
        value
    }
}

impl LlgrFamily {
    /// The longest stale time in seconds: 24 bits.
    pub const MAX_STALE_TIME: u32 = 0x00ff_ffff;

    /// AFI, SAFI, flags, 24 bits of seconds (RFC 9494 §3).
    fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let family = family(r).ok()?;
        let [flags, a, b, c] = r.array().ok()?;
        let forwarding = ForwardingState::from_flags(flags);
        Some(Self { family, forwarding, stale_time: u32::from_be_bytes([0, a, b, c]) })
    }

    fn value(&self) -> [u8; 7] {
        let [afi0, afi1] = self.family.afi.0.to_be_bytes();
        let [_, a, b, c] = self.stale_time.min(Self::MAX_STALE_TIME).to_be_bytes();
        [afi0, afi1, self.family.safi.0, self.forwarding.flags(), a, b, c]
    }
}

#[cfg(test)]
mod tests;
