//! The fuzz target of this crate over its corpus.

#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;
#[path = "../../../fuzz/src/netlink.rs"]
pub mod netlink;

#[test]
fn datagrams() {
    corpus::replay("netlink", netlink::datagram);
}
