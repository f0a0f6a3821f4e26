//! The families that histories are played with.

use heddle_bgp_core::Prefix;

use crate::family::{FamilyRib, Shared};
use crate::rib::Rib;
use crate::table::{Addr, Addr4, Addr6};

/// A family that histories are played with.
pub(in crate::model) trait Side: Addr {
    /// A next hop of the family, without its last octet.
    const NEXT_HOP: &[u8];
    fn rib(rib: &Rib) -> &FamilyRib<Self>;
    fn parts(rib: &mut Rib) -> (&mut FamilyRib<Self>, &mut Shared);
    /// The first is the default route.
    fn nth(i: usize) -> Prefix;
}

impl Side for Addr4 {
    const NEXT_HOP: &[u8] = &[192, 0, 2];
    fn rib(rib: &Rib) -> &FamilyRib<Self> {
        &rib.v4
    }
    fn parts(rib: &mut Rib) -> (&mut FamilyRib<Self>, &mut Shared) {
        (&mut rib.v4, &mut rib.shared)
    }
    fn nth(i: usize) -> Prefix {
        let text = if i == 0 { "0.0.0.0/0".to_owned() } else { format!("10.{}.{}.0/24", i / 256, i % 256) };
        text.parse().expect("a prefix")
    }
}

impl Side for Addr6 {
    const NEXT_HOP: &[u8] = &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    fn rib(rib: &Rib) -> &FamilyRib<Self> {
        &rib.v6
    }
    fn parts(rib: &mut Rib) -> (&mut FamilyRib<Self>, &mut Shared) {
        (&mut rib.v6, &mut rib.shared)
    }
    fn nth(i: usize) -> Prefix {
        let text = if i == 0 { "::/0".to_owned() } else { format!("2001:db8:{i:x}::/48") };
        text.parse().expect("a prefix")
    }
}
