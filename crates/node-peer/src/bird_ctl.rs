//! `bird.ctl` and `bird6.ctl`: the sockets of Calico's two BIRDs, for whoever still asks them.
//!
//! `calicoctl node status`, the checks `--bird-ready` of calico-node and its reporter of `CalicoNodeStatus` connect, write a command
//! and read the table that BIRD 1.6 prints. What is answered here is read from the node's own API, as any other client reads it, so that
//! nobody who asks holds up a session. It is for looking alone: commands that change something are refused.
//!
//! The sockets are there as long as sessions run, as BIRD is only started when it has a configuration: a check that finds no socket
//! knows that the node is not ready.

mod protocols;
mod reply;
mod routes;
mod status;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use heddle_admin::types::{ErrorCode, Family};
use heddle_admin::{Access, BindError, BoundSocket, Client, ClientError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::state::{NodeState, Runs};
use reply::Reply;

/// What Calico pins; who reads the version gets one that it knows.
const VERSION: &str = "BIRD v0.3.3+birdv1.6.8";
/// Clients of a socket at a time; further ones are hung up on.
const MAX_CLIENTS: usize = 8;
/// Octets of the longest command.
const MAX_COMMAND: u64 = 512;
/// How long a client may say nothing, and how long it may read nothing of an answer.
const IDLE: Duration = Duration::from_secs(60);
/// How soon a socket is tried again that somebody else has.
const AGAIN: Duration = Duration::from_secs(5);
/// Walks over the routes at a time: each has a list of all of them.
const WALKS: usize = 1;
/// How long a walk may take, however slowly its client reads: others wait for it.
const WALK: Duration = Duration::from_secs(60);

/// One of the two daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Daemon {
    /// `bird`.
    V4,
    /// `bird6`.
    V6,
}

impl Daemon {
    const fn socket(self) -> &'static str {
        match self {
            Self::V4 => "bird.ctl",
            Self::V6 => "bird6.ctl",
        }
    }

    const fn family(self) -> Family {
        match self {
            Self::V4 => Family::Ipv4Unicast,
            Self::V6 => Family::Ipv6Unicast,
        }
    }
}

/// Serves both sockets in a folder.
pub(crate) struct BirdCtl {
    folder: PathBuf,
    access: Access,
    client: Client,
    state: Arc<NodeState>,
    walks: Semaphore,
}

impl BirdCtl {
    /// `api` is the path of the node's own socket.
    pub(crate) fn new(folder: &Path, access: Access, api: &Path, state: Arc<NodeState>) -> Self {
        Self { folder: folder.to_owned(), access, client: Client::new(api), state, walks: Semaphore::new(WALKS) }
    }

    /// Serves until it is dropped.
    pub(crate) async fn run(self) {
        let mut runs = self.state.runs();
        while *runs.borrow_and_update() == Runs::NotYet {
            if runs.changed().await.is_err() {
                return;
            }
        }
        let this = Arc::new(self);
        tokio::join!(Arc::clone(&this).serve(Daemon::V4), Arc::clone(&this).serve(Daemon::V6));
    }

    async fn serve(self: Arc<Self>, daemon: Daemon) {
        let socket = self.bind(daemon).await;
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = clients.join_next(), if !clients.is_empty() => {}
                accepted = socket.accept() => match accepted {
                    Ok(Some(stream)) if clients.len() < MAX_CLIENTS => {
                        let this = Arc::clone(&self);
                        // An error: the client has gone, or takes too long.
                        clients.spawn(async move { drop(this.talk(daemon, stream).await) });
                    }
                    Ok(_) => {}
                    Err(error) => {
                        warn!(%error, "{} cannot accept a connection", daemon.socket());
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        }
    }

    /// Binds a socket as soon as nobody else has it: BIRD may still be about to end.
    async fn bind(&self, daemon: Daemon) -> BoundSocket {
        let path = self.folder.join(daemon.socket());
        let mut said = None;
        loop {
            let problem = match BoundSocket::bind(&path, self.access) {
                Ok(socket) => {
                    info!(path = %path.display(), "status is told as BIRD tells it");
                    return socket;
                }
                Err(error) => not_bound(&error),
            };
            if said.as_ref() != Some(&problem) {
                warn!("{problem}; it is tried again every {} s", AGAIN.as_secs());
                said = Some(problem);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// One client, until it has no more commands.
    async fn talk(&self, daemon: Daemon, mut stream: UnixStream) -> io::Result<()> {
        let (reader, writer) = stream.split();
        let mut out = Out { writer };
        out.send(Reply::one(1, &format!("{VERSION} ready.")).text()).await?;
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut limited = (&mut reader).take(MAX_COMMAND);
            let read = tokio::time::timeout(IDLE, limited.read_until(b'\n', &mut line)).await;
            if read.map_err(|_| io::ErrorKind::TimedOut)?? == 0 {
                return Ok(());
            }
            if line.last() != Some(&b'\n') {
                return out.send(Reply::one(9001, "a command this long is none").text()).await;
            }
            let text = String::from_utf8_lossy(&line);
            match self.answer(daemon, Command::parse(&text), &mut out).await {
                Ok(()) => {}
                Err(Failure::Client(error)) => return Err(error),
                Err(Failure::Api(error)) => {
                    out.send(Reply::one(failure_code(&error), &error.to_string()).text()).await?
                }
            }
        }
    }

    async fn answer(&self, daemon: Daemon, command: Command<'_>, out: &mut Out<'_>) -> Result<(), Failure> {
        let reply = match command {
            Command::Status => status::status(&self.client.summary().await?),
            Command::Protocols => {
                let (peers, node) = (self.client.peers().await?.peers, self.client.node().await?);
                protocols::table(daemon, &peers, &node)
            }
            Command::ProtocolsAll(name) => return self.details(daemon, name, out).await,
            Command::Routes(which) => {
                return in_turn(&self.walks, WALK, routes::walk(self, daemon, &which, out)).await;
            }
            Command::Restrict => Reply::one(16, "Access restricted"),
            Command::Refused => Reply::one(8007, "Access denied: this is not BIRD; the heddle command changes things"),
            Command::Unknown => Reply::one(
                9001,
                "this is not BIRD, and answers show status, show protocols [all] [NAME] and show route [PREFIX | for ADDRESS | \
                 protocol NAME] [primary] [count]; the heddle command has the rest",
            ),
        };
        Ok(out.send(reply.text()).await?)
    }

    /// `show protocols all`: a peer at a time, for a mesh has many.
    async fn details(&self, daemon: Daemon, name: Option<&str>, out: &mut Out<'_>) -> Result<(), Failure> {
        let (peers, node) = (self.client.peers().await?.peers, self.client.node().await?);
        let mut reply = Reply::default();
        let mut found = false;
        for (named, address) in protocols::named(daemon, &peers, &node) {
            if name.is_some_and(|name| name != named) {
                continue;
            }
            if !found {
                protocols::heading(&mut reply);
                found = true;
            }
            // It may have gone in between.
            if let Ok(peer) = self.client.peer(address).await {
                protocols::detail(&mut reply, &named, &peer);
            }
            out.send_some(&mut reply).await?;
        }
        if name.is_none() {
            if !found {
                protocols::heading(&mut reply);
            }
            protocols::others(&mut reply, daemon);
        }
        reply.end(found || name.is_none());
        Ok(out.send(reply.text()).await?)
    }
}

/// Walks once it is its turn, for so long.
async fn in_turn(
    walks: &Semaphore,
    longest: Duration,
    walk: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let _walk = walks.acquire().await;
    tokio::time::timeout(longest, walk).await.map_err(|_| Failure::Client(io::ErrorKind::TimedOut.into()))?
}

/// Why a socket is not bound, and what to do: the option is another one than that of the node's own socket.
fn not_bound(error: &BindError) -> String {
    match error {
        BindError::InUse { path, .. } => format!("BIRD, or another process, answers on {}", path.display()),
        BindError::NotASocket { path } => {
            format!(
                "{} is there and is no socket; remove it, or name another folder with --bird-ctl DIR",
                path.display()
            )
        }
        BindError::TooLong { .. } => format!("{error}; name another folder with --bird-ctl DIR"),
        BindError::Io { .. } => error.to_string(),
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    /// The client has gone.
    Client(io::Error),
    /// The node has none.
    Api(ClientError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Client(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Api(error)
    }
}

/// BIRD's code for what went wrong: a prefix or peer that is none, or everything else.
fn failure_code(error: &ClientError) -> u16 {
    match error {
        ClientError::Api(error) if error.code == ErrorCode::PeerNotFound => 8003,
        _ => 8000,
    }
}

/// The way to a client.
struct Out<'a> {
    writer: tokio::net::unix::WriteHalf<'a>,
}

impl Out<'_> {
    /// Writes a text, as long as the client reads.
    async fn send(&mut self, text: &str) -> io::Result<()> {
        let written = tokio::time::timeout(IDLE, self.writer.write_all(text.as_bytes())).await;
        written.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Writes what there is of a long answer, once there is some.
    async fn send_some(&mut self, reply: &mut Reply) -> io::Result<()> {
        const SOME: usize = 32 * 1024;
        if reply.text().len() >= SOME {
            self.send(reply.text()).await?;
            reply.sent();
        }
        Ok(())
    }
}

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
enum Command<'a> {
    Status,
    Protocols,
    ProtocolsAll(Option<&'a str>),
    Routes(routes::Which<'a>),
    /// No more commands that change something, of which there are none.
    Restrict,
    /// It would change something.
    Refused,
    Unknown,
}

impl<'a> Command<'a> {
    fn parse(text: &'a str) -> Self {
        let words: Vec<&str> = text.trim().trim_end_matches(';').split_whitespace().collect();
        match words.as_slice() {
            ["show", "status"] => Self::Status,
            ["show", "protocols"] => Self::Protocols,
            ["show", "protocols", "all"] => Self::ProtocolsAll(None),
            ["show", "protocols", "all", name] => Self::ProtocolsAll(Some(name.trim_matches('"'))),
            ["show", "route", rest @ ..] => routes::Which::parse(rest).map_or(Self::Unknown, Self::Routes),
            ["restrict"] => Self::Restrict,
            [
                "configure" | "down" | "enable" | "disable" | "restart" | "reload" | "graceful" | "debug" | "dump",
                ..,
            ] => Self::Refused,
            _ => Self::Unknown,
        }
    }
}
