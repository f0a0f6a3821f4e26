//! `heddle config render`: what a node would run, out of a directory of manifests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heddle_config::Config;
use heddle_config_gen::{EndpointStatus, Generated, NodeContext, Source, Subject, generate};
use heddle_datastore::{FolderContent, Problem, SourceError};
use heddle_resources::value::InterfaceAddress;
use heddle_resources::{Key, Location};
use serde::{Deserialize, Serialize};

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
pub(crate) fn render(args: &Render, screen: &Screen) -> Result<(Rendered, usize), Failure> {
    let context = context(args)?;
    let manifests = read(&args.datastore)?;
    let (generated, mut wrong) = run(&manifests, &context, screen);
    let config = configured(&generated, &args.datastore)?;
    if let Some(other) = &args.diff {
        let other_manifests = read(other)?;
        let (other_generated, others) = run(&other_manifests, &context, screen);
        wrong += others;
        let new = configured(&other_generated, other)?;
        return Ok((Rendered::Change(Box::new(config.clone()), Box::new(new.clone())), wrong));
    }
    let text = match args.format {
        RenderFormat::Toml if args.explain => annotated(&config.to_toml(), config, &generated, &manifests.places),
        RenderFormat::Toml => config.to_toml(),
        RenderFormat::Json => json(config, &generated, &manifests.places, args.explain)?,
    };
    Ok((Rendered::Text(text), wrong))
}

/// Generates, and says on standard error what is wrong or most likely not meant; the second value is how much of it keeps
/// objects out.
fn run(manifests: &FolderContent, context: &NodeContext, screen: &Screen) -> (Generated, usize) {
    let mut faults = 0;
    for problem in &manifests.problems {
        match problem {
            fault if fault.is_fault() => {
                faults += 1;
                eprintln!("{} {fault}", screen.error_label());
            }
            Problem::Note(note) => eprintln!("note: {note}"),
            // What else may lie in a folder is nobody's mistake.
            _ => {}
        }
    }
    let generated = generate(&manifests.snapshot, context);
    for warning in &generated.warnings {
        eprintln!("warning: {warning}");
    }
    (generated, faults)
}

fn configured<'a>(generated: &'a Generated, path: &Path) -> Result<&'a Config, Failure> {
    generated.config.as_ref().ok_or_else(|| {
        let reason = generated.waiting.as_ref().map_or_else(|| "no configuration".to_owned(), ToString::to_string);
        Failure::Invalid { text: format!("{}: the node would run no sessions: {reason}", path.display()) }
    })
}

fn context(args: &Render) -> Result<NodeContext, Failure> {
    let mut context = NodeContext::new(args.node.as_str());
    context.router_id = args.router_id;
    context.secrets_namespace = args.secrets_namespace.as_str().into();
    if let Some(directory) = &args.endpoint_status {
        context.endpoints = endpoints(directory)?;
    }
    Ok(context)
}

/// A file of the endpoint-status directory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointFile {
    #[serde(default)]
    iface_name: String,
    #[serde(default)]
    ipv4_nets: Vec<String>,
    #[serde(default)]
    ipv6_nets: Vec<String>,
    #[serde(default)]
    bgp_peer_name: String,
}

fn endpoints(directory: &Path) -> Result<Vec<EndpointStatus>, Failure> {
    let mut endpoints = Vec::new();
    for path in files(directory)? {
        let invalid = |reason: String| Failure::Invalid { text: format!("{}: {reason}", path.display()) };
        let file: EndpointFile = serde_json::from_str(&text(&path)?).map_err(|e| invalid(e.to_string()))?;
        let nets = file.ipv4_nets.iter().chain(&file.ipv6_nets);
        let addresses: Result<Vec<InterfaceAddress>, _> = nets.map(|net| net.parse()).collect();
        endpoints.push(EndpointStatus {
            interface: file.iface_name.as_str().into(),
            addresses: addresses.map_err(|e| invalid(e.to_string()))?,
            bgp_peer: Some(file.bgp_peer_name.as_str()).filter(|name| !name.is_empty()).map(Arc::from),
        });
    }
    Ok(endpoints)
}

/// All manifests of a directory.
fn read(path: &Path) -> Result<FolderContent, Failure> {
    let invalid = |text: String| Failure::Invalid { text };
    let content = FolderContent::read(path).map_err(|error| match error {
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

fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}

/// The files of a directory in order of their names; hidden ones are left out.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |source| Failure::File { path: directory.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
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
        let origin = subject.map(|s| sources(generated.origins.of(&s), places)).filter(|text| !text.is_empty());
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
