//! `heddle mrt`.

use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use heddle_bgp_core::{Asn, BgpId};

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
    /// Play the routes of an MRT file to a peer
    ///
    /// A speaker that sends the recorded UPDATEs in file order and without the recorded pauses, with the AS numbers as wide as the
    /// session has them. Tables (TABLE_DUMP, TABLE_DUMP_V2) are played too. Toward an eBGP peer LOCAL_PREF, ORIGINATOR_ID and
    /// CLUSTER_LIST are left out and the local AS is prepended.
    #[command(after_help = REPLAY)]
    Replay(Replay),
}

const REPLAY: &str = "\
After the last UPDATE the session stays up, since its end would withdraw the routes.

Exit codes:
  0  all was sent
  1  no connection, the session ended early, or the file is cut: what stands before was sent

Example:
  heddle mrt replay updates.gz --local-as 65001 --to 127.0.0.1:1790 --bind 127.0.0.2 --hold 60";

/// The arguments of `mrt replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The file
    pub(crate) file: PathBuf,
    /// Our AS
    #[arg(long, value_name = "AS")]
    pub(crate) local_as: Asn,
    /// The peer: its address, with a port if it is not 179
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = endpoint)]
    pub(crate) to: SocketAddr,
    /// Our address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<IpAddr>,
    /// The recorded peer whose routes are played; needed where the file has several
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) peer: Option<IpAddr>,
    /// Our BGP Identifier; by default made of our address
    #[arg(long, value_name = "ID")]
    pub(crate) router_id: Option<BgpId>,
    /// Hold Time that we offer, in seconds: 0 or from 3 on
    #[arg(long, value_name = "SECONDS", default_value_t = 90, value_parser = hold_time)]
    pub(crate) hold_time: u16,
    /// End the session so many seconds after the last UPDATE
    #[arg(long, value_name = "SECONDS")]
    pub(crate) hold: Option<u64>,
}

/// RFC 4271 §4.2: zero or at least three seconds.
fn hold_time(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(1 | 2) => Err("a hold time is 0 or at least 3 seconds".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(format!("{error}")),
    }
}

/// An address with or without a port.
fn endpoint(text: &str) -> Result<SocketAddr, AddrParseError> {
    /// BGP (RFC 4271 §8.2.1).
    const PORT: u16 = 179;
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(SocketAddr::new(address, PORT)),
        Err(_) => text.parse(),
    }
}
