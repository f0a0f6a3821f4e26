//! What comes from a peer.

use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use heddle_bgp_core::attr::{BlockView, PathAttributes};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::open::OptionalParameters;
use heddle_bgp_core::route_refresh::{EnhancedRefresh, RouteRefresh};
use heddle_bgp_core::update::{
    AigpSession, AsSets, AsZero, EncodeParams, Encoder, FamilyContext, Scratch, Update, UpdateContext, decode,
};
use heddle_bgp_core::{AsWidth, Asn, Family, Framer, NlriSlice, Notification, Open, PeerType, Role};

const HEADER: usize = 19;
/// The longest OPEN.
const MAX_OPEN: usize = 4096;
/// The longest UPDATE.
const MAX_UPDATE: usize = 65_535;
/// The longest prefix: a Path Identifier, its length, and 16 octets.
const LONGEST_NLRI: usize = 4 + 1 + 16;

/// Any stream, in pieces as long as its first octet says: the same frames, or the same error, as in one piece.
pub fn framer(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else { return };
    let whole = frames(std::iter::once(stream));
    let pieces = frames(stream.chunks(usize::from(*piece).max(1)));
    assert_eq!(whole, pieces);
}

/// The frames of a stream, and the error that ended it.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Option<Notification>) {
    let mut framer = Framer::new();
    let mut found = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    assert_eq!(frame.body().len() + HEADER, frame.raw.len());
                    found.push(frame.raw.to_vec());
                }
                Err(error) => return (found, error.notification()),
            }
        }
    }
    (found, None)
}

/// The body of an OPEN.
pub fn open(data: &[u8]) {
    match Open::decode(data) {
        Err(error) => assert_eq!(error.notification().code, 2),
        Ok(open) => {
            let mut out = BytesMut::new();
            if let Err(error) = open.encode(&mut out, OptionalParameters::WhereNeeded) {
                // Capabilities of several parameters go out in one, never longer than they came; what it costs beside is what
                // the header of an extended parameter takes (RFC 9072 §2). What comes fits an OPEN, which RFC 8654 §4 does not extend.
                assert!(HEADER + data.len() + 6 > MAX_OPEN, "{error}: {} octets came", data.len());
                return;
            }
            assert!(out.len() <= MAX_OPEN);
            let mut again = Open::decode(&out[HEADER..]).expect("what we send is well-formed");
            // Two that differed in reserved octets alone are one now.
            for capability in &open.capabilities {
                assert!(again.capabilities.contains(capability), "{capability:?} is lost");
            }
            again.capabilities.clone_from(&open.capabilities);
            assert_eq!(again, open);
        }
    }
}

/// The body of a NOTIFICATION.
pub fn notification(data: &[u8]) {
    let Some(notification) = Notification::decode(data) else {
        assert!(data.len() < 2);
        return;
    };
    let shown = notification.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    let mut out = BytesMut::new();
    notification.encode(&mut out, 65_535);
    assert_eq!(&out[HEADER..], data.get(..data.len().min(65_535 - HEADER)).expect("cut to its length"));
}

/// A ROUTE-REFRESH after its header.
pub fn route_refresh(data: &[u8]) {
    let Ok(length) = u16::try_from(HEADER + data.len()) else { return };
    let message = [&[0xff; 16][..], &length.to_be_bytes(), &[5], data].concat();
    for enhanced in [EnhancedRefresh::Absent, EnhancedRefresh::Negotiated] {
        match RouteRefresh::decode(&message, enhanced) {
            Err(error) => assert!(matches!(error.notification().code, 1 | 7)),
            Ok(refresh) => {
                let mut out = BytesMut::new();
                refresh.encode(&mut out);
                if data.len() == 4 {
                    assert_eq!(RouteRefresh::decode(&out, enhanced), Ok(refresh));
                }
            }
        }
    }
}

/// The body of an UPDATE, after two octets that say what the session is.
pub fn update(data: &[u8]) {
    let Some((choice, body)) = data.split_first_chunk::<2>() else { return };
    let context = context(*choice);
    let mut scratch = Scratch::new();
    match decode(body, &context, &mut scratch) {
        Err(reset) => assert_eq!(reset.notification().code, 3),
        Ok(update) => {
            // Of very many faults the first ones are kept; the action is that of all.
            let kept = update.faults.iter().map(|fault| fault.action).max();
            assert!(if update.faults.len() < 32 { kept == update.action } else { kept <= update.action });
            for fault in update.faults {
                assert!(!fault.to_string().is_empty());
            }
            for reach in &update.reach {
                canonical(reach.block);
                advertised(&context, reach.nlri, reach.block, body.len());
            }
            update.withdrawn.iter().for_each(|nlri| withdrawn(&context, *nlri));
            if let Some(family) = update.end_of_rib {
                end_of_rib(&context, family);
            }
        }
    }
}

/// One attribute in a sound UPDATE: two octets choose the session as for [`update`], two are its flags and type, the rest is its
/// value. It stands in place of the usual one of its type, and only those of multiprotocol routes may end a session.
pub fn attribute(data: &[u8]) {
    let Some(([first, second, flags, code], value)) = data.split_first_chunk::<4>() else { return };
    // The four sorts of peers that the first two bits choose.
    for peer in 0..4 {
        let choice = [first & !3 | peer, *second];
        let body = sound_but_for(choice, *flags, *code, value);
        update(&[&choice, &body[..]].concat());
        let (context, mut scratch) = (context(choice), Scratch::new());
        match decode(&body, &context, &mut scratch) {
            Err(reset) => {
                let notification = reset.notification();
                // RFC 7606 §7: all others are treated as withdraw at worst.
                assert!(matches!(code, 14 | 15), "attribute {code} ends the session: {reset}");
                // RFC 4271 §6.3: the attribute is the data.
                assert!(notification.subcode != 9 || notification.data.starts_with(&[*flags, *code]), "{reset}");
            }
            Ok(update) => {
                let usual = |nlri: &NlriSlice<'_>| nlri.iter().any(|one| one.prefix.to_string() == "10.99.1.0/24");
                let here = update.reach.iter().any(|reach| usual(&reach.nlri));
                let gone = update.withdrawn.iter().any(usual);
                assert!(here || gone, "the prefix of attribute {code} is lost: {update:?}");
                if update.action.is_none() {
                    assert!(here, "{update:?}");
                }
            }
        }
    }
}

/// The body of an UPDATE with one prefix and the usual attributes, but for one.
fn sound_but_for([first, _]: [u8; 2], flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let (internal, narrow, path_ids) = (first & 1 != 0, first & 2 != 0, first & 4 != 0);
    let path: &[u8] = match (internal, narrow) {
        (true, _) => &[0x40, 2, 0],
        (false, true) => &[0x40, 2, 4, 2, 1, 0xfd, 0xe9],
        (false, false) => &[0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9],
    };
    let mut usual: Vec<&[u8]> = vec![&[0x40, 1, 1, 0], path, &[0x40, 3, 4, 10, 0, 0, 2]];
    if internal {
        usual.push(&[0x40, 5, 4, 0, 0, 0, 100]);
    }
    usual.retain(|attribute| attribute.get(1) != Some(&code));
    // RFC 4271 §4.3: the flag Extended Length says how many octets the length has.
    let one = if flags & 0x10 == 0 {
        let value = value.get(..255).unwrap_or(value);
        [&[flags, code, u8::try_from(value.len()).unwrap_or(u8::MAX)], value].concat()
    } else {
        let value = value.get(..4000).unwrap_or(value);
        [&[flags, code][..], &u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes(), value].concat()
    };
    let attributes = [usual.concat(), one].concat();
    let length = u16::try_from(attributes.len()).expect("short attributes").to_be_bytes();
    let path_id: &[u8] = if path_ids { &[0, 0, 0, 7] } else { &[] };
    [&[0, 0], &length[..], &attributes, path_id, &[24, 10, 99, 1]].concat()
}

/// A session by two octets.
fn context([first, second]: [u8; 2]) -> UpdateContext {
    let bit = |n: u8| first & (1 << n) != 0;
    let path_ids = |n| if bit(n) { PathIds::Present } else { PathIds::Absent };
    UpdateContext {
        peer_type: if bit(0) { PeerType::Ibgp } else { PeerType::Ebgp },
        peer_asn: Asn(65001),
        as_width: if bit(1) { AsWidth::Two } else { AsWidth::Four },
        families: [
            Some(FamilyContext { path_ids: path_ids(2), extended_next_hop: bit(4) }),
            (second & 0x80 == 0).then_some(FamilyContext { path_ids: path_ids(3), extended_next_hop: false }),
        ],
        enforce_first_as: bit(5).then_some(Asn(65001)),
        as_sets: if bit(6) { AsSets::Accept } else { AsSets::TreatAsWithdraw },
        as_zero: AsZero::Reject,
        local_role: Role::from_octet(second & 7),
        aigp: if bit(7) { AigpSession::Enabled } else { AigpSession::Disabled },
        local_addrs: std::iter::once(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))).collect(),
        max_as_path_len: 750,
    }
}

/// Types ascend, each is there once, and the typed form writes the same.
fn canonical(block: &[u8]) {
    let codes: Vec<u8> = BlockView(block).iter().map(|attribute| attribute.code.0).collect();
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
    assert_eq!(PathAttributes::from_block(block).to_block().as_deref(), Ok(block));
}

/// What is sent to a session of the same kind.
fn encoder(context: &UpdateContext, family: Family) -> Encoder {
    let path_ids = context.family(family).expect("a negotiated family").path_ids;
    Encoder::new(EncodeParams { family, as_width: context.as_width, path_ids, max_message_len: MAX_UPDATE })
}

/// Each UPDATE of what was sent, understood.
fn received(context: &UpdateContext, mut sent: &[u8], mut look: impl FnMut(&Update<'_>)) {
    while let Some((header, _)) = sent.split_first_chunk::<HEADER>() {
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let mut scratch = Scratch::new();
        let update = decode(&sent[HEADER..length], context, &mut scratch).expect("what we send is well-formed");
        assert_eq!(update.action, None, "{:?}", update.faults);
        look(&update);
        sent = &sent[length..];
    }
}

/// What was accepted of a body of `length` octets is sent to a session of the same kind and understood there.
fn advertised(context: &UpdateContext, nlri: NlriSlice<'_>, block: &[u8], length: usize) {
    let mut out = BytesMut::new();
    let mut left = nlri.iter().peekable();
    if let Err(error) = encoder(context, nlri.family()).advertise(&mut out, block, &mut left, usize::MAX) {
        // RFC 6793 §4.2.2: a path of 4-octet AS numbers goes to a 2-octet speaker twice, in two octets and in four each.
        let longest = match context.as_width {
            AsWidth::Four => length,
            AsWidth::Two => 3 * length,
        };
        // There must be room for the longest prefix, whichever is sent.
        assert!(HEADER + longest + LONGEST_NLRI > MAX_UPDATE, "{error}: {length} octets came");
        return;
    }
    let mut sent = nlri.iter();
    received(context, &out, |update| {
        assert!(update.withdrawn.is_empty() && update.end_of_rib.is_none(), "{update:?}");
        for reach in &update.reach {
            assert_eq!(reach.block, block);
            assert!(reach.nlri.iter().all(|one| sent.next() == Some(one)));
        }
    });
    assert!(sent.next().is_none());
}

/// What is withdrawn is withdrawn from a session of the same kind.
fn withdrawn(context: &UpdateContext, nlri: NlriSlice<'_>) {
    let mut out = BytesMut::new();
    encoder(context, nlri.family()).withdraw(&mut out, &mut nlri.iter().peekable(), usize::MAX);
    let mut sent = nlri.iter();
    received(context, &out, |update| {
        assert!(update.reach.is_empty() && update.end_of_rib.is_none(), "{update:?}");
        assert!(update.withdrawn.iter().flat_map(|nlri| *nlri).all(|one| sent.next() == Some(one)));
    });
    assert!(sent.next().is_none());
}

/// End-of-RIB (RFC 4724 §2) says nothing else.
fn end_of_rib(context: &UpdateContext, family: Family) {
    let mut out = BytesMut::new();
    encoder(context, family).end_of_rib(&mut out);
    let mut ends = Vec::new();
    received(context, &out, |update| {
        assert!(update.reach.is_empty() && update.withdrawn.is_empty(), "{update:?}");
        ends.extend(update.end_of_rib);
    });
    assert_eq!(ends, [family]);
}
