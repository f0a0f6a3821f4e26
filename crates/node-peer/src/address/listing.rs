//! What addresses there are on this machine.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};

use heddle_netlink::{DumpError, DumpSocket, Dumped, OpenError, Route, RouteFilter, RouteKind, Table};
use heddle_resources::value::{Family, InterfaceAddress};
use thiserror::Error;

/// How often interfaces are listed when they change meanwhile.
const ATTEMPTS: u32 = 10;

/// What this machine has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    /// In the order of their indexes.
    pub(crate) interfaces: Vec<Interface>,
    /// Default routes of the main table.
    pub(crate) defaults: Vec<DefaultRoute>,
    /// Sources of packets, by the destination as `can-reach` names it.
    pub(crate) sources: BTreeMap<(String, Family), IpAddr>,
}

/// An interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// `veth`, `bridge`, …; those of hardware have none.
    pub(crate) kind: Option<String>,
    pub(crate) state: LinkState,
    /// Those that can be used now, in the kernel's order.
    pub(crate) addresses: Vec<InterfaceAddress>,
}

impl Interface {
    /// Whether packets can leave by it.
    pub(crate) fn is_usable(&self) -> bool {
        match self.state {
            LinkState::Up | LinkState::Loopback => true,
            LinkState::Down => false,
        }
    }
}

/// Whether an interface can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// It is switched on.
    #[default]
    Up,
    /// It is not.
    Down,
    /// It is the loopback interface.
    Loopback,
}

/// A default route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DefaultRoute {
    pub(crate) family: Family,
    pub(crate) interface: u32,
    /// The lowest wins.
    pub(crate) metric: u32,
    /// `src`
    pub(crate) source: Option<IpAddr>,
}

/// This machine cannot be looked at.
#[derive(Debug, Error)]
pub(crate) enum ListingError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Dump(#[from] DumpError),
    #[error("interfaces come and go while they are listed")]
    Changing,
}

/// What is wanted of a listing beside interfaces and addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// For which destinations the source of packets is wanted.
    pub(crate) reach: Vec<(String, Family)>,
    /// Whether something is to be detected.
    pub(crate) routes: Routes,
}

/// Whether default routes are looked for: that reads the whole table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Routes {
    Wanted,
    #[default]
    Unused,
}

/// Looks at this machine. Blocks.
pub(crate) fn read(wanted: &Wanted) -> Result<Listing, ListingError> {
    let mut socket = DumpSocket::open()?;
    let mut listing = Listing { interfaces: interfaces(&mut socket)?, ..Listing::default() };
    if wanted.routes == Routes::Wanted {
        for (family, of) in [(Family::V4, heddle_netlink::Family::Ipv4), (Family::V6, heddle_netlink::Family::Ipv6)] {
            let filter = RouteFilter::table(of, Table::MAIN);
            // A default route that does not change is told, whatever becomes of others meanwhile.
            match socket.routes(&filter, |route| listing.defaults.extend(default_route(family, &route)))? {
                Dumped::Complete | Dumped::Interrupted => {}
            }
        }
    }
    for (destination, family) in &wanted.reach {
        if let Ok(source) = source_towards(destination, *family) {
            listing.sources.insert((destination.clone(), *family), source);
        }
    }
    Ok(listing)
}

/// Interfaces with their addresses, by index.
fn interfaces(socket: &mut DumpSocket) -> Result<Vec<Interface>, ListingError> {
    for _ in 0..ATTEMPTS {
        let mut found: BTreeMap<u32, Interface> = BTreeMap::new();
        let links = socket.links(|link| {
            let state = match (link.loopback, link.up) {
                (true, _) => LinkState::Loopback,
                (false, true) => LinkState::Up,
                (false, false) => LinkState::Down,
            };
            let index = link.index.0;
            found.insert(index, Interface { index, name: link.name, kind: link.kind, state, addresses: Vec::new() });
        })?;
        let addresses = socket.addresses(|address| {
            let unusable = address.tentative || address.duplicate || address.deprecated && address.address.is_ipv6();
            // The network of an address with a peer is the peer's: the address is alone then.
            let alone = Family::of(address.address).bits();
            let length = if address.peer.is_some() { alone } else { address.network.prefix() };
            let known = found.get_mut(&address.link.0).filter(|_| !unusable);
            if let (Some(interface), Some(usable)) = (known, InterfaceAddress::new(address.address, length)) {
                interface.addresses.push(usable);
            }
        })?;
        if (links, addresses) == (Dumped::Complete, Dumped::Complete) {
            return Ok(found.into_values().collect());
        }
    }
    Err(ListingError::Changing)
}

fn default_route(family: Family, route: &Route) -> Option<DefaultRoute> {
    let leg = route.legs.first().filter(|_| route.kind == RouteKind::Unicast && route.prefix.prefix() == 0)?;
    let interface = leg.oif?.0;
    Some(DefaultRoute { family, interface, metric: route.metric, source: route.preferred_source })
}

/// The source that the kernel chooses for packets to a host: of a socket that sends nothing.
fn source_towards(destination: &str, family: Family) -> io::Result<IpAddr> {
    let any: IpAddr = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    let bare = destination.trim_start_matches('[').trim_end_matches(']');
    let target = (bare, 80).to_socket_addrs()?.find(|address| Family::of(address.ip()) == family);
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(target.ok_or(io::ErrorKind::NotFound)?)?;
    Ok(socket.local_addr()?.ip())
}
