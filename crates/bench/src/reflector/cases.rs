//! The cases, with their sizes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use heddle_bgp_core::Family;

use super::generator::Phase;
use super::index::{Block, Index};
use super::routes::{Attributes, Updates, recording};
use super::scenario::{ClientPlan, Drive, Load, Probing, Scenario, reflection};
use super::session::AddPath;
use super::target::{ClientNumber, Passage, Target};
use super::world::client_address;
use crate::args::{Reflector, ReflectorCase};

/// Seconds; nobody's default is higher.
const HOLD_TIME: u16 = 240;
/// LOCAL_PREF where nothing depends on it.
const LOCAL_PREF: u32 = 100;

fn target(index: &Index, sends: &[(ClientNumber, Bytes)]) -> Arc<Target> {
    let mut target = Target::empty(index.count());
    for (client, octets) in sends {
        target.apply(index, *client, Passage::Reflected(reflection(*client)), octets);
    }
    Arc::new(target)
}

fn clients(count: u16) -> Vec<ClientPlan> {
    vec![ClientPlan::default(); usize::from(count)]
}

/// Makes the scenario of a case.
pub(crate) fn scenario(args: &Reflector) -> anyhow::Result<Scenario> {
    let sizes = Sizes { clients: args.clients, routes: args.routes, receivers: args.receivers };
    match args.case {
        ReflectorCase::Cluster => cluster(sizes.clients(200), sizes.routes(4)),
        ReflectorCase::Table => table(args.family(), sizes.routes(1_000_000), sizes.receivers(5)),
        ReflectorCase::Mesh => mesh(sizes.clients(20), sizes.routes(20_000)),
        ReflectorCase::Best => best(sizes.clients(10), sizes.routes(200_000)),
        ReflectorCase::FanOut => fan_out(sizes.routes(100_000), sizes.receivers(300), FanOut::Plain),
        ReflectorCase::FanOutAddPath => fan_out(sizes.routes(100_000), sizes.receivers(300), FanOut::AddPath),
        ReflectorCase::FanOutPolicies => fan_out(sizes.routes(100_000), sizes.receivers(300), FanOut::Policies),
        ReflectorCase::Internet => internet(&args.recording, sizes.receivers(20)),
        ReflectorCase::Latency => latency(args, Load::Idle, sizes.routes(1_000_000), sizes.receivers(5)),
        ReflectorCase::LatencyUnderLoad => latency(args, Load::Phases, sizes.routes(1_000_000), sizes.receivers(5)),
        ReflectorCase::Churn => churn(args, sizes.routes(10_000), sizes.receivers(5)),
        ReflectorCase::Stall => {
            stall(sizes.routes(100_000), sizes.receivers(100), Duration::from_secs(args.seconds.unwrap_or(30)))
        }
    }
}

/// Sizes that were asked for.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    clients: Option<u16>,
    routes: Option<u32>,
    receivers: Option<u16>,
}

impl Sizes {
    fn clients(self, default: u16) -> u16 {
        self.clients.unwrap_or(default)
    }

    fn receivers(self, default: u16) -> u16 {
        self.receivers.unwrap_or(default)
    }

    fn routes(self, default: u32) -> usize {
        usize::try_from(self.routes.unwrap_or(default)).unwrap_or(usize::MAX)
    }
}

/// Routes of one client, six with the same attributes; `first_set` tells them from those of others.
fn advertise(
    block: Block,
    client: ClientNumber,
    numbers: std::ops::Range<usize>,
    local_pref: impl Fn(usize) -> u32,
    first_set: u32,
) -> anyhow::Result<Bytes> {
    let next_hop = client_address(block.family(), client);
    let mut updates = Updates::new(block);
    updates.advertise_sets(numbers, |set| {
        Ok(Attributes { next_hop, number: first_set + u32::try_from(set)?, local_pref: local_pref(set) })
    })?;
    Ok(updates.finish())
}

fn withdraw(block: Block, numbers: std::ops::Range<usize>) -> Bytes {
    let mut updates = Updates::new(block);
    updates.withdraw(numbers);
    updates.finish()
}

fn phase(name: &'static str, index: &Index, sends: Vec<(ClientNumber, Bytes)>) -> Phase {
    let target = target(index, &sends);
    Phase { name, sends, target }
}

fn withdrawal(index: &Index, sends: Vec<(ClientNumber, Bytes)>) -> Phase {
    Phase { name: "withdrawal", sends, target: Arc::new(Target::empty(index.count())) }
}

/// All to all: each client has its own part of the destinations.
fn all_to_all(block: Block, count: u16, each: usize) -> anyhow::Result<Vec<(ClientNumber, Bytes)>> {
    let one = |number: u16| {
        let begin = usize::from(number) * each;
        let client = ClientNumber(number);
        Ok((client, advertise(block, client, begin..begin + each, |_| LOCAL_PREF, 0)?))
    };
    (0..count).map(one).collect()
}

fn cluster(count: u16, each: usize) -> anyhow::Result<Scenario> {
    let block = Block::v4(26, usize::from(count) * each);
    let index = Index::Block(block);
    let phases = vec![phase("advertisement", &index, all_to_all(block, count, each)?)];
    Ok(Scenario {
        title: format!("cluster: {count} clients with {each} routes each, all to all"),
        index: Arc::new(index),
        clients: clients(count),
        hold_time: HOLD_TIME,
        phases,
        drive: Drive::Phases,
    })
}

fn mesh(count: u16, each: usize) -> anyhow::Result<Scenario> {
    let block = Block::v4(24, usize::from(count) * each);
    let index = Index::Block(block);
    let own = |number: u16| {
        let begin = usize::from(number) * each;
        (ClientNumber(number), withdraw(block, begin..begin + each))
    };
    let phases = vec![
        phase("advertisement", &index, all_to_all(block, count, each)?),
        withdrawal(&index, (0..count).map(own).collect()),
    ];
    Ok(Scenario {
        title: format!("mesh: {count} clients with {each} routes each, all to all"),
        index: Arc::new(index),
        clients: clients(count),
        hold_time: HOLD_TIME,
        phases,
        drive: Drive::Phases,
    })
}

/// The first client sends to all others.
fn one_to_many(block: Block, routes: usize) -> anyhow::Result<[Phase; 2]> {
    let sender = ClientNumber(0);
    let index = Index::Block(block);
    let sends = vec![(sender, advertise(block, sender, 0..routes, |_| LOCAL_PREF, 0)?)];
    let advertisement = phase("advertisement", &index, sends);
    Ok([advertisement, withdrawal(&index, vec![(sender, withdraw(block, 0..routes))])])
}

fn block(family: Family, count: usize) -> Block {
    if family == Family::IPV4_UNICAST { Block::v4(24, count) } else { Block::v6(count) }
}

fn table(family: Family, routes: usize, receivers: u16) -> anyhow::Result<Scenario> {
    let block = block(family, routes);
    Ok(Scenario {
        title: format!("table: {routes} routes ({family}) of one client to {receivers} others"),
        index: Arc::new(Index::Block(block)),
        clients: clients(receivers + 1),
        hold_time: HOLD_TIME,
        phases: one_to_many(block, routes)?.into(),
        drive: Drive::Phases,
    })
}

/// What a fan-out has beside many receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FanOut {
    Plain,
    /// Every tenth receiver takes several paths.
    AddPath,
    /// Ten export policies take turns.
    Policies,
}

fn fan_out(routes: usize, receivers: u16, kind: FanOut) -> anyhow::Result<Scenario> {
    let block = Block::v4(24, routes);
    let mut all = clients(receivers + 1);
    for (number, client) in (0u16..).zip(all.iter_mut().skip(1)) {
        match kind {
            FanOut::AddPath if number % 10 == 0 => client.add_path = AddPath::Receive,
            FanOut::Policies => client.policy = Some(number % 10 + 1),
            FanOut::Plain | FanOut::AddPath => {}
        }
    }
    let with = match kind {
        FanOut::Plain => "",
        FanOut::AddPath => ", a tenth of them with ADD-PATH",
        FanOut::Policies => ", with ten export policies",
    };
    let [advertisement, _] = one_to_many(block, routes)?;
    Ok(Scenario {
        title: format!("fan-out: {routes} routes to {receivers} receivers{with}"),
        index: Arc::new(Index::Block(block)),
        clients: all,
        hold_time: HOLD_TIME,
        phases: vec![advertisement],
        drive: Drive::Phases,
    })
}

/// Each client has all destinations; whose route is the best takes turns from set to set.
fn best(count: u16, routes: usize) -> anyhow::Result<Scenario> {
    let block = Block::v4(24, routes);
    let index = Index::Block(block);
    let sets = u32::try_from(routes)? / 6 + 1;
    let one = |number: u16| {
        let client = ClientNumber(number);
        let rank = |set: usize| {
            let turn = (set + usize::from(number)) % usize::from(count);
            LOCAL_PREF + u32::try_from(turn).unwrap_or_default()
        };
        Ok((client, advertise(block, client, 0..routes, rank, sets * u32::from(number))?))
    };
    let sends = (0..count).map(one).collect::<anyhow::Result<_>>()?;
    let phases = vec![phase("advertisement", &index, sends)];
    Ok(Scenario {
        title: format!("best: {count} clients with the same {routes} destinations, each with other attributes"),
        index: Arc::new(index),
        clients: clients(count),
        hold_time: HOLD_TIME,
        phases,
        drive: Drive::Phases,
    })
}

fn internet(file: &Path, receivers: u16) -> anyhow::Result<Scenario> {
    let octets = recording(file)?;
    let index = super::target::recorded(&octets);
    let phases = vec![phase("advertisement", &index, vec![(ClientNumber(0), octets)])];
    let present = (0..index.count()).filter(|number| phases.iter().all(|phase| phase.target.has(*number))).count();
    Ok(Scenario {
        title: format!("internet: {present} recorded destinations to {receivers} receivers"),
        index: Arc::new(index),
        clients: clients(receivers + 1),
        hold_time: HOLD_TIME,
        phases,
        drive: Drive::Phases,
    })
}

/// The second client sends the routes that are timed, behind those of the load.
fn latency(args: &Reflector, load: Load, routes: usize, receivers: u16) -> anyhow::Result<Scenario> {
    let (routes, with) = match load {
        Load::Idle => (0, String::from("nothing else to do")),
        Load::Phases => (routes, format!("while {routes} routes come and go")),
    };
    let count = 64;
    let block = Block::v4(24, routes + count);
    let probing = Probing { sender: ClientNumber(1), first: routes, count, samples: args.samples, rate: None, load };
    Ok(Scenario {
        title: format!("latency: one route at a time to {receivers} receivers, {with}"),
        index: Arc::new(Index::Block(block)),
        clients: clients(receivers + 2),
        hold_time: HOLD_TIME,
        phases: if load == Load::Phases { one_to_many(block, routes)?.into() } else { Vec::new() },
        drive: Drive::Latency(probing),
    })
}

fn churn(args: &Reflector, routes: usize, receivers: u16) -> anyhow::Result<Scenario> {
    let block = Block::v4(24, routes);
    let seconds = u32::try_from(args.seconds.unwrap_or(60))?;
    let rate = args.rate;
    let probing = Probing {
        sender: ClientNumber(0),
        first: 0,
        count: routes,
        samples: seconds * rate,
        rate: Some(rate),
        load: Load::Phases,
    };
    let [advertisement, _] = one_to_many(block, routes)?;
    Ok(Scenario {
        title: format!("churn: {rate} changes a second of {routes} routes for {seconds} s, to {receivers} receivers"),
        index: Arc::new(Index::Block(block)),
        clients: clients(receivers + 1),
        hold_time: HOLD_TIME,
        phases: vec![advertisement],
        drive: Drive::Churn(probing),
    })
}

fn stall(routes: usize, receivers: u16, time: Duration) -> anyhow::Result<Scenario> {
    let block = Block::v4(24, routes);
    let mut all = clients(receivers + 1);
    if let Some(last) = all.last_mut() {
        last.receive_buffer = Some(64 << 10);
    }
    Ok(Scenario {
        title: format!(
            "stall: {routes} routes to {receivers} receivers, one of which does not read for {} s; hold time 3 s",
            time.as_secs()
        ),
        index: Arc::new(Index::Block(block)),
        clients: all,
        hold_time: 3,
        phases: one_to_many(block, routes)?.into(),
        drive: Drive::Stall(time),
    })
}
