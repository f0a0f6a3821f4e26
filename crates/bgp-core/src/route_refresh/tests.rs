use proptest::prelude::*;

use super::*;

fn message(body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode_message(&mut out, MessageType::RouteRefresh, |b| b.extend_from_slice(body));
    out.to_vec()
}

/// Wire vectors, used in both directions (RFC 2918 §3, RFC 7313 §3.2).
#[test]
fn vectors() {
    use RefreshSubtype::{Begin, End, Request, Unknown};
    #[rustfmt::skip]
    let rows = [
        ([0, 1, 0, 1], Family::IPV4_UNICAST, Request),
        ([0, 2, 1, 1], Family::IPV6_UNICAST, Begin),
        ([0, 2, 2, 1], Family::IPV6_UNICAST, End),
        ([0, 1, 3, 1], Family::IPV4_UNICAST, Unknown(3)),
        ([0, 25, 0, 70], Family::new(25, 70), Request),
    ];
    for (body, family, subtype) in rows {
        let refresh = RouteRefresh { family, subtype };
        for enhanced in [EnhancedRefresh::Absent, EnhancedRefresh::Negotiated] {
            assert_eq!(RouteRefresh::decode(&message(&body), enhanced), Ok(refresh));
        }
        let mut out = BytesMut::new();
        refresh.encode(&mut out);
        assert_eq!(out, message(&body));
    }
}

/// RFC 7313 §5 for subtypes 1 and 2, RFC 4271 §6.1 for the rest.
#[test]
fn wrong_lengths() {
    use EnhancedRefresh::{Absent, Negotiated};
    let notification =
        |body: &[u8], enhanced| RouteRefresh::decode(&message(body), enhanced).unwrap_err().notification();
    for body in [&[0, 1, 1][..], &[0, 1, 2, 1, 0]] {
        assert_eq!(notification(body, Negotiated), Notification::new(7, 1, &message(body)));
        let len = u16::try_from(19 + body.len()).unwrap();
        assert_eq!(notification(body, Absent), Notification::new(1, 2, &len.to_be_bytes()));
    }
    for body in [&[][..], &[0], &[0, 1], &[0, 1, 0], &[0, 1, 3]] {
        let len = u16::try_from(19 + body.len()).unwrap();
        assert_eq!(notification(body, Negotiated), Notification::new(1, 2, &len.to_be_bytes()), "{body:?}");
    }
}

/// RFC 5291 §4: a request with filters that were never negotiated starts no refresh.
#[test]
fn route_filters_start_nothing() {
    let got = RouteRefresh::decode(&message(&[0, 1, 0, 1, 1, 64, 255, 255]), EnhancedRefresh::Negotiated);
    assert_eq!(got.map(|r| r.subtype), Ok(RefreshSubtype::Unknown(0)));
}

proptest! {
    #[test]
    fn any_octets(body in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..40), enhanced in any::<bool>()) {
        let enhanced = if enhanced { EnhancedRefresh::Negotiated } else { EnhancedRefresh::Absent };
        let raw = message(&body);
        match RouteRefresh::decode(&raw, enhanced) {
            Ok(refresh) if body.len() == 4 => {
                let mut out = BytesMut::new();
                refresh.encode(&mut out);
                prop_assert_eq!(&out[..], &raw[..]);
            }
            Ok(refresh) => prop_assert!(matches!(refresh.subtype, RefreshSubtype::Unknown(_))),
            Err(_) => prop_assert_ne!(body.len(), 4),
        }
    }
}
