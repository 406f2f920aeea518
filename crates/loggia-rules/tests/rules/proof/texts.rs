//! Whatever somebody types in, an answer comes, and the work it takes grows with the text only.

use std::cell::Cell;

use loggia_rules::{
    Action, Actions, Category, Condition, Context, Effect, Entity, Fact, Facts, RequestContext,
    ResourceFilter, ResourceKind, Rule, RuleSet, Subject, allows, decide, parse_condition,
};
use uuid::Uuid;

use super::case::{Case, RuleText};
use super::random::Random;
use super::{quietly, wanted};

/// Pieces of the language, and what people mistake for some.
const PIECES: [&str; 76] = [
    "user",
    "resource",
    "node",
    ".",
    ".name",
    ".group",
    ".@area",
    ".owner",
    ".stream",
    ".app",
    ".environment",
    ".ip",
    ".roles",
    ".id",
    ".sheet",
    "=",
    "==",
    "!=",
    "!==",
    "===",
    "<>",
    "like",
    "matches",
    "and",
    "or",
    "not",
    "!",
    "&&",
    "||",
    "&",
    "|",
    "(",
    ")",
    "{",
    "}",
    ",",
    "\"a\"",
    "\"*\"",
    "\"(\"",
    "\"[a\"",
    "\"read\"",
    "'x'",
    "“y”",
    "‘z’",
    "true",
    "false",
    "1",
    "-2.5",
    "1.",
    ".HasPrivilege(\"read\")",
    ".HasPrivilege(",
    ".Empty()",
    ".IsAnonymous()",
    ".IsOwned()",
    "IsAnonymous",
    "@",
    "@area",
    "// c\n",
    "#",
    "\"",
    "'",
    "“",
    "\\",
    "\\\"",
    "é",
    "\u{200B}",
    "\u{FEFF}",
    "\n",
    "\0",
    "adn",
    "lik",
    "usr.nmae",
    "App_*",
    "*",
    "_",
    "\u{10FFFF}",
];

fn soup(random: &mut Random) -> String {
    let pieces = random.between(0, 40);
    let blank = if random.chance(50) { " " } else { "" };
    (0..pieces).map(|_| *random.pick::<&str>(&PIECES)).collect::<Vec<_>>().join(blank)
}

/// Bytes as they come, read as text without complaint.
fn noise(random: &mut Random) -> String {
    let bytes: Vec<u8> = (0..random.between(0, 60))
        .map(|_| match random.below(3) {
            0 => random.below(256) as u8,
            1 => random.below(128) as u8,
            _ => b"()\"{}.=!@#/\\*?,_ uresoct"[random.below(24)],
        })
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A condition that means something, with a few characters gone, doubled or in the wrong place.
fn misprint(random: &mut Random, rules: &[RuleText]) -> String {
    let rule = random.pick(rules);
    let text = if random.chance(80) { rule.condition_text() } else { rule.filter_text() };
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..random.between(1, 3) {
        if chars.is_empty() {
            break;
        }
        let at = random.below(chars.len());
        match random.below(4) {
            0 => drop(chars.remove(at)),
            1 => chars.insert(at, chars[at]),
            2 => {
                let other = random.below(chars.len());
                chars.swap(at, other);
            }
            _ => chars.truncate(at),
        }
    }
    chars.into_iter().collect()
}

#[test]
fn no_text_makes_it_panic() {
    let mut random = Random::new(7);
    let mut case = Case::random(0);
    for number in 0..wanted() {
        if number % 50 == 0 {
            case = Case::random(random.next());
        }
        let text = match random.below(4) {
            0 => noise(&mut random),
            1 => soup(&mut random),
            _ if case.rules.is_empty() => soup(&mut random),
            _ => misprint(&mut random, &case.rules),
        };
        if quietly(|| run(&text, &case)).is_none() {
            let smaller = shorten(text, |text| quietly(|| run(text, &case)).is_none());
            panic!("panics: {smaller:?}");
        }
    }
}

/// Reads the text as a condition and as a filter, and decides by whatever comes of it.
fn run(text: &str, case: &Case) {
    let (parsed, problems) = parse_condition(text);
    assert_eq!(parsed.is_none(), problems.iter().any(|problem| problem.is_error()));
    for problem in &problems {
        assert!(text.get(problem.span.start..problem.span.end).is_some(), "{problem:?}");
    }
    let (filter, problems) = ResourceFilter::parse(text);
    assert_eq!(filter.is_none(), problems.iter().any(|problem| problem.is_error()));
    let filter = filter.unwrap_or_else(ResourceFilter::everything);
    let Some(parsed) = parsed else {
        return;
    };
    let reading = parsed.to_string();
    let (again, _) = parse_condition(&reading);
    assert_eq!(again.map(|again| again.to_string()), Some(reading));
    for category in [Category::License, Category::Sync, Category::Security] {
        let Ok(condition) = parsed.clone().check_for(category, &filter) else {
            continue;
        };
        let rule = Rule {
            id: Uuid::nil(),
            name: "rule".into(),
            filter: filter.clone(),
            actions: Actions::ALL,
            context: Context::Both,
            effect: Effect::Allow,
            condition,
        };
        let rules = RuleSet::new(vec![rule]);
        for question in case.questions.iter().take(3) {
            let facts = case.facts(question);
            let found = decide(&rules, &facts, question.context, &question.entity, question.action);
            let is_allowed =
                allows(&rules, &facts, question.context, &question.entity, question.action);
            assert_eq!(found.is_allowed(), is_allowed);
        }
    }
}

fn shorten(mut text: String, fails: impl Fn(&str) -> bool) -> String {
    'shorter: loop {
        for at in 0..text.chars().count() {
            let shorter: String =
                text.chars().enumerate().filter(|(n, _)| *n != at).map(|(_, c)| c).collect();
            if fails(&shorter) {
                text = shorter;
                continue 'shorter;
            }
        }
        return text;
    }
}

/// Facts that count how often they are read. Whatever is asked has one value, or leads to an app.
#[derive(Default)]
struct Counting(Cell<usize>);

impl Facts for Counting {
    fn read(&self, _: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        self.0.set(self.0.get() + 1);
        out.push(match name {
            "app" | "stream" | "owner" | "sheet" => {
                Fact::Entity(Entity::new(ResourceKind::App, Uuid::from_u128(1)))
            }
            _ => Fact::Text("a".into()),
        });
    }

    fn requester_is_anonymous(&self) -> bool {
        false
    }

    fn requester_entity(&self) -> Option<Entity> {
        None
    }
}

/// How often facts are read for one decision by rules on apps: `actions if condition`.
fn reads(rules: &[(Action, String)]) -> usize {
    let rules = rules.iter().enumerate().map(|(number, (action, text))| {
        let filter: ResourceFilter = "App_*".parse().unwrap();
        Rule {
            id: Uuid::from_u128(number as u128),
            name: "rule".into(),
            actions: (*action).into(),
            context: Context::Both,
            effect: Effect::Allow,
            condition: Condition::compile_for(text, Category::Security, &filter).unwrap(),
            filter,
        }
    });
    let (rules, facts) = (RuleSet::new(rules.collect()), Counting::default());
    let app = Entity::new(ResourceKind::App, Uuid::from_u128(1));
    assert!(!allows(&rules, &facts, RequestContext::Hub, &app, rules.rules()[0].first_action()));
    facts.0.get()
}

trait FirstAction {
    fn first_action(&self) -> Action;
}

impl FirstAction for Rule {
    fn first_action(&self) -> Action {
        self.actions.iter().next().unwrap_or(Action::Read)
    }
}

/// Twice the clauses, at most twice the facts read.
#[test]
fn the_work_of_a_condition_grows_with_its_length() {
    let shapes = [
        ("or", "resource.stream.name = \"b\""),
        ("or", "!(resource.name = user.name)"),
        ("and", "(resource.name = \"a\" or user.name = \"b\")"),
        ("or", "{resource.name, user.name} = {\"b\", \"c\"}"),
    ];
    for (word, clause) in shapes {
        let clauses = |count: usize| {
            let end = if word == "and" { " and resource.name = \"b\"" } else { "" };
            let text = vec![clause; count].join(&format!(" {word} ")) + end;
            reads(&[(Action::Read, text)])
        };
        let (once, twice, fourfold) = (clauses(100), clauses(200), clauses(400));
        let is_linear = twice <= 2 * once + 2 && fourfold <= 2 * twice + 2;
        assert!(is_linear, "{clause}: {once} {twice} {fourfold}");
    }
}

/// A right that follows from the next in several ways is looked into once, not once for each way
/// that leads there.
#[test]
fn the_work_of_following_rights_grows_with_their_number() {
    let ladder = |height: usize| {
        let step = |level: usize| {
            let next = Action::ALL[level + 1].name();
            let asked = format!("resource.HasPrivilege(\"{next}\")");
            (Action::ALL[level], [&*asked; 3].join(" or "))
        };
        let mut rules: Vec<_> = (0..height).map(step).collect();
        rules.push((Action::ALL[height], "resource.description = \"b\"".to_owned()));
        reads(&rules)
    };
    let counts: Vec<usize> = (1..=7).map(ladder).collect();
    let steps: Vec<usize> = counts.windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
    assert!(steps.iter().all(|&step| step <= 3), "{counts:?}");
}

/// Every right following from every other one is answered after a bounded amount of work.
#[test]
fn a_tangle_of_rights_ends() {
    let all = Action::ALL.map(|action| format!("resource.HasPrivilege(\"{action}\")"));
    let rules: Vec<_> = Action::ALL
        .map(|action| (action, format!("{} or resource.name = \"b\"", all.join(" or "))))
        .to_vec();
    let count = reads(&rules);
    assert!(count <= 20_000, "{count} facts read");
}
