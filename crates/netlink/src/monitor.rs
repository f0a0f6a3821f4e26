//! What happens to routes, links, addresses and nexthop objects, as it happens.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockFilter;

use crate::event::Event;
use crate::message::Messages;
use crate::number::Port;
use crate::socket::{OpenError, RECEIVE_BUFFER, ReceiveError, Socket, Wait};
use crate::wire::{
    NLMSG_OVERRUN, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE, RTNLGRP_LINK,
    RTNLGRP_NEXTHOP,
};

/// Octets of the longest event that can be read; a route with 256 legs has 10 KiB.
const EVENT_BUFFER: usize = 64 << 10;

/// Which events a monitor hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriptions {
    /// Routes of IPv4 and IPv6.
    pub routes: bool,
    /// Links.
    pub links: bool,
    /// Addresses.
    pub addresses: bool,
    /// Nexthop objects.
    pub nexthops: bool,
}

impl Subscriptions {
    /// All of them.
    pub const ALL: Subscriptions = Subscriptions { routes: true, links: true, addresses: true, nexthops: true };

    fn groups(self) -> impl Iterator<Item = u32> {
        let all = [
            (self.routes, RTNLGRP_IPV4_ROUTE),
            (self.routes, RTNLGRP_IPV6_ROUTE),
            (self.links, RTNLGRP_LINK),
            (self.addresses, RTNLGRP_IPV4_IFADDR),
            (self.addresses, RTNLGRP_IPV6_IFADDR),
            (self.nexthops, RTNLGRP_NEXTHOP),
        ];
        all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, group)| group)
    }
}

/// How a monitor is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorOptions {
    /// What it hears.
    pub subscriptions: Subscriptions,
    /// Ports of sockets whose doings it does not hear: the kernel drops these events, so that they take no room.
    pub deaf_to: Vec<Port>,
    /// Its receive buffer, in octets.
    pub receive_buffer: usize,
}

impl Default for MonitorOptions {
    fn default() -> MonitorOptions {
        MonitorOptions { subscriptions: Subscriptions::ALL, deaf_to: Vec::new(), receive_buffer: RECEIVE_BUFFER }
    }
}

/// Whether there may be more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// All was read.
    None,
    /// There may be more; call again before waiting for readiness.
    More,
}

/// The socket that hears events. It never blocks: wait for its descriptor to be readable, then call
/// [`Monitor::receive`] until it says [`Pending::None`].
///
/// Open it before the first dump, then what changes during the dump is heard.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    buffer: Box<[u8]>,
}

impl Monitor {
    /// Most datagrams that one call of [`Monitor::receive`] reads, so that the caller gets to do other things.
    pub const DATAGRAMS: usize = 64;

    /// A monitor in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made.
    pub fn open(options: &MonitorOptions) -> Result<Monitor, OpenError> {
        let socket = Socket::open()?;
        socket.set_receive_buffer(options.receive_buffer)?;
        if !options.deaf_to.is_empty() {
            socket.set_filter(&without(&options.deaf_to))?;
        }
        for group in options.subscriptions.groups() {
            socket.subscribe(group)?;
        }
        Ok(Monitor { socket, buffer: vec![0; EVENT_BUFFER].into_boxed_slice() })
    }

    /// Appends what has happened since the last call, without waiting. [`Event::Overrun`] stands where events were lost.
    ///
    /// # Errors
    ///
    /// When the socket is of no more use.
    pub fn receive(&mut self, events: &mut Vec<Event>) -> io::Result<Pending> {
        for _ in 0..Self::DATAGRAMS {
            let datagram = match self.socket.receive(&mut self.buffer, Wait::No) {
                Ok(None) => return Ok(Pending::None),
                Ok(Some(datagram)) => datagram,
                Err(ReceiveError::Overrun | ReceiveError::Truncated(_)) => {
                    push_overrun(events);
                    continue;
                }
                Err(ReceiveError::Io(error)) => return Err(error),
            };
            let mut messages = Messages(datagram);
            for message in &mut messages {
                match Event::decode(&message) {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) if message.kind == NLMSG_OVERRUN => push_overrun(events),
                    Ok(None) => {}
                    Err(_) => push_overrun(events),
                }
            }
            if !messages.rest().is_empty() {
                push_overrun(events);
            }
        }
        Ok(Pending::More)
    }

    /// Waits, at most so long, until there is something to read; says whether there is.
    ///
    /// # Errors
    ///
    /// When waiting is not possible.
    pub fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_fd().as_raw_fd()
    }
}

/// One overrun in a row is enough.
fn push_overrun(events: &mut Vec<Event>) {
    if events.last() != Some(&Event::Overrun) {
        events.push(Event::Overrun);
    }
}

/// A program of the classic BPF that drops messages of these ports: it looks at `nlmsg_pid`, the four octets at 12.
fn without(ports: &[Port]) -> Vec<SockFilter> {
    /// `BPF_LD | BPF_W | BPF_ABS`: the packet's four octets at `k`, as a number in network byte order.
    const LOAD: u16 = 0x20;
    /// `BPF_JMP | BPF_JEQ | BPF_K`.
    const JUMP_IF_EQUAL: u16 = 0x15;
    /// `BPF_RET | BPF_K`: how much of the packet is kept.
    const RETURN: u16 = 0x06;
    const PORT_AT: u32 = 12;
    let mut program = vec![SockFilter::new(LOAD, 0, 0, PORT_AT)];
    for port in ports {
        // The kernel writes the port in its own byte order.
        let loaded = u32::from_be_bytes(port.0.to_ne_bytes());
        program.push(SockFilter::new(JUMP_IF_EQUAL, 0, 1, loaded));
        program.push(SockFilter::new(RETURN, 0, 0, 0));
    }
    program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
    program
}
