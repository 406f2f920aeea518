//! Installs what a command needs and the machine lacks.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell;

/// The Chromium that the browser tests drive; Debian's package is installed when there is none.
pub(crate) fn chromium() -> Result<PathBuf> {
    if let Some(found) = find_chromium() {
        return Ok(found);
    }
    // A headless browser without any font draws empty text, so charts and screenshots need one.
    install_debian(&["chromium", "fonts-dejavu-core"], "headless Chromium for the browser tests")?;
    find_chromium().context("the chromium package brought no chromium program")
}

/// Node.js and npm, which only a person can choose how to install.
pub(crate) fn node() -> Result<()> {
    let Ok(version) = shell::read(shell::program("node", &["--version"])) else {
        bail!("node is not on the search path: install Node.js 20 or later with npm");
    };
    let major = version.trim().trim_start_matches('v').split('.').next().unwrap_or_default();
    if major.parse::<u32>().unwrap_or(0) < 20 {
        bail!("node is version {}, but Node.js 20 or later is needed", version.trim());
    }
    if !shell::is_installed("npm") {
        bail!("npm is not on the search path: it belongs to Node.js 20");
    }
    Ok(())
}

/// The packages of a folder's lock file, exactly; nothing is done when they are there already.
pub(crate) fn npm_packages(folder: &Path) -> Result<()> {
    node()?;
    let lock = folder.join("package-lock.json");
    let wanted = std::fs::read_to_string(&lock)
        .with_context(|| format!("cannot read {}", lock.display()))?;
    let stamp = folder.join("node_modules/.loggia-lock");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let mut npm = shell::program("npm", &["ci", "--no-audit", "--no-fund"]);
    npm.current_dir(folder);
    shell::run(npm)?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// OpenLDAP's server and its tools. Tests start servers of their own, so the one that Debian's
/// package starts for the whole machine is kept from starting.
pub(crate) fn slapd() -> Result<()> {
    let is_there = |name: &str| {
        ["/usr/sbin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(name).is_file())
    };
    if is_there("slapd") && is_there("ldapmodify") {
        return Ok(());
    }
    let purpose = "the directory that people of the server's tests are in";
    install_quietly(&["slapd", "ldap-utils"], purpose)?;
    if !is_there("slapd") {
        bail!("the slapd package brought no slapd program");
    }
    Ok(())
}

/// The file server that a bench compares with. It starts one of its own, so the one that Debian's
/// package starts for the whole machine is kept from starting.
pub(crate) fn nginx() -> Result<()> {
    let is_there = || shell::is_installed("nginx") || Path::new("/usr/sbin/nginx").is_file();
    if is_there() {
        return Ok(());
    }
    install_quietly(&["nginx-light"], "the file server that the proxy is measured beside")?;
    if !is_there() {
        bail!("the nginx-light package brought no nginx program");
    }
    Ok(())
}

/// A Python that has pip.
pub(crate) fn pip() -> Result<()> {
    let has_pip = || shell::succeeds(shell::program("python3", &["-m", "pip", "--version"]));
    if has_pip() {
        return Ok(());
    }
    install_debian(&["python3-pip"], "pip, which fetches the demo data")?;
    if !has_pip() {
        bail!("python3 -m pip does not run although python3-pip is installed");
    }
    Ok(())
}

fn find_chromium() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("LOGGIA_CHROMIUM") {
        return Some(PathBuf::from(chosen));
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|directory| names.map(|name| directory.join(name)))
        .find(|candidate| candidate.is_file())
}

fn install_debian(packages: &[&str], purpose: &str) -> Result<()> {
    install(packages, purpose, &[])
}

/// Installs packages whose services shall not start: in the runlevel for repairs, which is what
/// this variable makes Debian's scripts believe, nothing is started.
fn install_quietly(packages: &[&str], purpose: &str) -> Result<()> {
    install(packages, purpose, &["RUNLEVEL=1"])
}

fn install(packages: &[&str], purpose: &str, settings: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !shell::is_installed("apt-get") {
        bail!("{purpose}: install {list} (this machine has no apt-get)");
    }
    let is_root = shell::read(shell::program("id", &["-u"]))?.trim() == "0";
    if !is_root && !shell::succeeds(shell::program("sudo", &["-n", "true"])) {
        bail!("{purpose}: run `sudo apt-get install {list}` first, then this again");
    }
    let apt_get = |arguments: &[&str]| {
        // `sudo` hands no variables on by itself.
        let mut words = vec!["env", "DEBIAN_FRONTEND=noninteractive"];
        words.extend(settings);
        words.push("apt-get");
        words.extend(arguments);
        if !is_root {
            words.insert(0, "sudo");
        }
        let (program, arguments) = words.split_first().unwrap_or((&"env", &[]));
        shell::run(shell::program(program, arguments))
    };
    println!("installing {list}: {purpose}");
    apt_get(&["update", "-q"])?;
    let mut install = vec!["install", "-q", "-y", "--no-install-recommends"];
    install.extend(packages);
    apt_get(&install)
}
