//! `heddle mrt`: MRT files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use heddle_mrt::Reader;
use heddle_mrt::show::ShowError;
use heddle_speaker::replay::ReplayArgs;

use crate::args::{Mrt, MrtCommand, Replay};
use crate::exit::Failure;
use crate::screen::Screen;
use crate::words::count;

pub(crate) fn run(args: Mrt, screen: &mut Screen) -> Result<(), Failure> {
    match args.command {
        MrtCommand::Show { file } => show(file, screen),
        MrtCommand::Replay(args) => crate::client(replay(args, screen)),
    }
}

/// Opens a file; `-` is standard input.
fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).map_err(|source| Failure::File { path: path.to_owned(), source })?;
    Ok(Box::new(file))
}

fn show(path: PathBuf, screen: &mut Screen) -> Result<(), Failure> {
    let file = open(&path)?;
    let read_failed = |source| Failure::Mrt { path: path.clone(), source };
    let mut reader = Reader::new(file).map_err(read_failed)?;
    let result = heddle_mrt::show::show(&mut reader, screen.writer());
    match result {
        Ok(summary) => {
            if let Some((offset, why)) = &summary.first_skipped {
                let records = count(summary.skipped, "record", "records");
                eprintln!("{}: {records} not understood, the first at octet {offset}: {why}", path.display());
            }
            Ok(())
        }
        Err(ShowError::Write(error)) => Err(Failure::Output(error)),
        Err(ShowError::File(source)) => {
            // What stands before the damage comes out first.
            screen.flush()?;
            Err(read_failed(source))
        }
    }
}

async fn replay(args: Replay, screen: &mut Screen) -> Result<(), Failure> {
    let Replay { file, local_as, to, bind, peer, router_id, hold_time, hold } = args;
    let hold = hold.map(Duration::from_secs);
    let args = ReplayArgs { file, local_as, to, bind, peer, router_id, hold_time, hold };
    let report = heddle_speaker::replay::run(args).await?;
    let sent = report.counters;
    let updates = count(sent.messages, "UPDATE", "UPDATEs");
    let advertised = count(sent.advertised, "prefix", "prefixes");
    let seconds = report.elapsed.as_secs_f64();
    writeln!(screen, "sent {updates}: {advertised} advertised, {} withdrawn, in {seconds:.2} s", sent.withdrawn)?;
    if sent.malformed > 0 {
        eprintln!("{} not understood and left out", count(sent.malformed, "record", "records"));
    }
    if sent.too_long > 0 {
        eprintln!("{} left out: attributes too long for a message", count(sent.too_long, "prefix", "prefixes"));
    }
    Ok(())
}
