//! What is there: dumps of routes, links, addresses and nexthop objects, filtered by the kernel.

use std::io;

use nix::errno::Errno;

use crate::address::Address;
use crate::attribute::put_u32;
use crate::deletions::Deletions;
use crate::event::{Event, Malformed};
use crate::link::Link;
use crate::message::{Answer, Messages, begin, finish};
use crate::nexthop::NexthopObject;
use crate::number::{Family, LinkIndex, Protocol, Table};
use crate::route::Route;
use crate::socket::{OpenError, RECEIVE_BUFFER, ReceiveError, Socket, Wait};
use crate::wire::{
    AF_UNSPEC, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, RTA_OIF,
    RTA_TABLE, RTM_GETADDR, RTM_GETLINK, RTM_GETNEXTHOP, RTM_GETROUTE,
};

/// Octets that are read at once; the kernel makes its datagrams of a dump at most 32 KiB long.
const BUFFER: usize = 64 << 10;

/// How a dump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Dumped {
    /// Everything was told.
    Complete,
    /// Things changed meanwhile, so that something may be missing or told twice: what was not told may well be there, and nothing
    /// is to be done for its absence. Dump again.
    Interrupted,
}

/// A dump failed.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The request could not be sent, or nothing be read.
    #[error("dump of {what}: {source}")]
    Io {
        /// Of what.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused.
    #[error("the kernel refuses a dump of {what}: {error}{}", crate::control::in_words(text.as_deref()))]
    Refused {
        /// Of what.
        what: &'static str,
        /// Why.
        error: Errno,
        /// The kernel's own words.
        text: Option<Box<str>>,
    },
    /// The socket that watches an IPv6 dump cannot be made.
    #[error("dump of routes: {0}")]
    Watch(#[source] OpenError),
    /// Something that was told cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Which routes to dump: those that fit all that is named. The kernel does the filtering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteFilter {
    /// Of which family.
    pub family: Family,
    /// In which table.
    pub table: Option<Table>,
    /// Written by whom.
    pub protocol: Option<Protocol>,
    /// Over which link.
    pub oif: Option<LinkIndex>,
}

impl RouteFilter {
    /// All of a family.
    #[must_use]
    pub fn family(family: Family) -> RouteFilter {
        RouteFilter { family, table: None, protocol: None, oif: None }
    }

    /// All of a table.
    #[must_use]
    pub fn table(family: Family, table: Table) -> RouteFilter {
        RouteFilter { table: Some(table), ..RouteFilter::family(family) }
    }

    /// Of these, only those that somebody wrote.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> RouteFilter {
        self.protocol = Some(protocol);
        self
    }

    /// Of these, only those over a link.
    #[must_use]
    pub fn oif(mut self, oif: LinkIndex) -> RouteFilter {
        self.oif = Some(oif);
        self
    }

    fn fits(&self, route: &Route) -> bool {
        route.family() == self.family
            && self.table.is_none_or(|table| route.table == table)
            && self.protocol.is_none_or(|protocol| route.protocol == protocol)
            && self.oif.is_none_or(|oif| route.legs.iter().any(|leg| leg.oif == Some(oif)))
    }
}

/// The socket for dumps. What is dumped is told one by one, so that 500,000 routes need no room.
///
/// Routes that change while they are dumped are the monitor's to tell. What does *not* change is always told by a dump of IPv4
/// routes. One of IPv6 routes misses untouched routes where some were deleted and others added, and the kernel does not mark
/// it as interrupted; [`DumpSocket::routes`] therefore takes any deletion meanwhile, ours too, for an interruption.
#[derive(Debug)]
pub struct DumpSocket {
    socket: Socket,
    sequence: u32,
    buffer: Box<[u8]>,
    request: Vec<u8>,
}

impl DumpSocket {
    /// A socket in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn open() -> Result<DumpSocket, OpenError> {
        let socket = Socket::open()?;
        socket.set_strict()?;
        socket.set_receive_buffer(RECEIVE_BUFFER)?;
        let buffer = vec![0; BUFFER].into_boxed_slice();
        let mut dump = DumpSocket { socket, sequence: 0, buffer, request: Vec::new() };
        dump.announce_buffer().map_err(|source| OpenError::new("cannot be used", source))?;
        Ok(dump)
    }

    /// Lets the kernel know how much is read at once. It makes the datagrams of a dump as long as the longest buffer that
    /// was read with before, at first a page or two; a route that is longer, because it has more than about a hundred legs, would
    /// be left out of the dump without a word.
    fn announce_buffer(&mut self) -> io::Result<()> {
        let mark = begin(&mut self.request, NLMSG_NOOP, NLM_F_ACK, self.sequence);
        finish(&mut self.request, mark).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.socket.send(&self.request)?;
        match self.socket.receive(&mut self.buffer, Wait::Yes) {
            Ok(_) => Ok(()),
            Err(ReceiveError::Io(error)) => Err(error),
            Err(error @ (ReceiveError::Overrun | ReceiveError::Truncated(_))) => Err(io::Error::other(error)),
        }
    }

    /// Dumps routes. A table that does not exist has none.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or cannot be understood; what was told until then is not everything.
    pub fn routes(&mut self, filter: &RouteFilter, mut tell: impl FnMut(Route)) -> Result<Dumped, DumpError> {
        let encode = |buffer: &mut Vec<u8>| {
            let protocol = filter.protocol.map_or(0, |protocol| protocol.0);
            buffer.extend_from_slice(&[filter.family.code(), 0, 0, 0, 0, protocol, 0, 0, 0, 0, 0, 0]);
            if let Some(table) = filter.table {
                put_u32(buffer, RTA_TABLE, table.0);
            }
            if let Some(oif) = filter.oif {
                put_u32(buffer, RTA_OIF, oif.0);
            }
        };
        let deletions = match filter.family {
            Family::Ipv4 => None,
            Family::Ipv6 => Some(Deletions::open(filter.table).map_err(DumpError::Watch)?),
        };
        let result = self.dump("routes", RTM_GETROUTE, encode, |event| match event {
            Event::Route(_, route) if filter.fits(&route) => tell(route),
            Event::Route(..) | Event::Link(..) | Event::Address(..) | Event::Nexthop(..) | Event::Overrun => {}
        });
        match result {
            Err(DumpError::Refused { error: Errno::ENOENT, .. }) if filter.table.is_some() => Ok(Dumped::Complete),
            Ok(Dumped::Complete) if deletions.is_some_and(|mut deletions| deletions.any(&mut self.buffer)) => {
                Ok(Dumped::Interrupted)
            }
            result => result,
        }
    }

    /// Dumps links.
    ///
    /// # Errors
    ///
    /// As [`DumpSocket::routes`].
    pub fn links(&mut self, mut tell: impl FnMut(Link)) -> Result<Dumped, DumpError> {
        let encode = |buffer: &mut Vec<u8>| buffer.extend_from_slice(&[0; 16]);
        self.dump("links", RTM_GETLINK, encode, |event| match event {
            Event::Link(_, link) => tell(link),
            Event::Route(..) | Event::Address(..) | Event::Nexthop(..) | Event::Overrun => {}
        })
    }

    /// Dumps addresses of both families.
    ///
    /// # Errors
    ///
    /// As [`DumpSocket::routes`].
    pub fn addresses(&mut self, mut tell: impl FnMut(Address)) -> Result<Dumped, DumpError> {
        let encode = |buffer: &mut Vec<u8>| buffer.extend_from_slice(&[AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0]);
        self.dump("addresses", RTM_GETADDR, encode, |event| match event {
            Event::Address(_, address) => tell(address),
            Event::Route(..) | Event::Link(..) | Event::Nexthop(..) | Event::Overrun => {}
        })
    }

    /// Dumps nexthop objects.
    ///
    /// # Errors
    ///
    /// As [`DumpSocket::routes`]; `EOPNOTSUPP` where the kernel has none (before Linux 5.3).
    pub fn nexthops(&mut self, mut tell: impl FnMut(NexthopObject)) -> Result<Dumped, DumpError> {
        let encode = |buffer: &mut Vec<u8>| buffer.extend_from_slice(&[0; 8]);
        self.dump("nexthop objects", RTM_GETNEXTHOP, encode, |event| match event {
            Event::Nexthop(_, object) => tell(object),
            Event::Route(..) | Event::Link(..) | Event::Address(..) | Event::Overrun => {}
        })
    }

    fn dump(
        &mut self,
        what: &'static str,
        kind: u16,
        encode: impl FnOnce(&mut Vec<u8>),
        mut tell: impl FnMut(Event),
    ) -> Result<Dumped, DumpError> {
        let io = |source| DumpError::Io { what, source };
        self.sequence = self.sequence.wrapping_add(1);
        self.request.clear();
        let mark = begin(&mut self.request, kind, NLM_F_DUMP, self.sequence);
        encode(&mut self.request);
        finish(&mut self.request, mark).map_err(|_| io(io::ErrorKind::InvalidInput.into()))?;
        self.socket.send(&self.request).map_err(io)?;
        let mut reply = Reply::new(what, self.sequence);
        loop {
            match self.socket.receive(&mut self.buffer, Wait::Yes) {
                Ok(Some(datagram)) => {
                    if let Some(end) = reply.datagram(datagram, &mut tell) {
                        return end;
                    }
                }
                Ok(None) => {}
                Err(ReceiveError::Overrun | ReceiveError::Truncated(_)) => reply.lost(),
                Err(ReceiveError::Io(source)) => return Err(io(source)),
            }
        }
    }
}

/// What the kernel answers to one dump, datagram by datagram. It is read to its end also after an error: the kernel refuses another dump
/// until then.
#[derive(Debug)]
pub struct Reply {
    what: &'static str,
    sequence: u32,
    dumped: Dumped,
    malformed: Option<Malformed>,
}

impl Reply {
    /// Nothing of it has come yet. `what` is for errors, the sequence number that of the request.
    #[must_use]
    pub fn new(what: &'static str, sequence: u32) -> Reply {
        Reply { what, sequence, dumped: Dumped::Complete, malformed: None }
    }

    /// A part of it was lost.
    pub fn lost(&mut self) {
        self.dumped = Dumped::Interrupted;
    }

    /// One more datagram; how the dump ended, if this was the end of it. What comes behind the end is not read.
    ///
    /// # Errors
    ///
    /// As [`DumpSocket::routes`].
    pub fn datagram(&mut self, datagram: &[u8], mut tell: impl FnMut(Event)) -> Option<Result<Dumped, DumpError>> {
        let what = self.what;
        for message in Messages(datagram) {
            // What an earlier dump that failed has left behind.
            if message.sequence != self.sequence {
                continue;
            }
            if message.flags & NLM_F_DUMP_INTR != 0 {
                self.lost();
            }
            match message.kind {
                NLMSG_DONE | NLMSG_ERROR => {
                    return Some(match (Answer::decode(&message), self.malformed.take()) {
                        (Some(Answer { error: Some(error), text }), _) => Err(DumpError::Refused { what, error, text }),
                        (_, Some(malformed)) => Err(malformed.into()),
                        (Some(Answer { error: None, .. }) | None, None) => Ok(self.dumped),
                    });
                }
                NLMSG_NOOP => {}
                NLMSG_OVERRUN => self.lost(),
                _ => match Event::decode(&message) {
                    Ok(Some(event)) => tell(event),
                    Ok(None) => {}
                    Err(error) => self.malformed = Some(error),
                },
            }
        }
        None
    }
}
