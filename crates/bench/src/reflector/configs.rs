//! The configurations of the daemons.

use std::fmt::Write as _;
use std::path::Path;

use heddle_bgp_core::Family;

use super::ASN;
use super::daemon::{Client, Shape};
use super::session::AddPath;
use super::world::ROUTER_ID;

/// The community that an export policy adds.
pub(crate) const fn policy_community(policy: u16) -> u32 {
    (65_010 << 16) | policy as u32
}

impl Shape {
    /// The numbers of the export policies.
    fn policies(&self) -> std::collections::BTreeSet<u16> {
        self.clients.iter().filter_map(|client| client.policy).collect()
    }

    fn is_v4(&self) -> bool {
        self.family == Family::IPV4_UNICAST
    }

    fn family_name<'a>(&self, v4: &'a str, v6: &'a str) -> &'a str {
        if self.is_v4() { v4 } else { v6 }
    }

    /// The text for each client, one after the other.
    fn each(&self, text: impl Fn(&Client) -> String) -> String {
        self.clients.iter().map(text).collect()
    }
}

pub(crate) fn heddle(shape: &Shape, directory: &Path) -> String {
    let listen = if shape.is_v4() { format!("{}:179", shape.local) } else { format!("[{}]:179", shape.local) };
    let family = shape.family_name("ipv4-unicast", "ipv6-unicast");
    let mut text = format!(
        "[router]\nasn = {ASN}\nrouter_id = \"{ROUTER_ID}\"\nlisten = [\"{listen}\"]\n\n[api]\nsocket = \"{}\"\n\n\
         [[peer_groups]]\nname = \"clients\"\nasn = \"internal\"\nroute_reflector_client = true\npassive = true\n\
         families = [\"{family}\"]\n# The recorded table has AS 0 in four AS_PATHs.\nreject_as_zero = false\n\n",
        directory.join("api").display()
    );
    for policy in shape.policies() {
        let _ = write!(
            text,
            "[[policies]]\nname = \"p{policy}\"\n\n[[policies.rules]]\n\
             then = {{ add = {{ communities = [\"65010:{policy}\"] }}, action = \"accept\" }}\n\n"
        );
    }
    text + &shape.each(|client| {
        let policy = client.policy.map_or_else(String::new, |policy| format!("export_policy = \"p{policy}\"\n"));
        let add_path = if client.add_path == AddPath::Receive { "add_path = { send = \"all\" }\n" } else { "" };
        format!("[[peers]]\naddress = \"{}\"\ngroup = \"clients\"\n{policy}{add_path}\n", client.address)
    })
}

pub(crate) fn bird(shape: &Shape) -> String {
    let channel = shape.family_name("ipv4", "ipv6");
    let mut text = format!(
        "log stderr all;\nrouter id {ROUTER_ID};\nprotocol device {{ }}\ntemplate bgp clients {{\n  local {} as {ASN};\n  \
         rr client;\n  rr cluster id {ROUTER_ID};\n  passive on;\n  {channel} {{ import all; export all; }};\n}}\n",
        shape.local
    );
    for policy in shape.policies() {
        let _ = writeln!(text, "filter p{policy} {{ bgp_community.add((65010,{policy})); accept; }}");
    }
    let mut number = 0;
    for client in &shape.clients {
        number += 1;
        let export = client.policy.map_or_else(String::new, |policy| format!("export filter p{policy}; "));
        let add_path = if client.add_path == AddPath::Receive { "add paths tx; " } else { "" };
        let _ = write!(text, "protocol bgp client{number} from clients {{ neighbor {} as {ASN}; ", client.address);
        if !export.is_empty() || !add_path.is_empty() {
            let _ = write!(text, "{channel} {{ import all; {export}{add_path}}}; ");
        }
        text.push_str("}\n");
    }
    text
}

pub(crate) fn frr(shape: &Shape) -> String {
    let family = shape.family_name("ipv4", "ipv6");
    let mut text = String::from("frr defaults traditional\nhostname reflector\n");
    for policy in shape.policies() {
        let _ = write!(text, "route-map p{policy} permit 10\n set community 65010:{policy} additive\nexit\n");
    }
    // Without it an export policy changes nothing about reflected routes.
    let outbound = if shape.policies().is_empty() { "" } else { " bgp route-reflector allow-outbound-policy\n" };
    let _ = write!(
        text,
        "router bgp {ASN}\n{outbound} bgp router-id {ROUTER_ID}\n bgp cluster-id {ROUTER_ID}\n no bgp default ipv4-unicast\n \
         no bgp network import-check\n neighbor clients peer-group\n neighbor clients remote-as {ASN}\n \
         neighbor clients passive\n"
    );
    text += &shape.each(|client| format!(" neighbor {} peer-group clients\n", client.address));
    let _ = write!(
        text,
        " address-family {family} unicast\n  neighbor clients activate\n  neighbor clients route-reflector-client\n"
    );
    text += &shape.each(|client| {
        let add_path = match client.add_path {
            AddPath::Receive => format!("  neighbor {} addpath-tx-all-paths\n", client.address),
            AddPath::No => String::new(),
        };
        let policy = client
            .policy
            .map_or_else(String::new, |policy| format!("  neighbor {} route-map p{policy} out\n", client.address));
        add_path + &policy
    });
    text + " exit-address-family\nexit\n"
}

pub(crate) fn openbgpd(shape: &Shape, directory: &Path) -> String {
    let family = shape.family_name("IPv4", "IPv6");
    let mut text = format!(
        "AS {ASN}\nrouter-id {ROUTER_ID}\nfib-update no\nsocket \"{}\"\nlisten on {}\nnexthop qualify via default\n\
         group \"clients\" {{\n  remote-as {ASN}\n  route-reflector {ROUTER_ID}\n  passive\n  announce {family} unicast\n",
        directory.join("ctl").display(),
        shape.local
    );
    if !shape.is_v4() {
        text.push_str("  announce IPv4 none\n");
    }
    text += &shape.each(|client| match client.add_path {
        AddPath::Receive => format!("  neighbor {} {{ announce add-path send all }}\n", client.address),
        AddPath::No => format!("  neighbor {}\n", client.address),
    });
    text.push_str("}\nallow from any\nallow to any\n");
    text + &shape.each(|client| {
        let set = |policy| format!("match to {} set community 65010:{policy}\n", client.address);
        client.policy.map_or_else(String::new, set)
    })
}

pub(crate) fn gobgp(shape: &Shape) -> String {
    let family = shape.family_name("ipv4-unicast", "ipv6-unicast");
    let mut text = format!(
        "[global.config]\nas = {ASN}\nrouter-id = \"{ROUTER_ID}\"\nlocal-address-list = [\"{}\"]\n",
        shape.local
    );
    text += &shape.each(|client| {
        let add_path = match client.add_path {
            AddPath::Receive => "[neighbors.afi-safis.add-paths.config]\nsend-max = 8\n",
            AddPath::No => "",
        };
        format!(
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {ASN}\n\
             [neighbors.transport.config]\npassive-mode = true\n\
             [neighbors.route-reflector.config]\nroute-reflector-client = true\nroute-reflector-cluster-id = \"{ROUTER_ID}\"\n\
             [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}\"\n{add_path}",
            client.address
        )
    });
    text
}
