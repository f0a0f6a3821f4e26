//! Options as two sockets on the loopback see them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use heddle_socket_options::{ao, bind, buffer, dscp, interface, md5, tcp, ttl};
use socket2::{Domain, Socket, Type};

/// A connection attempt that the kernel drops has to give up at some time; one that works needs far less.
const DROPPED: Duration = Duration::from_millis(300);
const ANSWERED: Duration = Duration::from_secs(10);

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn socket(ip: IpAddr) -> Socket {
    Socket::new(Domain::for_address(SocketAddr::new(ip, 0)), Type::STREAM, None).unwrap()
}

/// A listening socket on a port of the system's choice, after `prepare`.
fn listener(ip: IpAddr, prepare: impl Fn(&Socket)) -> TcpListener {
    let socket = socket(ip);
    prepare(&socket);
    socket.bind(&SocketAddr::new(ip, 0).into()).unwrap();
    socket.listen(8).unwrap();
    socket.into()
}

/// Connects to the listener's port at `to` after `prepare`.
fn connect(to: IpAddr, listener: &TcpListener, wait: Duration, prepare: impl Fn(&Socket)) -> io::Result<TcpStream> {
    let socket = socket(to);
    prepare(&socket);
    let port = listener.local_addr()?.port();
    socket.connect_timeout(&SocketAddr::new(to, port).into(), wait)?;
    Ok(socket.into())
}

/// Octets go through in both directions.
fn talk(listener: &TcpListener, mut client: TcpStream) {
    let (mut server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(ANSWERED)).unwrap();
    }
    client.write_all(b"OPEN").unwrap();
    let mut got = [0; 4];
    server.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"OPEN");
    server.write_all(&got).unwrap();
    client.read_exact(&mut got).unwrap();
}

fn assert_dropped(result: io::Result<TcpStream>) {
    assert_eq!(result.map(drop).map_err(|e| e.kind()), Err(io::ErrorKind::TimedOut));
}

/// As many as the process has, also where they are more than usual: what the kernel says of the list is taken.
#[test]
fn the_groups_of_who_has_connected_are_told() {
    let (here, _there) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("Groups:")).expect("the groups");
    let mut own: Vec<u32> = line.split_whitespace().filter_map(|group| group.parse().ok()).collect();
    let mut told = heddle_socket_options::groups::of_peer(&here).expect("they are told");
    own.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, own);
}

#[test]
fn equal_keys_connect_and_others_do_not() {
    for ip in [V4, V6] {
        let listener = listener(ip, |s| md5::set_key(s, ip, None, b"secret").unwrap());
        let with = |key: &'static [u8]| move |s: &Socket| md5::set_key(s, ip, None, key).unwrap();
        talk(&listener, connect(ip, &listener, ANSWERED, with(b"secret")).unwrap());
        assert_dropped(connect(ip, &listener, DROPPED, with(b"another")));
        assert_dropped(connect(ip, &listener, DROPPED, |_| ()));
    }
}

/// Whether this kernel has TCP-AO; a kernel without it says so with one error, which is checked here.
fn has_ao() -> bool {
    let key = ao::Key { send_id: 1, recv_id: 1, algorithm: ao::Algorithm::HmacSha1, secret: b"secret".to_vec() };
    match ao::add_key(&socket(V4), V4, None, &key, ao::Use::Current) {
        Ok(()) => true,
        Err(error) => {
            assert!(ao::is_unsupported(&error), "{error}");
            let removed = ao::remove_key(&socket(V4), V4, None, (1, 1)).unwrap_err();
            assert!(ao::is_unsupported(&removed), "{removed}");
            assert!(!ao::is_unsupported(&io::ErrorKind::InvalidInput.into()));
            println!("a session with TCP-AO: skipped: the kernel has no TCP-AO (CONFIG_TCP_AO, from Linux 6.7)");
            false
        }
    }
}

#[test]
fn equal_ao_keys_connect_and_others_do_not() {
    if !has_ao() {
        return;
    }
    let key = |number: u8, secret: &[u8], algorithm| ao::Key {
        send_id: number,
        recv_id: number,
        algorithm,
        secret: secret.to_vec(),
    };
    for algorithm in [ao::Algorithm::HmacSha1, ao::Algorithm::CmacAes128] {
        for ip in [V4, V6] {
            let listener = listener(ip, |s| {
                ao::add_key(s, ip, None, &key(1, b"first", algorithm), ao::Use::Ready).unwrap();
                ao::add_key(s, ip, None, &key(2, b"second", algorithm), ao::Use::Ready).unwrap();
            });
            let with = |number, secret: &'static [u8]| {
                move |s: &Socket| ao::add_key(s, ip, None, &key(number, secret, algorithm), ao::Use::Current).unwrap()
            };
            talk(&listener, connect(ip, &listener, ANSWERED, with(1, b"first")).unwrap());
            talk(&listener, connect(ip, &listener, ANSWERED, with(2, b"second")).unwrap());
            assert_dropped(connect(ip, &listener, DROPPED, with(1, b"second")));
            assert_dropped(connect(ip, &listener, DROPPED, with(3, b"first")));
            assert_dropped(connect(ip, &listener, DROPPED, |_| ()));
            ao::remove_key(&listener, ip, None, (1, 1)).unwrap();
            ao::remove_key(&listener, ip, None, (1, 1)).unwrap();
            assert_dropped(connect(ip, &listener, DROPPED, with(1, b"first")));
            talk(&listener, connect(ip, &listener, ANSWERED, with(2, b"second")).unwrap());
        }
    }
}

#[test]
fn a_key_of_a_prefix() {
    for (ip, inside, outside) in [
        (V4, IpAddr::from([127, 0, 0, 0]), IpAddr::from([10, 0, 0, 0])),
        (V6, IpAddr::from([0u16; 8]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0])),
    ] {
        let length = if ip.is_ipv4() { 8 } else { 64 };
        let key = |s: &Socket| md5::set_key(s, ip, None, b"secret").unwrap();
        let covered = listener(ip, |s| md5::set_key(s, inside, Some(length), b"secret").unwrap());
        talk(&covered, connect(ip, &covered, ANSWERED, key).unwrap());
        assert_dropped(connect(ip, &covered, DROPPED, |_| ()));
        // Where no key covers the peer, a connection without one works, and one with a key does not.
        let uncovered = listener(ip, |s| md5::set_key(s, outside, Some(length), b"secret").unwrap());
        talk(&uncovered, connect(ip, &uncovered, ANSWERED, |_| ()).unwrap());
        assert_dropped(connect(ip, &uncovered, DROPPED, key));
    }
}

#[test]
fn a_longer_prefix_has_precedence() {
    let all = IpAddr::from([0, 0, 0, 0]);
    let listener = listener(V4, |s| {
        md5::set_key(s, all, Some(0), b"everybody").unwrap();
        md5::set_key(s, V4, None, b"one").unwrap();
    });
    talk(&listener, connect(V4, &listener, ANSWERED, |s| md5::set_key(s, V4, None, b"one").unwrap()).unwrap());
    assert_dropped(connect(V4, &listener, DROPPED, |s| md5::set_key(s, V4, None, b"everybody").unwrap()));
}

#[test]
fn keys_change_and_go_while_listening() {
    let listener = listener(V4, |s| md5::set_key(s, V4, None, b"old").unwrap());
    let with = |key: &'static [u8]| move |s: &Socket| md5::set_key(s, V4, None, key).unwrap();
    md5::set_key(&listener, V4, None, b"new").unwrap();
    assert_dropped(connect(V4, &listener, DROPPED, with(b"old")));
    talk(&listener, connect(V4, &listener, ANSWERED, with(b"new")).unwrap());
    md5::remove_key(&listener, V4, None).unwrap();
    talk(&listener, connect(V4, &listener, ANSWERED, |_| ()).unwrap());
    // Once more: there is none, and that is as it should be.
    md5::remove_key(&listener, V4, None).unwrap();
    md5::remove_key(&listener, V4, Some(8)).unwrap();
}

#[test]
fn an_ipv4_key_on_a_listener_for_both() {
    let any = IpAddr::from([0u16; 8]);
    for (peer, length) in [(V4, None), (IpAddr::from([127, 0, 0, 0]), Some(8))] {
        let listener = listener(any, |s| {
            s.set_only_v6(false).unwrap();
            md5::set_key(s, peer, length, b"secret").unwrap();
        });
        let key = |s: &Socket| md5::set_key(s, V4, None, b"secret").unwrap();
        talk(&listener, connect(V4, &listener, ANSWERED, key).unwrap());
        assert_dropped(connect(V4, &listener, DROPPED, |_| ()));
    }
}

#[test]
fn impossible_keys() {
    let kind = |r: io::Result<()>| r.unwrap_err().kind();
    let (v4, v6) = (socket(V4), socket(V6));
    bind::set_only_v6(&v6).unwrap();
    let long = [b'x'; md5::MAX_KEY_LEN + 1];
    assert_eq!(kind(md5::set_key(&v4, V4, None, b"")), io::ErrorKind::InvalidInput);
    assert_eq!(kind(md5::set_key(&v4, V4, None, &long)), io::ErrorKind::InvalidInput);
    md5::set_key(&v4, V4, None, long.get(1..).unwrap()).unwrap();
    assert_eq!(kind(md5::set_key(&v4, V4, Some(33), b"k")), io::ErrorKind::InvalidInput);
    assert_eq!(kind(md5::set_key(&v4, V6, None, b"k")), io::ErrorKind::InvalidInput);
    assert_eq!(kind(md5::set_key(&v6, V4, None, b"k")), io::ErrorKind::InvalidInput);
}

#[test]
fn packets_from_too_far_away_are_dropped() {
    for ip in [V4, V6] {
        let listener = listener(ip, |s| {
            ttl::set_ttl(s, 255).unwrap();
            ttl::set_min_ttl(s, 255).unwrap();
        });
        assert_eq!(ttl::min_ttl(&listener).unwrap(), 255);
        talk(&listener, connect(ip, &listener, ANSWERED, |s| ttl::set_ttl(s, 255).unwrap()).unwrap());
        assert_dropped(connect(ip, &listener, DROPPED, |s| ttl::set_ttl(s, 254).unwrap()));
        ttl::set_min_ttl(&listener, 254).unwrap();
        talk(&listener, connect(ip, &listener, ANSWERED, |s| ttl::set_ttl(s, 254).unwrap()).unwrap());
        ttl::set_min_ttl(&listener, 0).unwrap();
        talk(&listener, connect(ip, &listener, ANSWERED, |s| ttl::set_ttl(s, 1).unwrap()).unwrap());
    }
}

#[test]
fn the_least_ttl_on_a_listener_for_both_holds_for_ipv4() {
    let listener = listener(IpAddr::from([0u16; 8]), |s| {
        s.set_only_v6(false).unwrap();
        ttl::set_ttl(s, 255).unwrap();
        ttl::set_min_ttl(s, 255).unwrap();
    });
    for ip in [V4, V6] {
        assert_dropped(connect(ip, &listener, DROPPED, |s| ttl::set_ttl(s, 64).unwrap()));
        talk(&listener, connect(ip, &listener, ANSWERED, |s| ttl::set_ttl(s, 255).unwrap()).unwrap());
    }
}

#[test]
fn an_address_that_the_machine_does_not_have() {
    // Documentation addresses (RFC 5737, RFC 3849): no machine has them.
    for ip in [IpAddr::from([192, 0, 2, 77]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77])] {
        let at = SocketAddr::new(ip, 0).into();
        assert_eq!(socket(ip).bind(&at).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
        let free = socket(ip);
        bind::set_freebind(&free, ip).unwrap();
        free.bind(&at).unwrap();
    }
}

#[test]
fn both_versions_on_one_port() {
    let v6 = listener(IpAddr::from([0u16; 8]), |s| bind::set_only_v6(s).unwrap());
    let v4 = socket(V4);
    v4.bind(&SocketAddr::new(IpAddr::from([0, 0, 0, 0]), v6.local_addr().unwrap().port()).into()).unwrap();
}

#[test]
fn a_bound_address_gets_its_port_when_it_connects() {
    let listener = listener(V4, |_| ());
    let client = connect(V4, &listener, ANSWERED, |s| {
        bind::set_bind_address_no_port(s).unwrap();
        s.bind(&SocketAddr::new(V4, 0).into()).unwrap();
        assert_eq!(s.local_addr().unwrap().as_socket().unwrap().port(), 0);
    });
    assert_ne!(client.unwrap().local_addr().unwrap().port(), 0);
}

#[test]
fn other_options_read_back() {
    for ip in [V4, V6] {
        let s = socket(ip);
        tcp::set_nodelay(&s).unwrap();
        assert!(s.tcp_nodelay().unwrap());
        tcp::set_user_timeout(&s, Some(Duration::from_secs(90))).unwrap();
        assert_eq!(s.tcp_user_timeout().unwrap(), Some(Duration::from_secs(90)));
        dscp::set(&s, dscp::CS6).unwrap();
        let octet = if ip.is_ipv4() { s.tos_v4() } else { s.tclass_v6() };
        assert_eq!(octet.unwrap(), 0xc0);
        assert_eq!(dscp::set(&s, 64).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        buffer::set_receive(&s, 100_000).unwrap();
        buffer::set_send(&s, 50_000).unwrap();
        assert_eq!((buffer::receive(&s).unwrap(), buffer::send(&s).unwrap()), (200_000, 100_000));
        bind::bind_device(&s, Some("lo")).unwrap();
        assert_eq!(s.device().unwrap().as_deref(), Some(&b"lo"[..]));
        bind::bind_device(&s, None).unwrap();
    }
}

#[test]
fn octets_that_a_stalled_peer_does_not_take() {
    let listener = listener(V4, |s| buffer::set_receive(s, 4096).unwrap());
    let mut client = connect(V4, &listener, ANSWERED, |_| ()).unwrap();
    assert_eq!(tcp::unsent(&client).unwrap(), 0);
    client.set_nonblocking(true).unwrap();
    let octets = [0; 65_536];
    let full = (0..1000).any(|_| client.write(&octets).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock));
    assert!(full, "a peer that reads nothing stalls the sender");
    assert!(tcp::unsent(&client).unwrap() > 0);
    assert!(tcp::unacknowledged(&client).unwrap() >= tcp::unsent(&client).unwrap());
}

#[test]
fn names_and_numbers_of_interfaces() {
    let index = interface::index("lo").unwrap();
    assert_eq!(interface::name(index).unwrap(), "lo");
    assert_eq!(interface::index("no-such-if").unwrap_err().raw_os_error(), Some(19), "ENODEV");
    assert_eq!(interface::name(u32::MAX >> 1).unwrap_err().raw_os_error(), Some(6), "ENXIO");
}
