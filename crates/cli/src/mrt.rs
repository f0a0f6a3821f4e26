//! `heddle mrt`: MRT files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use heddle_mrt::Reader;
use heddle_mrt::show::ShowError;

use crate::args::{Mrt, MrtCommand};
use crate::exit::Failure;
use crate::screen::Screen;
use crate::words::count;

pub(crate) fn run(args: Mrt, screen: &mut Screen) -> Result<(), Failure> {
    match args.command {
        MrtCommand::Show { file } => show(file, screen),
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
