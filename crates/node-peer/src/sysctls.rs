//! Settings of the kernel that forwarding needs: looked at when forwarding begins and when there is another workload
//! interface, of which only its own are looked at: there may be tens of thousands of others. What is wrong is said once, and
//! set where that is asked for. Files are read on a thread that may wait.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use heddle_admin::types::SysctlReport;
use heddle_fib_sync::settings::ManageSysctls;
use heddle_fib_sync::sysctl::{self, Finding, Outcome};
use tracing::{info, warn};

use crate::forwarding::ForwardingTable;

/// The shortest time between two looks: pods come in numbers.
const APART: Duration = Duration::from_millis(200);

/// Looks again and again until it is dropped.
pub(crate) async fn follow(table: Arc<ForwardingTable>) {
    let mut said = Said::default();
    let mut which = Which::All;
    loop {
        for finding in check(&table, Wish::AsConfigured, which).await {
            said.say(&finding);
        }
        tokio::time::sleep(APART).await;
        which = Which::These(table.new_workload_interfaces().await);
    }
}

/// What is wrong, for the API; nothing is set.
pub(crate) async fn report(table: &ForwardingTable) -> Vec<SysctlReport> {
    check(table, Wish::OnlyLook, Which::All).await.into_iter().map(of).collect()
}

/// Whether what is wrong may be set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    AsConfigured,
    OnlyLook,
}

/// The interfaces whose settings are looked at. Those of the whole machine are always.
enum Which {
    All,
    These(BTreeSet<Arc<str>>),
}

async fn check(table: &ForwardingTable, wish: Wish, which: Which) -> Vec<Finding> {
    let found = table.look(|fib| {
        let interfaces: Vec<Arc<str>> = match which {
            Which::All => fib.interface_names().into_iter().map(|interface| interface.name).collect(),
            Which::These(names) => names.into_iter().collect(),
        };
        (fib.settings().clone(), interfaces)
    });
    let Some((mut settings, interfaces)) = found.await else { return Vec::new() };
    if wish == Wish::OnlyLook {
        settings.manage_sysctls = ManageSysctls::No;
    }
    let ipv6 = table.ipv6();
    let look = move || {
        let names: Vec<&str> = interfaces.iter().map(|name| &**name).collect();
        sysctl::check(&settings, &names, ipv6)
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

fn of(finding: Finding) -> SysctlReport {
    SysctlReport {
        name: finding.name,
        found: finding.found.unwrap_or_else(|| "unreadable".to_owned()),
        wanted: finding.wanted.to_owned(),
        why: finding.why.to_owned(),
    }
}

/// What was said already.
#[derive(Debug, Default)]
struct Said(BTreeSet<String>);

impl Said {
    /// Whether this is the first time.
    fn is_new(&mut self, finding: &Finding) -> bool {
        finding.outcome == Outcome::Set || self.0.insert(finding.name.clone())
    }

    fn say(&mut self, finding: &Finding) {
        if !self.is_new(finding) {
            return;
        }
        let Finding { name, found, wanted, why, outcome } = finding;
        let found = found.as_deref().unwrap_or("unreadable");
        match outcome {
            Outcome::Reported => warn!("{why}: {name} is {found}; set it to {wanted}, or start with --manage-sysctls"),
            Outcome::Set => info!("{name} was {found} and is {wanted} now"),
            Outcome::Failed(reason) => warn!("{why}: {name} is {found} and cannot be set to {wanted}: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_once_and_what_was_set_each_time() {
        let finding = |outcome| Finding {
            name: "net.ipv4.ip_forward".to_owned(),
            found: Some("0".to_owned()),
            wanted: "1",
            why: "IPv4 packets are not forwarded",
            outcome,
        };
        let mut said = Said::default();
        assert!(said.is_new(&finding(Outcome::Reported)));
        assert!(!said.is_new(&finding(Outcome::Reported)));
        assert!(said.is_new(&finding(Outcome::Set)) && said.is_new(&finding(Outcome::Set)));
    }
}
