//! What may be set, where, and what holds in the end: a flag beats the environment beats the file
//! beats the default. Resolved once, at start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use loggia_auth::AllowedHost;
use loggia_proxy::edge::Network;
use loggia_repository::Retention;
use serde::Deserialize;

/// What the server runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How the public listener is encrypted.
    pub tls: Tls,
    /// Allows plain HTTP beyond this machine, where nobody else encrypts it.
    pub insecure_http: bool,
    /// Where plain requests are led to the encrypted address.
    pub redirect_listen: Option<SocketAddr>,
    /// Where other programs call that show a certificate of the site's authority.
    pub trusted_listen: Option<SocketAddr>,
    /// Where operators find `/healthz`, `/readyz` and `/metrics`.
    pub operator_listen: Option<SocketAddr>,
    /// Folder of the database, the apps' data and their pictures.
    pub data: PathBuf,
    pub log: LogFormat,
    /// Puts the demo content into a new site and prints who its people are.
    pub demo: bool,
    /// Folder of the prepared demo data sets; load scripts reach it as `lib://Demo`.
    /// Other servers use the same data folder, all of them with this setting.
    pub shared: bool,
    pub demo_files: Option<PathBuf>,
    /// Forwarders that are believed when they name the client.
    pub trusted_proxies: Vec<Network>,
    /// User directory of people who log in with their name alone.
    pub default_directory: String,
    /// Identity providers on the inside network, or without TLS, that may be asked all the same.
    pub outside_allow: Vec<AllowedHost>,
    /// Certificates (PEM) that are trusted beside the system's when identity providers are asked.
    pub outside_ca: Option<PathBuf>,
    /// Most connections at a time, in total and from one address.
    pub max_connections: usize,
    pub max_connections_per_address: u32,
    /// How often the app *Visitors* is loaded anew, in minutes; 0 is no such app.
    pub visitors_reload_minutes: u32,
    pub audit: AuditSettings,
}

/// What the audit trail keeps and where it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    pub retention: Retention,
    /// Whether addresses are kept at all.
    pub keeps_addresses: bool,
    /// Where each event is sent by syslog.
    pub syslog: Option<SyslogTarget>,
}

/// A receiver of syslog (RFC 5424).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTarget {
    Udp(String),
    Tcp(String),
}

impl Default for AuditSettings {
    fn default() -> AuditSettings {
        AuditSettings { retention: Retention::default(), keeps_addresses: true, syslog: None }
    }
}

/// The file's section `[audit]`. Of days and rows, 0 is no limit.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct AuditFile {
    keep_days: Option<u32>,
    most_rows: Option<u64>,
    address_days: Option<u32>,
    addresses: Option<bool>,
    syslog: Option<String>,
}

/// The certificate of the public listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    #[default]
    No,
    /// PEM files: the certificate with its chain, and its private key.
    Files { certificate: PathBuf, key: PathBuf },
    /// One that the server makes for itself.
    SelfSigned,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// What a command line or the environment says; absent members say nothing.
#[derive(Clone, Debug, Default)]
pub struct Given {
    pub listen: Option<SocketAddr>,
    pub tls_certificate: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub tls_self_signed: bool,
    pub insecure_http: bool,
    pub redirect_listen: Option<SocketAddr>,
    pub trusted_listen: Option<SocketAddr>,
    pub operator_listen: Option<SocketAddr>,
    pub data: Option<PathBuf>,
    pub log: Option<LogFormat>,
    pub demo: bool,
    pub demo_files: Option<PathBuf>,
    pub shared: bool,
    pub trusted_proxies: Vec<Network>,
}

/// The file's shape: `loggia.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    listen: Option<SocketAddr>,
    tls: TlsFile,
    insecure_http: bool,
    redirect_listen: Option<SocketAddr>,
    trusted_listen: Option<SocketAddr>,
    operator_listen: Option<SocketAddr>,
    data: Option<PathBuf>,
    log: Option<LogFormat>,
    shared: bool,
    trusted_proxies: Vec<String>,
    default_directory: Option<String>,
    outside_allow: Vec<String>,
    outside_ca: Option<PathBuf>,
    max_connections: Option<usize>,
    max_connections_per_address: Option<u32>,
    visitors_reload_minutes: Option<u32>,
    audit: AuditFile,
}

/// The file's section `[tls]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct TlsFile {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    self_signed: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: Tls::No,
            insecure_http: false,
            redirect_listen: None,
            trusted_listen: None,
            operator_listen: None,
            data: PathBuf::from("data"),
            log: LogFormat::Text,
            demo: false,
            demo_files: None,
            shared: false,
            trusted_proxies: Vec::new(),
            default_directory: "LOGGIA".to_owned(),
            outside_allow: Vec::new(),
            outside_ca: None,
            max_connections: 20_000,
            max_connections_per_address: 2_000,
            visitors_reload_minutes: 60,
            audit: AuditSettings::default(),
        }
    }
}

/// Resolves the settings. `file` is read when it is named; `loggia.toml` in the working folder is
/// read when it is there.
pub fn resolve(file: Option<&Path>, given: Given) -> anyhow::Result<Settings> {
    let default_file = Path::new("loggia.toml");
    let file = match file {
        Some(path) => Some(path),
        None => Some(default_file).filter(|path| path.is_file()),
    };
    let file = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the settings file {}", path.display()))?;
            read(&text).with_context(|| format!("in the settings file {}", path.display()))?
        }
        None => File::default(),
    };
    combine(file, given)
}

fn read(text: &str) -> anyhow::Result<File> {
    Ok(toml::from_str(text)?)
}

fn combine(file: File, given: Given) -> anyhow::Result<Settings> {
    let default = Settings::default();
    let trusted_proxies = if given.trusted_proxies.is_empty() {
        let parse = |text: &String| {
            text.parse().with_context(|| format!("trusted-proxies: {text:?} cannot be used"))
        };
        file.trusted_proxies.iter().map(parse).collect::<anyhow::Result<Vec<Network>>>()?
    } else {
        given.trusted_proxies
    };
    let outside_allow = file
        .outside_allow
        .iter()
        .map(|text| text.parse().with_context(|| format!("outside-allow: {text:?}")))
        .collect::<anyhow::Result<Vec<AllowedHost>>>()?;
    // A flag that names one way speaks against the file's other way.
    let names_files = given.tls_certificate.is_some() || given.tls_key.is_some();
    let tls = if names_files || given.tls_self_signed {
        tls(TlsFile {
            certificate: given.tls_certificate,
            key: given.tls_key,
            self_signed: given.tls_self_signed,
        })?
    } else {
        tls(file.tls)?
    };
    Ok(Settings {
        listen: given.listen.or(file.listen).unwrap_or(default.listen),
        tls,
        insecure_http: given.insecure_http || file.insecure_http,
        redirect_listen: given.redirect_listen.or(file.redirect_listen),
        trusted_listen: given.trusted_listen.or(file.trusted_listen),
        operator_listen: given.operator_listen.or(file.operator_listen),
        data: given.data.or(file.data).unwrap_or(default.data),
        log: given.log.or(file.log).unwrap_or(default.log),
        demo: given.demo,
        demo_files: given.demo_files,
        shared: given.shared || file.shared,
        trusted_proxies,
        default_directory: file.default_directory.unwrap_or(default.default_directory),
        outside_allow,
        outside_ca: file.outside_ca,
        max_connections: file.max_connections.unwrap_or(default.max_connections),
        max_connections_per_address: file
            .max_connections_per_address
            .unwrap_or(default.max_connections_per_address),
        visitors_reload_minutes: file
            .visitors_reload_minutes
            .unwrap_or(default.visitors_reload_minutes),
        audit: audit(&file.audit)?,
    })
}

fn audit(asked: &AuditFile) -> anyhow::Result<AuditSettings> {
    let default = Retention::default();
    let days = |asked: Option<u32>, default| match asked {
        None => default,
        Some(0) => None,
        days => days,
    };
    let syslog = match asked.syslog.as_deref() {
        None | Some("") => None,
        Some(text) => Some(match text.split_once("://") {
            Some(("udp", place)) if place.contains(':') => SyslogTarget::Udp(place.to_owned()),
            Some(("tcp", place)) if place.contains(':') => SyslogTarget::Tcp(place.to_owned()),
            _ => bail!("audit.syslog: {text:?} is neither udp://HOST:PORT nor tcp://HOST:PORT"),
        }),
    };
    Ok(AuditSettings {
        retention: Retention {
            keep_days: days(asked.keep_days, default.keep_days),
            most_rows: match asked.most_rows {
                None => default.most_rows,
                Some(0) => None,
                rows => rows,
            },
            address_days: days(asked.address_days, default.address_days),
        },
        keeps_addresses: asked.addresses.unwrap_or(true),
        syslog,
    })
}

fn tls(asked: TlsFile) -> anyhow::Result<Tls> {
    match (asked.certificate, asked.key, asked.self_signed) {
        (None, None, false) => Ok(Tls::No),
        (None, None, true) => Ok(Tls::SelfSigned),
        (Some(certificate), Some(key), false) => Ok(Tls::Files { certificate, key }),
        (Some(_), Some(_), true) => bail!(
            "tls: there is a certificate, and a self-signed one is asked for; leave one of them out"
        ),
        _ => bail!("tls: a certificate and its key go together; name both files"),
    }
}

impl Settings {
    /// Refuses what would put people's passwords and sessions on the wire, unless that is asked
    /// for by name.
    pub fn check(&self) -> anyhow::Result<()> {
        let is_plain = self.tls == Tls::No;
        let is_beyond = !self.listen.ip().is_loopback();
        if is_plain && is_beyond && self.trusted_proxies.is_empty() && !self.insecure_http {
            bail!(
                "listening on {} without encryption would show passwords and sessions to the \
                 network. Do one of these: give a certificate (tls.certificate and tls.key, or \
                 --tls-certificate and --tls-key); try it out with one that the server makes \
                 (tls.self-signed or --tls-self-signed); put a forwarder before it that ends TLS, \
                 and name it (trusted-proxies or --trusted-proxy); listen on 127.0.0.1; or allow \
                 it all the same (insecure-http = true or --insecure-http)",
                self.listen
            );
        }
        if is_plain && self.redirect_listen.is_some() {
            bail!(
                "redirect-listen leads to the encrypted address, and there is none: give a \
                 certificate (tls.certificate and tls.key) or leave it out"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        let file = || read("listen = '0.0.0.0:80'\ntrusted-proxies = ['10.0.0.0/8']").unwrap();
        let settings = combine(file(), Given::default()).unwrap();
        assert_eq!(settings.listen.to_string(), "0.0.0.0:80");
        assert_eq!(settings.trusted_proxies.len(), 1);
        assert_eq!(settings.data, Path::new("data"));

        let listen = Some("127.0.0.1:9".parse().unwrap());
        let settings = combine(file(), Given { listen, ..Given::default() }).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:9");
    }

    #[test]
    fn plain_http_beyond_this_machine_has_to_be_asked_for() {
        let check = |text: &str| combine(read(text).unwrap(), Given::default())?.check();
        let refused = check("listen = '0.0.0.0:80'").unwrap_err().to_string();
        for way_out in ["tls.certificate", "trusted-proxies", "insecure-http"] {
            assert!(refused.contains(way_out), "{refused}");
        }
        for fine in [
            "listen = '[::1]:80'",
            "listen = '0.0.0.0:80'\ninsecure-http = true",
            "listen = '0.0.0.0:80'\ntrusted-proxies = ['10.0.0.1']",
            "listen = '0.0.0.0:443'\nredirect-listen = '0.0.0.0:80'\ntls.self-signed = true",
            "listen = '0.0.0.0:443'\ntls = { certificate = 'a.pem', key = 'b.pem' }",
        ] {
            check(fine).unwrap();
        }
        for bad in [
            "redirect-listen = '127.0.0.1:80'",
            "tls.certificate = 'a.pem'",
            "tls = { certificate = 'a.pem', key = 'b.pem', self-signed = true }",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_misspelt_setting_is_an_error_and_not_ignored() {
        let error = read("lisen = '0.0.0.0:80'").unwrap_err();
        assert!(error.to_string().contains("lisen"), "{error}");
        assert!(read("listen = 'here'").is_err());
        assert!(combine(read("trusted-proxies = ['all']").unwrap(), Given::default()).is_err());
        assert!(combine(read("outside-allow = ['*']").unwrap(), Given::default()).is_err());
    }
}
