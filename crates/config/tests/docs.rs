//! The documentation says what the code does.

use std::fmt::Write as _;
use std::path::PathBuf;

use heddle_config::Config;
use heddle_config::schema::Table;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("docs/{name}: {e}"))
}

/// The keys of a table as the documentation shows them.
fn rendered(table: Table) -> String {
    let mut out = String::from("| key | type | default | effect of a change | meaning |\n|---|---|---|---|---|\n");
    for key in heddle_config::schema::keys().filter(|k| k.table == table) {
        let effect = key.effect.map_or("", |e| e.as_str());
        let default = match key.default {
            "" => "required".to_owned(),
            d if d.starts_with(|c: char| c.is_ascii_digit()) || ["true", "false", "{}", "[]"].contains(&d) => {
                format!("`{}`", d)
            }
            d => d.to_owned(),
        };
        let cell = |text: &str| text.replace('|', "\\|");
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {effect} | {} |",
            key.name,
            cell(key.kind),
            cell(&default),
            cell(key.meaning)
        );
    }
    out
}

/// `docs/configuration.md` has the table of each kind of table between markers; HEDDLE_BLESS=1 writes them.
#[test]
fn the_tables_of_keys_are_those_of_the_code() {
    let mut doc = read("configuration.md");
    for table in Table::ALL {
        let begin = format!("<!-- keys: {table:?} -->\n");
        let from = doc.find(&begin).unwrap_or_else(|| panic!("docs/configuration.md has no {begin}")) + begin.len();
        let to = from + doc[from..].find("<!-- end -->").unwrap_or_else(|| panic!("{begin} has no end"));
        if std::env::var_os("HEDDLE_BLESS").is_some() {
            doc.replace_range(from..to, &rendered(table));
        } else {
            assert_eq!(&doc[from..to], rendered(table), "{table:?}: HEDDLE_BLESS=1 writes it");
        }
    }
    if std::env::var_os("HEDDLE_BLESS").is_some() {
        std::fs::write(path("configuration.md"), doc).unwrap_or_else(|e| panic!("{e}"));
    }
}

/// A block is a whole file, or a part that needs a router and the groups and policies that it names.
#[test]
fn every_toml_block_is_a_configuration() {
    let mut blocks = 0;
    for name in ["configuration.md", "from-bird.md", "from-frr.md"] {
        let text = read(name);
        for (i, part) in text.split("```toml\n").skip(1).enumerate() {
            let block = part.split("```").next().unwrap_or_default();
            let head = "router = { asn = 65001, router_id = \"10.0.0.1\" }\n";
            let whole = if block.contains("[router]") { block.to_owned() } else { format!("{head}{block}") };
            Config::from_toml(&whole, name).unwrap_or_else(|e| panic!("docs/{name}, block {}:\n{e}", i + 1));
            blocks += 1;
        }
    }
    assert!(blocks > 10, "only {blocks} blocks found");
}
