//! `heddle mrt`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(infer_subcommands = true)]
pub(crate) struct Mrt {
    #[command(subcommand)]
    pub(crate) command: MrtCommand,
}

const SHOW: &str = "\
Reads TABLE_DUMP, TABLE_DUMP_V2, BGP4MP and BGP4MP_ET (RFC 6396, RFC 8050), plain, gzip or bzip2.

Exit codes:
  0  all was printed; records that could not be understood are counted on standard error
  1  the file is cut, damaged or of another kind: what stands before is printed, then the offset";

#[derive(Debug, Subcommand)]
pub(crate) enum MrtCommand {
    /// Print an MRT file one route a line, as `bgpdump -m` does
    #[command(after_help = SHOW)]
    Show {
        /// The file; - is standard input
        file: PathBuf,
    },
}
