//! Which resources a rule is about: `Stream_*, App.Object_*`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use crate::problem::{Problem, ProblemCode, Span};
use crate::{Entity, KindSet, ResourceKind};

/// A parsed resource filter (`spec/access.md` §5.3).
///
/// ```text
/// filter  = item { "," item }
/// item    = "*"                 every resource
///         | TypeName "*"        every type whose name begins with TypeName
///         | TypeName "_*"       every resource of exactly this type
///         | TypeName "_" GUID   one resource
///         | TypeName            this type without an id: what is still to be created
///         | Transient "_*" | Transient "_" name       such as QmcSection_App
/// ```
///
/// Letter case never matters. Of what is to be created there is no id yet, so an item with a GUID
/// never matches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceFilter {
    text: Arc<str>,
    /// Kinds of which every resource matches.
    whole: KindSet,
    /// Kinds of which a resource without an id matches.
    without_id: KindSet,
    ones: Vec<(ResourceKind, Uuid)>,
    /// Transient objects by lower-case name.
    names: Vec<NamePattern>,
    notices: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum NamePattern {
    Whole(Box<str>),
    Beginning(Box<str>),
}

const MOST_ITEMS: usize = 1000;

/// Families of names that transient objects have; `Type_name` with one of these is a name.
const TRANSIENT_FAMILIES: [&str; 3] = ["QmcSection", "HubSection", "Hub"];

impl ResourceFilter {
    /// The filter `*`.
    #[must_use]
    pub fn everything() -> ResourceFilter {
        ResourceFilter { whole: KindSet::ALL, ..ResourceFilter::nothing("*") }
    }

    /// Reads a filter. With errors among the problems there is none; warnings (an unknown type)
    /// leave it usable and are also kept in [`ResourceFilter::problems`].
    #[must_use]
    pub fn parse(text: &str) -> (Option<ResourceFilter>, Vec<Problem>) {
        let mut filter = ResourceFilter::nothing(text);
        let mut problems = Vec::new();
        if text.trim().is_empty() {
            let message = "a rule needs a resource filter, such as Stream_* or App_*";
            problems.push(Problem::new(
                Span::new(0, text.len()),
                ProblemCode::EmptyFilter,
                message,
            ));
            return (None, problems);
        }
        let mut start = 0;
        for (count, part) in text.split(',').enumerate() {
            let leading = part.len() - part.trim_start().len();
            let item = part.trim();
            let span = Span::new(start + leading, start + leading + item.len());
            start += part.len() + 1;
            if count == MOST_ITEMS {
                let message = format!("a resource filter has at most {MOST_ITEMS} items");
                problems.push(Problem::new(
                    Span::new(span.start, text.len()),
                    ProblemCode::TooManyItems,
                    message,
                ));
                break;
            }
            if let Err(problem) = filter.add(item, span) {
                problems.push(problem);
            }
        }
        if problems.iter().any(Problem::is_error) {
            return (None, problems);
        }
        filter.notices = problems.clone();
        (Some(filter), problems)
    }

    /// The text as given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Warnings about the text.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.notices
    }

    /// Whether the filter names this thing.
    #[must_use]
    pub fn matches(&self, entity: &Entity) -> bool {
        if self.whole.contains(entity.kind) {
            return true;
        }
        match (entity.id, &entity.name) {
            (Some(id), _) => self.ones.contains(&(entity.kind, id)),
            (None, Some(name)) if entity.kind == ResourceKind::TransientObject => {
                self.names.iter().any(|pattern| pattern.matches(name))
            }
            (None, _) => self.without_id.contains(entity.kind),
        }
    }

    /// The kinds of which the filter can match anything.
    #[must_use]
    pub fn kinds(&self) -> KindSet {
        let mut kinds = self.whole.union(self.without_id);
        kinds = kinds.union(self.ones.iter().map(|&(kind, _)| kind).collect());
        if !self.names.is_empty() {
            kinds = kinds.union(KindSet::only(ResourceKind::TransientObject));
        }
        kinds
    }

    /// Whether the filter names every resource.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.whole == KindSet::ALL
    }

    /// Whether everything that `other` names is named by this filter too.
    #[must_use]
    pub fn covers(&self, other: &ResourceFilter) -> bool {
        let is_whole = |kind| self.whole.contains(kind);
        other.whole.iter().all(is_whole)
            && other.without_id.iter().all(|k| is_whole(k) || self.without_id.contains(k))
            && other.ones.iter().all(|one| is_whole(one.0) || self.ones.contains(one))
            && (is_whole(ResourceKind::TransientObject)
                || other.names.iter().all(|name| self.names.iter().any(|own| own.covers(name))))
    }

    /// Its items one by one, each with its place in the text.
    pub(crate) fn items(&self) -> impl Iterator<Item = (Span, ResourceFilter)> {
        let mut start = 0;
        self.text.split(',').filter_map(move |part| {
            let leading = part.len() - part.trim_start().len();
            let span = Span::new(start + leading, start + leading + part.trim().len());
            start += part.len() + 1;
            Some((span, ResourceFilter::parse(part.trim()).0?))
        })
    }

    /// Whether the transient objects that it names are all sections of the console.
    pub(crate) fn names_sections_of_console_only(&self) -> bool {
        !self.whole.contains(ResourceKind::TransientObject)
            && !self.names.is_empty()
            && self.names.iter().all(|name| name.text().starts_with("qmcsection_"))
    }

    /// The kinds of which every resource matches.
    pub(crate) fn whole_kinds(&self) -> KindSet {
        self.whole
    }

    /// The resources of a kind that are named by their ids.
    pub(crate) fn ids(&self, kind: ResourceKind) -> impl Iterator<Item = Uuid> {
        self.ones.iter().filter(move |(of, _)| *of == kind).map(|&(_, id)| id)
    }

    /// Whether some resource of the kind that has no id can match.
    pub(crate) fn names_without_id(&self, kind: ResourceKind) -> bool {
        self.without_id.contains(kind)
            || kind == ResourceKind::TransientObject && !self.names.is_empty()
    }

    fn nothing(text: &str) -> ResourceFilter {
        ResourceFilter {
            text: text.into(),
            whole: KindSet::NONE,
            without_id: KindSet::NONE,
            ones: Vec::new(),
            names: Vec::new(),
            notices: Vec::new(),
        }
    }

    fn add(&mut self, item: &str, span: Span) -> Result<(), Problem> {
        let bad = |message: String| Problem::new(span, ProblemCode::BadFilterItem, message);
        if item.is_empty() {
            return Err(bad("there is nothing between two commas".to_owned()));
        }
        if item == "*" {
            self.whole = KindSet::ALL;
            return Ok(());
        }
        if item.contains([';', '|', '\n']) {
            let parts = item.split([';', '|', '\n']).map(str::trim).filter(|part| !part.is_empty());
            let parts: Vec<&str> = parts.collect();
            let problem = bad("items are separated by commas".to_owned());
            let are_items = !parts.is_empty()
                && parts.iter().all(|part| ResourceFilter::parse(part).0.is_some());
            return Err(if are_items { problem.suggest(parts.join(", ")) } else { problem });
        }
        if let Some((family, rest)) = item.split_once('_') {
            check_type_name(family, span)?;
            return self.add_within(family, rest, item, span);
        }
        if let Some(beginning) = item.strip_suffix('*') {
            check_type_name(beginning, span)?;
            return self.add_beginning(beginning, span);
        }
        check_type_name(item, span)?;
        if is_transient_family(item) {
            return Err(bad(format!("write {item}_* for all of them")).suggest(format!("{item}_*")));
        }
        self.without_id = self.without_id.union(KindSet::only(known(item, span)?));
        Ok(())
    }

    /// `Family_*`, `Family_<id>` or `Family_<name>`.
    fn add_within(
        &mut self,
        family: &str,
        rest: &str,
        item: &str,
        span: Span,
    ) -> Result<(), Problem> {
        let bad = |message: String| Problem::new(span, ProblemCode::BadFilterItem, message);
        if is_transient_family(family) {
            let name = item.to_lowercase();
            let pattern = match name.strip_suffix('*') {
                Some(beginning) => NamePattern::Beginning(beginning.into()),
                None => NamePattern::Whole(name.into()),
            };
            if rest.is_empty() || pattern.text().contains('*') {
                return Err(bad(format!("{item} names no section; write {family}_* for all"))
                    .suggest(format!("{family}_*")));
            }
            self.names.push(pattern);
            return Ok(());
        }
        if rest == "*" {
            self.whole = self.whole.union(KindSet::only(known(family, span)?));
            return Ok(());
        }
        if rest.contains('*') {
            return Err(bad(format!("{item} mixes _ and *; write {family}_* or {family}*"))
                .suggest(format!("{family}_*")));
        }
        let id = Uuid::try_parse(rest);
        let kind = known(family, span).map_err(|mut problem| {
            // The right type with a wrong id would be no better.
            problem.suggestion = problem.suggestion.filter(|_| id.is_ok() && rest.len() == 36);
            problem
        })?;
        match id {
            Ok(id) if rest.len() == 36 => self.ones.push((kind, id)),
            // Other writings of a GUID are never produced by the product.
            Ok(id) => {
                let written = id.hyphenated();
                return Err(bad(format!("an id is written {written}"))
                    .suggest(format!("{family}_{written}")));
            }
            Err(_) => {
                // A ready rewrite would open every one.
                return Err(bad(format!(
                    "{rest:?} is no id; write the id of the {}, as in {family}_<id>; {family}_* \
                     is every one",
                    noun(kind)
                )));
            }
        }
        Ok(())
    }

    fn add_beginning(&mut self, beginning: &str, span: Span) -> Result<(), Problem> {
        let kinds: KindSet =
            ResourceKind::ALL.iter().copied().filter(|kind| kind.begins_with(beginning)).collect();
        let is_family = TRANSIENT_FAMILIES.iter().any(|family| {
            family.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
        });
        if is_family {
            self.names.push(NamePattern::Beginning(beginning.to_lowercase().into()));
        }
        if kinds.is_empty() && !is_family {
            return Err(unknown(beginning, span));
        }
        self.whole = self.whole.union(kinds);
        Ok(())
    }
}

impl NamePattern {
    fn text(&self) -> &str {
        match self {
            NamePattern::Whole(text) | NamePattern::Beginning(text) => text,
        }
    }

    fn covers(&self, other: &NamePattern) -> bool {
        match (self, other) {
            (NamePattern::Whole(own), NamePattern::Whole(other)) => own == other,
            (NamePattern::Whole(_), NamePattern::Beginning(_)) => false,
            (NamePattern::Beginning(own), other) => other.text().starts_with(&**own),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            NamePattern::Whole(whole) => name.eq_ignore_ascii_case(whole),
            NamePattern::Beginning(beginning) => name
                .get(..beginning.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(beginning)),
        }
    }
}

impl FromStr for ResourceFilter {
    type Err = Vec<Problem>;

    fn from_str(text: &str) -> Result<ResourceFilter, Vec<Problem>> {
        let (filter, problems) = ResourceFilter::parse(text);
        filter.ok_or(problems)
    }
}

impl fmt::Display for ResourceFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn check_type_name(name: &str, span: Span) -> Result<(), Problem> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '.';
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_letter) {
        return Ok(());
    }
    let message = format!("{:?} is no resource type", name);
    Err(Problem::new(span, ProblemCode::BadFilterItem, message))
}

/// What people call one of a kind, where that is a plain word.
fn noun(kind: ResourceKind) -> String {
    match kind.name().contains('.') {
        true => "one that is meant".to_owned(),
        false => kind.name().to_lowercase(),
    }
}

fn is_transient_family(name: &str) -> bool {
    TRANSIENT_FAMILIES.iter().any(|family| family.eq_ignore_ascii_case(name))
}

fn known(name: &str, span: Span) -> Result<ResourceKind, Problem> {
    name.parse().map_err(|_| unknown(name, span))
}

fn unknown(name: &str, span: Span) -> Problem {
    let suggestion = name.parse::<ResourceKind>().err().and_then(|error| error.suggestion);
    let message = format!("{name} is no resource type, so this matches nothing");
    let name_span = Span::new(span.start, span.start + name.len());
    Problem::new(name_span, ProblemCode::UnknownFilterType, message).did_you_mean(suggestion)
}
