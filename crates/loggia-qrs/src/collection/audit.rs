//! `/systemrule/…/audit` and its kin: who may do what, and why or why not.
//!
//! Answers name users and things that the auditor may not read otherwise; that is what the console's
//! section *Audit* is for, and Read on it is what every request here needs. Beyond names and ids,
//! nobody learns more of a thing than they may read, neither by its members nor by filters on them.

use std::collections::{HashMap, HashSet};

use loggia_model::entity::RuleCategory;
use loggia_model::{RequestContext, RuleId};
use loggia_repository::{
    ANONYMOUS_NAME, Action, Actions, Application, Asked, Audit, AuditRequest, AuditRule,
    AuditSubject, Auditor, Cell, Contexts, Entity, Failing, Matrix, Outline, OutlineTest,
    Overruled, Question, ResourceKind, RuleEdit, environment_pairs, parse_condition,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::app::Apps;
use super::app_object::AppObjects;
use super::license::Pools;
use super::proxy_service::ProxyServices;
use super::stream::Streams;
use super::system_rule::{self, SystemRules};
use super::user::Users;
use super::user_directory::UserDirectories;
use super::virtual_proxy::VirtualProxies;
use super::{Collection, member};
use crate::body::{Body, parse_json};
use crate::call::{Answer, Call};
use crate::explanation::explanation;
use crate::filter::Filter;
use crate::problem::Problem;
use crate::schema::{NODE, SECTION, Schema, USER};
use crate::wire::{self, View};

/// Why somebody may do something, or may not.
pub(crate) fn explain(call: &Call) -> Result<Answer, Problem> {
    let auditor = call.repository.auditor(&call.caller)?;
    let mut body = call.body()?;
    let mut needed = |name: &'static str| {
        let text = body.text(name);
        if text.is_none() && !body.has_problem(name) {
            body.problem(name, "is missing");
        }
        text.unwrap_or_default()
    };
    let (subject, action, resource) = (needed("user"), needed("action"), needed("resource"));
    let action = match action.parse::<Action>() {
        Ok(action) => action,
        Err(error) => {
            if !body.has_problem("action") {
                body.problem("action", error.to_string());
            }
            Action::Read
        }
    };
    let question = Question {
        subject,
        action,
        resource,
        within: body.text("within"),
        context: context(&mut body).and_then(only),
        environment: environment(&mut body, "environment"),
    };
    body.finish()?;
    Ok(Answer::Ok(explanation(&auditor.explain(&question)?)))
}

pub(crate) fn security(call: &Call) -> Result<Answer, Problem> {
    audit(call, RuleCategory::Security)
}

pub(crate) fn license(call: &Call) -> Result<Answer, Problem> {
    audit(call, RuleCategory::License)
}

pub(crate) fn sync(call: &Call) -> Result<Answer, Problem> {
    audit(call, RuleCategory::Sync)
}

fn audit(call: &Call, category: RuleCategory) -> Result<Answer, Problem> {
    let auditor = call.repository.auditor(&call.caller)?;
    let page = Page::read(call, &auditor, category, call.body()?)?;
    let audit = auditor.audit(&page.request)?;
    audit_answer(&page, &audit, false)
}

/// An audit of one rule that is not saved, given as a whole in `previewRule`.
pub(crate) fn preview(call: &Call) -> Result<Answer, Problem> {
    let auditor = call.repository.auditor(&call.caller)?;
    let mut page = Page::read(call, &auditor, RuleCategory::Security, call.body()?)?;
    let Some((id, edit)) = page.unsaved.take() else {
        let detail = "previewRule: is missing; give the rule as /systemrule takes it";
        return Err(Problem::bad(detail));
    };
    let audit = auditor.preview(&page.request, id, edit)?;
    audit_answer(&page, &audit, true)
}

pub(crate) fn security_matrix(call: &Call) -> Result<Answer, Problem> {
    matrix(call, RuleCategory::Security)
}

/// Rights by cell, of the rules that are in force or with one that is not saved.
fn matrix(call: &Call, category: RuleCategory) -> Result<Answer, Problem> {
    let auditor = call.repository.auditor(&call.caller)?;
    let mut page = Page::read(call, &auditor, category, call.body()?)?;
    let unsaved = page.unsaved.take();
    let has_preview = unsaved.is_some();
    let matrix = auditor.matrix(&page.request, unsaved, page.limit)?;
    matrix_answer(call, &auditor, &page, &matrix, has_preview)
}

/// Load balancing by cell: the one right is that the node may open the app.
pub(crate) fn sync_matrix(call: &Call) -> Result<Answer, Problem> {
    let auditor = call.repository.auditor(&call.caller)?;
    let page = Page::read(call, &auditor, RuleCategory::Sync, call.body()?)?;
    let audit = auditor.audit(&page.request)?;
    matrix_answer(call, &auditor, &page, &cells_of(audit), false)
}

/// Who may draw on which pool: the one right is to be given access.
pub(crate) fn license_matrix(call: &Call) -> Result<Answer, Problem> {
    let auditor = call.repository.auditor(&call.caller)?;
    let page = Page::read(call, &auditor, RuleCategory::License, call.body()?)?;
    let audit = auditor.audit(&page.request)?;
    matrix_answer(call, &auditor, &page, &cells_of(audit), false)
}

/// The matrix with the rules behind each cell, as a table for spreadsheets.
pub(crate) fn export(call: &Call) -> Result<Answer, Problem> {
    let auditor = call.repository.auditor(&call.caller)?;
    let page = Page::read(call, &auditor, RuleCategory::Security, call.body()?)?;
    let audit = auditor.audit(&page.request)?;
    let matrix = auditor.matrix(&page.request, None, None)?;
    let mut rules: HashMap<(usize, usize), Vec<&str>> = HashMap::new();
    for row in audit.applications.iter().filter(|row| row.is_allowed) {
        if let Some(rule) = audit.rules.get(row.rule) {
            rules.entry((row.subject, row.resource)).or_default().push(&rule.rule.name);
        }
    }
    let mut text = String::from(
        "userDirectory,userId,userName,resourceType,resourceId,resourceName,hub,console,rules\r\n",
    );
    for cell in &matrix.cells {
        let (Some(subject), Some(resource)) =
            (matrix.subjects.get(cell.subject), matrix.resources.get(cell.resource))
        else {
            continue;
        };
        let (directory, id) = key_parts(subject);
        let rules = rules.get(&(cell.subject, cell.resource)).map(Vec::as_slice).unwrap_or(&[]);
        let columns = [
            directory,
            id,
            &subject.requester.name,
            resource.kind.name(),
            &resource_id(resource).hyphenated().to_string(),
            &resource.name,
            &cell.hub.names().join(" "),
            &cell.console.names().join(" "),
            &rules.join("; "),
        ];
        let line: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        text.push_str(&line.join(","));
        text.push_str("\r\n");
    }
    Ok(Answer::File {
        content_type: "text/csv; charset=utf-8",
        name: "audit.csv",
        bytes: text.into_bytes(),
    })
}

/// Puts edited shipped rules back.
pub(crate) fn reset_default(call: &Call) -> Result<Answer, Problem> {
    let done = call.repository.reset_shipped_rules(&call.caller)?;
    let reset: Vec<_> =
        done.put_back.iter().map(|(id, name)| json!({ "id": id, "name": name })).collect();
    Ok(Answer::Ok(json!({ "reset": reset, "deleted": done.deleted })))
}

/// The shape of a condition, for editors that show rows.
pub(crate) fn parse_tree(call: &Call) -> Result<Answer, Problem> {
    if call.caller.is_anonymous() {
        let detail = "visitors have no use for this; sign in first";
        return Err(Problem::new(http::StatusCode::FORBIDDEN, "RULE-DENIED", detail));
    }
    let text = match parse_json(&call.bytes)? {
        Value::String(text) => text,
        value => {
            let mut body = Body::of(value)?;
            let text = body.text("rule");
            body.finish()?;
            text.unwrap_or_default()
        }
    };
    let (condition, problems) = parse_condition(&text);
    let problems: Vec<_> = problems
        .iter()
        .map(|problem| {
            json!({
                "place": "rule",
                "message": problem.message,
                "start": problem.span.start,
                "end": problem.span.end,
                "suggestion": problem.suggestion,
            })
        })
        .collect();
    let outline = condition.as_ref().and_then(|condition| condition.outline());
    let lists = match (&condition, &outline) {
        (Some(_), None) => Some(Vec::new()),
        (_, outline) => outline.as_ref().and_then(Outline::rows),
    };
    let lists = lists.map(|lists| {
        let list = |list: &Vec<(bool, OutlineTest)>| -> Value {
            list.iter()
                .map(|(must_hold, test)| {
                    let mut row = tree_test(test);
                    if let Some(members) = row.as_object_mut() {
                        members.insert("not".to_owned(), json!(!must_hold));
                    }
                    row
                })
                .collect()
        };
        lists.iter().map(list).collect::<Value>()
    });
    Ok(Answer::Ok(json!({
        "text": condition.map(|condition| condition.to_string()),
        "tree": outline.as_ref().map(tree),
        "lists": lists,
        "problems": problems,
        "schemaPath": "SystemRule.ParseTree",
    })))
}

fn tree(outline: &Outline) -> Value {
    let parts = |parts: &[Outline]| parts.iter().map(tree).collect::<Value>();
    match outline {
        Outline::Constant(value) => json!({ "type": "constant", "value": value }),
        Outline::All(all) => json!({ "type": "and", "parts": parts(all) }),
        Outline::Any(any) => json!({ "type": "or", "parts": parts(any) }),
        Outline::Not(inner) => json!({ "type": "not", "part": tree(inner) }),
        Outline::Test(test) => tree_test(test),
    }
}

fn tree_test(test: &OutlineTest) -> Value {
    let values: Vec<_> = test
        .values
        .iter()
        .zip(&test.are_paths)
        .map(|(value, is_path)| json!({ "value": value, "path": is_path }))
        .collect();
    json!({
        "type": "test",
        "subject": test.subject,
        "operator": test.operator,
        "values": values,
        "start": test.span.start,
        "end": test.span.end,
    })
}

/// What a request asks for, filtered and cut to its page.
struct Page {
    request: AuditRequest,
    total_users: usize,
    total_resources: usize,
    unsaved: Option<(Option<RuleId>, RuleEdit)>,
    limit: Option<usize>,
    resource_properties: Vec<String>,
    subject_properties: Vec<String>,
    with_own_privileges: bool,
}

impl Page {
    fn read(
        call: &Call,
        auditor: &Auditor,
        category: RuleCategory,
        mut body: Body,
    ) -> Result<Page, Problem> {
        let kinds = kinds(auditor, category, &mut body);
        let resource_filter = filter_text(&mut body, "resourceFilter", "resourceRef");
        let user_filter = filter_text(&mut body, "userFilter", "subjectRef");
        let contexts = context(&mut body);
        let mut environment = environment(&mut body, "environmentAttributes");
        // The original has the context among the attributes.
        let typed_context = environment.iter().position(|(name, _)| name_is(name, "context"));
        let typed_context = typed_context.map(|place| environment.remove(place).1);
        let contexts = match typed_context {
            None => contexts,
            Some(text) => match contexts_named(&text) {
                Some(named) => Some(named),
                None => {
                    let message = format!("context is {text:?}, expected hub, console or both");
                    body.problem("environmentAttributes", message);
                    None
                }
            },
        };
        let mut number = |name| body.number::<usize>(name).unwrap_or(0);
        let user_page = (number("userSkip"), number("userTake"));
        let resource_page = (number("resourceSkip"), number("resourceTake"));
        let limit = Some(number("auditLimit")).filter(|&limit| limit > 0);
        let actions = match body.number::<u32>("actions").unwrap_or(0) {
            0 => Actions::ALL,
            bits => Actions::from_bits(bits).unwrap_or_else(|| {
                body.problem("actions", format!("{bits} has bits that are no action"));
                Actions::ALL
            }),
        };
        let with_non_granting = body.flag("includeNonGrantingRules").unwrap_or(false);
        let with_own_privileges = body.flag("outputObjectsPrivileges").unwrap_or(false);
        let resource_properties =
            body.texts("resourceProperties").unwrap_or_else(|| vec!["name".to_owned()]);
        let subject_properties = body
            .texts("subjectProperties")
            .unwrap_or_else(|| ["name", "userId", "userDirectory"].map(str::to_owned).to_vec());
        let unsaved = body.value("previewRule");
        body.finish()?;
        let unsaved = match unsaved {
            None => None,
            Some(value) => {
                let mut rule = Body::of(value)?;
                let id = rule.id().map(RuleId);
                let is_new = id.is_none_or(|id| auditor.site().rule(id).is_none());
                // A condition under another name must not be taken for an empty one.
                if is_new && rule.value("rule").is_none() {
                    rule.problem("rule", "is missing; give the condition, or \"\" for everybody");
                }
                Some((id, system_rule::read(call, rule)?))
            }
        };
        let site = auditor.site();
        let view = View {
            repository: &call.repository,
            site,
            caller: &call.caller,
            with_privileges: false,
        };
        let readable = |is_filtered: bool, things: &mut dyn Iterator<Item = Entity>| {
            if is_filtered { auditor.readable(&call.caller, things) } else { HashSet::new() }
        };
        let subjects = match category {
            RuleCategory::Sync => auditor.nodes(),
            RuleCategory::Security | RuleCategory::License => auditor.subjects(),
        };
        let schema = if category == RuleCategory::Sync { &NODE } else { &USER };
        let is_filtered = !user_filter.is_empty();
        let known = readable(is_filtered, &mut subjects.iter().map(subject_entity));
        let subjects = matching(subjects, &user_filter, schema, "userFilter", |subject| {
            subject_form(&view, subject, &known)
        })?;
        let mut resources = Vec::new();
        for kind in kinds {
            let schema = schema_of(kind);
            if !resource_filter.is_empty() && schema.is_none() {
                let message = format!("resourceFilter: things of type {kind} have no filter");
                return Err(Problem::bad(message));
            }
            let schema = schema.unwrap_or(&SECTION);
            let all = auditor.resources(kind);
            let is_filtered = !resource_filter.is_empty();
            let known = readable(is_filtered, &mut all.iter().map(Asked::entity));
            resources.extend(matching(all, &resource_filter, schema, "resourceFilter", |thing| {
                resource_form(&view, thing, &known)
            })?);
        }
        let (total_users, total_resources) = (subjects.len(), resources.len());
        let request = AuditRequest {
            category,
            subjects: cut(subjects, user_page).map(|subject| subject.requester.id).collect(),
            resources: cut(resources, resource_page).map(|thing| thing.entity()).collect(),
            environment,
            contexts: contexts.unwrap_or(Contexts::BOTH),
            actions,
            with_non_granting,
        };
        Ok(Page {
            request,
            total_users,
            total_resources,
            unsaved,
            limit,
            resource_properties,
            subject_properties,
            with_own_privileges,
        })
    }

    /// What every answer ends with: how much there is beyond the page.
    fn totals(&self, version: u64) -> [(&'static str, Value); 3] {
        [
            ("totalUsers", json!(self.total_users)),
            ("totalResources", json!(self.total_resources)),
            ("version", json!(version)),
        ]
    }
}

/// The types that are asked about: the one that is named, or all that the category is about.
fn kinds(auditor: &Auditor, category: RuleCategory, body: &mut Body) -> Vec<ResourceKind> {
    let is_of_category = |kind: &ResourceKind| {
        let is_pool = kind.name().starts_with("License.");
        match category {
            RuleCategory::Security => true,
            RuleCategory::License => is_pool,
            RuleCategory::Sync => *kind == ResourceKind::App,
        }
    };
    let known: Vec<ResourceKind> = auditor.kinds().filter(is_of_category).collect();
    let text = body.text("resourceType").unwrap_or_default();
    if text.is_empty() {
        // A filter speaks of members, so it needs a type to have them.
        let is_filtered = body.text("resourceFilter").is_some_and(|filter| !filter.is_empty());
        if is_filtered && known.len() > 1 && category == RuleCategory::Security {
            body.problem(
                "resourceType",
                "name the type that resourceFilter speaks of, such as App",
            );
        }
        return known;
    }
    let is_section = ["QmcSection", "HubSection"].iter().any(|word| name_is(&text, word));
    let kind = if is_section { Ok(ResourceKind::TransientObject) } else { text.parse() };
    match kind {
        Ok(kind) if known.contains(&kind) => vec![kind],
        Ok(kind) => {
            let names: Vec<_> = known.iter().map(|kind| kind.name()).collect();
            let message = format!("{kind} is not audited here; write one of {}", names.join(", "));
            body.problem("resourceType", message);
            Vec::new()
        }
        Err(error) => {
            body.problem("resourceType", error.to_string());
            Vec::new()
        }
    }
}

/// A filter by its own member, or inside of the reference that the matrix has.
fn filter_text(body: &mut Body, plain: &'static str, reference: &'static str) -> String {
    let mut text = body.text(plain).unwrap_or_default();
    let Some(value) = body.value(reference) else { return text };
    let Value::Object(members) = value else {
        body.problem(reference, "expected an object with resourceFilter");
        return text;
    };
    for (name, value) in members {
        match value {
            Value::Null => {}
            _ if name_is(&name, "selection") => body.problem(
                reference,
                "selections are not part of this release; use resourceFilter in their place",
            ),
            Value::String(filter) if name_is(&name, "resourceFilter") => text = filter,
            _ => body.problem(reference, format!("{name} is not understood; use resourceFilter")),
        }
    }
    text
}

/// `hub`, `console` or `both`.
fn context(body: &mut Body) -> Option<Contexts> {
    let text = body.text("context")?;
    let named = contexts_named(&text);
    if named.is_none() {
        body.problem("context", format!("{text:?} is none of hub, console and both"));
    }
    named
}

fn contexts_named(text: &str) -> Option<Contexts> {
    Some(match text.to_lowercase().as_str() {
        "hub" | "appaccess" => Contexts { hub: true, console: false },
        "console" | "qmc" | "managementaccess" => Contexts { hub: false, console: true },
        "both" | "" => Contexts::BOTH,
        _ => return None,
    })
}

fn only(contexts: Contexts) -> Option<RequestContext> {
    match (contexts.hub, contexts.console) {
        (true, false) => Some(RequestContext::Hub),
        (false, true) => Some(RequestContext::Console),
        _ => None,
    }
}

/// Attributes as one text `OS=Windows;IP=10.0.0.1`, as a list, or as an object.
fn environment(body: &mut Body, place: &'static str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let Some(value) = body.value(place) else { return pairs };
    let mut faults = Vec::new();
    let mut add_text = |text: &str| match environment_pairs(text) {
        Ok(found) => pairs.extend(found),
        Err(violation) => faults.push(violation.message),
    };
    let mut named = Vec::new();
    match &value {
        Value::String(text) => add_text(text),
        Value::Array(elements) => {
            for element in elements {
                match element {
                    Value::String(text) => add_text(text),
                    Value::Object(_) => {
                        let text = |name: &str| element.get(name).and_then(Value::as_str);
                        match (text("name"), text("value")) {
                            (Some(name), Some(value)) => {
                                named.push((name.to_owned(), value.to_owned()));
                            }
                            _ => named.push((String::new(), String::new())),
                        }
                    }
                    other => named.push((String::new(), other.to_string())),
                }
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let values = match value {
                    Value::Array(values) => values.clone(),
                    Value::Null => Vec::new(),
                    value => vec![value.clone()],
                };
                for value in values {
                    match value {
                        Value::String(text) => named.push((name.clone(), text)),
                        Value::Bool(flag) => named.push((name.clone(), flag.to_string())),
                        Value::Number(number) => named.push((name.clone(), number.to_string())),
                        _ => named.push((String::new(), String::new())),
                    }
                }
            }
        }
        _ => named.push((String::new(), String::new())),
    }
    if named.iter().any(|(name, _)| name.is_empty()) {
        faults.push("expected text such as \"OS=Windows;IP=10.0.0.1\", or names and values".into());
    }
    pairs.extend(named);
    for fault in faults {
        body.problem(place, fault);
    }
    pairs
}

/// What passes a filter, judged by as much of its form as the auditor may see.
fn matching<T>(
    all: Vec<T>,
    filter: &str,
    schema: &Schema,
    place: &str,
    form: impl Fn(&T) -> Value,
) -> Result<Vec<T>, Problem> {
    let filter =
        Filter::parse(filter, schema).map_err(|error| Problem::bad(format!("{place}: {error}")))?;
    if filter == Filter::All {
        return Ok(all);
    }
    Ok(all.into_iter().filter(|one| filter.accepts(&form(one), schema)).collect())
}

fn cut<T>(all: Vec<T>, (skip, take): (usize, usize)) -> impl Iterator<Item = T> {
    let take = if take == 0 { usize::MAX } else { take };
    all.into_iter().skip(skip).take(take)
}

fn schema_of(kind: ResourceKind) -> Option<&'static Schema> {
    Some(match kind {
        ResourceKind::App => Apps::SCHEMA,
        ResourceKind::AppObject => AppObjects::SCHEMA,
        ResourceKind::Stream => Streams::SCHEMA,
        ResourceKind::User => Users::SCHEMA,
        ResourceKind::SystemRule => SystemRules::SCHEMA,
        ResourceKind::VirtualProxyConfig => VirtualProxies::SCHEMA,
        ResourceKind::UserDirectory => UserDirectories::SCHEMA,
        ResourceKind::ProxyService => ProxyServices::SCHEMA,
        ResourceKind::ServerNodeConfiguration => &NODE,
        ResourceKind::TransientObject => &SECTION,
        kind if kind.name().starts_with("License.") => Pools::SCHEMA,
        _ => return None,
    })
}

/// The full form of a thing, as lists have it, or its name and id if it is not among those that
/// the auditor may read.
fn resource_form(view: &View<'_>, thing: &Asked, readable: &HashSet<Uuid>) -> Value {
    let form = thing.id.and_then(|id| {
        if !readable.contains(&id) {
            let user = view.site.user(id.into()).filter(|_| thing.kind == ResourceKind::User);
            return user.map(|user| person(id, user.key.id(), user.key.directory(), &user.name));
        }
        let site = view.site;
        Some(match thing.kind {
            ResourceKind::App => Apps::full(view, site.app(id.into())?),
            ResourceKind::AppObject => AppObjects::full(view, site.object(id.into())?),
            ResourceKind::Stream => Streams::full(view, site.stream(id.into())?),
            ResourceKind::User => Users::full(view, site.user(id.into())?),
            ResourceKind::SystemRule => SystemRules::full(view, site.rule(id.into())?),
            ResourceKind::VirtualProxyConfig => {
                VirtualProxies::full(view, site.virtual_proxy(id.into())?)
            }
            ResourceKind::UserDirectory => {
                UserDirectories::full(view, site.user_directory(id.into())?)
            }
            ResourceKind::ProxyService => ProxyServices::full(view, site.proxy(id.into())?),
            ResourceKind::ServerNodeConfiguration => {
                let node = site.node(id.into())?;
                json!({
                    "id": node.id,
                    "name": node.name,
                    "hostName": node.host_name,
                    "isCentral": node.is_central,
                })
            }
            _ => Pools::full(view, site.pool(id.into())?),
        })
    });
    form.unwrap_or_else(|| json!({ "id": resource_id(thing), "name": thing.name }))
}

/// All that is told of somebody whom the auditor may not read.
fn person(id: Uuid, user_id: &str, directory: &str, name: &str) -> Value {
    json!({ "id": id, "userId": user_id, "userDirectory": directory, "name": name })
}

/// What the right to read a subject is asked of.
fn subject_entity(subject: &AuditSubject) -> Entity {
    let is_node = subject.user.is_none() && !subject.requester.is_anonymous;
    let kind = if is_node { ResourceKind::ServerNodeConfiguration } else { ResourceKind::User };
    Entity::new(kind, subject.requester.id)
}

fn subject_form(view: &View<'_>, subject: &AuditSubject, readable: &HashSet<Uuid>) -> Value {
    let is_readable = readable.contains(&subject.requester.id);
    let (id, name) = (subject.requester.id, &subject.requester.name);
    match &subject.user {
        Some(user) if is_readable => Users::full(view, user),
        Some(user) => person(id, user.key.id(), user.key.directory(), name),
        None if subject.requester.is_anonymous => json!({
            "id": subject.requester.id,
            "userId": "anonymous",
            "userDirectory": "NONE",
            "userDirectoryConnectorName": "",
            "name": ANONYMOUS_NAME,
            "roles": [],
            "attributes": [],
            "customProperties": [],
            "tags": [],
            "inactive": false,
            "removedExternally": false,
            "blacklisted": false,
            "deleteProhibited": true,
            "schemaPath": "User",
        }),
        None if !is_readable => json!({ "id": id, "name": name }),
        None => json!({
            "id": id,
            "name": name,
            "hostName": subject.requester.key,
        }),
    }
}

/// The id of a thing; sections have none of their own, and always get the same.
fn resource_id(thing: &Asked) -> Uuid {
    thing.id.unwrap_or_else(|| wire::word_id("section", &thing.name))
}

fn key_parts(subject: &AuditSubject) -> (&str, &str) {
    subject.requester.key.split_once('\\').unwrap_or(("", &subject.requester.key))
}

/// One row of an audit.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(rename = "userID")]
    user: Uuid,
    #[serde(rename = "resourceID")]
    resource: Uuid,
    #[serde(rename = "ruleID")]
    rule: Uuid,
    allowed: bool,
    #[serde(rename = "errorAt")]
    error_at: i64,
    #[serde(rename = "errorMessage")]
    error_message: &'a str,
    #[serde(rename = "evaluationState")]
    evaluation_state: u8,
    hub: bool,
    console: bool,
    /// Actions that an unsaved rule would add.
    #[serde(skip_serializing_if = "Option::is_none")]
    gains: Option<u32>,
    /// What is stronger than a rule that holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    overruled: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Why<'a>>,
}

/// Why a rule does not hold.
#[derive(Serialize)]
struct Why<'a> {
    clause: &'a str,
    line: usize,
    column: usize,
    seen: &'a [String],
    distance: usize,
}

/// One cell of a matrix.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CellRow {
    subject_id: Uuid,
    resource_id: Uuid,
    audit: CellAudit,
    schema_path: &'static str,
}

#[derive(Serialize)]
struct CellAudit {
    access: u32,
    hub: u32,
    console: u32,
    /// Rights without the unsaved rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u32>,
}

fn audit_answer(page: &Page, audit: &Audit, is_preview: bool) -> Result<Answer, Problem> {
    let users: Map<String, Value> = audit
        .subjects
        .iter()
        .map(|subject| {
            let (directory, id) = key_parts(subject);
            let mut shown = json!({
                "userId": id,
                "userDirectory": directory,
                "name": subject.requester.name,
            });
            if let (Some(refused), Some(members)) = (&subject.refused, shown.as_object_mut()) {
                members.insert("refused".to_owned(), json!(refused));
            }
            (subject.requester.id.to_string(), shown)
        })
        .collect();
    let resources: Map<String, Value> = audit
        .resources
        .iter()
        .map(|thing| {
            let shown = json!({ "name": thing.name, "resourceType": thing.kind.name() });
            (resource_id(thing).to_string(), shown)
        })
        .collect();
    let mut is_used = vec![false; audit.rules.len()];
    let rows: Vec<Row<'_>> =
        audit.applications.iter().filter_map(|row| self::row(audit, row, &mut is_used)).collect();
    let rules: Map<String, Value> = audit
        .rules
        .iter()
        .zip(&is_used)
        .filter(|(rule, is_used)| **is_used || is_preview || rule.error.is_some())
        .map(|(rule, _)| (rule.rule.id.to_string(), rule_form(rule)))
        .collect();
    let mut members = vec![
        ("schemaPath", json!("Audit")),
        ("users", Value::Object(users)),
        ("resources", Value::Object(resources)),
        ("rules", Value::Object(rules)),
    ];
    members.extend(page.totals(audit.version));
    answer_with_rows(members, "ruleApplication", &rows)
}

fn row<'a>(audit: &'a Audit, row: &'a Application, is_used: &mut [bool]) -> Option<Row<'a>> {
    let rule = audit.rules.get(row.rule)?;
    if let Some(used) = is_used.get_mut(row.rule) {
        *used = true;
    }
    let (message, at) = match &rule.error {
        Some((message, at)) => (message.as_str(), at.and_then(|at| i64::try_from(at).ok())),
        None => ("", None),
    };
    Some(Row {
        user: audit.subjects.get(row.subject)?.requester.id,
        resource: resource_id(audit.resources.get(row.resource)?),
        rule: rule.rule.id.0,
        allowed: row.is_allowed,
        error_at: at.unwrap_or(-1),
        error_message: message,
        evaluation_state: rule.state.number(),
        hub: row.contexts.hub,
        console: row.contexts.console,
        gains: row.gains.map(Actions::bits),
        overruled: row.overruled.map(|overruled| match overruled {
            Overruled::Account => "account",
            Overruled::Forbidden => "forbidden",
            Overruled::Pool => "pool",
        }),
        explanation: row.reason.as_ref().map(why),
    })
}

fn why(failing: &Failing) -> Why<'_> {
    let Failing { clause, line, column, seen, distance } = failing;
    Why { clause, line: *line, column: *column, seen, distance: *distance }
}

fn rule_form(rule: &AuditRule) -> Value {
    let (message, at) = match &rule.error {
        Some((message, at)) => (message.as_str(), *at),
        None => ("", None),
    };
    json!({
        "name": rule.rule.name,
        "actions": rule.actions,
        "disabled": rule.is_disabled,
        "effect": if rule.is_forbidding { "forbid" } else { "allow" },
        "evaluationState": rule.state.number(),
        "errorAt": at.map_or(json!(-1), |at| json!(at)),
        "errorMessage": message,
    })
}

/// The cells where some rule of a category with one right lets somebody in.
fn cells_of(audit: Audit) -> Matrix {
    let mut cells: Vec<Cell> = Vec::new();
    let mut places: HashMap<(usize, usize), usize> = HashMap::new();
    for row in audit.applications.iter().filter(|row| row.is_allowed) {
        let rights = |is_in: bool| if is_in { Actions::CREATE } else { Actions::NONE };
        let (hub, console) = (rights(row.contexts.hub), rights(row.contexts.console));
        let place = *places.entry((row.subject, row.resource)).or_insert(cells.len());
        match cells.get_mut(place) {
            Some(cell) => {
                cell.hub |= hub;
                cell.console |= console;
            }
            None => cells.push(Cell {
                subject: row.subject,
                resource: row.resource,
                hub,
                console,
                hub_before: hub,
                console_before: console,
            }),
        }
    }
    Matrix {
        total: cells.len(),
        cells,
        subjects: audit.subjects,
        resources: audit.resources,
        version: audit.version,
    }
}

fn matrix_answer(
    call: &Call,
    auditor: &Auditor,
    page: &Page,
    matrix: &Matrix,
    has_preview: bool,
) -> Result<Answer, Problem> {
    let caller = &call.caller;
    let site = auditor.site();
    let view = View { repository: &call.repository, site, caller, with_privileges: false };
    let known_resources = auditor.readable(caller, matrix.resources.iter().map(Asked::entity));
    let known_subjects = auditor.readable(caller, matrix.subjects.iter().map(subject_entity));
    let resources: Map<String, Value> = matrix
        .resources
        .iter()
        .map(|thing| {
            let own = thing.resource().filter(|_| page.with_own_privileges);
            let own = own.map(|resource| call.repository.privileges(&call.caller, &resource));
            let privileges = own.map_or(Value::Null, wire::names);
            let form = resource_form(&view, thing, &known_resources);
            let shown = json!({
                "resourceProperties": picked(&form, &page.resource_properties),
                "privileges": privileges,
            });
            (resource_id(thing).to_string(), shown)
        })
        .collect();
    let subjects: Map<String, Value> = matrix
        .subjects
        .iter()
        .map(|subject| {
            let form = subject_form(&view, subject, &known_subjects);
            let mut shown = json!({ "subjectProperties": picked(&form, &page.subject_properties) });
            if let (Some(refused), Some(members)) = (&subject.refused, shown.as_object_mut()) {
                members.insert("refused".to_owned(), json!(refused));
            }
            (subject.requester.id.to_string(), shown)
        })
        .collect();
    let limit = page.limit.unwrap_or(usize::MAX);
    let rows: Vec<CellRow> = matrix
        .cells
        .iter()
        .take(limit)
        .filter_map(|cell| {
            Some(CellRow {
                subject_id: matrix.subjects.get(cell.subject)?.requester.id,
                resource_id: resource_id(matrix.resources.get(cell.resource)?),
                audit: CellAudit {
                    access: cell.access().bits(),
                    hub: cell.hub.bits(),
                    console: cell.console.bits(),
                    before: has_preview.then(|| cell.before().bits()),
                },
                schema_path: "SystemRule.AuditMatrix.Cell",
            })
        })
        .collect();
    let mut members = vec![
        ("schemaPath", json!("SystemRule.AuditMatrix")),
        ("resources", Value::Object(resources)),
        ("subjects", Value::Object(subjects)),
        ("totalCells", json!(matrix.total)),
        ("complete", json!(rows.len() == matrix.total)),
    ];
    members.extend(page.totals(matrix.version));
    answer_with_rows(members, "matrix", &rows)
}

/// The named members of a full form, each by its path.
fn picked(form: &Value, names: &[String]) -> Value {
    let mut shown = Map::new();
    for name in names {
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        shown.insert(name.clone(), member(form, &path).cloned().unwrap_or(Value::Null));
    }
    Value::Object(shown)
}

/// An object with many rows, written at once: rows are too many to be values of their own.
fn answer_with_rows(
    members: Vec<(&str, Value)>,
    name: &str,
    rows: &[impl Serialize],
) -> Result<Answer, Problem> {
    let mut text = String::from("{");
    for (name, value) in members {
        text.push_str(&format!("{}:{value},", json!(name)));
    }
    text.push_str(&format!("{}:", json!(name)));
    let mut bytes = text.into_bytes();
    serde_json::to_writer(&mut bytes, rows)
        .map_err(|error| Problem::bad(format!("the answer cannot be written: {error}")))?;
    bytes.push(b'}');
    Ok(Answer::Json(bytes))
}

fn name_is(name: &str, known: &str) -> bool {
    name.eq_ignore_ascii_case(known)
}

/// A cell of a table for spreadsheets, which must not take a name for a formula.
fn quoted(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}
