//! Attributes that are lists of values of one size: communities of all kinds, CLUSTER_LIST.

use std::marker::PhantomData;

/// A value of fixed size inside an attribute.
pub trait Item: Copy {
    /// Octets of one value.
    const LEN: usize;
    /// Reads one from exactly [`Self::LEN`] octets.
    fn from_octets(octets: &[u8]) -> Option<Self>;
    /// Appends one in wire form.
    fn push(self, out: &mut Vec<u8>);
}

/// The values of such an attribute, read in place; octets that are no whole value are left out.
#[derive(Clone, Debug)]
pub struct Items<'a, T> {
    rest: &'a [u8],
    item: PhantomData<T>,
}

impl<'a, T: Item> Items<'a, T> {
    /// Over the value of an attribute.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets, item: PhantomData }
    }
}

impl<T: Item> Iterator for Items<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let (head, tail) = self.rest.split_at_checked(T::LEN)?;
        self.rest = tail;
        T::from_octets(head)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.rest.len() / T::LEN;
        (n, Some(n))
    }
}

impl<T: Item> ExactSizeIterator for Items<'_, T> {}

impl Item for crate::bgp_id::ClusterId {
    const LEN: usize = 4;
    fn from_octets(octets: &[u8]) -> Option<Self> {
        Some(Self(u32::from_be_bytes(octets.try_into().ok()?)))
    }
    fn push(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgp_id::ClusterId;

    #[test]
    fn whole_values_alone() {
        let octets = [0, 0, 0, 1, 10, 0, 0, 2, 9, 9];
        let mut items: Items<'_, ClusterId> = Items::new(&octets);
        assert_eq!((items.len(), items.size_hint()), (2, (2, Some(2))));
        assert_eq!(items.next(), Some(ClusterId(1)));
        assert_eq!((items.len(), items.next(), items.next(), items.len()), (1, Some(ClusterId(0x0a00_0002)), None, 0));
        let mut out = vec![7];
        ClusterId(0x0a00_0002).push(&mut out);
        assert_eq!(out, [7, 10, 0, 0, 2]);
        assert_eq!((ClusterId::from_octets(&[1, 2, 3]), ClusterId::from_octets(&[1; 5])), (None, None));
    }
}
