//! What a learned route and a next hop take. A large cluster has a next hop for each node and family, a full table half a
//! million routes: what each of them keeps is bounded here, so that it does not grow unseen. Octets of a 64-bit machine.

use crate::resolver::Tracked;
use crate::route::{Leg, Target};
use crate::table::{Actual, Entry, Group, GroupKey};

#[test]
fn a_route_and_its_next_hop_take_no_more_than_this() {
    let sizes = [
        ("destination", size_of::<Entry>(), 72),
        ("route in the kernel", size_of::<Actual>(), 16),
        ("group", size_of::<Option<Group>>(), 88),
        ("key of a group", size_of::<GroupKey>(), 64),
        ("next hop", size_of::<Tracked>(), 120),
        ("target", size_of::<Target>(), 48),
        ("leg", size_of::<Leg>(), 28),
    ];
    for (what, size, most) in sizes {
        assert!(size <= most, "{what}: {size} octets, more than {most}");
        assert!(size > most / 2, "{what}: {size} octets; the bound of {most} is too wide to show growth");
    }
}
