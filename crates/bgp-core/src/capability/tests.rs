use proptest::prelude::*;

use super::*;

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;

fn encoded(c: &Capability) -> Vec<u8> {
    let mut out = BytesMut::new();
    c.encode(&mut out);
    out.to_vec()
}

/// All capabilities in a sequence of octets.
fn decode_sequence(mut octets: &[u8]) -> Vec<Capability> {
    let mut list = Vec::new();
    while let [code, len, rest @ ..] = octets {
        let (value, rest) = rest.split_at(usize::from(*len));
        list.push(Capability::decode(*code, value).unwrap());
        octets = rest;
    }
    list
}

/// Wire vectors, used in both directions.
#[test]
fn vectors() {
    let gr = GracefulRestart {
        restarted: true,
        notification: true,
        restart_time: 120,
        families: vec![(V4, ForwardingState::Preserved), (V6, ForwardingState::Lost)],
    };
    let llgr = LlgrFamily { family: V6, forwarding: ForwardingState::Preserved, stale_time: 0x01_51_80 };
    #[rustfmt::skip]
    let rows: Vec<(&[u8], Capability)> = vec![
        (&[1, 4, 0, 1, 0, 1], Capability::MultiProtocol(V4)),
        (&[1, 4, 0x40, 0x0d, 0, 99], Capability::MultiProtocol(Family::new(16397, 99))),
        (&[2, 0], Capability::RouteRefresh),
        (&[5, 6, 0, 1, 0, 1, 0, 2], Capability::ExtendedNextHop(vec![(V4, 2)])),
        (&[6, 0], Capability::ExtendedMessage),
        (&[9, 1, 3], Capability::Role(Role::Customer)),
        (&[64, 10, 0xc0, 120, 0, 1, 1, 0x80, 0, 2, 1, 0], Capability::GracefulRestart(gr)),
        (&[64, 2, 0x0f, 0xff], Capability::GracefulRestart(GracefulRestart {
            restarted: false, notification: false, restart_time: 4095, families: vec![] })),
        (&[65, 4, 0, 0, 0xfd, 0xe9], Capability::FourOctetAs(Asn(65001))),
        (&[69, 8, 0, 1, 1, 3, 0, 2, 1, 1], Capability::AddPath(vec![(V4, AddPathMode::Both), (V6, AddPathMode::Receive)])),
        (&[70, 0], Capability::EnhancedRouteRefresh),
        (&[71, 7, 0, 2, 1, 0x80, 1, 0x51, 0x80], Capability::LongLivedGracefulRestart(vec![llgr])),
        (&[71, 0], Capability::LongLivedGracefulRestart(vec![])),
        (&[73, 6, 2, b'r', b'1', 2, b'd', b'c'], Capability::HostName { host: "r1".into(), domain: "dc".into() }),
        (&[128, 0], Capability::Unknown { code: 128, value: Bytes::new() }),
        (&[201, 2, 7, 8], Capability::Unknown { code: 201, value: Bytes::from_static(&[7, 8]) }),
    ];
    for (octets, capability) in rows {
        assert_eq!(decode_sequence(octets), std::slice::from_ref(&capability), "{octets:?}");
        assert_eq!(encoded(&capability), octets, "{capability:?}");
    }
}

/// A value that its RFC does not allow counts as not advertised, and is kept as it came.
#[test]
fn unusable_values_are_kept_as_unknown() {
    #[rustfmt::skip]
    let rows: &[(u8, &[u8], &str)] = &[
        (2, &[0], "RFC 2918 §2: no value"),
        (5, &[0, 1, 0, 1, 0], "RFC 8950 §4: six octets each"),
        (5, &[0, 1, 1, 1, 0, 2], "RFC 8950 §4: a SAFI above 255"),
        (6, &[0], "RFC 8654 §3: no value"),
        (9, &[], "RFC 9234 §4.1: one octet"),
        (9, &[3, 3], "RFC 9234 §4.1: one octet"),
        (9, &[5], "RFC 9234 §4.1: an unassigned role"),
        (64, &[], "RFC 4724 §3: at least two octets"),
        (64, &[0], "RFC 4724 §3: at least two octets"),
        (69, &[0, 1, 1, 0], "RFC 7911 §4: Send/Receive 0"),
        (69, &[0, 1, 1, 4], "RFC 7911 §4: Send/Receive 4"),
        (69, &[0, 1, 1, 3, 0, 2, 1, 4], "RFC 7911 §4: one wrong element spoils all"),
        (69, &[0, 1, 1], "RFC 7911 §4: four octets each"),
        (70, &[0], "RFC 7313 §3.1: no value"),
        (71, &[0, 1, 1, 0x80, 0, 0], "RFC 9494 §3: seven octets each"),
        (73, &[0xff, b'a'], "host name longer than the capability"),
        (73, &[1, b'a'], "no domain length"),
        (73, &[1, b'a', 2, b'b'], "domain longer than the capability"),
        (73, &[0, 0, 0], "octets behind the names"),
    ];
    for (code, value, why) in rows {
        let want = Capability::Unknown { code: *code, value: Bytes::copy_from_slice(value) };
        assert_eq!(Capability::decode(*code, value), Ok(want), "{why}");
    }
}

/// RFC 4760 §8, RFC 6793 §3: without these two no UPDATE can be read rightly.
#[test]
fn impossible_lengths_of_the_two_that_matter() {
    for code in [code::MULTI_PROTOCOL, code::FOUR_OCTET_AS] {
        for len in [0, 1, 2, 3, 5, 255] {
            assert_eq!(Capability::decode(code, &vec![0; len]), Err(CapabilityError { code, len }));
        }
    }
}

/// RFC 4724 §3: octets behind the last whole family say nothing.
#[test]
fn partial_family_of_graceful_restart_is_passed_over() {
    let Ok(Capability::GracefulRestart(gr)) = Capability::decode(64, &[0, 120, 0, 1, 1]) else { panic!() };
    assert_eq!((gr.restart_time, gr.families), (120, vec![]));
}

/// A value has at most 255 octets: lists go into several capabilities, names are cut between characters.
#[test]
fn long_values() {
    let many = vec![(V4, AddPathMode::Both); 100];
    let octets = encoded(&Capability::AddPath(many.clone()));
    let both: Vec<_> = decode_sequence(&octets)
        .into_iter()
        .flat_map(|c| if let Capability::AddPath(list) = c { list } else { vec![] })
        .collect();
    assert_eq!(both, many);
    assert_eq!(octets.len(), 100 * 4 + 2 * 2);

    let host = format!("{}é", "h".repeat(252));
    let octets = encoded(&Capability::HostName { host, domain: "dropped".into() });
    let want = Capability::HostName { host: "h".repeat(252), domain: "d".into() };
    assert_eq!(decode_sequence(&octets), [want]);

    let gr = GracefulRestart {
        restarted: false,
        notification: false,
        restart_time: 9999,
        families: vec![(V4, ForwardingState::Lost); 70],
    };
    let [Capability::GracefulRestart(cut)] = &decode_sequence(&encoded(&Capability::GracefulRestart(gr)))[..] else {
        panic!()
    };
    assert_eq!((cut.restart_time, cut.families.len()), (4095, 63));
    let unknown = Capability::Unknown { code: 250, value: vec![7; 300].into() };
    assert_eq!(encoded(&unknown).len(), 257);
}

/// RFC 9234 §4.2, table 2.
#[test]
fn roles_that_fit() {
    use Role::{Customer, Peer, Provider, RouteServer, RouteServerClient};
    for (ours, theirs) in [(Provider, Customer), (RouteServer, RouteServerClient), (Peer, Peer)] {
        assert_eq!((ours.counterpart(), theirs.counterpart()), (theirs, ours));
    }
    for octet in 0..=255 {
        assert_eq!(Role::from_octet(octet).map(|r| r as u8), (octet < 5).then_some(octet));
    }
}

proptest! {
    /// What is accepted encodes to something that decodes to the same.
    #[test]
    fn accepted_is_stable(code in prop_oneof![any::<u8>(), prop::sample::select(vec![1_u8, 2, 5, 6, 9, 64, 65, 69, 70, 71, 73])],
                          value in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..256)) {
        if let Ok(capability) = Capability::decode(code, &value) {
            prop_assert_eq!(capability.code(), code);
            let again = decode_sequence(&encoded(&capability));
            // Names with invalid UTF-8 grow when it is replaced, and may then be cut.
            if value.is_ascii() || code != code::HOST_NAME {
                prop_assert_eq!(again, vec![capability]);
            }
        }
    }
}
