//! Files (Landlock, landlock(7)): what is read and written is known when the daemon starts.
//!
//! Rules name folders, not files: an editor, or whoever rotates keys, puts a new file in the place of the old one, and a rule
//! holds for the file that was there. Files that are open already, standard error above all, are not concerned.

use std::path::{Path, PathBuf};

use heddle_config::Confinement;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use crate::{Needs, Programs, State};

/// The rights that are governed: those of this version of the interface; an older kernel has fewer, which is fine.
const GOVERNED: ABI = ABI::V6;
/// What every daemon reads: figures about itself, settings of the kernel, how many processors there are.
const ALWAYS_READ: [&str; 2] = ["/proc", "/sys"];
/// What every program may use.
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/urandom"];

/// Restricts the thread, and all that it makes, to the files of `needs`.
pub(crate) fn restrict(wanted: &Confinement, needs: &Needs) -> State {
    let rules = Rules::of(wanted, needs);
    match enforce(&rules) {
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => State::InForce(rules.to_string()),
        Ok(RulesetStatus::NotEnforced) => {
            State::Missing("the kernel has no Landlock: the process may read and write what its user may".to_owned())
        }
        Err(error) => State::Failed(error.to_string()),
    }
}

/// Folders and files, and what may be done to what is in them.
struct Rules {
    reads: Vec<PathBuf>,
    writes: Vec<PathBuf>,
    /// Where programs that are started do their work.
    programs: Option<Vec<PathBuf>>,
}

impl Rules {
    fn of(wanted: &Confinement, needs: &Needs) -> Self {
        let mut reads: Vec<PathBuf> = needs.reads.iter().chain(&wanted.readable).filter_map(|p| existing(p)).collect();
        reads.extend(std::env::current_exe());
        reads.sort();
        reads.dedup();
        let mut writes = needs.writes.clone();
        writes.sort();
        writes.dedup();
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.parent().is_some());
        let programs = match needs.programs {
            Programs::Started => Some([std::env::temp_dir()].into_iter().chain(home).collect()),
            Programs::Unused => None,
        };
        Self { reads, writes, programs }
    }

    fn all(&self) -> Vec<(&Path, BitFlags<AccessFs>)> {
        let (read, all) = (AccessFs::ReadFile | AccessFs::ReadDir, AccessFs::from_all(GOVERNED));
        let write = all & !AccessFs::Execute;
        let always = ALWAYS_READ.iter().map(|path| (Path::new(path), read));
        let devices = DEVICES.iter().map(|path| (Path::new(path), AccessFs::ReadFile | AccessFs::WriteFile));
        let reads = self.reads.iter().map(|path| (path.as_path(), read));
        let writes = self.writes.iter().map(|path| (path.as_path(), write));
        let work = self.programs.iter().flatten().map(|path| (path.as_path(), all));
        let root = self.programs.iter().map(|_| (Path::new("/"), read | AccessFs::Execute));
        always.chain(devices).chain(reads).chain(writes).chain(work).chain(root).collect()
    }
}

impl std::fmt::Display for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        let own = std::env::current_exe().ok();
        let reads: Vec<PathBuf> = self.reads.iter().filter(|path| Some(*path) != own.as_ref()).cloned().collect();
        match self.programs {
            Some(_) => f.write_str("reads everything, for the programs that it starts")?,
            None => write!(f, "reads {}", list(&reads))?,
        }
        write!(f, "; writes {}", list(&self.writes))
    }
}

fn enforce(rules: &Rules) -> Result<RulesetStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(GOVERNED))?
        // Signals to processes that it has not started.
        .scope(Scope::Signal)?
        .create()?;
    let ruleset = rules.all().into_iter().try_fold(ruleset, |set, (path, access)| add(set, path, access))?;
    ruleset.no_new_privs(true).restrict_self().map(|status| status.ruleset)
}

fn add(set: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    // What is not there cannot be allowed, and what is made there later is refused.
    let Ok(opened) = PathFd::new(path) else { return Ok(set) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(GOVERNED) };
    let set = set.add_rule(PathBeneath::new(&opened, access))?;
    if path.starts_with("/proc") {
        // Such a file is the same one only as long as somebody has it open.
        std::mem::forget(opened);
    }
    Ok(set)
}

/// The path, or where it does not exist yet the folder in which it, or the folder of it, will be made. None for `/`: that
/// would be everything.
fn existing(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let found = path.ancestors().find(|ancestor| ancestor.exists())?;
    (found == path || found.parent().is_some()).then(|| found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_be_made_stands_for_the_folder_that_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = folder.path().join("a");
        std::fs::create_dir(&made).expect("a folder");
        assert_eq!(existing(&made), Some(made.clone()));
        assert_eq!(existing(&made.join("b/c")), Some(made));
        assert_eq!(existing(Path::new("/no-such-folder/key")), None, "not everything, for a file that is not there");
    }
}
