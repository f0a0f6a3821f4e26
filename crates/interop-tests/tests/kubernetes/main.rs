//! What reads a cluster's objects from a real API server and a real etcd, and these two servers themselves.
//!
//! `scripts/kubernetes` builds them. Cases that take nothing down share a cluster.

mod access;
mod golden;
mod objects;
mod restarts;
mod store;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::require::{Need, strict};
use libtest_mimic::{Arguments, Failed, Trial};

/// A case that shares a cluster with others.
type Shared = fn(&Cluster);

const SERVERS: &[Need] = &[Need::Kubernetes];

const SHARED: [(&str, &[Need], Shared); 9] = [
    ("kubernetes::objects::of_calico", SERVERS, objects::of_calico),
    ("kubernetes::objects::of_kubernetes", SERVERS, objects::of_kubernetes),
    ("kubernetes::objects::watched", SERVERS, objects::watched),
    ("kubernetes::objects::with_rules", SERVERS, objects::with_rules),
    ("kubernetes::access::forbidden", SERVERS, access::forbidden),
    ("kubernetes::access::throttled", SERVERS, access::throttled),
    ("kubernetes::access::through_a_door", SERVERS, access::through_a_door),
    ("kubernetes::access::from_a_namespace", &[Need::Kubernetes, Need::Namespaces], access::from_a_namespace),
    ("kubernetes::access::with_kubectl", &[Need::Kubernetes, Need::Kubectl], access::with_kubectl),
];

const ALONE: [(&str, fn()); 4] = [
    ("kubernetes::golden::inputs_come_back", golden::inputs_come_back),
    ("kubernetes::restarts::killed_paused_compacted", restarts::killed_paused_compacted),
    ("kubernetes::store::keys", store::keys),
    ("kubernetes::store::tls_and_users", store::tls_and_users),
];

fn main() {
    // As in the cases beside: every test program is asked for times in this way; they are printed here in any case.
    let ours = env::args().filter(|argument| !matches!(argument.as_str(), "-Z" | "unstable-options" | "--report-time"));
    let arguments = Arguments::from_iter(ours);
    let missing = |needs: &[Need]| if arguments.list { None } else { needs.iter().find_map(|need| need.missing()) };
    let cluster: Arc<OnceLock<Cluster>> = Arc::default();
    let shared = SHARED.into_iter().map(|(name, needs, run)| {
        let cluster = Arc::clone(&cluster);
        trial(name, missing(needs), move || run(cluster.get_or_init(shared_cluster)))
    });
    let alone = ALONE.into_iter().map(|(name, run)| trial(name, missing(SERVERS), run));
    let trials = shared.chain(alone).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Ends the servers, which the end of the process alone would leave to the kernel, and their data to the next run.
    drop(Arc::into_inner(cluster));
    conclusion.exit();
}

fn shared_cluster() -> Cluster {
    Cluster::start(&Options { calico: vec![CalicoApi::Crd, CalicoApi::Native], ..Options::default() })
}

fn trial(name: &'static str, missing: Option<String>, run: impl FnOnce() + Send + 'static) -> Trial {
    let skipped = missing.is_some() && !strict();
    if let Some(missing) = missing.as_deref().filter(|_| skipped) {
        eprintln!("{name} is skipped: {missing}");
    }
    Trial::test(name, move || {
        if let Some(missing) = missing {
            return Err(Failed::from(format!("needed, and CI skips nothing: {missing}")));
        }
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(run));
        println!("test {name} ... took <{:.3}s>", start.elapsed().as_secs_f64());
        result.unwrap_or_else(|panic| resume_unwind(panic));
        Ok(())
    })
    .with_ignored_flag(skipped)
}
