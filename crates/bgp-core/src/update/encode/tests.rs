use super::*;
use crate::attr::{AsPath, Origin, PathAttributes};
use crate::nlri::PathId;
use crate::prefix::Prefix;
use crate::update::{AigpSession, AsSets, AsZero, FamilyContext, Scratch, UpdateContext, decode};
use crate::{Asn, PeerType};

const EVER: usize = usize::MAX;

fn params(family: Family) -> EncodeParams {
    EncodeParams { family, as_width: AsWidth::Four, path_ids: PathIds::Absent, max_message_len: 4096 }
}

fn context(params: EncodeParams) -> UpdateContext {
    let family = Some(FamilyContext { path_ids: params.path_ids, extended_next_hop: true });
    UpdateContext {
        peer_type: PeerType::Ebgp,
        peer_asn: Asn(65001),
        as_width: params.as_width,
        families: [family, family],
        enforce_first_as: None,
        as_sets: AsSets::Accept,
        as_zero: AsZero::Reject,
        local_role: None,
        aigp: AigpSession::Disabled,
        local_addrs: smallvec::SmallVec::new(),
        max_as_path_len: u16::MAX,
    }
}

fn attributes(next_hop: &str) -> PathAttributes {
    let addr = next_hop.parse().expect("an address");
    PathAttributes {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::from_asns(&[Asn(65001)])),
        next_hop: Some(match addr {
            std::net::IpAddr::V4(a) => NextHop::V4(a),
            std::net::IpAddr::V6(a) => NextHop::V6(a),
        }),
        ..PathAttributes::default()
    }
}

fn block(attributes: &PathAttributes) -> Vec<u8> {
    attributes.to_block().expect("short values")
}

fn nlri(text: &str) -> Nlri {
    Nlri { prefix: text.parse().expect("a prefix"), path_id: PathId(0) }
}

fn hosts(n: u32) -> impl Iterator<Item = Nlri> {
    (0..n).map(|i| Nlri {
        prefix: Prefix::new(std::net::Ipv4Addr::from(0x0a00_0000 + i).into(), 32).expect("32 bits"),
        path_id: PathId(i),
    })
}

fn advertise(params: EncodeParams, block: &[u8], nlri: impl Iterator<Item = Nlri>) -> Vec<u8> {
    let mut out = BytesMut::new();
    let done = Encoder::new(params).advertise(&mut out, block, &mut nlri.peekable(), EVER);
    done.expect("short attributes");
    out.to_vec()
}

fn messages(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some(len) = stream.get(16..18) {
        let len = usize::from(u16::from_be_bytes(len.try_into().expect("two octets")));
        let (message, rest) = stream.split_at(len);
        assert_eq!((&message[..16], message[18]), (&[255; 16][..], 2));
        messages.push(message);
        stream = rest;
    }
    assert!(stream.is_empty());
    messages
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.chars().filter(|c| !c.is_whitespace()).collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex digits")).collect()
}

/// Wire vectors, read and written: (family, next hop, prefixes, body).
#[test]
fn vectors_both_ways() {
    let v4 = Family::IPV4_UNICAST;
    let v6 = Family::IPV6_UNICAST;
    let rows = [
        // RFC 4271 §4.3.
        (v4, "10.0.0.2", vec!["10.99.1.0/24"], "0000 0014 40010100 40020602010000fde9 4003040a000002 180a6301"),
        (
            v4,
            "10.0.0.2",
            vec!["0.0.0.0/0", "10.0.0.0/9"],
            "0000 0014 40010100 40020602010000fde9 4003040a000002 00 090a00",
        ),
        // RFC 4760 §3; MP_REACH_NLRI first (RFC 7606 §5.1).
        (
            v6,
            "2001:db8::2",
            vec!["2001:db8:1::/48"],
            "0000 002c 800e1c 0002 01 10 20010db8000000000000000000000002 00 3020010db80001 40010100 40020602010000fde9",
        ),
        // RFC 8950 §3.
        (
            v4,
            "2001:db8::2",
            vec!["10.99.1.0/24"],
            "0000 0029 800e19 0001 01 10 20010db8000000000000000000000002 00 180a6301 40010100 40020602010000fde9",
        ),
    ];
    for (family, next_hop, prefixes, body) in rows {
        let params = params(family);
        let block = block(&attributes(next_hop));
        let encoded = advertise(params, &block, prefixes.iter().map(|p| nlri(p)));
        assert_eq!(hex(&encoded[HEADER_LEN..]), hex(&bytes(body)));
        let mut scratch = Scratch::new();
        let body = bytes(body);
        let update = decode(&body, &context(params), &mut scratch).expect("well-formed");
        assert_eq!((update.action, update.reach.len()), (None, 1));
        assert_eq!(hex(update.reach[0].block), hex(&block));
        assert!(update.reach[0].nlri.iter().eq(prefixes.iter().map(|p| nlri(p))));
    }
}

/// Withdrawals and End-of-RIB of both families (RFC 4271 §4.3, RFC 4760 §4, RFC 4724 §2).
#[test]
fn withdrawals_and_end_of_rib() {
    let rows = [
        (Family::IPV4_UNICAST, "10.99.1.0/24", "0004 180a6301 0000", "0000 0000"),
        (
            Family::IPV6_UNICAST,
            "2001:db8:1::/48",
            "0000 000d 800f0a 0002 01 3020010db80001",
            "0000 0006 800f03 0002 01",
        ),
    ];
    for (family, prefix, withdrawal, end) in rows {
        let mut encoder = Encoder::new(params(family));
        let mut out = BytesMut::new();
        encoder.withdraw(&mut out, &mut [nlri(prefix)].into_iter().peekable(), EVER);
        assert_eq!(hex(&out[HEADER_LEN..]), hex(&bytes(withdrawal)));
        out.clear();
        encoder.withdraw(&mut out, &mut std::iter::empty().peekable(), EVER);
        assert!(out.is_empty(), "no message without a prefix: it would be End-of-RIB");
        encoder.end_of_rib(&mut out);
        assert_eq!(hex(&out[HEADER_LEN..]), hex(&bytes(end)));
        let mut scratch = Scratch::new();
        let update = decode(&out[HEADER_LEN..], &context(params(family)), &mut scratch).expect("well-formed");
        assert_eq!(update.end_of_rib, Some(family));
    }
}

/// Messages are filled to the last octet, in each form and size, and keep every prefix once and in order.
#[test]
fn packing() {
    for (max_message_len, next_hop, path_ids, withdraw) in [
        (4096, "10.0.0.2", PathIds::Absent, false),
        (4096, "10.0.0.2", PathIds::Present, false),
        (65535, "10.0.0.2", PathIds::Absent, false),
        (4096, "2001:db8::2", PathIds::Absent, false),
        (65535, "2001:db8::2", PathIds::Present, false),
        (4096, "10.0.0.2", PathIds::Present, true),
        (65535, "10.0.0.2", PathIds::Absent, true),
    ] {
        let params = EncodeParams { max_message_len, path_ids, ..params(Family::IPV4_UNICAST) };
        let mut out = BytesMut::new();
        let mut encoder = Encoder::new(params);
        let all: Vec<Nlri> = match path_ids {
            PathIds::Present => hosts(20_000).collect(),
            PathIds::Absent => hosts(20_000).map(|n| Nlri { path_id: PathId(0), ..n }).collect(),
        };
        let mut nlri = all.iter().copied().peekable();
        if withdraw {
            encoder.withdraw(&mut out, &mut nlri, EVER);
        } else {
            encoder.advertise(&mut out, &block(&attributes(next_hop)), &mut nlri, EVER).expect("short attributes");
        }
        let size = params.nlri_len(all[0]);
        let mut seen = Vec::new();
        let messages = messages(&out);
        for (n, message) in messages.iter().enumerate() {
            assert!(message.len() <= max_message_len);
            assert!(n + 1 == messages.len() || message.len() + size > max_message_len, "not filled: {}", message.len());
            let mut scratch = Scratch::new();
            let update = decode(&message[HEADER_LEN..], &context(params), &mut scratch).expect("well-formed");
            assert_eq!(update.action, None);
            seen.extend(update.reach.iter().flat_map(|r| r.nlri).chain(update.withdrawn.iter().flat_map(|w| *w)));
        }
        assert_eq!(seen, all);
    }
}

/// Writing stops after the message that reaches the bound, and goes on from there.
#[test]
fn stops_between_messages() {
    let mut encoder = Encoder::new(params(Family::IPV4_UNICAST));
    let block = block(&attributes("10.0.0.2"));
    let mut nlri = hosts(5000).map(|n| Nlri { path_id: PathId(0), ..n }).peekable();
    let mut out = BytesMut::new();
    let mut steps = 0;
    while nlri.peek().is_some() {
        let before = out.len();
        encoder.advertise(&mut out, &block, &mut nlri, before + 1).expect("short attributes");
        assert_eq!(messages(&out[before..]).len(), 1);
        steps += 1;
    }
    assert_eq!(steps, 7);
    let full = out.len();
    encoder.advertise(&mut out, &block, &mut hosts(1).peekable(), full).expect("short attributes");
    assert_eq!(messages(&out).len(), 7, "nothing when the bound is reached already");
}

/// RFC 6793 §4.2.2 and back by §4.2.3.
#[test]
fn two_octet_peers() {
    let params = EncodeParams { as_width: AsWidth::Two, ..params(Family::IPV4_UNICAST) };
    let mut wide = attributes("10.0.0.2");
    wide.as_path = Some(AsPath::from_asns(&[Asn(65001), Asn(4_200_000_000), Asn(3)]));
    wide.aggregator = Some(Aggregator { asn: Asn(65536), addr: [10, 0, 0, 9].into() });
    wide.otc = Some(Asn(65001));
    let encoded = advertise(params, &block(&wide), [nlri("10.99.1.0/24")].into_iter());
    let expected = "0000 0042 40010100 4002080203fde95ba00003 4003040a000002 c007065ba00a000009 \
                    c0110e02030000fde9fa56ea0000000003 c01208000100000a000009 c023040000fde9 180a6301";
    assert_eq!(hex(&encoded[HEADER_LEN..]), hex(&bytes(expected)));
    let mut scratch = Scratch::new();
    let update = decode(&encoded[HEADER_LEN..], &context(params), &mut scratch).expect("well-formed");
    assert_eq!(update.action, None);
    assert_eq!(PathAttributes::from_block(update.reach[0].block), wide);

    let mut narrow = attributes("10.0.0.2");
    narrow.aggregator = Some(Aggregator { asn: Asn(65001), addr: [10, 0, 0, 9].into() });
    let encoded = advertise(params, &block(&narrow), [nlri("10.99.1.0/24")].into_iter());
    let expected = "0000 001b 40010100 4002040201fde9 4003040a000002 c00706fde90a000009 180a6301";
    assert_eq!(hex(&encoded[HEADER_LEN..]), hex(&bytes(expected)), "no AS4 attributes where nothing is lost");
}

/// A block that comes again, and another one after it.
#[test]
fn prepared_attributes_follow_the_block() {
    let mut encoder = Encoder::new(params(Family::IPV4_UNICAST));
    let blocks = [block(&attributes("10.0.0.2")), block(&attributes("10.0.0.3")), block(&attributes("2001:db8::2"))];
    for n in [0, 0, 1, 1, 2, 0] {
        let mut out = BytesMut::new();
        let done = encoder.advertise(&mut out, &blocks[n], &mut [nlri("10.99.1.0/24")].into_iter().peekable(), EVER);
        done.expect("short attributes");
        assert_eq!(out, advertise(encoder.params(), &blocks[n], [nlri("10.99.1.0/24")].into_iter()));
    }
}

/// RFC 4271 §9.2: attributes that leave no room; the last size that does is used.
#[test]
fn attributes_too_long() {
    let params = params(Family::IPV4_UNICAST);
    let fixed = HEADER_LEN + 4 + block(&attributes("10.0.0.2")).len() + 4 + 5;
    for (len, fits) in [(4096 - fixed, true), (4096 - fixed + 1, false)] {
        let mut long = attributes("10.0.0.2");
        let value = vec![0; len];
        long.others.push(crate::attr::OtherAttr { code: AttrCode(250), flags: AttrFlags(0xe0), value });
        let mut out = BytesMut::new();
        let mut nlri = [nlri("10.99.1.1/32")].into_iter().peekable();
        let done = Encoder::new(params).advertise(&mut out, &block(&long), &mut nlri, EVER);
        assert_eq!((done.is_ok(), out.len(), nlri.peek().is_none()), (fits, if fits { 4096 } else { 0 }, fits));
    }
}

/// The same where the attributes stand behind the prefixes.
#[test]
fn attributes_too_long_behind_the_prefixes() {
    let params = params(Family::IPV6_UNICAST);
    let one = || [nlri("2001:db8::1/128")].into_iter().peekable();
    let encode = |len: usize| {
        let mut long = attributes("2001:db8::2");
        long.others.push(crate::attr::OtherAttr { code: AttrCode(250), flags: AttrFlags(0xe0), value: vec![0; len] });
        let mut out = BytesMut::new();
        Encoder::new(params).advertise(&mut out, &block(&long), &mut one(), EVER).map(|()| out.len())
    };
    let fixed = encode(300).expect("short attributes") - 300;
    // A length of MP_REACH_NLRI that fits one octet saves one.
    assert_eq!(encode(4095 - fixed), Ok(4095));
    assert!(encode(4095 - fixed + 2).is_err());
}

/// RFC 6793 §4.2.2: the largest number of two octets is one.
#[test]
fn the_largest_narrow_as() {
    let params = EncodeParams { as_width: AsWidth::Two, ..params(Family::IPV4_UNICAST) };
    let codes = |asn| {
        let mut attributes = attributes("10.0.0.2");
        attributes.as_path = Some(AsPath::from_asns(&[asn]));
        attributes.aggregator = Some(Aggregator { asn, addr: [10, 0, 0, 9].into() });
        let encoded = advertise(params, &block(&attributes), [nlri("10.99.1.0/24")].into_iter());
        let attrs = crate::attr::block::RawAttrs::new(&encoded[HEADER_LEN + 4..]);
        attrs.map(|a| a.code.0).take_while(|code| *code < 24).collect::<Vec<_>>()
    };
    assert_eq!(codes(Asn(65_535)), [1, 2, 3, 7]);
    assert_eq!(codes(Asn(65_536)), [1, 2, 3, 7, 17, 18]);
}

/// An IPv6 prefix cannot have an IPv4 next hop on the wire.
#[test]
fn mapped_next_hop() {
    let params = params(Family::IPV6_UNICAST);
    let encoded = advertise(params, &block(&attributes("10.0.0.2")), [nlri("2001:db8::/32")].into_iter());
    let mut scratch = Scratch::new();
    let update = decode(&encoded[HEADER_LEN..], &context(params), &mut scratch).expect("well-formed");
    let next_hop = BlockView(update.reach[0].block).next_hop().map(NextHop::addr);
    assert_eq!(next_hop.map(|a| a.to_string()).as_deref(), Some("::ffff:10.0.0.2"));
}

/// The pseudo-attribute of local routes does not reach the wire, whatever the form of the message.
#[test]
fn the_interface_stays_here() {
    let with = PathAttributes { interface: Some("cali1234".into()), ..attributes("192.0.2.1") };
    for family in Family::SUPPORTED {
        for as_width in [AsWidth::Four, AsWidth::Two] {
            let params = EncodeParams { as_width, ..params(family) };
            let prefix = if family == Family::IPV4_UNICAST { "10.0.0.0/8" } else { "2001:db8::/32" };
            let one = || std::iter::once(nlri(prefix));
            let plain = advertise(params, &block(&attributes("192.0.2.1")), one());
            assert!(!plain.is_empty());
            assert_eq!(advertise(params, &block(&with), one()), plain);
        }
    }
}
