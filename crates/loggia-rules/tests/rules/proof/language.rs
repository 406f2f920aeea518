//! Random conditions that mean something, and the many ways to write one down.

use loggia_rules::{Action, KindSet, ResourceKind};
use uuid::Uuid;

use super::random::Random;
use super::world::{self, ENVIRONMENT, Palette, Value};

/// A condition before it is written down.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Constant(bool),
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    /// A side of more than one operand is a list.
    Compare(Vec<Operand>, Operator, Vec<Operand>),
    HasPrivilege(Path, Action),
    Empty(Path),
    IsOwned(Path),
    IsAnonymous,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Path(Path),
    /// What is meant; written with escapes.
    Text(String),
    /// Right of `like` and `matches`: as written.
    Pattern(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    ExactlyEqual,
    NotEqual,
    ExactlyNotEqual,
    Like,
    Matches,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) steps: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    User,
    Resource,
    Node,
}

/// What a condition is made for.
pub(crate) struct Scene<'s> {
    pub(crate) palette: &'s Palette,
    /// What the rule's filter covers.
    pub(crate) kinds: KindSet,
    /// Kinds that worlds have among them.
    pub(crate) populated: &'s [ResourceKind],
    /// Actions that are often asked about.
    pub(crate) actions: &'s [Action],
    /// How many of a hundred tests ask `HasPrivilege`.
    pub(crate) asking: usize,
    /// Whether `HasPrivilege` may stand under a negation, and outside of one.
    pub(crate) asks_negated: bool,
    pub(crate) asks_plain: bool,
    /// Whether it is a load-balancing rule, which sees the node.
    pub(crate) sees_node: bool,
}

impl Operator {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Operator::Equal => "=",
            Operator::ExactlyEqual => "==",
            Operator::NotEqual => "!=",
            Operator::ExactlyNotEqual => "!==",
            Operator::Like => "like",
            Operator::Matches => "matches",
        }
    }

    fn is_pattern(self) -> bool {
        matches!(self, Operator::Like | Operator::Matches)
    }
}

// ---- making

impl Expr {
    pub(crate) fn random(random: &mut Random, scene: &Scene<'_>) -> Expr {
        let depth = random.weighted(&[(3, 0), (5, 1), (4, 2), (1, 3)]);
        part(random, scene, depth, false)
    }
}

fn part(random: &mut Random, scene: &Scene<'_>, depth: usize, is_negated: bool) -> Expr {
    if depth == 0 {
        return test(random, scene, is_negated);
    }
    let parts = |random: &mut Random| {
        let count = random.between(2, 3);
        (0..count)
            .map(|_| {
                let depth = random.below(depth + 1).min(depth - 1);
                part(random, scene, depth, is_negated)
            })
            .collect()
    };
    match random.below(100) {
        0..40 => Expr::All(parts(random)),
        40..80 => Expr::Any(parts(random)),
        _ => Expr::Not(Box::new(part(random, scene, depth - 1, !is_negated))),
    }
}

fn test(random: &mut Random, scene: &Scene<'_>, is_negated: bool) -> Expr {
    let may_ask = if is_negated { scene.asks_negated } else { scene.asks_plain };
    if may_ask && random.chance(scene.asking) {
        return asking(random, scene);
    }
    match random.below(100) {
        0..24 => {
            if random.chance(8) {
                let path = Path { root: Root::User, steps: vec!["environment", "context"] };
                return comparison(random, scene, path, world::CONTEXTS);
            }
            if scene.sees_node && random.chance(30) {
                let path = Path { root: Root::Node, steps: vec!["isCentral"] };
                return comparison(random, scene, path, Value::Truth);
            }
            let path = user_text(random, scene);
            comparison(random, scene, path, Value::Text)
        }
        24..48 => resource_comparison(random, scene),
        48..60 => between_paths(random, scene),
        60..70 => between_entities(random, scene),
        70..79 => Expr::Empty(if random.chance(50) {
            user_text(random, scene)
        } else {
            resource_path(random, scene, |_| true)
                .map_or_else(|| user_text(random, scene), |(p, _)| p)
        }),
        79..87 => Expr::IsAnonymous,
        87..93 => owned(random, scene),
        93..97 => Expr::Constant(random.chance(60)),
        _ => {
            let one = Operand::Text(scene.palette.text(random).to_owned());
            let operator = operator(random, false);
            let other = literals(random, scene, Value::Text, operator);
            Expr::Compare(vec![one], operator, other)
        }
    }
}

fn operator(random: &mut Random, may_match: bool) -> Operator {
    random.weighted(&[
        (50, Operator::Equal),
        (10, Operator::ExactlyEqual),
        (14, Operator::NotEqual),
        (5, Operator::ExactlyNotEqual),
        (14, Operator::Like),
        // Compiling an expression takes longer than all the rest of a case.
        (if may_match { 2 } else { 0 }, Operator::Matches),
    ])
}

fn resource_comparison(random: &mut Random, scene: &Scene<'_>) -> Expr {
    let is_value = |value: Value| !matches!(value, Value::Entity(_));
    match resource_path(random, scene, is_value) {
        Some((path, value)) => comparison(random, scene, path, value),
        None => Expr::Constant(true),
    }
}

/// A path against texts, or the other way round.
fn comparison(random: &mut Random, scene: &Scene<'_>, path: Path, value: Value) -> Expr {
    let operator = operator(random, true);
    let literals = literals(random, scene, value, operator);
    let mut left = vec![Operand::Path(path)];
    if value == Value::Text && random.chance(8) {
        left.push(Operand::Path(user_text(random, scene)));
    }
    if !operator.is_pattern() && random.chance(8) {
        return Expr::Compare(literals, operator, left);
    }
    Expr::Compare(left, operator, literals)
}

fn literals(
    random: &mut Random,
    scene: &Scene<'_>,
    value: Value,
    operator: Operator,
) -> Vec<Operand> {
    let count = random.weighted(&[(75, 1), (15, 2), (10, 3)]);
    (0..count).map(|_| literal(random, scene, value, operator)).collect()
}

fn literal(random: &mut Random, scene: &Scene<'_>, value: Value, operator: Operator) -> Operand {
    let is_exact = matches!(operator, Operator::ExactlyEqual | Operator::ExactlyNotEqual);
    let plain = match value {
        Value::Text | Value::Entity(_) => scene.palette.text(random).to_owned(),
        Value::Truth if is_exact => (*random.pick::<&str>(&["true", "false"])).to_owned(),
        Value::Truth => (*random.pick::<&str>(&["true", "false", "True", "FALSE"])).to_owned(),
        Value::Number => (*random.pick::<&str>(&["0", "1", "1.0", "7", "12.00"])).to_owned(),
        Value::Id => {
            let kind = *random.pick(scene.populated);
            let id = world::id(kind, random.between(1, 3)).hyphenated().to_string();
            if !is_exact && random.chance(20) { id.to_uppercase() } else { id }
        }
        Value::OneOf(words) => (*random.pick::<&str>(words)).to_owned(),
        Value::Kind => random.pick(scene.populated).name().to_owned(),
    };
    match operator {
        Operator::Like => Operand::Pattern(glob(random, &plain)),
        Operator::Matches => Operand::Pattern(regular(random, &plain)),
        _ => Operand::Text(plain),
    }
}

/// A pattern that is close to the text.
fn glob(random: &mut Random, text: &str) -> String {
    let escaped = |text: &str| {
        let mut out = String::new();
        for c in text.chars() {
            if matches!(c, '*' | '?' | '\\' | '"') {
                out.push('\\');
            }
            out.push(c);
        }
        out
    };
    let chars: Vec<char> = text.chars().collect();
    let at = random.below(chars.len() + 1);
    let (start, end): (String, String) =
        (chars[..at].iter().collect(), chars[at..].iter().collect());
    match random.below(8) {
        0 => escaped(text),
        1 => format!("{}*", escaped(&start)),
        2 => format!("*{}", escaped(&end)),
        3 => format!("{}*{}", escaped(&start), escaped(&end)),
        4 => format!(
            "{}?{}",
            escaped(&start),
            escaped(&chars[chars.len().min(at + 1)..].iter().collect::<String>())
        ),
        5 => format!("*{}*?", escaped(&start)),
        6 => "*".to_owned(),
        // Its stars are stars, its backslashes what they come to be.
        _ => text.replace('"', "\\\""),
    }
}

/// An expression that is close to the text.
fn regular(random: &mut Random, text: &str) -> String {
    let escaped = |text: &str| -> String {
        let word = |c: char| c.is_alphanumeric() || c == ' ';
        text.chars().map(|c| if word(c) { c } else { '.' }).collect()
    };
    let escaped = escaped(text);
    match random.below(6) {
        0 => escaped,
        1 => format!("(?i){escaped}"),
        2 => format!(".*{escaped}"),
        3 => format!("{escaped}|x"),
        4 => "[a-zA-Z]+".to_owned(),
        _ => "-?[0-9]+([.][0-9]+)?".to_owned(),
    }
}

fn between_paths(random: &mut Random, scene: &Scene<'_>) -> Expr {
    let operator = operator(random, false);
    let text = |value| value == Value::Text;
    let right = match random.below(100) {
        0..70 => user_text(random, scene),
        _ => {
            resource_path(random, scene, text).map_or_else(|| user_text(random, scene), |(p, _)| p)
        }
    };
    let left = match random.below(100) {
        0..80 => {
            resource_path(random, scene, text).map_or_else(|| user_text(random, scene), |(p, _)| p)
        }
        _ => user_text(random, scene),
    };
    let mut sides = (vec![Operand::Path(left)], vec![Operand::Path(right)]);
    if random.chance(30) {
        std::mem::swap(&mut sides.0, &mut sides.1);
    }
    if random.chance(15) {
        sides.1.push(literal(random, scene, Value::Text, operator));
    }
    Expr::Compare(sides.0, operator, sides.1)
}

fn between_entities(random: &mut Random, scene: &Scene<'_>) -> Expr {
    let operator = random.weighted(&[
        (6, Operator::Equal),
        (1, Operator::ExactlyEqual),
        (3, Operator::NotEqual),
        (1, Operator::ExactlyNotEqual),
    ]);
    let user = Path { root: Root::User, steps: Vec::new() };
    let is_user = |value| value == Value::Entity(ResourceKind::User);
    let is_entity = |value| matches!(value, Value::Entity(_));
    let wanted: &dyn Fn(Value) -> bool = if random.chance(75) { &is_user } else { &is_entity };
    let Some((path, value)) = resource_path(random, scene, wanted) else {
        return Expr::IsAnonymous;
    };
    let other = match resource_path(random, scene, |other| other == value) {
        Some((other, _)) if !is_user(value) || random.chance(20) => other,
        _ if is_user(value) => user,
        _ => path.clone(),
    };
    let mut sides = (vec![Operand::Path(path)], vec![Operand::Path(other)]);
    if random.chance(20) {
        std::mem::swap(&mut sides.0, &mut sides.1);
    }
    Expr::Compare(sides.0, operator, sides.1)
}

fn owned(random: &mut Random, scene: &Scene<'_>) -> Expr {
    let Some(kind) = kind(random, scene, |kind| has(kind, "owner")) else {
        return Expr::IsAnonymous;
    };
    let is_ownable = |value| matches!(value, Value::Entity(kind) if has(kind, "owner"));
    let related = walk(random, kind, &is_ownable).filter(|_| random.chance(40));
    let steps = related.map_or_else(Vec::new, |(steps, _)| steps);
    Expr::IsOwned(Path { root: Root::Resource, steps })
}

fn asking(random: &mut Random, scene: &Scene<'_>) -> Expr {
    let action = *random.pick(scene.actions);
    let is_entity = |value| matches!(value, Value::Entity(_));
    let path = match resource_path(random, scene, is_entity) {
        Some((path, _)) if random.chance(70) => path,
        _ => Path { root: Root::Resource, steps: Vec::new() },
    };
    Expr::HasPrivilege(path, action)
}

fn has(kind: ResourceKind, property: &str) -> bool {
    world::properties(kind).iter().any(|known| known.name == property)
}

/// A populated kind that the filter covers.
fn kind(
    random: &mut Random,
    scene: &Scene<'_>,
    is_wanted: impl Fn(ResourceKind) -> bool,
) -> Option<ResourceKind> {
    let covered = scene.populated.iter().copied().filter(|&kind| scene.kinds.contains(kind));
    let kinds: Vec<ResourceKind> = covered.filter(|&kind| is_wanted(kind)).collect();
    if kinds.is_empty() { None } else { Some(*random.pick(&kinds)) }
}

/// A path from the resource to a value that is wanted.
fn resource_path(
    random: &mut Random,
    scene: &Scene<'_>,
    is_wanted: impl Fn(Value) -> bool,
) -> Option<(Path, Value)> {
    for _ in 0..4 {
        let kind = kind(random, scene, |_| true)?;
        let Some((steps, value)) = walk(random, kind, &is_wanted) else {
            continue;
        };
        // A rule about people and other things reads no directory attributes of the people.
        let is_attribute = steps.len() == 1 && world::DIRECTORY.contains(&steps[0]);
        if !is_attribute || scene.kinds == KindSet::only(ResourceKind::User) {
            return Some((Path { root: Root::Resource, steps }, value));
        }
    }
    None
}

/// Follows relations for a while, then takes a property that is wanted.
fn walk(
    random: &mut Random,
    from: ResourceKind,
    is_wanted: &dyn Fn(Value) -> bool,
) -> Option<(Vec<&'static str>, Value)> {
    let (mut kind, mut steps) = (from, Vec::new());
    for _ in 0..random.weighted(&[(55, 0), (28, 1), (12, 2), (5, 3)]) {
        let relations: Vec<(&'static str, ResourceKind)> = world::properties(kind)
            .iter()
            .filter_map(|property| match property.value {
                Value::Entity(target) => Some((property.name, target)),
                _ => None,
            })
            .collect();
        if relations.is_empty() {
            break;
        }
        let &(name, target) = random.pick(&relations);
        steps.push(name);
        kind = target;
    }
    let wanted: Vec<_> =
        world::properties(kind).iter().filter(|property| is_wanted(property.value)).collect();
    if wanted.is_empty() {
        return None;
    }
    let last = *random.pick(&wanted);
    steps.push(last.name);
    Some((steps, last.value))
}

/// A text of the requester, or of the node.
fn user_text(random: &mut Random, scene: &Scene<'_>) -> Path {
    if scene.sees_node && random.chance(70) {
        let texts = ["name", "hostName", "@Area", "@level"];
        return Path { root: Root::Node, steps: vec![*random.pick::<&str>(&texts)] };
    }
    let steps = if random.chance(30) {
        vec!["environment", *random.pick(&ENVIRONMENT)]
    } else {
        let texts: Vec<_> = world::properties(ResourceKind::User)
            .iter()
            .filter(|property| property.value == Value::Text)
            .collect();
        vec![random.pick(&texts).name]
    };
    Path { root: Root::User, steps }
}

// ---- writing

/// How a text is written down. People write the same thing in many ways.
pub(crate) struct Pen {
    /// None writes plainly.
    random: Option<Random>,
}

impl Pen {
    pub(crate) fn plain() -> Pen {
        Pen { random: None }
    }

    pub(crate) fn random(seed: u64) -> Pen {
        Pen { random: Some(Random::new(seed)) }
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.random.as_mut().is_some_and(|random| random.chance(percent))
    }

    fn word(&mut self, word: &str) -> String {
        match self.random.as_mut().map(|random| random.below(10)) {
            Some(0) => word.to_uppercase(),
            Some(1) => word.to_lowercase(),
            _ => word.to_owned(),
        }
    }

    fn blank(&mut self) -> &'static str {
        match self.random.as_mut().map(|random| random.below(24)) {
            Some(0) => "\n    ",
            Some(1) => " // why not\n",
            Some(2) => " # \"so\n ",
            Some(3) => "\t ",
            Some(4) => " \u{200B} ",
            _ => " ",
        }
    }
}

impl Expr {
    pub(crate) fn write(&self, pen: &mut Pen) -> String {
        self.write_within(pen, Level::Any)
    }

    fn write_within(&self, pen: &mut Pen, level: Level) -> String {
        let text = match self {
            Expr::Constant(value) => pen.word(if *value { "true" } else { "false" }),
            Expr::All(parts) => join(parts, pen, ["and", "&&"], Level::Not),
            Expr::Any(parts) => join(parts, pen, ["or", "||"], Level::All),
            Expr::Not(inner) => {
                let word = if pen.chance(30) { pen.word("not") + " " } else { "!".to_owned() };
                format!("{word}{}", inner.write_within(pen, Level::Test))
            }
            Expr::Compare(left, operator, right) => {
                let left = side(left, pen, None);
                let blank = pen.blank();
                let right = side(right, pen, Some(*operator));
                format!("{left}{blank}{}{}{right}", pen.word(operator.symbol()), pen.blank())
            }
            Expr::HasPrivilege(path, action) => {
                let action = pen.word(action.name());
                format!("{}.{}(\"{action}\")", path.write(pen), pen.word("HasPrivilege"))
            }
            Expr::Empty(path) => format!("{}.{}()", path.write(pen), pen.word("Empty")),
            Expr::IsOwned(path) => format!("{}.{}()", path.write(pen), pen.word("IsOwned")),
            Expr::IsAnonymous => format!("{}.{}()", pen.word("user"), pen.word("IsAnonymous")),
        };
        let own = match self {
            Expr::Any(_) => Level::Any,
            Expr::All(_) => Level::All,
            Expr::Not(_) => Level::Not,
            // `!user.name = "x"` would do, but nobody should have to know.
            Expr::Compare(..) if level == Level::Test => Level::Any,
            _ => Level::Test,
        };
        if own < level || pen.chance(8) { format!("({text})") } else { text }
    }
}

/// What binds tighter comes later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Any,
    All,
    Not,
    Test,
}

fn join(parts: &[Expr], pen: &mut Pen, words: [&str; 2], level: Level) -> String {
    let mut text = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text.push_str(pen.blank());
            let word = if pen.chance(20) { words[1].to_owned() } else { pen.word(words[0]) };
            text.push_str(&word);
            text.push_str(pen.blank());
        }
        text.push_str(&part.write_within(pen, level));
    }
    text
}

fn side(operands: &[Operand], pen: &mut Pen, operator: Option<Operator>) -> String {
    let is_pattern = operator.is_some_and(Operator::is_pattern);
    let mut texts: Vec<String> =
        operands.iter().map(|operand| operand.write(pen, is_pattern)).collect();
    match texts.as_slice() {
        [only] if pen.chance(5) => format!("{{{only}}}"),
        [only] if pen.chance(5) => format!("({only})"),
        [_] => texts.remove(0),
        _ => format!("{{{}}}", texts.join(if pen.chance(20) { " ,\n" } else { ", " })),
    }
}

impl Operand {
    fn write(&self, pen: &mut Pen, is_pattern: bool) -> String {
        match self {
            Operand::Path(path) => path.write(pen),
            Operand::Pattern(text) => format!("\"{text}\""),
            Operand::Text(text) => {
                let is_number = {
                    let digits = text.strip_prefix('-').unwrap_or(text);
                    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
                    let is_whole =
                        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                    is_whole(whole) && is_whole(rest)
                };
                if !is_pattern && is_number && pen.chance(40) {
                    return text.clone();
                }
                if matches!(text.as_str(), "true" | "false") && pen.chance(20) {
                    return text.clone();
                }
                let has_quote = text.contains(['"', '\'', '“', '”', '„', '‘', '’', '‟', '‚']);
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                if !has_quote && pen.chance(10) {
                    return format!("“{escaped}”");
                }
                if !has_quote && pen.chance(10) {
                    return format!("'{escaped}'");
                }
                format!("\"{escaped}\"")
            }
        }
    }
}

impl Path {
    pub(crate) fn write(&self, pen: &mut Pen) -> String {
        let root = match self.root {
            Root::User => "user",
            Root::Resource => "resource",
            Root::Node => "node",
        };
        if self.root == Root::Resource
            && let [only] = self.steps.as_slice()
            && only.starts_with('@')
            && pen.chance(20)
        {
            return pen.word(only);
        }
        let mut text = pen.word(root);
        for step in &self.steps {
            text.push('.');
            text.push_str(&pen.word(step));
        }
        text
    }

    pub(crate) fn lower_steps(&self) -> impl Iterator<Item = String> {
        self.steps.iter().map(|step| step.to_lowercase())
    }
}

/// The text of an id as facts have it.
pub(crate) fn id_text(id: Uuid) -> String {
    id.hyphenated().to_string()
}
