//! Routes and nexthop objects into the kernel, many in one system call.
//!
//! Requests ask for no acknowledgement: the kernel answers only those that fail, and it has processed a batch when the
//! system call that sends it returns. What the socket holds then are all failures of the batch, told apart by sequence
//! number. Nothing is allocated for a request that succeeds.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use crate::attribute::Mark;
use crate::message::{Answer, HEADER, Messages, begin, finish};
use crate::nexthop::{self, NexthopObject};
use crate::number::{NexthopId, Port};
use crate::route::{self, Route};
use crate::socket::{OpenError, RECEIVE_BUFFER, ReceiveError, Socket, Wait};
use crate::wire::{
    NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLMSG_ERROR, NLMSG_OVERRUN, RTM_DELNEXTHOP, RTM_DELROUTE, RTM_NEWNEXTHOP,
    RTM_NEWROUTE,
};

/// Octets of requests in one system call.
const BATCH: usize = 64 << 10;
/// What an answer may take of the receive buffer, in octets.
const ANSWER: usize = 1 << 10;
/// Octets of the longest answer; those with a capped request and a text are much shorter.
const ANSWER_BUFFER: usize = 16 << 10;

/// What the caller knows a request by; it comes back with a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub u64);

/// A request that cannot be said to the kernel. The socket goes on as if it had not been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// An address is not of the family of the prefix.
    #[error("the source prefix or the preferred source is not of the family of the prefix")]
    Family,
    /// An IPv6 route with an IPv4 gateway.
    #[error("an IPv6 route cannot have an IPv4 gateway")]
    Gateway,
    /// A leg has a weight that legs cannot have.
    #[error("a leg has a weight of more than {}", crate::Weight::LEG_MAX)]
    Weight,
    /// A unicast route that leads nowhere.
    #[error("a unicast route needs a leg or a nexthop object")]
    NoLeg,
    /// More legs or members than a message can have.
    #[error("it has too many legs, or members, for one message")]
    TooLong,
}

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// It cannot be said.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The requests before it could not be sent; they are still queued, this one is not.
    #[error("{0}")]
    Send(#[from] SendError),
}

/// Requests could not be sent. They stay queued; [`RequestSocket::flush`] tries again.
#[derive(Debug, thiserror::Error)]
#[error("the kernel did not take a batch of {requests} requests: {source}")]
pub struct SendError {
    /// How many requests are in the batch.
    pub requests: usize,
    /// Why.
    pub source: io::Error,
}

/// A request that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which one.
    pub cookie: Cookie,
    /// Why.
    pub error: Errno,
    /// The kernel's own words, where it has some.
    pub text: Option<Box<str>>,
}

/// What became of requests. Those that are not named here were done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Results {
    /// Requests that were refused, in the order in which they were queued.
    pub failures: Vec<Failure>,
    /// Requests that may or may not have been done, because answers were lost: what they were about must be read
    /// again from the kernel.
    pub unknown: Vec<Cookie>,
}

impl Results {
    /// Whether everything was done as asked.
    #[must_use]
    pub fn all_done(&self) -> bool {
        self.failures.is_empty() && self.unknown.is_empty()
    }
}

/// How much was sent, since the socket was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Requests.
    pub requests: u64,
    /// System calls that sent them.
    pub batches: u64,
    /// Octets.
    pub octets: u64,
    /// How often answers were lost.
    pub overruns: u64,
}

/// The socket that writes routes and nexthop objects.
///
/// Requests are queued, and sent when 64 KiB of them are there or [`RequestSocket::flush`] is called. Sending blocks for as
/// long as the kernel works on the batch, about 4 ms for 1,000 routes, so that the socket belongs on a thread of its own.
#[derive(Debug)]
pub struct RequestSocket {
    socket: Socket,
    /// Most requests between two drains, so that answers to all of them fit into the receive buffer.
    window: usize,
    /// Encoded requests that are not sent yet.
    batch: Vec<u8>,
    /// Their cookies, and sequence numbers counted from `first`.
    cookies: Vec<Cookie>,
    /// Sequence number of the first of `cookies`.
    first: u32,
    /// Which of `cookies` have failed; used only after an overrun.
    answered: Vec<u32>,
    results: Results,
    sent: Sent,
    answers: Box<[u8]>,
}

impl RequestSocket {
    /// A socket in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// When it cannot be made. A buffer that is smaller than wanted for lack of privileges is no error.
    pub fn open() -> Result<RequestSocket, OpenError> {
        RequestSocket::with_receive_buffer(RECEIVE_BUFFER)
    }

    /// The same with another receive buffer. It limits how many requests are in one batch: one a KiB.
    ///
    /// # Errors
    ///
    /// As [`RequestSocket::open`].
    pub fn with_receive_buffer(octets: usize) -> Result<RequestSocket, OpenError> {
        let socket = Socket::open()?;
        let counted = socket.set_receive_buffer(octets)?;
        Ok(RequestSocket {
            socket,
            window: (counted / 2 / ANSWER).max(1),
            batch: Vec::with_capacity(2 * BATCH),
            cookies: Vec::with_capacity(BATCH / HEADER / 2),
            first: 1,
            answered: Vec::new(),
            results: Results::default(),
            sent: Sent::default(),
            answers: vec![0; ANSWER_BUFFER].into_boxed_slice(),
        })
    }

    /// The port that the events of what this socket does carry; [`Monitor`](crate::Monitor) can leave them out by it.
    #[must_use]
    pub fn port(&self) -> Port {
        self.socket.port()
    }

    /// How much was sent.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// Queues a new route. It fails with `EEXIST` if its key is taken, whoever owns it.
    ///
    /// # Errors
    ///
    /// When it cannot be said, or a full batch before it cannot be sent; it is not queued then.
    pub fn add(&mut self, cookie: Cookie, route: &Route) -> Result<(), QueueError> {
        self.queue(cookie, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, |buffer| route::encode::route(buffer, route))
    }

    /// Queues the replacement of the route with the same key. It fails with `ENOENT` if there is none. The kernel takes the
    /// first route of the key, whoever owns it, and for IPv6 the legs that strangers appended to it: it is for keys that are
    /// known as ours.
    ///
    /// # Errors
    ///
    /// As [`RequestSocket::add`].
    pub fn replace(&mut self, cookie: Cookie, route: &Route) -> Result<(), QueueError> {
        self.queue(cookie, RTM_NEWROUTE, NLM_F_REPLACE, |buffer| route::encode::route(buffer, route))
    }

    /// Queues the deletion of a route. It fails with `ESRCH` if no route has the key, the protocol and, as far as they can
    /// be named, the legs or the nexthop object.
    ///
    /// IPv4 metric 0 stands for any metric here. A nexthop object that is no more makes it fail with `EINVAL` (its routes
    /// are no more either).
    ///
    /// # Errors
    ///
    /// As [`RequestSocket::add`].
    pub fn delete(&mut self, cookie: Cookie, route: &Route) -> Result<(), QueueError> {
        self.queue(cookie, RTM_DELROUTE, 0, |buffer| route::encode::deletion(buffer, route))
    }

    /// Queues a new nexthop object. It fails with `EEXIST` if its number is taken, with `ENETDOWN` if its link is down or has
    /// no carrier.
    ///
    /// # Errors
    ///
    /// As [`RequestSocket::add`].
    pub fn add_nexthop(&mut self, cookie: Cookie, object: &NexthopObject) -> Result<(), QueueError> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.queue(cookie, RTM_NEWNEXTHOP, flags, |buffer| nexthop::encode(buffer, object))
    }

    /// Queues the replacement of the nexthop object of the same number; all routes that use it follow at once. The kernel
    /// reports each of these routes, and refuses to put a single one in the place of a group or the other way round.
    ///
    /// # Errors
    ///
    /// As [`RequestSocket::add`].
    pub fn replace_nexthop(&mut self, cookie: Cookie, object: &NexthopObject) -> Result<(), QueueError> {
        self.queue(cookie, RTM_NEWNEXTHOP, NLM_F_REPLACE, |buffer| nexthop::encode(buffer, object))
    }

    /// Queues the deletion of a nexthop object. The kernel deletes every route that uses it along.
    ///
    /// # Errors
    ///
    /// As [`RequestSocket::add`].
    pub fn delete_nexthop(&mut self, cookie: Cookie, id: NexthopId) -> Result<(), QueueError> {
        self.queue(cookie, RTM_DELNEXTHOP, 0, |buffer| {
            nexthop::encode_deletion(buffer, id);
            Ok(())
        })
    }

    /// Sends what is queued, and tells what became of all requests since the last call.
    ///
    /// # Errors
    ///
    /// When the kernel does not take a batch; its requests, and the results before it, are kept for the next call.
    pub fn flush(&mut self) -> Result<Results, SendError> {
        self.send()?;
        Ok(std::mem::take(&mut self.results))
    }

    /// Encodes a request behind the others; sends these first where there is no room.
    fn queue(
        &mut self,
        cookie: Cookie,
        kind: u16,
        flags: u16,
        encode: impl Fn(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), QueueError> {
        if self.cookies.len() >= self.window {
            self.send()?;
        }
        let start = self.batch.len();
        if let Err(error) = self.encode(kind, flags, &encode) {
            self.batch.truncate(start);
            return Err(error.into());
        }
        if self.batch.len() > BATCH && start > 0 {
            self.batch.truncate(start);
            self.send()?;
            self.encode(kind, flags, &encode)?;
        }
        self.cookies.push(cookie);
        Ok(())
    }

    fn encode(
        &mut self,
        kind: u16,
        flags: u16,
        encode: impl Fn(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let offset = u32::try_from(self.cookies.len()).map_err(|_| EncodeError::TooLong)?;
        let mark: Mark = begin(&mut self.batch, kind, flags, self.first.wrapping_add(offset));
        encode(&mut self.batch)?;
        finish(&mut self.batch, mark)?;
        Ok(())
    }

    /// Sends the batch and reads the answers to it.
    fn send(&mut self) -> Result<(), SendError> {
        if self.cookies.is_empty() {
            return Ok(());
        }
        let requests = self.cookies.len();
        self.socket.send(&self.batch).map_err(|source| SendError { requests, source })?;
        self.sent.batches = self.sent.batches.saturating_add(1);
        self.sent.requests = self.sent.requests.saturating_add(u64::try_from(requests).unwrap_or(u64::MAX));
        self.sent.octets = self.sent.octets.saturating_add(u64::try_from(self.batch.len()).unwrap_or(u64::MAX));
        self.drain();
        self.first = self.first.wrapping_add(u32::try_from(requests).unwrap_or(u32::MAX));
        self.batch.clear();
        self.cookies.clear();
        Ok(())
    }

    /// Reads, without waiting, what the kernel answered: it has answered all.
    fn drain(&mut self) {
        let mut lost = false;
        self.answered.clear();
        loop {
            match self.socket.receive(&mut self.answers, Wait::No) {
                Ok(None) => break,
                Ok(Some(datagram)) => {
                    let mut messages = Messages(datagram);
                    for message in &mut messages {
                        let answer = if message.kind == NLMSG_ERROR { Answer::decode(&message) } else { None };
                        lost |= message.kind == NLMSG_OVERRUN || (message.kind == NLMSG_ERROR && answer.is_none());
                        let Some(answer) = answer else { continue };
                        let offset = message.sequence.wrapping_sub(self.first);
                        let cookie = usize::try_from(offset).ok().and_then(|at| self.cookies.get(at));
                        let (Some(cookie), Some(error)) = (cookie, answer.error) else { continue };
                        self.answered.push(offset);
                        self.results.failures.push(Failure { cookie: *cookie, error, text: answer.text });
                    }
                    lost |= !messages.rest().is_empty();
                }
                Err(ReceiveError::Overrun | ReceiveError::Truncated(_)) => lost = true,
                Err(ReceiveError::Io(_)) => {
                    lost = true;
                    break;
                }
            }
        }
        if lost {
            self.sent.overruns = self.sent.overruns.saturating_add(1);
            self.answered.sort_unstable();
            let answered = &self.answered;
            let unknown = (0u32..).zip(&self.cookies).filter(|(at, _)| answered.binary_search(at).is_err());
            self.results.unknown.extend(unknown.map(|(_, cookie)| *cookie));
        }
    }
}

impl AsFd for RequestSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests;
