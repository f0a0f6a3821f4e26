//! What two OPENs agree on.

use heddle_bgp_core::capability::{AddPathMode, Capability};
use heddle_bgp_core::open::AdvertisedRole;
use heddle_bgp_core::{AsWidth, Asn, BgpId, Family, Negotiated, Open};
use heddle_bgp_fsm::config::{FamilyConfig, PeerAsn, PeerConfig, RoleConfig};
use heddle_bgp_fsm::negotiate::negotiate;

/// An octet that chooses what is asked of the peer, one that is the length of the first OPEN's body, and the bodies of both.
///
/// Either side, when it asks for nothing, comes to the same result, seen from its end; nothing in it exceeds what both have said; and who
/// asks for something gets that result or refuses.
pub fn opens(data: &[u8]) {
    let Some(([choice, length], bodies)) = data.split_first_chunk::<2>() else { return };
    let Some((one, other)) = bodies.split_at_checked(usize::from(*length)) else { return };
    let (Ok(one), Ok(other)) = (Open::decode(one), Open::decode(other)) else { return };
    let here = negotiate(&anything(&one), &one, &other);
    let there = negotiate(&anything(&other), &other, &one);
    // A number that is no role is nothing that we say (RFC 9234 §4.1): whoever hears it refuses, whoever says it cannot know.
    let unassigned = |open: &Open| matches!(open.role(), AdvertisedRole::Unassigned(_));
    match (&here, &there) {
        (Ok(here), Ok(there)) => {
            mirrored(here, there);
            within(here, &one, &other);
            within(there, &other, &one);
        }
        (Err(here), Err(there)) => assert_eq!(std::mem::discriminant(here), std::mem::discriminant(there)),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => {
            assert!(unassigned(&one) || unassigned(&other), "{here:?} and {there:?}");
        }
    }
    let strict = strict(*choice, &one);
    match negotiate(&strict, &one, &other) {
        Ok(agreed) => {
            assert!(agreed.peer_asn == Asn(65001) || choice & 1 == 0, "{agreed:?}");
            assert!(other.hold_time >= strict.minimum_hold_time, "{agreed:?}");
            let required = strict.families.iter().filter(|family| family.required);
            required.for_each(|family| assert!(agreed.family(family.family).is_some(), "{agreed:?}"));
            assert_eq!(Ok(agreed), here);
        }
        Err(refused) => assert_eq!(refused.notification().code, 2, "{refused}"),
    }
}

/// Takes any peer.
fn anything(open: &Open) -> PeerConfig {
    PeerConfig::new(open.asn, BgpId(1), PeerAsn::Any)
}

/// Takes some peers only.
fn strict(choice: u8, open: &Open) -> PeerConfig {
    let bit = |n: u8| choice & (1 << n) != 0;
    let mut config = anything(open);
    if bit(0) {
        config.peer_asn = PeerAsn::Exactly(Asn(65001));
    }
    if bit(1) {
        config.minimum_hold_time = 90;
    }
    config.families = [(2, Family::IPV4_UNICAST), (3, Family::IPV6_UNICAST)]
        .map(|(n, family)| FamilyConfig { required: bit(n), ..FamilyConfig::new(family) })
        .into();
    if bit(4)
        && let AdvertisedRole::Known(role) = open.role()
    {
        config.role = Some(RoleConfig { role, strict: true });
    }
    config
}

/// The same from both ends.
fn mirrored(here: &Negotiated, there: &Negotiated) {
    assert_eq!((here.local_asn, here.local_id), (there.peer_asn, there.peer_id));
    assert_eq!((here.peer_asn, here.peer_id), (there.local_asn, there.local_id));
    assert_eq!((here.peer_type, here.hold_time, here.as_width), (there.peer_type, there.hold_time, there.as_width));
    assert_eq!(here.max_message_len, there.max_message_len);
    // Nothing that is sent is more than the other end takes.
    assert!(here.max_message_len <= there.max_receive_len && there.max_message_len <= here.max_receive_len);
    assert_eq!(here.enhanced_route_refresh, there.enhanced_route_refresh);
    let notification = |end: &Negotiated| end.graceful_restart.map(|restart| restart.notification);
    assert_eq!(notification(here), notification(there));
    assert_eq!(here.families.len(), there.families.len());
    for ours in &here.families {
        let theirs = there.family(ours.family).expect("a family of both");
        assert_eq!(ours.extended_next_hop, theirs.extended_next_hop);
        assert_eq!(ours.long_lived.is_some(), theirs.long_lived.is_some());
        let turned = theirs.add_path.map(|mode| match mode {
            AddPathMode::Receive => AddPathMode::Send,
            AddPathMode::Send => AddPathMode::Receive,
            AddPathMode::Both => AddPathMode::Both,
        });
        assert_eq!(ours.add_path, turned, "{}", ours.family);
    }
}

/// Never more than both said.
fn within(agreed: &Negotiated, sent: &Open, received: &Open) {
    let said = |open: &Open, is: &dyn Fn(&Capability) -> bool| open.capabilities.iter().any(is);
    let both = |is: &dyn Fn(&Capability) -> bool| said(sent, is) && said(received, is);
    assert!(agreed.hold_time <= sent.hold_time && agreed.hold_time <= received.hold_time);
    assert_eq!(agreed.as_width == AsWidth::Four, both(&|c| matches!(c, Capability::FourOctetAs(_))));
    assert_eq!(agreed.max_message_len > 4096, both(&|c| *c == Capability::ExtendedMessage));
    assert_eq!(agreed.enhanced_route_refresh, both(&|c| *c == Capability::EnhancedRouteRefresh));
    assert_eq!(agreed.route_refresh, said(received, &|c| *c == Capability::RouteRefresh));
    assert_eq!(agreed.graceful_restart.is_some(), both(&|c| matches!(c, Capability::GracefulRestart(_))));
    for one in &agreed.families {
        let named = |open: &Open| {
            let none = !said(open, &|c| matches!(c, Capability::MultiProtocol(_)));
            // RFC 4760 §8: who names no family speaks IPv4 unicast.
            said(open, &|c| *c == Capability::MultiProtocol(one.family)) || (none && one.family == Family::IPV4_UNICAST)
        };
        assert!(named(sent) && named(received), "{} is not of both", one.family);
        let mode = |open: &Open, wanted: AddPathMode| {
            said(open, &|c| match c {
                Capability::AddPath(all) => all.iter().any(|(family, mode)| {
                    *family == one.family && matches!(*mode, m if m == wanted || m == AddPathMode::Both)
                }),
                _ => false,
            })
        };
        if matches!(one.add_path, Some(AddPathMode::Send | AddPathMode::Both)) {
            assert!(mode(sent, AddPathMode::Send) && mode(received, AddPathMode::Receive), "{}", one.family);
        }
        if matches!(one.add_path, Some(AddPathMode::Receive | AddPathMode::Both)) {
            assert!(mode(sent, AddPathMode::Receive) && mode(received, AddPathMode::Send), "{}", one.family);
        }
        assert!(!one.extended_next_hop || both(&|c| matches!(c, Capability::ExtendedNextHop(_))));
        assert!(one.graceful_restart.is_none() || agreed.graceful_restart.is_some());
        let long_lived = both(&|c| matches!(c, Capability::LongLivedGracefulRestart(_)));
        assert!(one.long_lived.is_none() || (long_lived && agreed.graceful_restart.is_some()));
    }
}
