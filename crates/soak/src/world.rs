//! The lab under soak, and what it has to be when nothing is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use heddle_lab::addressing::{self, Pair};
use heddle_lab::fabric::{Fabric, Options, Patience};
use heddle_lab::plan::Role;
use heddle_lab::pod::Borrow;
use heddle_lab::process::Process;
use heddle_lab::topology::{Topology, TorDaemon};
use heddle_netlink::{IpNetwork, Protocol, Route};
use serde_json::json;

use crate::Args;
use crate::fault::File;
use crate::growth::Held;
use crate::pod_routes::{self, PodRoutes};
use crate::schedule::Scene;
use crate::strangers;

/// Addresses that routes come and go to: in the pool, and in no node's block.
const CHURNED: u32 = 0xc800;
/// Blocks beside those of the plan begin at this number.
const MORE_BLOCKS: usize = 512;
/// Pods that a node may have more than at the beginning.
const MORE_PODS: usize = 3;
/// The file of the blocks that nodes got later.
const BLOCKS: &str = "more-blocks.yaml";
/// How long the lab may take to come up.
const START: Duration = Duration::from_secs(120);

/// A fabric, and what has been changed in it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) fabric: Fabric,
    pub(crate) scene: Scene,
    /// The datastore's files as they should be.
    pristine: BTreeMap<&'static str, String>,
    /// Which node has a route to which of the addresses that come and go.
    pub(crate) routed: BTreeMap<u64, String>,
    /// Which nodes have a block more.
    pub(crate) more_blocks: BTreeSet<String>,
    /// Pods that came later, in this order.
    more_pods: Vec<String>,
    /// What adds routes of pods, by node.
    routes: BTreeMap<String, PodRoutes>,
    /// What strangers have laid, by node.
    pub(crate) strangers: BTreeMap<String, Vec<Route>>,
    /// Which session of a host was shut down.
    pub(crate) shut: BTreeMap<String, String>,
    /// Nodes that are drained.
    pub(crate) drained: BTreeSet<String>,
    /// How many sessions each host has when all is well.
    pub(crate) sessions: BTreeMap<String, usize>,
}

impl World {
    /// Raises the lab: two racks with a switch each and two reflectors, or with two switches each.
    pub(crate) fn up(args: &Args, directory: &Path, heddle: &Path) -> anyhow::Result<Self> {
        let directory: PathBuf = directory.join("soak");
        fs::create_dir_all(&directory)?;
        let rack: &[Option<TorDaemon>] = if args.dual_homed { &[None, None] } else { &[None] };
        let mut topology = Topology::racks(&[rack, rack], args.nodes.into());
        if !args.dual_homed {
            topology.reflectors = Topology::standard().reflectors;
        }
        let options = Options { program: heddle.to_owned(), directory };
        let fabric = Fabric::build(&topology, &options, &mut |_| {}, &|| false).context("cannot make the fabric")?;
        let strangers = strangers::lay(&fabric)?;
        fabric.start(&mut |_| {}, &|| false)?;
        let patience = Patience { limit: START, interrupted: &|| false };
        let convergence = fabric.await_convergence(patience, &mut |_| {})?;
        anyhow::ensure!(convergence.sessions.is_some(), "the lab did not come up: {convergence:?}");
        let mut routes = BTreeMap::new();
        for node in fabric.plan().nodes() {
            routes.insert(node.name.clone(), PodRoutes::of(&fabric, fabric.host(&node.name)?)?);
        }
        let mut pristine = BTreeMap::new();
        for file in File::ALL {
            let text = fs::read_to_string(fabric.datastore().join(file.name())).context(file.name())?;
            pristine.insert(file.name(), text);
        }
        let mut sessions = BTreeMap::new();
        for host in fabric.hosts() {
            sessions.insert(host.name().to_owned(), fabric.sessions(host.name())?.len());
        }
        Ok(Self {
            scene: scene(&fabric),
            fabric,
            pristine,
            routed: BTreeMap::new(),
            more_blocks: BTreeSet::new(),
            more_pods: Vec::new(),
            routes,
            strangers,
            shut: BTreeMap::new(),
            drained: BTreeSet::new(),
            sessions,
        })
    }

    /// The processes of ours: host, process id.
    pub(crate) fn ours(&self) -> Vec<(String, u32)> {
        let all = self.fabric.processes().into_iter();
        all.filter(|(_, name, ..)| self.is_ours(name)).map(|(host, _, pid, _)| (host, pid)).collect()
    }

    /// Whether a process of this name is ours.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        matches!(name, "node-peer" | "route-reflector")
    }

    /// What a process of ours holds. Whoever is stopped cannot tell its tasks.
    pub(crate) fn held(&self, host: &str, pid: u32) -> Held {
        let answer = if self.is_frozen(host) { None } else { self.fabric.api(host, "/v1/summary").ok() };
        let tasks = answer.and_then(|summary| usize::try_from(summary["tasks"].as_u64()?).ok());
        Held::by(pid, tasks.unwrap_or_default())
    }

    /// Parts of confinement (docs/confinement.md), and how many programs of ours have them in force.
    pub(crate) fn confined(&self) -> BTreeMap<String, usize> {
        let mut parts = BTreeMap::new();
        for (host, _) in self.ours() {
            let summary = self.fabric.api(&host, "/v1/summary").unwrap_or_default();
            for part in summary["confinement"].as_array().into_iter().flatten() {
                let name = part["part"].as_str().unwrap_or_default();
                *parts.entry(name.to_owned()).or_default() += usize::from(part["state"] == "in_force");
            }
        }
        parts
    }

    /// The addresses with this number among those that come and go.
    pub(crate) fn churned(number: u64) -> [IpNetwork; 2] {
        pod_routes::addresses(CHURNED + u32::try_from(number).unwrap_or_default())
    }

    /// A route comes, or goes where it is.
    pub(crate) fn toggle_route(&mut self, number: u64, node: &str) -> anyhow::Result<()> {
        let networks = Self::churned(number);
        match self.routed.remove(&number) {
            Some(owner) => {
                let routes = self.routes.get_mut(&owner).context("no such node")?;
                networks.into_iter().try_for_each(|network| routes.remove(network))
            }
            None => {
                let routes = self.routes.get_mut(node).context("no such node")?;
                networks.into_iter().try_for_each(|network| routes.add(network))?;
                self.routed.insert(number, node.to_owned());
                Ok(())
            }
        }
    }

    /// A pod comes, or the oldest of those that came goes.
    pub(crate) fn toggle_pod(&mut self, node: &str, pick: u64) -> anyhow::Result<()> {
        let limit = MORE_PODS * self.scene.nodes.len();
        if !self.more_pods.is_empty() && (pick.is_multiple_of(2) || self.more_pods.len() >= limit) {
            let name = self.more_pods.remove(0);
            return Ok(self.fabric.remove_pod(&name)?);
        }
        let other = usize::try_from(pick / 4 % 16).ok().and_then(|index| self.scene.nodes.get(index));
        let borrow = other.filter(|other| *other != node).map_or(Borrow::Own, |other| Borrow::From(other));
        self.more_pods.push(self.fabric.add_pod(node, borrow)?);
        Ok(())
    }

    /// The blocks of a node: those of the plan, and one more where it has one.
    pub(crate) fn blocks(&self, node: &str) -> Vec<IpNetwork> {
        let planned = self.fabric.plan().host(node).and_then(|host| host.blocks());
        let mut blocks: Vec<IpNetwork> = planned.into_iter().flat_map(|pair| pair.networks()).collect();
        if self.more_blocks.contains(node) {
            blocks.extend(self.more_block(node).networks());
        }
        blocks
    }

    fn more_block(&self, node: &str) -> Pair {
        let index = self.scene.nodes.iter().position(|known| known == node).unwrap_or_default();
        addressing::blocks(MORE_BLOCKS + index)
    }

    /// A node gets a block more, or loses it.
    pub(crate) fn toggle_block(&mut self, node: &str) -> anyhow::Result<()> {
        if !self.more_blocks.remove(node) {
            self.more_blocks.insert(node.to_owned());
        }
        self.put(BLOCKS, &self.more_blocks_text())
    }

    /// JSON is YAML.
    fn more_blocks_text(&self) -> String {
        let mut text = "# blocks that came later\n".to_owned();
        for node in &self.more_blocks {
            for cidr in self.more_block(node).networks() {
                let name = format!("{node}-{}", cidr.to_string().replace(['.', ':', '/'], "-"));
                let value = json!({
                    "apiVersion": "projectcalico.org/v3",
                    "kind": "BlockAffinity",
                    "metadata": {"name": name},
                    "spec": {
                        "cidr": cidr.to_string(), "node": node, "state": "confirmed", "type": "host", "deleted": false,
                    },
                });
                text.push_str(&format!("---\n{value}\n"));
            }
        }
        text
    }

    /// A file of the datastore as it should be.
    pub(crate) fn pristine(&self, file: File) -> &str {
        self.pristine.get(file.name()).map(String::as_str).unwrap_or_default()
    }

    /// Writes a file of the datastore by a rename.
    pub(crate) fn put(&self, file: &str, text: &str) -> anyhow::Result<()> {
        let directory = self.fabric.datastore();
        let half = directory.join(format!(".{file}.new"));
        fs::write(&half, text)?;
        Ok(fs::rename(&half, directory.join(file))?)
    }

    /// Kills a program, takes its routes and a stranger's away, and writes an error into its log: nothing mends that.
    pub(crate) fn sabotage(&self) -> anyhow::Result<()> {
        let node = self.scene.nodes.last().context("no node")?;
        let host = self.fabric.host(node)?;
        self.fabric.process(node, None, Process::kill)?;
        let strangers = self.strangers.get(node).into_iter().flatten().take(1).cloned();
        for route in self.routes_of(node, Protocol::HEDDLE)?.into_iter().chain(strangers) {
            host.kernel(|control| control.delete_route(&route))?;
        }
        let mut log = OpenOptions::new().append(true).open(host.path("node-peer.log"))?;
        Ok(log.write_all(b" ERROR sabotage\n")?)
    }
}

/// What can be struck. The first node and the first reflector live from the beginning to the end.
fn scene(fabric: &Fabric) -> Scene {
    let mut scene = Scene::default();
    let plan = fabric.plan();
    scene.links = plan.links.iter().map(|link| format!("{}-{}", link.lower.host, link.upper.host)).collect();
    for host in &plan.hosts {
        match &host.role {
            Role::Switch => continue,
            Role::Tor { .. } => {}
            Role::Reflector(_) => scene.reflectors.push(host.name.clone()),
            Role::Node { .. } => scene.nodes.push(host.name.clone()),
        }
        scene.hosts.push(host.name.clone());
    }
    scene.elders = scene.nodes.first().into_iter().chain(scene.reflectors.first()).cloned().collect();
    scene
}
