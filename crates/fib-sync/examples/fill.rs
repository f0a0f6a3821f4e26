//! How long 500,000 routes take into the kernel: through the forwarding table's thread, and through the writer alone. On a
//! machine that does other things too, compare the CPU times.
//!
//! `cargo run --release -p heddle-fib-sync --example fill [ROUTES] [never|auto|always]`, as root. Each run has a network
//! namespace of its own.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use heddle_bgp_core::{Prefix, Timestamp};
use heddle_fib_sync::settings::NexthopObjects;
use heddle_fib_sync::{Best, BestPath, BestPathSource, More, News, NextHop, Output, Runner, Settings, Source};
use heddle_netlink::{Control, Cookie, IpNetwork, Leg, LinkIndex, Protocol, RequestSocket, Route, VethEnd, namespace};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let routes: u32 = arguments.next().map_or(Ok(500_000), |text| text.parse())?;
    let objects = match arguments.next().as_deref() {
        Some("auto") => NexthopObjects::Auto,
        Some("always") => NexthopObjects::Always,
        Some(_) | None => NexthopObjects::Never,
    };
    for round in 1..=3 {
        let raw = in_namespace(|link| writer_alone(link, routes))?;
        let whole = in_namespace(|_| through_the_table(routes, objects))?;
        println!(
            "round {round}: writer {:.3} s, table {:.3} s, ratio {:.2}; of CPU {:.2} s, {:.2} s, {:.2}",
            raw.wall.as_secs_f64(),
            whole.wall.as_secs_f64(),
            whole.wall.as_secs_f64() / raw.wall.as_secs_f64(),
            raw.cpu.as_secs_f64(),
            whole.cpu.as_secs_f64(),
            whole.cpu.as_secs_f64() / raw.cpu.as_secs_f64()
        );
    }
    Ok(())
}

/// What a run took.
struct Took {
    wall: Duration,
    cpu: Duration,
}

/// CPU time of this process, user and system, in hundredths of a second as `/proc` has them.
fn cpu() -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks.saturating_mul(10)))
}

fn in_namespace(run: impl FnOnce(LinkIndex) -> Result<Duration, Failure> + Send) -> Result<Took, Failure> {
    let namespace = namespace::create()?;
    namespace::within(&namespace, || {
        let mut control = Control::open()?;
        control.create_veth(&VethEnd::new("a0"), &VethEnd::new("a1"))?;
        let (a, peer) = (control.link("a0")?.index, control.link("a1")?.index);
        control.set_up(a)?;
        control.set_up(peer)?;
        control.add_address(a, "192.0.2.1/24".parse()?)?;
        let before = cpu()?;
        let wall = run(a)?;
        Ok(Took { wall, cpu: cpu()?.saturating_sub(before) })
    })?
}

/// The destinations: /24s, one after the other; four next hops take turns by blocks of six, as updates have them.
fn destination(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000_u32.wrapping_add(number << 8))
}

fn next_hop(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0xc000_0202_u32.wrapping_add(number / 6 % 4)))
}

fn writer_alone(link: LinkIndex, routes: u32) -> Result<Duration, Failure> {
    let mut socket = RequestSocket::open()?;
    let begun = Instant::now();
    for number in 0..routes {
        let prefix = IpNetwork::new(destination(number).into(), 24)?;
        let route = Route::new(prefix, Protocol::HEDDLE).metric(1024).leg(Leg::via(next_hop(number), link));
        socket.add(Cookie(u64::from(number)), &route)?;
    }
    let results = socket.flush()?;
    let took = begun.elapsed();
    if results.all_done() { Ok(took) } else { Err(format!("{} failures", results.failures.len()).into()) }
}

/// What the RIB's journal is in the whole program.
struct Memory {
    at: u32,
    routes: u32,
}

impl BestPathSource for Memory {
    fn take(&mut self, news: &mut News) -> More {
        let end = self.at.saturating_add(1000).min(self.routes);
        news.paths.extend((self.at..end).filter_map(|number| {
            let prefix = Prefix::new(destination(number).into(), 24)?;
            let next_hops = [NextHop::new(next_hop(number))].into_iter().collect();
            Some(BestPath {
                prefix,
                best: Some(Best { source: Source::Ibgp, local_pref: Some(2_147_482_623), next_hops }),
            })
        }));
        self.at = end;
        if end < self.routes { More::Yes } else { More::No }
    }
}

fn through_the_table(routes: u32, nexthop_objects: NexthopObjects) -> Result<Duration, Failure> {
    let origin = Instant::now();
    let clock = move || Timestamp(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let (tell, told) = mpsc::channel();
    let sink = move |outputs: &mut Vec<Output>| {
        for output in outputs.drain(..) {
            let _ = tell.send(output);
        }
    };
    let begun = Instant::now();
    let settings = Settings { nexthop_objects, ..Settings::default() };
    let runner = Runner::start(settings, clock, Some(Box::new(Memory { at: 0, routes })), sink)?;
    runner.sweep();
    while told.recv_timeout(Duration::from_secs(120))? != Output::Ready {}
    loop {
        let (answer, answered) = mpsc::channel();
        runner.query(move |fib| {
            let _ = answer.send(fib.counters());
        });
        let counters = answered.recv_timeout(Duration::from_secs(120))?;
        if counters.installed == u64::from(routes) && counters.pending == 0 {
            return Ok(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
