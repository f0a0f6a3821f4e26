//! `heddle config render`: what a node would run, out of a directory of manifests.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heddle_config::Config;
use heddle_config_gen::{Generated, NodeContext, Source, Subject, generate};
use heddle_datastore::{Datastore, EndpointStatuses, FolderContent, Problem, SourceError};
use heddle_node_peer::{DatastorePlace, endpoints};
use heddle_resources::{Key, Location};
use serde::Serialize;

use crate::args::{Render, RenderFormat};
use crate::exit::Failure;
use crate::screen::Screen;

/// More sources than this are counted instead of named.
const NAMED_SOURCES: usize = 6;

/// What `render` is to print.
pub(crate) enum Rendered {
    /// A text.
    Text(String),
    /// What changes from one directory to the other.
    Change(Box<Config>, Box<Config>),
}

/// Makes the configuration. What is wrong with manifests goes to standard error; the second value is how much.
pub(crate) async fn render(args: &Render, screen: &Screen) -> Result<(Rendered, usize), Failure> {
    let context = context(args, screen);
    let manifests = match &args.datastore {
        DatastorePlace::Folder(folder) => read(folder)?,
        DatastorePlace::Kubernetes => {
            let source = args.context.kubernetes.source(&args.node, &args.context).await;
            read_server(source.map_err(|error| Failure::Invalid { text: error.to_string() })?).await?
        }
        DatastorePlace::Etcd => {
            let source = args.context.etcd.source(&args.node);
            read_server(source.map_err(|error| Failure::Invalid { text: error.to_string() })?).await?
        }
    };
    let (generated, mut wrong) = run(&manifests, &context, screen);
    let Some(other) = &args.diff else {
        for warning in warnings(&generated) {
            eprintln!("warning: {warning}");
        }
        let config = configured(&generated, &args.datastore)?;
        let text = match args.format {
            RenderFormat::Toml if args.explain => annotated(&config.to_toml(), config, &generated, &manifests.places),
            RenderFormat::Toml => config.to_toml(),
            RenderFormat::Json => json(config, &generated, &manifests.places, args.explain)?,
        };
        return Ok((Rendered::Text(text), wrong));
    };
    let other_manifests = read(other)?;
    let (other_generated, others) = run(&other_manifests, &context, screen);
    wrong += others;
    warnings_of_two([(&args.datastore, warnings(&generated)), (&other.display(), warnings(&other_generated))]);
    let config = configured(&generated, &args.datastore)?;
    let new = configured(&other_generated, &other.display())?;
    Ok((Rendered::Change(Box::new(config.clone()), Box::new(new.clone())), wrong))
}

/// Generates, and says on standard error what is wrong; the second value is how much of it keeps objects out.
fn run(manifests: &FolderContent, context: &NodeContext, screen: &Screen) -> (Generated, usize) {
    let mut faults = 0;
    for problem in &manifests.problems {
        match problem {
            fault if fault.is_fault() => {
                faults += 1;
                eprintln!("{} {fault}", screen.error_label());
            }
            Problem::Note(note) => eprintln!("note: {note}"),
            // What else may lie in a folder is nobody's mistake: it is counted below.
            _ => {}
        }
    }
    for note in passed_over(&manifests.problems) {
        eprintln!("note: {note}");
    }
    (generate(&manifests.snapshot, context), faults)
}

fn warnings(generated: &Generated) -> Vec<String> {
    generated.warnings.iter().map(ToString::to_string).collect()
}

/// Says of which place a warning is; what both have is said once.
fn warnings_of_two([(old_place, old), (new_place, new)]: [(&dyn Display, Vec<String>); 2]) {
    for warning in old.iter().filter(|warning| new.contains(warning)) {
        eprintln!("warning: {old_place}, {new_place}: {warning}");
    }
    for warning in old.iter().filter(|warning| !new.contains(warning)) {
        eprintln!("warning: {old_place}: {warning}");
    }
    for warning in new.iter().filter(|warning| !old.contains(warning)) {
        eprintln!("warning: {new_place}: {warning}");
    }
}

/// What lies in the folder and is not read, in a line for files and one for each kind.
fn passed_over(problems: &[Problem]) -> Vec<String> {
    let mut kinds: BTreeMap<(&str, &str), (usize, Option<&Location>)> = BTreeMap::new();
    let mut files = Vec::new();
    for problem in problems {
        match problem {
            Problem::Skipped { object, api_version, at } => {
                let kind = object.kind.as_deref().unwrap_or("no kind");
                kinds.entry((kind, api_version)).or_insert((0, at.as_ref())).0 += 1;
            }
            Problem::Ignored { path } => files.push(path.display().to_string()),
            _ => {}
        }
    }
    let of_kind = |((kind, version), (count, at)): (&(&str, &str), &(usize, Option<&Location>))| {
        let place = at.map(|at| format!("{}:{}: ", at.file, at.line)).unwrap_or_default();
        let more = if *count > 1 { format!(", and {} more", count - 1) } else { String::new() };
        format!("{place}{kind} ({version}) is of a kind that Heddle does not read{more}; passed over")
    };
    let mut notes: Vec<String> = kinds.iter().map(of_kind).collect();
    if let Some(first) = files.first() {
        let more = files.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        notes.push(format!("{first}{more}: passed over; names of manifests end in .yaml, .yml or .json"));
    }
    notes
}

fn configured<'a>(generated: &'a Generated, place: &dyn Display) -> Result<&'a Config, Failure> {
    generated.config.as_ref().ok_or_else(|| {
        let reason = generated.waiting.as_ref().map_or_else(|| "no configuration".to_owned(), ToString::to_string);
        Failure::Invalid { text: format!("{place}: the node would run no sessions: {reason}") }
    })
}

fn context(args: &Render, screen: &Screen) -> NodeContext {
    let report = EndpointStatuses::read(args.context.endpoint_folder());
    for fault in report.faults.iter() {
        eprintln!("{} {fault}", screen.error_label());
    }
    NodeContext { endpoints: endpoints(&report), ..args.context.context(&args.node) }
}

/// How long a server may take to tell everything.
const SERVER: Duration = Duration::from_secs(30);

/// All resources that a server has, as the node reads them.
async fn read_server(source: impl heddle_datastore::Source) -> Result<FolderContent, Failure> {
    let invalid = |text: String| Failure::Invalid { text };
    let datastore = Datastore::start(source);
    let first = tokio::time::timeout(SERVER, datastore.subscribe().next()).await;
    let status = datastore.status();
    let Ok(Some(first)) = first else {
        let error = status.last_error.map(|(_, error)| format!(": {error}")).unwrap_or_default();
        return Err(invalid(format!("{}: {}{error}", status.source, status.state)));
    };
    let problems = status.problems.values().flat_map(|list| list.iter()).cloned().collect();
    Ok(FolderContent { snapshot: (**first.snapshot()).clone(), places: BTreeMap::new(), problems })
}

/// All manifests of a directory.
fn read(path: &Path) -> Result<FolderContent, Failure> {
    let invalid = |text: String| Failure::Invalid { text };
    let content = FolderContent::read(path).map_err(|error| match error {
        SourceError::Folder { path, error } if error.kind() == std::io::ErrorKind::NotFound => {
            invalid(format!("{}: there is no such directory", path.display()))
        }
        SourceError::Folder { path, error } => {
            Failure::File { path, source: std::io::Error::new(error.kind(), error.to_string()) }
        }
        other => invalid(other.to_string()),
    })?;
    if content.snapshot.is_empty() && !content.problems.iter().any(Problem::is_fault) {
        let path = path.display();
        return Err(invalid(format!("{path}: no manifests here: their names have to end in .yaml, .yml or .json")));
    }
    Ok(content)
}

/// The sources of a part in words.
fn sources(sources: &[Source], places: &BTreeMap<Key, Location>) -> String {
    let mut text = String::new();
    for (index, source) in sources.iter().take(NAMED_SOURCES).enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{source}");
        if let Source::Resource { key, .. } = source
            && let Some(at) = places.get(key)
        {
            let _ = write!(text, " ({}:{})", at.file, at.line);
        }
    }
    if let Some(more) = sources.len().checked_sub(NAMED_SOURCES).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// The TOML with comments: where each section comes from before it, where a key of a section comes from behind it.
fn annotated(toml: &str, config: &Config, generated: &Generated, places: &BTreeMap<Key, Location>) -> String {
    let mut out = String::with_capacity(toml.len() * 2);
    let mut position = Position::default();
    for line in toml.lines() {
        let subject = position.advance(line, config);
        // What no resource asked for is ours.
        let origin = subject.map(|s| sources(generated.origins.of(&s), places));
        let origin = origin.map(|text| if text.is_empty() { "built in".to_owned() } else { text });
        let _ = match origin {
            None => writeln!(out, "{line}"),
            Some(text) if line.starts_with('[') => writeln!(out, "# {text}\n{line}"),
            Some(text) => writeln!(out, "{line} # {text}"),
        };
    }
    out
}

/// Where in a written configuration we are.
#[derive(Default)]
struct Position {
    /// The header of the section.
    section: String,
    policies: usize,
    rules: usize,
    peers: usize,
    networks: usize,
    fib_rules: usize,
    static_routes: usize,
}

/// The keys whose origin is known for themselves.
const SETTINGS: [&str; 9] = [
    "router.asn",
    "router.router_id",
    "router.cluster_id",
    "router.listen",
    "log.level",
    "fib.metric",
    "fib.metric.v4",
    "fib.metric.v6",
    "fib.ignored_interfaces",
];

impl Position {
    /// What the next line is about, if it begins a part of the configuration.
    fn advance(&mut self, line: &str, config: &Config) -> Option<Subject> {
        let next = |count: &mut usize| {
            *count += 1;
            *count - 1
        };
        let Some(header) = line.strip_prefix('[') else { return self.setting(line) };
        self.section = header.trim_matches(['[', ']']).to_owned();
        match self.section.as_str() {
            "policies" => {
                self.rules = 0;
                let policy = config.policies.get(next(&mut self.policies))?;
                Some(Subject::Policy(policy.name.as_str().into()))
            }
            "policies.rules" => {
                let policy = config.policies.get(self.policies.checked_sub(1)?)?;
                Some(Subject::Rule(policy.name.as_str().into(), next(&mut self.rules)))
            }
            "peers" => config.peers.get(next(&mut self.peers)).map(|p| Subject::Peer(p.address.clone())),
            "networks" => config.networks.get(next(&mut self.networks)).map(|n| Subject::Network(n.prefix)),
            "fib.rules" => Some(Subject::FibRule(next(&mut self.fib_rules))),
            "fib.static_routes" => {
                let routes = &config.fib.as_ref()?.static_routes;
                routes.get(next(&mut self.static_routes)).map(|r| Subject::StaticRoute(r.prefix))
            }
            _ => None,
        }
    }

    fn setting(&self, line: &str) -> Option<Subject> {
        let (key, _) = line.split_once(" = ")?;
        let path = format!("{}.{key}", self.section);
        // Of a metric in one line the two keys are one.
        let path = if path == "fib.metric" { "fib.metric.v4" } else { path.as_str() };
        SETTINGS.into_iter().find(|known| *known == path).map(Subject::Setting)
    }
}

/// A part and its sources, for programs.
#[derive(Serialize)]
struct Explained {
    part: String,
    sources: Vec<Origin>,
}

#[derive(Serialize)]
struct Origin {
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
struct Whole<'a> {
    config: &'a Config,
    origins: Vec<Explained>,
}

fn json(
    config: &Config,
    generated: &Generated,
    places: &BTreeMap<Key, Location>,
    explain: bool,
) -> Result<String, Failure> {
    let text = if explain {
        let origin = |source: &Source| {
            let at = match source {
                Source::Resource { key, .. } => places.get(key),
                Source::Environment(_) | Source::Default(_) | Source::BuiltIn => None,
            };
            Origin { source: source.to_string(), file: at.map(|at| at.file.clone()), line: at.map(|at| at.line) }
        };
        let explained = |(subject, sources): (&Subject, &[Source])| Explained {
            part: subject.to_string(),
            sources: sources.iter().map(origin).collect(),
        };
        serde_json::to_string_pretty(&Whole { config, origins: generated.origins.iter().map(explained).collect() })
    } else {
        serde_json::to_string_pretty(config)
    };
    let mut text = text.map_err(std::io::Error::from)?;
    text.push('\n');
    Ok(text)
}
