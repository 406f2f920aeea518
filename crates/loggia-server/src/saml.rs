//! What SAML keeps in the data folder: the hub's own key, and which assertions were used.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use loggia_auth::saml::{ReplayCache, ReplayStore, Saml, ServiceKey};
use loggia_model::Moment;
use parking_lot::Mutex;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::private_file;

/// Opens what is kept. The key is made when it is first needed: that takes a while, and most sites
/// never need it.
pub(crate) fn open(data: &Path) -> anyhow::Result<Saml> {
    let folder = data.join("saml");
    let used = UsedFile { path: folder.join("used"), opened: Mutex::new(None) };
    let used = ReplayCache::open(Box::new(used)).map_err(anyhow::Error::msg)?;
    let make = move || key(&folder).map_err(|error| format!("{error:#}"));
    Ok(Saml::new(Box::new(make), used))
}

fn key(folder: &Path) -> anyhow::Result<ServiceKey> {
    let file = folder.join("key.pem");
    if !file.is_file() {
        private_file::make_folder(folder)?;
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)
            .context("cannot make a key for SAML")?;
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "Loggia, SAML");
        let certificate = parameters.self_signed(&key).context("cannot make a certificate")?;
        let both = format!("{}{}", certificate.pem(), key.serialize_pem());
        private_file::write(&file, both.as_bytes())?;
    }
    let pem = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let certificate = CertificateDer::from_pem_slice(&pem).context("no certificate for SAML")?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).context("no key for SAML")?;
    Ok(ServiceKey::new(key.secret_pkcs8_der().to_vec(), certificate.to_vec())?)
}

/// A line for each used assertion, written before it is used: until when, and its fingerprint.
struct UsedFile {
    path: PathBuf,
    opened: Mutex<Option<File>>,
}

impl UsedFile {
    fn line(fingerprint: &str, until: Moment) -> String {
        format!("{} {fingerprint}\n", until.0)
    }
}

impl ReplayStore for UsedFile {
    fn load(&self) -> Result<Vec<(String, Moment)>, String> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(format!("cannot read {}: {error}", self.path.display())),
        };
        // A line that a crash cut short belongs to an assertion that was not used.
        let read = |line: &str| {
            let (until, fingerprint) = line.split_once(' ')?;
            Some((fingerprint.to_owned(), Moment(until.parse().ok()?)))
        };
        Ok(text.lines().filter_map(read).collect())
    }

    fn remember(&self, fingerprint: &str, until: Moment) -> Result<(), String> {
        let mut opened = self.opened.lock();
        let mut append = || -> anyhow::Result<()> {
            let file = match &mut *opened {
                Some(file) => file,
                None => {
                    if let Some(folder) = self.path.parent() {
                        private_file::make_folder(folder)?;
                    }
                    let file = File::options().create(true).append(true).open(&self.path)?;
                    opened.insert(file)
                }
            };
            file.write_all(UsedFile::line(fingerprint, until).as_bytes())?;
            Ok(file.sync_data()?)
        };
        append().map_err(|error| format!("cannot write {}: {error:#}", self.path.display()))
    }

    fn keep_only(&self, remembered: &[(String, Moment)]) -> Result<(), String> {
        let mut opened = self.opened.lock();
        let text: String = remembered
            .iter()
            .map(|(fingerprint, until)| UsedFile::line(fingerprint, *until))
            .collect();
        private_file::write(&self.path, text.as_bytes()).map_err(|error| format!("{error:#}"))?;
        *opened = None;
        Ok(())
    }
}
