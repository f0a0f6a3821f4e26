//! What the kernel reports.

use heddle_netlink::{Event, events};

/// A datagram: each message is read or is malformed; what is read of a route has one canonical form.
pub fn datagram(data: &[u8]) {
    for event in events(data) {
        match event {
            Ok(Event::Route(_, route)) => {
                let canonical = route.canonical();
                assert_eq!(canonical.clone().canonical(), canonical);
                assert_eq!(canonical.key().prefix, canonical.prefix);
            }
            Ok(Event::Link(..) | Event::Address(..) | Event::Nexthop(..)) => {}
            Ok(Event::Overrun) => panic!("no datagram says so"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
