//! What the kernel reports: one object that is there now, or one that is no more.

use crate::address::{self, Address};
use crate::link::{self, Link};
use crate::message::{Answer, Message, Messages};
use crate::nexthop::{self, NexthopObject};
use crate::route::{self, Route};
use crate::wire::{
    NLMSG_DONE, NLMSG_ERROR, RTM_DELADDR, RTM_DELLINK, RTM_DELNEXTHOP, RTM_DELROUTE, RTM_NEWADDR, RTM_NEWLINK,
    RTM_NEWNEXTHOP, RTM_NEWROUTE,
};

/// A message of the kernel cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kernel's message about {message} cannot be read")]
pub struct Malformed {
    /// About what it is.
    pub message: &'static str,
}

/// Whether an object is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It is there: it is new, or it changed.
    New,
    /// It is gone.
    Deleted,
}

/// What the monitor has heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A route.
    ///
    /// The kernel does not report all that happens to routes; links, addresses and nexthop objects are the sign to look again.
    ///
    /// - IPv4 routes go silently with their link when it is switched off or deleted, with their nexthop object, and before Linux
    ///   6.6 with the address that they prefer as source. IPv6 routes go aloud, as long as `net.ipv4.nexthop_compat_mode` is 1.
    /// - The loss of carrier alone leaves routes with legs in place.
    /// - A route that was replaced is not reported as deleted; one that is replaced by the same is not reported at all
    ///   (IPv4).
    /// - The deletion of an IPv6 route with fewer legs than it has is the deletion of these legs.
    Route(Change, Route),
    /// A link.
    Link(Change, Link),
    /// An address.
    Address(Change, Address),
    /// A nexthop object. All those of a link go silently when it loses its carrier, is switched off or is deleted; the link is
    /// reported right after that. A lost carrier is seen by dumps, and keeps objects from being made, up to a second before
    /// the kernel acts on it; if it is back by then the objects stay. When somebody deletes an object the groups that lose
    /// it are reported too.
    Nexthop(Change, NexthopObject),
    /// Events were lost: the socket's buffer was full, or a message could not be read. All must be dumped again.
    Overrun,
}

/// What a datagram of the kernel tells, message by message, without a socket; answers to requests are read and tell nothing here.
pub fn events(datagram: &[u8]) -> impl Iterator<Item = Result<Event, Malformed>> + use<'_> {
    Messages(datagram).filter_map(|message| {
        if matches!(message.kind, NLMSG_ERROR | NLMSG_DONE) {
            let _ = Answer::decode(&message);
            return None;
        }
        Event::decode(&message).transpose()
    })
}

impl Event {
    /// Reads one message; `None` for what is none of ours.
    pub(crate) fn decode(message: &Message<'_>) -> Result<Option<Event>, Malformed> {
        let change = match message.kind {
            RTM_NEWROUTE | RTM_NEWLINK | RTM_NEWADDR | RTM_NEWNEXTHOP => Change::New,
            RTM_DELROUTE | RTM_DELLINK | RTM_DELADDR | RTM_DELNEXTHOP => Change::Deleted,
            _ => return Ok(None),
        };
        Ok(match message.kind {
            RTM_NEWROUTE | RTM_DELROUTE => route::decode(message.payload)?.map(|route| Event::Route(change, route)),
            RTM_NEWLINK | RTM_DELLINK => link::decode(message.payload)?.map(|link| Event::Link(change, link)),
            RTM_NEWADDR | RTM_DELADDR => {
                address::decode(message.payload)?.map(|address| Event::Address(change, address))
            }
            _ => nexthop::decode(message.payload)?.map(|object| Event::Nexthop(change, object)),
        })
    }
}
