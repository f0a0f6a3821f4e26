//! Certificates that a test makes for itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// Who vouches for the servers and clients of one test.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// The files of a certificate and its key.
#[derive(Clone, Debug)]
pub struct IssuedFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When the machine gives no random numbers.
    #[must_use]
    pub fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "heddle tests");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(parameters, key).expect("a certificate can be made");
        Self { issuer }
    }

    /// Its certificate as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes its certificate as `ca.crt` and returns the path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self, directory: &Path) -> PathBuf {
        write(directory, "ca.crt", &self.pem())
    }

    /// A certificate for servers and clients: of `name` (empty: of nobody), which is a member of `groups` (as Kubernetes reads it), for `localhost`, its
    /// addresses, and the other names and addresses in `also`.
    ///
    /// # Panics
    /// When `also` has what is neither a name nor an address.
    #[must_use]
    pub fn issue(&self, name: &str, groups: &[&str], also: &[String]) -> Issued {
        let local = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let names: Vec<String> = local.into_iter().chain(also.iter().cloned()).collect();
        let mut parameters = CertificateParams::new(names).expect("names and addresses");
        parameters.distinguished_name = DistinguishedName::new();
        if !name.is_empty() {
            parameters.distinguished_name.push(DnType::CommonName, name);
        }
        for &group in groups {
            parameters.distinguished_name.push(DnType::OrganizationName, group);
        }
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate can be made");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Issued {
    /// Writes both as `NAME.crt` and `NAME.key`.
    ///
    /// # Panics
    /// When they cannot be written.
    #[must_use]
    pub fn write(&self, directory: &Path, name: &str) -> IssuedFiles {
        let certificate = write(directory, &format!("{name}.crt"), &self.certificate);
        let key = write(directory, &format!("{name}.key"), &self.key);
        IssuedFiles { certificate, key }
    }
}

/// Writes a pair of keys that signs tokens: `NAME.key` and `NAME.pub`.
///
/// # Panics
/// When they cannot be written.
#[must_use]
pub fn write_signing_key(directory: &Path, name: &str) -> IssuedFiles {
    let key = KeyPair::generate().expect("a key can be made");
    let public = write(directory, &format!("{name}.pub"), &key.public_key_pem());
    IssuedFiles { certificate: public, key: write(directory, &format!("{name}.key"), &key.serialize_pem()) }
}

/// Writes a file that only its owner can read.
pub(crate) fn write(directory: &Path, file: &str, text: &str) -> PathBuf {
    let path = directory.join(file);
    let written = fs::write(&path, text).and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}
