//! The fuzz targets of this crate over their corpus.

#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;
#[path = "../../../fuzz/src/netlink.rs"]
pub mod netlink;

#[test]
fn datagrams() {
    corpus::replay("netlink", netlink::datagram);
}

#[test]
fn replies() {
    corpus::replay("netlink_reply", netlink::reply);
}
