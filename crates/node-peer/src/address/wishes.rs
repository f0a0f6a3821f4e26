//! What the environment asks for, by the variables of Calico's node.

use std::time::Duration;

use heddle_resources::Node;
use heddle_resources::value::{AsNumber, Family, InterfaceAddress, parse_duration};
use thiserror::Error;

use super::listing::{Routes, Wanted};
use super::method::{Method, MethodError};

/// The node's addresses and AS, which are written into its Node. Not with a folder of manifests, which say it
/// themselves.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct AddressArgs {
    /// The node's IPv4 address: autodetect, none (as the Node has it), or ADDRESS[/LENGTH]; without it, detected if the Node has none
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "IP",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub ip: String,
    /// The node's IPv6 address, likewise; without it, as the Node has it
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "IP6",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub ip6: String,
    /// How the IPv4 address is detected: first-found, can-reach=HOST, interface=REGEX, skip-interface=REGEX, cidr=CIDR, kubernetes-internal-ip
    #[arg(long, value_name = "METHOD", env = "IP_AUTODETECTION_METHOD", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub ip_method: String,
    /// How the IPv6 address is detected
    #[arg(long, value_name = "METHOD", env = "IP6_AUTODETECTION_METHOD", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub ip6_method: String,
    /// The node's AS number, in place of the cluster's
    #[arg(
        long,
        value_name = "NUMBER",
        env = "AS",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub asn: String,
    /// `true`: an address that another node has may be written all the same
    #[arg(long, value_name = "BOOL", env = "DISABLE_NODE_IP_CHECK", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub disable_node_ip_check: String,
    /// How often addresses are detected again, where IP or IP6 is autodetect
    #[arg(long, value_name = "DURATION", env = "AUTODETECT_POLL_INTERVAL", hide_env_values = true)]
    #[arg(default_value = "", hide_default_value = true)]
    pub autodetect_poll_interval: String,
}

/// What is wanted of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// What the Node has, or nothing.
    AsItIs,
    /// What the Node has, or what is detected.
    DetectIfNone,
    /// What is detected, again and again.
    Detect,
    /// This.
    Given(InterfaceAddress, Length),
}

/// Where the prefix length of a given address is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Given,
    /// Of the interface that has the address.
    OfInterface,
}

/// Whether an address that another node has may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Yes,
    /// `DISABLE_NODE_IP_CHECK`
    No,
}

/// What the environment asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) v4: (Wish, Method),
    pub(crate) v6: (Wish, Method),
    pub(crate) asn: Option<AsNumber>,
    pub(crate) check: Check,
    /// How often it is looked again.
    pub(crate) poll: Duration,
}

/// A value is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum WishError {
    /// `IP`, `IP6`
    #[error(
        "{variable}: {value:?} is no {family} address; write autodetect, none, or one such as 10.0.0.1/24 or fd00::1/64"
    )]
    Address {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
        /// What it should be.
        family: Family,
    },
    /// A method.
    #[error("{variable}: {error}")]
    Method {
        /// The variable.
        variable: &'static str,
        /// Why.
        error: MethodError,
    },
    /// `AS`
    #[error("AS: {0:?} is no AS number; write one from 1 to 4294967295")]
    Asn(String),
    /// `AUTODETECT_POLL_INTERVAL`
    #[error("AUTODETECT_POLL_INTERVAL: {0:?} is no duration; write one such as 60s or 2m")]
    Interval(String),
}

impl AddressArgs {
    /// What they come to.
    pub(crate) fn wishes(&self) -> Result<Wishes, WishError> {
        let method = |variable, text: &str| text.parse().map_err(|error| WishError::Method { variable, error });
        let asn = match self.asn.trim() {
            "" => None,
            text => {
                let asn = text.parse().ok().filter(|asn: &AsNumber| asn.0 != 0);
                Some(asn.ok_or_else(|| WishError::Asn(text.to_owned()))?)
            }
        };
        let poll = match self.autodetect_poll_interval.trim() {
            "" => POLL,
            text => {
                let parsed = parse_duration(text).map_err(|_| WishError::Interval(text.to_owned()))?;
                parsed.max(SHORTEST)
            }
        };
        let unchecked = matches!(self.disable_node_ip_check.trim(), "true" | "True" | "TRUE");
        Ok(Wishes {
            v4: (wish("IP", &self.ip, Family::V4)?, method("IP_AUTODETECTION_METHOD", &self.ip_method)?),
            v6: (wish("IP6", &self.ip6, Family::V6)?, method("IP6_AUTODETECTION_METHOD", &self.ip6_method)?),
            asn,
            check: if unchecked { Check::No } else { Check::Yes },
            poll,
        })
    }
}

/// Calico's.
const POLL: Duration = Duration::from_secs(60);
/// More often is never looked.
const SHORTEST: Duration = Duration::from_secs(1);

impl Wishes {
    /// What a listing has to have for this node.
    pub(crate) fn wanted(&self, node: &Node) -> Wanted {
        let detects = |(wish, _): &(Wish, Method), family| match wish {
            Wish::AsItIs | Wish::Given(..) => false,
            Wish::DetectIfNone => node.spec.bgp.address(family).is_none(),
            Wish::Detect => true,
        };
        if detects(&self.v4, Family::V4) || detects(&self.v6, Family::V6) {
            Wanted { reach: self.reach(), routes: Routes::Wanted }
        } else {
            Wanted::default()
        }
    }

    /// Where `can-reach` is asked about.
    fn reach(&self) -> Vec<(String, Family)> {
        let of = |(_, method): &(Wish, Method), family| match method {
            Method::CanReach(destination) => Some((destination.clone(), family)),
            Method::Default
            | Method::FirstFound
            | Method::Interface(_)
            | Method::SkipInterface(_)
            | Method::Cidr(_)
            | Method::InternalIp => None,
        };
        of(&self.v4, Family::V4).into_iter().chain(of(&self.v6, Family::V6)).collect()
    }

    /// Whether what is detected counts for as long as the node runs.
    pub(crate) fn follows(&self) -> bool {
        [self.v4.0, self.v6.0].contains(&Wish::Detect)
    }
}

fn wish(variable: &'static str, text: &str, family: Family) -> Result<Wish, WishError> {
    let text = text.trim();
    match (text, family) {
        ("", Family::V4) => Ok(Wish::DetectIfNone),
        ("", Family::V6) | ("none", _) => Ok(Wish::AsItIs),
        ("autodetect", _) => Ok(Wish::Detect),
        (_, _) => {
            let address: Option<InterfaceAddress> = text.parse().ok();
            let length = if text.contains('/') { Length::Given } else { Length::OfInterface };
            let given = address.filter(|address| Family::of(address.address()) == family);
            let wrong = || WishError::Address { variable, value: text.to_owned(), family };
            given.map(|address| Wish::Given(address, length)).ok_or_else(wrong)
        }
    }
}
