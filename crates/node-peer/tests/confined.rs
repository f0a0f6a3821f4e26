//! The program, confined, on the way to an API server: names are looked up, and a kubeconfig's program gives tokens.

use std::error::Error;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A node in a folder, ended on drop.
struct Node<'a>(&'a Path, Child);

impl<'a> Node<'a> {
    fn start(folder: &'a Path) -> std::io::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heddle-node-peer"));
        command.args(["--node", "n1", "--datastore", "kubernetes", "--kubeconfig"]).arg(folder.join("kubeconfig"));
        command.arg("--socket").arg(folder.join("node.sock")).env_remove("RUST_LOG");
        let log = fs::File::create(folder.join("log"))?;
        Ok(Self(folder, command.stderr(Stdio::from(log)).spawn()?))
    }

    fn report(&self) -> std::io::Result<String> {
        let mut api = UnixStream::connect(self.0.join("node.sock"))?;
        api.write_all(b"GET /v1/node HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        api.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Waits for a report in which something is true.
    fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String, Box<dyn Error>> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let report = self.report();
            match &report {
                Ok(report) if wanted(report) => return Ok(report.clone()),
                Ok(_) | Err(_) if Instant::now() < end => sleep(Duration::from_millis(20)),
                other => {
                    let log = fs::read_to_string(self.0.join("log"))?;
                    return Err(format!("{what}: {other:?}\n{log}").into());
                }
            }
        }
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        let _ = self.1.kill();
        let _ = self.1.wait();
    }
}

fn kubeconfig(folder: &Path, user: &str) -> std::io::Result<()> {
    let cluster = "{name: c, cluster: {server: 'https://localhost:1', insecure-skip-tls-verify: true}}";
    let context = "{name: x, context: {cluster: c, user: u}}";
    let head = "apiVersion: v1\nkind: Config\ncurrent-context: x\n";
    let rest = format!("clusters: [{cluster}]\ncontexts: [{context}]\nusers: [{{name: u, user: {user}}}]\n");
    fs::write(folder.join("kubeconfig"), format!("{head}{rest}"))
}

/// A set of capabilities, of the status of a thread.
fn capabilities(status: &Path, set: &str) -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string(status)?;
    let line = text.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(':')).unwrap_or_default();
    Ok(u64::from_str_radix(line.trim(), 16)?)
}

fn refused(report: &str) -> bool {
    report.to_lowercase().contains("connection refused") || report.contains("os error 111")
}

#[test]
fn names_are_looked_up() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    kubeconfig(folder.path(), "{token: t}")?;
    let node = Node::start(folder.path())?;
    // Nobody listens there: but that there is such a name is known.
    let report = node.until("the server is tried", |report| report.contains("\"last_error\":\""))?;
    assert!(!report.contains("lookup"), "{report}");
    assert!(report.contains("\"part\":\"dumps\",\"state\":\"in_force\""), "{report}");
    assert!(!report.contains("for the programs that it starts"), "{report}");
    // What of these it was given: it writes routes, and listens on port 179.
    const NET_BIND_SERVICE_AND_ADMIN: u64 = 1 << 10 | 1 << 12;
    let own = capabilities(Path::new("/proc/thread-self/status"), "CapEff")?;
    for thread in fs::read_dir(format!("/proc/{}/task", node.1.id()))? {
        let file = thread?.path().join("status");
        for set in ["CapEff", "CapPrm"] {
            assert_eq!(capabilities(&file, set)?, own & NET_BIND_SERVICE_AND_ADMIN, "{set}");
        }
    }
    if !refused(&report) {
        eprintln!("localhost:1 says something else here: {report}");
    }
    Ok(())
}

/// It needs a shell, which needs libraries, and it keeps something where programs do.
#[test]
fn a_program_gives_tokens() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("get-token");
    let token = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}"#;
    fs::write(&script, format!("#!/bin/sh\ncat /etc/passwd > \"$1\"\necho '{token}'\n"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let kept = folder.path().join("kept");
    let exec = format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: {}, args: [{}]}}}}",
        script.display(),
        kept.display()
    );
    kubeconfig(folder.path(), &exec)?;
    let node = Node::start(folder.path())?;
    let report = node.until("the server is tried", |report| report.contains("\"last_error\":\""))?;
    assert!(fs::metadata(&kept).is_ok_and(|kept| kept.len() > 0), "the program has run: {report}");
    assert!(report.contains("\"state\":\"in_force\""), "{report}");
    if report.contains("\"part\":\"landlock\",\"state\":\"in_force\"") {
        assert!(report.contains("for the programs that it starts"), "{report}");
    }
    Ok(())
}
