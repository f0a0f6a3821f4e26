//! OPEN (RFC 4271 §4.2, §6.2) with its capabilities (RFC 5492) and the extended form of optional parameters (RFC 9072).
//!
//! [`Open::decode`] judges all that can be judged without configuration. What depends on it (the AS that the peer should
//! have, our own identifier, which roles fit) is for the state machine; `Notification` has the constructors.

use bytes::{BufMut, BytesMut};
use thiserror::Error;

use crate::asn::{AS_TRANS, Asn};
use crate::bgp_id::BgpId;
use crate::capability::{Capability, CapabilityError, code};
use crate::message::{HEADER_LEN, MAX_LEN, MessageType, encode_message};
use crate::negotiated::Role;
use crate::notification::{self, Notification};
use crate::reader::{Reader, UnexpectedEnd};

/// The version of BGP that we speak.
pub const VERSION: u8 = 4;
/// The optional parameter that holds capabilities (RFC 5492 §4).
const PARAMETER_CAPABILITIES: u8 = 2;
/// In place of a parameter's type: the extended form follows (RFC 9072 §2).
const PARAMETER_EXTENDED: u8 = 255;

/// An OPEN message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// AS of the sender: from the 4-octet AS capability where there is one, else My Autonomous System.
    pub asn: Asn,
    /// Proposed hold time in seconds: 0, or at least 3.
    pub hold_time: u16,
    /// BGP Identifier of the sender; not zero.
    pub bgp_id: BgpId,
    /// Capabilities in the order in which they came, without literal repetitions (RFC 5492 §4).
    pub capabilities: Vec<Capability>,
}

/// The form in which optional parameters are sent (RFC 9072 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OptionalParameters {
    /// The extended form only where the parameters exceed 255 octets.
    #[default]
    WhereNeeded,
    /// Always the extended form.
    AlwaysExtended,
}

/// What is wrong with an OPEN: always the end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Another version than 4 (RFC 4271 §6.2).
    #[error("the peer speaks BGP version {0}, not 4")]
    Version(u8),
    /// AS 0, AS_TRANS as the real number, or two numbers that contradict each other (RFC 7607 §2, RFC 6793 §4.1, §9).
    #[error("My Autonomous System {my_as} is impossible{}", asn4.map(|n| format!(" with {n} in the 4-octet AS capability")).unwrap_or_default())]
    PeerAs {
        /// My Autonomous System.
        my_as: u16,
        /// The 4-octet AS capability.
        asn4: Option<Asn>,
    },
    /// Hold time 1 or 2 (RFC 4271 §6.2).
    #[error("hold time {0} s is neither 0 nor at least 3")]
    HoldTime(u16),
    /// BGP Identifier 0.0.0.0 (RFC 6286 §2.1).
    #[error("BGP Identifier 0.0.0.0")]
    BgpId,
    /// An optional parameter other than capabilities (RFC 4271 §6.2).
    #[error("optional parameter of type {0}")]
    Parameter(u8),
    /// The lengths of the optional parameters, or of the capabilities inside, do not add up (RFC 4271 §6.2).
    #[error("malformed optional parameters")]
    Malformed,
    /// A capability that cannot be passed over is malformed.
    #[error(transparent)]
    Capability(CapabilityError),
    /// Two roles that differ (RFC 9234 §4.2).
    #[error("several roles that differ")]
    Roles,
}

impl From<UnexpectedEnd> for OpenError {
    fn from(UnexpectedEnd: UnexpectedEnd) -> Self {
        Self::Malformed
    }
}

impl OpenError {
    /// What goes on the wire for it.
    #[must_use]
    pub fn notification(self) -> Notification {
        match self {
            // RFC 4271 §6.2: the data is the version that we would speak instead, in two octets.
            Self::Version(_) => Notification::new(notification::OPEN, 1, &u16::from(VERSION).to_be_bytes()),
            Self::PeerAs { .. } => Notification::bad_peer_as(),
            Self::BgpId => Notification::bad_bgp_id(),
            Self::Parameter(_) => Notification::new(notification::OPEN, 4, &[]),
            Self::HoldTime(seconds) => Notification::unacceptable_hold_time(seconds),
            // RFC 4271 §6.2: a recognized parameter that is malformed has subcode 0.
            Self::Malformed | Self::Capability(_) => Notification::new(notification::OPEN, 0, &[]),
            Self::Roles => Notification::role_mismatch(),
        }
    }
}

/// An OPEN whose capabilities exceed the 4096 octets of the message (RFC 8654 §4: extended messages are not for OPEN).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the capabilities take {0} octets, more than an OPEN can hold")]
pub struct OpenTooLong(pub usize);

/// What an OPEN says of the sender's role (RFC 9234 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvertisedRole {
    /// Nothing, or nothing that could be read.
    Absent,
    /// A role.
    Known(Role),
    /// A number that has no meaning: it fits no role of ours (RFC 9234 §4.2).
    Unassigned(u8),
}

impl Open {
    /// What follows the header of an OPEN.
    ///
    /// # Errors
    /// The first fault: version, hold time, identifier, optional parameters, AS.
    pub fn decode(body: &[u8]) -> Result<Self, OpenError> {
        let mut r = Reader::new(body);
        let version = r.u8()?;
        if version != VERSION {
            return Err(OpenError::Version(version));
        }
        let my_as = r.u16()?;
        let hold_time = r.u16()?;
        // RFC 4271 §6.2: one or two seconds must be rejected.
        if matches!(hold_time, 1 | 2) {
            return Err(OpenError::HoldTime(hold_time));
        }
        let bgp_id = BgpId(r.u32()?);
        // RFC 6286 §2.1: any number but zero; it need not be an address.
        if bgp_id == BgpId(0) {
            return Err(OpenError::BgpId);
        }
        let capabilities = decode_parameters(r)?;
        let open = Self { asn: peer_as(my_as, &capabilities)?, hold_time, bgp_id, capabilities };
        open.check_roles()?;
        Ok(open)
    }

    /// Appends the whole message. All capabilities go into one optional parameter (RFC 5492 §4).
    ///
    /// # Errors
    /// They do not fit; nothing was appended.
    pub fn encode(&self, out: &mut BytesMut, form: OptionalParameters) -> Result<(), OpenTooLong> {
        let mut capabilities = BytesMut::new();
        for capability in &self.capabilities {
            capability.encode(&mut capabilities);
        }
        let too_long = OpenTooLong(capabilities.len());
        // RFC 9072 §2: parameters of up to 255 octets need no extended form; two octets are the parameter's header.
        let short = match form {
            OptionalParameters::WhereNeeded => u8::try_from(capabilities.len() + 2).ok(),
            OptionalParameters::AlwaysExtended => None,
        };
        let long = u16::try_from(capabilities.len() + 3).map_err(|_| too_long)?;
        if HEADER_LEN + 13 + usize::from(long) > MAX_LEN {
            return Err(too_long);
        }
        encode_message(out, MessageType::Open, |b| {
            b.put_u8(VERSION);
            b.put_u16(self.asn.as_two_octets());
            b.put_u16(self.hold_time);
            b.put_u32(self.bgp_id.0);
            match short {
                Some(_) if capabilities.is_empty() => b.put_u8(0),
                Some(len) => b.extend_from_slice(&[len, PARAMETER_CAPABILITIES, len - 2]),
                None => {
                    b.extend_from_slice(&[255, PARAMETER_EXTENDED]);
                    b.put_u16(long);
                    b.put_u8(PARAMETER_CAPABILITIES);
                    b.put_u16(long - 3);
                }
            }
            b.extend_from_slice(&capabilities);
        });
        Ok(())
    }

    /// The sender's role.
    #[must_use]
    pub fn role(&self) -> AdvertisedRole {
        self.roles().next().unwrap_or(AdvertisedRole::Absent)
    }

    fn roles(&self) -> impl Iterator<Item = AdvertisedRole> {
        self.capabilities.iter().filter_map(|c| {
            if let Capability::Role(role) = c {
                Some(AdvertisedRole::Known(*role))
            } else if let Capability::Unknown { code: code::ROLE, value } = c
                && let [octet] = value[..]
            {
                Some(AdvertisedRole::Unassigned(octet))
            } else {
                None
            }
        })
    }

    /// RFC 9234 §4.2: several role capabilities must all have the same value.
    fn check_roles(&self) -> Result<(), OpenError> {
        let mut roles = self.roles();
        let first = roles.next();
        if roles.all(|r| Some(r) == first) { Ok(()) } else { Err(OpenError::Roles) }
    }
}

/// The optional parameters in either form, to the end of the message.
fn decode_parameters(mut r: Reader<'_>) -> Result<Vec<Capability>, OpenError> {
    let short_len = usize::from(r.u8()?);
    let extended = short_len != 0 && r.rest().first() == Some(&PARAMETER_EXTENDED);
    let len = if extended {
        // RFC 9072 §2: the short length is 255 from a correct sender, and anything but 0 is accepted.
        r.u8()?;
        usize::from(r.u16()?)
    } else {
        short_len
    };
    if len != r.len() {
        return Err(OpenError::Malformed);
    }
    let parameters = r.rest();
    let mut capabilities = Vec::new();
    // Where those begin that were there, ordered by what they say: two octets each, as there may be more than a thousand.
    let mut seen: Vec<u16> = Vec::new();
    while !r.is_empty() {
        let kind = r.u8()?;
        let len = if extended { usize::from(r.u16()?) } else { usize::from(r.u8()?) };
        let mut value = r.sub(len)?;
        if kind != PARAMETER_CAPABILITIES {
            return Err(OpenError::Parameter(kind));
        }
        // Doubled again and again, the list would take more than all the rest.
        capabilities.reserve(count(value.clone()));
        while !value.is_empty() {
            let at = u16::try_from(parameters.len() - r.len() - value.len()).map_err(|_| OpenError::Malformed)?;
            let [code, len] = value.array()?;
            let value = value.take(usize::from(len))?;
            // RFC 5492 §4: a capability may be repeated, which says nothing new.
            let place = seen.binary_search_by(|other| capability_at(parameters, *other).cmp(&Some((code, value))));
            if let Err(place) = place {
                seen.insert(place, at);
                capabilities.push(Capability::decode(code, value).map_err(OpenError::Capability)?);
            }
        }
    }
    // Most of them may have been the same.
    capabilities.shrink_to_fit();
    Ok(capabilities)
}

/// The capability that begins at a place: its code and its value.
fn capability_at(parameters: &[u8], at: u16) -> Option<(u8, &[u8])> {
    let mut r = Reader::new(parameters.get(usize::from(at)..)?);
    let [code, len] = r.array().ok()?;
    Some((code, r.take(usize::from(len)).ok()?))
}

/// How many capabilities begin in a parameter, the same ones and malformed ones among them.
fn count(mut value: Reader<'_>) -> usize {
    let mut count = 0;
    while let Ok([_, len]) = value.array() {
        count += 1;
        if value.take(usize::from(len)).is_err() {
            break;
        }
    }
    count
}

/// The AS number of the sender, from the two places in which it stands.
fn peer_as(my_as: u16, capabilities: &[Capability]) -> Result<Asn, OpenError> {
    let mut asn4 = None;
    for capability in capabilities {
        let Capability::FourOctetAs(asn) = capability else { continue };
        // The second of two that differ contradicts one of them, or My Autonomous System, or both.
        if asn4.is_some_and(|first| first != *asn) {
            return Err(OpenError::PeerAs { my_as, asn4: Some(*asn) });
        }
        asn4 = Some(*asn);
    }
    let my = Asn(u32::from(my_as));
    let fault = Err(OpenError::PeerAs { my_as, asn4 });
    match asn4 {
        // RFC 7607 §2: AS 0 in either place.
        _ if my == Asn(0) => fault,
        // RFC 6793 §9: AS_TRANS is nobody's number.
        None if my == AS_TRANS => fault,
        None => Ok(my),
        Some(asn) if asn == Asn(0) || asn == AS_TRANS => fault,
        // RFC 6793 §4.1, §9: the number itself, or AS_TRANS in its place (a must above 65535).
        Some(asn) if my == AS_TRANS || my == asn => Ok(asn),
        Some(_) => fault,
    }
}

#[cfg(test)]
mod tests;
