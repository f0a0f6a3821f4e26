//! What of the machine is read on the way to the API server.

use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

/// Where a service account is in a pod.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What names are looked up by (resolv.conf, hosts, nsswitch.conf), the C library's modules for that, and the certificates of
/// authorities. Files of these are replaced while we run, with others in any place of the folders.
pub(crate) const SYSTEM: [&str; 5] = ["/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve"];

/// What of the machine is read on the way to the API server, now and later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesFiles {
    /// Files, in whose place others may come: kubeconfigs, certificates, keys, tokens.
    pub files: Vec<PathBuf>,
    /// Folders with all that is in them.
    pub folders: Vec<PathBuf>,
    /// Whether a kubeconfig names a program that gives tokens.
    pub programs: bool,
}

impl KubernetesFiles {
    /// What a kubeconfig says, or what a pod has where none is named. One that cannot be read says nothing here: it is reported
    /// where it is used.
    #[must_use]
    pub fn of(kubeconfig: Option<&Path>) -> Self {
        let mut found = Self { folders: SYSTEM.map(PathBuf::from).to_vec(), ..Self::default() };
        // Often a link to a file elsewhere.
        found.files.push("/etc/resolv.conf".into());
        match kubeconfig {
            None => found.folders.push(SERVICE_ACCOUNT.into()),
            Some(path) => std::env::split_paths(path).for_each(|file| found.add(&file)),
        }
        found
    }

    fn add(&mut self, file: &Path) {
        self.files.push(file.to_owned());
        // Paths in it are absolute when it has been read.
        let Ok(config) = Kubeconfig::read_from(file) else { return };
        let clusters = config.clusters.into_iter().filter_map(|named| named.cluster);
        self.files.extend(clusters.filter_map(|cluster| cluster.certificate_authority).map(PathBuf::from));
        for user in config.auth_infos.into_iter().filter_map(|named| named.auth_info) {
            let files = [user.client_certificate, user.client_key, user.token_file];
            self.files.extend(files.into_iter().flatten().map(PathBuf::from));
            self.programs |= user.exec.is_some() || user.auth_provider.is_some();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> KubernetesFiles {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        std::fs::write(&file, text).expect("a file");
        let found = KubernetesFiles::of(Some(&file));
        assert!(found.files.contains(&file));
        let relative = |f: &PathBuf| f.strip_prefix(folder.path()).map_or_else(|_| f.clone(), Path::to_owned);
        KubernetesFiles { files: found.files.iter().map(relative).collect(), ..found }
    }

    #[test]
    fn what_a_kubeconfig_names_is_found() {
        let user = |user: &str| {
            let cluster = "{name: c, cluster: {server: 'https://h', certificate-authority: ca.crt}}";
            of(&format!("{{clusters: [{cluster}], users: [{{name: u, user: {user}}}]}}"))
        };
        let plain = user("{client-certificate: a.crt, client-key: /k/a.key, tokenFile: /t/token}");
        for file in ["ca.crt", "a.crt", "/k/a.key", "/t/token"] {
            assert!(plain.files.iter().any(|f| f == Path::new(file)), "{file}: {plain:?}");
        }
        assert!(!plain.programs);
        assert!(user("{exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token}}").programs);
        assert!(!of("no kubeconfig: [").programs);
    }

    #[test]
    fn a_pod_has_its_service_account() {
        assert!(KubernetesFiles::of(None).folders.iter().any(|f| f == Path::new(SERVICE_ACCOUNT)));
    }
}
