//! What a comparison has to see.

use std::net::Ipv4Addr;

use super::super::index::{Block, Index};
use super::super::routes::{Attributes, Updates};
use super::super::scenario::reflection;
use super::*;

const SENDER: ClientNumber = ClientNumber(0);
const RECEIVER: ClientNumber = ClientNumber(1);

fn attributes(number: u32) -> Attributes {
    Attributes { next_hop: Ipv4Addr::new(10, 77, 1, 0).into(), number, local_pref: 100 }
}

/// UPDATEs about the first destinations of a block.
fn sent(block: Block, number: u32, count: usize) -> bytes::Bytes {
    let mut updates = Updates::new(block);
    updates.advertise(attributes(number), 0..count).expect("an UPDATE can be made");
    updates.finish()
}

/// What a receiver says that gets `received` where `sent` is copied.
fn told(index: &Index, sent: &[u8], received: &[u8]) -> Vec<String> {
    let mut target = Target::empty(index.count());
    target.apply(index, SENDER, Passage::Copied, sent);
    let mut view = View::new(RECEIVER, Echo::Never, None, index.count());
    view.begin(&target);
    for message in bodies(received) {
        view.apply(index, &target, &message, &mut ()).expect("an UPDATE is whole");
    }
    assert_eq!(view.complete() && view.is_clean(), view.differences(index, &target, 9).is_empty());
    view.differences(index, &target, 9)
}

/// The bodies of whole messages.
fn bodies(mut messages: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(length) = messages.get(16..18).and_then(|octets| octets.try_into().ok()).map(u16::from_be_bytes) {
        let (message, rest) = messages.split_at(usize::from(length));
        all.push(message.get(19..).unwrap_or_default().to_vec());
        messages = rest;
    }
    all
}

#[test]
fn every_difference_is_seen() {
    let block = Block::v4(24, 8);
    let index = Index::Block(block);
    let all = sent(block, 1, 8);
    assert_eq!(told(&index, &all, &all), [""; 0]);
    assert!(told(&index, &all, &sent(block, 1, 7)).concat().contains("20.0.7.0/24 is missing"));
    let other = told(&index, &all, &sent(block, 2, 8));
    assert!(other.len() == 8 && other.iter().all(|line| line.contains("has other attributes")), "{other:?}");
    // Beyond what was sent: in the block, and outside of it.
    assert!(told(&index, &sent(block, 1, 7), &all).concat().contains("20.0.7.0/24 should not be there"));
    let foreign = told(&index, &all, &[&all[..], &sent(Block::v4(24, 9), 1, 9)].concat());
    assert!(foreign.concat().contains("1 prefixes that nobody has sent"), "{foreign:?}");
}

#[test]
fn a_reflector_changes_attributes_and_a_copy_does_not() {
    let octets = sent(Block::v4(24, 1), 1, 1);
    let update = updates(&octets).next().expect("an UPDATE was made");
    let copied = Passage::Copied.sum(update.attributes);
    assert_eq!(copied, walk::sum(update.attributes));
    assert_ne!(copied, Passage::Reflected(reflection(SENDER)).sum(update.attributes));
}

#[test]
fn destinations_of_several_clients_are_contested() {
    let block = Block::v4(24, 2);
    let index = Index::Block(block);
    let mut target = Target::empty(2);
    target.apply(&index, SENDER, Passage::Copied, &sent(block, 1, 2));
    target.apply(&index, SENDER, Passage::Copied, &sent(block, 2, 2));
    assert!(!target.is_contested());
    target.apply(&index, RECEIVER, Passage::Copied, &sent(block, 1, 1));
    assert!(target.is_contested());
}
