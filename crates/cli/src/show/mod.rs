//! `heddle show`: what a running daemon knows.

mod confinement;
mod fib;
mod node;
mod peer;
mod peers;
mod route_detail;
mod route_table;
mod routes;
mod summary;

use heddle_admin::Client;
use heddle_admin::client::Pieces;

use crate::args::{Show, ShowCommand};
use crate::exit::Failure;
use crate::screen::Screen;

pub(crate) async fn run(args: Show, screen: &mut Screen) -> Result<(), Failure> {
    let client = Client::new(args.socket());
    match (args.command, args.connection.json) {
        (ShowCommand::Summary, true) => copy(client.get_raw("/v1/summary").await?, screen).await,
        (ShowCommand::Summary, false) => Ok(summary::write(&client.summary().await?, screen)?),
        (ShowCommand::Peers { .. }, true) => copy(client.get_raw("/v1/peers").await?, screen).await,
        (ShowCommand::Peers { wide }, false) => {
            let layout = if wide { peers::Layout::Wide } else { peers::Layout::Narrow };
            Ok(peers::write(&client.peers().await?.peers, layout, screen)?)
        }
        (ShowCommand::Peer { address }, true) => copy(client.peer_json(&address).await?, screen).await,
        (ShowCommand::Peer { address }, false) => Ok(peer::write(&client.peer(&address).await?, screen)?),
        (ShowCommand::Routes(routes), true) => copy(client.routes_json(&routes::query(&routes)).await?, screen).await,
        (ShowCommand::Routes(routes), false) => routes::run(&client, &routes, screen).await,
        (ShowCommand::Fib(args), true) => fib::json(&client, &args, screen).await,
        (ShowCommand::Fib(args), false) => fib::run(&client, &args, screen).await,
        (ShowCommand::Node, true) => copy(client.get_raw("/v1/node").await?, screen).await,
        (ShowCommand::Node, false) => Ok(node::write(&client.node().await?, screen)?),
    }
}

/// Copies an answer as it comes.
async fn copy(mut pieces: Pieces, screen: &mut Screen) -> Result<(), Failure> {
    while let Some(piece) = pieces.next().await? {
        screen.raw(&piece)?;
    }
    Ok(())
}
