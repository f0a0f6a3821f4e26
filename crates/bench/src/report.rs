//! What a case answers: measures, a value for each contender, the aim.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value as Json, json};

use crate::contender::Contender;
use crate::machine::Machine;

/// The figures of one case.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// What was done.
    pub(crate) title: String,
    /// The measures.
    pub(crate) rows: Vec<Row>,
    /// What else is to be known.
    pub(crate) notes: Vec<String>,
    /// How they were configured.
    pub(crate) configurations: BTreeMap<Contender, String>,
    /// Load average before the case.
    pub(crate) load: f64,
    /// Where it ran.
    pub(crate) machine: Machine,
}

/// One measure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What is measured.
    pub(crate) measure: String,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// What it came to.
    pub(crate) values: BTreeMap<Contender, Value>,
    /// What it should come to.
    pub(crate) aim: Option<Aim>,
}

/// A measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    /// This much.
    Is(f64),
    /// More than this: the case was ended there.
    MoreThan(f64),
}

/// What a figure of ours should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Aim {
    /// At most this share of the other's.
    OfOther(f64),
    /// At most this.
    AtMost(f64),
}

impl Report {
    pub(crate) fn new(title: String) -> Self {
        let machine = Machine::default();
        Self { title, rows: Vec::new(), notes: Vec::new(), configurations: BTreeMap::new(), load: 0.0, machine }
    }

    pub(crate) fn to_json(&self) -> Json {
        let rows: Vec<Json> = self.rows.iter().map(Row::to_json).collect();
        let configurations: BTreeMap<String, &str> =
            self.configurations.iter().map(|(contender, text)| (contender.to_string(), text.as_str())).collect();
        json!({
            "case": self.title, "rows": rows, "notes": self.notes, "load_average": self.load, "machine": self.machine,
            "configurations": configurations,
        })
    }
}

impl Row {
    pub(crate) fn new(measure: impl Into<String>, unit: &'static str) -> Self {
        Self { measure: measure.into(), unit, values: BTreeMap::new(), aim: None }
    }

    #[must_use]
    pub(crate) fn aim(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    /// Adds a value, if there is one.
    #[must_use]
    pub(crate) fn value(mut self, contender: Contender, value: Option<Value>) -> Self {
        self.values.extend(value.map(|value| (contender, value)));
        self
    }

    /// Ours divided by the other's, as far as both are known; at most this where the other's is larger than it could be
    /// measured.
    fn ratio(&self) -> Option<Value> {
        match (self.values.get(&Contender::Heddle)?, self.values.get(&Contender::Bird)?) {
            (Value::Is(ours), Value::Is(other)) if *other > 0.0 => Some(Value::Is(ours / other)),
            (Value::Is(ours), Value::MoreThan(other)) if *other > 0.0 => Some(Value::Is(ours / other)),
            (Value::MoreThan(ours), Value::Is(other)) if *other > 0.0 => Some(Value::MoreThan(ours / other)),
            (Value::Is(_) | Value::MoreThan(_), Value::Is(_) | Value::MoreThan(_)) => None,
        }
    }

    /// Whether the aim is reached; nothing where that is not known.
    fn reached(&self) -> Option<bool> {
        let within = |value: &Value, limit: f64| match value {
            Value::Is(value) => *value <= limit,
            Value::MoreThan(_) => false,
        };
        match self.aim? {
            Aim::OfOther(share) => self.ratio().map(|ratio| within(&ratio, share)),
            Aim::AtMost(limit) => self.values.get(&Contender::Heddle).map(|ours| within(ours, limit)),
        }
    }

    fn to_json(&self) -> Json {
        let number = |value: &Value| match value {
            Value::Is(value) => json!({"value": value}),
            Value::MoreThan(limit) => json!({"more_than": limit}),
        };
        let values: BTreeMap<String, Json> =
            self.values.iter().map(|(contender, value)| (contender.to_string(), number(value))).collect();
        json!({
            "measure": self.measure, "unit": self.unit, "values": values, "ratio": self.ratio().as_ref().map(number),
            "aim": self.aim.map(|aim| aim.to_string()), "reached": self.reached(),
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, value) = match self {
            Self::Is(value) => ("", *value),
            Self::MoreThan(limit) => ("> ", *limit),
        };
        let digits = match value.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            size if size >= 1.0 => 2,
            _ => 3,
        };
        write!(f, "{sign}{value:.digits$}")
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfOther(share) => write!(f, "≤ {} of BIRD", Value::Is(*share)),
            Self::AtMost(limit) => write!(f, "≤ {limit}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        let takes_part = |contender: &Contender| self.rows.iter().any(|row| row.values.contains_key(contender));
        let frr = takes_part(&Contender::Frr).then_some(Contender::Frr);
        let columns: Vec<Contender> = [Contender::Heddle, Contender::Bird].into_iter().chain(frr).collect();
        let names = columns.iter().map(ToString::to_string);
        let ends = ["ratio", "aim", ""].map(str::to_owned);
        table.set_header(["measure", "unit"].map(str::to_owned).into_iter().chain(names).chain(ends));
        for row in &self.rows {
            let value = |contender| row.values.get(contender).map_or_else(|| "-".to_owned(), ToString::to_string);
            let begins = [row.measure.clone(), row.unit.to_owned()];
            let ends = [
                row.ratio().map_or_else(|| "-".to_owned(), |ratio| ratio.to_string()),
                row.aim.map_or_else(String::new, |aim| aim.to_string()),
                match row.reached() {
                    Some(true) => "reached".to_owned(),
                    Some(false) => "MISSED".to_owned(),
                    None => String::new(),
                },
            ];
            table.add_row(begins.into_iter().chain(columns.iter().map(value)).chain(ends));
        }
        for column in table.column_iter_mut().skip(2).take(columns.len() + 1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{}\n\n{table}", self.title)?;
        for note in &self.notes {
            writeln!(f, "- {note}")?;
        }
        let machine = &self.machine;
        writeln!(
            f,
            "- {} cores, Linux {}, load average {:.1}; {}",
            machine.cores,
            machine.kernel,
            self.load,
            machine.versions.join(", ")
        )?;
        for (contender, text) in &self.configurations {
            writeln!(f, "\nconfiguration of {contender}:\n")?;
            text.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: Value, other: Value, aim: Aim) -> Row {
        Row::new("time", "ms").aim(aim).value(Contender::Heddle, Some(ours)).value(Contender::Bird, Some(other))
    }

    #[test]
    fn a_value_beyond_the_limit_never_reaches_an_aim() {
        let cases = [
            (Value::Is(0.9), Value::Is(1.9), Aim::OfOther(0.5), Some(true)),
            (Value::Is(1.0), Value::Is(1.9), Aim::OfOther(0.5), Some(false)),
            (Value::Is(1.0), Value::MoreThan(60.0), Aim::OfOther(0.5), Some(true)),
            (Value::MoreThan(60.0), Value::Is(1.0), Aim::OfOther(0.5), Some(false)),
            (Value::MoreThan(60.0), Value::MoreThan(60.0), Aim::OfOther(0.5), None),
            (Value::MoreThan(2.0), Value::Is(1.0), Aim::AtMost(4.0), Some(false)),
            (Value::Is(4.0), Value::Is(1.0), Aim::AtMost(4.0), Some(true)),
        ];
        for (ours, other, aim, reached) in cases {
            assert_eq!(row(ours, other, aim).reached(), reached, "{ours} and {other}, {aim}");
        }
    }

    #[test]
    fn tables_and_json_say_the_same() {
        let mut report = Report::new("a case".to_owned());
        report.rows.push(row(Value::Is(0.952), Value::Is(1.9), Aim::OfOther(0.5)));
        let text = report.to_string();
        assert!(text.contains("0.952") && text.contains("1.90") && text.contains("MISSED"), "{text}");
        let json = report.to_json();
        assert_eq!(json["rows"][0]["values"]["Heddle"]["value"], 0.952);
        assert_eq!(json["rows"][0]["reached"], false);
    }
}
