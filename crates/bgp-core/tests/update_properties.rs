//! What holds for every UPDATE: decoding never panics, and what it accepts is encoded again, within the limit, to the
//! same routes with the same attributes.

use bytes::BytesMut;
use heddle_bgp_core::nlri::{NlriSlice, PathIds};
use heddle_bgp_core::update::{
    AigpSession, AsSets, AsZero, EncodeParams, Encoder, FamilyContext, FaultAction, Scratch, UpdateContext, decode,
};
use heddle_bgp_core::{AsWidth, Asn, Family, Nlri, PathId, PeerType, Prefix, Role};
use proptest::prelude::*;

fn contexts() -> impl Strategy<Value = UpdateContext> {
    let role = prop_oneof![
        4 => Just(None),
        1 => prop_oneof![Just(Role::Provider), Just(Role::Customer), Just(Role::Peer)].prop_map(Some),
    ];
    let path_ids = || prop_oneof![Just(PathIds::Absent), Just(PathIds::Present)];
    let width = prop_oneof![3 => Just(AsWidth::Four), 1 => Just(AsWidth::Two)];
    (any::<(bool, bool, bool)>(), width, path_ids(), path_ids(), role).prop_map(
        |((internal, sets, extended), as_width, v4, v6, local_role)| UpdateContext {
            peer_type: if internal { PeerType::Ibgp } else { PeerType::Ebgp },
            peer_asn: Asn(65001),
            as_width,
            families: [
                Some(FamilyContext { path_ids: v4, extended_next_hop: extended }),
                Some(FamilyContext { path_ids: v6, extended_next_hop: false }),
            ],
            enforce_first_as: None,
            as_sets: if sets { AsSets::Accept } else { AsSets::TreatAsWithdraw },
            as_zero: if sets { AsZero::Accept } else { AsZero::Reject },
            local_role,
            aigp: if internal { AigpSession::Enabled } else { AigpSession::Disabled },
            local_addrs: std::iter::once("10.0.0.1".parse().expect("an address")).collect(),
            max_as_path_len: 750,
        },
    )
}

fn attr(flags: u8, code: u8, value: &[u8], extended: bool) -> Vec<u8> {
    let len = u16::try_from(value.len()).expect("short");
    match u8::try_from(len).ok().filter(|_| !extended) {
        Some(len) => [&[flags, code, len][..], value].concat(),
        None => [&[flags | 0x10, code][..], &len.to_be_bytes(), value].concat(),
    }
}

fn as_path(width: AsWidth) -> impl Strategy<Value = Vec<u8>> {
    let octets = move |asn: u32| match width {
        AsWidth::Four => asn.to_be_bytes().to_vec(),
        AsWidth::Two => asn.to_be_bytes()[2..].to_vec(),
    };
    let asn = prop_oneof![1_u32..10, Just(23456), Just(65001), Just(4_200_000_000)];
    let segment = (prop_oneof![4 => Just(2_u8), 1 => 1_u8..6], prop::collection::vec(asn, 1..6));
    prop::collection::vec(segment, 0..4).prop_map(move |segments| {
        let one = |(kind, asns): (u8, Vec<u32>)| {
            let count = u8::try_from(asns.len()).expect("few");
            [vec![kind, count], asns.into_iter().flat_map(octets).collect()].concat()
        };
        segments.into_iter().flat_map(one).collect()
    })
}

/// A list of attributes that is often sound: the mandatory ones, and some of the others, in any order and form.
fn attributes(width: AsWidth) -> impl Strategy<Value = Vec<u8>> {
    let aggregator = match width {
        AsWidth::Two => 6,
        AsWidth::Four => 8,
    };
    let of = |flags: u8, code: u8, len: usize| {
        (prop::collection::vec(any::<u8>(), len), any::<bool>())
            .prop_map(move |(v, e)| attr(flags, code, &v, e))
            .boxed()
    };
    let optional: Vec<BoxedStrategy<Vec<u8>>> = vec![
        of(0x80, 4, 4),
        of(0x40, 5, 4),
        of(0x40, 6, 0),
        of(0xc0, 7, aggregator),
        of(0xe0, 8, 8),
        of(0xc0, 8, 400),
        of(0x80, 9, 4),
        of(0x80, 10, 8),
        of(0xc0, 16, 16),
        (as_path(AsWidth::Four)).prop_map(|v| attr(0xc0, 17, &v, false)).boxed(),
        of(0xc0, 18, 8),
        of(0xc0, 25, 20),
        of(0xc0, 32, 24),
        of(0xc0, 35, 4),
        Just(attr(0x80, 26, &[1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 9], false)).boxed(),
        (128..=255_u8, 30..=255_u8, prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(f, c, v)| attr(f & 0xef, c, &v, false))
            .boxed(),
        (any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(f, c, v)| attr(f & 0xef, c, &v, false))
            .boxed(),
    ];
    let mandatory = (0..3_u8, as_path(width), any::<bool>());
    let some = prop::collection::vec(proptest::strategy::Union::new(optional), 0..5);
    (mandatory, some, any::<u8>()).prop_flat_map(|((origin, path, extended), some, mp)| {
        let mut all =
            vec![attr(0x40, 1, &[origin], false), attr(0x40, 2, &path, extended), attr(0x40, 3, &[10, 0, 0, 2], false)];
        all.extend(some);
        let next_hop: &[u8] = match mp % 5 {
            0 => &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
            1 => &[
                0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, //
                0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
            ],
            _ => &[],
        };
        if !next_hop.is_empty() {
            let afi = if mp & 0x80 == 0 { 2 } else { 1 };
            let len = u8::try_from(next_hop.len()).expect("short");
            // Reads as one prefix with a Path Identifier, or as some without.
            let nlri = [0, 0, 0, 0, 0, 0, 0, 7, 32, 0x20, 1, 0xd, 0xb8];
            let value = [&[0, afi, 1, len][..], next_hop, &[0], if mp & 0x40 == 0 { &nlri[4..] } else { &nlri[8..] }];
            all.push(attr(0x80, 14, &value.concat(), extended));
        }
        if mp & 0x38 == 0 {
            // One is repeated (RFC 7606 §3(g)), where it is not noticed by its order.
            let again = all.last().cloned().unwrap_or_default();
            all.push(again);
            return Just(all.concat()).boxed();
        }
        Just(all).prop_shuffle().prop_map(|all| all.concat()).boxed()
    })
}

fn body(withdrawn: &[u8], attrs: &[u8], nlri: &[u8]) -> Vec<u8> {
    let len = |b: &[u8]| u16::try_from(b.len()).expect("short").to_be_bytes();
    [&len(withdrawn)[..], withdrawn, &len(attrs), attrs, nlri].concat()
}

fn messages() -> impl Strategy<Value = (UpdateContext, Vec<u8>)> {
    let nlri = prop_oneof![Just(vec![]), Just(vec![0, 0, 0, 1, 24, 10, 99, 1]), Just(vec![24, 10, 99, 1, 9, 10, 255])];
    let flips = prop_oneof![
        4 => Just(vec![]),
        1 => prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ];
    contexts().prop_flat_map(move |context| {
        (Just(context.clone()), attributes(context.as_width), nlri.clone(), nlri.clone(), flips.clone()).prop_map(
            |(context, attrs, withdrawn, nlri, flips)| {
                let mut body = body(&withdrawn, &attrs, &nlri);
                for (at, value) in flips {
                    let at = at.index(body.len());
                    body[at] = value;
                }
                (context, body)
            },
        )
    })
}

/// Encodes what was accepted for a session like the one it came from, and reads it again.
fn round_trip(context: &UpdateContext, nlri: NlriSlice<'_>, block: &[u8], max_message_len: usize) {
    let family = nlri.family();
    let path_ids = context.family(family).expect("a negotiated family").path_ids;
    let mut encoder = Encoder::new(EncodeParams { family, as_width: context.as_width, path_ids, max_message_len });
    let mut out = BytesMut::new();
    encoder.advertise(&mut out, block, &mut nlri.iter().peekable(), usize::MAX).expect("as long as what came");
    assert!(out.len() <= max_message_len);
    let mut again = Scratch::new();
    let update = decode(&out[19..], context, &mut again).expect("what we send is well-formed");
    assert_eq!(update.action, None, "{:?}", update.faults);
    assert_eq!(update.reach.len(), 1);
    assert_eq!(update.reach[0].block, block);
    assert!(update.reach[0].nlri.iter().eq(nlri.iter()));
}

/// Types ascend, one of each, minimal lengths, none that a canonical block must not have.
fn assert_canonical(block: &[u8]) {
    let view = heddle_bgp_core::attr::BlockView(block);
    let codes: Vec<u8> = view.iter().map(|a| a.code.0).collect();
    assert!(codes.windows(2).all(|w| w[0] < w[1]), "{codes:?}");
    assert!(!codes.iter().any(|c| [0, 14, 15, 17, 18].contains(c)), "{codes:?}");
    let mut rewritten = Vec::new();
    for a in view {
        heddle_bgp_core::attr::block::push_attr(&mut rewritten, a.flags.0, a.code, a.value);
    }
    assert_eq!(rewritten, block);
    let owned = heddle_bgp_core::attr::PathAttributes::from_block(block);
    assert_eq!(owned.to_block().as_deref(), Ok(block));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_do_not_panic(context in contexts(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut scratch = Scratch::new();
        let _ = decode(&bytes, &context, &mut scratch);
    }

    #[test]
    fn what_is_accepted_goes_out_equal((context, body) in messages()) {
        let mut scratch = Scratch::new();
        let Ok(update) = decode(&body, &context, &mut scratch) else { return Ok(()) };
        prop_assert_eq!(update.action, update.faults.iter().map(|f| f.action).max());
        if update.action >= Some(FaultAction::TreatAsWithdraw) {
            prop_assert!(update.reach.is_empty());
        }
        for reach in &update.reach {
            assert_canonical(reach.block);
            // A leak stays one; its block is as any other.
            round_trip(&context, reach.nlri, reach.block, 65_535);
        }
    }

    #[test]
    fn packing_keeps_the_routes(
        prefixes in prop::collection::vec((any::<u32>(), 0..=32_u8, any::<u32>()), 1..3000),
        path_ids in prop_oneof![Just(PathIds::Absent), Just(PathIds::Present)],
        max_message_len in prop_oneof![Just(4096_usize), Just(65_535), 100..400_usize],
        stop_at in 1..5000_usize,
    ) {
        let with_ids = path_ids == PathIds::Present;
        let nlri: Vec<Nlri> = prefixes
            .into_iter()
            .map(|(addr, len, id)| Nlri {
                prefix: Prefix::new(std::net::Ipv4Addr::from(addr).into(), len).expect("at most 32 bits"),
                path_id: PathId(if with_ids { id } else { 0 }),
            })
            .collect();
        let params = EncodeParams { family: Family::IPV4_UNICAST, as_width: AsWidth::Four, path_ids, max_message_len };
        let block = [0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 10, 0, 0, 2];
        let mut encoder = Encoder::new(params);
        let mut left = nlri.iter().copied().peekable();
        let mut seen = Vec::new();
        while left.peek().is_some() {
            let mut out = BytesMut::new();
            encoder.advertise(&mut out, &block, &mut left, stop_at).expect("short attributes");
            let mut rest = &out[..];
            while !rest.is_empty() {
                let len = usize::from(u16::from_be_bytes([rest[16], rest[17]]));
                prop_assert!(len <= max_message_len);
                seen.extend(NlriSlice::parse(Family::IPV4_UNICAST, path_ids, &rest[43..len]).expect("whole prefixes"));
                rest = &rest[len..];
            }
        }
        prop_assert_eq!(seen, nlri);
    }
}
