//! Negotiation as tables: one difference a row.

use heddle_bgp_core::Safi;
use heddle_bgp_core::capability::LlgrFamily;

use super::*;
use crate::config::{FamilyConfig, GracefulRestartConfig, GracefulRestartMode, HostName, PeerAsn, RoleConfig};
use crate::open;

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;

fn ours() -> PeerConfig {
    PeerConfig::new(Asn(65000), BgpId(1), PeerAsn::Exactly(Asn(65001)))
}

fn theirs() -> PeerConfig {
    PeerConfig::new(Asn(65001), BgpId(2), PeerAsn::Exactly(Asn(65000)))
}

fn agree(ours: &PeerConfig, theirs: &PeerConfig) -> Result<Negotiated, OpenRejected> {
    negotiate(ours, &open::build(ours), &open::build(theirs))
}

fn code(ours: &PeerConfig, theirs: &PeerConfig) -> Option<(u8, u8, Vec<u8>)> {
    agree(ours, theirs).err().map(|e| {
        let n = e.notification();
        (n.code, n.subcode, n.data.to_vec())
    })
}

#[test]
fn the_defaults_agree() {
    let n = agree(&ours(), &theirs()).unwrap();
    assert_eq!((n.local_asn, n.peer_asn, n.local_id, n.peer_id), (Asn(65000), Asn(65001), BgpId(1), BgpId(2)));
    assert_eq!((n.peer_type, n.hold_time, n.as_width), (PeerType::Ebgp, 90, AsWidth::Four));
    assert_eq!((n.max_message_len, n.route_refresh, n.enhanced_route_refresh), (65535, true, true));
    let families: Vec<_> = n.families.iter().map(|f| f.family).collect();
    assert_eq!(families, [V4]);
    assert!(n.graceful_restart.is_some_and(|gr| gr.notification && gr.restart_time == 120));
    // The peer only helps: none of its families is kept.
    assert_eq!(n.family(V4).unwrap().graceful_restart, None);
}

/// RFC 4271 §6.2, RFC 6286 §2.1.
#[test]
fn who_the_peer_is() {
    let ibgp = PeerConfig { peer_asn: PeerAsn::Internal, ..ours() };
    let of = |asn: u32, id| PeerConfig { local_asn: Asn(asn), local_id: BgpId(id), ..theirs() };
    let any = |peer_asn| PeerConfig { peer_asn, ..ours() };
    let bad_as = Some((2, 2, vec![]));
    let bad_id = Some((2, 3, vec![]));
    let rows = [
        (ours(), of(65001, 2), None),
        (ours(), of(65002, 2), bad_as.clone()),
        (ibgp.clone(), of(65000, 2), None),
        (ibgp.clone(), of(65001, 2), bad_as.clone()),
        (any(PeerAsn::External), of(65000, 2), bad_as.clone()),
        (any(PeerAsn::External), of(65009, 2), None),
        (any(PeerAsn::OneOf(vec![Asn(1), Asn(2)])), of(2, 2), None),
        (any(PeerAsn::OneOf(vec![Asn(1), Asn(2)])), of(3, 2), bad_as),
        (any(PeerAsn::Any), of(4_200_000_000, 2), None),
        // Zero never, ours only from another AS.
        (ours(), of(65001, 0), bad_id.clone()),
        (ours(), of(65001, 1), None),
        (ibgp, of(65000, 1), bad_id),
    ];
    for (i, (ours, theirs, expected)) in rows.into_iter().enumerate() {
        assert_eq!(code(&ours, &theirs), expected, "row {i}");
    }
}

/// RFC 4271 §4.2, §6.2: ours, the peer's, our minimum, what comes out.
#[test]
fn hold_time() {
    let rows = [
        (90, 90, 0, Ok(90)),
        (90, 30, 0, Ok(30)),
        (30, 90, 0, Ok(30)),
        (90, 3, 0, Ok(3)),
        (90, 0, 0, Ok(0)),
        (0, 90, 0, Ok(0)),
        (90, 1, 0, Err(1)),
        (90, 2, 0, Err(2)),
        (90, 19, 20, Err(19)),
        (90, 20, 20, Ok(20)),
        (90, 0, 20, Err(0)),
    ];
    for (a, b, minimum_hold_time, expected) in rows {
        let ours = PeerConfig { hold_time: a, minimum_hold_time, ..ours() };
        let theirs = PeerConfig { hold_time: b, ..theirs() };
        let got = agree(&ours, &theirs).map(|n| n.hold_time).map_err(|e| e.notification());
        let expected = expected.map_err(|t: u16| Notification::new(2, 6, &t.to_be_bytes()));
        assert_eq!(got, expected, "{a} {b} {minimum_hold_time}");
    }
}

fn with_families(base: PeerConfig, families: &[Family]) -> PeerConfig {
    PeerConfig { families: families.iter().map(|f| FamilyConfig::new(*f)).collect(), ..base }
}

/// RFC 4760 §8: the intersection; an OPEN that names no family has IPv4 unicast.
#[test]
fn families() {
    let rows: [(&[Family], &[Family], &[Family]); 6] = [
        (&[V4, V6], &[V6, V4], &[V4, V6]),
        (&[V4, V6], &[V6], &[V6]),
        (&[V4], &[V6], &[]),
        (&[V4, V6], &[], &[V4]),
        (&[V6], &[], &[]),
        (&[V4, V4], &[V4], &[V4]),
    ];
    for (ours_have, theirs_have, expected) in rows {
        let n = agree(&with_families(ours(), ours_have), &with_families(theirs(), theirs_have)).unwrap();
        let got: Vec<_> = n.families.iter().map(|f| f.family).collect();
        assert_eq!(got, expected, "{ours_have:?} {theirs_have:?}");
    }
    let mut strict = with_families(ours(), &[V4, V6]);
    strict.families[1].required = true;
    assert_eq!(code(&strict, &with_families(theirs(), &[V4, V6])), None);
    // RFC 5492 §5: the data is the capability: code 1, length 4, AFI 2, SAFI 1.
    assert_eq!(code(&strict, &with_families(theirs(), &[V4])), Some((2, 7, vec![1, 4, 0, 2, 0, 1])));
}

/// RFC 7911 §4: we send what they receive.
#[test]
fn add_path_directions() {
    use AddPathMode::{Both, Receive, Send};
    let rows = [
        (Some(Both), Some(Both), Some(Both)),
        (Some(Both), Some(Receive), Some(Send)),
        (Some(Both), Some(Send), Some(Receive)),
        (Some(Send), Some(Send), None),
        (Some(Receive), Some(Receive), None),
        (Some(Send), Some(Receive), Some(Send)),
        (Some(Receive), Some(Send), Some(Receive)),
        (Some(Send), Some(Both), Some(Send)),
        (None, Some(Both), None),
        (Some(Both), None, None),
    ];
    for (a, b, expected) in rows {
        let with = |base: PeerConfig, add_path| PeerConfig {
            families: vec![FamilyConfig { add_path, ..FamilyConfig::new(V4) }],
            ..base
        };
        let n = agree(&with(ours(), a), &with(theirs(), b)).unwrap();
        assert_eq!(n.family(V4).unwrap().add_path, expected, "{a:?} {b:?}");
    }
}

/// RFC 2918, 5492, 6793, 7313, 8654, 8950: on both sides, or not at all.
#[test]
fn what_both_must_have() {
    for (a, b) in [(true, true), (true, false), (false, true), (false, false)] {
        let with = |base: PeerConfig, on| PeerConfig {
            extended_message: on,
            four_octet_as: on,
            enhanced_route_refresh: on,
            families: vec![FamilyConfig { extended_next_hop: on, ..FamilyConfig::new(V4) }],
            ..base
        };
        let n = agree(&with(ours(), a), &with(theirs(), b)).unwrap();
        let both = a && b;
        assert_eq!(n.max_message_len, if both { 65535 } else { 4096 });
        // RFC 8654 §4: who advertised it takes long messages.
        assert_eq!(n.max_receive_len, if a { 65535 } else { 4096 });
        assert_eq!(n.as_width, if both { AsWidth::Four } else { AsWidth::Two });
        assert_eq!(n.enhanced_route_refresh, both);
        assert_eq!(n.families[0].extended_next_hop, both);
    }
    let n = agree(&PeerConfig { route_refresh: false, ..ours() }, &theirs()).unwrap();
    assert!(n.route_refresh, "it is the peer's to say whether it takes requests");
    assert!(!agree(&ours(), &PeerConfig { route_refresh: false, ..theirs() }).unwrap().route_refresh);
}

fn gr(mode: GracefulRestartMode, notification: bool) -> Option<GracefulRestartConfig> {
    Some(GracefulRestartConfig { mode, restart_time: 60, restarted: true, notification })
}

/// RFC 4724 §3, RFC 8538 §2, RFC 9494 §3.1.
#[test]
fn graceful_restart_of_both() {
    use GracefulRestartMode::{Helper, Restarter};
    let with = |base: PeerConfig, graceful_restart| PeerConfig {
        graceful_restart,
        families: vec![FamilyConfig {
            long_lived_stale_time: Some(3600),
            forwarding: ForwardingState::Preserved,
            ..FamilyConfig::new(V4)
        }],
        ..base
    };
    let agreed = |a, b| agree(&with(ours(), a), &with(theirs(), b)).unwrap();
    let n = agreed(gr(Helper, true), gr(Restarter, true));
    assert_eq!(n.graceful_restart, Some(PeerGracefulRestart { restarted: true, notification: true, restart_time: 60 }));
    assert_eq!(n.families[0].graceful_restart, Some(ForwardingState::Preserved), "who only helps keeps routes too");
    assert_eq!(n.families[0].long_lived, Some((3600, ForwardingState::Preserved)));
    let n = agreed(gr(Restarter, false), gr(Restarter, true));
    assert!(n.graceful_restart.is_some_and(|g| !g.notification), "N needs both");
    for (a, b) in [(None, gr(Restarter, true)), (gr(Restarter, true), None)] {
        let n = agreed(a, b);
        assert_eq!((n.graceful_restart, n.families[0].graceful_restart, n.families[0].long_lived), (None, None, None));
    }
    // RFC 9494 §3.1: long-lived without the graceful restart capability is ignored.
    let mut lonely = open::build(&with(theirs(), None));
    let tuple = LlgrFamily { family: V4, forwarding: ForwardingState::Lost, stale_time: 5 };
    lonely.capabilities.push(Capability::LongLivedGracefulRestart(vec![tuple]));
    let us = with(ours(), gr(Restarter, true));
    assert_eq!(negotiate(&us, &open::build(&us), &lonely).unwrap().families[0].long_lived, None);
}

/// RFC 4724 §3, RFC 9494 §3.1: F is told family by family.
#[test]
fn what_is_forwarded_of_each_family() {
    let family = |family, forwarding| FamilyConfig {
        forwarding,
        long_lived_stale_time: Some(3600),
        ..FamilyConfig::new(family)
    };
    let base = |base: PeerConfig| PeerConfig {
        families: vec![family(V4, ForwardingState::Preserved), family(V6, ForwardingState::Lost)],
        graceful_restart: gr(GracefulRestartMode::Restarter, true),
        ..base
    };
    let n = agree(&base(ours()), &base(theirs())).unwrap();
    let told: Vec<_> = n.families.iter().map(|f| (f.family, f.graceful_restart, f.long_lived)).collect();
    let (kept, lost) = (ForwardingState::Preserved, ForwardingState::Lost);
    assert_eq!(told, [(V4, Some(kept), Some((3600, kept))), (V6, Some(lost), Some((3600, lost)))]);
}

/// RFC 9234 §4.2: every pair; strict; iBGP; O34 to O36 of the list of bad input.
#[test]
fn roles() {
    use Role::{Customer, Peer, Provider, RouteServer, RouteServerClient};
    let all = [Provider, RouteServer, RouteServerClient, Customer, Peer];
    let fitting = [
        (Provider, Customer),
        (Customer, Provider),
        (RouteServer, RouteServerClient),
        (RouteServerClient, RouteServer),
        (Peer, Peer),
    ];
    let with = |base: PeerConfig, role: Option<Role>, strict| PeerConfig {
        role: role.map(|role| RoleConfig { role, strict }),
        ..base
    };
    for a in all {
        for b in all {
            let expected = if fitting.contains(&(a, b)) { None } else { Some((2, 11, vec![])) };
            assert_eq!(code(&with(ours(), Some(a), false), &with(theirs(), Some(b), false)), expected, "{a:?} {b:?}");
        }
    }
    assert_eq!(code(&with(ours(), Some(Peer), false), &theirs()), None);
    assert_eq!(code(&with(ours(), Some(Peer), true), &theirs()), Some((2, 11, vec![])));
    assert_eq!(code(&ours(), &with(theirs(), Some(Provider), true)), None);
    assert_eq!(agree(&ours(), &with(theirs(), Some(Provider), true)).unwrap().peer_role, Some(Provider));
    // A number without a meaning fits nothing.
    let us = with(ours(), Some(Peer), false);
    let mut odd = open::build(&theirs());
    odd.capabilities.push(Capability::Unknown { code: 9, value: bytes::Bytes::from_static(&[9]) });
    assert!(matches!(
        negotiate(&us, &open::build(&us), &odd),
        Err(OpenRejected::Role { ours: Peer, theirs: AdvertisedRole::Unassigned(9) })
    ));
    // Inside an AS roles mean nothing.
    let internal = PeerConfig { peer_asn: PeerAsn::Internal, ..with(ours(), Some(Provider), true) };
    assert_eq!(code(&internal, &PeerConfig { local_asn: Asn(65000), ..theirs() }), None);
}

/// What was not said in the OPEN is not negotiated, whatever the configuration says by now.
#[test]
fn the_open_counts_not_the_configuration() {
    let sent = open::build(&with_families(ours(), &[V4]));
    let n = negotiate(&with_families(ours(), &[V4, V6]), &sent, &open::build(&with_families(theirs(), &[V4, V6])));
    assert_eq!(n.unwrap().families.len(), 1);
}

/// Our OPEN survives the wire, whatever is on.
#[test]
fn our_open_on_the_wire() {
    use crate::action::Message;
    use heddle_bgp_core::open::OptionalParameters;
    let mut full = with_families(ours(), &[V4, V6]);
    full.local_asn = Asn(4_200_000_000);
    for f in &mut full.families {
        f.add_path = Some(AddPathMode::Both);
        f.long_lived_stale_time = Some(u32::MAX);
    }
    full.families[0].extended_next_hop = true;
    full.graceful_restart =
        gr(GracefulRestartMode::Restarter, true).map(|g| GracefulRestartConfig { restart_time: u16::MAX, ..g });
    full.role = Some(RoleConfig { role: Role::Provider, strict: false });
    full.host_name = Some(HostName { host: "rr1".into(), domain: "example.net".into() });
    for (config, form) in [
        (ours(), OptionalParameters::WhereNeeded),
        (full.clone(), OptionalParameters::WhereNeeded),
        (full, OptionalParameters::AlwaysExtended),
    ] {
        let open = open::build(&config);
        let bytes = Message::Open(open.clone(), form).encode();
        assert_eq!(Open::decode(&bytes[19..]), Ok(open));
    }
}

/// An OPEN names each family once, and only families that we carry.
#[test]
fn our_open_names_each_family_once() {
    let labeled = Family { afi: Afi::IPV4, safi: Safi(4) };
    let open = open::build(&with_families(ours(), &[V4, labeled, V6, V4]));
    let named: Vec<_> = open
        .capabilities
        .iter()
        .filter_map(|c| if let Capability::MultiProtocol(family) = c { Some(*family) } else { None })
        .collect();
    assert_eq!(named, [V4, V6]);
}

/// draft-walton-bgp-hostname-capability: what `show peers` calls the peer.
#[test]
fn the_peers_host_name() {
    let named =
        PeerConfig { host_name: Some(HostName { host: "leaf1".into(), domain: "example.net".into() }), ..theirs() };
    assert_eq!(agree(&ours(), &named).unwrap().peer_host_name.as_deref(), Some("leaf1"));
    assert_eq!(agree(&named_ours(), &theirs()).unwrap().peer_host_name, None, "ours is not the peer's");
}

fn named_ours() -> PeerConfig {
    PeerConfig { host_name: Some(HostName { host: "rr1".into(), domain: String::new() }), ..ours() }
}

/// The operator reads which families are missing.
#[test]
fn missing_families_are_named() {
    let mut strict = with_families(ours(), &[V4, V6]);
    strict.families.iter_mut().for_each(|f| f.required = true);
    let other = Family { afi: Afi::IPV4, safi: Safi(4) };
    let mut open = open::build(&theirs());
    open.capabilities = vec![Capability::MultiProtocol(other)];
    let rejected = negotiate(&strict, &open::build(&strict), &open).unwrap_err();
    assert_eq!(rejected.to_string(), "the peer lacks families that are required of it: ipv4-unicast, ipv6-unicast");
}

/// Each difference alone makes another session of it; what is no matter of the OPENs does not.
#[test]
fn what_is_negotiated_otherwise() {
    use heddle_bgp_core::open::OptionalParameters;
    let role = |strict| Some(RoleConfig { role: Role::Provider, strict });
    let base = PeerConfig { role: role(false), ..with_families(ours(), &[V4, V6]) };
    let mut required = base.clone();
    required.families[1].required = true;
    let others = [
        PeerConfig { hold_time: 30, ..base.clone() },
        PeerConfig { open_form: OptionalParameters::AlwaysExtended, ..base.clone() },
        PeerConfig { peer_asn: PeerAsn::Any, ..base.clone() },
        PeerConfig { role: role(true), ..base.clone() },
        PeerConfig { minimum_hold_time: 9, ..base.clone() },
        required,
    ];
    for other in others {
        assert!(base.negotiates_otherwise(&other) && other.negotiates_otherwise(&base), "{other:?}");
    }
    let waits = PeerConfig { connect_retry: std::time::Duration::from_secs(7), ..base.clone() };
    assert!(!base.negotiates_otherwise(&waits));
}
