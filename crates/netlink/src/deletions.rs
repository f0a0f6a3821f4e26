//! Whether IPv6 routes were deleted during a dump.
//!
//! The kernel dumps a table of IPv6 in pieces. When a route was added between two pieces it begins anew and skips as many
//! destinations as it has told; each of these that was deleted makes it skip one too many, which nobody has touched. It does
//! not set `NLM_F_DUMP_INTR` for that. Additions alone only make it tell some twice, deletions alone do no harm. (Deletions that
//! go with a nexthop object are not heard of where `net.ipv4.nexthop_compat_mode` is 0.)

use socket2::SockFilter;

use crate::event::{Change, Event};
use crate::message::Messages;
use crate::number::Table;
use crate::socket::{OpenError, ReceiveError, Socket, Wait};
use crate::wire::{RTM_DELROUTE, RTNLGRP_IPV6_ROUTE};

/// Octets of its receive buffer: it is enough to know that something was deleted.
const RECEIVE_BUFFER: usize = 64 << 10;

/// A socket that hears of nothing but deletions of IPv6 routes, from when it was opened.
#[derive(Debug)]
pub(crate) struct Deletions {
    socket: Socket,
    table: Option<Table>,
}

impl Deletions {
    /// For deletions in one table, or any.
    pub(crate) fn open(table: Option<Table>) -> Result<Deletions, OpenError> {
        let socket = Socket::open()?;
        socket.set_receive_buffer(RECEIVE_BUFFER)?;
        socket.set_filter(&only_deletions())?;
        socket.subscribe(RTNLGRP_IPV6_ROUTE)?;
        Ok(Deletions { socket, table })
    }

    /// Whether there were some.
    pub(crate) fn any(&mut self, buffer: &mut [u8]) -> bool {
        loop {
            let datagram = match self.socket.receive(buffer, Wait::No) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return false,
                Err(ReceiveError::Overrun | ReceiveError::Truncated(_) | ReceiveError::Io(_)) => return true,
            };
            let counts = Messages(datagram).any(|message| match Event::decode(&message) {
                Ok(Some(Event::Route(Change::Deleted, route))) => self.table.is_none_or(|table| table == route.table),
                Ok(_) => false,
                Err(_) => true,
            });
            if counts {
                return true;
            }
        }
    }
}

/// A program of the classic BPF that lets `RTM_DELROUTE` in alone: it looks at `nlmsg_type`, the two octets at 4.
fn only_deletions() -> [SockFilter; 4] {
    /// `BPF_LD | BPF_H | BPF_ABS`.
    const LOAD_SHORT: u16 = 0x28;
    /// `BPF_JMP | BPF_JEQ | BPF_K`.
    const JUMP_IF_EQUAL: u16 = 0x15;
    /// `BPF_RET | BPF_K`.
    const RETURN: u16 = 0x06;
    let loaded = u32::from(u16::from_be_bytes(RTM_DELROUTE.to_ne_bytes()));
    [
        SockFilter::new(LOAD_SHORT, 0, 0, 4),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, loaded),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
