//! `guard` of a peer or group.

use heddle_bgp_core::Prefix;

use super::reader::Reader;
use crate::error::Conflict;
use crate::schema::Table;
use crate::value::{Guard, Lengths};

/// `guard`: `true`, `false` or a table; the outer none: nothing said.
pub(crate) fn guard(reader: &Reader<'_, '_>) -> Option<Option<Guard>> {
    let value = reader.get("guard")?;
    if let Some(on) = value.get_ref().as_bool() {
        return Some(on.then(Guard::default));
    }
    if !value.get_ref().is_table() {
        reader.wrong_type("guard", value, "true, false or a table");
        return None;
    }
    let table = reader.table_of("guard", value, Table::Guard)?;
    let default = Guard::default();
    Some(Some(Guard {
        ipv4_lengths: lengths(&table, "ipv4_lengths", 32).unwrap_or(default.ipv4_lengths),
        ipv6_lengths: lengths(&table, "ipv6_lengths", 128).unwrap_or(default.ipv6_lengths),
        allow_default: table.boolean("allow_default").unwrap_or(default.allow_default),
        allow_martians: table.boolean("allow_martians").unwrap_or(default.allow_martians),
        allow_networks: table.boolean("allow_networks").unwrap_or(default.allow_networks),
        own: table.list("own", |text| Ok(text.parse::<Prefix>()?)).unwrap_or(default.own),
    }))
}

/// `[shortest, longest]`.
fn lengths(reader: &Reader<'_, '_>, key: &'static str, longest: i64) -> Option<Lengths> {
    let items = reader.items(key)?;
    let [min, max] = items[..] else {
        reader.source.error(reader.span(key), Conflict::GuardLengths { key });
        return None;
    };
    let length = |item| reader.integer_of(key, item, (1, longest)).and_then(|n| u8::try_from(n).ok());
    let (min, max) = (length(min), length(max));
    let lengths = Lengths { min: min?, max: max? };
    if lengths.min > lengths.max {
        reader.source.error(reader.span(key), Conflict::GuardLengths { key });
    }
    Some(lengths)
}
