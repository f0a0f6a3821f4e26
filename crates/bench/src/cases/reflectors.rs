//! BIRD as the reflector of BIRD nodes, in the place of ours: one daemon a family, every node a client.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use heddle_lab::fabric::Fabric;
use heddle_lab::plan::{Host, Plan, Role};
use heddle_lab::process::{Process, Program};
use heddle_lab::tor::bird;

/// Stops our reflectors and starts BIRD on their hosts.
pub(crate) fn exchange(fabric: &Fabric) -> anyhow::Result<Vec<Process>> {
    let mut processes = Vec::new();
    for host in fabric.plan().hosts.iter().filter(|host| matches!(host.role, Role::Reflector(_))) {
        fabric.process(&host.name, None, |process| {
            process.stop();
            Ok(())
        })?;
        let machine = fabric.host(&host.name)?;
        for (family, index) in [("ipv4", 0), ("ipv6", 1)] {
            let file = machine.write(&format!("bird-{family}.conf"), &config(fabric.plan(), host, family, index))?;
            let path = |suffix: &str| OsString::from(machine.path(&format!("bird-{family}.{suffix}")));
            let arguments = ["-f".into(), "-c".into(), file.into(), "-s".into(), path("ctl"), "-P".into(), path("pid")];
            let program = Program::new(Path::new(bird::PROGRAM), arguments as [OsString; 7]);
            processes.push(fabric.spawn(&host.name, &program, &machine.path(&format!("bird-{family}.log")))?);
        }
    }
    Ok(processes)
}

fn config(plan: &Plan, host: &Host, family: &str, index: usize) -> String {
    let address = |host: &Host| host.address.and_then(|pair| pair.addresses().get(index).copied());
    let (Some(pair), Some(own)) = (host.address, address(host)) else { return String::new() };
    let mut text = format!(
        "log stderr all;\nrouter id {};\nprotocol device {{ scan time 2; }}\nprotocol direct {{ {family}; }}\n\
        template bgp clients {{\n  local {own} as {};\n  rr client;\n  rr cluster id 10.64.0.128;\n  multihop;\n  graceful restart;\n  \
        passive on;\n  {family} {{ import all; export where source = RTS_BGP; }};\n}}\n",
        pair.v4.ip(),
        plan.topology.asn,
    );
    for (node, number) in plan.nodes().zip(1..) {
        let Some(remote): Option<IpAddr> = address(node) else { continue };
        let _ =
            writeln!(text, "protocol bgp node{number} from clients {{ neighbor {remote} as {}; }}", plan.topology.asn);
    }
    text
}
