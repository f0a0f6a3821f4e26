//! The fuzz targets of this crate over their corpus.

#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;
#[path = "../../../fuzz/src/wire.rs"]
pub mod wire;

#[test]
fn framer() {
    corpus::replay("framer", wire::framer);
}

#[test]
fn open() {
    corpus::replay("open", wire::open);
}

#[test]
fn notification() {
    corpus::replay("notification", wire::notification);
}

#[test]
fn route_refresh() {
    corpus::replay("route_refresh", wire::route_refresh);
}

#[test]
fn update() {
    corpus::replay("update", wire::update);
}

#[test]
fn attribute() {
    corpus::replay("attribute", wire::attribute);
}
