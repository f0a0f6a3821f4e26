//! `heddle show summary`.

use std::io;

use heddle_admin::types::{FamilySummary, Summary};

use crate::screen::{Screen, Tone};
use crate::table::{Align, Cell, Table};
use crate::words::{self, count, printable};

pub(super) fn write(summary: &Summary, screen: &mut Screen) -> io::Result<()> {
    speaker(summary, screen)?;
    writeln!(screen)?;
    tables(&summary.families, screen)
}

/// Who it is, and how it is.
fn speaker(summary: &Summary, screen: &mut Screen) -> io::Result<()> {
    let router = &summary.router;
    let cluster = router.cluster_id.map_or_else(String::new, |id| format!(", cluster {id}"));
    let title = format!(
        "{} {} ({}), process {}",
        printable(&summary.version.program),
        printable(&summary.version.version),
        printable(&summary.version.role),
        summary.version.pid
    );
    let title = screen.paint(Tone::Heading, title);
    writeln!(screen, "{title}")?;
    writeln!(screen, "  Router         AS {}, id {}{cluster}", router.asn, router.router_id)?;
    let listen = if router.listen.is_empty() { "nowhere".to_owned() } else { router.listen.join(", ") };
    writeln!(screen, "  Listening on   {listen}")?;
    let up = words::span(summary.uptime_seconds);
    writeln!(screen, "  Running for    {up}, since {}", words::time(summary.version.started_at))?;
    let applied = format!("applied {}", words::time(summary.config_applied_at));
    match &summary.config_file {
        Some(file) => writeln!(screen, "  Configuration  {}\n{:17}{applied}", printable(file), "")?,
        None => writeln!(screen, "  Configuration  {applied}")?,
    }
    if summary.restarting {
        let text = screen.paint(Tone::Warn, "graceful restart: waiting for the End-of-RIB of the peers");
        writeln!(screen, "  Restarting     {text}")?;
    }
    let peers = &summary.peers;
    let mut parts = vec![format!("{} established", peers.established)];
    for (number, word) in [(peers.down, "down"), (peers.draining, "draining"), (peers.dynamic, "dynamic")] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    writeln!(screen, "  Peers          {}: {}", peers.total, parts.join(", "))?;
    let resident = summary.memory_bytes.map_or_else(|| "unknown".to_owned(), words::octets);
    let attributes = words::octets(summary.attribute_bytes);
    let journals = words::octets(summary.journal_bytes);
    writeln!(screen, "  Memory         {resident}: attribute sets {attributes}, journals {journals}")?;
    super::confinement::write(&summary.confinement, 17, screen)
}

/// The tables, a family a column.
fn tables(families: &[FamilySummary], screen: &mut Screen) -> io::Result<()> {
    let mut table = Table::new(
        &[("Table", Align::Left)]
            .into_iter()
            .chain(families.iter().map(|f| (f.family.as_str(), Align::Right)))
            .collect::<Vec<_>>(),
    )
    .indented(2);
    type Read = fn(&FamilySummary) -> u64;
    let rows: [(&str, Read); 9] = [
        ("destinations", |f| f.destinations),
        ("with a best path", |f| f.best),
        ("paths", |f| f.paths),
        ("rejected by policy", |f| f.rejected),
        ("ineligible", |f| f.ineligible),
        ("stale", |f| f.stale),
        ("to be selected", |f| f.pending),
        ("attribute sets", |f| f.attribute_sets),
        ("update groups", |f| u64::from(f.update_groups)),
    ];
    for (name, read) in rows {
        table.row(std::iter::once(Cell::from(name)).chain(families.iter().map(|f| Cell::from(read(f).to_string()))));
    }
    table.write(screen)?;
    if families.is_empty() {
        writeln!(screen, "  {}", count(0, "family", "families"))?;
    }
    Ok(())
}
