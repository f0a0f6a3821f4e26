use proptest::prelude::*;

use super::*;
use crate::message::{KEEPALIVE, encode_message};

fn header(len: u16, kind: u8) -> Vec<u8> {
    let mut h = vec![255; 16];
    h.extend_from_slice(&len.to_be_bytes());
    h.push(kind);
    h
}

fn first(bytes: &[u8], extended: bool) -> Result<Option<(MessageType, usize)>, HeaderError> {
    let mut framer = Framer::new();
    if extended {
        framer.allow_extended();
    }
    framer.push(bytes);
    framer.next().map(|f| f.map(|f| (f.kind, f.raw.len())))
}

/// RFC 4271 §6.1 and RFC 8654 §4: what length each type may have, and that the header alone decides.
#[test]
fn lengths_by_type() {
    #[rustfmt::skip]
    let rows = [
        // type, length, extended messages, right?
        (1, 28, false, false), (1, 29, false, true), (1, 4096, false, true), (1, 4097, false, false), (1, 4097, true, false),
        (2, 22, false, false), (2, 23, false, true), (2, 4096, false, true), (2, 4097, false, false), (2, 65535, true, true),
        (3, 21, false, true), (3, 4097, false, false), (3, 65535, true, true),
        (4, 18, false, false), (4, 19, false, true), (4, 20, false, false), (4, 20, true, false),
        (5, 18, false, false), (5, 19, false, true), (5, 23, false, true), (5, 4097, false, false), (5, 4097, true, true),
    ];
    for (kind, len, extended, right) in rows {
        let got = first(&header(len, kind), extended);
        let want = if !right {
            Err(HeaderError::Length(len))
        } else if len == 19 {
            Ok(Some((MessageType::from_octet(kind).unwrap(), 19)))
        } else {
            Ok(None)
        };
        assert_eq!(got, want, "type {kind} length {len} extended {extended}");
    }
}

/// RFC 4271 §6.1: code, subcode and data of each header error; §6.4: a NOTIFICATION is not answered.
#[test]
fn notifications() {
    let notification = |bytes: &[u8]| first(bytes, false).unwrap_err().notification();
    assert_eq!(notification(&[0; 19]), Some(Notification::new(1, 1, &[])));
    assert_eq!(notification(&header(18, 4)), Some(Notification::new(1, 2, &[0, 18])));
    assert_eq!(notification(&header(0, 4)), Some(Notification::new(1, 2, &[0, 0])));
    assert_eq!(notification(&header(19, 0)), Some(Notification::new(1, 3, &[0])));
    assert_eq!(notification(&header(19, 255)), Some(Notification::new(1, 3, &[255])));
    assert_eq!(first(&header(20, 3), false), Err(HeaderError::NotificationLength(20)));
    assert_eq!(notification(&header(20, 3)), None);
}

/// A stream that is in error stays in error.
#[test]
fn an_error_repeats() {
    let mut framer = Framer::new();
    framer.push(&[0; 19]);
    assert_eq!(framer.next(), Err(HeaderError::Marker));
    framer.push(&KEEPALIVE);
    assert_eq!(framer.next(), Err(HeaderError::Marker));
}

/// Extended messages may begin while messages are in the buffer.
#[test]
fn extended_from_the_next_message_on() {
    let mut framer = Framer::new();
    framer.push(&KEEPALIVE);
    framer.push(&header(5000, 2));
    framer.push(&vec![0; 5000 - HEADER_LEN]);
    assert_eq!(framer.next().unwrap().unwrap().kind, MessageType::Keepalive);
    framer.allow_extended();
    let frame = framer.next().unwrap().unwrap();
    assert_eq!((frame.raw.len(), frame.body().len()), (5000, 4981));
    assert_eq!(framer.next(), Ok(None));
    assert_eq!(framer.pending(), 0);
}

/// What is held for an unfinished message is not lost with the room that is given back, and what a large one took is.
#[test]
fn an_idle_connection_costs_nothing() {
    let mut framer = Framer::new();
    framer.allow_extended();
    framer.push(&header(60_000, 2));
    framer.push(&vec![0; 60_000 - HEADER_LEN]);
    assert_eq!(framer.pending(), 60_000);
    assert!(framer.next().unwrap().is_some());
    assert_eq!(framer.pending(), 0);
    let (head, tail) = KEEPALIVE.split_at(5);
    framer.push(head);
    assert_eq!(framer.pending(), 5);
    framer.release();
    assert!(framer.buf.capacity() <= RELEASE_ABOVE, "{}", framer.buf.capacity());
    assert_eq!(framer.pending(), 5);
    framer.push(tail);
    assert_eq!(framer.next().unwrap().unwrap().kind, MessageType::Keepalive);
    framer.release();
    assert_eq!(framer.buf.capacity(), 0, "nothing waits, nothing is held");
    // A buffer of the size that is kept anyway is not copied.
    framer.buf = BytesMut::with_capacity(RELEASE_ABOVE);
    framer.push(head);
    framer.release();
    assert_eq!((framer.buf.capacity(), framer.pending()), (RELEASE_ABOVE, 5));
    // Nor is one that is half full.
    framer.buf = BytesMut::with_capacity(20_000);
    framer.push(&header(20_000, 2));
    framer.push(&[0; 9_981]);
    framer.release();
    assert_eq!((framer.buf.capacity(), framer.pending()), (20_000, 10_000));
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let body = |min: usize| proptest::collection::vec(any::<u8>(), min..300);
    prop_oneof![
        Just((MessageType::Keepalive, vec![])),
        body(10).prop_map(|b| (MessageType::Open, b)),
        body(4).prop_map(|b| (MessageType::Update, b)),
        body(2).prop_map(|b| (MessageType::Notification, b)),
        body(0).prop_map(|b| (MessageType::RouteRefresh, b)),
    ]
    .prop_map(|(kind, body)| {
        let mut out = BytesMut::new();
        encode_message(&mut out, kind, |b| b.extend_from_slice(&body));
        out.to_vec()
    })
}

proptest! {
    /// Whatever the chunks, the frames are the messages.
    #[test]
    fn any_chunking_gives_the_same_frames(
        messages in proptest::collection::vec(any_message(), 0..12),
        chunks in proptest::collection::vec(1_usize..400, 1..40),
    ) {
        let stream = messages.concat();
        let mut framer = Framer::new();
        let mut got = Vec::new();
        let mut rest = &stream[..];
        for len in chunks.iter().cycle() {
            let (chunk, tail) = rest.split_at(rest.len().min(*len));
            rest = tail;
            framer.push(chunk);
            while let Some(frame) = framer.next().unwrap() {
                got.push(frame.raw.to_vec());
            }
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(got, messages);
        prop_assert_eq!(framer.pending(), 0);
    }

    /// No input makes it panic or loop: each step consumes a frame or ends.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), marker in any::<bool>()) {
        let mut framer = Framer::new();
        if marker {
            framer.push(&[255; 16]);
        }
        framer.push(&bytes);
        for _ in 0..20 {
            match framer.next() {
                Ok(Some(frame)) => prop_assert!(frame.raw.len() >= HEADER_LEN),
                Ok(None) | Err(_) => break,
            }
        }
    }
}
