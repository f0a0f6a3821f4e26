//! What the kernel reports.

use heddle_netlink::{DumpError, Dumped, Event, Reply, events};

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

/// The sequence number of the dump that [`reply`] is about.
const SEQUENCE: u32 = 1;

/// Datagrams, each after two octets that say how long it is; one that is told to be 65535 octets long was lost. The dump ends as a naive
/// reader says, at the same datagram.
pub fn reply(data: &[u8]) {
    let (mut reply, mut naive) = (Reply::new("routes", SEQUENCE), Naive::default());
    let mut rest = data;
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length));
        if length == usize::from(u16::MAX) {
            reply.lost();
            naive.interrupted = true;
            rest = more;
            continue;
        }
        let (datagram, more) = more.split_at(length.min(more.len()));
        rest = more;
        let mut told = 0;
        let end = reply.datagram(datagram, |_| told += 1);
        let expected = naive.datagram(datagram);
        assert!(told <= naive.others, "{told} events of {} messages", naive.others);
        let seen = end.map(|end| match end {
            Ok(Dumped::Complete) => End::Complete,
            Ok(Dumped::Interrupted) => End::Interrupted,
            Err(DumpError::Refused { .. }) => End::Refused,
            Err(error @ DumpError::Malformed(_)) => {
                assert!(naive.all_others > 0 && !error.to_string().is_empty());
                // Which messages are malformed is not for a naive reader to know.
                match expected {
                    Some(End::Refused) | None => panic!("{error}"),
                    Some(other) => other,
                }
            }
            Err(error @ (DumpError::Io { .. } | DumpError::Watch(_))) => panic!("no socket is there: {error}"),
        });
        assert_eq!(seen, expected);
        if seen.is_some() {
            return;
        }
    }
}

/// How a dump ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Interrupted,
    Refused,
}

/// A reader of headers alone.
#[derive(Debug, Default)]
struct Naive {
    interrupted: bool,
    /// Messages of the last datagram that are neither an end nor an interruption, and of all.
    others: usize,
    all_others: usize,
}

impl Naive {
    fn datagram(&mut self, mut rest: &[u8]) -> Option<End> {
        self.others = 0;
        let number = |octets: &[u8]| u32::from_ne_bytes(octets.try_into().expect("four octets"));
        let short = |octets: &[u8]| u16::from_ne_bytes(octets.try_into().expect("two octets"));
        while rest.len() >= 16 {
            let length = usize::try_from(number(&rest[..4])).expect("a length");
            if length < 16 || length > rest.len() {
                return None;
            }
            let (kind, flags, sequence) = (short(&rest[4..6]), short(&rest[6..8]), number(&rest[8..12]));
            let payload = &rest[16..length];
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            if sequence != SEQUENCE {
                continue;
            }
            // NLM_F_DUMP_INTR; NLMSG_NOOP, _ERROR, _DONE, _OVERRUN.
            self.interrupted |= flags & 0x10 != 0 || kind == 4;
            match kind {
                2 | 3 => {
                    let refused = payload.get(..4).is_some_and(|code| number(code) > 0x7fff_ffff);
                    return Some(match (refused, self.interrupted) {
                        (true, _) => End::Refused,
                        (false, true) => End::Interrupted,
                        (false, false) => End::Complete,
                    });
                }
                1 | 4 => {}
                _ => {
                    self.others += 1;
                    self.all_others += 1;
                }
            }
        }
        None
    }
}
