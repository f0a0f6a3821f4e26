//! The command line.

use std::path::PathBuf;

use heddle_config::{Confinement, ConfinementPart, PROTOCOL_NAMES};

use crate::place::DatastorePlace;

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The node's name, as its Node resource has it
    #[arg(long, value_name = "NAME", env = "NODENAME", hide_env_values = true)]
    pub node: String,
    /// A directory of manifests, `kubernetes`, or `etcd`: where resources come from (docs/datastore.md)
    #[arg(long, value_name = "DIR|kubernetes|etcd", env = "DATASTORE_TYPE", hide_env_values = true)]
    pub datastore: DatastorePlace,
    /// Directory for the node's status (CalicoNodeStatus), where it is asked for; not inside the datastore
    #[arg(long, value_name = "DIR")]
    pub status_dir: Option<PathBuf>,
    /// Path of the API socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Also serve /metrics on this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<std::net::SocketAddr>,
    /// Number of our routes in the kernel (`rtm_protocol`)
    #[arg(long, value_name = "NUMBER", default_value_t = heddle_config::Fib::PROTOCOL,
          value_parser = own_protocol)]
    pub protocol: u8,
    /// The kernel's routing table
    #[arg(long, value_name = "NUMBER", default_value_t = heddle_config::Fib::MAIN_TABLE, value_parser = table)]
    pub table: u32,
    /// Take over routes of these protocols (numbers or names) at the first start; 12, `bird`: BIRD's
    #[arg(long, value_name = "PROTOCOL,…", value_delimiter = ',', value_parser = adopted_protocol)]
    pub adopt_protocols: Vec<u8>,
    /// Routes of these protocols (numbers or names) are advertised as the node's own
    #[arg(long, value_name = "PROTOCOL,…", value_delimiter = ',', value_parser = learned_protocol)]
    pub learn_protocols: Vec<u8>,
    /// When routes point to nexthop objects: auto, always, never
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = nexthop_objects)]
    pub nexthop_objects: heddle_config::NexthopObjects,
    /// Set the sysctls that forwarding needs, instead of only saying which are wrong
    #[arg(long)]
    pub manage_sysctls: bool,
    /// Let members of the socket's group use it, too (mode 0660)
    #[arg(long)]
    pub socket_group_access: bool,
    /// Folder in which status is told as BIRD tells it, on `bird.ctl` and `bird6.ctl`: for calicoctl and Calico's probes
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = BIRD_CTL)]
    pub bird_ctl: Option<PathBuf>,
    /// What the process does not take away from itself: dumps, capabilities, seccomp, landlock (docs/confinement.md)
    #[arg(long, value_name = "PART,…", value_delimiter = ',', value_parser = confinement_part)]
    pub confinement_off: Vec<ConfinementPart>,
    /// Folders and files that may be read beside those that the command line names
    #[arg(long, value_name = "PATH,…", value_delimiter = ',')]
    pub readable: Vec<PathBuf>,
}

impl Args {
    /// What the process takes away from itself.
    pub(crate) fn confinement(&self) -> Confinement {
        Confinement { off: self.confinement_off.iter().copied().collect(), readable: self.readable.clone() }
    }

    /// Whether the values go together.
    ///
    /// # Errors
    /// They do not, for the reason that is returned.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.adopt_protocols.contains(&self.protocol) {
            return Err(format!("--adopt-protocols: {} is the number of our own routes already", self.protocol));
        }
        let ours = |number: &&u8| **number == self.protocol || self.adopt_protocols.contains(number);
        match self.learn_protocols.iter().find(ours) {
            Some(number) => Err(format!("--learn-protocols: routes of protocol {number} are or become our own")),
            None => Ok(()),
        }
    }
}

/// A part of what the process takes away from itself, by its name.
///
/// # Errors
/// The names that there are.
pub fn confinement_part(text: &str) -> Result<ConfinementPart, String> {
    ConfinementPart::named(text.trim()).ok_or_else(|| "one of dumps, capabilities, seccomp, landlock".to_owned())
}

/// Protocols that may be ours: not those of the kernel (1 to 3) and of the administrator (4).
fn own_protocol(text: &str) -> Result<u8, String> {
    protocol(text, 5).ok_or_else(|| "a number from 5 to 255 that no other routing daemon uses".to_owned())
}

/// Protocols that may be adopted: not those of the kernel itself.
fn adopted_protocol(text: &str) -> Result<u8, String> {
    protocol(text, 3).ok_or_else(|| "numbers from 3 to 255 or names such as bird, zebra, static".to_owned())
}

/// Protocols to learn from.
fn learned_protocol(text: &str) -> Result<u8, String> {
    protocol(text, 1).ok_or_else(|| "numbers from 1 to 255 or names such as static, dhcp, zebra".to_owned())
}

/// A number, or its name in `rt_protos`.
fn protocol(text: &str, least: u8) -> Option<u8> {
    let named = PROTOCOL_NAMES.iter().find(|(name, _)| *name == text.trim()).map(|(_, number)| *number);
    named.or_else(|| text.trim().parse().ok()).filter(|number| *number >= least)
}

/// Tables that may be ours: not "unspecified", and not that of the kernel's own addresses.
fn table(text: &str) -> Result<u32, String> {
    let number = text.parse::<u32>().ok().filter(|number| !matches!(number, 0 | 255));
    number.ok_or_else(|| "a number from 1 to 4294967295 other than 255 (local)".to_owned())
}

/// Where calico-node has BIRD's sockets.
const BIRD_CTL: &str = "/var/run/calico";

/// Where the API socket is when the command line does not say.
pub const DEFAULT_SOCKET: &str = "/run/heddle/node-peer.sock";

fn nexthop_objects(text: &str) -> Result<heddle_config::NexthopObjects, String> {
    use heddle_config::NexthopObjects::{Always, Auto, Never};
    match text {
        "auto" => Ok(Auto),
        "always" => Ok(Always),
        "never" => Ok(Never),
        _ => Err("one of auto, always, never".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    fn args(more: &str) -> Option<Args> {
        let base = "node-peer --node n --datastore /d";
        let parsed = Program::try_parse_from(base.split(' ').chain(more.split_whitespace()));
        parsed.ok().map(|program| program.args).filter(|args| args.check().is_ok())
    }

    /// The kernel's own routes and those of the administrator can be neither ours nor adopted.
    #[test]
    fn numbers_of_the_kernel_are_refused() {
        assert!(args("").is_some());
        assert!(args("--protocol 5 --table 1000 --adopt-protocols 12 --learn-protocols 4").is_some());
        let named = args("--adopt-protocols bird,zebra --learn-protocols dhcp").expect("names are numbers");
        assert_eq!((named.adopt_protocols, named.learn_protocols), (vec![12, 11], vec![16]));
        for wrong in [
            "--protocol 4",
            "--table 0",
            "--table 255",
            "--adopt-protocols 2",
            "--adopt-protocols 158",
            "--learn-protocols 158",
            "--adopt-protocols 12 --learn-protocols 12",
            "--adopt-protocols kernel",
            "--adopt-protocols heddle",
            "--learn-protocols brid",
            "--confinement-off all",
        ] {
            assert!(args(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn sockets_of_bird_are_where_calico_has_them() {
        let folder = |more: &str| args(more).expect("it is allowed").bird_ctl;
        assert_eq!(folder(""), None);
        assert_eq!(folder("--bird-ctl"), Some("/var/run/calico".into()));
        assert_eq!(folder("--bird-ctl --manage-sysctls"), Some("/var/run/calico".into()));
        assert_eq!(folder("--bird-ctl /run/bird"), Some("/run/bird".into()));
    }
}
