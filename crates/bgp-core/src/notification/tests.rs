use proptest::prelude::*;

use super::*;

fn encoded(n: &Notification, max: usize) -> Vec<u8> {
    let mut out = BytesMut::new();
    n.encode(&mut out, max);
    out.to_vec()
}

/// What each constructor sends (code, subcode, data) and how an operator reads it.
#[test]
fn vectors() {
    use cease::{ADMIN_RESET, ADMIN_SHUTDOWN};
    let shutdown = Notification::admin_shutdown("upgrade, back at 4");
    #[rustfmt::skip]
    let rows: Vec<(Notification, &[u8], &str)> = vec![
        (Notification::new(HEADER, 1, &[]), &[1, 1], "Message Header Error/Connection Not Synchronized"),
        (Notification::new(HEADER, 2, &[0, 18]), &[1, 2, 0, 18], "Message Header Error/Bad Message Length: length 18"),
        (Notification::new(HEADER, 3, &[6]), &[1, 3, 6], "Message Header Error/Bad Message Type: type 6"),
        (Notification::new(OPEN, 0, &[]), &[2, 0], "OPEN Message Error"),
        (Notification::new(OPEN, 1, &[0, 4]), &[2, 1, 0, 4], "OPEN Message Error/Unsupported Version Number: version 4 is supported"),
        (Notification::bad_peer_as(), &[2, 2], "OPEN Message Error/Bad Peer AS"),
        (Notification::new(OPEN, 2, &[0xfd, 0xe9]), &[2, 2, 0xfd, 0xe9], "OPEN Message Error/Bad Peer AS: AS 65001"),
        (Notification::new(OPEN, 2, &[0, 1, 0, 0]), &[2, 2, 0, 1, 0, 0], "OPEN Message Error/Bad Peer AS: AS 65536"),
        (Notification::bad_bgp_id(), &[2, 3], "OPEN Message Error/Bad BGP Identifier"),
        (Notification::unacceptable_hold_time(1), &[2, 6, 0, 1], "OPEN Message Error/Unacceptable Hold Time: 1 s"),
        (Notification::unsupported_capability(&[Capability::MultiProtocol(Family::IPV6_UNICAST), Capability::RouteRefresh]),
            &[2, 7, 1, 4, 0, 2, 0, 1, 2, 0], "OPEN Message Error/Unsupported Capability: capability 1, 2"),
        (Notification::new(OPEN, 7, &[1, 4, 0]), &[2, 7, 1, 4, 0], "OPEN Message Error/Unsupported Capability, data 010400"),
        (Notification::role_mismatch(), &[2, 11], "OPEN Message Error/Role Mismatch"),
        (Notification::new(UPDATE, 3, &[2]), &[3, 3, 2], "UPDATE Message Error/Missing Well-known Attribute, data 02"),
        (Notification::hold_timer_expired(), &[4, 0], "Hold Timer Expired"),
        (Notification::unexpected_message(UnexpectedIn::OpenSent, MessageType::Update), &[5, 1, 2],
            "Finite State Machine Error/Receive Unexpected Message in OpenSent State: UPDATE"),
        (Notification::unexpected_message(UnexpectedIn::OpenConfirm, MessageType::Open), &[5, 2, 1],
            "Finite State Machine Error/Receive Unexpected Message in OpenConfirm State: OPEN"),
        (Notification::unexpected_message(UnexpectedIn::Established, MessageType::Open), &[5, 3, 1],
            "Finite State Machine Error/Receive Unexpected Message in Established State: OPEN"),
        (Notification::max_prefixes(Family::IPV4_UNICAST, 1000), &[6, 1, 0, 1, 1, 0, 0, 3, 0xe8],
            "Cease/Maximum Number of Prefixes Reached: ipv4-unicast, limit 1000"),
        (Notification::admin_shutdown("no"), &[6, 2, 2, b'n', b'o'], "Cease/Administrative Shutdown: \"no\""),
        (Notification::admin_shutdown(""), &[6, 2], "Cease/Administrative Shutdown"),
        (Notification::new(CEASE, ADMIN_SHUTDOWN, &[0]), &[6, 2, 0], "Cease/Administrative Shutdown"),
        (Notification::deconfigured(), &[6, 3], "Cease/Peer De-configured"),
        (Notification::admin_reset("x"), &[6, 4, 1, b'x'], "Cease/Administrative Reset: \"x\""),
        (Notification::new(CEASE, ADMIN_RESET, &[9, b'x']), &[6, 4, 9, b'x'], "Cease/Administrative Reset, data 0978"),
        (Notification::connection_rejected(), &[6, 5], "Cease/Connection Rejected"),
        (Notification::config_change(), &[6, 6], "Cease/Other Configuration Change"),
        (Notification::collision(), &[6, 7], "Cease/Connection Collision Resolution"),
        (Notification::out_of_resources(), &[6, 8], "Cease/Out of Resources"),
        (shutdown.into_hard_reset(), b"\x06\x09\x06\x02\x12upgrade, back at 4",
            "Cease/Hard Reset (Cease/Administrative Shutdown: \"upgrade, back at 4\")"),
        (Notification::new(CEASE, 9, &[6, 9, 6]), &[6, 9, 6, 9, 6], "Cease/Hard Reset, data 060906"),
        (Notification::new(CEASE, 9, &[]), &[6, 9], "Cease/Hard Reset"),
        (Notification::new(CEASE, 10, &[]), &[6, 10], "Cease/BFD Down"),
        (Notification::new(ROUTE_REFRESH, 1, &[255]), &[7, 1, 255], "ROUTE-REFRESH Message Error/Invalid Message Length, data ff"),
        (Notification::send_hold_timer_expired(), &[8, 0], "Send Hold Timer Expired"),
        (Notification::new(6, 77, &[]), &[6, 77], "Cease/subcode 77"),
        (Notification::new(99, 99, &[1]), &[99, 99, 1], "error code 99/subcode 99, data 01"),
    ];
    for (notification, body, text) in rows {
        assert_eq!(&encoded(&notification, MAX_LEN)[HEADER_LEN..], body, "{text}");
        assert_eq!(Notification::decode(body).as_ref(), Some(&notification));
        assert_eq!(notification.to_string(), text);
    }
    assert_eq!(Notification::decode(&[6]), None);
}

/// RFC 9003 §2: at most 255 octets, whole characters; the receiver takes what it gets.
#[test]
fn shutdown_communication() {
    let sent = Notification::admin_shutdown(&"é".repeat(200));
    assert_eq!((sent.data.len(), sent.data[0]), (255, 254));
    assert_eq!(sent.shutdown_text(), Some("é".repeat(127)));
    let text = |data: &[u8]| Notification::new(CEASE, cease::ADMIN_RESET, data).shutdown_text();
    assert_eq!(text(&[]), None);
    assert_eq!(text(&[0]), None);
    assert_eq!(text(&[3, b'a', b'b']), None);
    assert_eq!(text(&[1, b'a', b'b']).as_deref(), Some("a"));
    assert_eq!(text(&[2, b'a', 0xff]).as_deref(), Some("a\u{fffd}"));
    assert_eq!(Notification::new(CEASE, cease::CONFIG_CHANGE, &[1, b'a']).shutdown_text(), None);
    let n = Notification::new(CEASE, cease::ADMIN_RESET, b"\x09\x1b[2J\n\r\"\x00\x7f");
    assert_eq!(n.to_string(), r#"Cease/Administrative Reset: "\u{1b}[2J\n\r\"\0\u{7f}""#);
}

/// RFC 8538 §3.1: a Hard Reset is one whatever it carries, and is not wrapped twice.
#[test]
fn hard_reset() {
    let inner = Notification::admin_shutdown("bye");
    let hard = inner.clone().into_hard_reset();
    assert_eq!((hard.is_hard_reset(), hard.encapsulated()), (true, Some(inner)));
    assert_eq!(hard.clone().into_hard_reset(), hard);
    let cut = Notification::new(CEASE, cease::HARD_RESET, &[6]);
    assert_eq!((cut.is_hard_reset(), cut.encapsulated()), (true, None));
    assert!(!Notification::collision().is_hard_reset());
}

/// RFC 8654 §4: what exceeds the negotiated message is cut.
#[test]
fn long_data_is_cut() {
    let n = Notification::new(ROUTE_REFRESH, 1, &vec![7; 65535]);
    assert_eq!(encoded(&n, MAX_LEN).len(), MAX_LEN);
    assert_eq!(encoded(&n, MAX_EXTENDED_LEN).len(), MAX_EXTENDED_LEN);
    assert_eq!(encoded(&n, usize::MAX).len(), MAX_EXTENDED_LEN);
    assert!(n.to_string().ends_with("07... (65535 octets)"));
    for (len, end) in [(32, "070707"), (33, "0707... (33 octets)")] {
        let n = Notification::new(ROUTE_REFRESH, 1, &vec![7; len]);
        assert!(n.to_string().ends_with(end), "{n}");
    }
}

/// No name twice, and every subcode belongs to a code.
#[test]
fn names_are_unique() {
    let keys: std::collections::BTreeSet<_> = names::SUBCODES.iter().map(|(c, s, _)| (c, s)).collect();
    assert_eq!(keys.len(), names::SUBCODES.len());
    assert!(names::SUBCODES.iter().all(|(c, _, _)| names::CODES.iter().any(|(code, _)| code == c)));
}

proptest! {
    /// Round trip, and nothing that is shown can steer a terminal.
    #[test]
    fn any_octets(code in prop_oneof![Just(6_u8), 0..10_u8, any::<u8>()], subcode in 0..12_u8,
                  data in prop::collection::vec(prop_oneof![0_u8..20, any::<u8>()], 0..80)) {
        let n = Notification::new(code, subcode, &data);
        let message = encoded(&n, MAX_LEN);
        prop_assert_eq!(Notification::decode(&message[HEADER_LEN..]), Some(n.clone()));
        prop_assert!(!n.to_string().chars().any(char::is_control));
    }
}
