//! The rows of malformed input: which there are, their octets, and what becomes of them. Every target that plays them includes
//! this file; none of the code under test is used in it.

/// What the RFCs ask for.
pub const LIST: &str = include_str!("../data/bad-input-list.tsv");
const MESSAGES: &str = include_str!("../data/bad-messages.tsv");
const UPDATES: &str = include_str!("../data/bad-updates.tsv");

/// The prefix that most rows are about.
pub const USUAL_PREFIX: &str = "10.99.1.0/24";
/// The path attributes that rows are built from.
pub const EXTERNAL_BASE: [&str; 3] = ["40010100", "40020602010000fde9", "4003040a000002"];
/// The same of an internal peer.
pub const INTERNAL_BASE: [&str; 4] = ["40010100", "400200", "4003040a000002", "40050400000064"];

/// Octets from hexadecimal digits; spaces do not count.
///
/// # Panics
/// There are no pairs of digits.
pub fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "odd number of digits: {}", String::from_utf8_lossy(&digits));
    let pairs = digits.chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned());
    pairs.map(|pair| u8::from_str_radix(&pair, 16).unwrap_or_else(|error| panic!("{pair}: {error}"))).collect()
}

/// Hexadecimal digits.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A whole message.
///
/// # Panics
/// The body is too long.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).expect("a short body");
    [&[0xff; 16][..], &length.to_be_bytes(), &[kind], body].concat()
}

/// The body of an UPDATE.
///
/// # Panics
/// A part is too long.
pub fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let length = |part: &[u8]| u16::try_from(part.len()).expect("a short part").to_be_bytes();
    [&length(withdrawn)[..], withdrawn, &length(attributes), attributes, nlri].concat()
}

/// The fields of each line that is no comment.
fn lines<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<&'static str> = line.split('\t').collect();
        fields.try_into().unwrap_or_else(|_| panic!("no row of {N} fields: {line}"))
    })
}

/// A row of the list.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// H01 to N06.
    pub id: &'static str,
    /// `external`, `internal` or `both`: whom it is about.
    pub session: &'static str,
    /// What may become of it, with commas between.
    pub outcomes: &'static str,
}

/// The list.
pub fn listed() -> impl Iterator<Item = Listed> {
    lines(LIST).map(|[id, session, outcomes, _, _]| Listed { id, session, outcomes })
}

/// A message that is no malformed UPDATE.
#[derive(Clone, Debug)]
pub struct Message {
    /// As in the list; a letter behind it tells further forms apart.
    pub id: &'static str,
    /// Where the session is when it is said.
    pub state: &'static str,
    /// What the decoder makes of it.
    pub decoder: &'static str,
    /// What a session makes of it, with an external and with an internal peer.
    pub sessions: [&'static str; 2],
    /// The whole message, as an external peer says it.
    pub octets: Vec<u8>,
    /// What it is.
    pub text: &'static str,
}

/// Headers, OPENs, ROUTE-REFRESHes, NOTIFICATIONs, and messages that come when they should not.
pub fn messages() -> Vec<Message> {
    let rows = lines(MESSAGES).map(|[id, state, decoder, external, internal, octets, text]| {
        let sessions = [external, internal].map(|outcome| if outcome == "=" { decoder } else { outcome });
        Message { id, state, decoder, sessions, octets: unhex(octets), text }
    });
    rows.collect()
}

impl Message {
    /// The message as a peer of this AS says it; one of 65001 says what is written.
    pub fn octets_of(&self, asn: u16) -> Vec<u8> {
        let mut octets = self.octets.clone();
        if octets.get(18) != Some(&1) {
            return octets;
        }
        let (from, to) = (65001_u16.to_be_bytes(), asn.to_be_bytes());
        let capability = [0x41, 4, 0, 0, from[0], from[1]];
        let mut places = vec![20];
        places.extend(octets.windows(6).enumerate().filter(|(_, w)| *w == capability).map(|(at, _)| at + 4));
        for place in places {
            if let Some(two) = octets.get_mut(place..place + 2).filter(|two| **two == from) {
                two.copy_from_slice(&to);
            }
        }
        octets
    }
}

/// The session that an UPDATE is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Session {
    /// AS 65001.
    External,
    /// A client.
    Internal,
    /// External, without the 4-octet AS capability.
    TwoOctet,
    /// Internal, without the 4-octet AS capability.
    InternalTwoOctet,
    /// External, with Path Identifiers of IPv4.
    AddPath,
    /// Internal, with Path Identifiers of IPv4.
    InternalAddPath,
    /// External; the peer is our customer.
    Customer,
    /// External; the first AS is not checked.
    AnyFirstAs,
    /// Internal with `reject_as_sets`.
    InternalNoSets,
}

impl Session {
    /// Whether the peer is in our AS.
    pub const fn internal(self) -> bool {
        matches!(self, Self::Internal | Self::InternalTwoOctet | Self::InternalAddPath | Self::InternalNoSets)
    }

    /// The usual path attributes of its routes.
    pub fn base(self) -> Vec<&'static str> {
        match self {
            _ if self.internal() => INTERNAL_BASE.to_vec(),
            Self::TwoOctet => vec![EXTERNAL_BASE[0], "4002040201fde9", EXTERNAL_BASE[2]],
            _ => EXTERNAL_BASE.to_vec(),
        }
    }
}

/// What becomes of an UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// NOTIFICATION 3 with this subcode.
    Reset(u8),
    /// Treat-as-withdraw, for the sake of this attribute.
    Withdraw(Option<u8>),
    /// Attribute discard; 0 where no attribute is missed afterwards.
    Discard(u8),
    /// The usual prefix is advertised.
    Replaced,
    /// The usual prefix is left alone, and only what the checks say happens.
    Only,
    /// Nothing happens.
    Kept,
    /// Nothing happens but that an error is counted.
    KeptFault,
    /// The route is not used, for this reason.
    Ineligible(&'static str),
}

impl Outcome {
    fn parse(text: &'static str) -> Self {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let number = || rest.parse().unwrap_or_else(|_| panic!("{text} is no outcome"));
        match word {
            "reset" => Self::Reset(number()),
            "withdraw" => Self::Withdraw((rest != "-").then(number)),
            "discard" => Self::Discard(number()),
            "ok" => Self::Replaced,
            "only" => Self::Only,
            "kept" => Self::Kept,
            "kept-fault" => Self::KeptFault,
            "ineligible" => Self::Ineligible(rest),
            _ => panic!("{text} is no outcome"),
        }
    }

    /// In the words of the list.
    pub fn listed(self) -> String {
        match self {
            Self::Reset(subcode) => format!("3/{subcode}"),
            Self::Withdraw(_) => "withdraw".to_owned(),
            Self::Discard(_) => "discard".to_owned(),
            Self::Replaced | Self::Only | Self::Kept => "ok".to_owned(),
            Self::KeptFault => "ignored".to_owned(),
            Self::Ineligible(_) => "unused".to_owned(),
        }
    }
}

/// An UPDATE on one session.
#[derive(Clone, Debug)]
pub struct Update {
    /// As in the list; a letter behind it tells further forms apart.
    pub id: &'static str,
    /// The session.
    pub session: Session,
    /// How its octets are written.
    input: &'static str,
    /// What becomes of it.
    pub outcome: Outcome,
    /// What else holds, see the file.
    pub checks: Vec<&'static str>,
    /// What it is.
    pub text: &'static str,
}

/// All UPDATEs, on each of their sessions.
pub fn updates() -> Vec<Update> {
    let rows = lines(UPDATES).flat_map(|[id, sessions, input, outcome, checks, text]| {
        let sessions: &[Session] = match sessions {
            "both" => &[Session::External, Session::Internal],
            "external" => &[Session::External],
            "internal" => &[Session::Internal],
            "two-octet" => &[Session::TwoOctet],
            "internal-two-octet" => &[Session::InternalTwoOctet],
            "add-path" => &[Session::AddPath],
            "internal-add-path" => &[Session::InternalAddPath],
            "customer" => &[Session::Customer],
            "any-first-as" => &[Session::AnyFirstAs],
            "internal-no-sets" => &[Session::InternalNoSets],
            other => panic!("{other} is no session"),
        };
        let (outcome, checks) = (Outcome::parse(outcome), checks.split_whitespace().collect::<Vec<_>>());
        sessions.iter().map(move |session| Update {
            id,
            session: *session,
            input,
            outcome,
            checks: checks.clone(),
            text,
        })
    });
    rows.collect()
}

impl Update {
    /// The body of the message.
    pub fn body(&self) -> Vec<u8> {
        let base = self.session.base();
        let usual = unhex("180a6301");
        match self.input.split_once(':').unwrap_or((self.input, "")) {
            ("body", body) => unhex(body),
            ("with", more) => update(&[], &unhex(&(base.concat() + more)), &usual),
            ("replace", one) => {
                let attributes: String = base.iter().map(|a| if a[2..4] == one[2..4] { one } else { *a }).collect();
                update(&[], &unhex(&attributes), &usual)
            }
            ("long-path", _) => {
                let path = ["02ff", &"0000fde9".repeat(255)].concat().repeat(62);
                let attributes = unhex(&format!("40010100 5002{:04x}{path} 4003040a000002", path.len() / 2));
                update(&[], &attributes, &usual)
            }
            _ => panic!("{}: no octets: {}", self.id, self.input),
        }
    }

    /// The data of the NOTIFICATION, where it ends the session: of 3/9 the attribute, from its flags to its end (RFC 4271 §6.3);
    /// nothing else here has any.
    ///
    /// # Panics
    /// A row of 3/9 does not say which octets these are, or says others than its body has.
    pub fn data(&self) -> Vec<u8> {
        if self.outcome != Outcome::Reset(9) {
            assert!(self.checked('=').is_empty(), "{}: only 3/9 has data", self.id);
            return Vec::new();
        }
        let [digits] = self.checked('=')[..] else { panic!("{}: what is the data?", self.id) };
        let data = unhex(digits);
        assert!(self.body().windows(data.len()).any(|part| part == data), "{}: {digits} is not in it", self.id);
        data
    }

    /// What says which row failed.
    pub fn name(&self) -> String {
        format!("{} on {:?} ({})", self.id, self.session, self.text)
    }

    /// The checks with this sign before them.
    pub fn checked(&self, sign: char) -> Vec<&'static str> {
        self.checks.iter().filter_map(|check| check.strip_prefix(sign)).collect()
    }
}
