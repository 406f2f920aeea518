//! A set of rules, a world, and questions about it: what every property is tried on.

use std::fmt;

use loggia_rules::{
    Action, Actions, Category, Condition, Context, Effect, Entity, KindSet, RequestContext,
    ResourceFilter, ResourceKind, Rule, RuleSet,
};
use uuid::Uuid;

use super::language::{Expr, Path, Pen, Root, Scene};
use super::random::Random;
use super::world::{self, Palette, View, World};

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) rules: Vec<RuleText>,
    pub(crate) world: World,
    pub(crate) questions: Vec<Question>,
    /// What properties draw from when they need more than the case itself.
    pub(crate) seed: u64,
}

/// A rule before it is compiled.
#[derive(Clone)]
pub(crate) struct RuleText {
    /// Tells rules apart, and is their id.
    pub(crate) number: usize,
    pub(crate) effect: Effect,
    pub(crate) actions: Actions,
    pub(crate) filter: Vec<String>,
    pub(crate) context: Context,
    pub(crate) condition: Expr,
    pub(crate) category: Category,
    /// The hand it is written in; none is plain.
    pub(crate) hand: Option<u64>,
}

#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) requester: usize,
    pub(crate) entity: Entity,
    pub(crate) action: Action,
    pub(crate) context: RequestContext,
}

/// What sort of rules a case has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A handful of rules, some of which ask for other rights.
    Ordinary,
    /// Many short rules that mostly compare with texts.
    Many,
    /// Rights that follow from each other, over many levels.
    Ladder,
    /// Rights that follow from each other in every direction.
    Tangle,
    /// A handful of rules in which more rights never mean fewer rights.
    Monotone,
    /// A handful of load-balancing rules.
    Balancing,
}

const POPULATED: [ResourceKind; 17] = [
    ResourceKind::App,
    ResourceKind::AppObject,
    ResourceKind::Stream,
    ResourceKind::App,
    ResourceKind::AppObject,
    ResourceKind::AppContent,
    ResourceKind::AppDataSegment,
    ResourceKind::ContentLibrary,
    ResourceKind::SharedContent,
    ResourceKind::StaticContentReference,
    ResourceKind::DataConnection,
    ResourceKind::ReloadTask,
    ResourceKind::SchemaEvent,
    ResourceKind::User,
    ResourceKind::SystemRule,
    ResourceKind::TempContent,
    ResourceKind::TransientObject,
];

/// How many questions a case has.
const QUESTIONS: usize = 20;

impl Case {
    pub(crate) fn random(seed: u64) -> Case {
        let mut random = Random::new(seed);
        let style = random.weighted(&[
            (69, Style::Ordinary),
            (5, Style::Balancing),
            (8, Style::Many),
            (12, Style::Ladder),
            (6, Style::Tangle),
        ]);
        Case::of_style(seed, style)
    }

    pub(crate) fn of_style(seed: u64, style: Style) -> Case {
        let mut random = Random::new(seed ^ 0x5eed);
        let palette = Palette::random(&mut random);
        let world = World::random(&mut random, &palette);
        let count = match style {
            Style::Ordinary | Style::Monotone | Style::Balancing => random.between(1, 7),
            Style::Many => random.between(20, 60),
            Style::Ladder | Style::Tangle => random.between(0, 2),
        };
        let mut rules: Vec<RuleText> = (0..count)
            .map(|number| RuleText::random(&mut random, &palette, style, number + 1))
            .collect();
        match style {
            Style::Ladder => ladder(&mut random, &palette, &mut rules),
            Style::Tangle => tangle(&mut random, &palette, &mut rules),
            Style::Ordinary | Style::Many | Style::Monotone | Style::Balancing => {}
        }
        let questions = (0..QUESTIONS).map(|_| question(&mut random, &world, &rules)).collect();
        Case { rules, world, questions, seed }
    }

    /// Licence rules, asked in the hub: not rules of one set, but each on its own.
    pub(crate) fn of_licence(seed: u64) -> Case {
        let mut random = Random::new(seed ^ 0x11ce);
        let palette = Palette::random(&mut random);
        let world = World::random(&mut random, &palette);
        let scene = Scene {
            palette: &palette,
            kinds: KindSet::NONE,
            populated: &POPULATED,
            actions: &HOT,
            asking: 0,
            asks_negated: false,
            asks_plain: false,
            sees_node: false,
        };
        let rule = |random: &mut Random, number| RuleText {
            number,
            effect: Effect::Allow,
            actions: Actions::CREATE,
            filter: vec!["License.AnalyzerTimeAccessType_*".to_owned()],
            context: Context::Hub,
            condition: Expr::random(random, &scene),
            category: Category::License,
            hand: Some(random.next()),
        };
        let rules: Vec<RuleText> = (1..=4).map(|number| rule(&mut random, number)).collect();
        let question = |requester| Question {
            requester,
            entity: Entity::to_create(ResourceKind::LicenseAnalyzerTimeAccessType),
            action: Action::Create,
            context: RequestContext::Hub,
        };
        let questions = (0..world.requesters.len()).map(question).collect();
        Case { rules, world, questions, seed }
    }

    pub(crate) fn compiled(&self) -> RuleSet {
        RuleSet::new(self.rules.iter().map(RuleText::compile).collect())
    }

    pub(crate) fn facts(&self, question: &Question) -> View<'_> {
        self.world.facts(question.requester)
    }
}

/// The filters that rules have, by how often.
fn filter(random: &mut Random) -> Vec<String> {
    let count = random.weighted(&[(80, 1), (14, 2), (6, 3)]);
    (0..count).map(|_| filter_item(random)).collect()
}

fn filter_item(random: &mut Random) -> String {
    let kind = *random.pick(&POPULATED[..16]);
    let item = match random.below(100) {
        0..10 => "*".to_owned(),
        10..18 => "App*".to_owned(),
        18..60 => format!("{kind}_*"),
        60..80 => format!("{kind}_{}", world::id(kind, random.between(1, 3)).hyphenated()),
        80..84 => kind.name().to_owned(),
        84..88 => {
            let name = kind.name();
            format!("{}*", &name[..random.between(1, name.len().min(5))])
        }
        _ => {
            let all =
                ["QmcSection_App", "QmcSection_*", "HubSection_*", "HubSection_W*", "Q*", "Hub*"];
            (*random.pick::<&str>(&all)).to_owned()
        }
    };
    match random.below(10) {
        0 => item.to_uppercase(),
        1 => item.to_lowercase(),
        _ => item,
    }
}

fn kinds_of(filter: &[String]) -> KindSet {
    filter.join(",").parse::<ResourceFilter>().map_or(KindSet::NONE, |filter| filter.kinds())
}

const HOT: [Action; 5] =
    [Action::Read, Action::Read, Action::Update, Action::Publish, Action::Create];

fn actions(random: &mut Random) -> Actions {
    match random.below(100) {
        0..60 => Actions::from(*random.pick(&HOT)),
        60..85 => Actions::from(*random.pick(&HOT)) | Actions::from(*random.pick(&HOT)),
        85..92 => Actions::ALL,
        _ => Actions::from(*random.pick(&Action::ALL)),
    }
}

impl RuleText {
    pub(crate) fn random(
        random: &mut Random,
        palette: &Palette,
        style: Style,
        number: usize,
    ) -> RuleText {
        let is_balancing = style == Style::Balancing;
        let filter = if is_balancing { vec!["App_*".to_owned()] } else { filter(random) };
        let effect = if random.chance(22) { Effect::Forbid } else { Effect::Allow };
        let is_monotone = style == Style::Monotone;
        let scene = Scene {
            palette,
            kinds: kinds_of(&filter),
            populated: &POPULATED,
            actions: &HOT,
            asking: match style {
                Style::Ordinary => 14,
                Style::Many => 1,
                Style::Balancing => 0,
                Style::Ladder | Style::Tangle | Style::Monotone => 25,
            },
            asks_negated: !is_monotone || effect == Effect::Forbid,
            asks_plain: !is_monotone || effect == Effect::Allow,
            sees_node: is_balancing,
        };
        RuleText {
            number,
            effect,
            actions: actions(random),
            filter,
            context: random.weighted(&[
                (6, Context::Both),
                (2, Context::Hub),
                (2, Context::Console),
            ]),
            condition: Expr::random(random, &scene),
            category: if is_balancing { Category::Sync } else { Category::Security },
            hand: Some(random.next()),
        }
    }

    pub(crate) fn id(&self) -> Uuid {
        Uuid::from_u128(0x4000_8000_0000_0000_0000 | self.number as u128)
    }

    pub(crate) fn filter_text(&self) -> String {
        self.filter.join(if self.hand.is_some_and(|hand| hand % 3 == 0) { " ,\t" } else { "," })
    }

    pub(crate) fn condition_text(&self) -> String {
        let text = self.condition.write(&mut self.hand.map_or_else(Pen::plain, Pen::random));
        if self.condition == Expr::Constant(true) && self.hand.is_some_and(|hand| hand % 2 == 0) {
            return " ".to_owned();
        }
        text
    }

    pub(crate) fn compile(&self) -> Rule {
        let filter: ResourceFilter = self.filter_text().parse().unwrap();
        let text = self.condition_text();
        let condition = Condition::compile_for(&text, self.category, &filter)
            .unwrap_or_else(|problems| panic!("{filter}: {text}\n{problems:#?}"));
        Rule {
            id: self.id(),
            name: format!("rule {}", self.number).into(),
            filter,
            actions: self.actions,
            context: self.context,
            effect: self.effect,
            condition,
        }
    }
}

/// Rules through which a right follows from the next one, which follows from the next one, and
/// so on; deeper than what may be asked, now and then.
fn ladder(random: &mut Random, palette: &Palette, rules: &mut Vec<RuleText>) {
    let height = random.between(3, 12);
    let filter = vec![(*random.pick::<&str>(&["App_*", "App*", "*", "App.Object_*"])).to_owned()];
    let here = Path { root: Root::Resource, steps: Vec::new() };
    let mut order = Action::ALL;
    if random.chance(50) {
        random.shuffle(&mut order);
    }
    for level in 0..height {
        let mut parts = Vec::new();
        for _ in 0..random.weighted(&[(70, 1), (20, 2), (10, 3)]) {
            let ahead = random.weighted(&[(85, 1), (10, 2), (2, 0), (3, 12)]);
            let next = order[(level + ahead) % order.len()];
            let asked = Expr::HasPrivilege(here.clone(), next);
            parts.push(if random.chance(10) { Expr::Not(Box::new(asked)) } else { asked });
        }
        if random.chance(15) {
            parts.push(Expr::IsAnonymous);
        }
        rules.push(RuleText {
            number: rules.len() + 1,
            effect: if random.chance(10) { Effect::Forbid } else { Effect::Allow },
            actions: order[level].into(),
            filter: filter.clone(),
            context: Context::Both,
            condition: if random.chance(50) { Expr::Any(parts) } else { Expr::All(parts) }.simple(),
            category: Category::Security,
            hand: Some(random.next()),
        });
    }
    // What the top one stands on.
    let mut ground = RuleText::random(random, palette, Style::Many, rules.len() + 1);
    ground.filter = vec!["*".to_owned()];
    ground.effect = Effect::Allow;
    ground.context = Context::Both;
    ground.actions = order[height % order.len()].into();
    ground.condition = if random.chance(50) {
        Expr::Constant(true)
    } else {
        Expr::Not(Box::new(Expr::IsAnonymous))
    };
    rules.push(ground);
}

/// Rules that ask for each other in every way.
fn tangle(random: &mut Random, palette: &Palette, rules: &mut Vec<RuleText>) {
    for _ in 0..random.between(2, 6) {
        let mut rule = RuleText::random(random, palette, Style::Ordinary, rules.len() + 1);
        rule.actions = actions(random) | actions(random);
        rule.filter = vec![(*random.pick::<&str>(&["*", "App*", "Stream_*", "App_*"])).to_owned()];
        let scene = Scene {
            palette,
            kinds: kinds_of(&rule.filter),
            populated: &POPULATED,
            actions: &HOT,
            asking: 75,
            asks_negated: true,
            asks_plain: true,
            sees_node: false,
        };
        rule.condition = Expr::random(random, &scene);
        rules.push(rule);
    }
}

/// A question that some rule has something to say about, mostly.
fn question(random: &mut Random, world: &World, rules: &[RuleText]) -> Question {
    let entities: Vec<Entity> = world.entities().collect();
    let requester = random.below(world.requesters.len());
    let context = if random.chance(65) { RequestContext::Hub } else { RequestContext::Console };
    let mut question = Question {
        requester,
        entity: random.pick(&entities).clone(),
        action: *random.pick(&HOT),
        context,
    };
    if random.chance(10) {
        question.action = *random.pick(&Action::ALL);
        return question;
    }
    let Some(rule) = (!rules.is_empty()).then(|| random.pick(rules)) else {
        return question;
    };
    let asked: Vec<Action> = rule.actions.iter().collect();
    question.action = *random.pick(&asked);
    let Ok(filter) = rule.filter_text().parse::<ResourceFilter>() else {
        return question;
    };
    let matching: Vec<&Entity> = entities.iter().filter(|entity| filter.matches(entity)).collect();
    if !matching.is_empty() {
        question.entity = (*random.pick(&matching)).clone();
    }
    question
}

impl Expr {
    /// The only part instead of a list of one.
    fn simple(self) -> Expr {
        match self {
            Expr::All(mut parts) | Expr::Any(mut parts) if parts.len() == 1 => parts.remove(0),
            other => other,
        }
    }
}

impl fmt::Display for RuleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = if self.effect == Effect::Allow { "allow" } else { "forbid" };
        write!(f, "{:3}. {effect} {:?} on {}", self.number, self.actions, self.filter_text())?;
        match self.context {
            Context::Both => {}
            Context::Hub => f.write_str(" in hub")?,
            Context::Console => f.write_str(" in console")?,
        }
        write!(f, " if {}", self.condition_text())
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = match self.context {
            RequestContext::Hub => "hub",
            RequestContext::Console => "console",
        };
        let Question { requester, entity, action, .. } = self;
        write!(f, "may requester {} {action} {entity} in the {context}?", requester + 1)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rules")?;
        for rule in &self.rules {
            writeln!(f, "{rule}")?;
        }
        write!(f, "things\n{}", self.world)?;
        writeln!(f, "requesters")?;
        for (index, requester) in self.world.requesters.iter().enumerate() {
            writeln!(f, "{:3}. {requester}", index + 1)?;
        }
        writeln!(f, "questions")?;
        for question in &self.questions {
            writeln!(f, "    {question}")?;
        }
        Ok(())
    }
}

impl Case {
    pub(crate) fn rule(&self, number: usize) -> &RuleText {
        self.rules.iter().find(|rule| rule.number == number).expect("the case has the rule")
    }
}
