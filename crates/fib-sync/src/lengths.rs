//! Which prefix lengths are in use: what makes longest-prefix match a few hash lookups.
//!
//! A table has some two dozen lengths and next hops are few, so a lookup per length in use is cheaper to keep than a
//! trie: nothing is walked when one of 500,000 routes changes.

use std::net::IpAddr;

use heddle_bgp_core::Prefix;

/// How many prefixes there are of each length.
#[derive(Clone, Debug)]
pub(crate) struct Lengths {
    v4: [u32; 33],
    v6: [u32; 129],
}

impl Default for Lengths {
    fn default() -> Self {
        Self { v4: [0; 33], v6: [0; 129] }
    }
}

impl Lengths {
    /// One prefix more.
    pub(crate) fn add(&mut self, prefix: Prefix) {
        if let Some(count) = self.count(prefix) {
            *count = count.saturating_add(1);
        }
    }

    /// One prefix less.
    pub(crate) fn remove(&mut self, prefix: Prefix) {
        if let Some(count) = self.count(prefix) {
            *count = count.saturating_sub(1);
        }
    }

    fn count(&mut self, prefix: Prefix) -> Option<&mut u32> {
        let length = usize::from(prefix.len());
        match prefix {
            Prefix::V4(_) => self.v4.get_mut(length),
            Prefix::V6(_) => self.v6.get_mut(length),
        }
    }

    fn has(&self, address: IpAddr, length: u8) -> bool {
        let length = usize::from(length);
        let count = match address {
            IpAddr::V4(_) => self.v4.get(length),
            IpAddr::V6(_) => self.v6.get(length),
        };
        count.is_some_and(|count| *count > 0)
    }
}

/// The prefixes around an address whose length is in use in either of two tables, longest first.
pub(crate) fn around<'a>(a: &'a Lengths, b: &'a Lengths, address: IpAddr) -> impl Iterator<Item = Prefix> + 'a {
    let longest = if address.is_ipv4() { 32 } else { 128 };
    (0..=longest)
        .rev()
        .filter(move |length| a.has(address, *length) || b.has(address, *length))
        .filter_map(move |length| Prefix::new(address, length))
}

/// The last address of a prefix.
pub(crate) fn last_address(prefix: Prefix) -> IpAddr {
    match prefix {
        Prefix::V4(p) => {
            let host = u32::MAX.checked_shr(u32::from(p.len())).unwrap_or(0);
            IpAddr::from((p.addr() | host).to_be_bytes())
        }
        Prefix::V6(p) => {
            let host = u128::MAX.checked_shr(u32::from(p.len())).unwrap_or(0);
            IpAddr::from((p.addr() | host).to_be_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_use_longest_first() {
        let (mut a, mut b) = (Lengths::default(), Lengths::default());
        for text in ["0.0.0.0/0", "10.0.0.0/8", "10.1.1.1/32"] {
            a.add(text.parse().unwrap());
        }
        b.add("10.1.0.0/16".parse().unwrap());
        b.add("2001:db8::/32".parse().unwrap());
        let found: Vec<_> = around(&a, &b, "10.1.2.3".parse().unwrap()).map(|p| p.to_string()).collect();
        assert_eq!(found, ["10.1.2.3/32", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0"]);
        a.remove("10.1.1.1/32".parse().unwrap());
        assert_eq!(around(&a, &b, "10.1.2.3".parse().unwrap()).count(), 3);
    }

    #[test]
    fn last_addresses() {
        for (prefix, last) in [
            ("0.0.0.0/0", "255.255.255.255"),
            ("10.1.0.0/16", "10.1.255.255"),
            ("10.1.1.1/32", "10.1.1.1"),
            ("2001:db8::/126", "2001:db8::3"),
            ("::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            assert_eq!(last_address(prefix.parse().unwrap()), last.parse::<IpAddr>().unwrap());
        }
    }
}
