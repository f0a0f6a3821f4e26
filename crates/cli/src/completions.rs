//! `heddle completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Heddle;
use crate::exit::Failure;
use crate::screen::Screen;

pub(crate) fn run(shell: Shell, screen: &mut Screen) -> Result<(), Failure> {
    // The generator panics when its writer fails, so it writes into memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Heddle::command(), "heddle", &mut script);
    Ok(screen.raw(&script)?)
}
