//! The README's first command, and the example that it names, run as they are written there.
//!
//! Claims: the first brings up a fabric in which every pod reaches every other, and leaves nothing behind; the second
//! ends with a reflector that has the recorded Internet table of 577,703 prefixes.

use std::path::Path;
use std::process::{Command, Stdio};

/// The commands of the README's code blocks that are meant to be typed, in order.
fn commands(readme: &str) -> Vec<&str> {
    readme.split("```sh\n").skip(1).filter_map(|block| block.split("```").next()).map(str::trim).collect()
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a command to its end; what it printed.
fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).current_dir(root()).stdin(Stdio::null()).output();
    let output = output.expect("a shell");
    let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command} failed:\n{shown}");
    shown
}

#[test]
fn the_first_command_of_the_readme_does_what_it_says() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let commands = commands(&readme);
    assert_eq!(commands.get(1), Some(&"./test"), "the second command is the one that runs this test");
    let shown = run(commands.first().expect("a first command"));
    assert!(shown.contains("Pings: 112 of 112 answered"), "not every pod reaches every other:\n{shown}");
    let left = run("ip netns list");
    assert!(!left.contains("heddle"), "something is left behind: {left}");
}

#[test]
fn the_example_of_a_reflector_shows_the_internet_table() {
    let shown = run("examples/internet-table");
    assert!(shown.contains("577703"), "the table is not shown:\n{shown}");
    assert!(shown.contains("8.8.8.0/24"), "no route is shown:\n{shown}");
}
