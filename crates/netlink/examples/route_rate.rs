//! How many routes a second the kernel of this machine takes, in a network namespace that is made for it: one message a system
//! call with an acknowledgement, one without, batched, batched with a nexthop object; then a dump of them and their deletion.
//!
//! `cargo run --release -p heddle-netlink --example route_rate [ROUTES]`, as root.

use std::env;
use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Instant;

use heddle_netlink::{
    Control, Cookie, DumpSocket, Family, IpNetwork, Leg, LinkIndex, NexthopId, NexthopObject, NexthopTarget, Protocol,
    RequestSocket, Route, RouteFilter, VethEnd, namespace,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let routes = env::args().nth(1).map_or(Ok(200_000), |text| text.parse::<u32>())?;
    let namespace = namespace::create()?;
    namespace::within(&namespace, || measure(routes))?
}

fn measure(count: u32) -> Result<()> {
    let mut control = Control::open()?;
    control.create_veth(&VethEnd::new("a0"), &VethEnd::new("a1"))?;
    let (link, peer) = (control.link("a0")?.index, control.link("a1")?.index);
    control.set_up(LinkIndex::LOOPBACK)?;
    control.set_up(peer)?;
    control.set_up(link)?;
    control.add_address(link, "192.0.2.1/24".parse()?)?;
    let gateway = Ipv4Addr::new(192, 0, 2, 2).into();
    let object = NexthopObject {
        id: NexthopId(1),
        protocol: Protocol::HEDDLE,
        target: NexthopTarget::Gateway { gateway, oif: link, onlink: false },
    };
    control.add_nexthop(&object)?;
    let base = nth(0)?;
    let classic = base.clone().leg(Leg::via(gateway, link));
    let routes = |model: &Route| -> Result<Vec<Route>> {
        (0..count).map(|n| Ok(Route { prefix: nth(n)?.prefix, ..model.clone() })).collect()
    };
    let (classic, with_object) = (routes(&classic)?, routes(&base.via_nexthop(object.id))?);

    report("one message a send, acknowledged", &classic, |routes| {
        routes.iter().try_for_each(|route| Ok(control.add_route(route)?))
    })?;
    remove(&classic)?;
    report("one message a send", &classic, |routes| {
        let mut socket = RequestSocket::open()?;
        routes.iter().try_for_each(|route| {
            socket.add(Cookie(0), route)?;
            check(socket.flush()?.all_done())
        })
    })?;
    remove(&classic)?;
    report("batched", &classic, add)?;
    report("batched replacement", &classic, |routes| batched(routes, RequestSocket::replace))?;
    report("dump", &classic, dump)?;
    report("batched deletion", &classic, remove)?;
    report("batched with a nexthop object", &with_object, add)?;
    report("deletion of the nexthop object", &with_object, |_| Ok(control.delete_nexthop(object.id)?))
}

/// The n-th of many prefixes, without legs.
fn nth(n: u32) -> Result<Route> {
    let address = Ipv4Addr::from(0x0a00_0000 + (n << 4));
    Ok(Route::new(IpNetwork::new(address.into(), 28)?, Protocol::HEDDLE))
}

fn report(what: &str, routes: &[Route], work: impl FnOnce(&[Route]) -> Result<()>) -> Result<()> {
    let start = Instant::now();
    work(routes)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:34} {:9.0} routes/s", f64::from(u32::try_from(routes.len())?) / seconds);
    Ok(())
}

type Queue = fn(&mut RequestSocket, Cookie, &Route) -> std::result::Result<(), heddle_netlink::QueueError>;

fn batched(routes: &[Route], queue: Queue) -> Result<()> {
    let mut socket = RequestSocket::open()?;
    routes.iter().try_for_each(|route| queue(&mut socket, Cookie(0), route))?;
    check(socket.flush()?.all_done())
}

fn add(routes: &[Route]) -> Result<()> {
    batched(routes, RequestSocket::add)
}

fn remove(routes: &[Route]) -> Result<()> {
    batched(routes, RequestSocket::delete)
}

fn dump(routes: &[Route]) -> Result<()> {
    let mut found = 0;
    let filter = RouteFilter::family(Family::Ipv4).protocol(Protocol::HEDDLE);
    let _ = DumpSocket::open()?.routes(&filter, |_| found += 1)?;
    check(found == routes.len())
}

fn check(fine: bool) -> Result<()> {
    if fine { Ok(()) } else { Err("the kernel did not do all that was asked".into()) }
}
