//! Tables whose columns are as wide as they have to be.

use std::io;

use unicode_width::UnicodeWidthStr;

use crate::screen::{Screen, Tone};

/// Where a column's texts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A text in a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }
}

/// A table that is written when all its rows are known.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
    gap: usize,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), indent: 0, gap: 2 }
    }

    pub(crate) const fn indented(mut self, indent: usize) -> Self {
        self.indent = indent;
        self
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|(title, _)| title.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        widths
    }

    fn total(&self) -> usize {
        let widths = self.widths();
        self.indent + widths.iter().sum::<usize>() + self.gap * widths.len().saturating_sub(1)
    }

    /// Takes less room between columns when the table would be wider than `limit`.
    pub(crate) fn squeezed(mut self, limit: usize) -> Self {
        if self.total() > limit {
            self.gap = 1;
        }
        self
    }

    /// Whether the table is wider than `limit`.
    pub(crate) fn exceeds(&self, limit: usize) -> bool {
        self.total() > limit
    }

    pub(crate) fn write(&self, screen: &mut Screen) -> io::Result<()> {
        let widths = self.widths();
        let titles: Vec<Cell> = self.columns.iter().map(|(title, _)| Cell::new(Tone::Heading, *title)).collect();
        for row in std::iter::once(&titles).chain(&self.rows) {
            self.write_row(screen, &widths, row)?;
        }
        Ok(())
    }

    /// Writes a row without spaces at its end.
    fn write_row(&self, screen: &mut Screen, widths: &[usize], row: &[Cell]) -> io::Result<()> {
        let mut spaces = self.indent;
        for ((cell, width), (_, align)) in row.iter().zip(widths).zip(&self.columns) {
            let padding = width.saturating_sub(cell.text.width());
            let (before, after) = match align {
                Align::Left => (0, padding),
                Align::Right => (padding, 0),
            };
            if !cell.text.is_empty() {
                let text = screen.paint(cell.tone, &cell.text);
                write!(screen, "{:spaces$}{text}", "", spaces = spaces + before)?;
                spaces = after + self.gap;
            } else {
                spaces += width + self.gap;
            }
        }
        writeln!(screen)
    }
}
