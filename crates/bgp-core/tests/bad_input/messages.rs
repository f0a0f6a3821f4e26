//! Malformed messages through framer and decoders; `data/bad-messages.tsv` says what each is and must become.

use heddle_bgp_core::capability::Capability;
use heddle_bgp_core::route_refresh::{EnhancedRefresh, RefreshSubtype, RouteRefresh};
use heddle_bgp_core::{Framer, MessageType, Notification, Open};

use crate::rows::{hex, messages};

fn on_wire(n: Option<Notification>, message: &[u8]) -> String {
    match n {
        None => "close".to_owned(),
        Some(n) if n.data.is_empty() => format!("{}/{}", n.code, n.subcode),
        Some(n) if n.data == message => format!("{}/{} *", n.code, n.subcode),
        Some(n) => format!("{}/{} {}", n.code, n.subcode, hex(&n.data)),
    }
}

/// What the crate makes of one message, in the notation of the file.
fn outcome(message: &[u8]) -> String {
    let mut framer = Framer::new();
    framer.push(message);
    let frame = match framer.next() {
        Ok(None) => return "more".to_owned(),
        Err(e) => return on_wire(e.notification(), message),
        Ok(Some(frame)) => frame,
    };
    match frame.kind {
        MessageType::Open => match Open::decode(frame.body()) {
            Err(e) => on_wire(Some(e.notification()), message),
            Ok(open) => {
                let codes = open.capabilities.iter().map(|c| match c {
                    Capability::Unknown { code, .. } => format!(" ?{code}"),
                    known => format!(" {}", known.code()),
                });
                format!("open{}", codes.collect::<String>())
            }
        },
        MessageType::RouteRefresh => match RouteRefresh::decode(frame.raw, EnhancedRefresh::Negotiated) {
            Err(e) => on_wire(Some(e.notification()), message),
            Ok(refresh) => match refresh.subtype {
                RefreshSubtype::Request => "refresh 0".to_owned(),
                RefreshSubtype::Begin => "refresh 1".to_owned(),
                RefreshSubtype::End => "refresh 2".to_owned(),
                RefreshSubtype::Unknown(0) => "refresh unknown 0".to_owned(),
                RefreshSubtype::Unknown(n) => format!("refresh {n}"),
            },
        },
        MessageType::Notification => format!("text {}", Notification::decode(frame.body()).expect("framed")),
        kind @ (MessageType::Update | MessageType::Keepalive) => format!("{kind}"),
    }
}

#[test]
fn every_row() {
    for row in messages() {
        assert_eq!(outcome(&row.octets), row.decoder, "{}: {}", row.id, row.text);
    }
}

/// An OPEN as an internal peer says it is judged alike.
#[test]
fn every_open_of_an_internal_peer() {
    for row in messages().into_iter().filter(|row| row.octets.get(18) == Some(&1)) {
        assert_eq!(outcome(&row.octets_of(65000)), row.decoder, "{}: {}", row.id, row.text);
    }
}

/// The OPEN with about 2,000 capabilities that differ stays cheap: what is kept is bounded by the message.
#[test]
fn many_different_capabilities() {
    let mut body = vec![4, 0xfd, 0xe9, 0, 90, 10, 0, 0, 2, 255, 255];
    let capabilities: Vec<u8> = (0..1300_u16).flat_map(|n| [200 + (n >> 8) as u8, 1, n as u8]).collect();
    body.extend_from_slice(&(u16::try_from(capabilities.len() + 3).expect("short")).to_be_bytes());
    body.push(2);
    body.extend_from_slice(&u16::try_from(capabilities.len()).expect("short").to_be_bytes());
    body.extend_from_slice(&capabilities);
    assert_eq!(Open::decode(&body).map(|o| o.capabilities.len()), Ok(1300));
}
