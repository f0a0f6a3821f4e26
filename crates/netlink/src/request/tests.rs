use std::io::{self, Write as _};
use std::net::Ipv4Addr;

use super::*;
use crate::wire::NLM_F_APPEND;
use crate::{Control, DumpSocket, Family, IpNetwork, Leg, LinkIndex, Protocol, RouteFilter, Table, VethEnd, namespace};

/// Runs something in a network namespace of its own, or says why not.
fn in_namespace(work: impl FnOnce() + Send) {
    match namespace::create() {
        Ok(namespace) => namespace::within(&namespace, work).expect("within"),
        Err(error) => {
            let strict = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
            let why = format!("network namespaces cannot be made, run as root: {error}");
            assert!(!strict, "needed, and CI skips nothing: {why}");
            // Not `eprintln!`, which is not shown of a test that passes.
            let test = std::thread::current().name().unwrap_or("a test of requests").to_owned();
            let _ = writeln!(io::stderr(), "{test} is skipped: {why}");
        }
    }
}

/// Answers are lost only when the window lets too many through, so this test opens it.
#[test]
fn answers_that_are_lost_make_their_requests_unknown() {
    const REQUESTS: u64 = 500;
    in_namespace(|| {
        let mut socket = RequestSocket::with_receive_buffer(16 << 10).expect("request socket");
        socket.window = usize::MAX;
        let queue = |socket: &mut RequestSocket| {
            for n in 0..REQUESTS {
                // No link has this index: each of them fails.
                let prefix = IpNetwork::new(Ipv4Addr::new(10, 0, 0, 0).into(), 8).expect("a prefix");
                let route = Route::new(prefix, Protocol::HEDDLE).leg(Leg::device(LinkIndex(4711)));
                socket.add(Cookie(n), &route).expect("queued");
            }
            socket.flush().expect("sent")
        };
        let results = queue(&mut socket);
        assert!(!results.failures.is_empty() && !results.unknown.is_empty(), "{results:?}");
        let failed = results.failures.iter().map(|failure| failure.cookie.0);
        let mut all: Vec<u64> = failed.chain(results.unknown.iter().map(|cookie| cookie.0)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..REQUESTS).collect::<Vec<_>>());
        assert!(socket.sent().overruns > 0);
        // What comes after it is known again.
        socket.window = 8;
        let results = queue(&mut socket);
        assert_eq!((results.failures.len(), results.unknown.len()), (500, 0));
    });
}

/// A stranger who appends to our route (`ip -6 route append`) makes his leg one of it, as all legs of a metric are. The
/// deletion of ours names our legs and leaves his; without names it would take the whole.
#[test]
fn a_leg_that_a_stranger_appended_to_our_ipv6_route_stays() {
    in_namespace(|| {
        let mut control = Control::open().expect("control socket");
        control.create_veth(&VethEnd::new("a0"), &VethEnd::new("a1")).expect("veth pair");
        let link = control.link("a0").expect("a0").index;
        control.set_up(link).expect("up");
        control.add_address(link, "2001:db8:1::1/64".parse().expect("a prefix")).expect("address");
        let prefix: IpNetwork = "2001:db8:55::/48".parse().expect("a prefix");
        let leg = |last: u16| Leg::via([0x2001, 0xdb8, 1, 0, 0, 0, 0, last].into(), link);
        let mine = Route::new(prefix, Protocol::HEDDLE).leg(leg(2)).leg(leg(3));
        let theirs = Route::new(prefix, Protocol::STATIC).leg(leg(4));
        let mut socket = RequestSocket::open().expect("request socket");
        socket.add(Cookie(1), &mine).expect("queued");
        let append = |buffer: &mut Vec<u8>| route::encode::route(buffer, &theirs);
        socket.queue(Cookie(2), RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, append).expect("queued");
        assert_eq!(socket.flush().expect("sent"), Results::default());
        let left = || {
            let mut left = Vec::new();
            let filter = RouteFilter::table(Family::Ipv6, Table::MAIN);
            let tell = |route: Route| left.extend(Some(route.canonical()).filter(|route| route.prefix == prefix));
            let _ = DumpSocket::open().expect("dump socket").routes(&filter, tell).expect("dump");
            left
        };
        assert_eq!(left().iter().map(|route| route.legs.len()).collect::<Vec<_>>(), [3]);
        socket.delete(Cookie(3), &mine).expect("queued");
        assert_eq!(socket.flush().expect("sent"), Results::default());
        assert_eq!(left(), [theirs.clone().canonical()]);
    });
}
