//! Replays malformed messages through framer and decoders; `data/bad-messages.tsv` says what each is and must become.

use heddle_bgp_core::capability::Capability;
use heddle_bgp_core::route_refresh::{EnhancedRefresh, RefreshSubtype, RouteRefresh};
use heddle_bgp_core::{Framer, MessageType, Notification, Open};

const ROWS: &str = include_str!("data/bad-messages.tsv");

fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "odd number of digits: {hex}");
    hex.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("hex digits")
        })
        .collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}

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
    let rows: Vec<_> = ROWS.lines().filter(|l| !l.starts_with('#')).collect();
    assert!(rows.len() > 70, "rows lost: {}", rows.len());
    for row in rows {
        let [id, want, octets, input] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("no row: {row}") };
        assert_eq!(outcome(&unhex(octets)), want, "{id}: {input}");
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
