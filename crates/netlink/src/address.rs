//! Addresses of links, as the kernel reports them.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::attribute::Attributes;
use crate::event::Malformed;
use crate::message::u32_at;
use crate::number::{Family, LinkIndex};
use crate::route::Scope;
use crate::wire::{
    IFA_ADDRESS, IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_SECONDARY, IFA_F_TENTATIVE, IFA_FLAGS, IFA_LOCAL,
    IFA_RT_PRIORITY,
};

/// Octets of `struct ifaddrmsg`.
const HEADER: usize = 8;

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Of which link.
    pub link: LinkIndex,
    /// The address.
    pub address: IpAddr,
    /// The prefix that is on the link because of it: of the address, or of the peer.
    pub network: IpNetwork,
    /// The address of the other end, where it was given one of its own.
    pub peer: Option<IpAddr>,
    /// How far it reaches; IPv6 link-local addresses have [`Scope::Link`].
    pub scope: Scope,
    /// IPv6: it is being checked whether nobody else has it; nothing can be bound to it yet.
    pub tentative: bool,
    /// IPv6: somebody else has it.
    pub duplicate: bool,
    /// It should not be used as source of new connections.
    pub deprecated: bool,
    /// IPv4: a further address of the same prefix; IPv6: a temporary one.
    pub secondary: bool,
    /// The metric of the route that the kernel made for its prefix, where it is not the default.
    pub metric: Option<u32>,
}

impl Address {
    /// The family.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }
}

/// Reads what follows the header of an `RTM_NEWADDR` or `RTM_DELADDR`; `None` for other families.
pub(crate) fn decode(payload: &[u8]) -> Result<Option<Address>, Malformed> {
    const MALFORMED: Malformed = Malformed { message: "an address" };
    let (header, attributes) = payload.split_first_chunk::<HEADER>().ok_or(MALFORMED)?;
    let [family, length, short_flags, scope, ..] = *header;
    let Some(family) = Family::from_code(family) else { return Ok(None) };
    let mut flags = u32::from(short_flags);
    let (mut address, mut local, mut metric) = (None, None, None);
    for attribute in Attributes(attributes) {
        match attribute.kind {
            IFA_ADDRESS => address = attribute.ip(),
            IFA_LOCAL => local = attribute.ip(),
            IFA_FLAGS => flags = attribute.u32().ok_or(MALFORMED)?,
            IFA_RT_PRIORITY => metric = attribute.u32(),
            _ => {}
        }
    }
    // IFA_ADDRESS is the other end where there is one of its own; IFA_LOCAL is then the address.
    let own = local.or(address).ok_or(MALFORMED)?;
    let other = address.unwrap_or(own);
    if Family::of(own) != family || Family::of(other) != family {
        return Err(MALFORMED);
    }
    let network = IpNetwork::new(other, length).map_err(|_| MALFORMED)?;
    Ok(Some(Address {
        link: LinkIndex(u32_at(header, 4).ok_or(MALFORMED)?),
        address: own,
        network: IpNetwork::new(network.network(), length).map_err(|_| MALFORMED)?,
        peer: (other != own).then_some(other),
        scope: Scope::from_code(scope),
        tentative: flags & IFA_F_TENTATIVE != 0,
        duplicate: flags & IFA_F_DADFAILED != 0,
        deprecated: flags & IFA_F_DEPRECATED != 0,
        secondary: flags & IFA_F_SECONDARY != 0,
        metric,
    }))
}
