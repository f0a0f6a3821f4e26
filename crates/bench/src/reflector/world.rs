//! Two namespaces joined by a veth: the daemon in one; in the other the generator, with the addresses of all clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

use heddle_bgp_core::Family;
use heddle_lab::namespace::Namespace;
use heddle_netlink::{Control, ControlError, IpNetwork, Leg, LinkIndex, MacAddress, Protocol, Route, VethEnd};

use super::target::ClientNumber;

const LINK: &str = "eth0";
/// The hardware addresses of the daemon's end and of the generator's.
const MACS: [MacAddress; 2] = [MacAddress([2, 0, 0, 77, 0, 1]), MacAddress([2, 0, 0, 77, 0, 2])];

/// Addresses are usable at once.
const SETTINGS: &[(&str, &str)] = &[("ipv6/conf/all/accept_dad", "0"), ("ipv6/conf/default/accept_dad", "0")];

/// The two namespaces.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) daemon: Namespace,
    pub(crate) generator: Namespace,
}

/// The daemon's address.
pub(crate) fn daemon_address(family: Family) -> IpAddr {
    if family == Family::IPV4_UNICAST {
        ROUTER_ID.into()
    } else {
        IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1))
    }
}

/// An address of the generator that is no client's.
fn observer(family: Family) -> IpAddr {
    if family == Family::IPV4_UNICAST {
        Ipv4Addr::new(10, 77, 0, 2).into()
    } else {
        IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2))
    }
}

fn unspecified(family: Family) -> IpAddr {
    if family == Family::IPV4_UNICAST { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// BGP Identifier and CLUSTER_ID of every daemon.
pub(crate) const ROUTER_ID: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// A client's BGP Identifier, and its address where sessions run over IPv4: 10.77.1.0 and up.
pub(crate) fn client_id(client: ClientNumber) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 77, 1, 0)).wrapping_add(client.0.into()))
}

/// A client's address.
pub(crate) fn client_address(family: Family, client: ClientNumber) -> IpAddr {
    if family == Family::IPV4_UNICAST {
        client_id(client).into()
    } else {
        IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 1, client.0))
    }
}

impl World {
    /// For clients from the first to this one.
    pub(crate) fn new(family: Family, clients: u16) -> anyhow::Result<Self> {
        let world = Self { daemon: Namespace::new()?, generator: Namespace::new()? };
        world.daemon.set(SETTINGS)?;
        world.generator.set(SETTINGS)?;
        let clients: Vec<IpAddr> = (0..clients).map(|number| client_address(family, ClientNumber(number))).collect();
        let daemon = daemon_address(family);
        world.daemon.run(|| -> anyhow::Result<()> {
            let mut control = Control::open()?;
            let end = VethEnd { mac: Some(MACS[0]), ..VethEnd::new(LINK) };
            let peer = VethEnd { mac: Some(MACS[1]), ..VethEnd::new(LINK).namespace(world.generator.as_fd()) };
            control.create_veth(&end, &peer)?;
            let link = bring_up(&mut control)?;
            control.add_address(link, IpNetwork::new(daemon, subnet(family))?)?;
            // Nobody has to be asked for, and no table of neighbours grows too large.
            clients.iter().try_for_each(|client| control.set_neighbour(link, *client, MACS[1]))?;
            // Any next hop is reachable, for daemons that ask the kernel.
            control.set_neighbour(link, observer(family), MACS[1])?;
            let default = IpNetwork::new(unspecified(family), 0)?;
            control.add_route(&Route::new(default, Protocol::BOOT).leg(Leg::via(observer(family), link)))?;
            Ok(())
        })??;
        world.generator.run(|| -> anyhow::Result<()> {
            let mut control = Control::open()?;
            let link = bring_up(&mut control)?;
            // First, so that it is the address of a connection that asks for none.
            control.add_address(link, IpNetwork::new(observer(family), subnet(family))?)?;
            for client in &clients {
                control.add_address(link, IpNetwork::new(*client, subnet(family))?)?;
            }
            control.set_neighbour(link, daemon, MACS[0])?;
            Ok(())
        })??;
        Ok(world)
    }
}

fn subnet(family: Family) -> u8 {
    if family == Family::IPV4_UNICAST { 16 } else { 64 }
}

fn bring_up(control: &mut Control) -> Result<LinkIndex, ControlError> {
    control.set_up(LinkIndex::LOOPBACK)?;
    let link = control.link(LINK)?.index;
    control.set_up(link)?;
    Ok(link)
}
