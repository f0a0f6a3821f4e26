//! `heddle config`: configurations, of files and of the running daemon.

use std::io::Read;
use std::path::Path;

use heddle_admin::Client;
use heddle_admin::types::{ChangeEffect, ConfigChange, ConfigDiff, ConfigSource, PeerAddress};
use heddle_config::{ConfigErrors, Effect, ExpressionError, Subject};
use heddle_rib::policy::{AsPathRegex, PolicyError};
use ipnetwork::IpNetwork;

use crate::args::{Config, ConfigCommand, Connection, Render, RenderFormat};
use crate::exit::Failure;
use crate::render::Rendered;
use crate::screen::{Screen, Tone};
use crate::table::{Align, Cell, Table};
use crate::words::{count, printable};

pub(crate) async fn run(args: Config, screen: &mut Screen) -> Result<(), Failure> {
    let connection = args.connection;
    let client = Client::new(connection.socket());
    match args.command {
        ConfigCommand::Check { file } => check(&file, screen),
        ConfigCommand::Diff { file, against, exit_code } => {
            let diff = match against {
                Some(old) => diff_files(&old, &file)?,
                None => client.config_diff(&source(&file)?).await?,
            };
            if connection.json {
                json(&diff, screen)?;
            } else {
                write_diff(&diff, Tense::Would, screen)?;
            }
            if exit_code && is_disruptive(&diff) { Err(Failure::Disruptive) } else { Ok(()) }
        }
        ConfigCommand::Apply { file } => apply(&client, file.as_deref(), &connection, screen).await,
        ConfigCommand::Render(args) => render(&args, connection.json, screen).await,
        ConfigCommand::Show => {
            let config = client.config().await?;
            if connection.json { json(&config, screen) } else { Ok(screen.raw(config.toml.as_bytes())?) }
        }
        ConfigCommand::Example => Ok(screen.raw(heddle_config::example().as_bytes())?),
    }
}

fn json<T: serde::Serialize>(value: &T, screen: &mut Screen) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(std::io::Error::from)?;
    Ok(writeln!(screen, "{text}")?)
}

/// Reads a file; `-` is standard input.
fn read(path: &Path) -> Result<String, Failure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|source| Failure::File { path: path.to_owned(), source })
}

/// What messages call a file.
fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn source(path: &Path) -> Result<ConfigSource, Failure> {
    Ok(ConfigSource { toml: Some(read(path)?), file: Some(name(path)) })
}

/// Reads and judges a file, with its AS_PATH expressions compiled.
fn parse(path: &Path) -> Result<heddle_config::Config, Failure> {
    let expression = |text: &str| {
        AsPathRegex::new(text).map(|_| ()).map_err(|error| match error {
            PolicyError::Regex { column, reason, .. } => ExpressionError { column, reason },
            other => ExpressionError { column: 1, reason: other.to_string() },
        })
    };
    heddle_config::Config::from_toml_with(&read(path)?, &name(path), &expression).map_err(|errors| invalid(&errors))
}

fn invalid(errors: &ConfigErrors) -> Failure {
    let number = u64::try_from(errors.0.len()).unwrap_or(u64::MAX);
    Failure::Invalid { text: format!("{errors}\n{}", count(number, "error", "errors")) }
}

fn check(file: &Path, screen: &mut Screen) -> Result<(), Failure> {
    let config = parse(file)?;
    let of = |number: usize, one, many| count(u64::try_from(number).unwrap_or(u64::MAX), one, many);
    let good = screen.paint(Tone::Good, "valid");
    let parts = [
        of(config.peers.len(), "peer", "peers"),
        of(config.listen_ranges.len(), "listen range", "listen ranges"),
        of(config.policies.len(), "policy", "policies"),
        of(config.networks.len(), "network", "networks"),
    ];
    Ok(writeln!(screen, "{}: {good}: {}", name(file), parts.join(", "))?)
}

/// `config render`: prints what a node would run, or how that changes.
async fn render(args: &Render, as_json: bool, screen: &mut Screen) -> Result<(), Failure> {
    let (rendered, wrong) = crate::render::render(args, screen).await?;
    match rendered {
        Rendered::Text(text) => screen.raw(text.as_bytes())?,
        Rendered::Change(old, new) => {
            let diff = diff_values(&old, &new);
            if as_json || args.format == RenderFormat::Json {
                json(&diff, screen)?;
            } else {
                write_diff(&diff, Tense::Would, screen)?;
            }
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    screen.flush()?;
    let number = count(u64::try_from(wrong).unwrap_or(u64::MAX), "object is", "objects are");
    Err(Failure::Invalid { text: format!("{number} invalid and left out; the rest is printed") })
}

fn diff_files(old: &Path, new: &Path) -> Result<ConfigDiff, Failure> {
    Ok(diff_values(&parse(old)?, &parse(new)?))
}

fn diff_values(old: &heddle_config::Config, new: &heddle_config::Config) -> ConfigDiff {
    let changes = heddle_config::diff(old, new);
    let mut diff = ConfigDiff::default();
    for subject in heddle_config::resets(old, &changes) {
        match &subject {
            Subject::Peer(address) => diff.resets.push(peer_address(address)),
            Subject::ListenRange(prefix) => diff.reset_ranges.extend(prefix.to_string().parse::<IpNetwork>()),
            Subject::Router
            | Subject::Api
            | Subject::Log
            | Subject::Confinement
            | Subject::Policy(_)
            | Subject::PrefixSet(_)
            | Subject::CommunitySet(_)
            | Subject::AsPathSet(_)
            | Subject::Network(_)
            | Subject::Fib => {}
        }
    }
    diff.changes.extend(changes.into_iter().map(|change| ConfigChange {
        peer: change.peer().map(peer_address),
        subject: change.subject.kind().into(),
        name: change.subject.name(),
        key: change.key,
        effect: match change.effect {
            Effect::Immediate => ChangeEffect::Immediate,
            Effect::Refresh => ChangeEffect::Refresh,
            Effect::NextSession => ChangeEffect::NextSession,
            Effect::Reset => ChangeEffect::Reset,
            Effect::Restart => ChangeEffect::Restart,
        },
        old: change.old,
        new: change.new,
    }));
    diff
}

fn peer_address(address: &heddle_config::PeerAddress) -> PeerAddress {
    PeerAddress::new(address.ip, address.zone.clone())
}

fn is_disruptive(diff: &ConfigDiff) -> bool {
    let restart = diff.changes.iter().any(|change| change.effect == ChangeEffect::Restart);
    restart || !diff.resets.is_empty() || !diff.reset_ranges.is_empty()
}

async fn apply(
    client: &Client,
    file: Option<&Path>,
    connection: &Connection,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let source = file.map(source).transpose()?.unwrap_or_default();
    let applied = client.config_apply(&source).await?;
    if connection.json {
        return json(&applied, screen);
    }
    write_diff(&applied.diff, Tense::Done, screen)
}

/// Whether changes are made or only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tense {
    Would,
    Done,
}

fn write_diff(diff: &ConfigDiff, tense: Tense, screen: &mut Screen) -> Result<(), Failure> {
    for warning in &diff.warnings {
        let label = screen.paint(Tone::Warn, "warning:");
        writeln!(screen, "{label} {}", printable(warning))?;
    }
    if diff.changes.is_empty() {
        return Ok(writeln!(screen, "No changes.")?);
    }
    let mut table = Table::new(&[("Effect", Align::Left), ("Of", Align::Left), ("Change", Align::Left)]);
    for change in &diff.changes {
        let (tone, effect) = match change.effect {
            ChangeEffect::Immediate => (Tone::Plain, "at once"),
            ChangeEffect::NextSession => (Tone::Plain, "next"),
            ChangeEffect::Refresh => (Tone::Plain, "refresh"),
            ChangeEffect::Reset => (Tone::Bad, "reset"),
            ChangeEffect::Restart => (Tone::Bad, "restart"),
        };
        let name = change.name.as_deref().map_or_else(String::new, |name| format!(" {name}"));
        let subject = printable(&format!("{}{name}", change.subject));
        table.row([Cell::new(tone, effect), Cell::from(subject), Cell::from(sentence(change))]);
    }
    table.write(screen)?;
    let changes = count(u64::try_from(diff.changes.len()).unwrap_or(u64::MAX), "change", "changes");
    let verb = match tense {
        Tense::Would => "would reset",
        Tense::Done => "reset",
    };
    let peers = diff.resets.iter().map(ToString::to_string);
    let ranges = diff.reset_ranges.iter().map(|range| format!("all peers in {range}"));
    let resets: Vec<String> = peers.chain(ranges).collect();
    if resets.is_empty() {
        writeln!(screen, "\n{changes}, {verb} no session")?;
    } else {
        let text = screen.paint(Tone::Bad, resets.join(", "));
        writeln!(screen, "\n{changes}, {verb} the session of {text}")?;
    }
    Ok(())
}

/// A change in words: `hold_time 90 -> 30`, `added`.
fn sentence(change: &ConfigChange) -> String {
    match (change.key.as_str(), change.old.as_deref().map(printable), change.new.as_deref().map(printable)) {
        ("", _, None) => "removed".to_owned(),
        ("", None, _) => "added".to_owned(),
        ("", Some(_), Some(_)) => "replaced".to_owned(),
        (key, Some(old), Some(new)) => {
            let (old, new) = excerpts(&old, &new);
            format!("{} {old} -> {new}", printable(key))
        }
        (key, old, new) => {
            let value = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
            format!("{} {} -> {}", printable(key), value(old), value(new))
        }
    }
}

/// Both values, long ones cut down to where they differ.
fn excerpts(old: &str, new: &str) -> (String, String) {
    const WHOLE: usize = 32;
    const CONTEXT: usize = 6;
    if old.chars().count().max(new.chars().count()) <= WHOLE {
        return (old.to_owned(), new.to_owned());
    }
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let shorter = old.len().min(new.len());
    let after = old.iter().rev().zip(new.iter().rev()).take(shorter - before).take_while(|(a, b)| a == b).count();
    let cut = |text: &[char]| {
        let begin = before.saturating_sub(CONTEXT);
        let end = (text.len() - after + CONTEXT).min(text.len());
        let excerpt: String = text.iter().skip(begin).take(end - begin).collect();
        let (head, tail) = (if begin > 0 { "\u{2026}" } else { "" }, if end < text.len() { "\u{2026}" } else { "" });
        format!("{head}{excerpt}{tail}")
    };
    (cut(&old), cut(&new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_to_where_they_differ() {
        let cut = |old: &str, new: &str| {
            let (old, new) = excerpts(old, new);
            format!("{old} -> {new}")
        };
        assert_eq!(cut("90", "30"), "90 -> 30");
        let long = |middle: &str| format!("{}{middle}{}", "a".repeat(40), "b".repeat(40));
        assert_eq!(cut(&long("x"), &long("y")), "\u{2026}aaaaaaxbbbbbb\u{2026} -> \u{2026}aaaaaaybbbbbb\u{2026}");
        assert_eq!(cut(&long(""), &long("y")), "\u{2026}aaaaaabbbbbb\u{2026} -> \u{2026}aaaaaaybbbbbb\u{2026}");
        assert_eq!(cut(&"a".repeat(40), &"a".repeat(41)), "\u{2026}aaaaaa -> \u{2026}aaaaaaa");
        assert_eq!(cut("", &"a".repeat(40)), format!(" -> {}", "a".repeat(40)));
    }
}
