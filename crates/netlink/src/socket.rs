//! A netlink socket: opened with its options, connected to the kernel.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket as Raw, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use nix::sys::socket::{getsockopt, setsockopt};
use socket2::{SockFilter, SockRef};

use crate::number::Port;

/// The receive buffer that the sockets of a routing daemon ask for, in octets. The kernel takes the double of it.
pub const RECEIVE_BUFFER: usize = 8 << 20;

/// A socket could not be made.
#[derive(Debug, thiserror::Error)]
#[error("netlink socket: {step}: {source}")]
pub struct OpenError {
    /// At which step.
    step: &'static str,
    /// Why.
    source: io::Error,
}

impl OpenError {
    pub(crate) fn new(step: &'static str, source: io::Error) -> OpenError {
        OpenError { step, source }
    }
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// The buffer of the socket was full; the kernel dropped messages.
    #[error("messages were lost, the socket's receive buffer was full")]
    Overrun,
    /// A datagram did not fit; none has ever been that long.
    #[error("a message of {0} octets is longer than the buffer for it")]
    Truncated(usize),
    /// Another error.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Whether to wait for a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    No,
    Yes,
}

/// A netlink socket of the routing family.
#[derive(Debug)]
pub(crate) struct Socket {
    raw: Raw,
    port: Port,
}

impl Socket {
    /// A socket in the network namespace of the calling thread, where it stays whatever the thread does.
    pub(crate) fn open() -> Result<Socket, OpenError> {
        let step = |step| move |source| OpenError { step, source };
        let mut raw = Raw::new(NETLINK_ROUTE).map_err(step("cannot be made"))?;
        let address = raw.bind_auto().map_err(step("cannot be bound"))?;
        // Connected to the kernel it takes nothing from other processes.
        raw.connect(&SocketAddr::new(0, 0)).map_err(step("cannot be connected"))?;
        raw.set_cap_ack(true).map_err(step("NETLINK_CAP_ACK"))?;
        raw.set_ext_ack(true).map_err(step("NETLINK_EXT_ACK"))?;
        Ok(Socket { raw, port: Port(address.port_number()) })
    }

    /// Its port.
    pub(crate) fn port(&self) -> Port {
        self.port
    }

    /// Asks for a receive buffer, past `net.core.rmem_max` if privileges allow it, and tells what it got: in octets as
    /// the kernel counts, which is the double of what can be asked for.
    pub(crate) fn set_receive_buffer(&self, octets: usize) -> Result<usize, OpenError> {
        let step = |error: Errno| OpenError { step: "SO_RCVBUF", source: error.into() };
        if setsockopt(&self.raw, RcvBufForce, &octets).is_err() {
            setsockopt(&self.raw, RcvBuf, &octets).map_err(step)?;
        }
        getsockopt(&self.raw, RcvBuf).map_err(step)
    }

    /// Dumps are filtered by the kernel, and requests that it does not understand are refused.
    pub(crate) fn set_strict(&self) -> Result<(), OpenError> {
        let step = |source| OpenError { step: "NETLINK_GET_STRICT_CHK", source };
        self.raw.set_netlink_get_strict_chk(true).map_err(step)
    }

    /// Subscribes to events.
    pub(crate) fn subscribe(&self, group: u32) -> Result<(), OpenError> {
        self.raw.add_membership(group).map_err(|source| OpenError { step: "cannot subscribe to events", source })
    }

    /// Lets only those messages in that a program of the classic BPF returns other than 0 for.
    pub(crate) fn set_filter(&self, program: &[SockFilter]) -> Result<(), OpenError> {
        let step = |source| OpenError { step: "SO_ATTACH_FILTER", source };
        SockRef::from(&self.raw).attach_filter(program).map_err(step)
    }

    /// Sends one datagram to the kernel. When it returns, the kernel has processed all of it.
    pub(crate) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        loop {
            match self.raw.send(datagram, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Reads one datagram; 0 octets: there is none yet.
    pub(crate) fn receive<'b>(&self, buffer: &'b mut [u8], wait: Wait) -> Result<Option<&'b [u8]>, ReceiveError> {
        let mut flags = MsgFlags::MSG_TRUNC;
        if wait == Wait::No {
            flags |= MsgFlags::MSG_DONTWAIT;
        }
        let length = loop {
            match self.raw.recv(&mut &mut *buffer, flags.bits()) {
                Ok(length) => break length,
                Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
                    Errno::EINTR => {}
                    Errno::EAGAIN => return Ok(None),
                    Errno::ENOBUFS => return Err(ReceiveError::Overrun),
                    _ => return Err(error.into()),
                },
            }
        };
        match buffer.get(..length) {
            Some(datagram) => Ok(Some(datagram)),
            None => Err(ReceiveError::Truncated(length)),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.raw.as_fd()
    }
}
