//! The forwarding table as the API shows it.

use heddle_admin::types::{FibPage, FibQuery, FibSummary, SysctlReport};
use heddle_fib_sync::FibSync;

/// The table in numbers, and what is wrong with the kernel's settings.
pub(crate) fn summary(fib: &mut FibSync) -> (FibSummary, Vec<SysctlReport>) {
    (numbers(fib), Vec::new())
}

fn numbers(fib: &FibSync) -> FibSummary {
    let c = fib.counters();
    let settings = fib.settings();
    FibSummary {
        table: settings.table,
        protocol: settings.protocol,
        desired: c.wanted,
        installed: c.installed,
        pending: c.pending,
        conflicts: c.conflicts,
        held: c.held,
        unresolved: 0,
        stale: c.stale,
        writes: c.created + c.replaced + c.deleted,
        failures: c.failures,
        repairs: c.repairs,
        resyncs: c.dumps,
        overruns: c.overruns,
    }
}

/// A page of routes.
pub(crate) fn page(fib: &mut FibSync, _query: &FibQuery) -> FibPage {
    FibPage { summary: numbers(fib), routes: Vec::new(), next: None }
}
