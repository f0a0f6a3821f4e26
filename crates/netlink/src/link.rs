//! Links: network interfaces, as the kernel reports them.

use std::fmt;

use crate::attribute::Attributes;
use crate::event::Malformed;
use crate::message::u32_at;
use crate::number::LinkIndex;
use crate::wire::{
    AF_UNSPEC, IFF_LOOPBACK, IFF_LOWER_UP, IFF_RUNNING, IFF_UP, IFLA_ADDRESS, IFLA_CARRIER, IFLA_IFNAME,
    IFLA_INFO_KIND, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU,
};

/// Octets of `struct ifinfomsg`.
const HEADER: usize = 16;

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: LinkIndex,
    /// Its name; it can change, and another link can get it.
    pub name: String,
    /// Its kind where it has one: `veth`, `bridge`, `vxlan`, `ipip`, ….
    pub kind: Option<String>,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether it is connected at this moment. A link that is not up has none.
    pub carrier: bool,
    /// Whether it was connected when the kernel last acted on that, and is not dormant (RFC 2863 §3.1.14): what hangs on the
    /// carrier goes and comes with this, up to a second later.
    pub running: bool,
    /// Whether it is the loopback link.
    pub loopback: bool,
    /// The bridge, or the like, whose port it is.
    pub master: Option<LinkIndex>,
    /// The other link that it is bound to: the other end of a veth pair, the carrier of a tunnel.
    pub lower: Option<LinkIndex>,
    /// `lower` is an index of another network namespace.
    pub lower_elsewhere: bool,
    /// Octets that a packet may have.
    pub mtu: u32,
    /// Its hardware address, if it has one of Ethernet.
    pub mac: Option<MacAddress>,
}

/// A hardware address of Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Reads what follows the header of an `RTM_NEWLINK` or `RTM_DELLINK`; `None` for what a family tells about a link of its
/// own accord, as a bridge does with family `AF_BRIDGE`: an `RTM_DELLINK` of it means that a port left.
pub(crate) fn decode(payload: &[u8]) -> Result<Option<Link>, Malformed> {
    const MALFORMED: Malformed = Malformed { message: "a link" };
    let (header, attributes) = payload.split_first_chunk::<HEADER>().ok_or(MALFORMED)?;
    if header.first() != Some(&AF_UNSPEC) {
        return Ok(None);
    }
    let flags = u32_at(header, 8).ok_or(MALFORMED)?;
    let mut link = Link {
        index: LinkIndex(u32_at(header, 4).ok_or(MALFORMED)?),
        name: String::new(),
        kind: None,
        up: flags & IFF_UP != 0,
        carrier: flags & IFF_LOWER_UP != 0,
        running: flags & IFF_RUNNING != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        master: None,
        lower: None,
        lower_elsewhere: false,
        mtu: 0,
        mac: None,
    };
    for attribute in Attributes(attributes) {
        match attribute.kind {
            IFLA_IFNAME => link.name = attribute.text(),
            IFLA_LINKINFO => {
                let kind = attribute.nested().find(|info| info.kind == IFLA_INFO_KIND);
                link.kind = kind.map(|kind| kind.text());
            }
            IFLA_CARRIER => link.carrier = attribute.u8() == Some(1),
            IFLA_MASTER => link.master = attribute.u32().map(LinkIndex),
            IFLA_LINK => link.lower = attribute.u32().map(LinkIndex),
            IFLA_LINK_NETNSID => link.lower_elsewhere = true,
            IFLA_MTU => link.mtu = attribute.u32().ok_or(MALFORMED)?,
            IFLA_ADDRESS => link.mac = <[u8; 6]>::try_from(attribute.value).ok().map(MacAddress),
            _ => {}
        }
    }
    link.carrier &= link.up;
    Ok(Some(link))
}
