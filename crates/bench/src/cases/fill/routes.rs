//! The routes of the case: what is sent, and what the kernel must have then.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use heddle_bgp_core::{Family, Prefix};
use heddle_lab::host::Host;
use heddle_netlink::{IpNetwork, Route};

use crate::speaker::Updates;

/// Prefixes with the same attributes.
pub(super) const OF_ONE_SET: u32 = 6;
/// The first destination: 20.0.0.0/24, 2a10::/48.
const FIRST_V4: u32 = 0x1400_0000;
const FIRST_V6: u128 = 0x2a10 << 112;
/// Next hops, which take turns.
const NEXT_HOPS: u32 = 4;
/// Of so many destinations, one is looked at while they arrive; all of them at the end.
const STRIDE: usize = 8;
/// Between two looks at a destination that is not there.
const PAUSE: Duration = Duration::from_millis(1);

/// Destinations side by side, of one family, with the address of the peer that sends them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routes {
    pub(super) count: u32,
    pub(super) peer: IpAddr,
}

impl Routes {
    pub(super) fn family(self) -> Family {
        if self.peer.is_ipv4() { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST }
    }

    /// The length of all prefixes.
    pub(super) const fn length(self) -> u8 {
        if self.peer.is_ipv4() { 24 } else { 48 }
    }

    /// The destinations, in the order in which they are sent.
    pub(super) fn destinations(self) -> impl Iterator<Item = IpAddr> {
        (0..self.count).map(move |number| match self.peer {
            IpAddr::V4(_) => Ipv4Addr::from(FIRST_V4.wrapping_add(number << 8)).into(),
            IpAddr::V6(_) => Ipv6Addr::from(FIRST_V6 + (u128::from(number) << 80)).into(),
        })
    }

    /// One that comes before all others, to see that the daemon writes routes.
    pub(super) fn canary(self) -> IpAddr {
        match self.peer {
            IpAddr::V4(_) => Ipv4Addr::new(19, 0, 0, 0).into(),
            IpAddr::V6(_) => Ipv6Addr::from(0x2a0f << 112).into(),
        }
    }

    /// Those that are looked at while they arrive, the last among them.
    pub(super) fn sample(self) -> Vec<IpAddr> {
        let some = self.destinations().skip(STRIDE - 1).step_by(STRIDE);
        some.chain(self.destinations().last()).collect()
    }

    fn number(self, prefix: IpNetwork) -> Option<u32> {
        let number = match prefix.ip() {
            IpAddr::V4(address) => u32::from(address).checked_sub(FIRST_V4)? >> 8,
            IpAddr::V6(address) => u32::try_from(u128::from(address).checked_sub(FIRST_V6)? >> 80).ok()?,
        };
        (number < self.count && prefix.prefix() == self.length()).then_some(number)
    }

    /// Of the destination with this number.
    pub(super) fn next_hop(self, number: u32) -> IpAddr {
        let turn = number / OF_ONE_SET % NEXT_HOPS;
        match self.peer {
            IpAddr::V4(peer) => Ipv4Addr::from(u32::from(peer).wrapping_add(turn)).into(),
            IpAddr::V6(peer) => Ipv6Addr::from(u128::from(peer).wrapping_add(turn.into())).into(),
        }
    }

    /// All UPDATEs.
    pub(super) fn updates(self) -> anyhow::Result<Updates> {
        let mut updates = Updates::new(self.family());
        let all: Vec<Prefix> = self.destinations().filter_map(|address| Prefix::new(address, self.length())).collect();
        for (set, prefixes) in (0u32..).zip(all.chunks(usize::try_from(OF_ONE_SET)?)) {
            updates.advertise(self.next_hop(set * OF_ONE_SET), set, prefixes.iter().copied())?;
        }
        Ok(updates)
    }

    /// The first UPDATE, with the canary.
    pub(super) fn first_update(self) -> anyhow::Result<Updates> {
        let mut first = Updates::new(self.family());
        first.advertise(self.peer, u32::MAX, Prefix::new(self.canary(), self.length()).into_iter())?;
        first.end_of_rib();
        Ok(first)
    }

    /// Every route is there, through its next hop, with the metric of all, and no other route is.
    pub(super) fn verify(self, node: &Host, limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        let family = if self.peer.is_ipv4() { heddle_netlink::Family::Ipv4 } else { heddle_netlink::Family::Ipv6 };
        loop {
            let Some(wrong) = self.wrong(&node.routes(family)?)? else { return Ok(()) };
            if Instant::now() >= deadline {
                bail!(wrong);
            }
            sleep(PAUSE);
        }
    }

    /// What is wrong with the kernel's table, in words.
    fn wrong(self, table: &[Route]) -> anyhow::Result<Option<String>> {
        let mut right = vec![false; usize::try_from(self.count)?];
        let (mut foreign, mut metrics) = (0u32, BTreeSet::new());
        let of_the_peer = (0..NEXT_HOPS).map(|turn| Some(self.next_hop(turn * OF_ONE_SET))).collect::<Vec<_>>();
        let learned = |route: &&Route| route.legs.iter().any(|leg| of_the_peer.contains(&leg.gateway));
        for route in table.iter().filter(learned).filter(|route| route.prefix.ip() != self.canary()) {
            metrics.insert(route.metric);
            let Some(number) = self.number(route.prefix) else {
                foreign += 1;
                continue;
            };
            let right = right.get_mut(usize::try_from(number)?).context("a number is below the count")?;
            let wanted = Some(self.next_hop(number));
            let fits = route.legs.len() == 1 && route.legs.iter().all(|leg| leg.gateway == wanted);
            // A second route to the same destination is one too many.
            foreign += u32::from(*right);
            *right = fits;
        }
        let missing = right.iter().filter(|right| !**right).count();
        Ok((missing > 0 || foreign > 0 || metrics.len() > 1).then(|| {
            format!(
                "{missing} of {} routes are missing or have another next hop, {foreign} are too many, metrics {metrics:?}",
                self.count
            )
        }))
    }
}

/// Waits until the kernel has a route to each of these, one after the other; tells when it had the last, or nothing when
/// that takes too long. A connected datagram socket is the cheapest lookup: no route is ENETUNREACH.
pub(super) fn arrive(destinations: &[IpAddr], limit: Duration) -> anyhow::Result<Option<Instant>> {
    let deadline = Instant::now() + limit;
    let any = match destinations.first() {
        Some(IpAddr::V6(_)) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Some(IpAddr::V4(_)) | None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0))?;
    for destination in destinations {
        let target = SocketAddr::new(*destination, 9);
        while socket.connect(target).is_err() {
            if Instant::now() >= deadline {
                return Ok(None);
            }
            sleep(PAUSE);
        }
    }
    Ok(Some(Instant::now()))
}

#[cfg(test)]
mod tests {
    use heddle_netlink::{Leg, LinkIndex, Protocol};

    use super::*;

    fn table(routes: Routes) -> Vec<Route> {
        let one = |(number, address): (u32, IpAddr)| {
            let prefix = IpNetwork::new(address, routes.length()).expect("a possible length");
            let leg = Leg::via(routes.next_hop(number), LinkIndex::LOOPBACK);
            Route::new(prefix, Protocol::HEDDLE).metric(1024).leg(leg)
        };
        (0..).zip(routes.destinations()).map(one).collect()
    }

    #[test]
    fn every_difference_of_a_kernel_table_is_seen() {
        for peer in [IpAddr::from([10, 0, 0, 9]), IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 9])] {
            let routes = Routes { count: 40, peer };
            let wrong = |table: &[Route]| routes.wrong(table).expect("numbers fit");
            let all = table(routes);
            assert_eq!(wrong(&all), None);
            assert!(wrong(&all[1..]).is_some_and(|text| text.starts_with("1 of 40")));
            let changed = |change: fn(&mut Route)| {
                let mut all = all.clone();
                all.iter_mut().take(1).for_each(change);
                wrong(&all)
            };
            assert!(changed(|route| route.metric = 7).is_some_and(|text| text.contains("{7, 1024}")));
            let swapped = |route: &mut Route| {
                route.legs.clear();
                let gateway = match route.prefix.ip() {
                    IpAddr::V4(_) => IpAddr::from([10, 0, 0, 10]),
                    IpAddr::V6(_) => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 10]),
                };
                route.legs.push(Leg::via(gateway, LinkIndex::LOOPBACK));
            };
            assert!(changed(swapped).is_some_and(|text| text.starts_with("1 of 40")));
            let more = Routes { count: 41, peer };
            assert!(wrong(&table(more)).is_some_and(|text| text.contains("1 are too many")));
        }
    }
}
