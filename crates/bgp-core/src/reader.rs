//! A cursor that only splits off sub-slices: no index, no arithmetic in the wire's own width.

use thiserror::Error;

/// Input ended inside a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("input ended inside a value")]
pub struct UnexpectedEnd;

/// Reads big-endian values off the front of a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over all of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
    /// What was not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
    /// Octets left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rest.len()
    }
    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
    /// The next `n` octets.
    ///
    /// # Errors
    /// Fewer are left; nothing is consumed then.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], UnexpectedEnd> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(UnexpectedEnd)?;
        self.rest = tail;
        Ok(head)
    }
    /// The next `N` octets as an array.
    ///
    /// # Errors
    /// Fewer are left; nothing is consumed then.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], UnexpectedEnd> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(UnexpectedEnd)?;
        self.rest = tail;
        Ok(*head)
    }
    /// One octet.
    ///
    /// # Errors
    /// None is left.
    pub fn u8(&mut self) -> Result<u8, UnexpectedEnd> {
        self.array::<1>().map(|[b]| b)
    }
    /// Two octets.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u16(&mut self) -> Result<u16, UnexpectedEnd> {
        self.array().map(u16::from_be_bytes)
    }
    /// Four octets.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u32(&mut self) -> Result<u32, UnexpectedEnd> {
        self.array().map(u32::from_be_bytes)
    }
    /// A reader over the next `n` octets.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn sub(&mut self, n: usize) -> Result<Self, UnexpectedEnd> {
        self.take(n).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read is what stands there, and too short an end costs nothing of it.
    #[test]
    fn reading() {
        let octets: Vec<u8> = (1..=12).collect();
        let mut r = Reader::new(&octets);
        assert_eq!((r.len(), r.is_empty(), r.rest()), (12, false, &octets[..]));
        assert_eq!((r.u8(), r.u16(), r.u32()), (Ok(1), Ok(0x0203), Ok(0x0405_0607)));
        assert_eq!((r.len(), r.rest()), (5, &octets[7..]));
        assert_eq!((r.take(6), r.array::<6>().is_err(), r.sub(6).is_err()), (Err(UnexpectedEnd), true, true));
        assert_eq!(r.len(), 5, "nothing was read");
        let mut inner = r.sub(3).expect("three");
        assert_eq!((inner.u16(), inner.u16(), inner.take(1)), (Ok(0x0809), Err(UnexpectedEnd), Ok(&octets[9..10])));
        assert!(inner.is_empty() && inner.rest().is_empty() && inner.u8().is_err());
        assert_eq!((r.array(), r.len(), r.is_empty()), (Ok([11, 12]), 0, true));
        assert_eq!((r.u32(), r.take(0)), (Err(UnexpectedEnd), Ok(&[][..])));
    }
}
