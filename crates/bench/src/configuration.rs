//! How the daemons of a fabric are configured, as text, to be printed beside their figures.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, bail};
use heddle_lab::fabric::Fabric;
use heddle_lab::host::Host;

use crate::contender::{Contender, Setup};

/// Lines that are printed; a large mesh has one peer like the other.
const LINES: usize = 500;

/// The configuration of the first node of a fabric that has been started.
pub(crate) fn of(setup: &Setup, contender: Contender, fabric: &Fabric) -> anyhow::Result<String> {
    let node = fabric.plan().nodes().next().context("a fabric has nodes")?;
    let host = fabric.host(&node.name)?;
    let text = match contender {
        Contender::Heddle => rendered(setup, fabric, host)?,
        Contender::Bird => files(host, ["bird.conf", "bird6.conf"])?,
        Contender::Frr => files(host, ["zebra.conf", "bgpd.conf"])?,
    };
    let total = text.lines().count();
    let shown: String = text.lines().take(LINES).map(|line| format!("{line}\n")).collect();
    Ok(match total.saturating_sub(LINES) {
        0 => shown,
        more => format!("{shown}# and so on for {more} more lines\n"),
    })
}

fn files<const N: usize>(host: &Host, names: [&str; N]) -> anyhow::Result<String> {
    let one = |name: &str| {
        let path = host.path(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(format!("# {name}\n{text}"))
    };
    names.into_iter().map(one).collect()
}

/// What the program makes of the fabric's manifests.
fn rendered(setup: &Setup, fabric: &Fabric, host: &Host) -> anyhow::Result<String> {
    let mut command = Command::new(&setup.heddle);
    command.args(["config", "render", "--node", host.name(), "--datastore"]).arg(fabric.datastore());
    let output = command.output().context("heddle cannot be started")?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
