//! A list of members as one forbidding rule, there and back.
//!
//! The rule forbids reading to everybody but the owner and the members, so that a list can only
//! narrow what other rules open: whoever may read the stream *and* is on the list meets the thing.
//! It is in force in the console too, where everybody who may read the stream could otherwise list
//! the names of hidden apps and sheets over REST; who manages or audits the site keeps seeing them.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::*;

use loggia_rules::{Outline, OutlineTest, quote, same_name};

use crate::manage::Problems;

/// Who meets an app or a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Everybody who may read the stream.
    SameAsStream,
    /// Of them only the owner and these.
    Own(Vec<MemberText>),
}

/// A member as somebody writes it; read only once it is clear that they may ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberText {
    /// `visitors`, `signedin`, `user`, `role`, `group` or `property`.
    pub kind: String,
    /// A role, a group, a property's value; for a user the id of the row or `DIRECTORY\id`.
    pub value: String,
    /// A property's name, without `@`.
    pub name: String,
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Member {
    /// Everybody who has not signed in.
    Visitors,
    /// Everybody who has.
    SignedIn,
    User(UserId),
    Role(String),
    /// Of the directory attribute `group`.
    Group(String),
    /// Everybody with this value of a custom property.
    Property {
        name: String,
        value: String,
    },
}

/// Longest list, so that its rule stays readable and below the longest condition.
const MOST_MEMBERS: usize = 1_000;
/// Longest list in bytes: as much as the longest condition, which it becomes.
const MOST_BYTES: usize = 65_536;
const TOO_LONG: &str = "the list makes a condition of more than 64 KB; a role, a group or a \
                        property stands for many people at once";
/// Longest value, in characters.
const LONGEST_VALUE: usize = 256;

const KINDS: [&str; 6] = ["visitors", "signedin", "user", "role", "group", "property"];

impl Member {
    /// The word of [`MemberText::kind`].
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Member::Visitors => "visitors",
            Member::SignedIn => "signedin",
            Member::User(_) => "user",
            Member::Role(_) => "role",
            Member::Group(_) => "group",
            Member::Property { .. } => "property",
        }
    }

    /// As the command line takes it; none for a user who is gone.
    pub(super) fn word(&self, site: &Site) -> Option<String> {
        Some(match self {
            Member::Visitors | Member::SignedIn => self.kind().to_owned(),
            Member::User(id) => format!("user:{}", site.user(*id)?.key),
            Member::Role(value) | Member::Group(value) => format!("{}:{value}", self.kind()),
            Member::Property { name, value } => format!("@{name}={value}"),
        })
    }

    /// Whether it names some people rather than all of a kind.
    pub(super) fn is_narrow(&self) -> bool {
        !matches!(self, Member::Visitors | Member::SignedIn)
    }

    /// Whether somebody is meant by it: the plain reading that rules are tried against.
    pub(super) fn means(&self, guest: &Guest) -> bool {
        let user = match guest {
            Guest::Visitor { .. } => return *self == Member::Visitors,
            Guest::Person(user) => user,
        };
        match self {
            Member::Visitors => false,
            Member::SignedIn => true,
            Member::User(id) => user.id == *id,
            Member::Role(role) => user.roles.iter().any(|own| is_same_text(own, role)),
            Member::Group(group) => user
                .attributes
                .iter()
                .any(|(name, own)| same_name(name, "group") && is_same_text(own, group)),
            Member::Property { name, value } => user
                .custom_properties
                .iter()
                .any(|own| same_name(&own.name, name) && is_same_text(&own.value, value)),
        }
    }

    /// The same of members that mean the same: equal where [`is_same_text`] holds of the values.
    fn folded(&self) -> (Member, usize) {
        let text = |text: &str| folded(text).collect::<String>();
        match self {
            Member::Role(role) => (Member::Role(text(role)), role.chars().count()),
            Member::Group(group) => (Member::Group(text(group)), group.chars().count()),
            Member::Property { name, value } => {
                let name = name.to_ascii_lowercase();
                (Member::Property { name, value: text(value) }, value.chars().count())
            }
            other => (other.clone(), 0),
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::Visitors => f.write_str("visitors"),
            Member::SignedIn => f.write_str("everybody who has signed in"),
            Member::User(id) => write!(f, "user {id}"),
            Member::Role(role) => write!(f, "role {role:?}"),
            Member::Group(group) => write!(f, "group {group:?}"),
            Member::Property { name, value } => write!(f, "@{name} {value:?}"),
        }
    }
}

/// Reads what somebody wrote; every problem at once.
pub(super) fn read(guard: &Guard<'_>, texts: &[MemberText]) -> Result<Vec<Member>, ManageError> {
    let mut problems = Problems::default();
    let mut members: Vec<Member> = Vec::new();
    let mut known = HashSet::new();
    if texts.len() > MOST_MEMBERS {
        problems.add("members", format!("a list has at most {MOST_MEMBERS} members"));
        problems.finish()?;
        return Ok(members);
    }
    let bytes = |text: &MemberText| text.kind.len() + text.value.len() + text.name.len();
    if texts.iter().map(bytes).sum::<usize>() > MOST_BYTES {
        problems.add("members", TOO_LONG);
        problems.finish()?;
        return Ok(members);
    }
    let users = NamedUsers::of(guard, texts);
    for (place, text) in texts.iter().enumerate() {
        match read_one(guard, &users, text) {
            Ok(member) => {
                if known.insert(member.folded()) {
                    members.push(member);
                }
            }
            Err(message) => problems.add("members", format!("member {}: {message}", place + 1)),
        }
    }
    problems.finish()?;
    Ok(members)
}

/// The users that a list names, of those whom the caller may read: the others are as unknown as
/// those who are not there.
struct NamedUsers {
    readable: HashSet<UserId>,
    /// Of each folded id without a directory whom it means; nobody when it means several.
    by_id: HashMap<String, Option<UserId>>,
}

impl NamedUsers {
    fn of(guard: &Guard<'_>, texts: &[MemberText]) -> NamedUsers {
        let site = guard.site();
        let named = texts.iter().filter(|text| text.kind.trim().eq_ignore_ascii_case("user"));
        let mut users = Vec::new();
        let mut bare = HashSet::new();
        for value in named.map(|text| text.value.trim()) {
            if is_bare(value) {
                bare.insert(value.to_lowercase());
            } else {
                users.extend(user_of(site, value));
            }
        }
        if !bare.is_empty() {
            let is_meant = |user: &&Arc<User>| bare.contains(&user.key.id().to_lowercase());
            users.extend(site.users().filter(is_meant).map(|user| user.id));
        }
        let readable = readable_users(guard, users.into_iter());
        let mut by_id = HashMap::new();
        for user in readable.iter().filter_map(|id| site.user(*id)) {
            let only = by_id.entry(user.key.id().to_lowercase());
            only.and_modify(|only| *only = None).or_insert(Some(user.id));
        }
        NamedUsers { readable, by_id }
    }

    fn find(&self, site: &Site, value: &str) -> Option<UserId> {
        if is_bare(value) {
            return self.by_id.get(&value.to_lowercase()).copied().flatten();
        }
        user_of(site, value).filter(|user| self.readable.contains(user))
    }
}

/// Whether it is the id of a user without a directory.
fn is_bare(value: &str) -> bool {
    !value.contains('\\') && value.parse::<UserId>().is_err()
}

fn user_of(site: &Site, value: &str) -> Option<UserId> {
    let user = match value.parse::<UserId>() {
        Ok(id) => site.user(id),
        Err(_) => {
            let (directory, id) = value.split_once('\\')?;
            site.user_by_key(&UserKey::new(directory, id).ok()?)
        }
    };
    user.map(|user| user.id)
}

fn read_one(guard: &Guard<'_>, users: &NamedUsers, text: &MemberText) -> Result<Member, String> {
    let kind = text.kind.trim().to_lowercase();
    if kind.starts_with(['!', '-']) || kind.starts_with("not ") {
        return Err(format!(
            "{:?} would keep somebody out, and a list only lets people in; to keep one person out, \
             make a rule that forbids: see \"Keep one person out of a sheet\" in the manual, Sharing",
            text.kind
        ));
    }
    let value = || {
        let value = text.value.trim();
        if value.is_empty() {
            return Err(format!("a {kind} needs a value"));
        }
        if value.chars().count() > LONGEST_VALUE {
            return Err(format!("the value is longer than {LONGEST_VALUE} characters"));
        }
        if value.chars().any(char::is_control) {
            return Err("the value contains a control character".to_owned());
        }
        Ok(value.to_owned())
    };
    match kind.as_str() {
        "visitors" => Ok(Member::Visitors),
        "signedin" => Ok(Member::SignedIn),
        "user" => {
            let value = value()?;
            match users.find(guard.site(), &value) {
                Some(user) => Ok(Member::User(user)),
                None => {
                    Err(format!("there is no user {value:?}; give DIRECTORY\\id or the row's id"))
                }
            }
        }
        "role" => value().map(Member::Role),
        "group" => value().map(Member::Group),
        "property" => {
            let value = value()?;
            let name = text.name.trim().trim_start_matches('@').to_owned();
            let is_word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
            if name.is_empty() || !is_word {
                return Err(format!("{name:?} is no name of a property; use letters and digits"));
            }
            Ok(Member::Property { name, value })
        }
        _ => {
            let meant = loggia_rules::closest(&kind, KINDS)
                .map(|meant| format!("; did you mean {meant}?"))
                .unwrap_or_default();
            Err(format!("{:?} is none of {}{meant}", text.kind, KINDS.join(", ")))
        }
    }
}

/// The id of the rule of a thing's list.
pub(super) fn rule_id(thing: Thing<'_>) -> RuleId {
    match thing {
        Thing::App(app) => super::rule_id("app-audience", app.id.0),
        Thing::Object(object) => super::rule_id("sheet-audience", object.id.0),
    }
}

/// The rule that a list is kept as.
pub(super) fn rule(thing: Thing<'_>, members: &[Member], stamp: Stamp) -> SystemRule {
    let (kind, what, name) = match thing {
        Thing::Object(sheet) => ("App.Object", "this sheet and what is on it", &sheet.name),
        Thing::App(app) => ("App", "this app and what is in it", &app.name),
    };
    let filter = match thing {
        Thing::Object(_) => "App.Object_*".to_owned(),
        Thing::App(app) => format!(
            "App_{}, App.Object_*, App.Content_*, App.DataSegment_*, App.Internal_*",
            app.id
        ),
    };
    SystemRule {
        name: generated_name(kind, "audience", name),
        comment: format!(
            "Of those who may read the stream, only the owner and the members of the list meet \
             {what}. Made by the setting \"Audience\", and read back from this condition."
        ),
        condition: condition(thing, members),
        resource_filter: filter,
        is_forbidding: true,
        ..new_rule(rule_id(thing), stamp)
    }
}

/// Refuses what no condition holds.
pub(super) fn check_length(rule: &SystemRule) -> Result<(), ManageError> {
    let mut problems = Problems::default();
    if rule.condition.len() > MOST_BYTES {
        problems.add("members", TOO_LONG);
    }
    problems.finish()
}

/// The members of the list that the rule is; none when it is no list of this thing (any more).
pub(super) fn members(thing: Thing<'_>, rule: &SystemRule) -> Option<Vec<Member>> {
    let plain = self::rule(thing, &[], rule.stamp.clone());
    let is_same = |a: &SystemRule, b: &SystemRule| {
        (a.category, a.actions, a.context, a.is_forbidding, same_filter(a))
            == (b.category, b.actions, b.context, b.is_forbidding, same_filter(b))
    };
    if rule.id != plain.id || !is_same(rule, &plain) {
        return None;
    }
    let (target, exempt) = outline(&rule.condition)?;
    let (plain_target, plain_exempt) = outline(&plain.condition)?;
    if words(&target) != words(&plain_target) {
        return None;
    }
    let mut missing: Vec<String> = plain_exempt.iter().map(words).collect();
    let mut members = Vec::new();
    for alternative in &exempt {
        let own = words(alternative);
        match missing.iter().position(|fixed| *fixed == own) {
            Some(place) => {
                missing.swap_remove(place);
            }
            None => members.extend(member_of(alternative, &rule.condition)?),
        }
    }
    missing.is_empty().then_some(members)
}

/// Whether the thing has a list, and the rule of it is in force.
pub(super) fn is_in_force(site: &Site, thing: Thing<'_>) -> bool {
    site.rule(rule_id(thing)).is_some_and(|rule| !rule.is_disabled)
}

fn condition(thing: Thing<'_>, members: &[Member]) -> String {
    let (target, owners) = match thing {
        Thing::App(app) => (
            format!("(resource.id = \"{0}\" or resource.app.id = \"{0}\")", app.id),
            "resource.owner = user or resource.app.owner = user",
        ),
        Thing::Object(sheet) => (
            format!("resource.sheet.id = \"{}\"", sheet.id),
            "resource.sheet.owner = user or resource.app.owner = user",
        ),
    };
    let mut condition = format!(
        "{target}\nand !({owners}\n  or (user.environment.context = \"ManagementAccess\" and \
         (resource.HasPrivilege(\"update\") or user.roles = \"AuditAdmin\"))"
    );
    for alternative in alternatives(members) {
        condition.push_str("\n  or ");
        condition.push_str(&alternative);
    }
    condition.push(')');
    condition
}

/// The members in a condition's words: of each kind one comparison with all its values.
fn alternatives(members: &[Member]) -> Vec<String> {
    let mut written = Vec::new();
    if members.contains(&Member::Visitors) {
        written.push("user.IsAnonymous()".to_owned());
    }
    if members.contains(&Member::SignedIn) {
        written.push("!user.IsAnonymous()".to_owned());
    }
    let mut lists: Vec<(String, &'static str, Vec<String>)> = Vec::new();
    for member in members {
        let (path, value) = match member {
            Member::Visitors | Member::SignedIn => continue,
            Member::User(id) => ("user.id".to_owned(), id.text()),
            Member::Role(role) => ("user.roles".to_owned(), role.clone()),
            Member::Group(group) => ("user.group".to_owned(), group.clone()),
            Member::Property { name, value } => (format!("user.@{name}"), value.clone()),
        };
        let comparison = comparison(&value);
        let list = lists
            .iter_mut()
            .find(|(known, how, _)| known.eq_ignore_ascii_case(&path) && *how == comparison);
        match list {
            Some((_, _, values)) => values.push(value),
            None => lists.push((path, comparison, vec![value])),
        }
    }
    // Users, roles, groups, properties, whatever order they were given in.
    let rank = |path: &str| match path {
        "user.id" => 0,
        "user.roles" => 1,
        "user.group" => 2,
        _ => 3,
    };
    lists.sort_by_key(|(path, ..)| rank(path));
    for (path, comparison, values) in &lists {
        written.push(compared(path, comparison, values));
    }
    written
}

fn compared(path: &str, comparison: &str, values: &[String]) -> String {
    match values {
        [value] => format!("{path} {comparison} {}", quote(value)),
        values => {
            let values: Vec<String> = values.iter().map(|value| quote(value)).collect();
            format!("{path} {comparison} {{{}}}", values.join(", "))
        }
    }
}

/// `=` takes 7 and 007 for the same number; of groups and roles they are two.
fn comparison(value: &str) -> &'static str {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_number =
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(is_of_number);
    if is_number { "==" } else { "=" }
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

fn is_same_text(one: &str, other: &str) -> bool {
    one == other || (folded(one).eq(folded(other)) && one.chars().count() == other.chars().count())
}

fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

/// What a condition of a list is about, and who is exempt: `target and !(one or other …)`.
fn outline(condition: &str) -> Option<(Outline, Vec<Outline>)> {
    let Outline::All(parts) = parse_condition(condition).0?.outline()? else { return None };
    let [target, Outline::Not(exempt)] = parts.as_slice() else { return None };
    let mut alternatives = Vec::new();
    flatten(exempt, &mut alternatives);
    Some((target.clone(), alternatives))
}

fn flatten(outline: &Outline, alternatives: &mut Vec<Outline>) {
    match outline {
        Outline::Any(parts) => parts.iter().for_each(|part| flatten(part, alternatives)),
        other => alternatives.push(other.clone()),
    }
}

/// The members that an alternative means. None unless it is exactly what a list would say: a
/// condition must not be written anew as something else.
fn member_of(alternative: &Outline, condition: &str) -> Option<Vec<Member>> {
    let test = match alternative {
        Outline::Not(inner) => match &**inner {
            Outline::Test(test) if is_anonymous(test) => return Some(vec![Member::SignedIn]),
            _ => return None,
        },
        Outline::Test(test) if is_anonymous(test) => return Some(vec![Member::Visitors]),
        Outline::Test(test) => test,
        _ => return None,
    };
    let path = test.subject.to_lowercase();
    let member = |value: &String| match path.as_str() {
        "user.id" => value.parse().ok().map(Member::User),
        "user.roles" => Some(Member::Role(value.clone())),
        "user.group" => Some(Member::Group(value.clone())),
        _ => {
            path.strip_prefix("user.@")?;
            let name = test.subject.get("user.@".len()..)?.to_owned();
            Some(Member::Property { name, value: value.clone() })
        }
    };
    let members: Vec<Member> = test.values.iter().map(member).collect::<Option<_>>()?;
    let written = test.span.of(condition);
    let [again] = alternatives(&members).try_into().ok()?;
    let plain = |text: &str| parse_condition(text).0.map(|text| text.to_string().to_lowercase());
    (plain(written).is_some() && plain(written) == plain(&again)).then_some(members)
}

fn is_anonymous(test: &OutlineTest) -> bool {
    test.subject.eq_ignore_ascii_case("user") && test.operator == "IsAnonymous"
}

/// A part of a condition without positions, for comparing.
fn words(outline: &Outline) -> String {
    match outline {
        Outline::Constant(value) => value.to_string(),
        Outline::All(parts) => {
            format!("({})", parts.iter().map(words).collect::<Vec<_>>().join(" and "))
        }
        Outline::Any(parts) => {
            format!("({})", parts.iter().map(words).collect::<Vec<_>>().join(" or "))
        }
        Outline::Not(inner) => format!("!{}", words(inner)),
        Outline::Test(test) => format!(
            "{} {} {:?} {:?}",
            test.subject.to_lowercase(),
            test.operator,
            test.values.iter().map(|value| value.to_lowercase()).collect::<Vec<_>>(),
            test.are_paths
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sheet() -> AppObject {
        AppObject {
            id: ObjectId(uuid!("5eed5eed-0000-4000-8000-000000000001")),
            app: AppId(uuid!("5eed5eed-0000-4000-8000-000000000002")),
            engine_id: "sheet".to_owned(),
            object_type: "sheet".to_owned(),
            name: "Salaries".to_owned(),
            description: String::new(),
            owner: UserId(Uuid::nil()),
            is_published: true,
            is_approved: true,
            stamp: stamp(),
        }
    }

    fn stamp() -> Stamp {
        Stamp { created: Moment(0), modified: Moment(0), modified_by: String::new() }
    }

    fn members_of(condition: &str) -> Option<Vec<Member>> {
        let sheet = sheet();
        let thing = Thing::Object(&sheet);
        let rule =
            SystemRule { condition: condition.to_owned(), ..super::rule(thing, &[], stamp()) };
        super::members(thing, &rule)
    }

    #[test]
    fn a_list_edited_by_hand_is_a_list_while_it_says_nothing_else() {
        let sheet = sheet();
        let list = [Member::Role("Finance".to_owned()), Member::Visitors];
        let text = condition(Thing::Object(&sheet), &list);
        let read = |from: &str, to: &str| {
            assert!(text.contains(from), "{text}");
            members_of(&text.replace(from, to)).map(|members| {
                members.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            })
        };
        let whole = "user.roles = \"Finance\"";
        assert_eq!(read(whole, whole).unwrap(), r#"visitors, role "Finance""#);
        assert_eq!(
            read(whole, "User.Roles = {'Finance', \"HR\"} or (user.@dept = \"x\")").unwrap(),
            r#"visitors, role "Finance", role "HR", @dept "x""#
        );
        for other in [
            "user.roles != \"Finance\"",
            "user.roles like \"Fin*\"",
            "user.roles = {{\"Finance\"}}",
            "user.roles = user.group",
            "user.roles = \"Finance\" and user.group = \"x\"",
            "!(user.roles = \"Finance\")",
            "user.environment.ip = \"::1\"",
            "true",
        ] {
            assert_eq!(read(whole, other), None, "{other}");
        }
        assert_eq!(read("resource.app.owner = user", "user.roles = \"x\""), None, "no owner");
        assert_eq!(read("sheet.id", "sheet.name"), None, "about something else");
    }

    fn text() -> impl Strategy<Value = String> {
        let nasty = r#"["'“”‘’\\{}()*?=!,. \tA-Ca-c0-2ÄßΣσ@_-]{1,12}"#;
        nasty.prop_filter("not blank", |text| {
            !text.trim().is_empty() && text.trim() == text && !text.chars().any(char::is_control)
        })
    }

    fn member() -> impl Strategy<Value = Member> {
        prop_oneof![
            Just(Member::Visitors),
            Just(Member::SignedIn),
            any::<u128>().prop_map(|id| Member::User(UserId(Uuid::from_u128(id)))),
            text().prop_map(Member::Role),
            text().prop_map(Member::Group),
            ("[A-Za-zé_0-9]{1,6}", text())
                .prop_map(|(name, value)| Member::Property { name, value }),
        ]
    }

    proptest! {
        /// What was put on a list is what is read from its rule, and no value escapes its quotes.
        #[test]
        fn lists_come_back_as_they_were(members in prop::collection::vec(member(), 0..8)) {
            let mut wanted: Vec<Member> = Vec::new();
            for member in members {
                if !wanted.iter().any(|known| known.folded() == member.folded()) {
                    wanted.push(member);
                }
            }
            let sheet = sheet();
            let rule = super::rule(Thing::Object(&sheet), &wanted, stamp());
            prop_assert!(crate::compile_rule(&rule).is_ok(), "{}", rule.condition);
            let read = super::members(Thing::Object(&sheet), &rule);
            let folded = |members: Vec<Member>| {
                let mut folded: Vec<Member> = members
                    .into_iter()
                    .map(|member| match member {
                        // Names are read without letter case, and values are kept as they are.
                        Member::Property { name, value } => {
                            Member::Property { name: name.to_lowercase(), value }
                        }
                        other => other,
                    })
                    .collect();
                folded.sort();
                folded
            };
            prop_assert_eq!(read.map(folded), Some(folded(wanted)), "{}", rule.condition);
        }
    }
}
