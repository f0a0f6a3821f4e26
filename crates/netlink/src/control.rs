//! Links, addresses and single routes, one request at a time with an answer: for whoever builds a network, not for the hot path.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use ipnetwork::IpNetwork;
use netlink_packet_core::Emitable;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use nix::errno::Errno;

use crate::event::Event;
use crate::link::{Link, MacAddress};
use crate::message::{Answer, Messages, begin, finish};
use crate::nexthop::{self, NexthopObject};
use crate::number::{LinkIndex, NexthopId, Port};
use crate::request::EncodeError;
use crate::route::{self, Route};
use crate::socket::{OpenError, ReceiveError, Socket, Wait};
use crate::wire::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLMSG_ERROR, RTM_DELADDR, RTM_DELLINK, RTM_DELNEXTHOP,
    RTM_DELROUTE, RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWNEXTHOP, RTM_NEWROUTE, RTM_SETLINK,
};

/// Octets of the longest answer.
const BUFFER: usize = 64 << 10;

/// A request was not done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {source}")]
pub struct ControlError {
    /// What was asked for, as in "create the bridge br0".
    what: String,
    /// Why it was not done.
    source: Cause,
}

impl ControlError {
    /// The kernel's error code, where it refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match &self.source {
            Cause::Refused { error, .. } => Some(*error),
            Cause::Io(error) => error.raw_os_error().map(Errno::from_raw),
            Cause::Encode(_) => None,
        }
    }
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
enum Cause {
    /// The kernel refused.
    #[error("{}{}", error.desc(), in_words(text.as_deref()))]
    Refused { error: Errno, text: Option<Box<str>> },
    /// It cannot be said.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The kernel's own words, behind an error.
pub(crate) fn in_words(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!(" ({text})"))
}

/// One end of a veth pair that is to be made.
#[derive(Clone, Debug)]
pub struct VethEnd<'a> {
    /// Its name.
    pub name: &'a str,
    /// In which network namespace it begins; `None`: that of the [`Control`].
    pub namespace: Option<BorrowedFd<'a>>,
    /// Its hardware address; `None`: a random one.
    pub mac: Option<MacAddress>,
    /// Its MTU; `None`: 1500.
    pub mtu: Option<u32>,
}

impl<'a> VethEnd<'a> {
    /// An end in the namespace of the [`Control`].
    #[must_use]
    pub fn new(name: &'a str) -> VethEnd<'a> {
        VethEnd { name, namespace: None, mac: None, mtu: None }
    }

    /// The same, beginning in another network namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: BorrowedFd<'a>) -> VethEnd<'a> {
        self.namespace = Some(namespace);
        self
    }

    fn attributes(&self) -> Vec<LinkAttribute> {
        let mut attributes = vec![LinkAttribute::IfName(self.name.to_owned())];
        attributes.extend(self.namespace.map(|namespace| LinkAttribute::NetNsFd(namespace.as_raw_fd())));
        attributes.extend(self.mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
        attributes.extend(self.mtu.map(LinkAttribute::Mtu));
        attributes
    }
}

/// A VXLAN tunnel that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vxlan<'a> {
    /// Its name.
    pub name: &'a str,
    /// The VXLAN network identifier, 24 bits.
    pub vni: u32,
    /// The UDP port; 4789 is the one assigned.
    pub port: u16,
    /// The address that packets are sent from.
    pub local: IpAddr,
    /// The link that they are sent over; `None`: by the routing table.
    pub lower: Option<LinkIndex>,
}

/// The socket for links, addresses and single routes. Each call waits for the kernel's answer.
#[derive(Debug)]
pub struct Control {
    socket: Socket,
    sequence: u32,
    request: Vec<u8>,
    buffer: Box<[u8]>,
}

impl Control {
    /// A socket in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn open() -> Result<Control, OpenError> {
        let socket = Socket::open()?;
        socket.set_strict()?;
        Ok(Control { socket, sequence: 0, request: Vec::new(), buffer: vec![0; BUFFER].into_boxed_slice() })
    }

    /// The port that events of what this socket does carry.
    #[must_use]
    pub fn port(&self) -> Port {
        self.socket.port()
    }

    /// The link of a name.
    ///
    /// # Errors
    ///
    /// When there is none (`ENODEV`).
    pub fn link(&mut self, name: &str) -> Result<Link, ControlError> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        self.find_link(format_args!("find the link {name}"), &message)
    }

    /// The link of an index.
    ///
    /// # Errors
    ///
    /// When there is none (`ENODEV`).
    pub fn link_of(&mut self, index: LinkIndex) -> Result<Link, ControlError> {
        let mut message = LinkMessage::default();
        message.header.index = index.0;
        self.find_link(format_args!("find the link of index {index}"), &message)
    }

    /// Makes a veth pair; each end may be in a network namespace of its own from the beginning.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn create_veth(&mut self, end: &VethEnd<'_>, peer: &VethEnd<'_>) -> Result<(), ControlError> {
        let mut other = LinkMessage::default();
        other.attributes = peer.attributes();
        let info = LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ]);
        let mut message = LinkMessage::default();
        message.attributes = end.attributes();
        message.attributes.push(info);
        self.new_link(format_args!("create the veth pair {} and {}", end.name, peer.name), &message)
    }

    /// Makes a bridge.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn create_bridge(&mut self, name: &str) -> Result<(), ControlError> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
        self.new_link(format_args!("create the bridge {name}"), &message)
    }

    /// Makes a VXLAN tunnel that learns nothing by itself.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or has no VXLAN (`EOPNOTSUPP`).
    pub fn create_vxlan(&mut self, vxlan: &Vxlan<'_>) -> Result<(), ControlError> {
        let mut data = vec![InfoVxlan::Id(vxlan.vni), InfoVxlan::Port(vxlan.port), InfoVxlan::Learning(false)];
        data.push(match vxlan.local {
            IpAddr::V4(local) => InfoVxlan::Local(local),
            IpAddr::V6(local) => InfoVxlan::Local6(local),
        });
        data.extend(vxlan.lower.map(|lower| InfoVxlan::Link(lower.0)));
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(vxlan.name.to_owned()));
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Vxlan),
            LinkInfo::Data(InfoData::Vxlan(data)),
        ]));
        self.new_link(format_args!("create the VXLAN tunnel {}", vxlan.name), &message)
    }

    /// Deletes a link, and with a veth its other end.
    ///
    /// # Errors
    ///
    /// When there is none (`ENODEV`), or it cannot be deleted (`EOPNOTSUPP`).
    pub fn delete_link(&mut self, link: LinkIndex) -> Result<(), ControlError> {
        let message = of_link(link);
        self.ask(format_args!("delete the link of index {link}"), RTM_DELLINK, 0, |buffer| emit(buffer, &message))
    }

    /// Switches a link on.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_up(&mut self, link: LinkIndex) -> Result<(), ControlError> {
        let mut message = of_link(link);
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.set(format_args!("switch on the link of index {link}"), &message)
    }

    /// Switches a link off.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_down(&mut self, link: LinkIndex) -> Result<(), ControlError> {
        let mut message = of_link(link);
        message.header.change_mask = LinkFlags::Up;
        self.set(format_args!("switch off the link of index {link}"), &message)
    }

    /// Renames a link.
    ///
    /// # Errors
    ///
    /// When the name is taken (`EEXIST`) or is none (`EINVAL`).
    pub fn rename(&mut self, link: LinkIndex, name: &str) -> Result<(), ControlError> {
        let what = format_args!("rename the link of index {link} to {name}");
        self.set_attribute(what, link, LinkAttribute::IfName(name.to_owned()))
    }

    /// Makes a link a port of a bridge, or of none.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_master(&mut self, link: LinkIndex, master: Option<LinkIndex>) -> Result<(), ControlError> {
        let number = master.map_or(0, |master| master.0);
        let what = format_args!("set the master of the link of index {link} to {number}");
        self.set_attribute(what, link, LinkAttribute::Controller(number))
    }

    /// Moves a link into another network namespace. It is switched off and loses its addresses; its index may change.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn move_to(&mut self, link: LinkIndex, namespace: impl AsFd) -> Result<(), ControlError> {
        let what = format_args!("move the link of index {link} into another network namespace");
        self.set_attribute(what, link, LinkAttribute::NetNsFd(namespace.as_fd().as_raw_fd()))
    }

    /// Sets the hardware address.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_mac(&mut self, link: LinkIndex, mac: MacAddress) -> Result<(), ControlError> {
        let what = format_args!("set the hardware address of the link of index {link} to {mac}");
        self.set_attribute(what, link, LinkAttribute::Address(mac.0.to_vec()))
    }

    /// Sets the MTU.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_mtu(&mut self, link: LinkIndex, mtu: u32) -> Result<(), ControlError> {
        let what = format_args!("set the MTU of the link of index {link} to {mtu}");
        self.set_attribute(what, link, LinkAttribute::Mtu(mtu))
    }

    /// Gives a link an address with the length of its prefix. IPv6 addresses can be used at once: there is no check for
    /// duplicates (`IFA_F_NODAD`).
    ///
    /// # Errors
    ///
    /// When the link has it (`EEXIST`), or the kernel refuses.
    pub fn add_address(&mut self, link: LinkIndex, address: IpNetwork) -> Result<(), ControlError> {
        let message = of_address(link, address);
        let what = format_args!("add the address {address} to the link of index {link}");
        self.ask(what, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, |buffer| emit(buffer, &message))
    }

    /// Takes an address from a link.
    ///
    /// # Errors
    ///
    /// When the link does not have it (`EADDRNOTAVAIL`).
    pub fn delete_address(&mut self, link: LinkIndex, address: IpNetwork) -> Result<(), ControlError> {
        let message = of_address(link, address);
        let what = format_args!("delete the address {address} of the link of index {link}");
        self.ask(what, RTM_DELADDR, 0, |buffer| emit(buffer, &message))
    }

    /// Writes down the hardware address of a neighbour for good: it is never asked for, and never removed by the kernel, whose
    /// table of the others is limited in size for all namespaces together.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_neighbour(&mut self, link: LinkIndex, address: IpAddr, mac: MacAddress) -> Result<(), ControlError> {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = link.0;
        message.header.state = NeighbourState::Permanent;
        let (family, destination) = match address {
            IpAddr::V4(address) => (AddressFamily::Inet, NeighbourAddress::Inet(address)),
            IpAddr::V6(address) => (AddressFamily::Inet6, NeighbourAddress::Inet6(address)),
        };
        message.header.family = family;
        message.attributes.push(NeighbourAttribute::Destination(destination));
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
        let what = format_args!("write down the neighbour {address} on the link of index {link}");
        self.ask(what, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, |buffer| emit(buffer, &message))
    }

    /// Adds a route.
    ///
    /// # Errors
    ///
    /// When its key is taken (`EEXIST`), or the kernel refuses.
    pub fn add_route(&mut self, route: &Route) -> Result<(), ControlError> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.ask(format_args!("add the route {route}"), RTM_NEWROUTE, flags, |buffer| {
            route::encode::route(buffer, route)
        })
    }

    /// Replaces the route of the same key, or adds it.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn replace_route(&mut self, route: &Route) -> Result<(), ControlError> {
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.ask(format_args!("replace the route {route}"), RTM_NEWROUTE, flags, |buffer| {
            route::encode::route(buffer, route)
        })
    }

    /// Deletes a route.
    ///
    /// # Errors
    ///
    /// When there is none like it (`ESRCH`).
    pub fn delete_route(&mut self, route: &Route) -> Result<(), ControlError> {
        self.ask(format_args!("delete the route {route}"), RTM_DELROUTE, 0, |buffer| {
            route::encode::deletion(buffer, route)
        })
    }

    /// Adds a nexthop object.
    ///
    /// # Errors
    ///
    /// When its number is taken (`EEXIST`), or the kernel refuses.
    pub fn add_nexthop(&mut self, object: &NexthopObject) -> Result<(), ControlError> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.ask(format_args!("add the nexthop object {}", object.id), RTM_NEWNEXTHOP, flags, |buffer| {
            nexthop::encode(buffer, object)
        })
    }

    /// Deletes a nexthop object, and every route that uses it.
    ///
    /// # Errors
    ///
    /// When there is none (`ENOENT`).
    pub fn delete_nexthop(&mut self, id: NexthopId) -> Result<(), ControlError> {
        self.ask(format_args!("delete the nexthop object {id}"), RTM_DELNEXTHOP, 0, |buffer| {
            nexthop::encode_deletion(buffer, id);
            Ok(())
        })
    }

    fn new_link(&mut self, what: fmt::Arguments<'_>, message: &LinkMessage) -> Result<(), ControlError> {
        self.ask(what, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, |buffer| emit(buffer, message))
    }

    fn set(&mut self, what: fmt::Arguments<'_>, message: &LinkMessage) -> Result<(), ControlError> {
        self.ask(what, RTM_SETLINK, 0, |buffer| emit(buffer, message))
    }

    fn set_attribute(
        &mut self,
        what: fmt::Arguments<'_>,
        link: LinkIndex,
        attribute: LinkAttribute,
    ) -> Result<(), ControlError> {
        let mut message = of_link(link);
        message.attributes.push(attribute);
        self.set(what, &message)
    }

    fn find_link(&mut self, what: fmt::Arguments<'_>, message: &LinkMessage) -> Result<Link, ControlError> {
        let mut found = None;
        let result = self.transact(
            RTM_GETLINK,
            0,
            |buffer| emit(buffer, message),
            |event| match event {
                Event::Link(_, link) => found = Some(link),
                Event::Route(..) | Event::Address(..) | Event::Nexthop(..) | Event::Overrun => {}
            },
        );
        let missing = || Cause::Refused { error: Errno::ENODEV, text: None };
        result
            .and_then(|()| found.ok_or_else(missing))
            .map_err(|source| ControlError { what: what.to_string(), source })
    }

    /// Asks, and waits for the answer.
    fn ask(
        &mut self,
        what: fmt::Arguments<'_>,
        kind: u16,
        flags: u16,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), ControlError> {
        self.transact(kind, flags, encode, |_| {}).map_err(|source| ControlError { what: what.to_string(), source })
    }

    fn transact(
        &mut self,
        kind: u16,
        flags: u16,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
        mut tell: impl FnMut(Event),
    ) -> Result<(), Cause> {
        self.sequence = self.sequence.wrapping_add(1);
        self.request.clear();
        let mark = begin(&mut self.request, kind, flags | NLM_F_ACK, self.sequence);
        encode(&mut self.request)?;
        finish(&mut self.request, mark).map_err(EncodeError::from)?;
        self.socket.send(&self.request)?;
        loop {
            let datagram = match self.socket.receive(&mut self.buffer, Wait::Yes) {
                Ok(datagram) => datagram.unwrap_or_default(),
                Err(ReceiveError::Io(error)) => return Err(error.into()),
                Err(error @ (ReceiveError::Overrun | ReceiveError::Truncated(_))) => {
                    return Err(io::Error::other(error).into());
                }
            };
            for message in Messages(datagram).filter(|message| message.sequence == self.sequence) {
                if message.kind == NLMSG_ERROR {
                    return match Answer::decode(&message) {
                        Some(Answer { error: None, .. }) => Ok(()),
                        Some(Answer { error: Some(error), text }) => Err(Cause::Refused { error, text }),
                        None => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
                    };
                }
                if let Some(event) = Event::decode(&message).map_err(io::Error::other)? {
                    tell(event);
                }
            }
        }
    }
}

/// Appends a message of the library.
fn emit(buffer: &mut Vec<u8>, message: &impl Emitable) -> Result<(), EncodeError> {
    let start = buffer.len();
    buffer.resize(start.saturating_add(message.buffer_len()), 0);
    message.emit(buffer.get_mut(start..).ok_or(EncodeError::TooLong)?);
    Ok(())
}

fn of_link(link: LinkIndex) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = link.0;
    message
}

fn of_address(link: LinkIndex, address: IpNetwork) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = link.0;
    message.header.prefix_len = address.prefix();
    message.header.scope = AddressScope::Universe;
    message.header.family = match address {
        IpNetwork::V4(_) => AddressFamily::Inet,
        IpNetwork::V6(_) => AddressFamily::Inet6,
    };
    if address.is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes.push(AddressAttribute::Local(address.ip()));
    message.attributes.push(AddressAttribute::Address(address.ip()));
    message
}
