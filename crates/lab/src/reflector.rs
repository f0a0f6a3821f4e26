//! The configuration of a `heddle route-reflector`.

use std::fmt::Write as _;
use std::path::Path;

use crate::plan::{Host, Plan};

/// Its TOML: every node is a client in each family, and is waited for.
#[must_use]
pub fn config(plan: &Plan, host: &Host, socket: &Path) -> String {
    let Some(address) = host.address else { return String::new() };
    let asn = plan.topology.asn;
    let mut text = format!(
        "[router]\nasn = {asn}\nrouter_id = \"{}\"\ncluster_id = \"10.64.0.128\"\nlisten = [\"{}:179\", \"[{}]:179\"]\n\n\
        [api]\nsocket = {socket:?}\n\n\
        [[peer_groups]]\nname = \"nodes\"\nasn = \"internal\"\nroute_reflector_client = true\npassive = true\nhold_time = {}\n",
        address.v4.ip(),
        address.v4.ip(),
        address.v6.ip(),
        plan.topology.hold_time,
    );
    for node in plan.nodes() {
        let Some(address) = node.address else { continue };
        for (ip, family) in address.addresses().into_iter().zip(["ipv4-unicast", "ipv6-unicast"]) {
            let _ = write!(
                text,
                "\n[[peers]]\naddress = \"{ip}\"\ngroup = \"nodes\"\ndescription = \"{}\"\nfamilies = [\"{family}\"]\n",
                node.name
            );
        }
    }
    text
}
