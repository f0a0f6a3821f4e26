use std::net::Ipv4Addr;

use super::*;
use crate::number::{LinkIndex, Protocol};
use crate::route::Leg;
use crate::{IpNetwork, namespace};

/// Answers are lost only when the window lets too many through, so this test opens it.
#[test]
fn answers_that_are_lost_make_their_requests_unknown() {
    const REQUESTS: u64 = 500;
    let namespace = match namespace::create() {
        Ok(namespace) => namespace,
        Err(error) => {
            eprintln!("skipped: network namespaces cannot be made, run as root: {error}");
            return;
        }
    };
    let work = || {
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
    };
    namespace::within(&namespace, work).expect("within");
}
