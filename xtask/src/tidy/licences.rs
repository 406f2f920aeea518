//! Every crate's licence must be one that `deny.toml` allows.
//!
//! `cargo deny` checks the same and more, but takes long to build where it is not installed.

use anyhow::{Context, Result};
use cargo_metadata::Metadata;

use crate::shell;

pub(super) fn check(metadata: &Metadata, findings: &mut Vec<String>) -> Result<()> {
    let text = std::fs::read_to_string(shell::root().join("deny.toml"))
        .context("cannot read deny.toml")?;
    let allowed = allow_list(&text);
    for package in &metadata.packages {
        // A crate without an expression ships a licence file; a person must look at it.
        let expression = package.license.as_deref().unwrap_or("none stated");
        if !permits(expression, &allowed) {
            findings.push(format!("{} {}: licence {expression}", package.name, package.version));
        }
    }
    Ok(())
}

/// The quoted words of `allow = [ … ]` under `[licenses]`.
fn allow_list(text: &str) -> Vec<String> {
    let section = text.split("\n[").find(|part| part.starts_with("licenses]")).unwrap_or_default();
    let list = section.split("allow = [").nth(1).and_then(|rest| rest.split(']').next());
    let quoted = list.unwrap_or_default().split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// True when an SPDX expression can be met by the allowed licences alone.
fn permits(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let is_met = any(&mut rest, allowed);
    is_met && rest.is_empty()
}

fn any(words: &mut &[&str], allowed: &[String]) -> bool {
    let mut is_met = all(words, allowed);
    while let [first, rest @ ..] = *words
        && first.eq_ignore_ascii_case("or")
    {
        *words = rest;
        is_met |= all(words, allowed);
    }
    is_met
}

fn all(words: &mut &[&str], allowed: &[String]) -> bool {
    let mut is_met = one(words, allowed);
    while let [first, rest @ ..] = *words
        && first.eq_ignore_ascii_case("and")
    {
        *words = rest;
        is_met &= one(words, allowed);
    }
    is_met
}

fn one(words: &mut &[&str], allowed: &[String]) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let is_met = any(words, allowed);
            if let [")", rest @ ..] = *words {
                *words = rest;
            }
            is_met
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            // An exception only ever gives more than its licence.
            let _ = exception;
            allowed.iter().any(|one| one == licence)
        }
        [licence, rest @ ..] => {
            *words = rest;
            allowed.iter().any(|one| one == licence)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_met_by_allowed_licences_alone() {
        let text = "[graph]\n\n[licenses]\nallow = [\n  \"MIT\", # why\n  \"Zlib\",\n]\n\n[bans]\n";
        let allowed = allow_list(text);
        assert_eq!(allowed, ["MIT", "Zlib"]);
        let met = ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(MIT OR X) AND Zlib", "MIT WITH Y"];
        let unmet = ["GPL-3.0", "MIT AND GPL-3.0", "(A OR B) AND Zlib", "", "MIT)"];
        assert_eq!(met.map(|one| permits(one, &allowed)), [true; 5]);
        assert_eq!(unmet.map(|one| permits(one, &allowed)), [false; 5]);
    }
}
