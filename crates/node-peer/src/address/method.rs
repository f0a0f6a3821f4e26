//! `IP_AUTODETECTION_METHOD`: how an address is chosen.

use std::fmt;
use std::str::FromStr;

use heddle_resources::value::InterfaceAddress;
use regex_automata::meta::Regex;
use thiserror::Error;

/// How an address is chosen among those of this machine.
#[derive(Clone, Debug)]
pub(crate) enum Method {
    /// Nothing was said: the node's address in Kubernetes, that of the default route, then any. (Calico: `first-found`.)
    Default,
    /// `first-found`
    FirstFound,
    /// `can-reach=DESTINATION`: the source of packets to there.
    CanReach(String),
    /// `interface=REGEX,…`
    Interface(Patterns),
    /// `skip-interface=REGEX,…`
    SkipInterface(Patterns),
    /// `cidr=CIDR,…`
    Cidr(Vec<InterfaceAddress>),
    /// `kubernetes-internal-ip`
    InternalIp,
}

/// Regular expressions of interface names, of which one has to be found in a name. (They are not anchored, as Go's are not.)
#[derive(Clone, Debug)]
pub(crate) struct Patterns {
    text: String,
    expressions: Vec<Regex>,
}

impl Patterns {
    pub(crate) fn find(&self, name: &str) -> bool {
        self.expressions.iter().any(|expression| expression.is_match(name))
    }
}

/// The text is no method.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum MethodError {
    /// Another word.
    #[error(
        "{0:?} is no method; write first-found, can-reach=HOST, interface=REGEX,…, skip-interface=REGEX,…, cidr=CIDR,… or \
         kubernetes-internal-ip"
    )]
    Unknown(String),
    /// No regular expression.
    #[error("{0:?} is no regular expression of interface names")]
    Regex(String),
    /// No CIDR.
    #[error("{0:?} is no CIDR; write networks such as 10.0.0.0/8, with commas between them")]
    Cidr(String),
    /// Nothing behind the sign.
    #[error("{0}= wants a value")]
    Empty(&'static str),
}

impl FromStr for Method {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Self, MethodError> {
        let text = text.trim();
        match text.split_once('=') {
            None => match text {
                "" => Ok(Self::Default),
                "first-found" => Ok(Self::FirstFound),
                "kubernetes-internal-ip" => Ok(Self::InternalIp),
                _ => Err(MethodError::Unknown(text.to_owned())),
            },
            Some(("can-reach", "")) => Err(MethodError::Empty("can-reach")),
            Some(("can-reach", destination)) => Ok(Self::CanReach(destination.to_owned())),
            Some(("interface", list)) => patterns("interface", list).map(Self::Interface),
            Some(("skip-interface", list)) => patterns("skip-interface", list).map(Self::SkipInterface),
            Some(("cidr", list)) => {
                let cidr = |text: &str| text.parse().map_err(|_| MethodError::Cidr(text.to_owned()));
                list.split(',').map(|text| cidr(text.trim())).collect::<Result<_, _>>().map(Self::Cidr)
            }
            Some(_) => Err(MethodError::Unknown(text.to_owned())),
        }
    }
}

fn patterns(method: &'static str, list: &str) -> Result<Patterns, MethodError> {
    let compile = |text: &str| {
        // An empty expression is in every name: what Calico makes of a comma too many, and nobody means.
        if text.is_empty() {
            return Err(MethodError::Empty(method));
        }
        Regex::new(text).map_err(|_| MethodError::Regex(text.to_owned()))
    };
    let expressions = list.split(',').map(|text| compile(text.trim())).collect::<Result<_, _>>()?;
    Ok(Patterns { text: list.to_owned(), expressions })
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default method"),
            Self::FirstFound => f.write_str("first-found"),
            Self::CanReach(destination) => write!(f, "can-reach={destination}"),
            Self::Interface(patterns) => write!(f, "interface={}", patterns.text),
            Self::SkipInterface(patterns) => write!(f, "skip-interface={}", patterns.text),
            Self::Cidr(list) => {
                let list: Vec<String> = list.iter().map(ToString::to_string).collect();
                write!(f, "cidr={}", list.join(","))
            }
            Self::InternalIp => f.write_str("kubernetes-internal-ip"),
        }
    }
}
