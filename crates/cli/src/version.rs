//! `heddle version`: this command, and the daemon where one answers.

use heddle_admin::Client;
use heddle_admin::types::WallTime;
use serde::Serialize;

use crate::args::Version;
use crate::exit::Failure;
use crate::screen::Screen;
use crate::words;

#[derive(Serialize)]
struct Versions {
    program: &'static str,
    version: &'static str,
    daemon: Option<heddle_admin::types::Version>,
}

pub(crate) async fn run(args: Version, screen: &mut Screen) -> Result<(), Failure> {
    let socket = args.connection.socket();
    let daemon = Client::new(&socket).version().await.ok();
    if args.connection.json {
        let versions = Versions { program: "heddle", version: env!("CARGO_PKG_VERSION"), daemon };
        let text = serde_json::to_string(&versions).map_err(std::io::Error::from)?;
        return Ok(writeln!(screen, "{text}")?);
    }
    writeln!(screen, "heddle {}", env!("CARGO_PKG_VERSION"))?;
    if let Some(daemon) = daemon {
        let socket = socket.display();
        let started = if daemon.started_at == WallTime::default() {
            String::new()
        } else {
            format!(", started {}", words::time(daemon.started_at))
        };
        let role = words::printable(&daemon.role);
        let version = words::printable(&daemon.version);
        writeln!(screen, "{role} {version} on {socket}: process {}{started}", daemon.pid)?;
    }
    Ok(())
}
