//! The expression that a selector is.

use std::fmt;

/// How a label is compared with one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
}

/// Whether a label has to be in a set, or must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    In,
    NotIn,
}

/// An expression. Operands of `And` and `Or` are two or more, values of a set are sorted and each there once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    All,
    Global,
    Has(Box<str>),
    Compare(Box<str>, Comparison, Box<str>),
    Set(Box<str>, Membership, Box<[Box<str>]>),
    Not(Box<Self>),
    And(Box<[Self]>),
    Or(Box<[Self]>),
}

impl Expression {
    /// Whether it holds.
    pub(super) fn holds<'l>(&self, lookup: &dyn Fn(&str) -> Option<&'l str>) -> bool {
        match self {
            Self::All | Self::Global => true,
            Self::Has(label) => lookup(label).is_some(),
            Self::Compare(label, comparison, value) => {
                let found = lookup(label);
                let value = &**value;
                match comparison {
                    Comparison::Equal => found == Some(value),
                    Comparison::NotEqual => found != Some(value),
                    Comparison::Contains => found.is_some_and(|found| found.contains(value)),
                    Comparison::StartsWith => found.is_some_and(|found| found.starts_with(value)),
                    Comparison::EndsWith => found.is_some_and(|found| found.ends_with(value)),
                }
            }
            Self::Set(label, membership, values) => {
                let within =
                    lookup(label).is_some_and(|found| values.binary_search_by(|value| (**value).cmp(found)).is_ok());
                match membership {
                    Membership::In => within,
                    Membership::NotIn => !within,
                }
            }
            Self::Not(operand) => !operand.holds(lookup),
            Self::And(operands) => operands.iter().all(|operand| operand.holds(lookup)),
            Self::Or(operands) => operands.iter().any(|operand| operand.holds(lookup)),
        }
    }

    pub(super) fn mentions_global(&self) -> bool {
        match self {
            Self::Global => true,
            Self::All | Self::Has(_) | Self::Compare(..) | Self::Set(..) => false,
            Self::Not(operand) => operand.mentions_global(),
            Self::And(operands) | Self::Or(operands) => operands.iter().any(Self::mentions_global),
        }
    }
}

/// The text in double quotation marks, or in single ones if it has double ones itself. No text has both.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mark = if text.contains('"') { '\'' } else { '"' };
    write!(f, "{mark}{text}{mark}")
}

fn joined(f: &mut fmt::Formatter<'_>, operands: &[Expression], operator: &str) -> fmt::Result {
    f.write_str("(")?;
    for (i, operand) in operands.iter().enumerate() {
        if i > 0 {
            f.write_str(operator)?;
        }
        fmt::Display::fmt(operand, f)?;
    }
    f.write_str(")")
}

impl fmt::Display for Expression {
    /// The canonical form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all()"),
            Self::Global => f.write_str("global()"),
            Self::Has(label) => write!(f, "has({label})"),
            Self::Compare(label, comparison, value) => {
                let operator = match comparison {
                    Comparison::Equal => "==",
                    Comparison::NotEqual => "!=",
                    Comparison::Contains => "contains",
                    Comparison::StartsWith => "starts with",
                    Comparison::EndsWith => "ends with",
                };
                write!(f, "{label} {operator} ")?;
                quoted(f, value)
            }
            Self::Set(label, membership, values) => {
                let operator = match membership {
                    Membership::In => "in",
                    Membership::NotIn => "not in",
                };
                write!(f, "{label} {operator} {{")?;
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    quoted(f, value)?;
                }
                f.write_str("}")
            }
            Self::Not(operand) => {
                f.write_str("!")?;
                fmt::Display::fmt(operand, f)
            }
            Self::And(operands) => joined(f, operands, " && "),
            Self::Or(operands) => joined(f, operands, " || "),
        }
    }
}
