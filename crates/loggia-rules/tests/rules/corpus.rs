//! Rules as people write them, from the files in `cases/`: what is said of each, and whom it lets
//! do what. `cases/README.md` has the format.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use loggia_rules::shipped::security_rules;
use loggia_rules::{
    Action, Category, Condition, Context, Effect, Entity, Lint, LintScope, Problem, RequestContext,
    ResourceFilter, Rule, RuleSet, admits, allows, lint,
};

use crate::site::{Person, Site, entity, id, rule as one_line_rule};

/// Something wrong with a file, or with what it expects: all of it is told at once.
struct Report {
    file: PathBuf,
    lines: Vec<String>,
}

struct World {
    site: Site,
    people: HashMap<String, Properties>,
    nodes: HashMap<String, Properties>,
}

type Properties = Vec<(String, String)>;

#[derive(Default)]
struct Case {
    title: String,
    line: usize,
    filter: Option<String>,
    actions: Vec<Action>,
    context: Option<Context>,
    effect: Option<Effect>,
    category: Option<Category>,
    others: Vec<Rule>,
    condition: String,
    expected: Vec<String>,
    table: Vec<(usize, Vec<String>)>,
}

#[test]
fn rules_as_people_write_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .filter(|path| path.file_name().is_some_and(|name| name != "README.md"))
        .collect();
    files.sort();
    let (mut cases, mut decisions, mut wrong) = (0, 0, String::new());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut report = Report { file, lines: Vec::new() };
        let (world, found) = read(&text, &mut report);
        for case in &found {
            decisions += case.check(&world, &mut report);
        }
        cases += found.len();
        for line in &report.lines {
            writeln!(wrong, "{}:{line}", report.file.file_name().unwrap().display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(cases >= 30 && decisions >= 200, "{cases} cases and {decisions} decisions are too few");
}

impl Report {
    fn add(&mut self, line: usize, what: impl std::fmt::Display) {
        self.lines.push(format!("{line}: {what}"));
    }
}

/// Reads a file: the world, then cases, each under a heading of its own.
fn read(text: &str, report: &mut Report) -> (World, Vec<Case>) {
    let mut world = World { site: Site::default(), people: HashMap::new(), nodes: HashMap::new() };
    let mut cases: Vec<Case> = Vec::new();
    let mut has_title = false;
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((number, line)) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            cases.push(Case { title: title.to_owned(), line: number, ..Case::default() });
        } else if line.starts_with("# ") {
            has_title = true;
        } else if let Some(kind) = line.strip_prefix("```") {
            let block: Vec<(usize, &str)> =
                lines.by_ref().take_while(|(_, line)| *line != "```").collect();
            match (kind, cases.last_mut()) {
                ("world", None) => world.read(&block, report),
                ("rule", Some(case)) if case.filter.is_none() => case.read_rule(&block, report),
                ("problems", Some(case)) if case.expected.is_empty() => {
                    case.expected = block.iter().map(|(_, line)| (*line).to_owned()).collect();
                }
                _ => report.add(number, format!("a block {kind:?} has no place here")),
            }
        } else if line.starts_with('|') {
            let cells: Vec<String> =
                line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            match cases.last_mut() {
                Some(case) => case.table.push((number, cells)),
                None => report.add(number, "a table belongs to a case"),
            }
        }
    }
    if !has_title {
        report.add(1, "the file has no title");
    }
    (world, cases)
}

impl World {
    fn read(&mut self, block: &[(usize, &str)], report: &mut Report) {
        for &(number, line) in block {
            let Some((name, properties)) = line.split_once(':') else {
                report.add(number, "write a name, a colon, and properties");
                continue;
            };
            let Some(properties) = pairs(properties, ';') else {
                report.add(number, "write properties as name=value; name=value");
                continue;
            };
            match name.split_once(' ') {
                Some(("person", name)) => {
                    self.people.insert(name.to_owned(), properties);
                }
                Some(("node", name)) => {
                    self.nodes.insert(name.to_owned(), properties);
                }
                _ => self.site = std::mem::take(&mut self.site).with(name, &borrowed(&properties)),
            }
        }
    }

    /// The world as somebody sees it: `ana`, `visitor`, `ana in console`, `node rim1`, each with
    /// attributes after commas.
    fn seen_by(&self, who: &str) -> Option<(Site, RequestContext)> {
        let (who, more) = who.split_once(',').unwrap_or((who, ""));
        let (who, context) = match who.trim().strip_suffix(" in console") {
            Some(who) => (who, RequestContext::Console),
            None => (who.trim(), RequestContext::Hub),
        };
        if let Some(node) = who.strip_prefix("node ") {
            return Some((self.site.at_node(&borrowed(self.nodes.get(node)?)), context));
        }
        let more = pairs(more, ',')?;
        let person = if who == "visitor" {
            let mut visitor = Person::visitor();
            for (name, value) in &more {
                visitor.set(name, value);
            }
            visitor
        } else {
            let mut properties = self.people.get(who)?.clone();
            for (name, usual) in [("userdirectory", "ACME"), ("userid", who), ("name", who)] {
                if !properties.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                    properties.push((name.to_owned(), usual.to_owned()));
                }
            }
            properties.extend(more);
            Person::only(who, &borrowed(&properties))
        };
        Some((self.site.asked_by(person), context))
    }
}

fn pairs(text: &str, separator: char) -> Option<Properties> {
    let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

fn borrowed(properties: &Properties) -> Vec<(&str, &str)> {
    properties.iter().map(|(name, value)| (&**name, &**value)).collect()
}

impl Case {
    /// Settings, a line `---`, and the condition.
    fn read_rule(&mut self, block: &[(usize, &str)], report: &mut Report) {
        let mut lines = block.iter();
        for &(number, line) in lines.by_ref().take_while(|(_, line)| *line != "---") {
            let Some((name, value)) = line.split_once(": ") else {
                report.add(number, "write a name, a colon and a value");
                continue;
            };
            if let Err(why) = self.set(name.trim(), value.trim()) {
                report.add(number, why);
            }
        }
        let condition: Vec<&str> = lines.map(|(_, line)| *line).collect();
        self.condition = condition.join("\n");
        if self.filter.is_none() {
            report.add(self.line, "the rule has no filter");
            self.filter = Some(String::new());
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let unknown = || format!("{value:?} is no {name}");
        match name {
            "filter" => self.filter = Some(with_ids(value)),
            "actions" => {
                let actions: Result<Vec<Action>, _> =
                    value.split(',').map(|action| action.trim().parse()).collect();
                self.actions = actions.map_err(|_| unknown())?;
            }
            "context" => {
                self.context = Some(match value {
                    "both" => Context::Both,
                    "hub" => Context::Hub,
                    "console" => Context::Console,
                    _ => return Err(unknown()),
                });
            }
            "effect" => {
                self.effect = Some(match value {
                    "allow" => Effect::Allow,
                    "forbid" => Effect::Forbid,
                    _ => return Err(unknown()),
                });
            }
            "category" => {
                self.category = Some(match value {
                    "security" => Category::Security,
                    "licence" => Category::License,
                    "load balancing" => Category::Sync,
                    _ => return Err(unknown()),
                });
            }
            "others" => {
                let without: Vec<&str> = match value.strip_prefix("shipped without ") {
                    Some(names) => names.split(',').map(str::trim).collect(),
                    None if value == "shipped" => Vec::new(),
                    None => return Err(unknown()),
                };
                let kept = security_rules().iter().filter(|rule| !without.contains(&rule.name));
                self.others = kept.map(|rule| rule.compile().unwrap()).collect();
                if self.others.len() + without.len() != security_rules().len() {
                    return Err(format!("not all of {without:?} ship"));
                }
            }
            "other" => {
                let number = self.others.len() + 1;
                self.others.push(one_line_rule(number, &with_ids(value)));
            }
            _ => return Err(format!("{name} is no setting of a rule")),
        }
        Ok(())
    }

    /// Compares what is said and decided with what is expected; how many decisions there were.
    fn check(&self, world: &World, report: &mut Report) -> usize {
        let others = RuleSet::new(self.others.clone());
        let (rule, found) = self.look(&others);
        if found != self.expected {
            let title = &self.title;
            let found = found.join("\n    ");
            report.add(self.line, format!("of {title:?} this is said:\n    {found}"));
        }
        let Some(rule) = rule else {
            if !self.table.is_empty() {
                report.add(self.line, "a rule with errors decides nothing");
            }
            return 0;
        };
        let [(_, head), (_, line), rows @ ..] = self.table.as_slice() else {
            report.add(self.line, "the case needs a table of who may do what");
            return 0;
        };
        if !line.iter().all(|cell| cell.starts_with("---")) || rows.is_empty() {
            report.add(self.line, "the table needs a line under its head, and rows");
        }
        let rules = others.with(vec![rule.clone()], &[]);
        for (number, cells) in rows {
            let [who, cells @ ..] = cells.as_slice() else {
                continue;
            };
            let Some((site, context)) = world.seen_by(who) else {
                report.add(*number, format!("nobody is called {who:?}"));
                continue;
            };
            if cells.len() + 1 != head.len() {
                report.add(*number, "the row has another length than the head");
            }
            for (what, cell) in head.iter().skip(1).zip(cells) {
                let is_allowed = if self.category == Some(Category::License) {
                    admits(&rule.condition, &site)
                } else {
                    let (action, thing) = self.question(what);
                    allows(&rules, &site, context, &thing, action)
                };
                let word = if is_allowed { "yes" } else { "no" };
                if word != cell {
                    let what = format!("{who} may {what}: {word}, and {cell:?} is expected");
                    report.add(*number, what);
                }
            }
        }
        rows.iter().map(|(_, cells)| cells.len() - 1).sum()
    }

    /// `App turnover`, or with another action than the rule's first, `update App turnover`.
    fn question(&self, text: &str) -> (Action, Entity) {
        let first = self.actions.first().copied().unwrap_or(Action::Read);
        if let Some((word, thing)) = text.split_once(' ')
            && let Ok(action) = word.parse::<Action>()
        {
            return (action, entity(thing));
        }
        (first, entity(text))
    }

    /// The rule if it can be used, and a line for everything that is said of it.
    fn look(&self, others: &RuleSet) -> (Option<Rule>, Vec<String>) {
        let text = self.filter.as_deref().unwrap_or_default();
        let category = self.category.unwrap_or(Category::Security);
        let (filter, filter_problems) = ResourceFilter::parse(text);
        let everything = ResourceFilter::everything();
        let condition = Condition::compile_for(
            &self.condition,
            category,
            filter.as_ref().unwrap_or(&everything),
        );
        let (filter, condition) = match (filter, condition) {
            (Some(filter), Ok(condition)) => (filter, condition),
            (_, condition) => {
                let in_filter = filter_problems.iter().map(|problem| said(problem, text));
                let found = condition.map_or_else(|found| found, |c| c.warnings().to_vec());
                let in_condition = found.iter().map(|problem| said(problem, &self.condition));
                return (None, in_filter.chain(in_condition).collect());
            }
        };
        let rule = Rule {
            id: id(&self.title),
            name: self.title.as_str().into(),
            filter,
            actions: self.actions.iter().copied().collect(),
            context: self.context.unwrap_or(Context::Both),
            effect: self.effect.unwrap_or(Effect::Allow),
            condition,
        };
        let lints = lint(&rule, others, LintScope { category });
        let lines = lints.iter().map(|lint| self.said_of_rule(lint, others)).collect();
        (Some(rule), lines)
    }

    fn said_of_rule(&self, lint: &Lint, others: &RuleSet) -> String {
        let text = match lint.place {
            loggia_rules::lint::Place::Filter => self.filter.as_deref().unwrap_or_default(),
            _ => &self.condition,
        };
        let span = lint.span.map(|span| span.of(text));
        let mut line = said_at(lint.code, span, lint.suggestion.as_deref());
        if let Some(other) = others.rules().iter().find(|rule| Some(rule.id) == lint.other) {
            write!(line, " ({})", other.name).unwrap();
        }
        line
    }
}

fn said(problem: &Problem, text: &str) -> String {
    said_at(problem.code.code(), Some(problem.span.of(text)), problem.suggestion.as_deref())
}

/// The code, the place as it is written, and the rewrite, in one line.
fn said_at(code: &str, span: Option<&str>, suggestion: Option<&str>) -> String {
    let flat = |text: &str| text.split_whitespace().collect::<Vec<&str>>().join(" ");
    let mut line = code.to_owned();
    if let Some(span) = span {
        write!(line, " `{}`", flat(span)).unwrap();
    }
    if let Some(suggestion) = suggestion {
        write!(line, " → `{}`", flat(suggestion)).unwrap();
    }
    line
}

/// The filter with ids in place of nicknames: `Stream_<press>`.
fn with_ids(text: &str) -> String {
    let mut filter = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let Some((nickname, after)) = after.split_once('>') else {
            break;
        };
        write!(filter, "{before}{}", id(nickname)).unwrap();
        rest = after;
    }
    filter + rest
}
