//! Speakers of a test, and waiting for what they come to.

use std::future::Future;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use heddle_admin::Client;
use heddle_admin::types::{Peer, PeerState, Summary};
use heddle_speaker::{Role, Speaker, StartOptions, read_config};
use tempfile::TempDir;

/// The longest wait; what is awaited comes within moments.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that may never come: then the test fails.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// A folder for sockets and files, and a port that is free on all loopback addresses of the test.
pub(crate) struct World {
    dir: TempDir,
    pub(crate) port: u16,
    net: u8,
}

/// A running speaker.
pub(crate) struct Running {
    pub(crate) speaker: Speaker,
    pub(crate) client: Client,
}

impl World {
    /// Addresses of the test are `127.NET.0.N`.
    pub(crate) fn new(net: u8) -> Self {
        let any = SocketAddr::from(([127, net, 0, 1], 0));
        let port = TcpListener::bind(any).and_then(|l| l.local_addr()).expect("a free port").port();
        Self { dir: tempfile::tempdir().expect("a temporary folder"), port, net }
    }

    pub(crate) fn ip(&self, n: u8) -> IpAddr {
        IpAddr::from([127, self.net, 0, n])
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The text of a configuration of speaker `n` in AS 65001: `rest` is what follows.
    pub(crate) fn toml(&self, n: u8, rest: &str) -> String {
        let (ip, port, socket) = (self.ip(n), self.port, self.path(&format!("{n}.sock")));
        let rest = rest.replace("PORT", &port.to_string()).replace("NET", &format!("127.{}.0", self.net));
        format!(
            "[router]\nasn = 65001\nrouter_id = \"10.0.0.{n}\"\nlisten = [\"{ip}:{port}\"]\n\n[api]\nsocket = \"{}\"\n\n{rest}",
            socket.display()
        )
    }

    pub(crate) fn client(&self, n: u8) -> Client {
        Client::new(self.path(&format!("{n}.sock")))
    }

    pub(crate) async fn start(&self, n: u8, rest: &str) -> Running {
        let toml = self.toml(n, rest);
        let config = read_config(&toml, "test.toml").unwrap_or_else(|e| panic!("{e}\n{toml}"));
        let options = StartOptions::new(Role::RouteReflector);
        let speaker = Speaker::start(config, options).await.expect("starts");
        Running { speaker, client: self.client(n) }
    }
}

impl Running {
    pub(crate) async fn apply(&self, toml: &str) {
        let config = read_config(toml, "test.toml").unwrap_or_else(|e| panic!("{e}\n{toml}"));
        self.speaker.apply(config).await.expect("applies");
    }

    pub(crate) async fn summary(&self) -> Summary {
        soon("the summary", self.client.summary()).await.expect("a summary")
    }

    /// The peer as the API shows it; none when there is none.
    pub(crate) async fn peer(&self, ip: IpAddr) -> Option<Peer> {
        soon("a peer", self.client.peer(&ip.into())).await.ok()
    }

    /// Waits until the API shows a peer as wanted.
    pub(crate) async fn peer_until(&self, ip: IpAddr, what: &str, wanted: impl Fn(&Peer) -> bool) -> Peer {
        let found = async {
            loop {
                match self.client.peer(&ip.into()).await {
                    Ok(peer) if wanted(&peer) => return peer,
                    Ok(_) | Err(_) => tick().await,
                }
            }
        };
        soon(&format!("peer {ip}: {what}"), found).await
    }

    pub(crate) async fn established(&self, ip: IpAddr) -> Peer {
        self.peer_until(ip, "established", |p| p.state == PeerState::Established).await
    }

    /// Waits until the summary is as wanted.
    pub(crate) async fn summary_until(&self, what: &str, wanted: impl Fn(&Summary) -> bool) -> Summary {
        let found = async {
            loop {
                match self.client.summary().await {
                    Ok(s) if wanted(&s) => return s,
                    Ok(_) | Err(_) => tick().await,
                }
            }
        };
        soon(what, found).await
    }
}

/// Between two looks at a condition that nothing announces.
pub(crate) async fn tick() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
