//! What reading the kernel's datagrams allocates is bounded by what is there, whatever a length field says.

#[path = "../../../fuzz/src/allocation.rs"]
pub mod allocation;
#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;

use allocation::{WIRE, Worst};
use heddle_netlink::{Reply, events};

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("short");
    let mut octets = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

/// A route to 10.99.1.0/24 in table 254 with these attributes beside the destination.
fn route(attributes: &[u8]) -> Vec<u8> {
    let body = [&[2, 24, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0][..], &attribute(1, &[10, 99, 1, 0]), attributes].concat();
    let length = u32::try_from(16 + body.len()).expect("short").to_ne_bytes();
    [&length[..], &24_u16.to_ne_bytes(), &[2, 0, 1, 0, 0, 0, 0, 0, 0, 0], &body].concat()
}

#[test]
fn datagrams() {
    let mut worst = Worst::new(WIRE);
    // One after the other, as all who read have them.
    let each = |data: &[u8]| events(data).for_each(drop);
    corpus::each("netlink", |what, input| worst.decode(what, input, each));
    let leg = |more: &[u8]| {
        let length = u16::try_from(8 + more.len()).expect("short").to_ne_bytes();
        [&length[..], &[0, 0, 3, 0, 0, 0], more].concat()
    };
    // RTA_MULTIPATH, RTA_GATEWAY.
    let further = [
        ("legs without a gateway", route(&attribute(9, &leg(&[]).repeat(8000)))),
        ("legs with one", route(&attribute(9, &leg(&attribute(5, &[10, 0, 0, 2])).repeat(3000)))),
        ("many routes", route(&attribute(5, &[10, 0, 0, 2])).repeat(1000)),
        ("a length that is not there", [&[0xff; 4][..], &route(&[])[4..]].concat()),
    ];
    assert_eq!(events(&further[0].1).filter(Result::is_ok).count(), 1, "it is read");
    further.iter().for_each(|(what, input)| worst.decode(what, input, each));
    worst.check("netlink");
}

#[test]
fn replies() {
    let mut worst = Worst::new(WIRE);
    corpus::each("netlink_reply", |what, input| {
        worst.decode(what, input, |data| {
            let mut reply = Reply::new("routes", 1);
            let _ = reply.datagram(data.get(2..).unwrap_or_default(), drop);
        });
    });
    worst.check("netlink_reply");
}
