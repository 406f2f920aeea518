//! What became public, and what no longer is, since a report was recorded?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};

use super::recorded::{Basis, Held, RecordedExposure};
use super::{Deed, Exposure};

/// Two reports compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExposureDifference {
    pub gained: Vec<Differing>,
    pub lost: Vec<Differing>,
    /// Still held, on another condition or by other rules.
    pub changed: Vec<Differing>,
}

/// One right that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    pub is_console: bool,
    /// See [`super::ExposedThing::key`].
    pub resource: String,
    /// What people call it.
    pub label: String,
    pub deed: Deed,
    pub entrances: Vec<String>,
    /// What had to hold before; none for always. The same for what was not held.
    pub when_before: Option<String>,
    pub when_now: Option<String>,
    /// Names of the rules that grant it; before for what was lost.
    pub rules_before: Vec<String>,
    pub rules_now: Vec<String>,
}

impl Exposure {
    /// What differs from a recorded report. Names and the version of the site do not count.
    #[must_use]
    pub fn difference(&self, before: &RecordedExposure) -> ExposureDifference {
        let now = self.recorded();
        let mut difference = ExposureDifference::default();
        let all: BTreeSet<&Held> = before.held.keys().chain(now.held.keys()).collect();
        for held in all {
            let (was, is) = (before.held.get(held), now.held.get(held));
            let list = match (was, is) {
                (None, Some(_)) => &mut difference.gained,
                (Some(_), None) => &mut difference.lost,
                (Some(was), Some(is)) if was != is => &mut difference.changed,
                _ => continue,
            };
            let differing = differing(held, was, is, before, &now);
            match list.last_mut().filter(|last| last.is_same_but_for_entrance(&differing)) {
                Some(last) => last.entrances.extend(differing.entrances),
                None => list.push(differing),
            }
        }
        for list in [&mut difference.gained, &mut difference.lost, &mut difference.changed] {
            list.sort_by_cached_key(|differing| {
                let name = differing.label.to_lowercase();
                (differing.is_console, name, differing.resource.clone(), differing.deed)
            });
        }
        difference
    }
}

fn differing(
    held: &Held,
    was: Option<&Basis>,
    is: Option<&Basis>,
    before: &RecordedExposure,
    now: &RecordedExposure,
) -> Differing {
    let label = now.labels.get(&held.resource).or_else(|| before.labels.get(&held.resource));
    let names = |basis: Option<&Basis>| -> Vec<String> {
        let rules = basis.into_iter().flat_map(|basis| &basis.rules);
        let name = |rule| now.rules.get(rule).or_else(|| before.rules.get(rule)).cloned();
        let names: BTreeMap<_, _> =
            rules.map(|rule| (name(rule).unwrap_or_else(|| rule.to_string()), rule)).collect();
        names.into_keys().collect()
    };
    Differing {
        is_console: held.is_console,
        resource: held.resource.clone(),
        label: label.cloned().unwrap_or_default(),
        deed: held.deed,
        entrances: vec![held.entrance.clone()],
        when_before: was.and_then(|basis| basis.when.clone()),
        when_now: is.and_then(|basis| basis.when.clone()),
        rules_before: names(was),
        rules_now: names(is),
    }
}

impl Differing {
    fn is_same_but_for_entrance(&self, other: &Differing) -> bool {
        let with_entrances = Differing { entrances: self.entrances.clone(), ..other.clone() };
        *self == with_entrances
    }

    fn context(&self) -> &'static str {
        if self.is_console { "console" } else { "hub" }
    }
}

impl ExposureDifference {
    /// Whether the reports agree.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gained.is_empty() && self.lost.is_empty() && self.changed.is_empty()
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        if self.is_empty() {
            return "Visitors can reach what they could when the report was recorded.\n".to_owned();
        }
        let mut text = String::new();
        for (title, list) in self.lists() {
            if !list.is_empty() {
                let _ = writeln!(text, "{title}");
            }
            for differing in list {
                let _ = write!(
                    text,
                    "  {}  {}: {}, at {}",
                    differing.context(),
                    differing.label,
                    differing.deed.words(),
                    differing.entrances.join(" "),
                );
                if differing.is_console && title == GAINED {
                    text.push_str("  [the console's side]");
                }
                let mut why = Vec::new();
                let always = || "always".to_owned();
                let when = |when: &Option<String>| {
                    when.as_ref().map_or_else(always, |when| format!("when {when}"))
                };
                if title == CHANGED && differing.when_before != differing.when_now {
                    why.push(format!(
                        "was: {}, now: {}",
                        when(&differing.when_before),
                        when(&differing.when_now)
                    ));
                } else if let Some(when) =
                    differing.when_now.as_ref().or(differing.when_before.as_ref())
                {
                    why.push(format!("when {when}"));
                }
                if title == CHANGED && differing.rules_before != differing.rules_now {
                    why.push(format!(
                        "was by {}, now by {}",
                        differing.rules_before.join(", "),
                        differing.rules_now.join(", ")
                    ));
                } else {
                    let rules = match title {
                        LOST => &differing.rules_before,
                        _ => &differing.rules_now,
                    };
                    if !rules.is_empty() {
                        why.push(format!("by {}", rules.join(", ")));
                    }
                }
                if !why.is_empty() {
                    let _ = write!(text, " ({})", why.join("; "));
                }
                text.push('\n');
            }
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let list = |list: &[Differing]| -> Value {
            list.iter()
                .map(|differing| {
                    json!({
                        "resource": differing.resource,
                        "label": differing.label,
                        "action": differing.deed.name(),
                        "context": differing.context(),
                        "entrances": differing.entrances,
                        "whenBefore": differing.when_before,
                        "whenNow": differing.when_now,
                        "rulesBefore": differing.rules_before,
                        "rulesNow": differing.rules_now,
                    })
                })
                .collect()
        };
        json!({
            "format": 1,
            "same": self.is_empty(),
            "gained": list(&self.gained),
            "lost": list(&self.lost),
            "changed": list(&self.changed),
        })
    }

    /// One line for each right that differs.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut out = csv::Writer::from_writer(Vec::new());
        // Writing into memory does not fail.
        let _ = out.write_record([
            "change",
            "context",
            "entrances",
            "resource",
            "label",
            "action",
            "when_before",
            "when_now",
            "rules_before",
            "rules_now",
        ]);
        for (title, list) in self.lists() {
            for differing in list {
                let _ = out.write_record([
                    &title.to_lowercase(),
                    differing.context(),
                    &differing.entrances.join(" "),
                    &differing.resource,
                    &differing.label,
                    differing.deed.name(),
                    differing.when_before.as_deref().unwrap_or_default(),
                    differing.when_now.as_deref().unwrap_or_default(),
                    &differing.rules_before.join(", "),
                    &differing.rules_now.join(", "),
                ]);
            }
        }
        String::from_utf8(out.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    fn lists(&self) -> [(&'static str, &[Differing]); 3] {
        [(GAINED, &self.gained), (LOST, &self.lost), (CHANGED, &self.changed)]
    }
}

const GAINED: &str = "Gained";
const LOST: &str = "Lost";
const CHANGED: &str = "Changed";
