//! What the process goes on to need when it confines itself.

use std::path::{Path, PathBuf};

use heddle_confinement::{Needs, Programs, Routes, folder_of_socket, folders};
use heddle_datastore::{EtcdFiles, KubernetesFiles};

use crate::{Args, ContextArgs, DatastorePlace, EtcdArgs, KubernetesArgs};

/// The settings of the kernel that `--manage-sysctls` writes.
const SYSCTLS: &str = "/proc/sys/net";

/// How deep folders of a datastore are looked into for links.
const DEEPEST: u32 = 8;

/// What the command line comes to.
pub(crate) fn needs(args: &Args, context: &ContextArgs) -> Needs {
    let (mut reads, programs) = args.datastore.needs(&context.kubernetes, &context.etcd);
    reads.push(context.endpoint_folder());
    let sysctls = args.manage_sysctls.then(|| PathBuf::from(SYSCTLS));
    let sockets = [Some(args.socket.clone()), args.bird_ctl.as_ref().map(|folder| folder.join("bird.ctl"))];
    let sockets = sockets.into_iter().flatten().filter_map(|socket| folder_of_socket(&socket));
    let writes = sockets.chain(args.status_dir.clone()).chain(sysctls).collect();
    Needs { routes: Routes::Written, programs, reads, writes }
}

impl DatastorePlace {
    /// What is read on the way to it, now and later, and whether that starts programs.
    #[must_use]
    pub fn needs(&self, kubernetes: &KubernetesArgs, etcd: &EtcdArgs) -> (Vec<PathBuf>, Programs) {
        match self {
            Self::Folder(folder) => (datastore(folder), Programs::Unused),
            Self::Kubernetes => {
                let KubernetesFiles { files, folders: more, programs } =
                    KubernetesFiles::of(kubernetes.kubeconfig.0.as_deref());
                let reads = files.iter().flat_map(|file| folders(file)).chain(more).collect();
                (reads, if programs { Programs::Started } else { Programs::Unused })
            }
            Self::Etcd => {
                let EtcdFiles { files, folders: more } = EtcdFiles::of(etcd.files());
                (files.iter().flat_map(|file| folders(file)).chain(more).collect(), Programs::Unused)
            }
        }
    }
}

/// The folder of manifests, which may be moved away and another one, or a link to one, be put in its place: then it is what is in
/// the folder around it.
fn datastore(folder: &Path) -> Vec<PathBuf> {
    let mut reads = folders(folder);
    reads.push(folder.to_owned());
    links(folder, DEEPEST, &mut reads);
    reads
}

/// Where links in a folder lead: files of the folder there, or all of a folder.
fn links(folder: &Path, depth: u32, reads: &mut Vec<PathBuf>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    // What cannot be read is said by whoever reads manifests.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_symlink() => reads.extend(folders(&path).into_iter().chain(path.canonicalize().ok())),
            Ok(kind) if kind.is_dir() => links(&path, depth, reads),
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_a_datastore_are_followed() {
        let place = tempfile::tempdir().expect("a folder");
        let at = |name: &str| place.path().join(name);
        for folder in ["around/datastore/more", "far", "shared"] {
            std::fs::create_dir_all(at(folder)).expect("a folder");
        }
        std::fs::write(at("far/node.yaml"), "").expect("a file");
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(at(to), at(name)).expect("a link");
        link("far/node.yaml", "around/datastore/more/node.yaml");
        link("shared", "around/datastore/shared");
        let reads = datastore(&at("around/datastore"));
        for wanted in ["around", "around/datastore", "far", "shared"] {
            assert!(reads.contains(&at(wanted)), "{wanted}: {reads:?}");
        }
    }
}
