//! No timer looks at the wall clock: it may jump by years. What does look at it only says when something was, for people, and is
//! named here; a file that begins to needs a line with the reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Words by which a program learns what the wall clock says.
const WORDS: [&str; 8] = [
    "SystemTime",
    "WallTime::now",
    "jiff::Timestamp::now",
    "Zoned::now",
    "Utc::now",
    "Local::now",
    "CLOCK_REALTIME",
    "gettimeofday",
];

/// Files that may, and what for.
const ALLOWED: &[(&str, &str)] = &[
    ("admin/src/types/address.rs", "the type of times in the API"),
    ("admin/src/events.rs", "the time of an event"),
    ("admin/src/stream.rs", "the time of an event"),
    ("datastore/src/kubernetes/writer.rs", "times in conditions and events of the cluster"),
    ("datastore/src/etcd/writer.rs", "when a Node was made"),
    ("datastore/src/datastore.rs", "since when a source is as it is, for its status"),
    ("datastore/src/store.rs", "the same; what waits is measured with the other clock"),
    ("datastore/src/store/tests.rs", "the same"),
    ("datastore/src/status.rs", "the same"),
    ("node-peer/src/bird_ctl/routes.rs", "when a route was learned, for people"),
    ("node-peer/src/bird_ctl/status.rs", "the server's time, which the answer has"),
    ("node-peer/src/node_status.rs", "lastUpdated of the node's status"),
    ("node-peer/src/waiting.rs", "when the program was started"),
    ("speaker/src/backend/changes.rs", "the time of an event"),
    ("speaker/src/clock.rs", "the wall time of a monotonic one, for people"),
    ("speaker/src/lib.rs", "when the configuration was applied"),
    ("speaker/src/manager.rs", "when the configuration was applied"),
    ("speaker/src/manager/apply.rs", "when the configuration was applied"),
    ("speaker/src/report.rs", "the wall time of a monotonic one, for people"),
    ("speaker/src/restart_marker.rs", "a test that it has no say"),
];

/// Programs for developers, who may wait by whatever clock they like.
const TOOLS: [&str; 5] = ["bench", "interop-tests", "lab", "micro-bench", "soak"];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a folder of sources").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_timer_looks_at_the_wall_clock() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of all crates");
    let allowed: BTreeMap<&str, &str> = ALLOWED.iter().copied().collect();
    let mut used = Vec::new();
    for one in std::fs::read_dir(crates).expect("the folder of all crates").map(|entry| entry.expect("an entry").path())
    {
        let name = one.file_name().expect("a name").to_string_lossy().into_owned();
        let source = one.join("src");
        if TOOLS.contains(&name.as_str()) || !source.is_dir() {
            continue;
        }
        let mut files = Vec::new();
        sources(&source, &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).expect("text");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let words: Vec<_> = WORDS.iter().filter(|word| code.clone().any(|line| line.contains(**word))).collect();
            let file = file.strip_prefix(crates).expect("below it").to_string_lossy().into_owned();
            if !words.is_empty() {
                assert!(
                    allowed.contains_key(file.as_str()),
                    "{file} looks at the wall clock ({words:?}): timers must not"
                );
                used.push(file);
            }
        }
    }
    let unused: Vec<_> = allowed.keys().filter(|file| !used.iter().any(|used| used == *file)).collect();
    assert!(unused.is_empty(), "{unused:?} need not look at the wall clock any more");
}
