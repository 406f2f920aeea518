//! Whom does a SAML response vouch for? A function of message, expectations and time.

use loggia_model::entity::SamlSettings;
use loggia_model::{Moment, UserKey};
use roxmltree::Node;

use crate::proof::SamlSubject;
use crate::saml::metadata::IdentityProvider;
use crate::saml::xml::{canonical, children, is, only, parse, text};
use crate::saml::{ASSERTION, PROTOCOL, SamlError, signature};
use crate::scheme::Person;

/// What the response must be for.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    pub provider: &'a IdentityProvider,
    /// Our own entity id.
    pub audience: &'a str,
    /// The address that it was posted to.
    pub recipient: &'a str,
    /// The request that it answers; none when the provider began by itself.
    pub in_response_to: Option<&'a str>,
    /// The wall clock's time.
    pub now: Moment,
}

/// An assertion that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Never accepted again.
    pub id: String,
    /// Until when it would be accepted again if it were not remembered.
    pub until: Moment,
    pub subject: SamlSubject,
    /// Names and values, in order; a name may come several times.
    pub attributes: Vec<(String, String)>,
}

/// Milliseconds by which clocks may differ.
const LEEWAY: i64 = 60_000;
const MOST_VALUES: usize = 2_000;
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const NO_PASSIVE: &str = "urn:oasis:names:tc:SAML:2.0:status:NoPassive";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// The request that a response says it answers. It is not verified: it is only where to look for
/// what to expect.
#[must_use]
pub fn claimed_request(message: &str) -> Option<String> {
    let document = parse(message).ok()?;
    document.root_element().attribute("InResponseTo").map(str::to_owned)
}

/// The assertion of a response, verified.
pub fn accept(message: &str, expected: &Expected<'_>) -> Result<Accepted, SamlError> {
    let document = parse(message)?;
    let response = document.root_element();
    check_response(response, expected)?;
    let named = |name: &'static str| {
        response
            .descendants()
            .filter(move |node| node.is_element() && node.tag_name().name() == name)
    };
    if named("EncryptedAssertion").next().is_some() {
        return Err(SamlError::Encrypted);
    }
    if named("Assertion").count() > 1 {
        return Err(SamlError::Several("Assertion"));
    }
    let assertion = only(response, ASSERTION, "Assertion")?;
    let keys = &expected.provider.keys;
    let mut verified = 0;
    let mut bytes = None;
    if signature::has_signature(response) {
        let whole = signature::verify(response, keys)?;
        let inner = parse(&whole)?;
        let inside = only(inner.root_element(), ASSERTION, "Assertion")?;
        bytes = Some(canonical(inside, None, &[])?);
        verified += 1;
    }
    if signature::has_signature(assertion) {
        bytes = Some(signature::verify(assertion, keys)?);
        verified += 1;
    }
    // A signature anywhere else is there to confuse somebody.
    if signature::count(response) != verified {
        return Err(SamlError::Signature("there are signatures at places that are none"));
    }
    let bytes = bytes.ok_or(SamlError::Signature("neither response nor assertion is signed"))?;
    let document = parse(&bytes)?;
    read_assertion(document.root_element(), expected)
}

fn check_response(response: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), SamlError> {
    if !is(response, PROTOCOL, "Response") {
        return Err(SamlError::Missing("Response"));
    }
    if response.attribute("Version") != Some("2.0") {
        return Err(SamlError::Wrong("Version"));
    }
    if response.attribute("Destination") != Some(expected.recipient) {
        return Err(SamlError::Wrong("Destination"));
    }
    if response.attribute("InResponseTo") != expected.in_response_to {
        return Err(SamlError::Wrong("InResponseTo"));
    }
    if let Some(issuer) = children(response, ASSERTION, "Issuer").next()
        && text(issuer)? != expected.provider.entity_id
    {
        return Err(SamlError::Wrong("Issuer"));
    }
    let status = only(only(response, PROTOCOL, "Status")?, PROTOCOL, "StatusCode")?;
    if status.attribute("Value") == Some(SUCCESS) {
        return Ok(());
    }
    let detail = children(status, PROTOCOL, "StatusCode").next();
    let detail = detail.and_then(|detail| detail.attribute("Value"));
    if detail == Some(NO_PASSIVE) {
        return Err(SamlError::WouldAsk);
    }
    let reason = detail.or(status.attribute("Value")).unwrap_or("no reason given");
    Err(SamlError::Refused(reason.chars().filter(|c| !c.is_control()).take(200).collect()))
}

/// Reads an assertion out of bytes that were verified.
fn read_assertion(assertion: Node<'_, '_>, expected: &Expected<'_>) -> Result<Accepted, SamlError> {
    if !is(assertion, ASSERTION, "Assertion") {
        return Err(SamlError::Missing("Assertion"));
    }
    if assertion.attribute("Version") != Some("2.0") {
        return Err(SamlError::Wrong("Version"));
    }
    let id = assertion.attribute("ID").filter(|id| !id.is_empty());
    let id = id.ok_or(SamlError::Missing("ID"))?.to_owned();
    if text(only(assertion, ASSERTION, "Issuer")?)? != expected.provider.entity_id {
        return Err(SamlError::Wrong("Issuer"));
    }
    check_conditions(only(assertion, ASSERTION, "Conditions")?, expected)?;
    let subject = only(assertion, ASSERTION, "Subject")?;
    let until = confirmed_until(subject, expected)?;
    let name_id = only(subject, ASSERTION, "NameID")?;
    let statement = children(assertion, ASSERTION, "AuthnStatement").next();
    let statement = statement.ok_or(SamlError::Missing("AuthnStatement"))?;
    if let Some(end) = moment(statement, "SessionNotOnOrAfter")?
        && is_over(end, expected.now)
    {
        return Err(SamlError::Time("the provider's session is over"));
    }
    let subject = SamlSubject {
        name_id: text(name_id)?.to_owned(),
        format: name_id.attribute("Format").unwrap_or_default().to_owned(),
        session_index: statement.attribute("SessionIndex").unwrap_or_default().to_owned(),
    };
    Ok(Accepted { id, until, subject, attributes: attributes(assertion)? })
}

fn check_conditions(conditions: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), SamlError> {
    check_window(conditions, expected.now)?;
    let mut restrictions = children(conditions, ASSERTION, "AudienceRestriction").peekable();
    if restrictions.peek().is_none() {
        return Err(SamlError::Missing("AudienceRestriction"));
    }
    for restriction in restrictions {
        let mut is_for_us = false;
        for audience in children(restriction, ASSERTION, "Audience") {
            is_for_us |= text(audience)? == expected.audience;
        }
        if !is_for_us {
            return Err(SamlError::Wrong("Audience"));
        }
    }
    Ok(())
}

/// Until when a bearer may hand it in here; refused when none of its confirmations allows that.
fn confirmed_until(subject: Node<'_, '_>, expected: &Expected<'_>) -> Result<Moment, SamlError> {
    let mut refusal = SamlError::Missing("SubjectConfirmation");
    for confirmation in children(subject, ASSERTION, "SubjectConfirmation") {
        if confirmation.attribute("Method") != Some(BEARER) {
            continue;
        }
        match confirmation_until(confirmation, expected) {
            Ok(until) => return Ok(until),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

fn confirmation_until(
    confirmation: Node<'_, '_>,
    expected: &Expected<'_>,
) -> Result<Moment, SamlError> {
    let data = only(confirmation, ASSERTION, "SubjectConfirmationData")?;
    if data.attribute("Recipient") != Some(expected.recipient) {
        return Err(SamlError::Wrong("Recipient"));
    }
    if data.attribute("InResponseTo") != expected.in_response_to {
        return Err(SamlError::Wrong("InResponseTo"));
    }
    check_window(data, expected.now)?;
    let until = moment(data, "NotOnOrAfter")?;
    let until = until.ok_or(SamlError::Missing("NotOnOrAfter of the confirmation"))?;
    Ok(Moment(until.0.saturating_add(LEEWAY)))
}

fn check_window(node: Node<'_, '_>, now: Moment) -> Result<(), SamlError> {
    if let Some(start) = moment(node, "NotBefore")?
        && start.0.saturating_sub(LEEWAY) > now.0
    {
        return Err(SamlError::Time("not yet"));
    }
    match moment(node, "NotOnOrAfter")? {
        Some(end) if is_over(end, now) => Err(SamlError::Time("not any more")),
        _ => Ok(()),
    }
}

fn is_over(end: Moment, now: Moment) -> bool {
    end.0.saturating_add(LEEWAY) <= now.0
}

fn moment(node: Node<'_, '_>, name: &str) -> Result<Option<Moment>, SamlError> {
    let Some(written) = node.attribute(name) else { return Ok(None) };
    let parsed = written.parse::<jiff::Timestamp>();
    parsed
        .map(|timestamp| Some(Moment(timestamp.as_millisecond())))
        .map_err(|_| SamlError::Time("a time in it cannot be read"))
}

fn attributes(assertion: Node<'_, '_>) -> Result<Vec<(String, String)>, SamlError> {
    let mut found = Vec::new();
    for statement in children(assertion, ASSERTION, "AttributeStatement") {
        for attribute in children(statement, ASSERTION, "Attribute") {
            let name = attribute.attribute("Name").unwrap_or_default();
            for value in children(attribute, ASSERTION, "AttributeValue") {
                if found.len() >= MOST_VALUES {
                    return Err(SamlError::Xml("there are too many attribute values"));
                }
                // A value that is more than text, such as a NameID, is of no use to rules.
                if let Ok(value) = text(value) {
                    found.push((name.to_owned(), value.to_owned()));
                }
            }
        }
    }
    Ok(found)
}

/// Whom the assertion makes at an entrance with these settings.
pub fn person(settings: &SamlSettings, accepted: &Accepted) -> Result<Person, SamlError> {
    let values = |name: &str| -> Vec<&str> {
        let of_name = accepted.attributes.iter().filter(|(found, _)| found == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    };
    let one = |name: &str| match values(name).as_slice() {
        [value] => Ok((*value).to_owned()),
        [] => Err(SamlError::Attributes(format!("{name:?} is missing"))),
        _ => Err(SamlError::Attributes(format!("{name:?} has several values"))),
    };
    let id = match settings.user_id.as_str() {
        "" => accepted.subject.name_id.clone(),
        name => one(name)?,
    };
    let directory = settings.user_directory.as_str();
    let directory = match directory.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(constant) => constant.to_owned(),
        None if directory.is_empty() => {
            return Err(SamlError::Settings("the entrance names no user directory".to_owned()));
        }
        None => one(directory)?,
    };
    let key = UserKey::from_outside(&directory, &id)
        .map_err(|error| SamlError::Attributes(error.to_string()))?;
    let mut attributes = Vec::new();
    for mapping in &settings.attributes {
        let found = values(&mapping.from);
        if found.is_empty() && mapping.is_mandatory {
            let text = format!("the mandatory attribute {:?} is missing", mapping.from);
            return Err(SamlError::Attributes(text));
        }
        attributes.extend(found.into_iter().map(|value| (mapping.to.clone(), value.to_owned())));
    }
    let name = ["displayName", "name", "http://schemas.microsoft.com/identity/claims/displayname"]
        .iter()
        .find_map(|name| values(name).first().map(|value| (*value).to_owned()))
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| key.id().to_owned());
    Ok(Person { id: None, key, name, attributes })
}
