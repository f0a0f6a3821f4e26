use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::capability::{AddPathMode, ForwardingState, GracefulRestart, LlgrFamily};
use crate::family::Family;

fn open(capabilities: Vec<Capability>) -> Open {
    Open { asn: Asn(65001), hold_time: 90, bgp_id: BgpId(0x0a00_0002), capabilities }
}

fn encoded(open: &Open, form: OptionalParameters) -> Vec<u8> {
    let mut out = BytesMut::new();
    open.encode(&mut out, form).unwrap();
    out.to_vec()
}

fn decode(message: &[u8]) -> Result<Open, OpenError> {
    Open::decode(&message[HEADER_LEN..])
}

/// An OPEN with My Autonomous System and optional parameters as given.
fn raw(my_as: u16, parameters: &[u8]) -> Vec<u8> {
    let mut body = vec![4];
    body.extend_from_slice(&my_as.to_be_bytes());
    body.extend_from_slice(&[0, 90, 10, 0, 0, 2]);
    body.extend_from_slice(parameters);
    body
}

/// Wire vectors, used in both directions: after the header, version to the end.
#[test]
fn vectors() {
    use OptionalParameters::{AlwaysExtended, WhereNeeded};
    let mp = Capability::MultiProtocol(Family::IPV4_UNICAST);
    let big = Open { asn: Asn(4_200_000_000), ..open(vec![Capability::FourOctetAs(Asn(4_200_000_000))]) };
    #[rustfmt::skip]
    let rows: Vec<(&[u8], Open, OptionalParameters)> = vec![
        (&[4, 0xfd, 0xe9, 0, 90, 10, 0, 0, 2, 0], open(vec![]), WhereNeeded),
        (&[4, 0xfd, 0xe9, 0, 90, 10, 0, 0, 2, 8, 2, 6, 1, 4, 0, 1, 0, 1], open(vec![mp.clone()]), WhereNeeded),
        // RFC 9072 §2.
        (&[4, 0xfd, 0xe9, 0, 90, 10, 0, 0, 2, 255, 255, 0, 9, 2, 0, 6, 1, 4, 0, 1, 0, 1], open(vec![mp]), AlwaysExtended),
        // RFC 6793 §9: AS_TRANS, 23456, in My Autonomous System.
        (&[4, 0x5b, 0xa0, 0, 90, 10, 0, 0, 2, 8, 2, 6, 65, 4, 0xfa, 0x56, 0xea, 0], big, WhereNeeded),
    ];
    for (octets, open, form) in rows {
        assert_eq!(Open::decode(octets).as_ref(), Ok(&open));
        assert_eq!(&encoded(&open, form)[HEADER_LEN..], octets);
    }
}

/// RFC 9072 §2: the extended form exactly from 256 octets of parameters on; and both forms say the same.
#[test]
fn extended_form_where_needed() {
    for len in 245..=257_usize {
        let value = Bytes::from(vec![7; len.min(255)]);
        let mut capabilities = vec![Capability::Unknown { code: 200, value }];
        capabilities.extend((len > 255).then_some(Capability::RouteRefresh));
        let parameters = 2 + 2 + len.min(255) + if len > 255 { 2 } else { 0 };
        let open = open(capabilities);
        let message = encoded(&open, OptionalParameters::WhereNeeded);
        assert_eq!(message[HEADER_LEN + 10] == 255, parameters > 255, "{parameters} octets of parameters");
        assert_eq!(decode(&message).as_ref(), Ok(&open));
        assert_eq!(decode(&encoded(&open, OptionalParameters::AlwaysExtended)).as_ref(), Ok(&open));
    }
}

/// RFC 8654 §4: an OPEN never exceeds 4096 octets.
#[test]
fn too_many_capabilities_are_an_error() {
    let one = |value: usize| Capability::Unknown { code: 200, value: vec![0; value].into() };
    let mut out = BytesMut::new();
    // 4096 = 19 header, 10 fixed, 3 RFC 9072, 3 parameter header, 4061 of capabilities.
    let full = open([vec![one(255); 15], vec![one(204)]].concat());
    full.encode(&mut out, OptionalParameters::WhereNeeded).unwrap();
    assert_eq!(out.len(), 4096);
    out.clear();
    let over = open([vec![one(255); 15], vec![one(205)]].concat());
    assert_eq!(over.encode(&mut out, OptionalParameters::WhereNeeded), Err(OpenTooLong(4062)));
    let far_over = open(vec![one(255); 1000]);
    assert!(far_over.encode(&mut out, OptionalParameters::WhereNeeded).is_err());
    assert!(out.is_empty());
}

/// RFC 6793 §4.1 and §9, RFC 7607 §2: what the two places may say.
#[test]
fn as_numbers() {
    let as4 = |asn: u32| {
        let [a, b, c, d] = asn.to_be_bytes();
        vec![8, 2, 6, 65, 4, a, b, c, d]
    };
    #[rustfmt::skip]
    let rows: Vec<(u16, Vec<u8>, Option<u32>)> = vec![
        (65001, vec![0], Some(65001)),
        (65001, as4(65001), Some(65001)),
        (23456, as4(4_200_000_000), Some(4_200_000_000)),
        (23456, as4(65001), Some(65001)),
        (23456, vec![0], None),
        (0, vec![0], None),
        (0, as4(65001), None),
        (65001, as4(0), None),
        (23456, as4(23456), None),
        (65001, as4(65002), None),
        (65001, as4(4_200_000_000), None),
        (65001, vec![14, 2, 12, 65, 4, 0, 0, 0xfd, 0xe9, 65, 4, 0, 0, 0xfd, 0xea], None),
        // Either of the two that differ would do.
        (23456, vec![14, 2, 12, 65, 4, 0, 0, 0xfd, 0xe9, 65, 4, 0, 0, 0xfd, 0xea], None),
    ];
    for (my_as, parameters, want) in rows {
        let got = Open::decode(&raw(my_as, &parameters));
        match want {
            Some(asn) => assert_eq!(got.map(|o| o.asn), Ok(Asn(asn)), "{my_as} {parameters:?}"),
            None => {
                let error = got.unwrap_err();
                assert!(matches!(error, OpenError::PeerAs { .. }), "{my_as} {parameters:?}: {error}");
                assert_eq!(error.notification(), Notification::new(2, 2, &[]));
            }
        }
    }
}

/// RFC 4271 §6.2: 0, or 3 and above.
#[test]
fn hold_times() {
    for seconds in [0_u16, 1, 2, 3, 65535] {
        let mut body = raw(65001, &[0]);
        body[3..5].copy_from_slice(&seconds.to_be_bytes());
        let got = Open::decode(&body).map(|o| o.hold_time);
        assert_eq!(got, if matches!(seconds, 1 | 2) { Err(OpenError::HoldTime(seconds)) } else { Ok(seconds) });
    }
}

/// RFC 9234 §4.2.
#[test]
fn roles() {
    let with = |parameters: &[u8]| Open::decode(&raw(65001, parameters)).map(|o| o.role());
    assert_eq!(with(&[0]), Ok(AdvertisedRole::Absent));
    assert_eq!(with(&[5, 2, 3, 9, 1, 3]), Ok(AdvertisedRole::Known(Role::Customer)));
    assert_eq!(with(&[5, 2, 3, 9, 1, 7]), Ok(AdvertisedRole::Unassigned(7)));
    assert_eq!(with(&[4, 2, 2, 9, 0]), Ok(AdvertisedRole::Absent));
    assert_eq!(with(&[10, 2, 3, 9, 1, 3, 2, 3, 9, 1, 3]), Ok(AdvertisedRole::Known(Role::Customer)));
    assert_eq!(with(&[10, 2, 3, 9, 1, 3, 2, 3, 9, 1, 0]), Err(OpenError::Roles));
    assert_eq!(with(&[10, 2, 3, 9, 1, 3, 2, 3, 9, 1, 7]), Err(OpenError::Roles));
}

/// RFC 4271 §6.2, RFC 9072 §2: lengths that do not add up, in both forms, and what each error sends.
#[test]
fn optional_parameters() {
    #[rustfmt::skip]
    let rows: &[(&[u8], OpenError)] = &[
        (&[], OpenError::Malformed),
        (&[255], OpenError::Malformed),
        (&[1, 2], OpenError::Malformed),
        (&[10, 2, 6], OpenError::Malformed),
        (&[0, 2, 0], OpenError::Malformed),
        (&[0, 255, 0, 0], OpenError::Malformed),
        (&[255, 255], OpenError::Malformed),
        (&[255, 255, 0], OpenError::Malformed),
        (&[255, 255, 0, 2, 0, 1], OpenError::Malformed),
        (&[255, 255, 0, 4, 2, 0, 2, 9], OpenError::Malformed),
        (&[255, 255, 255, 255], OpenError::Malformed),
        (&[3, 1, 1, 0], OpenError::Parameter(1)),
        (&[255, 255, 0, 3, 255, 0, 0], OpenError::Parameter(255)),
        (&[4, 2, 2, 1, 10], OpenError::Malformed),
        (&[3, 2, 1, 65], OpenError::Malformed),
        (&[6, 2, 4, 1, 2, 0, 1], OpenError::Capability(CapabilityError { code: 1, len: 2 })),
    ];
    for (parameters, want) in rows {
        assert_eq!(Open::decode(&raw(65001, parameters)), Err(*want), "{parameters:?}");
        let subcode = if matches!(want, OpenError::Parameter(_)) { 4 } else { 0 };
        assert_eq!(want.notification(), Notification::new(2, subcode, &[]));
    }
    // RFC 9072 §2: a short length other than 255 is accepted with the extended form; an empty one too.
    assert!(Open::decode(&raw(65001, &[3, 255, 0, 5, 2, 0, 2, 2, 0])).is_ok());
    assert!(Open::decode(&raw(65001, &[255, 255, 0, 0])).is_ok());
}

/// RFC 4271 §6.2, RFC 6286 §2.1.
#[test]
fn version_and_identifier() {
    let mut body = raw(65001, &[0]);
    body[0] = 3;
    let error = Open::decode(&body).unwrap_err();
    assert_eq!((error, error.notification()), (OpenError::Version(3), Notification::new(2, 1, &[0, 4])));
    body[0] = 4;
    body[5..9].fill(0);
    let error = Open::decode(&body).unwrap_err();
    assert_eq!((error, error.notification()), (OpenError::BgpId, Notification::new(2, 3, &[])));
    body[5..9].fill(255);
    assert!(Open::decode(&body).is_ok());
}

/// RFC 5492 §4: a capability that is repeated says nothing new, in whichever parameter it stands; another value does.
#[test]
fn repeated_capabilities() {
    let refresh = [2, 0];
    let (a, b) = ([200, 2, 7, 7], [200, 2, 7, 8]);
    let parameter = |capabilities: &[&[u8]]| {
        let value = capabilities.concat();
        [&[2, u8::try_from(value.len()).unwrap()][..], &value].concat()
    };
    let parameters = [
        parameter(&[&refresh, &a, &refresh]),
        parameter(&[]),
        parameter(&[&a, &b, &refresh]),
        parameter(&[&b]),
        parameter(&[&a, &[6, 0]]),
    ]
    .concat();
    let len = u8::try_from(parameters.len()).unwrap();
    let open = Open::decode(&raw(65001, &[&[len][..], &parameters].concat())).unwrap();
    let unknown = |value: &'static [u8]| Capability::Unknown { code: 200, value: Bytes::from_static(value) };
    let expected = [Capability::RouteRefresh, unknown(&[7, 7]), unknown(&[7, 8]), Capability::ExtendedMessage];
    assert_eq!(open.capabilities, expected, "in the order in which they came first");
}

/// Room is made for as many as a parameter has, and for no more than its octets can hold.
#[test]
fn capabilities_are_counted_before_there_is_room_for_them() {
    for (octets, expected) in [
        (&[][..], 0),
        (&[2], 0),
        (&[2, 0], 1),
        (&[2, 0, 2, 0, 6, 0], 3),
        (&[200, 3, 1, 2, 3, 6, 0], 2),
        (&[2, 0, 200, 9, 1, 2, 0, 6, 0], 2),
    ] {
        assert_eq!(count(Reader::new(octets)), expected, "{octets:?}");
    }
}

fn any_family() -> impl Strategy<Value = Family> {
    (any::<u16>(), any::<u8>()).prop_map(|(afi, safi)| Family::new(afi, safi))
}

fn any_forwarding() -> impl Strategy<Value = ForwardingState> {
    prop::sample::select(vec![ForwardingState::Lost, ForwardingState::Preserved])
}

fn any_capability() -> impl Strategy<Value = Capability> {
    let mode = prop::sample::select(vec![AddPathMode::Receive, AddPathMode::Send, AddPathMode::Both]);
    let llgr = (any_family(), any_forwarding(), 0..=LlgrFamily::MAX_STALE_TIME)
        .prop_map(|(family, forwarding, stale_time)| LlgrFamily { family, forwarding, stale_time });
    let gr = (any::<bool>(), any::<bool>(), 0..4096_u16, prop::collection::vec((any_family(), any_forwarding()), 0..9))
        .prop_map(|(restarted, notification, restart_time, families)| GracefulRestart {
            restarted,
            notification,
            restart_time,
            families,
        });
    prop_oneof![
        any_family().prop_map(Capability::MultiProtocol),
        Just(Capability::RouteRefresh),
        Just(Capability::ExtendedMessage),
        Just(Capability::EnhancedRouteRefresh),
        prop::collection::vec((any_family(), any::<u16>()), 0..9).prop_map(Capability::ExtendedNextHop),
        prop::collection::vec((any_family(), mode), 0..9).prop_map(Capability::AddPath),
        prop::collection::vec(llgr, 0..9).prop_map(Capability::LongLivedGracefulRestart),
        gr.prop_map(Capability::GracefulRestart),
        ("[a-zé]{0,20}", "[a-z.]{0,20}").prop_map(|(host, domain)| Capability::HostName { host, domain }),
        (100_u8.., prop::collection::vec(any::<u8>(), 0..256))
            .prop_map(|(code, value)| Capability::Unknown { code, value: value.into() }),
    ]
}

proptest! {
    /// Encode, decode: the same, in both forms; repetitions are gone.
    #[test]
    fn round_trip(asn in prop_oneof![1_u32..23456, 65536..=u32::MAX], hold_time in prop_oneof![Just(0_u16), 3_u16..], id in 1_u32..,
                  capabilities in prop::collection::vec(any_capability(), 0..12), extended in any::<bool>()) {
        let mut unique: Vec<Capability> = vec![Capability::FourOctetAs(Asn(asn))];
        for c in capabilities {
            if !unique.contains(&c) {
                unique.push(c);
            }
        }
        let open = Open { asn: Asn(asn), hold_time, bgp_id: BgpId(id), capabilities: unique };
        let form = if extended { OptionalParameters::AlwaysExtended } else { OptionalParameters::WhereNeeded };
        prop_assert_eq!(decode(&encoded(&open, form)), Ok(open));
    }

    /// Nothing panics, and what is accepted can be sent and comes back equal.
    #[test]
    fn any_octets(tail in prop::collection::vec(prop_oneof![0_u8..8, Just(65), Just(255), any::<u8>()], 0..80)) {
        for body in [tail.clone(), raw(65001, &tail)] {
            if let Ok(open) = Open::decode(&body) {
                let again = decode(&encoded(&open, OptionalParameters::WhereNeeded));
                prop_assert_eq!(again, Ok(open));
            }
        }
    }
}
