//! `heddle show node`.

use std::io;

use heddle_admin::types::{NodeReport, SysctlReport};

use crate::screen::{Screen, Tone};
use crate::table::{Align, Table};
use crate::words::{self, printable};

pub(super) fn write(node: &NodeReport, screen: &mut Screen) -> io::Result<()> {
    let title = screen.paint(Tone::Heading, format!("Node {}", printable(&node.node)));
    writeln!(screen, "{title}")?;
    match &node.waiting_for {
        Some(what) => {
            let text = screen.paint(Tone::Warn, format!("waiting for {}", printable(what)));
            writeln!(screen, "  State       {text}")?;
        }
        None => writeln!(screen, "  State       running")?,
    }
    if !matches!(node.drained.as_str(), "" | "none") {
        let text = screen.paint(Tone::Warn, printable(&node.drained));
        writeln!(screen, "  Drained     {text}")?;
    }
    datastore(node, screen)?;
    for (i, address) in node.addresses.iter().enumerate() {
        let title = if i == 0 { "Address" } else { "" };
        let place = address.interface.as_deref().map_or_else(String::new, |name| format!(" on {}", printable(name)));
        writeln!(screen, "  {title:<10}  {}{place}: {}", printable(&address.address), printable(&address.reason))?;
    }
    if let Some(fib) = &node.fib {
        let installed = std::iter::once(format!("{} of {} installed", fib.installed, fib.desired));
        let counted = installed.chain(super::fib::unusual(fib)).collect::<Vec<_>>().join(", ");
        writeln!(screen, "  Forwarding  {counted}; table {}, protocol {}", fib.table, fib.protocol)?;
    }
    super::confinement::write(&node.confinement, 14, screen)?;
    list("Warnings", node.warnings.iter().map(String::as_str), screen)?;
    list("Ignored objects", node.datastore.invalid.iter().map(String::as_str), screen)?;
    sysctls(&node.sysctls, screen)?;
    if !node.peers.is_empty() {
        writeln!(screen)?;
        let mut table = Table::new(&[("Peer", Align::Left), ("Name", Align::Left), ("From", Align::Left)]).indented(2);
        for peer in &node.peers {
            table.row([peer.address.as_str().into(), peer.name.as_str().into(), peer.origin.as_str().into()]);
        }
        table.write(screen)?;
    }
    Ok(())
}

fn datastore(node: &NodeReport, screen: &mut Screen) -> io::Result<()> {
    let store = &node.datastore;
    let since = store.since.map_or_else(String::new, |t| format!(" since {}", words::time(t)));
    let tone = if store.state == "in_sync" { Tone::Good } else { Tone::Warn };
    let state = screen.paint(tone, store.state.replace('_', " "));
    writeln!(screen, "  Datastore   {}: {state}{since}", printable(&store.source))?;
    if let Some(error) = &store.last_error {
        let text = screen.paint(Tone::Bad, printable(error));
        writeln!(screen, "{:14}{text}", "")?;
    }
    let objects: Vec<String> = store.objects.iter().filter(|(_, n)| *n > 0).map(|(k, n)| format!("{n} {k}")).collect();
    if !objects.is_empty() {
        writeln!(screen, "  Objects     {}", objects.join(", "))?;
    }
    Ok(())
}

fn list<'a>(title: &str, lines: impl Iterator<Item = &'a str>, screen: &mut Screen) -> io::Result<()> {
    for (i, line) in lines.enumerate() {
        if i == 0 {
            let title = screen.paint(Tone::Warn, title);
            writeln!(screen, "\n  {title}")?;
        }
        writeln!(screen, "    {}", printable(line))?;
    }
    Ok(())
}

fn sysctls(wrong: &[SysctlReport], screen: &mut Screen) -> io::Result<()> {
    for (i, s) in wrong.iter().enumerate() {
        if i == 0 {
            let title = screen.paint(Tone::Warn, "Kernel settings");
            writeln!(screen, "\n  {title}")?;
        }
        writeln!(screen, "    {} is {}, should be {}: {}", s.name, printable(&s.found), s.wanted, s.why)?;
    }
    Ok(())
}
