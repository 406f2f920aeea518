//! What may be set, where, and what holds in the end: a flag beats the environment beats the file
//! beats the default. Resolved once, at start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use loggia_auth::AllowedHost;
use loggia_proxy::edge::Network;
use serde::Deserialize;

/// What the server runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Folder of the database, the apps' data and their pictures.
    pub data: PathBuf,
    pub log: LogFormat,
    /// Puts the demo content into a new site and prints who its people are.
    pub demo: bool,
    /// Folder of the prepared demo data sets; load scripts reach it as `lib://Demo`.
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
    pub data: Option<PathBuf>,
    pub log: Option<LogFormat>,
    pub demo: bool,
    pub demo_files: Option<PathBuf>,
    pub trusted_proxies: Vec<Network>,
}

/// The file's shape: `loggia.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    listen: Option<SocketAddr>,
    data: Option<PathBuf>,
    log: Option<LogFormat>,
    trusted_proxies: Vec<String>,
    default_directory: Option<String>,
    outside_allow: Vec<String>,
    outside_ca: Option<PathBuf>,
    max_connections: Option<usize>,
    max_connections_per_address: Option<u32>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("data"),
            log: LogFormat::Text,
            demo: false,
            demo_files: None,
            trusted_proxies: Vec::new(),
            default_directory: "LOGGIA".to_owned(),
            outside_allow: Vec::new(),
            outside_ca: None,
            max_connections: 20_000,
            max_connections_per_address: 2_000,
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
    Ok(Settings {
        listen: given.listen.or(file.listen).unwrap_or(default.listen),
        data: given.data.or(file.data).unwrap_or(default.data),
        log: given.log.or(file.log).unwrap_or(default.log),
        demo: given.demo,
        demo_files: given.demo_files,
        trusted_proxies,
        default_directory: file.default_directory.unwrap_or(default.default_directory),
        outside_allow,
        outside_ca: file.outside_ca,
        max_connections: file.max_connections.unwrap_or(default.max_connections),
        max_connections_per_address: file
            .max_connections_per_address
            .unwrap_or(default.max_connections_per_address),
    })
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
    fn a_misspelt_setting_is_an_error_and_not_ignored() {
        let error = read("lisen = '0.0.0.0:80'").unwrap_err();
        assert!(error.to_string().contains("lisen"), "{error}");
        assert!(read("listen = 'here'").is_err());
        assert!(combine(read("trusted-proxies = ['all']").unwrap(), Given::default()).is_err());
        assert!(combine(read("outside-allow = ['*']").unwrap(), Given::default()).is_err());
    }
}
