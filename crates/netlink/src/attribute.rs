//! Attributes of netlink messages: a length, a type, a value, padded to four octets; nested by being values themselves.
//!
//! The reader works on borrowed octets and allocates nothing. It ends at the first attribute that does not fit into
//! what holds it; what a message must have is for its decoder to ask for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a length of netlink is rounded up to.
pub(crate) const ALIGN: usize = 4;
/// Octets of an attribute's header.
const HEADER: usize = 4;
/// The bits of the type: the upper two say "nested" and "in network byte order".
const TYPE_MASK: u16 = 0x3fff;

/// A length with its padding.
pub(crate) const fn aligned(length: usize) -> usize {
    length.next_multiple_of(ALIGN)
}

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The value as a number of one octet.
    pub(crate) fn u8(&self) -> Option<u8> {
        self.value.first().copied()
    }

    /// The value as a number of two octets.
    pub(crate) fn u16(&self) -> Option<u16> {
        self.value.first_chunk().map(|octets| u16::from_ne_bytes(*octets))
    }

    /// The value as a number of four octets.
    pub(crate) fn u32(&self) -> Option<u32> {
        self.value.first_chunk().map(|octets| u32::from_ne_bytes(*octets))
    }

    /// The value as an address; its length tells the family.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        ip(self.value)
    }

    /// The value as text, up to its first zero octet; octets that are no UTF-8 are replaced.
    pub(crate) fn text(&self) -> String {
        let end = self.value.iter().position(|octet| *octet == 0).unwrap_or(self.value.len());
        String::from_utf8_lossy(self.value.get(..end).unwrap_or_default()).into_owned()
    }

    /// The attributes within this one.
    pub(crate) fn nested(&self) -> Attributes<'a> {
        Attributes(self.value)
    }
}

/// An address of 4 or 16 octets.
pub(crate) fn ip(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => octets.first_chunk().map(|octets: &[u8; 4]| IpAddr::V4(Ipv4Addr::from(*octets))),
        16 => octets.first_chunk().map(|octets: &[u8; 16]| IpAddr::V6(Ipv6Addr::from(*octets))),
        _ => None,
    }
}

/// Attributes one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let (length, rest) = self.0.split_first_chunk()?;
        let kind = rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes(*length));
        let value = self.0.get(HEADER..length)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some(Attribute { kind: u16::from_ne_bytes(*kind) & TYPE_MASK, value })
    }
}

/// Something to be written is longer than its length field can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Where an open nested attribute, or an open message, begins.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(pub(crate) usize);

/// Appends an attribute.
pub(crate) fn put(buffer: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // Numbers, addresses and names come here; what could be longer is nested, and `close` judges its length.
    let length = u16::try_from(HEADER.saturating_add(value.len())).unwrap_or(u16::MAX);
    buffer.extend_from_slice(&length.to_ne_bytes());
    buffer.extend_from_slice(&kind.to_ne_bytes());
    buffer.extend_from_slice(value);
    pad(buffer);
}

/// Appends an attribute with a number of four octets.
pub(crate) fn put_u32(buffer: &mut Vec<u8>, kind: u16, value: u32) {
    put(buffer, kind, &value.to_ne_bytes());
}

/// Appends an attribute with an address.
pub(crate) fn put_ip(buffer: &mut Vec<u8>, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(address) => put(buffer, kind, &address.octets()),
        IpAddr::V6(address) => put(buffer, kind, &address.octets()),
    }
}

/// Opens a nested attribute; what is appended until [`close`] is within it.
pub(crate) fn open(buffer: &mut Vec<u8>, kind: u16) -> Mark {
    let mark = Mark(buffer.len());
    buffer.extend_from_slice(&[0, 0]);
    buffer.extend_from_slice(&kind.to_ne_bytes());
    mark
}

/// Writes the length of a nested attribute, or of anything else that begins with a length of two octets.
pub(crate) fn close(buffer: &mut [u8], mark: Mark) -> Result<(), TooLong> {
    let length = u16::try_from(buffer.len().saturating_sub(mark.0)).map_err(|_| TooLong)?;
    let field = buffer.get_mut(mark.0..).and_then(|rest| rest.first_chunk_mut()).ok_or(TooLong)?;
    *field = length.to_ne_bytes();
    Ok(())
}

/// Pads to the alignment.
fn pad(buffer: &mut Vec<u8>) {
    buffer.resize(aligned(buffer.len()), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut buffer = Vec::new();
        put_u32(&mut buffer, 6, 1024);
        let mark = open(&mut buffer, 9);
        put(&mut buffer, 3, b"eth0\0");
        put_ip(&mut buffer, 5, IpAddr::V6(Ipv6Addr::LOCALHOST));
        close(&mut buffer, mark).expect("short");
        put_ip(&mut buffer, 1, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut read = Attributes(&buffer);
        let first = read.next().expect("first");
        assert_eq!((first.kind, first.u32()), (6, Some(1024)));
        let second = read.next().expect("second");
        let mut inner = second.nested();
        assert_eq!(inner.next().expect("name").text(), "eth0");
        assert_eq!(inner.next().expect("address").ip(), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        assert!(inner.next().is_none());
        assert_eq!(read.next().expect("third").ip(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(read.next().is_none());
    }

    #[test]
    fn any_cut_and_any_length_ends_without_panic() {
        let mut buffer = Vec::new();
        put(&mut buffer, 1, &[1, 2, 3, 4, 5]);
        put_u32(&mut buffer, 2, 7);
        for cut in 0..=buffer.len() {
            for attribute in Attributes(&buffer[..cut]) {
                let _ = (attribute.u8(), attribute.u16(), attribute.u32(), attribute.ip(), attribute.text());
            }
        }
        for length in 0..=u16::MAX {
            buffer[..2].copy_from_slice(&length.to_ne_bytes());
            assert!(Attributes(&buffer).count() <= 4);
        }
    }

    #[test]
    fn a_nested_attribute_of_64_kib_is_refused() {
        let mut buffer = Vec::new();
        let mark = open(&mut buffer, 9);
        buffer.resize(0x1_0000, 0);
        assert_eq!(close(&mut buffer, mark), Err(TooLong));
    }
}
