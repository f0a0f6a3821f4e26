//! Pieces of configuration that many cases share. `fd00::N` and `10.0.0.N` are the addresses of host N.

use heddle_interop_tests::lab::is_v6;

/// `[router]` of AS 65001 with this router id, and the policy `all`.
pub(crate) fn router(router_id: &str) -> String {
    format!(
        "[router]\nasn = 65001\nrouter_id = \"{router_id}\"\n\n[[policies]]\nname = \"all\"\ndefault = \"accept\"\n"
    )
}

/// `[[peers]]` with both families that tries to connect every second; `more` are further lines.
pub(crate) fn peer(address: &str, asn: u32, more: &str) -> String {
    let families = if more.contains("families") { "" } else { "families = [\"ipv4-unicast\", \"ipv6-unicast\"]\n" };
    let policies = if asn == 65001 { "" } else { "import_policy = \"all\"\nexport_policy = \"all\"\n" };
    format!("\n[[peers]]\naddress = \"{address}\"\nasn = {asn}\nconnect_retry = 1\n{families}{policies}{more}\n")
}

/// A route reflector client; `more` are further lines.
pub(crate) fn client(address: &str, more: &str) -> String {
    peer(address, 65001, &format!("route_reflector_client = true\n{more}"))
}

/// A BIRD session of host `number` with the reflector at `rr`, of both families, that takes and sends everything.
/// `options` are of the protocol, `channel` of both channels.
pub(crate) fn bird_session(number: u8, asn: u32, rr: &str, options: &str, channel: &str) -> String {
    let local = if is_v6(rr) { format!("fd00::{number:x}") } else { format!("10.0.0.{number}") };
    let name = format!("rr_{}", rr.replace(['.', ':'], "_"));
    format!(
        "protocol bgp {name} {{ local {local} as {asn}; neighbor {rr} as 65001; connect delay time 1; \
         connect retry time 1; error wait time 1, 2; {options}\n\
         ipv4 {{ import all; export all; next hop address 10.0.0.{number}; {channel} }};\n\
         ipv6 {{ import all; export all; next hop address fd00::{number:x}; {channel} }};\n}}\n"
    )
}

/// FRR on host `number` with a session of both families to each reflector in `rrs`. `options` are lines of `router bgp` in
/// which `RR` stands for each reflector, `v4` and `v6` likewise of the address families.
pub(crate) fn frr_router(number: u8, asn: u32, rrs: &[&str], options: &str, v4: &str, v6: &str) -> String {
    let mut text = format!(
        "route-map own4 permit 10\n set ip next-hop 10.0.0.{number}\nexit\n\
         route-map own6 permit 10\n set ipv6 next-hop global fd00::{number:x}\nexit\n\
         router bgp {asn}\n bgp router-id 10.0.0.{number}\n no bgp network import-check\n no bgp ebgp-requires-policy\n"
    );
    // What is of the router as a whole stands before the neighbors, which it would reset otherwise.
    let (whole, of_neighbors): (Vec<&str>, Vec<&str>) = options.lines().partition(|line| line.starts_with(" bgp "));
    whole.iter().for_each(|line| text.push_str(&format!("{line}\n")));
    let each = |lines: &str| rrs.iter().map(|rr| lines.replace("RR", rr)).collect::<String>();
    text.push_str(&each(
        " neighbor RR remote-as 65001\n neighbor RR timers connect 1\n neighbor RR advertisement-interval 0\n",
    ));
    of_neighbors.iter().for_each(|line| text.push_str(&each(&format!("{line}\n"))));
    for (family, map, lines) in [("ipv4", "own4", v4), ("ipv6", "own6", v6)] {
        text.push_str(&format!(" address-family {family} unicast\n"));
        text.push_str(&each(&format!("  neighbor RR activate\n  neighbor RR route-map {map} out\n{lines}")));
        text.push_str(" exit-address-family\n");
    }
    text.push_str("exit\n");
    text
}

/// GoBGP on host `number`; `options` are lines of each `[[neighbors]]`, `families` of each of its `afi-safis`.
pub(crate) fn gobgp_router(number: u8, asn: u32, rrs: &[&str], options: &str, families: &str) -> String {
    let mut text = format!("[global.config]\nas = {asn}\nrouter-id = \"10.0.0.{number}\"\n");
    for rr in rrs {
        let local = if is_v6(rr) { format!("fd00::{number:x}") } else { format!("10.0.0.{number}") };
        text.push_str(&format!(
            "[[neighbors]]\nconfig.neighbor-address = \"{rr}\"\nconfig.peer-as = 65001\n\
             timers.config.connect-retry = 1\ntimers.config.idle-hold-time-after-reset = 1\n\
             transport.config.local-address = \"{local}\"\n{options}\n"
        ));
        for family in ["ipv4-unicast", "ipv6-unicast"] {
            text.push_str(&format!("[[neighbors.afi-safis]]\nconfig.afi-safi-name = \"{family}\"\n{families}\n"));
        }
    }
    text
}

/// OpenBGPD in AS `asn` with a session of both families; `options` are lines of the neighbor.
pub(crate) fn openbgpd_router(asn: u32, rr: &str, networks: &str, options: &str) -> String {
    format!(
        "AS {asn}\n{networks}\nneighbor {rr} {{\n remote-as 65001\n announce IPv4 unicast\n announce IPv6 unicast\n\
         {options}\n}}\nallow from any\nallow to any"
    )
}

/// An ExaBGP session of host `number`; `capability` are its capabilities, `routes` lines of `static`.
pub(crate) fn exabgp_session(number: u8, asn: u32, rr: &str, capability: &str, routes: &str) -> String {
    let local = if is_v6(rr) { format!("fd00::{number:x}") } else { format!("10.0.0.{number}") };
    format!(
        "neighbor {rr} {{\n router-id 10.0.0.{number}; local-address {local}; local-as {asn}; peer-as 65001; \
         hold-time 90;\n family {{ ipv4 unicast; ipv6 unicast; }}\n capability {{ {capability} }}\n \
         static {{ {routes} }}\n {{api}}\n}}"
    )
}
