//! Is an app, or a sheet of it, for everybody who reads the stream, or for some of them?

use super::*;

use loggia_model::UserId;

use super::list::{Choice, Member};
use crate::Repository;
use crate::manage::{Conflict, Plan, Violation};

/// Where an audience can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SharedPlace {
    App(AppId),
    /// A sheet; the objects on it follow it.
    Sheet(ObjectId),
}

/// Who an app or a sheet is for.
#[derive(Clone, Debug)]
pub struct AudienceState {
    /// None when the caller may not read it.
    pub app: Option<Arc<App>>,
    /// None when it is about the app as a whole.
    pub sheet: Option<Arc<AppObject>>,
    /// None when the caller may not read it, and when there is none.
    pub stream: Option<Arc<Stream>>,
    pub is_in_stream: bool,
    pub kind: AudienceKind,
    /// The list, when there is one, in force or not.
    pub members: Vec<ListedMember>,
    /// How many more members there are, whom the caller may not read.
    pub hidden_members: usize,
    /// The rule behind the list, or the one that took its place.
    /// None as well when the caller may not read it.
    pub rule: Option<SystemRule>,
    /// Other rules that forbid it to somebody.
    pub forbidding: Vec<Influence>,
    /// How many more of them there are.
    pub hidden_rules: usize,
    pub readers: Readers,
    /// What is worth knowing, in sentences.
    pub notes: Vec<String>,
    pub version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceKind {
    /// Everybody who may read the stream.
    SameAsStream,
    /// Of them only the owner and the members of a list.
    Own,
    /// The rule of the list was edited by hand into something else.
    OwnRule,
}

/// A member of a list and whom it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMember {
    pub member: Member,
    /// What to call it.
    pub name: String,
    /// False for a user who is gone.
    pub is_known: bool,
    /// How many people it means.
    pub people: usize,
}

/// How much is told of why a list would not do.
const MOST_TOLD: usize = 10;

/// The thing with what it belongs to, in one site.
struct Place<'s> {
    app: &'s Arc<App>,
    sheet: Option<&'s Arc<AppObject>>,
}

impl Repository {
    /// Who an app or a sheet is for. Needs *update* on it.
    pub fn audience(
        &self,
        caller: &Caller,
        place: SharedPlace,
    ) -> Result<AudienceState, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let place = enter_place(&guard, place)?;
        let sight = Sight { now: &guard, next: &guard };
        self.audience_state(&site, &sight, &place, &Crowd::of(&site))
    }

    /// Narrows an app or a sheet to a list, or takes the list away. A list never opens anything:
    /// its members also need to read the stream. Needs *update* on the thing and the rights on the
    /// rule itself. Nothing is stored unless exactly the people meant would read it.
    pub fn set_audience(
        &self,
        caller: &Caller,
        place: SharedPlace,
        choice: &Choice,
    ) -> Result<Shared<AudienceState>, ManageError> {
        self.change(caller, |site| self.plan_audience(site, caller, place, choice))
    }

    /// What [`Repository::set_audience`] would answer; stores nothing.
    pub fn preview_audience(
        &self,
        caller: &Caller,
        place: SharedPlace,
        choice: &Choice,
    ) -> Result<Shared<AudienceState>, ManageError> {
        self.plan_audience(&self.site(), caller, place, choice).map(|(_, answer)| answer)
    }

    fn plan_audience(
        &self,
        site: &Site,
        caller: &Caller,
        place: SharedPlace,
        choice: &Choice,
    ) -> Plan<Shared<AudienceState>> {
        let guard = self.enter(site, caller)?;
        let place = enter_place(&guard, place)?;
        let thing = place.thing();
        let present = site.rule(list::rule_id(thing));
        // Whether they may is decided before the list is read, so that it answers nothing.
        match (choice, present) {
            (Choice::SameAsStream, None) => {}
            (Choice::SameAsStream, Some(rule)) => drop(delete_rule(&guard, rule)?),
            (Choice::Own(_), _) => {
                let mut draft = list::rule(thing, &[], guard.stamp());
                draft.tags = present.map(|rule| rule.tags.clone()).unwrap_or_default();
                put_rule(&guard, draft)?;
            }
        }
        if let Some(rule) = present.filter(|rule| list::members(thing, rule).is_none()) {
            let why = format!(
                "the {} was edited by hand, so that it is no list any more; change it there, or \
                 delete it and repeat this",
                called_rule(&guard, rule)
            );
            return Err(Conflict::Protected { why }.into());
        }
        let crowd = Crowd::of(site);
        let mut changes = Vec::new();
        let mut members = None;
        match (choice, present) {
            (Choice::SameAsStream, None) => {}
            (Choice::SameAsStream, Some(rule)) => changes.push(delete_rule(&guard, rule)?),
            (Choice::Own(texts), present) => {
                let wanted = list::read(&guard, texts)?;
                let mut rule = list::rule(thing, &wanted, guard.stamp());
                list::check_length(&rule)?;
                if let Some(present) = present {
                    rule.tags.clone_from(&present.tags);
                }
                let is_there = present
                    .is_some_and(|present| !present.is_disabled && says_the_same(present, &rule));
                if !is_there {
                    changes.push(put_rule(&guard, rule)?);
                }
                members = Some(wanted);
            }
        }
        let next = match changes.is_empty() {
            true => site.clone(),
            false => site.after(site.version() + 1, &changes)?,
        };
        if let Some(members) = &members {
            try_list(&guard, &next, &place, members, &crowd)?;
        }
        let entity = thing.record().entity();
        let before = crowd.may_read(site, &entity);
        let after = crowd.may_read(&next, &entity);
        let (gained, lost) = crowd.shifts(&before, &after);
        let after = Guard::new(&next, caller, guard.now());
        let sight = Sight { now: &guard, next: &after };
        let state = self.audience_state(&next, &sight, &place, &crowd)?;
        let (gained, lost) = (sight.shift(gained), sight.shift(lost));
        Ok((changes, Shared { state, gained, lost }))
    }

    fn audience_state(
        &self,
        site: &Site,
        sight: &Sight<'_>,
        place: &Place<'_>,
        crowd: &Crowd,
    ) -> Result<AudienceState, ManageError> {
        let thing = place.thing();
        let entity = thing.record().entity();
        let rule = site.rule(list::rule_id(thing)).cloned();
        let members = rule.as_ref().map(|rule| list::members(thing, rule));
        let is_in_force = rule.as_ref().is_some_and(|rule| !rule.is_disabled);
        let kind = match &members {
            _ if !is_in_force => AudienceKind::SameAsStream,
            Some(None) => AudienceKind::OwnRule,
            Some(Some(_)) => AudienceKind::Own,
            None => AudienceKind::SameAsStream,
        };
        let may_read = crowd.may_read(site, &entity);
        let mut forbidding = crowd.influences(site, &entity);
        let own = rule.as_ref().map(|rule| rule.id);
        forbidding.retain(|rule| rule.is_forbidding && Some(rule.rule) != own);
        let members = members.flatten().unwrap_or_default();
        let (forbidding, hidden) = sight.split(forbidding);
        let stream = place.app.stream.and_then(|stream| site.stream(stream)).cloned();
        let mut state = AudienceState {
            app: Some(place.app.clone()),
            sheet: place.sheet.cloned(),
            is_in_stream: stream.is_some(),
            stream,
            kind,
            members: members.iter().map(|member| listed(site, member, crowd)).collect(),
            hidden_members: 0,
            rule,
            forbidding,
            hidden_rules: hidden.len(),
            readers: crowd.readers(&may_read),
            notes: Vec::new(),
            version: site.version(),
        };
        let mut notes = notes(site, sight, place, &state, &hidden, crowd, &may_read);
        if let Some(sheet) = place.sheet {
            notes.extend(self.loose_content(site, sight, sheet)?);
        }
        withhold(&mut state, sight);
        if state.hidden_members > 0 && state.rule.is_some() {
            notes.push(format!(
                "{} of the list are not shown to you; a list sent without them takes them off",
                members_in_words(state.hidden_members)
            ));
        }
        state.notes = notes;
        Ok(state)
    }

    /// What a sheet shows although it is not inside it: that does not follow it.
    fn loose_content(
        &self,
        site: &Site,
        sight: &Sight<'_>,
        sheet: &AppObject,
    ) -> Result<Vec<String>, ManageError> {
        let stored = self.inner.store.app_properties(sheet.app)?;
        let is_inside = |object: &AppObject| site.sheets_of(object).any(|on| on.id == sheet.id);
        let mut notes = Vec::new();
        for entry in &stored {
            let Some(object) = site.object(entry.object).filter(|object| is_inside(object)) else {
                continue;
            };
            let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
            let mut named: Vec<String> =
                entry.properties.get("qExtendsId").and_then(text).into_iter().collect();
            if object.id == sheet.id {
                let cells = entry.properties.get("cells").and_then(serde_json::Value::as_array);
                named
                    .extend(cells.into_iter().flatten().filter_map(|cell| text(cell.get("name")?)));
            }
            for name in named {
                let loose = site.object_in_app(sheet.app, &name);
                if let Some(loose) = loose.filter(|loose| !is_inside(loose)) {
                    let shown = sight.shows(Record::AppObject(loose)).then(|| format!("{name:?}"));
                    let name = shown.unwrap_or_else(|| "something".to_owned());
                    notes.push(format!(
                        "{name} is shown on the sheet but is not inside it, so it stays \
                         readable with the app"
                    ));
                }
            }
        }
        notes.sort();
        notes.dedup();
        Ok(notes)
    }
}

impl<'s> Place<'s> {
    fn thing(&self) -> Thing<'s> {
        match self.sheet {
            Some(sheet) => Thing::Object(sheet),
            None => Thing::App(self.app),
        }
    }

    fn what(&self) -> &'static str {
        if self.sheet.is_some() { "sheet" } else { "app" }
    }

    /// Who reads it whatever the list says.
    fn owners(&self, site: &Site) -> Vec<UserId> {
        let sheets = self.sheet.into_iter().flat_map(|sheet| site.sheets_of(sheet));
        sheets.map(|sheet| sheet.owner).chain([self.app.owner]).collect()
    }

    /// It, and what must be as hidden as it is.
    fn with_contents(&self, site: &'s Site) -> Vec<&'s AppObject> {
        match self.sheet {
            Some(sheet) => site.inside(sheet).into_iter().map(Arc::as_ref).collect(),
            None => site.objects_of(self.app.id).map(Arc::as_ref).collect(),
        }
    }
}

fn enter_place<'s>(guard: &Guard<'s>, place: SharedPlace) -> Result<Place<'s>, ManageError> {
    let site = guard.site();
    match place {
        SharedPlace::App(id) => {
            let app = site.app(id).ok_or_else(|| guard.unknown("app", Some(id.0)))?;
            guard.require(Record::App(app), Action::Update)?;
            Ok(Place { app, sheet: None })
        }
        SharedPlace::Sheet(id) => {
            let unknown = || guard.unknown("app object", Some(id.0));
            let sheet = site.object(id).ok_or_else(unknown)?;
            guard.require(Record::AppObject(sheet), Action::Update)?;
            if !is_sheet(sheet) {
                let message = format!(
                    "this is a {}; only sheets have an audience, and what is on one follows it",
                    sheet.object_type
                );
                return Err(ManageError::Invalid(vec![Violation::new("id", message)]));
            }
            let app = site.app(sheet.app).ok_or_else(unknown)?;
            Ok(Place { app, sheet: Some(sheet) })
        }
    }
}

/// Tries a list before it is stored: of those whom the other rules let read, exactly the members
/// and owners must be left, of the thing and of everything in it.
fn try_list(
    guard: &Guard<'_>,
    next: &Site,
    place: &Place<'_>,
    members: &[Member],
    crowd: &Crowd,
) -> Result<(), ManageError> {
    let site = guard.site();
    let thing = place.thing();
    let entity = thing.record().entity();
    let without = match site.rule(list::rule_id(thing)) {
        Some(rule) => site.after(site.version() + 1, &[Change::DeleteRule(rule.id)])?,
        None => site.clone(),
    };
    let owners = place.owners(site);
    let meant: Vec<bool> = crowd
        .kinds
        .iter()
        .map(|guest| is_owner(guest, &owners) || members.iter().any(|member| member.means(guest)))
        .collect();
    let open = crowd.may_read(&without, &entity);
    let read = crowd.may_read(next, &entity);
    let manages = crowd.may(next, RequestContext::Console, &entity, Action::Update);
    let console = crowd.may(next, RequestContext::Console, &entity, Action::Read);
    let mut wrong = Vec::new();
    let shown = |record: Record<'_>| guard.decide(record, Action::Read).is_allowed();
    // Only the first few are told, so only those are asked about.
    let called = |guest: &Guest, told: usize| match guest {
        Guest::Visitor { .. } => "visitors".to_owned(),
        Guest::Person(user) if told < MOST_TOLD && shown(Record::User(user)) => {
            user.key.to_string()
        }
        Guest::Person(_) => "somebody".to_owned(),
    };
    for (at, guest) in crowd.kinds.iter().enumerate() {
        let is = |truths: &[bool]| truths.get(at).copied().unwrap_or(false);
        if is(&read) != (is(&open) && is(&meant)) {
            let word = if is(&read) { "would still read it" } else { "would lose it" };
            wrong.push(format!("{} {word}", called(guest, wrong.len())));
        }
        if is(&console) && !is(&meant) && !is(&manages) && !is_auditor(guest) {
            wrong.push(format!("{} would still see it in the console", called(guest, wrong.len())));
        }
    }
    let outsiders = crowd.only(|at| !meant.get(at).copied().unwrap_or(false));
    let contents = place.with_contents(site);
    let entities: Vec<Entity> =
        contents.iter().map(|object| Record::AppObject(object).entity()).collect();
    let each = outsiders.may_read_each(next, &entities);
    for (object, read) in contents.into_iter().zip(each) {
        for (guest, _) in outsiders.kinds.iter().zip(read).filter(|(_, read)| *read) {
            // What somebody made themselves stays theirs.
            if !is_owner(guest, &[object.owner]) {
                let what = match wrong.len() < MOST_TOLD && shown(Record::AppObject(object)) {
                    true => format!("{:?}", object.engine_id),
                    false => "something in it".to_owned(),
                };
                wrong.push(format!("{} would still read {what}", called(guest, wrong.len())));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let count = wrong.len();
    wrong.truncate(MOST_TOLD);
    if count > wrong.len() {
        wrong.push(format!("and {} more", count - wrong.len()));
    }
    let why = format!("the list would not do what it says: {}", wrong.join("; "));
    Err(Conflict::Protected { why }.into())
}

fn is_owner(guest: &Guest, owners: &[UserId]) -> bool {
    matches!(guest, Guest::Person(user) if owners.contains(&user.id))
}

fn is_auditor(guest: &Guest) -> bool {
    let is_role = |role: &String| role.eq_ignore_ascii_case("AuditAdmin");
    matches!(guest, Guest::Person(user) if user.roles.iter().any(is_role))
}

/// Takes out what the caller may not read.
fn withhold(state: &mut AudienceState, sight: &Sight<'_>) {
    state.app = state.app.take().filter(|app| sight.shows(Record::App(app)));
    state.stream = state.stream.take().filter(|stream| sight.shows(Record::Stream(stream)));
    let all = state.members.len();
    let is_hidden = |rule: &SystemRule| !sight.shows(Record::Rule(rule));
    if state.rule.as_ref().is_some_and(is_hidden) {
        state.rule = None;
        state.members.clear();
    }
    let user_of = |listed: &ListedMember| match listed.member {
        Member::User(id) if listed.is_known => Some(id),
        _ => None,
    };
    let shown = sight.users(state.members.iter().filter_map(user_of));
    state.members.retain(|listed| user_of(listed).is_none_or(|id| shown.contains(&id)));
    state.hidden_members = all - state.members.len();
}

fn listed(site: &Site, member: &Member, crowd: &Crowd) -> ListedMember {
    let (name, is_known) = match member {
        Member::User(id) => match site.user(*id) {
            Some(user) => (format!("{} ({})", user.name, user.key), true),
            None => ("a user who is gone".to_owned(), false),
        },
        other => (other.to_string(), true),
    };
    let is_meant = |guest: &&Guest| matches!(guest, Guest::Person(_)) && member.means(guest);
    let people = crowd.kinds.iter().filter(is_meant).count();
    ListedMember { member: member.clone(), name, is_known, people }
}

fn notes(
    site: &Site,
    sight: &Sight<'_>,
    place: &Place<'_>,
    state: &AudienceState,
    hidden: &[Influence],
    crowd: &Crowd,
    may_read: &[bool],
) -> Vec<String> {
    let what = place.what();
    let mut notes = Vec::new();
    let rule = state.rule.as_ref().map(|rule| match sight.shows(Record::Rule(rule)) {
        true => format!("rule {:?}", rule.name),
        false => "rule".to_owned(),
    });
    match (rule, state.kind) {
        (Some(rule), AudienceKind::SameAsStream) => {
            notes.push(format!("there is a list, but its {rule} is switched off"))
        }
        (Some(rule), AudienceKind::OwnRule) => {
            notes.push(format!("the {rule} was edited by hand; who is let in stands there"))
        }
        _ => {}
    }
    if place.sheet.is_some() && list::is_in_force(site, Thing::App(place.app)) {
        notes.push("the app is narrowed as well: who does not meet it meets no sheet".to_owned());
    }
    let of_app = list::rule_id(Thing::App(place.app));
    let is_other = |rule: &&Influence| rule.rule != of_app;
    let shown = state.forbidding.iter().filter(is_other);
    let other = named(shown, hidden.iter().filter(is_other));
    if !other.is_empty() {
        notes.push(format!("other rules forbid it to some: {other}"));
    }
    let Some(stream) = &state.stream else {
        notes.push("the app is in no stream, so only its owner works with it for now".to_owned());
        return notes;
    };
    if place.sheet.is_some_and(|sheet| !sheet.is_published) {
        notes.push("the sheet is private to its owner until it is published".to_owned());
    }
    if state.kind != AudienceKind::Own {
        return notes;
    }
    if state.members.is_empty() {
        notes.push(format!("nobody is on the list: only the owner meets the {what}"));
    }
    let gone = state.members.iter().filter(|member| !member.is_known).count();
    if gone > 0 {
        notes.push(format!("{} of the list no longer there", are(gone)));
    }
    let reads_stream = crowd.may_read(site, &Record::Stream(stream).entity());
    let (mut no_stream, mut otherwise) = (0, 0);
    let mut visitors_are_out = state.members.iter().any(|m| m.member == Member::Visitors);
    for ((guest, may_read), reads_stream) in crowd.kinds.iter().zip(may_read).zip(reads_stream) {
        match guest {
            Guest::Visitor { .. } => visitors_are_out &= !may_read,
            Guest::Person(_) => {
                let is_meant = state
                    .members
                    .iter()
                    .any(|listed| listed.member.is_narrow() && listed.member.means(guest));
                if is_meant && !may_read {
                    *(if reads_stream { &mut otherwise } else { &mut no_stream }) += 1;
                }
            }
        }
    }
    if visitors_are_out {
        notes.push(format!("visitors cannot read the stream, so they will not see the {what}"));
    }
    if no_stream > 0 {
        notes.push(format!(
            "{} cannot read the stream, so they will not see the {what}",
            members_in_words(no_stream)
        ));
    }
    if otherwise > 0 {
        notes.push(format!(
            "{} of the stream will not see the {what}: no rule lets them, or another forbids it",
            members_in_words(otherwise)
        ));
    }
    notes
}

fn members_in_words(count: usize) -> String {
    if count == 1 { "1 member".to_owned() } else { format!("{count} members") }
}

fn are(count: usize) -> String {
    if count == 1 { "1 user is".to_owned() } else { format!("{count} users are") }
}
