//! TLS of the listeners: which certificate is shown, and who shows one to us.
//!
//! The library is rustls with aws-lc-rs, named everywhere: nothing depends on a process-wide
//! default. A certificate is replaced while the server runs, by replacing its files; files that
//! cannot be used leave the old one in place.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, bail};
use loggia_model::Moment;
use parking_lot::{Mutex, RwLock};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tracing::{error, info, warn};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::private_file;

/// Who showed a certificate of an authority that the listener trusts. It is among a request's
/// extensions; no header can spell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject's common name; empty where it has none.
    pub common_name: String,
    /// SHA-256 of the certificate, in lower-case hexadecimal digits.
    pub fingerprint: String,
}

/// Where the server's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// PEM files: the certificate with its chain, and its private key.
    Files { certificate: PathBuf, key: PathBuf },
    /// A certificate that nobody vouches for, made and kept in a folder.
    SelfSigned { folder: PathBuf },
}

/// The certificate that a listener shows, as long as it is good.
pub struct Certificates {
    source: CertificateSource,
    shown: RwLock<Shown>,
    looked: Mutex<Looked>,
}

struct Shown {
    key: Arc<CertifiedKey>,
    not_after: Moment,
}

/// What was found when the files were looked at last.
#[derive(Debug, Default)]
struct Looked {
    stamp: Option<Stamp>,
    warned: Option<Moment>,
}

/// Tells whether files are still those that were read: time and size of each.
type Stamp = [Option<(SystemTime, u64)>; 2];

const DAY: i64 = 24 * 60 * 60 * 1_000;
/// From when on an ending certificate is warned of, in days.
const WARN_BEFORE: i64 = 30;
/// How long a self-signed certificate is good: no longer than browsers take.
const SELF_SIGNED_DAYS: i64 = 397;

impl CertificateSource {
    fn files(&self) -> (PathBuf, PathBuf) {
        match self {
            CertificateSource::Files { certificate, key } => (certificate.clone(), key.clone()),
            CertificateSource::SelfSigned { folder } => {
                (folder.join("certificate.pem"), folder.join("key.pem"))
            }
        }
    }

    fn stamp(&self) -> Stamp {
        let (certificate, key) = self.files();
        [stamp(&certificate), stamp(&key)]
    }
}

impl Certificates {
    /// Reads the certificate, or makes the self-signed one where there is none yet.
    pub fn open(source: CertificateSource, now: Moment) -> anyhow::Result<Arc<Certificates>> {
        if let CertificateSource::SelfSigned { folder } = &source {
            renew_self_signed(folder, now)?;
        }
        let stamp = source.stamp();
        let shown = read(&source)?;
        let looked = Mutex::new(Looked { stamp: Some(stamp), warned: None });
        let certificates = Certificates { source, shown: RwLock::new(shown), looked };
        certificates.warn_of_end(now);
        Ok(Arc::new(certificates))
    }

    /// Looks whether the files changed, and takes over what they hold. Files that cannot be used
    /// are told of once, and change nothing.
    pub fn refresh(&self, now: Moment) {
        if let CertificateSource::SelfSigned { folder } = &self.source
            && self.days_left(now) < WARN_BEFORE
            && let Err(error) = renew_self_signed(folder, now)
        {
            error!(error = format!("{error:#}"), "the self-signed certificate cannot be renewed");
        }
        // Before reading: what changes meanwhile is read again.
        let stamp = self.source.stamp();
        if self.looked.lock().stamp != Some(stamp) {
            match read(&self.source) {
                Ok(shown) => {
                    *self.shown.write() = shown;
                    self.looked.lock().warned = None;
                    info!(days = self.days_left(now), "a new certificate is shown");
                }
                Err(error) => error!(
                    error = format!("{error:#}"),
                    "the new certificate cannot be used; the old one is still shown: {error:#}"
                ),
            }
            self.looked.lock().stamp = Some(stamp);
        }
        self.warn_of_end(now);
    }

    /// Whole days until the certificate ends; negative when it has.
    #[must_use]
    pub fn days_left(&self, now: Moment) -> i64 {
        self.shown.read().not_after.0.saturating_sub(now.0).div_euclid(DAY)
    }

    /// Once a day.
    fn warn_of_end(&self, now: Moment) {
        let days = self.days_left(now);
        let mut looked = self.looked.lock();
        let is_due = looked.warned.is_none_or(|warned| now.0.saturating_sub(warned.0) >= DAY);
        if days >= WARN_BEFORE || !is_due {
            return;
        }
        looked.warned = Some(now);
        if days < 0 {
            error!(days, "the certificate has ended: browsers refuse to come in");
        } else {
            warn!(days, "the certificate ends in {days} days: replace its files");
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("source", &self.source).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.read().key))
    }
}

/// TLS for browsers: HTTP/2 and HTTP/1.1.
pub fn public_config(certificates: Arc<dyn ResolvesServerCert>) -> anyhow::Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS for callers that show a certificate of one of `authorities`; others get no further than
/// the handshake.
pub fn mutual_config(
    certificates: Arc<dyn ResolvesServerCert>,
    authorities: RootCertStore,
) -> anyhow::Result<ServerConfig> {
    let provider = provider();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider))
            .build()
            .context("no authority for the certificates of callers")?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// What a caller's verified certificate says.
pub(crate) fn client_certificate(der: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject().iter_common_name().next();
    let common_name = name.and_then(|name| name.as_str().ok()).unwrap_or_default().to_owned();
    let digest = Sha256::digest(der);
    let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(ClientCertificate { common_name, fingerprint })
}

/// The one cryptographic library.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn read(source: &CertificateSource) -> anyhow::Result<Shown> {
    let (certificate, key) = source.files();
    let chain = read_chain(&certificate)?;
    let Some(first) = chain.first() else {
        bail!("{} holds no certificate", certificate.display());
    };
    let (_, parsed) = X509Certificate::from_der(first)
        .with_context(|| format!("{} holds no X.509 certificate", certificate.display()))?;
    let not_after = Moment(parsed.validity().not_after.timestamp().saturating_mul(1_000));
    let key_text =
        std::fs::read(&key).with_context(|| format!("cannot read the key {}", key.display()))?;
    let private = PrivateKeyDer::from_pem_slice(&key_text)
        .with_context(|| format!("{} holds no private key in PEM", key.display()))?;
    let certified = CertifiedKey::from_der(chain, private, &provider()).with_context(|| {
        format!(
            "the key {} does not go with the certificate {}",
            key.display(),
            certificate.display()
        )
    })?;
    Ok(Shown { key: Arc::new(certified), not_after })
}

/// The certificates of a PEM file.
pub(crate) fn read_chain(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = std::fs::read(file)
        .with_context(|| format!("cannot read the certificate {}", file.display()))?;
    CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("{} is no PEM file of certificates", file.display()))
}

fn stamp(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Makes a self-signed certificate where there is none, or none that is good much longer.
fn renew_self_signed(folder: &Path, now: Moment) -> anyhow::Result<()> {
    let source = CertificateSource::SelfSigned { folder: folder.to_owned() };
    let is_good = read(&source).is_ok_and(|shown| {
        shown.not_after.0.saturating_sub(now.0) >= WARN_BEFORE.saturating_mul(DAY)
    });
    if is_good {
        return Ok(());
    }
    private_file::make_folder(folder)?;
    let key = rcgen::KeyPair::generate().context("cannot make a key")?;
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let mut parameters = rcgen::CertificateParams::new(names)?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "Loggia, self-signed");
    let (year, month, date) = day(now.0.saturating_sub(DAY))?;
    parameters.not_before = rcgen::date_time_ymd(year, month, date);
    let end = now.0.saturating_add(SELF_SIGNED_DAYS.saturating_mul(DAY));
    let (year, month, date) = day(end)?;
    parameters.not_after = rcgen::date_time_ymd(year, month, date);
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = parameters.self_signed(&key).context("cannot sign a certificate")?;
    let (certificate_file, key_file) = source.files();
    private_file::write(&key_file, key.serialize_pem().as_bytes())?;
    private_file::write(&certificate_file, certificate.pem().as_bytes())?;
    info!("made a self-signed certificate: browsers will warn of it");
    Ok(())
}

/// Year, month and day of a moment.
pub(crate) fn day(millis: i64) -> anyhow::Result<(i32, u8, u8)> {
    let date = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_millisecond(millis)?);
    Ok((i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_800_000_000_000);

    fn issue(common_name: &str, until: (i32, u8, u8)) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["hub.example".to_owned()]).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, common_name);
        parameters.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn shown(certificates: &Certificates) -> String {
        let key = Arc::clone(&certificates.shown.read().key);
        client_certificate(key.cert.first().unwrap()).unwrap().common_name
    }

    #[test]
    fn new_files_are_taken_over_and_bad_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("a.pem"), folder.path().join("b.pem"));
        let write = |pair: &(String, String)| {
            std::fs::write(&certificate, &pair.0).unwrap();
            std::fs::write(&key, &pair.1).unwrap();
        };
        let (first, second) = (issue("first", (2027, 3, 1)), issue("a longer name", (2030, 1, 1)));
        write(&first);
        let source =
            CertificateSource::Files { certificate: certificate.clone(), key: key.clone() };
        let certificates = Certificates::open(source.clone(), NOW).unwrap();
        assert_eq!((shown(&certificates), certificates.days_left(NOW)), ("first".into(), 44));

        write(&(second.0.clone(), "nothing useful".to_owned()));
        certificates.refresh(NOW);
        assert_eq!(shown(&certificates), "first");
        // A certificate that came before its key.
        write(&(second.0.clone(), first.1.clone()));
        certificates.refresh(NOW);
        assert_eq!(shown(&certificates), "first");
        std::fs::remove_file(&certificate).unwrap();
        certificates.refresh(NOW);
        assert_eq!(shown(&certificates), "first");

        write(&second);
        certificates.refresh(NOW);
        assert_eq!(shown(&certificates), "a longer name");
        std::fs::write(&key, "x").unwrap();
        assert!(Certificates::open(source, NOW).is_err());
    }

    #[test]
    fn a_self_signed_certificate_is_kept_and_renewed_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let open = |now| {
            let source = CertificateSource::SelfSigned { folder: folder.path().join("tls") };
            Certificates::open(source, now).unwrap()
        };
        let after = |days: i64| Moment(NOW.0 + days * DAY);
        let first = open(NOW);
        let key = |certificates: &Certificates| certificates.shown.read().key.cert.clone();
        assert_eq!(key(&first), key(&open(after(300))));
        assert_ne!(key(&first), key(&open(after(380))));
        first.refresh(after(380));
        assert!(first.days_left(after(380)) > 300);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let key = std::fs::metadata(folder.path().join("tls/key.pem")).unwrap();
            assert_eq!(key.permissions().mode() & 0o077, 0);
        }
    }
}
