//! The source of files against a real folder, with the kernel's own events.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use heddle_datastore::*;
use heddle_resources::{Delta, IpPool, Snapshot};
use tempfile::TempDir;

/// A folder, the datastore that follows it, and a consumer.
struct Stage {
    /// Holds the folder, and what is beside it.
    home: TempDir,
    datastore: Datastore,
    watch: Watch,
    /// What the consumer has: built from the events alone.
    had: Option<Snapshot>,
    /// How often an object came or changed or went.
    deltas: usize,
}

/// Longer than anything here takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl Stage {
    /// With the folder `ds` as `prepare` leaves it.
    fn new(prepare: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        prepare(&home.path().join("ds"));
        let datastore = Datastore::start(FileSource::of(home.path().join("ds")));
        let watch = datastore.subscribe();
        Self { home, datastore, watch, had: None, deltas: 0 }
    }

    fn with(files: &[(&str, &str)]) -> Self {
        Self::new(|folder| {
            for (name, text) in files {
                write(folder, name, text);
            }
        })
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("ds")
    }

    /// Writes a file beside the folder and renames it into place.
    fn put(&self, name: &str, text: &str) {
        let beside = self.home.path().join("beside");
        fs::write(&beside, text).expect("written");
        let file = self.folder().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::rename(beside, file).expect("renamed");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.folder().join(name)).expect("removed");
    }

    /// Takes the next event.
    async fn event(&mut self) {
        match tokio::time::timeout(PATIENCE, self.watch.next()).await {
            Ok(Some(Event::Snapshot(snapshot))) => {
                assert!(self.had.replace((*snapshot).clone()).is_none(), "a snapshot comes once");
            }
            Ok(Some(Event::Changes { snapshot, deltas })) => {
                let had = self.had.as_mut().expect("a snapshot comes first");
                deltas.iter().for_each(|d: &Delta| had.apply(d));
                assert_eq!(*had, *snapshot);
                self.deltas += deltas.len();
            }
            Ok(None) => panic!("the datastore ended"),
            Err(_) => panic!("no event; the consumer has {:?}; {:#?}", self.pools(), self.datastore.status()),
        }
    }

    /// Takes events until the consumer has these pools.
    async fn until(&mut self, want: &[&str]) {
        while self.had.is_none() || self.pools() != want {
            self.event().await;
        }
    }

    /// What the consumer has: `NAME/BLOCKSIZE` of each pool.
    fn pools(&self) -> Vec<String> {
        let had = self.had.iter();
        had.flat_map(Snapshot::all::<IpPool>).map(|p| format!("{}/{}", p.metadata.name, p.spec.block_size)).collect()
    }

    /// Waits until the status is so.
    async fn until_status(&self, what: &str, so: impl Fn(&Status) -> bool) -> Status {
        let mut news = self.datastore.news();
        let wait = async {
            loop {
                news.mark_unchanged();
                let status = self.datastore.status();
                if so(&status) {
                    return status;
                }
                news.changed().await.expect("it runs");
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(status) => status,
            Err(_) => panic!("{what} never: {:#?}", self.datastore.status()),
        }
    }

    /// Waits until a problem is told that has this in it.
    async fn until_problem(&self, text: &str) {
        self.until_status(text, |s| problems(s).iter().any(|p| p.contains(text))).await;
    }

    /// Everything that was done before is seen when this returns: a file comes and goes.
    async fn settled(&mut self) {
        self.put("zz-marker.yaml", &pool("zz-marker", 26));
        while !self.pools().contains(&"zz-marker/26".to_owned()) {
            self.event().await;
        }
        self.remove("zz-marker.yaml");
        while self.pools().contains(&"zz-marker/26".to_owned()) {
            self.event().await;
        }
        self.deltas -= 2;
    }
}

fn problems(status: &Status) -> Vec<String> {
    status.problems.values().flat_map(|list| list.iter()).map(ToString::to_string).collect()
}

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    fs::write(file, text).expect("written");
}

fn pool(name: &str, size: u8) -> String {
    format!(
        "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata:\n  name: {name}\nspec:\n  cidr: 10.1.0.0/16\n  blockSize: {size}\n"
    )
}

fn both(a: &str, b: &str) -> String {
    format!("{a}---\n{b}")
}

#[tokio::test]
async fn any_layout_and_only_manifests() {
    let mut stage = Stage::with(&[
        ("b.yaml", &both(&pool("b1", 26), &pool("b2", 26))),
        ("sub/deep/er/a.yml", &pool("a", 26)),
        (
            "c.JSON",
            r#"{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"c"},"spec":{"cidr":"10.0.0.0/16","blockSize":26}}"#,
        ),
        (".hidden.yaml", &pool("hidden", 26)),
        (".git/config.yaml", &pool("git", 26)),
        ("b.yaml~", &pool("backup", 26)),
        (".b.yaml.swp", "swap"),
        ("README.md", "read me"),
        ("config-map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\n"),
    ]);
    stage.until(&["a/26", "b1/26", "b2/26", "c/26"]).await;
    let status = stage.datastore.status();
    assert_eq!(status.source.as_ref(), format!("files in {}", stage.folder().display()));
    assert!(matches!(status.state, State::InSync));
    let told = problems(&status);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].ends_with("README.md: ignored; manifests have names that end in .yaml, .yml or .json"),
        "{told:#?}"
    );
    assert!(told[1].contains("ConfigMap/x (v1): of a kind that Heddle does not read"), "{told:#?}");
    assert_eq!(status.faults().count(), 0);
    stage.remove("README.md");
    stage.put("sub/new/d.yaml", &pool("d", 26));
    stage.until(&["a/26", "b1/26", "b2/26", "c/26", "d/26"]).await;
    stage.until_status("README gone", |s| problems(s).len() == 1).await;
}

#[tokio::test]
async fn files_come_change_and_go() {
    let mut stage = Stage::with(&[("a.yaml", &pool("a", 26))]);
    stage.until(&["a/26"]).await;
    stage.put("b.yaml", &pool("b", 26));
    stage.until(&["a/26", "b/26"]).await;
    stage.put("a.yaml", &pool("a", 27));
    stage.until(&["a/27", "b/26"]).await;
    // In place, as an editor or a shell does it.
    fs::write(stage.folder().join("b.yaml"), pool("b", 28)).expect("written");
    stage.until(&["a/27", "b/28"]).await;
    fs::rename(stage.folder().join("a.yaml"), stage.folder().join("0.yaml")).expect("renamed");
    stage.remove("b.yaml");
    stage.until(&["a/27"]).await;
    // A hard link is there without ever being written here.
    fs::write(stage.home.path().join("elsewhere"), pool("c", 26)).expect("written");
    fs::hard_link(stage.home.path().join("elsewhere"), stage.folder().join("c.yaml")).expect("linked");
    stage.until(&["a/27", "c/26"]).await;
    stage.remove("c.yaml");
    stage.remove("0.yaml");
    stage.until(&[]).await;
    assert!(matches!(stage.datastore.status().state, State::InSync), "who removes the last file means it");
}

#[tokio::test]
async fn a_file_that_is_being_written_is_read_when_it_is_closed() {
    let mut stage = Stage::with(&[("a.yaml", &both(&pool("a", 26), &pool("b", 26)))]);
    stage.until(&["a/26", "b/26"]).await;
    let text = both(&pool("a", 27), &pool("b", 27));
    let (half, rest) = text.split_at(text.find("---").expect("two documents"));
    let mut old = fs::File::create(stage.folder().join("a.yaml")).expect("opened");
    let mut new = fs::File::create(stage.folder().join("new.yaml")).expect("opened");
    old.write_all(half.as_bytes()).expect("written");
    new.write_all(&pool("c", 26).as_bytes()[..40]).expect("written");
    // An event of the file that says nothing about what is in it.
    for name in ["a.yaml", "new.yaml"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(stage.folder().join(name), mode).expect("set");
    }
    stage.settled().await;
    assert_eq!((stage.pools(), stage.deltas), (vec!["a/26".to_owned(), "b/26".to_owned()], 0));
    assert_eq!(problems(&stage.datastore.status()), [""; 0], "nobody looked at them");
    old.write_all(rest.as_bytes()).expect("written");
    new.write_all(&pool("c", 26).as_bytes()[40..]).expect("written");
    drop(old);
    drop(new);
    stage.until(&["a/27", "b/27", "c/26"]).await;
    assert_eq!(stage.deltas, 3);
}

#[tokio::test]
async fn an_invalid_object_keeps_its_last_good_version_alone() {
    let mut stage = Stage::with(&[("a.yaml", &both(&pool("a", 26), &pool("b", 26)))]);
    stage.until(&["a/26", "b/26"]).await;
    stage.put("a.yaml", &both(&pool("a", 27).replace("10.1.0.0/16", "10.1.0.0/99"), &pool("b", 27)));
    stage.until(&["a/26", "b/27"]).await;
    let file = stage.folder().join("a.yaml");
    let place = format!("{}:6:9: IPPool/a: spec.cidr: ", file.display());
    stage.until_problem(&place).await;
    stage.until_problem("its last good state stays in force").await;
    assert_eq!(stage.datastore.counters().faults, 1);
    // One that was never good.
    stage.put("new.yaml", &pool("new", 26).replace("10.1.0.0/16", "ten"));
    stage.until_problem("IPPool/new: spec.cidr").await;
    stage.until_problem("it is ignored").await;
    stage.put("a.yaml", &both(&pool("a", 27), &pool("b", 27)));
    stage.put("new.yaml", &pool("new", 28));
    stage.until(&["a/27", "b/27", "new/28"]).await;
    stage.until_status("nothing is wrong", |s| s.problems.is_empty()).await;
}

#[tokio::test]
async fn a_file_that_is_no_yaml_or_was_emptied_keeps_its_last_good_state_whole() {
    let good = both(&pool("a", 26), &pool("b", 26));
    let mut stage = Stage::with(&[("a.yaml", &good)]);
    stage.until(&["a/26", "b/26"]).await;
    // Cut off inside of the second document: the first was changed and does not count either.
    let changed = both(&pool("a", 27), "apiVersion: projectcalico.org/v3\nkind: [IPPool\n");
    stage.put("a.yaml", &changed);
    stage.until_problem("no valid YAML").await;
    stage.settled().await;
    assert_eq!((stage.pools(), stage.deltas), (vec!["a/26".to_owned(), "b/26".to_owned()], 0));
    stage.put("a.yaml", "");
    stage.until_problem("a.yaml: is empty; its last good state stays in force").await;
    fs::write(stage.folder().join("a.yaml"), [0xff, 0xfe, 0x00]).expect("written");
    stage.until_problem("a.yaml: cannot be read: invalid utf-8").await;
    stage.settled().await;
    assert_eq!(stage.deltas, 0);
    // One who writes nothing but a comment means it.
    stage.put("a.yaml", "# nothing\n");
    stage.until(&[]).await;
    stage.put("a.yaml", &good);
    stage.until(&["a/26", "b/26"]).await;
    assert!(stage.datastore.status().problems.is_empty());
}

#[tokio::test]
async fn a_file_that_is_split_in_two_changes_nothing() {
    let mut stage = Stage::with(&[("m.yaml", &both(&pool("a", 26), &pool("b", 26)))]);
    stage.until(&["a/26", "b/26"]).await;
    stage.put("a.yaml", &pool("a", 26));
    stage.until_problem("IPPool/a is defined in").await;
    stage.put("z.yaml", &pool("b", 26));
    stage.until_problem("z.yaml:1:1: IPPool/b is defined in").await;
    stage.put("m.yaml", &pool("b", 26));
    stage.settled().await;
    stage.remove("m.yaml");
    stage.settled().await;
    assert_eq!((stage.pools(), stage.deltas), (vec!["a/26".to_owned(), "b/26".to_owned()], 0));
    assert!(stage.datastore.status().problems.is_empty());
}

#[tokio::test]
async fn of_two_definitions_the_first_in_the_order_of_paths_counts() {
    let mut stage = Stage::with(&[
        ("b/x.yaml", &pool("a", 22)),
        ("a/z.yaml", &both(&pool("a", 21), &pool("a", 29))),
        ("c.yaml", &pool("a", 23)),
    ]);
    stage.until(&["a/21"]).await;
    let told = problems(&stage.datastore.status());
    let (first, folder) = (stage.folder().join("a/z.yaml"), stage.folder());
    let duplicate = |place: &str| {
        format!(
            "{}/{place}: IPPool/a is defined in {}:1:1 already, which counts; remove one of them",
            folder.display(),
            first.display()
        )
    };
    assert_eq!(told, [duplicate("a/z.yaml:9:1"), duplicate("b/x.yaml:1:1"), duplicate("c.yaml:1:1")]);
    stage.put("c.yaml", &pool("a", 24));
    stage.settled().await;
    assert_eq!(stage.deltas, 0);
    stage.remove("a/z.yaml");
    stage.until(&["a/22"]).await;
    stage.put("0.yaml", &pool("a", 20));
    stage.until(&["a/20"]).await;
    stage.remove("0.yaml");
    stage.remove("b/x.yaml");
    stage.until(&["a/24"]).await;
    assert!(stage.datastore.status().problems.is_empty());
}

#[tokio::test]
async fn folders_come_move_and_go() {
    let mut stage = Stage::with(&[("a.yaml", &pool("a", 26))]);
    stage.until(&["a/26"]).await;
    write(stage.home.path(), "out/x/b.yaml", &pool("b", 26));
    write(stage.home.path(), "out/c.yaml", &pool("c", 26));
    fs::rename(stage.home.path().join("out"), stage.folder().join("in")).expect("renamed");
    stage.until(&["a/26", "b/26", "c/26"]).await;
    fs::rename(stage.folder().join("in"), stage.folder().join("other")).expect("renamed");
    // It is watched by its new name.
    stage.put("other/x/b.yaml", &pool("b", 27));
    stage.until(&["a/26", "b/27", "c/26"]).await;
    fs::rename(stage.folder().join("other"), stage.home.path().join("gone")).expect("renamed");
    stage.until(&["a/26"]).await;
    fs::write(stage.home.path().join("gone/c.yaml"), pool("c", 27)).expect("written");
    stage.settled().await;
    assert_eq!(stage.pools(), ["a/26"], "and no more once it is outside");
    // A link back up does not go round.
    symlink(".", stage.folder().join("up")).expect("linked");
    symlink(stage.home.path().join("gone"), stage.folder().join("linked")).expect("linked");
    stage.until(&["a/26", "b/27", "c/27"]).await;
    fs::write(stage.folder().join("linked/c.yaml"), pool("c", 28)).expect("written");
    stage.until(&["a/26", "b/27", "c/28"]).await;
    stage.remove("linked");
    stage.until(&["a/26"]).await;
    fs::remove_dir_all(stage.home.path().join("gone")).expect("removed");
}

#[tokio::test]
async fn a_mounted_config_map_is_switched_at_once() {
    // Kubernetes' AtomicWriter: files link to ..data/FILE, ..data links to a folder with a date, and is renamed over.
    let version = |folder: &Path, name: &str, size: u8| {
        write(folder, &format!("{name}/a.yaml"), &pool("a", size));
        write(folder, &format!("{name}/b.yaml"), &pool("b", size));
        symlink(name, folder.join("..data_tmp")).expect("linked");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("renamed");
    };
    let mut stage = Stage::new(|folder| {
        fs::create_dir(folder).expect("made");
        version(folder, "..2026_01", 20);
        for name in ["a.yaml", "b.yaml"] {
            symlink(format!("..data/{name}"), folder.join(name)).expect("linked");
        }
    });
    stage.until(&["a/20", "b/20"]).await;
    for i in 1..8 {
        let folder = stage.folder();
        version(&folder, &format!("..2026_1{i}"), 20 + i);
        let old = if i == 1 { "..2026_01".to_owned() } else { format!("..2026_1{}", i - 1) };
        fs::remove_dir_all(folder.join(old)).expect("removed");
        let before = stage.deltas;
        stage.until(&[&format!("a/{}", 20 + i), &format!("b/{}", 20 + i)]).await;
        assert_eq!(stage.deltas - before, 2, "nothing went in between");
    }
}

#[tokio::test]
async fn links_to_files_elsewhere_are_followed_and_watched() {
    let mut stage = Stage::with(&[("a.yaml", &pool("a", 26))]);
    write(stage.home.path(), "repo/v1/b.yaml", &pool("b", 21));
    write(stage.home.path(), "repo/v2/b.yaml", &pool("b", 22));
    symlink("v1", stage.home.path().join("repo/current")).expect("linked");
    symlink("../repo/current/b.yaml", stage.folder().join("b.yaml")).expect("linked");
    stage.until(&["a/26", "b/21"]).await;
    fs::write(stage.home.path().join("repo/v1/b.yaml"), pool("b", 23)).expect("written");
    stage.until(&["a/26", "b/23"]).await;
    // Replaced by rename, where its folder is no folder of ours.
    fs::write(stage.home.path().join("repo/v1/next"), pool("b", 24)).expect("written");
    fs::rename(stage.home.path().join("repo/v1/next"), stage.home.path().join("repo/v1/b.yaml")).expect("renamed");
    stage.until(&["a/26", "b/24"]).await;
    // A link that leads nowhere for a while.
    fs::remove_file(stage.home.path().join("repo/v1/b.yaml")).expect("removed");
    stage.until_problem("b.yaml: cannot be read: No such file or directory").await;
    stage.settled().await;
    assert_eq!(stage.pools(), ["a/26", "b/24"]);
    fs::write(stage.home.path().join("repo/v1/b.yaml"), pool("b", 25)).expect("written");
    stage.until(&["a/26", "b/25"]).await;
    stage.remove("b.yaml");
    stage.until(&["a/26"]).await;
}

#[tokio::test]
async fn it_says_what_it_waits_for() {
    let mut stage = Stage::new(|_| {});
    let folder = stage.folder();
    let waits = |text: String| move |s: &Status| s.state.to_string() == text;
    let missing = format!("waiting for the folder {}, which does not exist; create it", folder.display());
    stage.until_status("missing", waits(missing)).await;
    fs::create_dir(&folder).expect("made");
    let empty = format!(
        "waiting for a manifest in {}: put a file there whose name ends in .yaml, .yml or .json",
        folder.display()
    );
    stage.until_status("empty", waits(empty.clone())).await;
    write(&folder, "README.md", "no manifest");
    write(&folder, "bad.yaml", "kind: [");
    stage.until_problem("no valid YAML").await;
    stage.until_status("still empty", waits(empty)).await;
    assert!(stage.watch.try_next().is_none() && !stage.datastore.status().synced_once);
    write(&folder, "a.yaml", &pool("a", 26));
    stage.until(&["a/26"]).await;
    assert_eq!(stage.deltas, 0, "the first that is told is whole");
}

#[tokio::test]
async fn a_folder_that_goes_changes_nothing_and_one_that_comes_back_is_read() {
    let mut stage = Stage::with(&[("a.yaml", &pool("a", 26)), ("b.yaml", &pool("b", 26))]);
    stage.until(&["a/26", "b/26"]).await;
    let folder = stage.folder();
    fs::rename(&folder, stage.home.path().join("old")).expect("renamed");
    stage.until_status("lost", |s| matches!(&s.state, State::Lost(SourceError::FolderGone { .. }))).await;
    fs::create_dir(&folder).expect("made");
    stage.until_status("empty", |s| matches!(&s.state, State::Lost(SourceError::FolderEmpty { .. }))).await;
    assert_eq!(stage.datastore.snapshot().map(|s| s.len()), Some(2));
    write(&folder, "b.yaml", &pool("b", 26));
    write(&folder, "c.yaml", &pool("c", 26));
    stage.until(&["b/26", "c/26"]).await;
    assert_eq!(stage.deltas, 2, "what is the same was never gone");
    stage.until_status("back", |s| matches!(s.state, State::InSync)).await;
    // Replaced in one go, as a link to a folder is switched.
    write(stage.home.path(), "next/c.yaml", &pool("c", 27));
    fs::rename(&folder, stage.home.path().join("older")).expect("renamed");
    fs::rename(stage.home.path().join("next"), &folder).expect("renamed");
    stage.until(&["c/27"]).await;
    // By an empty one: nothing is known of what will be in it.
    fs::create_dir(stage.home.path().join("empty")).expect("made");
    fs::rename(&folder, stage.home.path().join("oldest")).expect("renamed");
    fs::rename(stage.home.path().join("empty"), &folder).expect("renamed");
    stage.until_status("empty again", |s| matches!(&s.state, State::Lost(SourceError::FolderEmpty { .. }))).await;
    assert_eq!(stage.datastore.snapshot().map(|s| s.len()), Some(1));
    write(&folder, "c.yaml", &pool("c", 27));
    stage.until_status("back again", |s| matches!(s.state, State::InSync)).await;
    // And watched by what it is now.
    stage.put("d.yaml", &pool("d", 26));
    stage.until(&["c/27", "d/26"]).await;
    assert!(stage.datastore.counters().losses >= 1);
}

#[tokio::test]
async fn a_folder_by_a_link_that_is_switched() {
    let mut stage = Stage::new(|folder| {
        let home = folder.parent().expect("a home");
        write(home, "v1/a.yaml", &pool("a", 21));
        write(home, "v2/a.yaml", &pool("a", 22));
        symlink("v1", folder).expect("linked");
    });
    stage.until(&["a/21"]).await;
    symlink("v2", stage.home.path().join("tmp")).expect("linked");
    fs::rename(stage.home.path().join("tmp"), stage.folder()).expect("renamed");
    stage.until(&["a/22"]).await;
    fs::write(stage.home.path().join("v2/a.yaml"), pool("a", 23)).expect("written");
    stage.until(&["a/23"]).await;
}

#[tokio::test]
async fn what_is_no_file_is_left_alone() {
    let mut stage = Stage::with(&[("a.yaml", &pool("a", 26))]);
    let _socket = std::os::unix::net::UnixListener::bind(stage.folder().join("socket.yaml")).expect("bound");
    stage.until(&["a/26"]).await;
    stage.settled().await;
    stage.put("b.yaml", &pool("b", 26));
    stage.until(&["a/26", "b/26"]).await;
    assert!(stage.datastore.status().problems.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_files() {
    let start = Instant::now();
    let mut stage = Stage::new(|folder| {
        for i in 0..1000 {
            write(folder, &format!("{}/{i:04}.yaml", i % 10), &pool(&format!("p{i:04}"), 26));
        }
    });
    let written = start.elapsed();
    stage.event().await;
    println!("1000 files: written in {written:?}, read in {:?}", start.elapsed() - written);
    assert_eq!(stage.pools().len(), 1000);
    let start = Instant::now();
    for i in 0..1000 {
        if i % 2 == 0 {
            stage.remove(&format!("{}/{i:04}.yaml", i % 10));
        } else {
            stage.put(&format!("{}/{i:04}.yaml", i % 10), &pool(&format!("p{i:04}"), 27));
        }
    }
    while stage.pools().len() != 500 || stage.pools().iter().any(|p| p.ends_with("/26")) {
        stage.event().await;
    }
    println!("changed in {:?}, {:?}", start.elapsed(), stage.datastore.counters());
    assert_eq!(stage.deltas, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_a_renamed_file_takes() {
    let mut stage = Stage::with(&[("a.yaml", &pool("a", 20))]);
    stage.until(&["a/20"]).await;
    let mut times = Vec::new();
    for i in 0..50_u8 {
        let size = 21 + i % 8;
        let text = pool("a", size);
        fs::write(stage.home.path().join("beside"), text).expect("written");
        let start = Instant::now();
        fs::rename(stage.home.path().join("beside"), stage.folder().join("a.yaml")).expect("renamed");
        stage.until(&[&format!("a/{size}")]).await;
        times.push(start.elapsed());
    }
    times.sort();
    println!("from rename to event: median {:?}, longest {:?}", times[25], times[49]);
}

/// On a runtime with one thread, which this test holds up until the kernel's queue is full.
#[tokio::test]
async fn lost_events_lead_to_a_look_at_everything() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").ok().and_then(|t| t.trim().parse().ok());
    let limit: usize = limit.unwrap_or(16_384);
    if limit > 200_000 {
        // Not `eprintln!`, which is not shown of a test that passes.
        let why = format!("fs.inotify.max_queued_events is {limit}, too many to fill");
        let _ = writeln!(std::io::stderr(), "lost_events_lead_to_a_look_at_everything is skipped: {why}");
        return;
    }
    let mut stage =
        Stage::with(&[("a.yaml", &pool("a", 26)), ("b.yaml", &pool("b", 26)), ("same.yaml", &pool("s", 21))]);
    stage.until(&["a/26", "b/26", "s/21"]).await;
    let churn = stage.folder().join("churn");
    // Each makes two events: made, removed.
    for _ in 0..limit / 2 + 10 {
        fs::write(&churn, "").expect("written");
        fs::remove_file(&churn).expect("removed");
    }
    // These are lost.
    stage.remove("a.yaml");
    stage.put("c.yaml", &pool("c", 26));
    fs::write(stage.folder().join("same.yaml"), pool("s", 22)).expect("written");
    stage.until(&["b/26", "c/26", "s/22"]).await;
    assert!(stage.datastore.counters().resyncs_done > 2, "{:?}", stage.datastore.counters());
    stage.put("d.yaml", &pool("d", 26));
    stage.until(&["b/26", "c/26", "d/26", "s/22"]).await;
}

#[test]
fn a_folder_read_once() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("ds");
    let error = FolderContent::read(&folder).expect_err("no folder").to_string();
    assert!(error.contains("entity not found") && error.contains("ds"), "{error}");
    write(&folder, "b.yaml", &both(&pool("b", 26), &pool("a", 26)));
    write(&folder, "a.yaml", &both("# a\n", &pool("a", 21)));
    write(&folder, "c.txt", "");
    let content = FolderContent::read(&folder).expect("read");
    assert_eq!(content.snapshot.named::<IpPool>("a").map(|p| p.spec.block_size), Some(21));
    let places: Vec<_> = content.places.iter().map(|(key, at)| format!("{key} {at}")).collect();
    let at = |place: &str| format!("{}/{place}", folder.display());
    assert_eq!(places, [format!("IPPool/a {}", at("a.yaml:3:1")), format!("IPPool/b {}", at("b.yaml:1:1"))]);
    assert_eq!(content.problems.len(), 2, "{:?}", content.problems);
}

#[tokio::test]
async fn endpoint_statuses_in_order() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = EndpointStatuses::folder(home.path().join("calico"));
    let statuses = EndpointStatuses::follow(&folder);
    let mut reports = statuses.subscribe();
    let mut until = async |what: &str, so: &dyn Fn(&EndpointStatusReport) -> bool| {
        let wait = reports.wait_for(|report| so(report));
        let report = tokio::time::timeout(PATIENCE, wait).await;
        report.unwrap_or_else(|_| panic!("{what} never")).expect("it runs").clone()
    };
    let report = until("no folder", &|r| r.known).await;
    assert!(report.statuses.is_empty() && report.faults.is_empty(), "no folder is no workload");
    let status = |interface: &str, address: &str| {
        format!(r#"{{"ifaceName":"{interface}","ipv4Nets":["{address}/32"],"bgpPeerName":"p"}}"#)
    };
    write(&folder, "k8s%2fpod2", &status("cali2", "10.0.0.2"));
    write(&folder, "k8s%2fpod1", &status("cali9", "10.0.0.1"));
    write(&folder, "k8s%2fpod0", "{");
    let report = until("two", &|r| r.statuses.len() == 2 && r.faults.len() == 1).await;
    let interfaces: Vec<_> = report.statuses.iter().map(|s| s.interface.to_string()).collect();
    assert_eq!(interfaces, ["cali2", "cali9"]);
    assert!(report.faults[0].to_string().contains("k8s%2fpod0: no valid JSON"), "{}", report.faults[0]);
    write(&folder, "k8s%2fpod2", "nonsense");
    let report = until("two faults", &|r| r.faults.len() == 2).await;
    assert_eq!(report.statuses.len(), 2, "the last good state stays");
    fs::remove_file(folder.join("k8s%2fpod2")).expect("removed");
    until("one", &|r| r.statuses.len() == 1 && r.faults.len() == 1).await;
    fs::rename(home.path().join("calico"), home.path().join("gone")).expect("renamed");
    write(&folder, "k8s%2fpod3", &status("cali3", "10.0.0.3"));
    let report = until("the folder is back", &|r| r.statuses.iter().any(|s| &*s.interface == "cali3")).await;
    assert_eq!((report.statuses.len(), report.faults.len()), (1, 0));
}
