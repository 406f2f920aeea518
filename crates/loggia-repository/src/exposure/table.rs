//! The report for people: streams, their apps, the objects of these, each line with what a visitor
//! may do, by which rule and when.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use loggia_model::entity::AnonymousMode;
use loggia_rules::{RequestContext, ResourceKind};

use super::recorded::{label, pool_words};
use super::{ExposedThing, Exposure, Grant};

/// One line of the table.
#[derive(PartialEq)]
struct Line {
    what: String,
    may: String,
    by: String,
    when: String,
}

impl Exposure {
    /// The report as a table. Objects of one app that visitors have the same rights on are one
    /// line.
    #[must_use]
    pub fn to_table(&self) -> String {
        let mut text = format!("What visitors can reach, site version {}\n", self.version);
        self.tell_entrances(&mut text);
        self.tell_pools(&mut text);
        if self.entrances.is_empty() {
            return text;
        }
        let hub = self.lines(RequestContext::Hub, true);
        text.push_str("\nIn the hub\n");
        if hub.is_empty() {
            text.push_str("  nothing\n");
        }
        lay_out(&mut text, &hub);
        let console = self.lines(RequestContext::Console, true);
        if console.is_empty() {
            text.push_str("\nOn the console's side: nothing\n");
        } else {
            text.push_str(
                "\nATTENTION: on the console's side, through REST, visitors reach this as well\n",
            );
            lay_out(&mut text, &console);
        }
        let hub = self.lines(RequestContext::Hub, false);
        let console = self.lines(RequestContext::Console, false);
        if hub == console {
            would(&mut text, "in the hub and on the console's side", &hub);
        } else {
            would(&mut text, "in the hub", &hub);
            would(&mut text, "on the console's side", &console);
        }
        text
    }

    fn tell_entrances(&self, text: &mut String) {
        text.push_str("\nEntrances\n");
        if self.entrances.is_empty() {
            text.push_str("  none admits visitors, so they reach nothing\n");
        }
        for entrance in &self.entrances {
            let who = match entrance.mode {
                AnonymousMode::Always => "visitors only",
                _ => "visitors, and people who sign in",
            };
            let _ = writeln!(text, "  {}  {:?}: {who}", entrance.address, entrance.description);
        }
    }

    fn tell_pools(&self, text: &mut String) {
        text.push_str("\nLicence pools\n");
        if self.pools.is_empty() {
            text.push_str("  there are none, so no app opens for a visitor\n");
        }
        for pool in &self.pools {
            let _ = write!(text, "  {} ({}): ", pool.name, pool_words(pool.kind));
            if let Some(closed) = pool.closed {
                let _ = writeln!(text, "serves no visitor: {closed}");
                continue;
            }
            let told: Vec<_> = pool
                .grants
                .iter()
                .map(|grant| {
                    let when = self.when(grant);
                    let when = if when.is_empty() { when } else { format!(", {when}") };
                    format!("serves visitors by {}{when}", self.rules_of(grant))
                })
                .collect();
            let _ = writeln!(text, "{}", told.join("; "));
        }
    }

    fn lines(&self, context: RequestContext, are_there: bool) -> Vec<Line> {
        let things: Vec<&ExposedThing> = self
            .things
            .iter()
            .filter(|thing| thing.is_there == are_there)
            .filter(|thing| thing.grants.iter().any(|grant| grant.context == context))
            .collect();
        let mut lines = Vec::new();
        let mut stream = None;
        let mut rest = things.as_slice();
        while let Some((thing, after)) = rest.split_first() {
            let indent = match thing.entity.kind {
                ResourceKind::Stream => 1,
                ResourceKind::App => {
                    self.tell_hidden_stream(thing, &mut stream, &mut lines);
                    2
                }
                ResourceKind::AppObject if thing.app.is_some() => {
                    let count = 1 + after
                        .iter()
                        .take_while(|other| is_object_of_same(thing, other))
                        .count();
                    let (objects, after) = rest.split_at(count);
                    self.tell_objects(objects, context, &mut lines);
                    rest = after;
                    continue;
                }
                _ => 1,
            };
            if thing.entity.kind == ResourceKind::Stream {
                stream = Some(thing.entity.id);
            }
            self.tell(label(thing), indent, &thing.grants, context, &mut lines);
            if let Some(closed) = thing.closed.as_ref().filter(|_| context == RequestContext::Hub) {
                lines.push(Line {
                    what: format!("{}{closed}", "  ".repeat(indent + 1)),
                    may: String::new(),
                    by: String::new(),
                    when: String::new(),
                });
            }
            rest = after;
        }
        lines
    }

    /// A heading for apps whose stream visitors may not read: the hub does not list them, and
    /// whoever has their address opens them.
    fn tell_hidden_stream(
        &self,
        app: &ExposedThing,
        stream: &mut Option<Option<uuid::Uuid>>,
        lines: &mut Vec<Line>,
    ) {
        let here = app.stream.as_ref().map(|place| place.id.0);
        if *stream == Some(here) {
            return;
        }
        *stream = Some(here);
        let is_read = |thing: &&ExposedThing| {
            thing.entity.kind == ResourceKind::Stream && thing.entity.id == here
        };
        if here.is_some() && self.things.iter().any(|thing| is_read(&thing)) {
            return;
        }
        let what = match &app.stream {
            Some(stream) => format!("  (stream {} is hidden)", stream.name),
            None => "  (not published)".to_owned(),
        };
        lines.push(Line { what, may: String::new(), by: String::new(), when: String::new() });
    }

    /// Objects of one app: those of one type with the same rights on one line.
    fn tell_objects(
        &self,
        objects: &[&ExposedThing],
        context: RequestContext,
        lines: &mut Vec<Line>,
    ) {
        let mut groups: Vec<(&ExposedThing, usize)> = Vec::new();
        let mut found: HashMap<(Option<&Arc<str>>, *const [Grant]), usize> = HashMap::new();
        for object in objects {
            let same = (object.object_type.as_ref(), Arc::as_ptr(&object.grants));
            match found.get(&same).and_then(|&index| groups.get_mut(index)) {
                Some((_, count)) => *count += 1,
                None => {
                    found.insert(same, groups.len());
                    groups.push((object, 1));
                }
            }
        }
        for (object, count) in groups {
            let kind = object.object_type.as_deref().unwrap_or("object");
            let what = match count {
                1 => format!("{kind} {}", object.name),
                _ => format!("{count} {kind}s"),
            };
            self.tell(what, 3, &object.grants, context, lines);
        }
    }

    /// Deeds by the same rules on the same condition share a line.
    fn tell(
        &self,
        what: String,
        indent: usize,
        grants: &[Grant],
        context: RequestContext,
        lines: &mut Vec<Line>,
    ) {
        let mut told: Vec<Line> = Vec::new();
        for grant in grants.iter().filter(|grant| grant.context == context) {
            let (by, when) = (self.rules_of(grant), self.when(grant));
            match told.iter_mut().find(|line| line.by == by && line.when == when) {
                Some(line) => {
                    line.may.push_str(", ");
                    line.may.push_str(grant.deed.words());
                }
                None => {
                    let may = grant.deed.words().to_owned();
                    told.push(Line { what: String::new(), may, by, when });
                }
            }
        }
        if let Some(first) = told.first_mut() {
            first.what = format!("{}{what}", "  ".repeat(indent));
        }
        lines.append(&mut told);
    }

    fn rules_of(&self, grant: &Grant) -> String {
        let names = grant.granted_by.iter().filter_map(|cause| self.rules.get(&cause.rule));
        let mut names: Vec<&str> = names.map(|name| &**name).collect();
        // Causes stand in the order of ids, which says nothing to a reader.
        names.sort_by_cached_key(|name| name.to_lowercase());
        names.join(", ")
    }

    fn when(&self, grant: &Grant) -> String {
        let mut parts = Vec::new();
        if grant.entrances.len() < self.entrances.len() {
            parts.push(format!("at {}", grant.entrances.join(" ")));
        }
        if let Some(when) = &grant.when {
            parts.push(format!("when {}", one_line(when)));
        }
        parts.join(", ")
    }
}

/// What rules would open of kinds that the site has nothing of.
fn would(text: &mut String, place: &str, lines: &[Line]) {
    if !lines.is_empty() {
        let _ = writeln!(text, "\nWere there any, {place}");
        lay_out(text, lines);
    }
}

fn is_object_of_same(one: &ExposedThing, other: &ExposedThing) -> bool {
    other.entity.kind == ResourceKind::AppObject
        && one.app.as_ref().map(|app| app.id) == other.app.as_ref().map(|app| app.id)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Columns as wide as they need to be, up to a width that still reads.
fn lay_out(text: &mut String, lines: &[Line]) {
    const WIDEST: usize = 60;
    let width = |cell: fn(&Line) -> &String| {
        let full = lines.iter().filter(|line| !line.may.is_empty());
        full.map(|line| cell(line).chars().count().min(WIDEST)).max().unwrap_or(0)
    };
    let what = width(|line| &line.what);
    let may = width(|line| &line.may);
    let by = width(|line| &line.by);
    for line in lines {
        let row = format!("{:what$}  {:may$}  {:by$}  {}", line.what, line.may, line.by, line.when);
        let _ = writeln!(text, "{}", row.trim_end());
    }
}
