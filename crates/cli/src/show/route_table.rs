//! Routes as a table, written while they come.

use std::io;

use heddle_admin::types::{Destination, Path, PathStatus, RouteOrigin};

use crate::screen::{Screen, Tone};
use crate::words::printable;

/// Destinations that are held back to see how wide the columns have to be.
const SAMPLE: usize = 500;

/// Narrowest columns of prefix and next hop: in a short table, and in one of which more comes than the sample.
const MIN_SHORT: Widths = Widths { prefix: 12, next_hop: 10 };
const MIN_LONG: Widths = Widths { prefix: "255.255.255.255/32".len(), next_hop: "255.255.255.255".len() };

/// Fewest columns that an AS_PATH gets when lines are broken.
const MIN_AS_PATH: usize = 12;

const LEGEND: &str = "\
Flags: * usable, > best, = multipath, s stale, r rejected, x ineligible;
       i iBGP, e eBGP, l local.  At the end: i IGP, e EGP, ? incomplete
";

/// A table of routes. The widths come from the first [`SAMPLE`] destinations; what is wider later has its line broken.
pub(super) struct RouteTable {
    sample: Vec<Destination>,
    widths: Option<Widths>,
    /// Columns of the terminal, where lines are broken.
    limit: Option<usize>,
}

#[derive(Clone, Copy)]
struct Widths {
    prefix: usize,
    next_hop: usize,
}

impl RouteTable {
    pub(super) const fn new(limit: Option<usize>) -> Self {
        Self { sample: Vec::new(), widths: None, limit }
    }

    pub(super) fn push(&mut self, destination: Destination, screen: &mut Screen) -> io::Result<()> {
        if let Some(widths) = self.widths {
            return self.write(widths, &destination, screen);
        }
        self.sample.push(destination);
        if self.sample.len() == SAMPLE { self.begin(screen) } else { Ok(()) }
    }

    /// Writes what is held back.
    pub(super) fn finish(mut self, screen: &mut Screen) -> io::Result<()> {
        if self.widths.is_none() && !self.sample.is_empty() { self.begin(screen) } else { Ok(()) }
    }

    fn begin(&mut self, screen: &mut Screen) -> io::Result<()> {
        let sample = std::mem::take(&mut self.sample);
        let least = if sample.len() == SAMPLE { MIN_LONG } else { MIN_SHORT };
        let longest = |lengths: &mut dyn Iterator<Item = usize>, least: usize| lengths.max().unwrap_or(0).max(least);
        let prefix = longest(&mut sample.iter().map(|d| d.prefix.to_string().len()), least.prefix);
        let paths = sample.iter().flat_map(|d| &d.paths);
        let next_hop = longest(&mut paths.map(|p| next_hop(p).len()), least.next_hop);
        let widths = Widths { prefix, next_hop };
        self.widths = Some(widths);
        let legend = screen.paint(Tone::Dim, LEGEND.trim_end());
        writeln!(screen, "{legend}")?;
        let title =
            format!("     {:<prefix$} {:<next_hop$} {:>6} {:>6} {}", "Network", "Next hop", "MED", "LocPrf", "AS path");
        let title = screen.paint(Tone::Heading, title);
        writeln!(screen, "{title}")?;
        sample.iter().try_for_each(|destination| self.write(widths, destination, screen))
    }

    fn write(&self, widths: Widths, destination: &Destination, screen: &mut Screen) -> io::Result<()> {
        let prefix = destination.prefix.to_string();
        for (index, path) in destination.paths.iter().enumerate() {
            self.write_path(widths, if index == 0 { &prefix } else { "" }, path, screen)?;
        }
        Ok(())
    }

    fn write_path(&self, widths: Widths, prefix: &str, path: &Path, screen: &mut Screen) -> io::Result<()> {
        let Widths { prefix: prefix_width, next_hop: next_hop_width } = widths;
        let flags = flags(path);
        // As FRR does: what does not fit has a line of its own, and the rest stands in its column.
        if prefix.len() > prefix_width {
            writeln!(screen, "{flags} {prefix}")?;
            write!(screen, "{:1$}", "", flags.len() + 1 + prefix_width)?;
        } else {
            write!(screen, "{flags} {prefix:<prefix_width$}")?;
        }
        let next_hop = next_hop(path);
        if next_hop.len() > next_hop_width {
            writeln!(screen, " {next_hop}")?;
            write!(screen, "{:1$}", "", flags.len() + 2 + prefix_width + next_hop_width)?;
        } else {
            write!(screen, " {next_hop:<next_hop_width$}")?;
        }
        let number = |number: Option<u32>| number.map_or_else(String::new, |number| number.to_string());
        let attributes = &path.attributes;
        let (med, local_pref) = (number(attributes.med), number(attributes.local_pref));
        write!(screen, " {med:>6} {local_pref:>6}")?;
        let before = flags.len() + prefix_width + next_hop_width + 16;
        self.write_as_path(before, path, screen)?;
        if let Some(explanation) = &path.explain {
            let text = screen.paint(Tone::Dim, format!("not best: {}", printable(&explanation.text)));
            writeln!(screen, "{:1$}{text}", "", flags.len() + 1)?;
        }
        Ok(())
    }

    /// Writes AS_PATH and origin, on a terminal broken into lines of its column.
    fn write_as_path(&self, before: usize, path: &Path, screen: &mut Screen) -> io::Result<()> {
        let room = self.limit.map_or(usize::MAX, |limit| limit.saturating_sub(before).max(MIN_AS_PATH));
        let origin = match path.attributes.origin.as_ref() {
            "igp" => "i",
            "egp" => "e",
            _ => "?",
        };
        let mut used = 0;
        for word in path.attributes.as_path.split(' ').filter(|word| !word.is_empty()).chain([origin]) {
            let word = printable(word);
            if used > 0 && used + 1 + word.len() > room {
                write!(screen, "\n{:before$}", "", before = before - 1)?;
                used = 0;
            }
            write!(screen, " {word}")?;
            used += word.len() + usize::from(used > 0);
        }
        writeln!(screen)
    }
}

fn next_hop(path: &Path) -> String {
    path.attributes.next_hop.map_or_else(|| "-".to_owned(), |next_hop| next_hop.to_string())
}

/// Four characters: usable, best, special, source.
fn flags(path: &Path) -> String {
    let (usable, best) = match path.status {
        PathStatus::Best => ('*', '>'),
        PathStatus::Multipath => ('*', '='),
        PathStatus::Valid => ('*', ' '),
        PathStatus::Rejected => ('r', ' '),
        PathStatus::Ineligible => ('x', ' '),
    };
    let stale = if path.stale || path.llgr_stale { 's' } else { ' ' };
    let source = match path.origin_type {
        RouteOrigin::Ibgp => 'i',
        RouteOrigin::Ebgp => 'e',
        RouteOrigin::Local => 'l',
    };
    [usable, best, stale, source].iter().collect()
}
