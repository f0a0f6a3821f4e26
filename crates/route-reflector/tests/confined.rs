//! The program, confined: what it may do, and that its memory goes nowhere.

use std::error::Error;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What is in the key file, and must be nowhere else.
const KEY: &str = "weft-and-warp-4711";

/// The program in a folder of its own, ended on drop.
struct Reflector {
    folder: tempfile::TempDir,
    child: Child,
}

impl Reflector {
    /// Starts it with further lines; it may dump core as far as the system goes.
    fn start(more: &str) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("run"))?;
        fs::write(folder.path().join("peer.key"), format!("{KEY}\n"))?;
        fs::write(folder.path().join("rr.toml"), config(&folder.path().join("peer.key"), more))?;
        let child = Command::new("sh")
            .args(["-c", "ulimit -c unlimited; exec \"$0\" --config rr.toml --socket run/api.sock"])
            .arg(env!("CARGO_BIN_EXE_heddle-route-reflector"))
            .current_dir(folder.path())
            .env("RUST_LOG", "trace")
            .stderr(Stdio::from(fs::File::create(folder.path().join("log"))?))
            .spawn()?;
        let mut reflector = Self { folder, child };
        let end = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(reflector.path("run/api.sock")).is_err() {
            if reflector.child.try_wait()?.is_some() || Instant::now() > end {
                return Err(reflector.log().into());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(reflector)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn request(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let mut api = UnixStream::connect(self.path("run/api.sock"))?;
        let length = body.len();
        write!(
            api,
            "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        api.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// The value of a field of each thread.
    fn of_threads(&self, field: &str) -> std::io::Result<Vec<String>> {
        let mut found = Vec::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(thread?.path().join("status"))?;
            found.push(status(&text, field));
        }
        Ok(found)
    }

    fn signal(&self, signal: &str) -> std::io::Result<ExitStatus> {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status()
    }

    /// Ends it as a fault would.
    fn abort(&mut self) -> std::io::Result<ExitStatus> {
        self.signal("-ABRT")?;
        self.child.wait()
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A field of what `/proc` says of a thread.
fn status(text: &str, field: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn config(key: &Path, more: &str) -> String {
    format!(
        "router = {{ asn = 65001, router_id = '10.0.0.1', listen = ['127.0.0.1:0'] }}\n{more}\n[[peers]]\naddress = '127.0.0.9'\n\
         asn = 65001\npassive = true\npassword_file = '{}'\n",
        key.display()
    )
}

/// Files of a folder that have the key in them, but for the key file itself.
fn with_key(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_file = fs::symlink_metadata(&path)?.is_file() && !path.ends_with("peer.key");
        if is_file && fs::read(&path)?.windows(KEY.len()).any(|octets| octets == KEY.as_bytes()) {
            found.push(path);
        }
    }
    Ok(found)
}

#[test]
fn every_thread_has_what_it_needs_and_no_more() -> Result<(), Box<dyn Error>> {
    let reflector = Reflector::start("")?;
    const NET_BIND_SERVICE: u64 = 1 << 10;
    let own = u64::from_str_radix(&status(&fs::read_to_string("/proc/thread-self/status")?, "CapEff"), 16)?;
    for set in ["CapEff", "CapPrm"] {
        for of_thread in reflector.of_threads(set)? {
            assert_eq!(u64::from_str_radix(&of_thread, 16)?, own & NET_BIND_SERVICE, "{set} {of_thread}");
        }
    }
    for (field, value) in [("CapInh", "0000000000000000"), ("CapAmb", "0000000000000000"), ("NoNewPrivs", "1")] {
        let threads = reflector.of_threads(field)?;
        assert!(threads.len() > 1 && threads.iter().all(|v| v == value), "{field}: {threads:?}");
    }
    let summary = reflector.request("GET", "/v1/summary", "")?;
    for part in ["dumps", "capabilities", "landlock", "seccomp"] {
        assert!(summary.contains(&format!("{{\"part\":\"{part}\",\"state\":\"")), "{summary}");
    }
    for part in ["dumps", "capabilities"] {
        assert!(summary.contains(&format!("{{\"part\":\"{part}\",\"state\":\"in_force\"")), "{summary}");
    }
    // The others may be missing in the kernel; nothing may fail.
    assert!(!summary.contains("\"state\":\"failed\"") && !summary.contains("\"state\":\"off\""), "{summary}");
    let filtered = summary.contains("{\"part\":\"seccomp\",\"state\":\"in_force\"");
    let mode = if filtered { "2" } else { "0" };
    assert!(reflector.of_threads("Seccomp")?.iter().all(|found| found == mode), "{summary}");
    assert!(reflector.log().contains(" confined: "), "{}", reflector.log());
    Ok(())
}

#[test]
fn a_fault_leaves_no_core_unless_that_is_wanted() -> Result<(), Box<dyn Error>> {
    let mut reflector = Reflector::start("")?;
    let status = reflector.abort()?;
    assert!(status.signal() == Some(6) && !status.core_dumped(), "{status:?}");
    assert_eq!(with_key(reflector.folder.path())?, Vec::<PathBuf>::new());
    // A core that is a file is written with the rights of the process: those of Landlock count, too.
    let mut open = Reflector::start("[confinement]\noff = ['dumps', 'landlock']")?;
    assert!(open.log().contains("not confined: dumps is turned off"), "{}", open.log());
    let status = open.abort()?;
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
    if pattern.contains(['|', '/']) {
        eprintln!("nothing to compare with: core dumps go elsewhere, to {pattern}");
    } else {
        assert!(
            status.core_dumped() && !with_key(open.folder.path())?.is_empty(),
            "the key would be in it: {status:?}"
        );
    }
    Ok(())
}

/// A reload goes on to work: the file and a key beside it are new ones, in the place of the old; a key in a folder that
/// nobody spoke of is refused, and the message says what to do.
#[test]
fn a_reload_reads_what_is_beside() -> Result<(), Box<dyn Error>> {
    let elsewhere = tempfile::tempdir()?;
    let far = elsewhere.path().join("far.key");
    fs::write(&far, KEY)?;
    for (more, readable) in
        [("", false), (&*format!("confinement.readable = ['{}']", elsewhere.path().display()), true)]
    {
        let reflector = Reflector::start(more)?;
        let landlock = reflector.request("GET", "/v1/summary", "")?.contains("\"landlock\",\"state\":\"in_force\"");
        let apply = |key: &Path| -> Result<String, Box<dyn Error>> {
            // As an editor does it: another file, put in the place of the first.
            fs::write(reflector.path("new.toml"), config(key, more))?;
            fs::rename(reflector.path("new.toml"), reflector.path("rr.toml"))?;
            let answer = reflector.request("POST", "/v1/config/apply", "")?;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            Ok(reflector.request("GET", "/v1/peers/127.0.0.9", "")?)
        };
        fs::write(reflector.path("other.key"), "another")?;
        let peer = apply(&reflector.path("other.key"))?;
        assert!(!peer.contains("password_missing"), "{peer}");
        let peer = apply(&far)?;
        if landlock {
            assert_eq!(peer.contains("password_missing"), !readable, "{peer}");
            assert_eq!(peer.contains("confinement.readable"), !readable, "{peer}");
        }
        let uid = fs::metadata(reflector.path("rr.toml")).map(|m| std::os::unix::fs::MetadataExt::uid(&m))?;
        let line = format!("asked over the API: to read the configuration anew uid={uid} pid={}", std::process::id());
        assert!(reflector.log().contains(&line), "no line {line:?} in {}", reflector.log());
    }
    Ok(())
}
