//! The table of a case: measures down, contenders across.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value as Json, json};

use super::daemon::Daemon;
use super::measure::{Figure, Figures};
use crate::report::Value;
use crate::stats::Samples;

/// The unit of rates, which are the better the larger they are.
pub(crate) const RATE: &str = "k/s";

/// What a figure of ours should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Aim {
    /// At most this share of one daemon's.
    Of(Daemon, f64),
    /// At most this.
    AtMost(f64),
}

/// All runs of one measure of one contender.
#[derive(Clone, Debug, Default)]
struct Cell {
    samples: Samples,
    /// It was more than this in one run or more.
    more_than: Option<f64>,
}

impl Cell {
    fn add(&mut self, value: Value) {
        match value {
            Value::Is(value) => self.samples.push(value),
            Value::MoreThan(limit) => self.more_than = Some(limit),
        }
    }

    /// The median; beyond the limit as soon as one run was.
    fn value(&self) -> Option<Value> {
        self.more_than.map(Value::MoreThan).or_else(|| self.samples.median().map(Value::Is))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(value) = self.value() else { return f.write_str("-") };
        write!(f, "{value}")?;
        match (value, self.samples.min(), self.samples.max()) {
            (Value::Is(_), Some(least), Some(most)) if self.samples.len() > 1 => {
                write!(f, " ({}-{})", Value::Is(least), Value::Is(most))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Debug)]
struct Row {
    measure: String,
    unit: &'static str,
    cells: BTreeMap<Daemon, Cell>,
    aim: Option<Aim>,
}

impl Row {
    fn value(&self, daemon: Daemon) -> Option<Value> {
        self.cells.get(&daemon)?.value()
    }

    /// The best of the others: the smallest, of rates the largest.
    fn best_other(&self) -> Option<f64> {
        let others = Daemon::ALL.into_iter().filter(|daemon| !matches!(daemon, Daemon::Floor | Daemon::Heddle));
        let known = others.filter_map(|daemon| match self.value(daemon)? {
            Value::Is(value) => Some(value),
            Value::MoreThan(_) => None,
        });
        if self.unit == RATE { known.max_by(f64::total_cmp) } else { known.min_by(f64::total_cmp) }
    }

    fn ours(&self) -> Option<f64> {
        match self.value(Daemon::Heddle)? {
            Value::Is(value) => Some(value),
            Value::MoreThan(_) => None,
        }
    }

    fn to(&self, other: Option<f64>) -> Option<f64> {
        Some(self.ours()? / other.filter(|other| *other > 0.0)?)
    }

    fn floor(&self) -> Option<f64> {
        match self.value(Daemon::Floor)? {
            Value::Is(value) => Some(value),
            Value::MoreThan(_) => None,
        }
    }

    /// What ours is, as a multiple of the aim; nothing where that is not known.
    fn of_aim(&self) -> Option<f64> {
        let limit = match self.aim? {
            Aim::AtMost(limit) => limit,
            Aim::Of(daemon, share) => match self.value(daemon)? {
                Value::Is(value) | Value::MoreThan(value) => value * share,
            },
        };
        match self.value(Daemon::Heddle)? {
            Value::Is(ours) => Some(ours / limit),
            Value::MoreThan(_) => Some(f64::INFINITY),
        }
    }
}

/// The figures of a case.
#[derive(Debug, Default)]
pub(crate) struct Report {
    title: String,
    rows: Vec<Row>,
    /// What was wrong, by contender.
    wrong: BTreeMap<Daemon, Vec<String>>,
    /// What was not as it should be at the limit, by contender.
    unfinished: BTreeMap<Daemon, Vec<String>>,
    /// Who could not take part, and why.
    pub(crate) absent: BTreeMap<Daemon, String>,
    pub(crate) notes: Vec<String>,
    pub(crate) configurations: BTreeMap<Daemon, String>,
    pub(crate) versions: BTreeMap<Daemon, String>,
}

impl Report {
    pub(crate) fn new(title: String) -> Self {
        Self { title, ..Self::default() }
    }

    /// Adds a run.
    pub(crate) fn add(&mut self, daemon: Daemon, figures: Figures) {
        for Figure { measure, unit, value } in figures.figures {
            let found = self.rows.iter().position(|row| row.measure == measure);
            let position = found.unwrap_or_else(|| {
                self.rows.push(Row { measure, unit, cells: BTreeMap::new(), aim: None });
                self.rows.len() - 1
            });
            if let Some(row) = self.rows.get_mut(position) {
                row.cells.entry(daemon).or_default().add(value);
            }
        }
        self.wrong.entry(daemon).or_default().extend(figures.wrong);
        self.unfinished.entry(daemon).or_default().extend(figures.unfinished);
    }

    /// Says what a measure should come to.
    pub(crate) fn aim(&mut self, measure: &str, aim: Aim) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.measure == measure) {
            row.aim = Some(aim);
        }
    }

    fn daemons(&self) -> Vec<Daemon> {
        let took_part = |daemon: &Daemon| self.rows.iter().any(|row| row.cells.contains_key(daemon));
        Daemon::ALL.into_iter().filter(took_part).collect()
    }

    /// Whether every table was as it should be.
    pub(crate) fn all_right(&self) -> bool {
        self.wrong.values().all(Vec::is_empty)
    }

    pub(crate) fn to_json(&self) -> Json {
        let number = |value: Value| match value {
            Value::Is(value) => json!({"value": value}),
            Value::MoreThan(limit) => json!({"more_than": limit}),
        };
        let cell = |cell: &Cell| {
            let mut json = cell.value().map_or(Json::Null, number);
            if let Some(map) = json.as_object_mut() {
                map.insert("least".to_owned(), json!(cell.samples.min()));
                map.insert("most".to_owned(), json!(cell.samples.max()));
                map.insert("runs".to_owned(), json!(cell.samples.len()));
            }
            json
        };
        let row = |row: &Row| {
            let cells: BTreeMap<String, Json> =
                row.cells.iter().map(|(daemon, one)| (daemon.to_string(), cell(one))).collect();
            json!({
                "measure": row.measure, "unit": row.unit, "values": cells, "to_best_other": row.to(row.best_other()),
                "to_floor": row.to(row.floor()), "aim": row.aim.map(|aim| aim.to_string()), "of_aim": row.of_aim(),
            })
        };
        let named = |map: &BTreeMap<Daemon, String>| -> BTreeMap<String, String> {
            map.iter().map(|(daemon, text)| (daemon.to_string(), text.clone())).collect()
        };
        let lines = |map: &BTreeMap<Daemon, Vec<String>>| -> BTreeMap<String, Vec<String>> {
            map.iter().map(|(daemon, lines)| (daemon.to_string(), lines.clone())).collect()
        };
        json!({
            "case": self.title, "rows": self.rows.iter().map(row).collect::<Vec<_>>(), "wrong_tables": lines(&self.wrong),
            "unfinished": lines(&self.unfinished),
            "absent": named(&self.absent), "notes": self.notes, "versions": named(&self.versions),
            "configurations": named(&self.configurations),
        })
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(daemon, share) => write!(f, "<= {} of {daemon}", Value::Is(*share)),
            Self::AtMost(limit) => write!(f, "<= {limit}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let daemons = self.daemons();
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        let mut header = vec!["measure".to_owned(), "unit".to_owned()];
        header.extend(daemons.iter().map(ToString::to_string));
        header.extend(["/ best other", "/ floor", "aim", "ours / aim"].map(str::to_owned));
        let columns = header.len();
        table.set_header(header);
        let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| Value::Is(ratio).to_string());
        for row in &self.rows {
            let mut line = vec![row.measure.clone(), row.unit.to_owned()];
            let cell = |daemon| row.cells.get(daemon).map_or_else(|| "-".to_owned(), ToString::to_string);
            line.extend(daemons.iter().map(cell));
            line.extend([ratio(row.to(row.best_other())), ratio(row.to(row.floor()))]);
            line.push(row.aim.map_or_else(String::new, |aim| aim.to_string()));
            line.push(row.of_aim().map_or_else(String::new, |times| {
                format!("{}{}", Value::Is(times), if times > 1.0 { " MISSED" } else { "" })
            }));
            table.add_row(line);
        }
        for column in table.column_iter_mut().skip(2).take(columns - 4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{}\n\n{table}", self.title)?;
        for daemon in &daemons {
            let wrong = self.wrong.get(daemon).map(Vec::as_slice).unwrap_or_default();
            wrong.iter().try_for_each(|line| writeln!(f, "- {daemon}: WRONG TABLE: {line}"))?;
            let unfinished = self.unfinished.get(daemon).map(Vec::as_slice).unwrap_or_default();
            unfinished.iter().take(2).try_for_each(|line| writeln!(f, "- {daemon}: unfinished: {line}"))?;
        }
        for (daemon, why) in &self.absent {
            writeln!(f, "- {daemon} did not take part: {why}")?;
        }
        for note in &self.notes {
            writeln!(f, "- {note}")?;
        }
        for (daemon, version) in &self.versions {
            writeln!(f, "- {daemon}: {version}")?;
        }
        for (daemon, text) in self.configurations.iter().filter(|(_, text)| !text.is_empty()) {
            writeln!(f, "\nconfiguration of {daemon}:\n")?;
            text.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To the best other and to the floor.
    fn ratios(unit: &'static str) -> [Option<f64>; 2] {
        let mut report = Report::new("a case".to_owned());
        let values = [(Daemon::Floor, 1.0), (Daemon::Heddle, 4.0), (Daemon::Bird, 8.0), (Daemon::Frr, 2.0)];
        for (daemon, value) in values {
            let figure = Figure { measure: "a measure".to_owned(), unit, value: Value::Is(value) };
            report.add(daemon, Figures { figures: vec![figure], ..Figures::default() });
        }
        report.rows.iter().flat_map(|row| [row.to(row.best_other()), row.to(row.floor())]).collect::<Vec<_>>()[..]
            .try_into()
            .expect("one row has two ratios")
    }

    #[test]
    fn the_best_other_has_the_shortest_time_or_the_highest_rate() {
        assert_eq!(ratios("s"), [Some(2.0), Some(4.0)]);
        assert_eq!(ratios(RATE), [Some(0.5), Some(4.0)]);
    }
}
