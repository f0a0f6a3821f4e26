//! Changing the configuration of a running speaker.

use heddle_admin::ClientError;
use heddle_admin::types::{ConfigSource, Drain, ErrorCode, Peer, PeerAction, PeerState, RouteQuery};
use heddle_socket_options::ao;
use heddle_speaker::{ApplyError, read_config};
use socket2::{Domain, Socket, Type};

use crate::raw_peer::{Offer, RawPeer, updates};
use crate::world::{World, soon, tick};

fn passive(n: u8, more: &str) -> String {
    format!("[[peers]]\naddress = \"NET.{n}\"\nasn = 65001\npassive = true\nroute_reflector_client = true\n{more}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_come_go_and_change_while_others_keep_their_sessions() {
    let world = World::new(103);
    let speaker = world.start(1, &[passive(2, ""), passive(3, ""), passive(4, "")].concat()).await;
    let mut stays = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    let mut goes = RawPeer::connect(&world, 3, 1, Offer::default()).await;
    let mut changes = RawPeer::connect(&world, 4, 1, Offer::default()).await;
    changes.send(&updates(5, 5, 4)).await;
    speaker.peer_until(world.ip(4), "its routes", |p| p.families.iter().any(|f| f.accepted == 5)).await;
    let mut before = Vec::new();
    for n in 2..=4 {
        before.push(speaker.established(world.ip(n)).await);
    }

    let policy = "[[policies]]\nname = \"none\"\ndefault = \"reject\"\n";
    let now = [&passive(2, "description = \"new\""), &passive(4, "import_policy = \"none\""), &passive(5, ""), policy];
    speaker.apply(&world.toml(1, &now.map(|s| s.to_string()).concat())).await;

    goes.end().await;
    assert!(speaker.peer(world.ip(3)).await.is_none());
    let _added = RawPeer::connect(&world, 5, 1, Offer::default()).await;
    speaker.established(world.ip(5)).await;
    for (n, was) in [(2, &before[0]), (4, &before[2])] {
        let is = speaker.peer(world.ip(n)).await.expect("is there");
        assert_eq!((is.state, is.established_count, is.state_since), (PeerState::Established, 1, was.state_since));
    }
    // The stored routes are judged anew, the peer is not asked; for a rule that decides on arrival it is.
    speaker.peer_until(world.ip(4), "rejected routes", |p| p.families.iter().any(|f| f.rejected == 5)).await;
    let asks =
        [passive(2, "allow_own_as = 1"), passive(4, "import_policy = \"none\""), passive(5, ""), policy.to_owned()];
    speaker.apply(&world.toml(1, &asks.concat())).await;
    stays.refresh_asked().await;
    changes.send(&heddle_bgp_core::message::KEEPALIVE).await;
    assert_eq!(speaker.peer(world.ip(2)).await.expect("is there").established_count, 1);
    speaker.speaker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_keeps_only_its_peer_down_until_it_is_there() {
    let world = World::new(104);
    let key = world.path("key");
    let secured = format!("password_file = \"{}\"", key.display());
    let config = [passive(2, &secured), passive(3, "")].concat();
    let speaker = world.start(1, &config).await;
    let blocked = speaker.peer_until(world.ip(2), "blocked", |p| p.down_reason.is_some()).await;
    let reason = blocked.down_reason.expect("just seen");
    assert_eq!(reason.code, "password_missing");
    assert!(reason.text.contains(&key.display().to_string()), "{}", reason.text);
    let _other = RawPeer::connect(&world, 3, 1, Offer::default()).await;
    speaker.established(world.ip(3)).await;

    std::fs::write(&key, "secret\n").expect("writable");
    speaker.apply(&world.toml(1, &config)).await;
    speaker.peer_until(world.ip(2), "unblocked", |p| p.state == PeerState::Active).await;
    assert_eq!(speaker.peer(world.ip(3)).await.expect("is there").established_count, 1);
    speaker.speaker.stop().await;
}

/// Whether the kernel has TCP-AO (RFC 5925).
fn has_ao() -> bool {
    let key = ao::Key { send_id: 1, recv_id: 1, algorithm: ao::Algorithm::HmacSha1, secret: b"secret".to_vec() };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let taken = ao::add_key(&socket, [127, 0, 0, 1].into(), None, &key, ao::Use::Ready);
    !taken.is_err_and(|error| ao::is_unsupported(&error))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_without_tcp_ao_keeps_only_its_peer_down() {
    if has_ao() {
        return println!("a kernel without TCP-AO: skipped: this one has it");
    }
    let world = World::new(122);
    let file = world.path("ao.key");
    let keys = format!("tcp_ao = [{{ send_id = 1, file = \"{}\" }}]", file.display());
    let config = |keys: &str| world.toml(1, &[passive(2, keys), passive(3, "")].concat());
    let speaker = world.start(1, &[passive(2, &keys), passive(3, "")].concat()).await;
    // First the file: it is read before the kernel is asked.
    let code = |p: &Peer| p.down_reason.as_ref().map(|r| r.code.to_string());
    speaker.peer_until(world.ip(2), "no key", |p| code(p).as_deref() == Some("password_missing")).await;
    std::fs::write(&file, "secret\n").expect("writable");
    speaker.apply(&config(&keys)).await;
    let refused =
        speaker.peer_until(world.ip(2), "refused", |p| code(p).as_deref() == Some("tcp_ao_unsupported")).await;
    let text = refused.down_reason.expect("just seen").text;
    assert!(text.contains(&world.ip(2).to_string()) && text.contains("CONFIG_TCP_AO"), "{text}");
    assert!(!refused.transport.tcp_ao && !refused.transport.tcp_md5);
    let _other = RawPeer::connect(&world, 3, 1, Offer::default()).await;
    speaker.established(world.ip(3)).await;

    speaker.apply(&config("")).await;
    speaker.peer_until(world.ip(2), "unblocked", |p| p.state == PeerState::Active).await;
    assert_eq!(speaker.peer(world.ip(3)).await.expect("is there").established_count, 1);
    speaker.speaker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_run_changes_nothing() {
    let world = World::new(105);
    let speaker = world.start(1, &passive(2, "")).await;
    let _peer = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    let before = speaker.established(world.ip(2)).await;

    let source = ConfigSource { toml: Some("[router]\nasm = 1\n".to_owned()), file: Some("bad.toml".to_owned()) };
    let error = speaker.client.config_apply(&source).await.expect_err("invalid");
    assert!(matches!(&error, ClientError::Api(e) if e.code == ErrorCode::ConfigInvalid), "{error}");

    let taken = std::net::TcpListener::bind((world.ip(9), world.port)).expect("a free address");
    let toml = world.toml(1, "").replace("listen = [", &format!("listen = [\"{}:{}\", ", world.ip(9), world.port));
    let error = speaker.speaker.apply(read_config(&toml, "test.toml").expect("valid")).await.expect_err("taken");
    assert!(matches!(error, ApplyError::Listen(_)), "{error}");
    drop(taken);

    let is = speaker.peer(world.ip(2)).await.expect("the peer was not removed");
    assert_eq!((is.state, is.state_since), (PeerState::Established, before.state_since));
    speaker.speaker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listening_address_may_give_way_to_one_that_overlaps() {
    let world = World::new(106);
    let speaker = world.start(1, &passive(2, "")).await;
    let _peer = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    let before = speaker.established(world.ip(2)).await;
    let own = format!("{}:{}", world.ip(1), world.port);
    let any = world.toml(1, &passive(2, "")).replace(&own, &format!("0.0.0.0:{}", world.port));
    speaker.apply(&any).await;
    assert_eq!(speaker.summary().await.router.listen, [format!("0.0.0.0:{}", world.port)]);
    speaker.apply(&world.toml(1, &passive(2, ""))).await;
    assert_eq!(speaker.summary().await.router.listen, [own]);
    assert_eq!(speaker.established(world.ip(2)).await.state_since, before.state_since);
    speaker.speaker.stop().await;
}

/// RFC 8326 §3.1: what a draining peer sends loses to everything else, and says so to others; and back again.
#[tokio::test(flavor = "multi_thread")]
async fn routes_of_a_draining_peer_lose_until_it_drains_no_more() {
    let world = World::new(121);
    let speaker = world.start(1, &passive(2, "")).await;
    let mut peer = RawPeer::connect(&world, 2, 1, Offer::default()).await;
    peer.send(&updates(1, 1, 4)).await;
    let shown = async |wanted: u32| {
        let found = async {
            loop {
                let mut routes = speaker.client.routes(&RouteQuery::default()).await.expect("routes");
                if let Ok(Some(d)) = routes.next().await
                    && let Some(path) = d.paths.first()
                    && path.attributes.local_pref == Some(wanted)
                {
                    return path.attributes.communities.clone();
                }
                tick().await;
            }
        };
        soon("the local preference", found).await
    };
    assert_eq!(shown(100).await.len(), 1);
    for (undrain, local_pref, communities) in [(false, 0, 2), (true, 100, 1)] {
        let drain = PeerAction::Drain(Drain { undrain });
        speaker.client.act(&world.ip(2).into(), &drain).await.expect("drains");
        assert_eq!(shown(local_pref).await.len(), communities);
    }
    assert_eq!(speaker.established(world.ip(2)).await.established_count, 1);
    speaker.speaker.stop().await;
}
