//! Prints an MRT file one route a line: `cargo run -p heddle-mrt --example show -- FILE`.

use std::fs::File;
use std::io::stdout;
use std::process::ExitCode;

use heddle_mrt::Reader;
use heddle_mrt::show::show;

fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("usage: show FILE");
        return ExitCode::from(2);
    };
    let shown = File::open(&file)
        .map_err(|e| e.to_string())
        .and_then(|f| Reader::new(f).map_err(|e| e.to_string()))
        .and_then(|mut reader| show(&mut reader, stdout().lock()).map_err(|e| e.to_string()));
    match shown {
        Ok(summary) => {
            if let Some((offset, why)) = summary.first_skipped {
                eprintln!("{file}: {} records passed over; the first at octet {offset}: {why}", summary.skipped);
            }
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{file}: {e}");
            ExitCode::FAILURE
        }
    }
}
