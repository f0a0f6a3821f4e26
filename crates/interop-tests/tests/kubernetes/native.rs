//! A node in a cluster that has Calico's objects natively, in `projectcalico.org/v3`, and no other definitions of Calico's.

use heddle_interop_tests::kubernetes::client::parse;
use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::{Value, json};

use crate::audit::Audit;
use crate::site::{BLOCK, NODE, Site, count, permit_status};
use crate::{filters, identity, wire};

/// Kinds of which a node wants its own.
const OF_NODES: [&str; 2] = ["blockaffinities", "caliconodestatuses"];

fn start(audit: &Audit) -> Cluster {
    Cluster::start(&Options { calico: vec![CalicoApi::Native], arguments: audit.arguments(), ..Options::default() })
}

/// Lists and watches of [`OF_NODES`]: whether the API server was to select those of the node, and its answer.
fn asked(audit: &Audit) -> Vec<(bool, u64)> {
    let events = audit.events();
    let of_nodes = |event: &&Value| {
        let of = |name: &str, all: &[&str]| all.iter().any(|one| event.pointer(name) == Some(&json!(one)));
        of("/objectRef/resource", &OF_NODES) && of("/verb", &["list", "watch"])
    };
    let selects = |event: &Value| {
        let uri = event["requestURI"].as_str().unwrap_or_default();
        uri.contains(&format!("fieldSelector=spec.node%3D{NODE}"))
    };
    let answer = |event: &Value| event["responseStatus"]["code"].as_u64().unwrap_or_default();
    events.iter().filter(of_nodes).map(|event| (selects(event), answer(event))).collect()
}

/// Cases that are the same in all places, and the node's status: everything is in the one API that there is, and nothing is asked of the
/// other. The definitions name no field to select by: that is asked for once a kind, and then all is.
pub(crate) fn alone() {
    let audit = Audit::new();
    let cluster = start(&audit);
    permit_status(&cluster);
    for case in [wire::peers, wire::configuration, wire::blocks, wire::filters, filters::operations, identity::status] {
        case(&cluster);
    }
    let elsewhere =
        |event: &Value| event["requestURI"].as_str().is_some_and(|uri| uri.contains("crd.projectcalico.org"));
    assert_eq!(audit.events().into_iter().find(elsewhere), None);
    let asked = asked(&audit);
    assert!(asked.contains(&(true, 400)) && asked.contains(&(false, 200)), "{asked:?}");
    let wrong = |(selects, answer): &(bool, u64)| *selects == (*answer == 200);
    assert_eq!(asked.iter().find(|asked| wrong(asked)), None, "{asked:?}");
}

/// Definitions that name the field: the API server sends a node its own objects, and no others.
pub(crate) fn selected_by_the_server() {
    let audit = Audit::new();
    let cluster = start(&audit);
    for mut definition in parse(CalicoApi::Native.definitions()) {
        if OF_NODES.iter().any(|plural| definition["spec"]["names"]["plural"] == *plural) {
            definition["spec"]["versions"][0]["selectableFields"] = json!([{"jsonPath": ".spec.node"}]);
            cluster.admin().apply_object(&definition).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    for plural in OF_NODES {
        let path = format!("/apis/projectcalico.org/v3/{plural}?fieldSelector=spec.node%3Dworker-9");
        wait_for(&format!("{plural} can be selected"), PATIENCE, || cluster.admin().get(&path).map(drop));
    }
    let site = Site::start("kubernetes::native::selected_by_the_server", &cluster);
    site.tor().wait_route(BLOCK);
    let block = |node: &str, third: u8| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: {node}-10-20-{third}-0-26}}, spec: {{
              state: confirmed, node: {node}, type: host, cidr: 10.20.{third}.0/26, deleted: false}}}}"
        )
    };
    site.apply(&block("worker-2", 2));
    site.apply(&block(NODE, 1));
    site.tor().wait_route("10.20.1.0/26");
    let report = site.await_report("has its own", |report| count(report, "BlockAffinity") == 2);
    assert!(report["datastore"]["last_error"].is_null(), "{report}");
    // The log is written behind the answer.
    wait_for("both kinds were listed and watched", PATIENCE, || {
        let asked = asked(&audit);
        ensure(asked.len() >= 2 * OF_NODES.len(), || format!("{asked:?}"))
    });
    let asked = asked(&audit);
    assert!(asked.iter().all(|asked| *asked == (true, 200)), "{asked:?}");
}
