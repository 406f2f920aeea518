//! The site's own authority: who may call the trusted port? Whoever shows a certificate that it
//! signed. It is made at the first need and never leaves the data folder.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use loggia_model::Moment;
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tracing::{error, info};

use crate::{private_file, tls};

/// Signs certificates of callers, and the trusted port's own.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its private key, as PEM.
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

/// What a certificate is for. One for callers does not do for listeners, nor the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Caller,
    Listener,
}

const DAY: i64 = 24 * 60 * 60 * 1_000;
const AUTHORITY_DAYS: i64 = 3_650;
const ISSUED_DAYS: i64 = 730;
/// The name in the authority's certificate. Sites are told apart by their keys.
const NAME: &str = "Loggia site authority";

impl Authority {
    /// The authority of a data folder.
    pub fn open(data: &Path, now: Moment) -> anyhow::Result<Authority> {
        let folder = data.join("authority");
        let (certificate, key) = (folder.join("root.pem"), folder.join("root_key.pem"));
        if !certificate.is_file() {
            private_file::make_folder(&folder)?;
            let made =
                KeyPair::generate().context("cannot make the key of the site's authority")?;
            let signed = parameters(now)?.self_signed(&made).context("cannot sign")?;
            private_file::write(&key, made.serialize_pem().as_bytes())?;
            private_file::write(&certificate, signed.pem().as_bytes())?;
            info!("made the site's authority for callers of the trusted port");
        }
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let certificate = read(&certificate)?;
        let pair = KeyPair::from_pem(&read(&key)?)
            .with_context(|| format!("{} holds no private key", key.display()))?;
        Ok(Authority { certificate, issuer: Issuer::new(parameters(now)?, pair) })
    }

    /// The authority's certificate, by which callers know the trusted port.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// What a caller's certificate must be signed by.
    pub fn roots(&self) -> anyhow::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes())?)?;
        Ok(roots)
    }

    /// A new certificate of that common name.
    pub fn issue(
        &self,
        name: &str,
        hosts: Vec<String>,
        purpose: Purpose,
        now: Moment,
    ) -> anyhow::Result<Issued> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._ :[]".contains(c);
        ensure!(
            !name.is_empty() && name.len() <= 64 && name.chars().all(is_plain),
            "the name of a certificate is 1 to 64 letters, digits, hyphens, dots or spaces"
        );
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(hosts)?;
        parameters.distinguished_name = named(name);
        limit(&mut parameters, now, ISSUED_DAYS)?;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![match purpose {
            Purpose::Caller => ExtendedKeyUsagePurpose::ClientAuth,
            Purpose::Listener => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        let certificate = parameters.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(hidden)")
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issued(hidden)")
    }
}

fn parameters(now: Moment) -> anyhow::Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = named(NAME);
    limit(&mut parameters, now, AUTHORITY_DAYS)?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(parameters)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From yesterday, since clocks differ, for so many days.
fn limit(parameters: &mut CertificateParams, now: Moment, days: i64) -> anyhow::Result<()> {
    let (year, month, day) = tls::day(now.0.saturating_sub(DAY))?;
    parameters.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = tls::day(now.0.saturating_add(days.saturating_mul(DAY)))?;
    parameters.not_after = rcgen::date_time_ymd(year, month, day);
    Ok(())
}

/// The trusted port's own certificates. A caller names the host it asked for, and gets a
/// certificate of that name: whether it is the right site is told by the authority's signature,
/// not by a name that this server would have to know beforehand.
pub(crate) struct Names {
    authority: Authority,
    address: IpAddr,
    clock: fn() -> Moment,
    issued: Mutex<HashMap<String, (Moment, Arc<CertifiedKey>)>>,
}

/// Strangers choose the names; further ones get the certificate of the address.
const MOST_NAMES: usize = 100;

impl Names {
    pub(crate) fn new(authority: Authority, address: IpAddr, clock: fn() -> Moment) -> Names {
        Names { authority, address, clock, issued: Mutex::default() }
    }

    fn of(&self, host: &str) -> anyhow::Result<Arc<CertifiedKey>> {
        let now = (self.clock)();
        let mut issued = self.issued.lock();
        let host = if issued.contains_key(host) || issued.len() < MOST_NAMES { host } else { "" };
        if let Some((made, key)) = issued.get(host)
            && now.0.saturating_sub(made.0) < DAY.saturating_mul(ISSUED_DAYS / 2)
        {
            return Ok(Arc::clone(key));
        }
        let hosts = if host.is_empty() {
            vec!["localhost".into(), "127.0.0.1".into(), "::1".into(), self.address.to_string()]
        } else {
            vec![host.to_owned()]
        };
        let made = self.authority.issue("Loggia", hosts, Purpose::Listener, now)?;
        let chain = vec![CertificateDer::from_pem_slice(made.certificate.as_bytes())?];
        let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes())?;
        let key = Arc::new(CertifiedKey::from_der(chain, key, &tls::provider())?);
        issued.insert(host.to_owned(), (now, Arc::clone(&key)));
        Ok(key)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names(hidden)")
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        self.of(&host)
            .inspect_err(|error| error!(error = format!("{error:#}"), "cannot issue a certificate"))
            .ok()
    }
}

/// Writes what a caller needs into a folder: `client.pem`, `client_key.pem` and `root.pem`, the
/// names that clients of the original look for.
pub fn export(data: &Path, name: &str, out: &Path, now: Moment) -> anyhow::Result<()> {
    let authority = Authority::open(data, now)?;
    let issued = authority.issue(name, Vec::new(), Purpose::Caller, now)?;
    private_file::make_folder(out)?;
    let files = [
        ("client.pem", issued.certificate.as_str()),
        ("client_key.pem", issued.key.as_str()),
        ("root.pem", authority.certificate()),
    ];
    for (file, _) in files {
        let path = out.join(file);
        ensure!(!path.exists(), "{} is there already; choose another folder", path.display());
    }
    for (file, content) in files {
        private_file::write(&out.join(file), content.as_bytes())?;
    }
    Ok(())
}
