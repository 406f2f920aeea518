//! What would this change open, and to whom?
//!
//! A change that is not saved yet is made on a copy of the site, by the use cases that would make
//! it in earnest, and the two sites are compared: every person and the visitors of every entrance,
//! in the hub and in the console, on every thing that the change can touch. Nothing is sampled, so
//! what is not named does not change.

mod audience;
mod compare;
mod crowd;
mod draft;
mod observer;
mod openers;
mod people;
mod search;

use std::collections::BTreeSet;
use std::sync::Arc;

use loggia_model::entity::{RuleCategory, SystemRule};
use loggia_model::{
    AppId, Caller, InternalAccount, ObjectId, PoolId, RuleId, StreamId, UserId, UserKey,
    VirtualProxyId,
};
use loggia_rules::{Action, Actions, Entity, ResourceKind};
use uuid::Uuid;

use crate::Repository;
use crate::exposure::{self, Deed, action_words, address, open_entrances};
use crate::guard::Guard;
use crate::manage::{
    AppEdit, ManageError, ObjectEdit, PoolEdit, RuleEdit, StreamEdit, UserEdit, Violation,
    VirtualProxyEdit,
};
use crate::record::Record;
use crate::store::Change;

use audience::Describer;
pub use compare::Contexts;
use compare::{Comparison, ConditionalGroup, Piece};
use draft::Draft;

/// A change that is not saved yet. One with the id of something that exists changes it, any other
/// makes it.
#[derive(Clone, Debug)]
pub enum ProposedChange {
    Rule {
        id: Option<RuleId>,
        edit: RuleEdit,
    },
    DeleteRule(RuleId),
    Stream {
        id: Option<StreamId>,
        edit: StreamEdit,
    },
    DeleteStream(StreamId),
    /// `stream` publishes the app there, or takes it back to its owner's work.
    App {
        id: Option<AppId>,
        edit: Option<AppEdit>,
        stream: Option<Option<StreamId>>,
    },
    DeleteApp(AppId),
    AppObject {
        id: ObjectId,
        edit: Option<ObjectEdit>,
        is_published: Option<bool>,
        is_approved: Option<bool>,
    },
    DeleteAppObject(ObjectId),
    User {
        id: Option<UserId>,
        edit: UserEdit,
    },
    DeleteUser(UserId),
    VirtualProxy {
        id: Option<VirtualProxyId>,
        edit: Box<VirtualProxyEdit>,
    },
    DeleteVirtualProxy(VirtualProxyId),
    Pool {
        id: Option<PoolId>,
        edit: PoolEdit,
    },
    DeletePool(PoolId),
}

/// Which part of long lists to name. Counts are always complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub skip: usize,
    pub take: usize,
}

impl Default for Excerpt {
    fn default() -> Excerpt {
        Excerpt { skip: 0, take: 100 }
    }
}

/// What a change does to everybody's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impact {
    /// Version of the site that it was compared with.
    pub version: u64,
    /// Whether the caller may make the change. An auditor may look at others.
    pub is_permitted: bool,
    /// What the use cases say about the change.
    pub warnings: Vec<Violation>,
    /// What should be confirmed before saving, in words.
    pub confirm: Vec<Confirmation>,
    pub gained: Vec<Shift>,
    pub lost: Vec<Shift>,
    /// What becomes otherwise for visitors, depending on their requests.
    pub conditional: Vec<ConditionalShift>,
    /// What was taken for granted.
    pub assumptions: Vec<String>,
}

/// Something to be said yes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    pub code: ConfirmationCode,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfirmationCode {
    /// A rule without a condition: it holds for everyone, anonymous visitors included.
    Everyone,
    /// Visitors gain something.
    Visitors,
    /// Visitors gain something of the console's side.
    VisitorsInConsole,
}

/// Rights that an audience gains or loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    pub audience: Audience,
    pub deeds: Vec<Deed>,
    pub contexts: Contexts,
    pub things: Things,
}

/// Rights of visitors that depend on the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionalShift {
    /// Addresses of the entrances.
    pub entrances: Vec<Arc<str>>,
    pub deeds: Vec<Deed>,
    pub contexts: Contexts,
    pub before: Held,
    pub after: Held,
    pub things: Things,
}

/// Whether visitors hold a right.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Held {
    Never,
    When(Arc<str>),
    Always,
}

/// Who gains or loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// In words: `anonymous visitors at /public and everyone signed in`.
    pub text: String,
    /// Addresses of the entrances whose visitors are meant.
    pub visitors: Vec<Arc<str>>,
    /// How many people.
    pub people: usize,
    /// The people by name, as far as the caller may know them and the excerpt goes.
    pub names: Vec<Named>,
}

/// What they gain or lose it on: things of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Things {
    /// In words: `2 apps`, `the stream Sales`.
    pub text: String,
    /// None for opening apps, which is the licence's matter.
    pub kind: Option<ResourceKind>,
    pub count: usize,
    /// Whether the site has them. Of kinds that it has nothing of, one made-up thing stands for
    /// all.
    pub exist: bool,
    /// As far as the caller may know them and the excerpt goes.
    pub names: Vec<Named>,
}

/// A name with the id that stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    pub name: String,
    /// As [`crate::exposure::ExposedThing::key`] has it.
    pub key: String,
}

impl Repository {
    /// What the changes, made one after the other, would do to everybody's rights. Nothing is
    /// saved. Who may make the changes may ask, and who may read the console's audit section;
    /// only the latter learns names of what they may not read.
    pub fn impact(
        &self,
        caller: &Caller,
        changes: &[ProposedChange],
        excerpt: Excerpt,
    ) -> Result<Impact, ManageError> {
        let before = self.site();
        let guard = self.enter(&before, caller)?;
        let is_auditor = guard.may_audit();
        if changes.is_empty() {
            // Whoever asks of nothing has no right to make it.
            guard.require_audit()?;
        }
        let draft = Draft::of(self, before.clone());
        let server = Caller::internal(InternalAccount::Repository);
        let mut is_permitted = true;
        let mut warnings = Vec::new();
        for change in changes {
            let applied = match draft.apply(caller, change) {
                Err(ManageError::Refused(_) | ManageError::Hidden { .. }) if is_auditor => {
                    is_permitted = false;
                    draft.apply(&server, change)
                }
                applied => applied,
            };
            warnings.extend(applied?);
        }
        let after = draft.site();
        let changes = draft.changes();
        let comparison = Comparison::of(&before, &after, &changes);
        let after_guard = Guard::new(&after, caller, self.now());
        let show = Show { before: &guard, after: &after_guard, is_auditor, excerpt };
        let (gained, lost, conditional) = show.tell(&comparison);
        let mut confirm = show.confirm_open_rules(&changes);
        confirm.extend(confirm_visitors(&gained, &conditional));
        Ok(Impact {
            version: before.version(),
            is_permitted,
            warnings,
            confirm,
            gained,
            lost,
            conditional,
            assumptions: comparison.assumptions(is_auditor),
        })
    }
}

/// Stands for a condition that is told to auditors only.
const WITHHELD: &str = "something about the request, which auditors are told";

/// What the caller may be shown.
struct Show<'a> {
    before: &'a Guard<'a>,
    after: &'a Guard<'a>,
    is_auditor: bool,
    excerpt: Excerpt,
}

impl Show<'_> {
    /// What a right depends on is the text of rules, and only auditors may read all of them.
    fn held(&self, held: Held) -> Held {
        match held {
            Held::When(_) if !self.is_auditor => Held::When(WITHHELD.into()),
            held => held,
        }
    }

    fn tell(&self, comparison: &Comparison<'_>) -> (Vec<Shift>, Vec<Shift>, Vec<ConditionalShift>) {
        let mut describer = Describer::new(self, comparison);
        let mut gained = Vec::new();
        let mut lost = Vec::new();
        for group in comparison.groups() {
            let things = self.things(comparison, group.kind, &group.entities);
            for Piece { contexts, deeds, gained: gaining, lost: losing } in &group.pieces {
                for (crowd, list) in [(gaining, &mut gained), (losing, &mut lost)] {
                    if !crowd.is_empty() {
                        list.push(Shift {
                            audience: describer.describe(crowd),
                            deeds: deeds.clone(),
                            contexts: *contexts,
                            things: things.clone(),
                        });
                    }
                }
            }
        }
        let conditional = comparison
            .conditional()
            .into_iter()
            .map(|ConditionalGroup { kind, entities, piece }| ConditionalShift {
                entrances: piece.entrances,
                deeds: piece.deeds,
                contexts: piece.contexts,
                before: self.held(piece.before),
                after: self.held(piece.after),
                things: self.things(comparison, kind, &entities),
            })
            .collect();
        // The most public first.
        let rank = |shift: &Shift| {
            (shift.audience.visitors.is_empty(), usize::MAX - shift.audience.people)
        };
        gained.sort_by_key(rank);
        lost.sort_by_key(rank);
        (gained, lost, conditional)
    }

    fn things(
        &self,
        comparison: &Comparison<'_>,
        kind: Option<ResourceKind>,
        entities: &[Entity],
    ) -> Things {
        let mut names: Vec<Named> = Vec::new();
        let wanted = self.excerpt.skip.saturating_add(self.excerpt.take);
        let mut named: Vec<(Named, &Entity)> =
            entities.iter().map(|entity| (comparison.named(entity), entity)).collect();
        named.sort_by_cached_key(|(named, _)| (named.name.to_lowercase(), named.key.clone()));
        let only_name = named.first().filter(|_| named.len() == 1).cloned();
        for (named, entity) in named {
            if names.len() >= wanted {
                break;
            }
            if self.may_name(entity) {
                names.push(named);
            }
        }
        let single = only_name.filter(|(_, entity)| self.may_name(entity)).map(|(named, _)| named);
        names.drain(..self.excerpt.skip.min(names.len()));
        let text = things_in_words(kind, entities.len(), single.as_ref());
        let exist = kind.is_none_or(exposure::is_kept);
        Things { text, kind, count: entities.len(), exist, names }
    }

    /// By the rules as they are: proposing to open something must not be a way to look at it. What
    /// the change makes is its author's to see.
    fn may_name(&self, entity: &Entity) -> bool {
        if self.is_auditor || entity.id.is_none_or(|id| id.is_nil()) {
            return true;
        }
        let may_read = |guard: &Guard<'_>, record| guard.decide(record, Action::Read).is_allowed();
        match Record::find(self.before.site(), entity) {
            Some(record) => may_read(self.before, record),
            None => Record::find(self.after.site(), entity)
                .is_some_and(|record| may_read(self.after, record)),
        }
    }

    /// Rules that come into force without a condition (`spec/access.md` §5.12).
    fn confirm_open_rules(&self, changes: &[Change]) -> Vec<Confirmation> {
        let (before, after) = (self.before.site(), self.after.site());
        let is_open = |rule: &SystemRule| {
            let condition = rule.condition.trim();
            let holds = condition.is_empty() || condition.eq_ignore_ascii_case("true");
            holds && !rule.is_disabled && !rule.is_forbidding
        };
        let mut confirmations = Vec::new();
        for change in changes {
            let Change::PutRule(stored) = change else { continue };
            let rule = &stored.rule;
            let was_as_open = before.rule(rule.id).is_some_and(|known| {
                is_open(known)
                    && known.resource_filter == rule.resource_filter
                    && known.actions & rule.actions == rule.actions
            });
            // What a later change takes back needs no word.
            if is_open(rule) && !was_as_open && after.rule(rule.id) == Some(rule) {
                let text = self.open_rule_in_words(rule);
                confirmations.push(Confirmation { code: ConfirmationCode::Everyone, text });
            }
        }
        confirmations
    }

    fn open_rule_in_words(&self, rule: &SystemRule) -> String {
        let entrances = open_entrances(self.after.site());
        let now = if entrances.is_empty() {
            "no entrance admits visitors at the moment".to_owned()
        } else {
            let addresses: Vec<_> = entrances.iter().map(|entrance| address(entrance)).collect();
            format!("visitors come in at {}", addresses.join(", "))
        };
        let may = if rule.category == RuleCategory::License {
            "draw on the licence pools that it names".to_owned()
        } else {
            let actions = Actions::from_bits(rule.actions).unwrap_or(Actions::NONE);
            let actions: Vec<_> = actions.iter().map(action_words).collect();
            format!("{} {}", actions.join(", "), self.filter_in_words(rule))
        };
        format!(
            "{:?} has no condition: everyone, including anonymous visitors, may {may} ({now})",
            rule.name
        )
    }

    /// `the stream Sales`, where the filter names one thing; else the filter itself.
    fn filter_in_words(&self, rule: &SystemRule) -> String {
        let filter = rule.resource_filter.trim();
        let one = filter.split_once('_').and_then(|(kind, id)| {
            let entity = Entity::new(kind.parse().ok()?, Uuid::parse_str(id).ok()?);
            let record = Record::find(self.after.site(), &entity)?;
            let name = format!("the {} {}", record.kind_name(), record.name());
            Some(name).filter(|_| self.may_name(&entity))
        });
        one.unwrap_or_else(|| format!("whatever {filter} names"))
    }
}

/// `the stream Sales`, `12 apps`.
fn things_in_words(kind: Option<ResourceKind>, count: usize, only: Option<&Named>) -> String {
    let Some(kind) = kind else { return "apps, by licence".to_owned() };
    let (one, many) = match kind {
        ResourceKind::App => ("app", "apps"),
        ResourceKind::AppObject => ("app object", "app objects"),
        ResourceKind::Stream => ("stream", "streams"),
        ResourceKind::User => ("user", "users"),
        ResourceKind::SystemRule => ("rule", "rules"),
        ResourceKind::VirtualProxyConfig => ("entrance", "entrances"),
        ResourceKind::UserDirectory => ("user directory", "user directories"),
        ResourceKind::TransientObject => ("section", "sections"),
        _ => (kind.name(), kind.name()),
    };
    match (count, only) {
        (1, Some(only)) if only.name.starts_with("any ") || only.name.starts_with("a new ") => {
            only.name.clone()
        }
        (1, Some(only)) => format!("the {one} {}", only.name),
        (1, None) => format!("1 {one}"),
        _ => format!("{} {many}", grouped(count)),
    }
}

/// `4,211`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What visitors gain, in one sentence for the hub and one for the console's side.
fn confirm_visitors(gained: &[Shift], conditional: &[ConditionalShift]) -> Vec<Confirmation> {
    let mut confirmations = Vec::new();
    for (code, place) in [
        (ConfirmationCode::Visitors, "gain"),
        (ConfirmationCode::VisitorsInConsole, "gain, on the console's side,"),
    ] {
        let is_meant = |contexts: Contexts| match code {
            ConfirmationCode::VisitorsInConsole => contexts.has_console(),
            _ => contexts.has_hub(),
        };
        let always = gained
            .iter()
            .filter(|shift| is_meant(shift.contexts) && !shift.audience.visitors.is_empty())
            .map(|shift| (&shift.deeds, &shift.things, &shift.audience.visitors));
        let sometimes = conditional
            .iter()
            .filter(|shift| is_meant(shift.contexts))
            .filter(|shift| shift.after != Held::Never && shift.before != Held::Always)
            .map(|shift| (&shift.deeds, &shift.things, &shift.entrances));
        let mut parts: Vec<(String, Vec<&str>)> = Vec::new();
        let mut entrances: BTreeSet<&Arc<str>> = BTreeSet::new();
        for (deeds, things, at) in always.chain(sometimes).filter(|(_, things, _)| things.exist) {
            let deeds: Vec<_> = deeds.iter().map(|deed| deed.words()).collect();
            let deeds = deeds.join(", ");
            match parts.iter_mut().find(|(known, _)| *known == deeds) {
                Some((_, texts)) if texts.contains(&&*things.text) => {}
                Some((_, texts)) => texts.push(&things.text),
                None => parts.push((deeds, vec![&things.text])),
            }
            entrances.extend(at);
        }
        if parts.is_empty() {
            continue;
        }
        let at: Vec<_> = entrances.into_iter().map(|address| &**address).collect();
        let what: Vec<_> =
            parts.iter().map(|(deeds, texts)| format!("{deeds} on {}", texts.join(", "))).collect();
        let text = format!("visitors at {} {place} {}", at.join(", "), what.join("; "));
        confirmations.push(Confirmation { code, text });
    }
    confirmations
}

/// Whether the account is one of the server's own, which are not people.
fn is_internal(key: &UserKey) -> bool {
    key.directory().eq_ignore_ascii_case(UserKey::INTERNAL_DIRECTORY)
}
