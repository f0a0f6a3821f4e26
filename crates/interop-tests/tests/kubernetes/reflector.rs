//! `heddle route-reflector` beside a node, with the datastore and the rights that the node has.

use std::process::Command;

use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::process::Signal;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::site::{ADDRESS, BLOCK, Site};
use crate::stores::Store;

/// A reflector takes its peers from the datastore, and follows it: here the node beside which it runs.
pub(crate) fn beside_a_node(store: &dyn Store) {
    let site = Site::start("kubernetes::reflector::beside_a_node", store);
    let options = ["--name", "r1", "--address", ADDRESS, "--port", "1790", "--as", "65001"];
    let (mut reflector, socket) = site.reflector(&options);
    site.tor().wait_route(BLOCK);
    let peers = || -> Result<Vec<Value>, String> {
        let output = Command::new(program()).args(["show", "peers", "--json", "--socket"]).arg(&socket).output();
        let output = output.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        Ok(answer["peers"].as_array().cloned().unwrap_or_default())
    };
    wait_for("nobody peers with it yet", PATIENCE, || {
        peers().and_then(|all| ensure(all.is_empty(), || format!("{all:?}")))
    });
    let peer = "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: reflector}, spec: {
  peerIP: '10.0.0.1:1790', asNumber: 65001, reversePeering: Manual}}";
    site.apply(peer);
    wait_for("the node is its peer, and tells its block", PATIENCE, || {
        let all = peers()?;
        let told = |peer: &Value| peer["state"] == "established" && peer["received"] == 1;
        ensure(all.len() == 1 && all.iter().all(told), || format!("{all:?}"))
    });
    site.delete("BGPPeer", "reflector");
    wait_for("nobody peers with it any more", PATIENCE, || {
        peers().and_then(|all| ensure(all.is_empty(), || format!("{all:?}")))
    });
    reflector.assert_alive();
    reflector.end(Signal::Term);
}
