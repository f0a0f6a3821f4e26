//! Who may use the API socket: root, the user of the daemon, the members of its group if it is for them, and nobody else
//! whatever the mode has become. Who changes something is in the log.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::process::Process;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::Case;
use crate::common::{client, router};

pub(crate) const CASES: &[Case] = &[Case { name: "api_access::user_and_group", needs: &[], run: user_and_group }];

/// Nobody in particular, and a group.
const USER: u32 = 65_534;
const GROUP: u32 = 4_242;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Runs `heddle ARGS` as the user, with these further groups.
fn ask(host: &Arc<Host>, groups: &str, args: &str) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &USER.to_string(), "--regid", &USER.to_string(), groups]);
    command.arg(host.path("heddle")).args(args.split(' ')).arg("--socket").arg(host.path("run/api.sock"));
    command.env("NO_COLOR", "1").output().expect("setpriv runs")
}

#[track_caller]
fn assert_refused(output: &Output, reason: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(reason), "{output:?}");
}

fn user_and_group() {
    let lab = Lab::new("api_access");
    let rr = lab.host(1, "rr");
    let socket = rr.path("run/api.sock");
    let api = format!("\n[api]\ngroup_access = true\nsocket = \"{}\"\n", socket.display());
    let file = rr.write("heddle.toml", &[router("10.0.0.1"), client("10.0.0.2", "passive = true"), api].concat());
    let mut command = rr.netns().command(&program().to_string_lossy());
    command.arg("route-reflector").arg("--config").arg(file).env("NO_COLOR", "1");
    let mut heddle = Process::spawn("heddle", command, &rr.log("heddle"));
    wait_for("the socket is there", PATIENCE, || {
        heddle.assert_alive();
        ensure(socket.exists(), || "it is not".to_owned())
    });
    // The way to socket and program is open to everybody; only the socket itself decides.
    fs::copy(program(), rr.path("heddle")).expect("a copy");
    for folder in [lab.directory(), &rr.path(""), &rr.path("run"), &rr.path("heddle")] {
        mode(folder, 0o755);
    }
    let group = format!("--groups={GROUP}");
    assert_eq!(fs::metadata(&socket).expect("a socket").permissions().mode() & 0o777, 0o660);
    // The kernel keeps out whoever is not in its group.
    assert_refused(&ask(&rr, &group, "show summary"), "no permission to open");
    chown(&socket, None, Some(GROUP)).expect("root may");
    assert_refused(&ask(&rr, "--clear-groups", "show summary"), "no permission to open");
    let output = ask(&rr, &group, "peer 10.0.0.2 down");
    assert!(output.status.success(), "{output:?}");
    let line = format!("asked over the API: down of peer 10.0.0.2 uid={USER} pid=");
    assert!(heddle.log().contains(&line), "no {line:?} in {}", heddle.log());
    // A mode that is wrong opens nothing.
    mode(&socket, 0o666);
    assert_refused(&ask(&rr, "--clear-groups", "show summary"), "neither root, nor the user of the daemon");
    assert!(ask(&rr, &group, "show summary").status.success());
    mode(&socket, 0o606);
    assert_refused(&ask(&rr, "--clear-groups", "peer 10.0.0.2 up"), "neither root, nor the user of the daemon");
    assert!(heddle.log().contains("a connection to the admin socket was refused: user 65534"), "{}", heddle.log());
    assert!(!heddle.log().contains("asked over the API: up"), "nothing was done for him");
}
