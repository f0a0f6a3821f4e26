//! Doing and undoing what the schedule says.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, bail};
use heddle_lab::host::Host;
use heddle_lab::process::Process;
use heddle_netlink::{Family, IpNetwork, Leg, LinkIndex, Protocol, Route};
use nix::sys::signal::Signal;

use crate::api;
use crate::fault::{Damage, Fault, File, FileChange};
use crate::world::World;

/// Whose routes take the places of ours, and come in bursts.
const USURPER: Protocol = Protocol(99);
const GARBAGE: &str = "garbage.yaml";
const DOUBLE: &str = "double.yaml";
/// How long a program that is stopped may take to end.
const END: Duration = Duration::from_secs(5);

impl World {
    /// A fault begins.
    pub(crate) fn begin(&mut self, fault: &Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Cut { link } => Ok(self.fabric.break_down(&format!("link {link}").parse()?)?),
            Fault::Loss { host, percent } => self.lose(host, *percent),
            Fault::Silence { host } => self.lose(host, 100),
            Fault::Delay { host, milliseconds } => self.delay(host, *milliseconds),
            Fault::Kill { host } => Ok(self.fabric.process(host, None, Process::kill)?),
            Fault::Stop { host } => self.stop(host),
            Fault::Freeze { host } => Ok(self.fabric.process(host, None, Process::freeze)?),
            Fault::Clear { host, pick } => self.session(host, &self.peer(host, *pick)?, "clear", r#"{"text":"soak"}"#),
            Fault::Refresh { host, pick } => self.session(host, &self.peer(host, *pick)?, "refresh", "{}"),
            Fault::Down { host, pick } => {
                let peer = self.peer(host, *pick)?;
                self.session(host, &peer, "down", r#"{"text":"soak"}"#)?;
                self.shut.insert(host.clone(), peer);
                Ok(())
            }
            Fault::Drain { host } => {
                self.drained.insert(host.clone());
                api::post(&self.socket(host)?, "/v1/node/drain", "{}")
            }
            Fault::Delete { host, pick } => self.strike_routes(host, *pick, Strike::Delete),
            Fault::Change { host, pick } => self.strike_routes(host, *pick, Strike::Change),
            Fault::Usurp { host, pick } => self.strike_routes(host, *pick, Strike::Usurp),
            Fault::Burst { host, routes } => self.burst(host, *routes),
            Fault::Datastore(damage) => self.damage(*damage),
            Fault::Block { host } => self.toggle_block(host),
            Fault::Reflector { host, change } => self.change_reflector(host, Some(*change)),
        }
    }

    /// It ends.
    pub(crate) fn end(&mut self, fault: &Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Cut { link } => Ok(self.fabric.heal(&format!("link {link}").parse()?)?),
            Fault::Loss { host, .. } | Fault::Silence { host } => {
                run(self.host(host)?, "nft", &["delete", "table", "inet", "soak"])
            }
            Fault::Delay { host, .. } => {
                let interfaces = self.interfaces(host);
                let host = self.host(host)?;
                interfaces.iter().try_for_each(|name| run(host, "tc", &["qdisc", "del", "dev", name, "root"]))
            }
            Fault::Kill { host } | Fault::Stop { host } => self.fabric.revive(host).map(drop).map_err(Into::into),
            Fault::Freeze { host } => Ok(self.fabric.process(host, None, Process::thaw)?),
            // Not all peers may be there that were there when it began: the same one is meant.
            Fault::Down { host, .. } => self.allow(host),
            Fault::Drain { host } => self.undrain(host),
            Fault::Usurp { host, .. } => self.usurper_goes(host),
            Fault::Datastore(damage) => self.mend(*damage),
            Fault::Reflector { host, .. } => self.change_reflector(host, None),
            Fault::Clear { .. }
            | Fault::Refresh { .. }
            | Fault::Delete { .. }
            | Fault::Change { .. }
            | Fault::Burst { .. }
            | Fault::Block { .. } => Ok(()),
        }
    }

    fn host(&self, name: &str) -> anyhow::Result<&Host> {
        Ok(self.fabric.host(name)?)
    }

    fn socket(&self, host: &str) -> anyhow::Result<std::path::PathBuf> {
        anyhow::ensure!(!self.is_frozen(host), "{host} is stopped");
        Ok(self.host(host)?.path("heddle.sock"))
    }

    /// Its cables, without those of pods.
    fn interfaces(&self, host: &str) -> Vec<String> {
        self.fabric.plan().ends(host).map(|end| end.interface.clone()).collect()
    }

    /// Loses a share of what comes to a host, for itself and for others.
    fn lose(&self, host: &str, percent: u64) -> anyhow::Result<()> {
        let mut rules = "table inet soak {\n".to_owned();
        for hook in ["input", "forward"] {
            let share = if percent >= 100 { String::new() } else { format!("numgen random mod 100 < {percent} ") };
            // What a host says to itself over loopback is no packet of a cable.
            rules.push_str(&format!(
                "chain {hook} {{ type filter hook {hook} priority 0; iifname != \"lo\" {share}drop; }}\n"
            ));
        }
        rules.push_str("}\n");
        let host = self.host(host)?;
        let file = host.write("soak.nft", &rules)?;
        run(host, "nft", &["-f", &file.display().to_string()])
    }

    /// By netem where the kernel has it; otherwise the line is so slow that what queues up comes late.
    fn delay(&self, host: &str, milliseconds: u64) -> anyhow::Result<()> {
        let (interfaces, host) = (self.interfaces(host), self.host(host)?);
        let delay = format!("{milliseconds}ms");
        for name in &interfaces {
            let qdisc = ["qdisc", "replace", "dev", name, "root"];
            let netem = [&qdisc[..], &["netem", "delay", &delay, "10ms"]].concat();
            let slow = [&qdisc[..], &["tbf", "rate", "128kbit", "burst", "4kb", "latency", &delay]].concat();
            run(host, "tc", &netem).or_else(|_| run(host, "tc", &slow))?;
        }
        Ok(())
    }

    /// Ends a program as planned, and waits until it has.
    fn stop(&self, host: &str) -> anyhow::Result<()> {
        self.fabric.process(host, None, |process| process.signal(Signal::SIGTERM))?;
        let mut waited = Duration::ZERO;
        while self.fabric.process(host, None, |process| Ok(process.is_alive()))? {
            if waited >= END {
                bail!("{host} does not end");
            }
            sleep(Duration::from_millis(5));
            waited += Duration::from_millis(5);
        }
        Ok(())
    }

    /// Mends what may still be broken when a round is over: whoever was stopped by SIGSTOP could not be told.
    pub(crate) fn heal(&mut self) -> anyhow::Result<()> {
        self.fabric.heal(&"all".parse()?)?;
        for file in File::ALL {
            self.put(file.name(), self.pristine(file))?;
        }
        // Whoever has been killed since has forgotten it.
        for host in self.shut.keys().cloned().collect::<Vec<_>>() {
            let _ = self.allow(&host);
        }
        for host in self.drained.clone() {
            let _ = self.undrain(&host);
        }
        self.shut.clear();
        self.drained.clear();
        Ok(())
    }

    fn allow(&mut self, host: &str) -> anyhow::Result<()> {
        if let Some(peer) = self.shut.get(host) {
            self.session(host, peer, "up", "{}")?;
            self.shut.remove(host);
        }
        Ok(())
    }

    fn undrain(&mut self, host: &str) -> anyhow::Result<()> {
        api::post(&self.socket(host)?, "/v1/node/drain", r#"{"step":"undo"}"#)?;
        self.drained.remove(host);
        Ok(())
    }

    /// One of a host's peers.
    fn peer(&self, host: &str, pick: u64) -> anyhow::Result<String> {
        anyhow::ensure!(!self.is_frozen(host), "{host} is stopped");
        let mut sessions = self.fabric.sessions(host)?;
        let index = usize::try_from(pick % (sessions.len() as u64).max(1))?;
        anyhow::ensure!(index < sessions.len(), "{host} has no session");
        Ok(sessions.swap_remove(index).peer)
    }

    fn session(&self, host: &str, peer: &str, action: &str, body: &str) -> anyhow::Result<()> {
        api::post(&self.socket(host)?, &format!("/v1/peers/{peer}/{action}"), body)
    }

    /// The routes of a protocol in a host's kernel.
    pub(crate) fn routes_of(&self, host: &str, protocol: Protocol) -> anyhow::Result<Vec<Route>> {
        let mut all = Vec::new();
        for family in Family::BOTH {
            all.extend(self.fabric.kernel_routes(host, family)?);
        }
        all.retain(|route| route.protocol == protocol);
        Ok(all)
    }

    /// What is struck may be gone by itself at that moment: that is no fault.
    fn strike_routes(&self, host: &str, pick: u64, strike: Strike) -> anyhow::Result<()> {
        let ours = self.routes_of(host, Protocol::HEDDLE)?;
        let chosen = ours.iter().enumerate().filter(|(index, _)| pick >> (index % 64) & 1 == 1);
        let host = self.host(host)?;
        for (_, route) in chosen {
            let _ = host.kernel(|control| match strike {
                Strike::Delete => control.delete_route(route),
                Strike::Change => {
                    control.replace_route(&Route::new(route.prefix, Protocol::HEDDLE).metric(route.metric).blackhole())
                }
                Strike::Usurp => control.replace_route(&Route { protocol: USURPER, ..route.clone() }),
            });
        }
        Ok(())
    }

    fn usurper_goes(&self, host: &str) -> anyhow::Result<()> {
        let routes = self.routes_of(host, USURPER)?;
        let host = self.host(host)?;
        for route in &routes {
            // A link that is cut may have taken it meanwhile.
            let _ = host.kernel(|control| control.delete_route(route));
        }
        Ok(())
    }

    fn burst(&self, host: &str, routes: u64) -> anyhow::Result<()> {
        let host = self.host(host)?;
        let burst = (0..u32::try_from(routes)?).map(|number| {
            let address = std::net::Ipv4Addr::from(u32::from(std::net::Ipv4Addr::new(10, 99, 0, 0)) + number);
            let prefix = IpNetwork::from(std::net::IpAddr::V4(address));
            Route::new(prefix, USURPER).metric(1024).leg(Leg::device(LinkIndex::LOOPBACK))
        });
        let burst: Vec<Route> = burst.collect();
        host.kernel(|control| {
            burst.iter().try_for_each(|route| control.replace_route(route))?;
            burst.iter().try_for_each(|route| control.delete_route(route))
        })?;
        Ok(())
    }

    fn damage(&self, damage: Damage) -> anyhow::Result<()> {
        let directory = self.fabric.datastore();
        let configuration = self.pristine(File::Configuration);
        match damage {
            Damage::Half { file, parts } => {
                let whole = self.pristine(file);
                let half = whole.get(..whole.len() * usize::from(parts) / 256).unwrap_or_default();
                // In its place, as an editor does that is in the middle of it.
                Ok(fs::write(directory.join(file.name()), half)?)
            }
            Damage::Empty(file) => Ok(fs::write(directory.join(file.name()), "")?),
            Damage::Garbage => Ok(fs::write(directory.join(GARBAGE), b"\x00\xff{[: \xc3\x28\nkind: &a [*a, *a]\n")?),
            Damage::Missing => Ok(fs::rename(&directory, directory.with_extension("away"))?),
            Damage::Doubled => {
                let nodes = self.pristine(File::Nodes);
                let first = nodes.split("---\n").next().unwrap_or_default();
                let node = self.scene.nodes.first().context("no node")?;
                self.put(DOUBLE, &first.replace(&format!("name: {node}\n"), "name: double\n"))
            }
            Damage::AsNumber => {
                self.put(File::Configuration.name(), &configuration.replace("asNumber: 64512", "asNumber: 64999"))
            }
            Damage::Mesh => {
                let meshed = configuration.replace("nodeToNodeMeshEnabled: false", "nodeToNodeMeshEnabled: true");
                self.put(File::Configuration.name(), &meshed)
            }
            Damage::Communities => {
                let more =
                    "  prefixAdvertisements:\n  - {cidr: 10.244.0.0/16, communities: ['65000:100', '65000:7:8']}\n";
                self.put(File::Configuration.name(), &format!("{}\n{more}", configuration.trim_end()))
            }
            Damage::NoPeers => self.put(File::Peers.name(), "# none\n"),
        }
    }

    fn mend(&self, damage: Damage) -> anyhow::Result<()> {
        let directory = self.fabric.datastore();
        match damage {
            Damage::Half { file, .. } | Damage::Empty(file) => self.put(file.name(), self.pristine(file)),
            Damage::Garbage => Ok(fs::remove_file(directory.join(GARBAGE))?),
            Damage::Missing => Ok(fs::rename(directory.with_extension("away"), &directory)?),
            Damage::Doubled => Ok(fs::remove_file(directory.join(DOUBLE))?),
            Damage::AsNumber | Damage::Mesh | Damage::Communities => {
                self.put(File::Configuration.name(), self.pristine(File::Configuration))
            }
            Damage::NoPeers => self.put(File::Peers.name(), self.pristine(File::Peers)),
        }
    }

    /// Changes the file of a reflector, or changes it back, and says so to the process.
    fn change_reflector(&self, name: &str, change: Option<FileChange>) -> anyhow::Result<()> {
        const FILE: &str = "route-reflector.toml";
        const WHOLE: &str = "route-reflector.toml.whole";
        let host = self.host(name)?;
        match change {
            None => fs::rename(host.path(WHOLE), host.path(FILE))?,
            Some(change) => {
                let text = fs::read_to_string(host.path(FILE))?;
                host.write(WHOLE, &text)?;
                let changed = match change {
                    FileChange::Broken => format!("{text}\n[[peers]]\naddress = 5\n"),
                    FileChange::HoldTime => text.replace("hold_time = 9", "hold_time = 12"),
                    FileChange::Peer => {
                        format!("{text}\n[[peers]]\naddress = \"10.64.99.99\"\ngroup = \"nodes\"\n")
                    }
                };
                host.write(FILE, &changed)?;
            }
        }
        // It may be dead at the moment: then it reads the file when it starts.
        let _ = self.fabric.process(name, None, |process| process.signal(Signal::SIGHUP));
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Strike {
    Delete,
    Change,
    Usurp,
}

/// Runs a program on a host and waits for its end.
fn run(host: &Host, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let run = || Command::new(program).args(arguments).output();
    let output = host.namespace().run(run)?.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
