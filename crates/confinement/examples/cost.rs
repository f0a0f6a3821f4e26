//! What the list of refused system calls costs those that are allowed.
//!
//! `cargo run --release -p heddle-confinement --example cost`: processes without the list and with it make the same system calls in
//! turns. Of each the least counts, as whatever else the machine does only adds. Nanoseconds of CPU time a call.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, ExitCode};
use std::{env, fs};

use heddle_config::{Confinement, ConfinementPart};
use heddle_confinement::{Needs, Programs, Routes, State, confine};

/// System calls of each sort in a process.
const CALLS: u64 = 2_000_000;
/// Processes of each sort.
const TURNS: u32 = 7;

fn main() -> ExitCode {
    let done = match env::args().nth(1).as_deref() {
        None => compare(),
        Some(sort) => measure(sort == "confined"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cost: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints picoseconds of CPU time of a `recvfrom` that finds nothing, and of a `sendto` and a `recvfrom` of an octet.
fn measure(confined: bool) -> Result<(), String> {
    if confined {
        let others = [ConfinementPart::Dumps, ConfinementPart::Capabilities, ConfinementPart::Landlock];
        let wanted = Confinement { off: others.into_iter().collect(), readable: Vec::new() };
        let needs =
            Needs { routes: Routes::Untouched, programs: Programs::Unused, reads: Vec::new(), writes: Vec::new() };
        let in_force = |(_, state): &(_, State)| matches!(state, State::InForce(_));
        if confine(&wanted, &needs).iter().filter(|part| in_force(part)).count() != 1 {
            return Err("this kernel does not take the list".to_owned());
        }
    }
    let text = |error: std::io::Error| error.to_string();
    let (one, other) = UnixDatagram::pair().map_err(text)?;
    other.set_nonblocking(true).map_err(text)?;
    let mut octets = [0; 64];
    let before = cpu()?;
    for _ in 0..CALLS {
        let _ = other.recv(&mut octets);
    }
    let between = cpu()?;
    for _ in 0..CALLS / 2 {
        one.send(&[1]).map_err(text)?;
        other.recv(&mut octets).map_err(text)?;
    }
    let after = cpu()?;
    println!("{} {}", (between - before) * 1000 / CALLS, (after - between) * 1000 / CALLS);
    Ok(())
}

/// CPU time of this process, in nanoseconds.
fn cpu() -> Result<u64, String> {
    let text = fs::read_to_string("/proc/self/schedstat").map_err(|error| error.to_string())?;
    let first = text.split_whitespace().next().and_then(|word| word.parse().ok());
    first.ok_or_else(|| format!("no time in {text:?}"))
}

fn compare() -> Result<(), String> {
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let mut least = [[u64::MAX; 2]; 2];
    for _ in 0..TURNS {
        for (sort, least) in ["free", "confined"].into_iter().zip(&mut least) {
            let output = Command::new(&own).arg(sort).output().map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&output.stdout);
            let figures: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            if !output.status.success() || figures.len() != least.len() {
                return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
            }
            for (least, figure) in least.iter_mut().zip(figures) {
                *least = figure.min(*least);
            }
        }
    }
    let [free, confined] = least;
    for ((what, free), confined) in
        ["recvfrom, nothing there", "sendto and recvfrom, an octet"].iter().zip(free).zip(confined)
    {
        let ns = |ps: u64| format!("{}.{} ns", ps / 1000, ps % 1000 / 100);
        println!(
            "{what}: {} a call, with the list {}: {} more",
            ns(free),
            ns(confined),
            ns(confined.saturating_sub(free))
        );
    }
    Ok(())
}
