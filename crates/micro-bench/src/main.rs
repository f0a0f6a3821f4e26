//! The hot path once, for profilers: `hot-path [UPDATES]`, by default 10,000 of each of two senders.

use std::process::ExitCode;

use heddle_micro_bench::hot_path::HotPath;
use heddle_micro_bench::table::{MOST, OF_ONE_SET};

const UPDATES: u32 = 10_000;

fn main() -> ExitCode {
    let updates = match std::env::args().nth(1).map(|argument| argument.parse::<u32>()) {
        None => UPDATES,
        Some(Ok(updates)) if (1..=MOST / OF_ONE_SET).contains(&updates) => updates,
        Some(_) => {
            eprintln!("hot-path: the number of UPDATEs of each sender is 1 to {}", MOST / OF_ONE_SET);
            return ExitCode::FAILURE;
        }
    };
    let written = HotPath::new(updates).run(|_, _| {});
    println!("{updates} UPDATEs with {OF_ONE_SET} routes from each of two clients: {written} octets to five clients");
    ExitCode::SUCCESS
}
