//! What happens in a round, and when: all of it from a seed, before any of it is done.

use std::time::Duration;

use crate::fault::{Damage, Fault, File, FileChange};
use crate::random::Random;

/// Addresses that come and go in a round at most, for each second of it.
const CHURN_PER_SECOND: u64 = 20;
/// Addresses that routes come and go to.
pub(crate) const CHURNED: u64 = 192;
/// How often a fault is drawn anew that would strike what another has at that time.
const DRAWS: u32 = 20;

/// What can be struck.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    /// Links, as `A-B`.
    pub(crate) links: Vec<String>,
    /// Hosts with a daemon, others' included.
    pub(crate) hosts: Vec<String>,
    /// Nodes, which run ours.
    pub(crate) nodes: Vec<String>,
    /// Reflectors.
    pub(crate) reflectors: Vec<String>,
    /// Hosts whose process lives from the beginning to the end, so that what grows in it shows.
    pub(crate) elders: Vec<String>,
}

/// A thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A fault begins.
    Begin(Fault),
    /// It ends: what was broken is mended.
    End(Fault),
    /// A route comes on a node, or goes from the node that has it.
    Route { number: u64, node: String },
    /// A pod comes, with an address of its node, or of another one; or the latest goes.
    Pod { node: String, pick: u64 },
}

/// A round: steps in the order of their times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) steps: Vec<(Duration, Step)>,
    /// How long it lasts.
    pub(crate) lasts: Duration,
}

/// Works out a round of about so many seconds.
pub(crate) fn of_round(scene: &Scene, seed: u64, round: u32, seconds: u64) -> Schedule {
    let mut random = Random::of_round(seed, round);
    let end = random.between(seconds * 500, seconds * 1500);
    let mut steps: Vec<(u64, Step)> = Vec::new();
    let mut busy: Vec<(String, u64, u64)> = Vec::new();
    for _ in 0..random.between(seconds / 3 + 2, seconds * 2 / 3 + 4) {
        for _ in 0..DRAWS {
            let begin = random.between(0, end);
            let Some(fault) = draw(scene, &mut random) else { break };
            let until =
                if fault.is_a_moment() { begin } else { random.between(begin + 200, (begin + 15_000).min(end + 500)) };
            let key = fault.holds();
            if busy.iter().any(|(held, from, to)| *held == key && begin <= *to + 100 && *from <= until + 100) {
                continue;
            }
            busy.push((key, begin, until));
            if !fault.is_a_moment() {
                steps.push((until, Step::End(fault.clone())));
            }
            steps.push((begin, Step::Begin(fault)));
            break;
        }
    }
    for _ in 0..end * CHURN_PER_SECOND / 1000 {
        let (at, number) = (random.between(0, end), random.between(0, CHURNED));
        let Some(node) = random.pick(&scene.nodes).cloned() else { break };
        steps.push((at, Step::Route { number, node }));
    }
    for _ in 0..end / 2000 {
        let (at, pick) = (random.between(0, end), random.next());
        let Some(node) = random.pick(&scene.nodes).cloned() else { break };
        steps.push((at, Step::Pod { node, pick }));
    }
    // Stable: what has the same time stays in the order in which it was drawn.
    steps.sort_by_key(|(at, _)| *at);
    let lasts = steps.last().map_or(end, |(at, _)| end.max(*at));
    let steps = steps.into_iter().map(|(at, step)| (Duration::from_millis(at), step)).collect();
    Schedule { steps, lasts: Duration::from_millis(lasts) }
}

fn draw(scene: &Scene, random: &mut Random) -> Option<Fault> {
    let any = random.pick(&scene.hosts)?.clone();
    let node = random.pick(&scene.nodes)?.clone();
    let reflector = random.pick(&scene.reflectors).cloned();
    let ours = reflector.clone().filter(|_| random.between(0, 3) == 0).unwrap_or_else(|| node.clone());
    let link = random.pick(&scene.links)?.clone();
    let pick = random.next();
    let mortal = !scene.elders.contains(&any);
    Some(match random.between(0, 24) {
        0 | 1 => Fault::Cut { link },
        2 | 3 => Fault::Loss { host: any, percent: random.between(3, 60) },
        4 => Fault::Delay { host: any, milliseconds: random.between(20, 1500) },
        5 | 6 => Fault::Silence { host: any },
        7 | 8 if mortal => Fault::Kill { host: any },
        9 if mortal => Fault::Stop { host: any },
        7..=10 => Fault::Freeze { host: any },
        11 => Fault::Clear { host: ours, pick },
        12 => Fault::Refresh { host: ours, pick },
        13 => Fault::Down { host: ours, pick },
        14 => Fault::Drain { host: node },
        15 => Fault::Delete { host: node, pick },
        16 => Fault::Change { host: node, pick },
        17 => Fault::Usurp { host: node, pick },
        18 => Fault::Burst { host: node, routes: random.between(500, 4000) },
        19..=21 => Fault::Datastore(damage(random)?),
        23 if reflector.is_some() => Fault::Reflector { host: reflector?, change: file_change(random)? },
        _ => Fault::Block { host: node },
    })
}

fn damage(random: &mut Random) -> Option<Damage> {
    let file = *random.pick(&File::ALL)?;
    let parts = u8::try_from(random.between(1, 256)).ok()?;
    Some(match random.between(0, 10) {
        0 | 1 => Damage::Half { file, parts },
        2 => Damage::Empty(file),
        3 => Damage::Garbage,
        4 => Damage::Missing,
        5 => Damage::Doubled,
        6 => Damage::AsNumber,
        7 => Damage::Mesh,
        8 => Damage::Communities,
        _ => Damage::NoPeers,
    })
}

fn file_change(random: &mut Random) -> Option<FileChange> {
    random.pick(&[FileChange::Broken, FileChange::HoldTime, FileChange::Peer]).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn scene() -> Scene {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect();
        Scene {
            links: names("node1-tor1 node2-tor1 rr1-spine"),
            hosts: names("node1 node2 rr1 rr2 tor1"),
            nodes: names("node1 node2"),
            reflectors: names("rr1 rr2"),
            elders: names("node1 rr1"),
        }
    }

    #[test]
    fn a_seed_says_everything() {
        let round = |seed, round| of_round(&scene(), seed, round, 20);
        assert_eq!(round(7, 3), round(7, 3));
        assert_ne!(round(7, 3), round(7, 4));
        assert_ne!(round(7, 3), round(8, 3));
    }

    #[test]
    fn all_kinds_occur_and_elders_live() {
        let mut kinds = BTreeSet::new();
        for round in 0..400 {
            for (_, step) in of_round(&scene(), 1, round, 20).steps {
                let Step::Begin(fault) = step else { continue };
                kinds.insert(fault.kind());
                if let Fault::Kill { host } | Fault::Stop { host } = &fault {
                    assert!(!scene().elders.contains(host), "{fault}");
                }
            }
        }
        assert_eq!(kinds.len(), 26, "{kinds:?}");
    }

    #[test]
    fn what_begins_ends_and_nothing_is_struck_twice_at_once() {
        for round in 0..200 {
            let schedule = of_round(&scene(), 2, round, 20);
            let mut held = BTreeMap::new();
            let mut before = Duration::ZERO;
            for (at, step) in &schedule.steps {
                assert!(*at >= before && *at <= schedule.lasts);
                before = *at;
                match step {
                    Step::Begin(fault) if !fault.is_a_moment() => {
                        let other = held.insert(fault.holds(), fault.clone());
                        assert_eq!(other, None, "round {round}: {fault}");
                    }
                    Step::Begin(fault) => assert!(!held.contains_key(&fault.holds()), "round {round}: {fault}"),
                    Step::End(fault) => assert_eq!(held.remove(&fault.holds()).as_ref(), Some(fault)),
                    Step::Route { .. } | Step::Pod { .. } => {}
                }
            }
            assert!(held.is_empty(), "round {round}: {held:?}");
        }
    }
}
