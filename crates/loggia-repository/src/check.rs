//! Could a visitor use this entrance, and if not, what is to be changed? The anonymous check walks
//! the gates in their order for a typical visitor and charges nothing. It reads the store only, so
//! it works beside a running server as well as inside it.

use std::sync::Arc;

use loggia_licence::{Admission, HolderKey, PoolsView, Visit, acquire, is_named};
use loggia_model::entity::{
    AnonymousMode, App, PoolKind, RuleCategory, Stream, SystemRule, VirtualProxy,
};
use loggia_model::{AppId, Caller, Prefix, Principal, RuleId};
use loggia_rules::{Action, Decision, Entity, Outcome, admits, allows};
use uuid::Uuid;

use crate::Repository;
use crate::guard::{Guard, names_only};
use crate::manage::virtual_proxies::typical_visitor;
use crate::nodes;
use crate::record::{Record, pool_kind};
use crate::refusal::Code;
use crate::share;
use crate::site::{Site, compile_rule};
use crate::store::StoreError;

/// The context of rules that hold in the hub and not in the console.
const HUB_ONLY: u8 = 1;

/// What the check found.
#[derive(Clone, Debug, PartialEq)]
pub struct AnonymousReport {
    pub prefix: Prefix,
    /// Version of the site that was looked at.
    pub version: u64,
    pub gates: Vec<GateReport>,
    /// Every app of the site, by stream and name.
    pub apps: Vec<AppReport>,
}

/// One gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateReport {
    /// 1 to 6, in the order of the visit.
    pub number: u8,
    pub name: &'static str,
    pub outcome: GateOutcome,
    pub finding: String,
    /// What to change, when something is to be changed.
    pub mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateOutcome {
    Pass,
    Fail,
    /// An earlier gate failed.
    Skipped,
}

/// One app.
#[derive(Clone, Debug, PartialEq)]
pub struct AppReport {
    pub id: AppId,
    pub name: String,
    pub stream: Option<String>,
    /// Whether the hub shows it to a visitor of this entrance.
    pub can_list: bool,
    /// Whether the rules alone would list it, were the entrance open.
    pub is_readable: bool,
    pub can_open: bool,
    /// The code a visitor would get when opening it.
    pub code: Option<Code>,
    pub finding: String,
    pub mend: Option<String>,
}

impl AnonymousReport {
    /// Whether every gate lets a visitor through to at least one app.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.gates.iter().all(|gate| gate.outcome == GateOutcome::Pass)
    }
}

impl Repository {
    /// Tests all gates for an anonymous visit through the entrance with this prefix.
    pub fn check_anonymous(&self, prefix: &Prefix) -> Result<AnonymousReport, StoreError> {
        let site = self.site();
        let mut gates = Gates::default();
        let entrance = gates.entrance(&site, prefix);
        gates.mode(entrance.as_deref());
        let shut = gates.blocked.as_ref().map(|(code, what)| (*code, what.clone()));
        gates.account();
        let visitor = match &entrance {
            Some(entrance) => typical_visitor(entrance),
            None => nowhere(prefix),
        };
        let admission = self.admission(&site, &visitor)?;
        let guard = Guard::new(&site, &visitor, self.now());
        gates.licence(&guard, &admission);
        let mut apps: Vec<Arc<App>> = site.apps().cloned().collect();
        apps.sort_by_cached_key(|app| {
            let stream = app.stream.and_then(|id| site.stream(id)).map(|s| s.name.to_lowercase());
            // Unpublished apps last.
            (stream.is_none(), stream, app.name.to_lowercase(), app.id)
        });
        let apps: Vec<_> =
            apps.iter().map(|app| self.check_app(&guard, app, shut.as_ref(), &admission)).collect();
        gates.content(&guard, &apps);
        gates.data(&apps);
        Ok(AnonymousReport {
            prefix: prefix.clone(),
            version: site.version(),
            gates: gates.reports,
            apps,
        })
    }

    /// What the licence gate would say to the visitor, and the pools it would look at.
    fn admission(
        &self,
        site: &Site,
        visitor: &Caller,
    ) -> Result<(Option<Admission>, PoolsView), StoreError> {
        let Principal::Anonymous(id) = &visitor.principal else {
            return Ok((None, PoolsView::default()));
        };
        let visit = Visit::new(HolderKey::Visitor(*id), AppId(Uuid::nil()));
        let now = self.now();
        let mut seen = (None, PoolsView::default());
        self.inner.store.read_ledger(&mut |ledger| {
            let view = self.pools_view(site, visitor, &visit, ledger, now)?;
            seen = (Some(acquire(&view, &visit, now)), view);
            Ok(())
        })?;
        Ok(seen)
    }

    fn check_app(
        &self,
        guard: &Guard<'_>,
        app: &App,
        shut: Option<&(Code, String)>,
        (admission, _): &(Option<Admission>, PoolsView),
    ) -> AppReport {
        let site = guard.site();
        let stream = app.stream.and_then(|id| site.stream(id));
        let stream_decision = stream.map(|s| guard.decide(Record::Stream(s), Action::Read));
        let app_decision = guard.decide(Record::App(app), Action::Read);
        let is_in_readable_stream = stream_decision.as_ref().is_some_and(Decision::is_allowed);
        let is_readable = is_in_readable_stream && app_decision.is_allowed();
        let mut report = AppReport {
            id: app.id,
            name: app.name.clone(),
            stream: stream.map(|stream| stream.name.clone()),
            can_list: shut.is_none() && is_readable,
            is_readable,
            can_open: false,
            code: None,
            finding: String::new(),
            mend: None,
        };
        if let Some((code, what)) = shut {
            report.code = Some(*code);
            report.finding = what.clone();
            report.mend = Some("mend the entrance first (above)".to_owned());
        } else if !app_decision.is_allowed() {
            report.code = Some(Code::RuleDenied);
            (report.finding, report.mend) =
                why_hidden(guard, app, stream, stream_decision, &app_decision);
        } else if !nodes::some_may_open(site, guard.caller(), app) {
            report.code = Some(Code::NodeNone);
            let nodes::Unplaced { finding, mend } = nodes::why_none(site, guard.caller(), app);
            (report.finding, report.mend) = (finding, Some(mend));
        } else if let Some(Admission::Refused(refusal)) = admission {
            report.code = Some(licence_code(refusal.code));
            report.finding = "the rules show it, but no licence pool serves a visitor".to_owned();
            report.mend = Some("mend the licence gate (above)".to_owned());
        } else if self.data_file(app.id).is_none_or(|file| !file.is_file()) {
            report.finding =
                "the app has no data: it was never reloaded, or its file is gone".into();
            report.mend = Some(format!("reload the app: loggia reload {}", app.id));
        } else {
            report.can_open = true;
            let sheets = site.objects_of(app.id).filter(|object| object.object_type == "sheet");
            let sheets = guard.readable(sheets, |sheet| Record::AppObject(sheet).entity()).len();
            report.finding =
                format!("opens with {sheets} {}", if sheets == 1 { "sheet" } else { "sheets" });
            if sheets == 0 {
                report.mend = Some("publish and approve at least one sheet".to_owned());
            }
        }
        report
    }
}

/// The gates so far, and why the entrance is shut.
#[derive(Default)]
struct Gates {
    reports: Vec<GateReport>,
    blocked: Option<(Code, String)>,
    has_failed: bool,
}

impl Gates {
    fn report(
        &mut self,
        name: &'static str,
        outcome: GateOutcome,
        finding: String,
        mend: Option<String>,
    ) {
        self.has_failed |= outcome == GateOutcome::Fail;
        let number = u8::try_from(self.reports.len() + 1).unwrap_or(u8::MAX);
        self.reports.push(GateReport { number, name, outcome, finding, mend });
    }

    fn entrance(&mut self, site: &Site, prefix: &Prefix) -> Option<Arc<VirtualProxy>> {
        let found = site.entrance_anywhere(prefix).cloned();
        match &found {
            Some(entrance) if !site.is_linked(entrance.id) => {
                let what = format!("no proxy serves {}, so nobody can reach it", address(prefix));
                self.blocked = Some((Code::EntUnknown, what.clone()));
                self.report(
                    "entrance",
                    GateOutcome::Fail,
                    what,
                    Some(format!(
                        "set linked of virtual proxy {} to true, or add it to \
                         settings.virtualProxies of proxy service {}",
                        entrance.id,
                        site.proxy_service().id
                    )),
                );
            }
            Some(entrance) => self.report(
                "entrance",
                GateOutcome::Pass,
                format!("{} is {:?}", address(prefix), entrance.description),
                None,
            ),
            None => {
                let known: Vec<_> =
                    site.virtual_proxies().map(|known| address(&known.prefix)).collect();
                let what = format!("there is no entrance {}", address(prefix));
                self.blocked = Some((Code::EntUnknown, what.clone()));
                self.report(
                    "entrance",
                    GateOutcome::Fail,
                    what,
                    Some(format!(
                        "make a virtual proxy with the prefix {:?} and anonymous mode 1; there are: {}",
                        prefix.as_str(),
                        known.join(", ")
                    )),
                );
            }
        }
        found
    }

    fn mode(&mut self, entrance: Option<&VirtualProxy>) {
        let Some(entrance) = entrance else {
            return self.report("anonymous mode", GateOutcome::Skipped, String::new(), None);
        };
        let (outcome, finding, mend) = match entrance.anonymous {
            AnonymousMode::Never => {
                let what = "anonymous access mode is 0: everybody must sign in".to_owned();
                self.blocked = Some((Code::EntLogin, what.clone()));
                let mend = if entrance.prefix.is_default() {
                    "use a separate entrance, such as /public, with anonymous access mode 1; the \
                     same on the default entrance would make visitors of everybody who signs in \
                     silently"
                        .to_owned()
                } else {
                    format!(
                        "set anonymousAccessMode of virtual proxy {} to 1 (visitors and people who \
                         sign in) or 2 (visitors only)",
                        entrance.id
                    )
                };
                (GateOutcome::Fail, what, Some(mend))
            }
            AnonymousMode::Allowed => (
                GateOutcome::Pass,
                "anonymous access mode is 1: visitors, and people who sign in".to_owned(),
                None,
            ),
            AnonymousMode::Always => {
                (GateOutcome::Pass, "anonymous access mode is 2: visitors only".to_owned(), None)
            }
            AnonymousMode::SilentFirst => (
                GateOutcome::Pass,
                "anonymous access mode is 3: whom single sign-on does not recognise is a visitor"
                    .to_owned(),
                None,
            ),
        };
        self.report("anonymous mode", outcome, finding, mend);
    }

    fn account(&mut self) {
        self.report(
            "account",
            GateOutcome::Pass,
            "a visitor has no account that could be blocked".to_owned(),
            None,
        );
    }

    fn licence(&mut self, guard: &Guard<'_>, (admission, view): &(Option<Admission>, PoolsView)) {
        let site = guard.site();
        let refusal = match admission {
            Some(Admission::Refused(refusal)) => refusal,
            Some(Admission::Charge(charge)) => {
                let name =
                    site.pool(charge.pool).map(|pool| pool.name.as_str()).unwrap_or_default();
                let left = view
                    .pools
                    .iter()
                    .find(|pool| pool.pool.id == charge.pool)
                    .and_then(|pool| pool.remaining(true));
                let left =
                    left.map_or("without limit".to_owned(), |left| format!("with {left} left"));
                return self.report(
                    "licence",
                    GateOutcome::Pass,
                    format!("pool {name:?} admits a visitor, {left}"),
                    None,
                );
            }
            Some(Admission::Covered { .. }) | None => {
                return self.report(
                    "licence",
                    GateOutcome::Pass,
                    "nothing to pay".to_owned(),
                    None,
                );
            }
        };
        let (finding, mend) =
            match view.pools.iter().find(|pool| refusal.pools.contains(&pool.pool.id)) {
                Some(empty) => (
                    format!("pool {:?} admits a visitor but is used up", empty.pool.name),
                    match refusal.renews {
                        Some(_) => format!(
                            "raise the capacity of pool {}, allow overage, or wait until it renews",
                            empty.pool.id
                        ),
                        None => format!("raise the capacity of pool {}", empty.pool.id),
                    },
                ),
                None => (no_pool(view), mend_pool(guard, view)),
            };
        self.report("licence", GateOutcome::Fail, finding, Some(mend));
    }

    fn content(&mut self, guard: &Guard<'_>, apps: &[AppReport]) {
        let site = guard.site();
        let streams = guard
            .readable(site.streams(), |stream| Record::Stream(stream).entity())
            .iter()
            .map(|stream| format!("{:?}", stream.name))
            .collect::<Vec<_>>();
        if streams.is_empty() {
            let (finding, mend) = no_stream(guard);
            return self.report("rules", GateOutcome::Fail, finding, Some(mend));
        }
        let listed = apps.iter().filter(|app| app.is_readable).count();
        let noun = if listed == 1 { "app" } else { "apps" };
        let finding = format!("a visitor may read {} and {listed} {noun}", streams.join(", "));
        if listed == 0 {
            let is_there = |app: &AppReport| app.code == Some(Code::RuleDenied);
            let is_readable = |app: &&AppReport| {
                let name = app.stream.as_ref().map(|name| format!("{name:?}"));
                name.is_some_and(|name| streams.contains(&name))
            };
            let mend = match apps.iter().filter(is_readable).any(is_there) {
                true => "let visitors see one of the apps of these streams (below)",
                false => "publish an app to one of these streams",
            };
            let mend = mend.to_owned();
            return self.report("rules", GateOutcome::Fail, finding, Some(mend));
        }
        self.report("rules", GateOutcome::Pass, finding, None);
    }

    fn data(&mut self, apps: &[AppReport]) {
        if self.has_failed {
            return self.report("data", GateOutcome::Skipped, String::new(), None);
        }
        let open = apps.iter().filter(|app| app.can_open).count();
        let listed = apps.iter().filter(|app| app.can_list).count();
        let finding = format!("{open} of {listed} listed apps have data");
        if open == 0 {
            let mend = "reload an app: loggia reload <app id>".to_owned();
            return self.report("data", GateOutcome::Fail, finding, Some(mend));
        }
        self.report("data", GateOutcome::Pass, finding, None);
    }
}

fn no_stream(guard: &Guard<'_>) -> (String, String) {
    let site = guard.site();
    let nothing = "a visitor may read no stream";
    // One that only a forbidding rule shuts was meant to be open.
    for stream in site.streams() {
        let decision = guard.decide(Record::Stream(stream), Action::Read);
        if decision.outcome == Outcome::Forbidden && !decision.granted_by.is_empty() {
            let rules = forbidding(site, &decision).join(", ");
            let finding = format!("{nothing}; {:?} is forbidden by {rules}", stream.name);
            return (finding, mend_forbidden(guard, None, &decision));
        }
    }
    (nothing.to_owned(), "open one to everybody: loggia stream public <name>".to_owned())
}

fn nowhere(prefix: &Prefix) -> Caller {
    use loggia_model::{Environment, VisitorId};
    let environment = Environment { virtual_proxy: prefix.clone(), ..Environment::default() };
    Caller::visitor(VisitorId(Uuid::new_v4()), environment)
}

fn address(prefix: &Prefix) -> String {
    if prefix.is_default() { "/".to_owned() } else { prefix.base() }
}

fn licence_code(code: loggia_licence::RefusalCode) -> Code {
    match code {
        loggia_licence::RefusalCode::None => Code::LicNone,
        loggia_licence::RefusalCode::Empty => Code::LicEmpty,
        loggia_licence::RefusalCode::AnonymousKind => Code::LicAnonKind,
        loggia_licence::RefusalCode::Sessions => Code::LicSessions,
        loggia_licence::RefusalCode::Address => Code::LicAddress,
    }
}

fn no_pool(view: &PoolsView) -> String {
    let disabled = |pool: &&loggia_licence::PoolView| pool.admits && pool.pool.is_disabled;
    if let Some(pool) = view.pools.iter().find(disabled) {
        return format!("pool {:?} would admit a visitor but is disabled", pool.pool.name);
    }
    let named = view.pools.iter().find(|pool| pool.admits && is_named(pool.pool.kind));
    if let Some(pool) = named {
        return format!(
            "only pool {:?} has a rule for visitors, and it holds seats of named people, which \
             never serve a visitor",
            pool.pool.name
        );
    }
    "no licence pool has a rule that admits a visitor".to_owned()
}

fn mend_pool(guard: &Guard<'_>, view: &PoolsView) -> String {
    let disabled = |pool: &&loggia_licence::PoolView| pool.admits && pool.pool.is_disabled;
    if let Some(pool) = view.pools.iter().find(disabled) {
        return format!("enable pool {}", pool.pool.id);
    }
    let pooled =
        view.pools.iter().filter(|pool| !is_named(pool.pool.kind) && !pool.pool.is_disabled);
    for pool in pooled {
        let entity = Entity::new(pool_kind(pool.pool.kind), pool.pool.id.0);
        if let Some(rule) =
            switched_off(guard, RuleCategory::License, &entity, Action::Create, &|_| true)
        {
            return format!("enable the licence rule {:?} ({})", rule.name, rule.id);
        }
    }
    let kind = pool_kind(PoolKind::AnalyzerCapacity);
    match view.pools.iter().find(|pool| pool.pool.kind == PoolKind::AnalyzerCapacity) {
        Some(pool) => format!(
            "add or enable a licence rule: resource filter {kind}_{}, condition user.IsAnonymous()",
            pool.pool.id
        ),
        None => format!(
            "make a pool of analyzer capacity and a licence rule for it: resource filter \
             {kind}_<id of the pool>, condition user.IsAnonymous()"
        ),
    }
}

/// A disabled rule that would let the visitor through: the likeliest thing to mend.
fn switched_off<'a>(
    guard: &Guard<'a>,
    category: RuleCategory,
    entity: &Entity,
    action: Action,
    is_meant: &dyn Fn(&SystemRule) -> bool,
) -> Option<&'a SystemRule> {
    let facts = guard.facts(None);
    let site = guard.site();
    let mut candidates: Vec<_> = site
        .rules()
        .filter(|rule| rule.is_disabled && rule.category == category && !rule.is_forbidding)
        .filter(|rule| is_meant(rule))
        .filter(|rule| {
            compile_rule(rule).is_ok_and(|compiled| {
                if category == RuleCategory::License {
                    return compiled.filter.matches(entity) && admits(&compiled.condition, &facts);
                }
                // The others stay in force: what the rule needs may be granted by them.
                let rules = site.security().with(vec![compiled], &[]);
                allows(&rules, &facts, guard.context(), entity, action)
            })
        })
        .collect();
    candidates.sort_by_key(|rule| rule.id);
    candidates.first().copied()
}

fn why_hidden(
    guard: &Guard<'_>,
    app: &App,
    stream: Option<&Arc<Stream>>,
    stream_decision: Option<Decision>,
    app_decision: &Decision,
) -> (String, Option<String>) {
    match (stream, stream_decision) {
        (Some(stream), Some(decision)) if !decision.is_allowed() => {
            let mend = match decision.outcome {
                Outcome::Forbidden => mend_forbidden(guard, None, &decision),
                _ => enable(guard, Record::Stream(stream))
                    .unwrap_or_else(|| make_public(guard.site(), stream)),
            };
            let why = finding(guard, Record::Stream(stream), &decision);
            (format!("stream {:?} is not readable: {why}", stream.name), Some(mend))
        }
        (Some(stream), _) => {
            let mend = match app_decision.outcome {
                Outcome::Forbidden => mend_forbidden(guard, Some(app), app_decision),
                _ => enable(guard, Record::App(app)).unwrap_or_else(|| {
                    format!(
                        "add a security rule: resource filter App_{}, action read, condition \
                         user.IsAnonymous(), context hub",
                        app.id
                    )
                }),
            };
            let why = finding(guard, Record::App(app), app_decision);
            (format!("stream {:?} is readable, the app is not: {why}", stream.name), Some(mend))
        }
        (None, _) => (
            "the app is not published".to_owned(),
            Some("publish it to a stream that visitors may read".to_owned()),
        ),
    }
}

/// The decision's reasons in one line, as `explain` puts them.
fn finding(guard: &Guard<'_>, record: Record<'_>, decision: &Decision) -> String {
    if decision.outcome == Outcome::Forbidden {
        return format!("forbidden by {}", forbidding(guard.site(), decision).join(", "));
    }
    let nearest = guard.nearest(decision, &record.entity());
    match nearest.first().filter(|near| guard.may_concern(near.rule)) {
        Some(near) => format!(
            "no rule grants it; nearest is {:?}, where {} fails",
            near.rule_name, near.clause
        ),
        None => "no rule grants it".to_owned(),
    }
}

/// The rules that forbid it, by name and id.
fn forbidding(site: &Site, decision: &Decision) -> Vec<String> {
    let rules = decision.forbidden_by.iter().filter_map(|id| site.rule(RuleId(*id)));
    rules.map(|rule| format!("{:?} ({})", rule.name, rule.id)).collect()
}

/// No rule that allows it helps while another forbids it: that one is to be changed.
fn mend_forbidden(guard: &Guard<'_>, app: Option<&App>, decision: &Decision) -> String {
    let site = guard.site();
    let mut mends = Vec::new();
    for id in &decision.forbidden_by {
        let Some(rule) = site.rule(RuleId(*id)) else { continue };
        let list = app.and_then(|app| Some((app, share::list_of_app(site, app, rule.id)?)));
        mends.push(match list {
            Some((app, members)) => {
                let own = |word: &String| format!(" --own {}", shell_word(word));
                let others: String = members.iter().map(own).collect();
                format!(
                    "put visitors on the list: loggia app audience {0} --own visitors{others}; or \
                     take the list away: loggia app audience {0} --same-as-stream",
                    app.id
                )
            }
            None => format!(
                "change the condition of the forbidding rule {:?} ({}) so that it leaves visitors \
                 out, or disable it",
                rule.name, rule.id
            ),
        });
    }
    format!("if visitors are meant to see it, {}", mends.join("; and "))
}

/// To enable a disabled rule, when it is about this thing alone, in the hub: of any other nobody
/// can tell what else it would open.
fn enable(guard: &Guard<'_>, record: Record<'_>) -> Option<String> {
    let entity = record.entity();
    let is_meant =
        |rule: &SystemRule| rule.context == HUB_ONLY && names_only(&rule.resource_filter, &entity);
    let found = switched_off(guard, RuleCategory::Security, &entity, Action::Read, &is_meant)?;
    Some(format!("enable the rule {:?} ({})", found.name, found.id))
}

fn make_public(site: &Site, stream: &Stream) -> String {
    let is_other = |other: &&Arc<Stream>| {
        other.id != stream.id && other.name.to_lowercase() == stream.name.to_lowercase()
    };
    let word = match site.streams().find(is_other) {
        Some(_) => stream.id.text(),
        None => shell_word(&stream.name),
    };
    format!("if it is meant to be public, open it to everybody: loggia stream public {word}")
}

/// A word as shells take it.
fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-.:@=/".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
