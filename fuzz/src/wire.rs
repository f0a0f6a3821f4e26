//! What comes from a peer.

use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use heddle_bgp_core::attr::{BlockView, PathAttributes};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::open::OptionalParameters;
use heddle_bgp_core::route_refresh::{EnhancedRefresh, RouteRefresh};
use heddle_bgp_core::update::{
    AigpSession, AsSets, AsZero, EncodeParams, Encoder, FamilyContext, Scratch, UpdateContext, decode,
};
use heddle_bgp_core::{AsWidth, Asn, Family, Framer, NlriSlice, Notification, Open, PeerType, Role};

const HEADER: usize = 19;

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
            // Capabilities of several parameters go out in one: never longer than what came.
            if open.encode(&mut out, OptionalParameters::WhereNeeded).is_ok() {
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
                round_trip(&context, reach.nlri, reach.block);
            }
        }
    }
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

/// What was accepted is sent to a session of the same kind and understood there.
fn round_trip(context: &UpdateContext, nlri: NlriSlice<'_>, block: &[u8]) {
    let family: Family = nlri.family();
    let path_ids = context.family(family).expect("a negotiated family").path_ids;
    let params = EncodeParams { family, as_width: context.as_width, path_ids, max_message_len: 65_535 };
    let mut out = BytesMut::new();
    let mut left = nlri.iter().peekable();
    // 2-octet AS numbers may need attributes beside that make it too long; it is not sent then.
    if Encoder::new(params).advertise(&mut out, block, &mut left, usize::MAX).is_err() {
        return;
    }
    let (mut sent, mut rest) = (nlri.iter(), &out[..]);
    while let Some((header, _)) = rest.split_first_chunk::<HEADER>() {
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let mut scratch = Scratch::new();
        let update = decode(&rest[HEADER..length], context, &mut scratch).expect("what we send is well-formed");
        assert_eq!(update.action, None, "{:?}", update.faults);
        for reach in &update.reach {
            assert_eq!(reach.block, block);
            assert!(reach.nlri.iter().all(|one| sent.next() == Some(one)));
        }
        rest = &rest[length..];
    }
    assert!(sent.next().is_none());
}
