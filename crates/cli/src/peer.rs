//! `heddle peer`: what an operator does to a peer.

use heddle_admin::Client;
use heddle_admin::types::{Clear, Down, Drain, PeerAction, Refresh, RefreshDirection};

use crate::args::{Peer, PeerCommand};
use crate::exit::Failure;
use crate::screen::Screen;
use crate::words;

pub(crate) async fn run(args: Peer, screen: &mut Screen) -> Result<(), Failure> {
    let action = action(args.command);
    let result = Client::new(args.connection.socket()).act(&args.address, &action).await?;
    if args.connection.json {
        let text = serde_json::to_string(&result).map_err(std::io::Error::from)?;
        return Ok(writeln!(screen, "{text}")?);
    }
    Ok(writeln!(screen, "{}: {}", result.peer, words::printable(&result.message))?)
}

fn action(command: PeerCommand) -> PeerAction {
    /// The words of a text that was not quoted; none when there are none.
    fn text(words: Vec<String>) -> Option<String> {
        (!words.is_empty()).then(|| words.join(" "))
    }
    match command {
        PeerCommand::Up => PeerAction::Up,
        PeerCommand::Down { text: words } => PeerAction::Down(Down { text: text(words) }),
        PeerCommand::Clear { text: words } => PeerAction::Clear(Clear { text: text(words) }),
        PeerCommand::Refresh { inward, outward, family } => {
            let direction = match (inward, outward) {
                (true, false) => RefreshDirection::In,
                (false, true) => RefreshDirection::Out,
                (true, true) | (false, false) => RefreshDirection::Both,
            };
            PeerAction::Refresh(Refresh { family, direction })
        }
        PeerCommand::Drain { off } => PeerAction::Drain(Drain { undrain: off }),
    }
}
