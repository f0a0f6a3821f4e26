//! BGP messages by hand: what the raw peer writes and how it reads, written apart from the libraries under test.

use std::collections::BTreeMap;

pub(crate) use crate::rows::{USUAL_PREFIX, hex, message, unhex, update};

pub(crate) const OPEN: u8 = 1;
pub(crate) const UPDATE: u8 = 2;
pub(crate) const NOTIFICATION: u8 = 3;
pub(crate) const KEEPALIVE: u8 = 4;
pub(crate) const ROUTE_REFRESH: u8 = 5;

/// A prefix as NLRI.
pub(crate) fn nlri(prefix: &str) -> Vec<u8> {
    let (address, length) = prefix.split_once('/').unwrap_or_else(|| panic!("{prefix} is no prefix"));
    let length: u8 = length.parse().unwrap_or_else(|_| panic!("{prefix} is no prefix"));
    let octets = match address.parse() {
        Ok(std::net::IpAddr::V4(v4)) => v4.octets().to_vec(),
        Ok(std::net::IpAddr::V6(v6)) => v6.octets().to_vec(),
        Err(error) => panic!("{prefix}: {error}"),
    };
    [&[length][..], &octets[..usize::from(length).div_ceil(8)]].concat()
}

/// Attribute 15 with these IPv6 prefixes.
fn mp_unreach(prefixes: &[&str]) -> Vec<u8> {
    let value = [vec![0, 2, 1], prefixes.iter().flat_map(|prefix| nlri(prefix)).collect()].concat();
    [&[0x80, 15, u8::try_from(value.len()).expect("few prefixes")][..], &value].concat()
}

/// Attribute 14 with these IPv6 prefixes, by 2001:db8::2.
fn mp_reach(prefixes: &[&str]) -> Vec<u8> {
    let nlri = prefixes.iter().flat_map(|prefix| nlri(prefix)).collect();
    let value = [unhex("00020110 20010db8000000000000000000000002 00"), nlri].concat();
    [&[0x80, 14, u8::try_from(value.len()).expect("few prefixes")][..], &value].concat()
}

fn of_family<'a>(prefixes: &[&'a str], v6: bool) -> Vec<&'a str> {
    prefixes.iter().copied().filter(|prefix| prefix.contains(':') == v6).collect()
}

/// An UPDATE that advertises these prefixes with these attributes.
pub(crate) fn advertise(prefixes: &[&str], attributes: &str) -> Vec<u8> {
    let (v4, v6) = (of_family(prefixes, false), of_family(prefixes, true));
    let reach = if v6.is_empty() { Vec::new() } else { mp_reach(&v6) };
    let nlri: Vec<u8> = v4.iter().flat_map(|prefix| nlri(prefix)).collect();
    message(UPDATE, &update(&[], &[unhex(attributes), reach].concat(), &nlri))
}

/// An UPDATE that withdraws these prefixes.
pub(crate) fn withdraw(prefixes: &[&str]) -> Vec<u8> {
    let (v4, v6) = (of_family(prefixes, false), of_family(prefixes, true));
    let unreach = if v6.is_empty() { Vec::new() } else { mp_unreach(&v6) };
    message(UPDATE, &update(&v4.iter().flat_map(|prefix| nlri(prefix)).collect::<Vec<u8>>(), &unreach, &[]))
}

/// What an OPEN of ours says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenWith<'a> {
    pub(crate) asn: u16,
    pub(crate) hold_time: u16,
    /// Capabilities in hexadecimal digits.
    pub(crate) capabilities: &'a str,
}

/// Multiprotocol for IPv4 and IPv6 unicast.
pub(crate) const FAMILIES: &str = "010400010001 010400020001";

impl OpenWith<'_> {
    pub(crate) fn message(&self) -> Vec<u8> {
        let capabilities = unhex(self.capabilities);
        let length = u8::try_from(capabilities.len()).expect("few capabilities");
        let mut body = vec![4];
        body.extend_from_slice(&self.asn.to_be_bytes());
        body.extend_from_slice(&self.hold_time.to_be_bytes());
        body.extend_from_slice(&[10, 0, 0, 2, length + 2, 2, length]);
        body.extend_from_slice(&capabilities);
        message(OPEN, &body)
    }
}

/// The 4-octet AS number capability.
pub(crate) fn four_octets(asn: u16) -> String {
    format!("41040000{asn:04x}")
}

/// A path attribute as it stood in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) code: u8,
    /// Flags, type, length and value.
    pub(crate) octets: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// What a peer has been sent: prefix to attributes.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) routes: BTreeMap<String, Vec<Attribute>>,
    /// How many UPDATEs came.
    pub(crate) updates: usize,
    /// What was wrong with messages that came.
    pub(crate) wrong: Vec<String>,
}

/// A cut message, or a length that is not true.
type Cut = String;

fn split<'a>(octets: &mut &'a [u8], length: usize, what: &str) -> Result<&'a [u8], Cut> {
    let (head, rest) =
        octets.split_at_checked(length).ok_or_else(|| format!("{what}: {} of {length}", octets.len()))?;
    *octets = rest;
    Ok(head)
}

fn number(octets: &mut &[u8], length: usize, what: &str) -> Result<usize, Cut> {
    Ok(split(octets, length, what)?.iter().fold(0, |all, octet| all << 8 | usize::from(*octet)))
}

fn prefixes(mut octets: &[u8], v6: bool) -> Result<Vec<String>, Cut> {
    let mut all = Vec::new();
    while !octets.is_empty() {
        let length = number(&mut octets, 1, "prefix length")?;
        let part = split(&mut octets, length.div_ceil(8), "prefix")?;
        let mut whole = [0; 16];
        whole.get_mut(..part.len()).ok_or("prefix beyond 128 bits")?.copy_from_slice(part);
        all.push(if v6 {
            format!("{}/{length}", std::net::Ipv6Addr::from(whole))
        } else {
            format!("{}.{}.{}.{}/{length}", whole[0], whole[1], whole[2], whole[3])
        });
    }
    Ok(all)
}

impl Received {
    /// Whether a check of the rows holds for a prefix: `-` (it was not sent), `:HEX` (it has this attribute, octet for octet), `?N`, `!N`
    /// (it has attribute N, or not), `as-segments`.
    pub(crate) fn holds(&self, prefix: &str, check: &str) -> Result<(), String> {
        let attributes = self.routes.get(prefix);
        if check == "-" {
            return attributes.map_or(Ok(()), |attributes| Err(format!("it was sent: {attributes:?}")));
        }
        let attributes = attributes.ok_or("it was not sent")?;
        let has = |code: &str| {
            let code: u8 = code.parse().unwrap_or_else(|_| panic!("{check} is no check"));
            attributes.iter().any(|attribute| attribute.code == code)
        };
        let holds = match (check.strip_prefix(':'), check.strip_prefix('?'), check.strip_prefix('!')) {
            (Some(octets), ..) => attributes.iter().any(|attribute| hex(&attribute.octets) == octets),
            (_, Some(code), _) => has(code),
            (_, _, Some(code)) => !has(code),
            // RFC 4271 §5.1.2: toward an external peer, a segment of 255 gets another one before it.
            _ if check == "as-segments" => {
                let path = attributes.iter().find(|attribute| attribute.code == 2).ok_or("no AS_PATH")?;
                let second = 2 + 4;
                let lengths = (path.value.get(1), path.value.get(second + 1), path.value.len());
                lengths == (Some(&1), Some(&255), second + 2 + 4 * 255)
            }
            _ => panic!("{check} is no check"),
        };
        if holds { Ok(()) } else { Err(format!("{attributes:?}")) }
    }

    /// Takes the body of an UPDATE; what no speaker should send is noted in `wrong`.
    pub(crate) fn take(&mut self, body: &[u8]) {
        self.updates += 1;
        if let Err(wrong) = self.read(body) {
            self.wrong.push(format!("{wrong} in {}", hex(body)));
        }
    }

    fn read(&mut self, mut body: &[u8]) -> Result<(), Cut> {
        let length = number(&mut body, 2, "withdrawn length")?;
        let withdrawn = split(&mut body, length, "withdrawn")?;
        let length = number(&mut body, 2, "attribute length")?;
        let mut octets = split(&mut body, length, "attributes")?;
        let mut attributes: Vec<Attribute> = Vec::new();
        let (mut gone, mut here) = (prefixes(withdrawn, false)?, prefixes(body, false)?);
        while !octets.is_empty() {
            let attribute = read_attribute(&mut octets)?;
            if attributes.iter().any(|known| known.code == attribute.code) {
                return Err(format!("attribute {} twice", attribute.code));
            }
            match attribute.code {
                14 => here.extend(reach(&attribute.value)?),
                15 => gone.extend(unreach(&attribute.value)?),
                _ => {}
            }
            attributes.push(attribute);
        }
        let has = |code| attributes.iter().any(|attribute| attribute.code == code);
        if !here.is_empty() && !(has(1) && has(2) && (has(3) || has(14))) {
            return Err("a mandatory attribute is missing".to_owned());
        }
        gone.iter().for_each(|prefix| drop(self.routes.remove(prefix)));
        self.routes.extend(here.into_iter().map(|prefix| (prefix, attributes.clone())));
        Ok(())
    }
}

fn read_attribute(octets: &mut &[u8]) -> Result<Attribute, Cut> {
    let start = *octets;
    let flags = split(octets, 1, "flags")?[0];
    let code = split(octets, 1, "type")?[0];
    let extended = flags & 0x10 != 0;
    let length = number(octets, if extended { 2 } else { 1 }, "length")?;
    let value = split(octets, length, "value")?.to_vec();
    if flags & 0x0f != 0 {
        return Err(format!("attribute {code}: low flag bits {flags:02x}"));
    }
    if extended && length < 256 {
        return Err(format!("attribute {code}: Extended Length for {length}"));
    }
    Ok(Attribute { code, octets: start[..start.len() - octets.len()].to_vec(), value })
}

fn reach(mut value: &[u8]) -> Result<Vec<String>, Cut> {
    let afi = number(&mut value, 2, "AFI")?;
    split(&mut value, 1, "SAFI")?;
    let length = number(&mut value, 1, "next hop length")?;
    split(&mut value, length, "next hop")?;
    split(&mut value, 1, "reserved octet")?;
    prefixes(value, afi == 2)
}

fn unreach(mut value: &[u8]) -> Result<Vec<String>, Cut> {
    let afi = number(&mut value, 2, "AFI")?;
    split(&mut value, 1, "SAFI")?;
    prefixes(value, afi == 2)
}
