//! The README's first command, run as it is written there.
//!
//! Claims: it ends by itself with success, and the reflector that it starts has the recorded Internet table of 577,703
//! prefixes.

use std::path::Path;
use std::process::Command;

/// The commands of the README's code blocks that are meant to be typed, in order.
fn commands(readme: &str) -> Vec<&str> {
    readme.split("```sh\n").skip(1).filter_map(|block| block.split("```").next()).map(str::trim).collect()
}

#[test]
fn the_first_command_of_the_readme_does_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    let commands = commands(&readme);
    assert_eq!(commands.get(1), Some(&"./test"), "the second command is the one that runs this test");
    let first = commands.first().expect("a first command");
    let output = Command::new("sh").args(["-c", first]).current_dir(&root).output().expect("a shell");
    let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{first} failed:\n{shown}");
    assert!(shown.contains("577703"), "{first} did not show the table:\n{shown}");
    assert!(shown.contains("8.8.8.0/24"), "{first} did not show a route:\n{shown}");
}
