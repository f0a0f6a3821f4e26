//! Processes that confine themselves: this program, started again for each case, for there is no way back.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;

use heddle_config::{Confinement, ConfinementPart};
use heddle_confinement::{Needs, Programs, Routes, State, confine};
use socket2::{Domain, Socket, Type};

/// Which case the process is, and where its folders are.
const CASE: &str = "HEDDLE_CONFINED_CASE";
const FOLDER: &str = "HEDDLE_CONFINED_FOLDER";

/// A case, and what runs in a process of its own.
type Case = (&'static str, fn(&World));

const CASES: &[Case] = &[
    ("all_of_it", all_of_it),
    ("parts_that_are_off", parts_that_are_off),
    ("with_programs", with_programs),
    ("with_threads", with_threads),
];

fn main() -> ExitCode {
    if let Some((_, case)) = env::var(CASE).ok().and_then(|name| CASES.iter().find(|(known, _)| *known == name)) {
        case(&World(env::var_os(FOLDER).map(PathBuf::from).expect("the folder")));
        return ExitCode::SUCCESS;
    }
    let mut failed = false;
    for (name, _) in CASES {
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["read", "write", "other"] {
            fs::create_dir(folder.path().join(part)).expect("a folder");
            fs::write(folder.path().join(part).join("file"), part).expect("a file");
        }
        let own = env::current_exe().expect("this program");
        let status = Command::new(own).env(CASE, name).env(FOLDER, folder.path()).env_remove("HOME").status();
        let passed = status.expect("this program starts").success();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed |= !passed;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Three folders with a file each.
struct World(PathBuf);

impl World {
    fn folder(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn needs(&self, programs: Programs) -> Needs {
        let (reads, writes) = (vec![self.folder("read")], vec![self.folder("write")]);
        Needs { routes: Routes::Written, programs, reads, writes }
    }

    /// Whether the file of a folder may be read.
    fn reads(&self, name: &str) -> bool {
        allowed(fs::read(self.folder(name).join("file")).map(drop))
    }

    /// Whether files of a folder may be made, replaced and removed.
    fn writes(&self, name: &str) -> bool {
        let (new, old) = (self.folder(name).join("new"), self.folder(name).join("file"));
        allowed(fs::write(&new, "new").and_then(|()| fs::rename(&new, &old)).and_then(|()| fs::write(old, "again")))
    }
}

fn allowed<T>(result: std::io::Result<T>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => false,
        Err(error) => panic!("neither done nor refused: {error}"),
    }
}

/// Whether a program may be started.
fn starts_programs() -> bool {
    allowed(Command::new("/bin/true").status())
}

/// Whether a socket of a family may be made that only the list of calls is against: AF_ALG, the kernel's ciphers.
fn has_other_sockets() -> bool {
    match Socket::new(Domain::from(38), Type::from(5), None) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => false,
        // A kernel that has none of them was asked.
        Ok(_) | Err(_) => true,
    }
}

/// A field of the status of the calling thread.
fn status(field: &str) -> String {
    let text = fs::read_to_string("/proc/thread-self/status").expect("a status");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("the field");
    line.trim().to_owned()
}

fn capabilities(set: &str) -> u64 {
    u64::from_str_radix(&status(set), 16).expect("a number")
}

/// What the kernel lacks is not asked for: it was said.
fn in_force(parts: &[(ConfinementPart, State)], wanted: ConfinementPart) -> bool {
    match parts.iter().find(|(part, _)| *part == wanted) {
        Some((_, State::InForce(_))) => true,
        Some((part, State::Missing(why))) => {
            println!("{part} is not tested: {why}");
            false
        }
        other => panic!("{wanted}: {other:?}"),
    }
}

const NET_BIND_SERVICE: u64 = 1 << 10;
const NET_ADMIN: u64 = 1 << 12;

fn all_of_it(world: &World) {
    let parts = confine(&Confinement::default(), &world.needs(Programs::Unused));
    // A thread that comes later has it all, and the work of a daemon goes on.
    let check = || {
        assert!(in_force(&parts, ConfinementPart::Dumps));
        assert!(in_force(&parts, ConfinementPart::Capabilities));
        assert_eq!(capabilities("CapEff") & !(NET_BIND_SERVICE | NET_ADMIN), 0);
        assert_eq!(capabilities("CapPrm"), capabilities("CapEff"));
        assert_eq!((capabilities("CapInh"), capabilities("CapAmb")), (0, 0));
        assert_eq!(status("NoNewPrivs"), "1");
        if in_force(&parts, ConfinementPart::Landlock) {
            assert!(world.reads("read") && world.writes("write") && world.reads("write"));
            assert!(!world.reads("other"), "a file that it was not told of");
            assert!(!world.writes("read") && !world.writes("other"), "only one folder is written");
            assert!(!allowed(fs::write("/proc/self/comm", "x")), "nor settings of the kernel");
        }
        if in_force(&parts, ConfinementPart::Seccomp) {
            assert_eq!(status("Seccomp"), "2");
            assert!(!starts_programs() && !has_other_sockets());
        }
        TcpListener::bind("127.0.0.1:0").expect("peers may come");
        let _ = fs::remove_file(world.folder("write").join("socket"));
        UnixListener::bind(world.folder("write").join("socket")).expect("the API may come back");
    };
    check();
    thread::scope(|scope| scope.spawn(check).join()).expect("a thread is confined, too");
}

fn parts_that_are_off(world: &World) {
    let before = capabilities("CapEff");
    let off = Confinement { off: ConfinementPart::ALL.into_iter().collect(), ..Confinement::default() };
    let parts = confine(&off, &world.needs(Programs::Unused));
    assert!(parts.iter().all(|(_, state)| *state == State::Off), "{parts:?}");
    assert!(world.reads("other") && world.writes("other") && starts_programs());
    assert_eq!((capabilities("CapEff"), status("Seccomp")), (before, "0".to_owned()));
    // Each is turned off by itself: here, all but one are on.
    let off = Confinement { off: BTreeSet::from([ConfinementPart::Landlock]), ..Confinement::default() };
    let parts = confine(&off, &world.needs(Programs::Unused));
    assert!(world.reads("other") && world.writes("other"));
    if in_force(&parts, ConfinementPart::Seccomp) {
        assert!(!starts_programs());
    }
}

/// A program may be anywhere, and reads what it likes; it does not write to where it has no business.
fn with_programs(world: &World) {
    let parts = confine(&Confinement::default(), &world.needs(Programs::Started));
    let run =
        |program: &str, file: &Path| Command::new(program).arg(file).output().expect("it starts").status.success();
    let other = world.folder("other");
    assert!(starts_programs() && run("cat", &other.join("file")));
    if in_force(&parts, ConfinementPart::Landlock) {
        // The folders are in the one for temporary files, where programs may write; what is elsewhere is not theirs.
        assert!(!allowed(fs::OpenOptions::new().append(true).open("/etc/passwd")));
    }
    if in_force(&parts, ConfinementPart::Seccomp) {
        assert!(!has_other_sockets());
    }
}

/// What holds for a thread is refused where there are others: they would go on as before.
fn with_threads(world: &World) {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let other = thread::spawn(move || wait.recv());
    let parts = confine(&Confinement::default(), &world.needs(Programs::Unused));
    let failed = |part| parts.iter().any(|(p, state)| *p == part && matches!(state, State::Failed(_)));
    assert!(
        failed(ConfinementPart::Capabilities) && failed(ConfinementPart::Landlock) && failed(ConfinementPart::Seccomp)
    );
    assert!(in_force(&parts, ConfinementPart::Dumps));
    drop(release);
    let _ = other.join();
}
