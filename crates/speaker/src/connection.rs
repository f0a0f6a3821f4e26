//! One TCP connection of a peer: its framer, and the control messages that wait for its socket.

use std::io::{self, IoSlice, Read as _};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use heddle_bgp_core::Framer;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

/// Octets of control messages that may wait for a socket; a peer that reads so little is closed.
pub(crate) const MAX_CONTROL: usize = 256 << 10;
/// Octets of one read of a connection that is being closed.
const SINK: usize = 16 << 10;
/// Octets that a socket takes beyond what it can send. A single route that comes later waits behind all of them; what waits in
/// the journal instead is seen by the RIB, which decides no more of a table while readers lag behind.
const UNSENT: u32 = 64 << 10;
/// Slices in one vectored write.
pub(crate) const MAX_SLICES: usize = 64;

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Cuts messages out of what was read.
    pub framer: Framer,
    control: BytesMut,
    /// Octets at the front of `control` that belong to a message which was begun.
    control_begun: usize,
    /// Octets that are missing of a message that was begun with [`Self::write_data`].
    data_rest: usize,
    /// The OPENs so far.
    pub opens: Opens,
    /// The peer's end.
    pub remote: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
}

/// The OPENs of a session as they were on the wire, without their header: an eighth of what they take when decoded, and
/// nobody asks often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opens {
    /// Ours.
    pub sent: Box<[u8]>,
    /// The peer's.
    pub received: Box<[u8]>,
}

/// What a read brought.
#[derive(Debug)]
pub(crate) enum Read {
    /// So many octets.
    Octets(usize),
    /// Nothing yet.
    Empty,
    /// The peer closed, or the connection broke.
    Closed(Option<io::Error>),
}

/// What a write did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// So many octets.
    Octets(usize),
    /// The socket is full.
    Full,
    /// The connection broke; the read side will say so.
    Broken,
}

impl Connection {
    /// Takes a connected socket.
    ///
    /// # Errors
    /// The socket is not connected any more.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        let (remote, local) = (stream.peer_addr()?, stream.local_addr()?);
        stream.set_nodelay(true)?;
        socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT)?;
        Ok(Self {
            stream,
            framer: Framer::new(),
            control: BytesMut::new(),
            control_begun: 0,
            data_rest: 0,
            opens: Opens::default(),
            remote,
            local,
        })
    }

    /// Whether the socket is ready for one of `interest`; the task is woken when it gets ready. By polling and not by
    /// `TcpStream::ready`, whose future of 200 octets would be in each peer's task twice.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<Ready>> {
        let mut ready = Ready::EMPTY;
        if interest.is_readable()
            && let Poll::Ready(readable) = self.stream.poll_read_ready(cx)
        {
            readable?;
            ready |= Ready::READABLE;
        }
        if interest.is_writable()
            && let Poll::Ready(writable) = self.stream.poll_write_ready(cx)
        {
            writable?;
            ready |= Ready::WRITABLE;
        }
        if ready.is_empty() { Poll::Pending } else { Poll::Ready(Ok(ready)) }
    }

    /// Reads once, at most `scratch`, and pushes it to the framer.
    pub(crate) fn read(&mut self, scratch: &mut [u8]) -> Read {
        let mut short = 0;
        let read = self.stream.try_io(Interest::READABLE, || {
            match (&*socket2::SockRef::from(&self.stream)).read(scratch) {
                // The socket is empty, and epoll tells of each octet and each end that comes later (epoll(7), EPOLLET): as
                // after EAGAIN, which another call would bring.
                Ok(n) if n > 0 && n < scratch.len() => {
                    short = n;
                    Err(io::ErrorKind::WouldBlock.into())
                }
                other => other,
            }
        });
        let read = if short > 0 { Ok(short) } else { read };
        self.received(read, scratch)
    }

    /// Reads once, whether or not the runtime has heard that there is something: where the process did not run for a while (it was
    /// stopped, the machine was suspended), timers are told before what the sockets have.
    pub(crate) fn read_unannounced(&mut self, scratch: &mut [u8]) -> Read {
        let read = (&*socket2::SockRef::from(&self.stream)).read(scratch);
        self.received(read, scratch)
    }

    fn received(&mut self, read: io::Result<usize>, scratch: &[u8]) -> Read {
        match read {
            Ok(0) => Read::Closed(None),
            Ok(n) => {
                self.framer.push(scratch.get(..n).unwrap_or_default());
                Read::Octets(n)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Read::Empty,
            Err(e) => Read::Closed(Some(e)),
        }
    }

    /// Adds a control message (everything but UPDATE); false when too many wait.
    #[must_use]
    pub(crate) fn queue_control(&mut self, message: &[u8]) -> bool {
        if self.control.len() + message.len() > MAX_CONTROL {
            return false;
        }
        self.control.extend_from_slice(message);
        true
    }

    /// Whether control messages wait.
    pub(crate) fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// Writes control messages once.
    pub(crate) fn write_control(&mut self) -> Written {
        let written = Self::outcome(self.stream.try_write(&self.control));
        if let Written::Octets(n) = written {
            self.advance_control(n);
        }
        written
    }

    /// Writes whole messages once, or the rest of one; remembers where in a message it stopped.
    pub(crate) fn write_data(&mut self, data: &[u8]) -> Written {
        let written = Self::outcome(self.stream.try_write(data));
        if let Written::Octets(n) = written {
            let mut at = self.data_rest.min(data.len());
            while at < n {
                at += front_message(data.get(at..).unwrap_or_default());
            }
            self.data_rest = at - n;
        }
        written
    }

    /// Whether [`write_data`](Self::write_data) stopped inside a message.
    pub(crate) const fn mid_data(&self) -> bool {
        self.data_rest > 0
    }

    /// Writes `slices` once, vectored.
    pub(crate) fn write_slices(&self, slices: &[Bytes]) -> Written {
        let mut io_slices = [IoSlice::new(&[]); MAX_SLICES];
        let n = slices.len().min(MAX_SLICES);
        for (io, s) in io_slices.iter_mut().zip(slices) {
            *io = IoSlice::new(s);
        }
        Self::outcome(self.stream.try_write_vectored(io_slices.get(..n).unwrap_or_default()))
    }

    /// Says the last words and closes: the rest of the message that was begun, then the waiting control messages, last of
    /// all a NOTIFICATION; within `limit`, and so that the peer can read them. A close with octets unread would reset the
    /// connection and take the NOTIFICATION back, so what the peer still sends is read and dropped until it closes.
    pub(crate) async fn finish(mut self, rest: Option<Bytes>, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.last_words(rest.unwrap_or_default())).await;
    }

    async fn last_words(&mut self, mut rest: Bytes) {
        while !rest.is_empty() || self.has_control() {
            let written = if rest.is_empty() {
                self.write_control()
            } else {
                let written = Self::outcome(self.stream.try_write(&rest));
                if let Written::Octets(n) = written {
                    rest.advance(n);
                }
                written
            };
            match written {
                Written::Octets(_) => {}
                Written::Full => drop(self.stream.writable().await),
                Written::Broken => return,
            }
        }
        if socket2::SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write).is_err() {
            return;
        }
        let mut sink = vec![0; SINK];
        while self.stream.readable().await.is_ok() {
            match self.stream.try_read(&mut sink) {
                Ok(0) => return,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    fn advance_control(&mut self, mut n: usize) {
        while n > 0 {
            let rest = if self.control_begun > 0 { self.control_begun } else { front_message(&self.control) };
            let step = n.min(rest);
            self.control.advance(step);
            self.control_begun = rest - step;
            n -= step;
        }
        if self.control.is_empty() {
            // The next message is a while away.
            self.control = BytesMut::new();
        }
    }

    fn outcome(result: io::Result<usize>) -> Written {
        match result {
            Ok(0) => Written::Full,
            Ok(n) => Written::Octets(n),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Written::Full,
            Err(_) => Written::Broken,
        }
    }
}

/// Length of the whole message at the front of `control`, which holds whole messages that we made.
fn front_message(control: &[u8]) -> usize {
    match control.get(16..18) {
        Some(&[a, b]) => usize::from(u16::from_be_bytes([a, b])),
        _ => control.len(),
    }
    .clamp(1, control.len().max(1))
}
