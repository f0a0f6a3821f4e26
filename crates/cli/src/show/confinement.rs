//! What a daemon took away from itself, in a line, and what it did not, each in one of its own.

use std::io;

use heddle_admin::types::ConfinementState;

use crate::screen::{Screen, Tone};
use crate::words::{self, printable};

/// Columns of a terminal.
const WIDTH: usize = 80;

/// Writes it; `label` is the column of the names. An older daemon says nothing.
pub(super) fn write(parts: &[ConfinementState], label: usize, screen: &mut Screen) -> io::Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    let width = label.saturating_sub(2);
    let in_force: Vec<&str> = parts.iter().filter(|p| p.state == "in_force").map(|p| p.part.as_str()).collect();
    let shown = if in_force.is_empty() { "nothing".to_owned() } else { printable(&in_force.join(", ")) };
    writeln!(screen, "  {:width$}{shown}", "Confined")?;
    for part in parts.iter().filter(|p| p.state != "in_force") {
        let separator = if part.detail.is_empty() { "" } else { ": " };
        let text = printable(&format!("{} {}{separator}{}", part.part, part.state, part.detail));
        for line in words::wrap(&text, WIDTH.saturating_sub(label)) {
            let line = screen.paint(Tone::Warn, line);
            writeln!(screen, "{:label$}{line}", "")?;
        }
    }
    Ok(())
}
