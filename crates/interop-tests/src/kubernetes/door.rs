//! A way to the API server from somewhere else, such as another network namespace.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

/// Passes connections that come to a listener on to a port of the loopback interface of this process's own namespace. The listener may be
/// of another one: a socket stays where it was made.
#[derive(Debug)]
pub struct Door {
    shared: Arc<Shared>,
    address: SocketAddr,
    listener: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    open: AtomicBool,
    delay: AtomicU64,
    connections: AtomicU64,
    octets: AtomicU64,
    streams: Mutex<Vec<TcpStream>>,
}

impl Door {
    /// Opens one.
    ///
    /// # Panics
    /// When the listener has no address.
    #[must_use]
    pub fn open(listener: TcpListener, port: u16) -> Self {
        let address = listener.local_addr().expect("a listener has an address");
        let listener = Arc::new(listener);
        let shared = Arc::new(Shared { open: AtomicBool::new(true), ..Shared::default() });
        let (accepting, from) = (Arc::clone(&shared), Arc::clone(&listener));
        let thread = thread::spawn(move || accept(&from, port, &accepting));
        Self { shared, address, listener, thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://ADDRESS:PORT`, for a kubeconfig.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Ends all connections, and every new one as soon as it comes.
    pub fn shut(&self) {
        self.shared.open.store(false, Ordering::SeqCst);
        self.shared.end_all();
    }

    /// Lets connections pass again.
    pub fn reopen(&self) {
        self.shared.open.store(true, Ordering::SeqCst);
    }

    /// Ends all connections; new ones pass.
    pub fn cut(&self) {
        self.shared.end_all();
    }

    /// From now on what the server sends is held back for this time, piece by piece.
    pub fn slow_down(&self, delay: Duration) {
        self.shared.delay.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// How many connections came so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many octets the server sent through it so far.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.shared.octets.load(Ordering::SeqCst)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut();
        // The thread that accepts is told that there is no more to accept.
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn end_all(&self) {
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Keeps a stream so that it can be ended.
    fn keep(&self, stream: &TcpStream) -> io::Result<()> {
        let copy = stream.try_clone()?;
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.open.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        streams.push(copy);
        Ok(())
    }
}

fn accept(listener: &TcpListener, port: u16, shared: &Arc<Shared>) {
    while let Ok((client, _)) = listener.accept() {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        if shared.open.load(Ordering::SeqCst) {
            // Without a server the client's connection ends here, too.
            let _ = connect(client, port, shared);
        }
    }
}

fn connect(client: TcpStream, port: u16, shared: &Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
        shared.keep(stream)?;
    }
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || pass(from_client, to_server, |_| ()));
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        pass(server, client, |length| {
            shared.octets.fetch_add(u64::try_from(length).unwrap_or(0), Ordering::SeqCst);
            let delay = shared.delay.load(Ordering::SeqCst);
            if delay > 0 {
                thread::sleep(Duration::from_millis(delay));
            }
        });
    });
    Ok(())
}

/// Copies until either side ends, then ends both.
fn pass(mut from: TcpStream, mut to: TcpStream, before: impl Fn(usize)) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length) = from.read(&mut buffer) {
        let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else { break };
        before(length);
        if to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
