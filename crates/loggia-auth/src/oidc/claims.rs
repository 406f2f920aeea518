//! Whom do a token's claims describe? Claims in, person with session attributes out.

use loggia_model::UserKey;
use loggia_model::entity::OidcSettings;
use serde_json::{Map, Value};

use crate::scheme::Person;

/// More values than this make no session: the request that carries them on would be refused.
const MOST_VALUES: usize = 2_000;
const LONGEST_VALUE: usize = 4_096;

/// The person. The key is the entrance's realm and the subject, and nothing else: an e-mail
/// address can be given to somebody new, and two providers can claim the same one.
pub fn person(settings: &OidcSettings, claims: &Map<String, Value>) -> Result<Person, String> {
    if settings.realm.trim().is_empty() {
        return Err("the entrance has no realm, which would be the user directory".to_owned());
    }
    let subject = or(&settings.subject, "sub");
    let id = one(claims, subject).ok_or_else(|| format!("there is no claim {subject:?}"))?;
    let key = UserKey::from_outside(&settings.realm, &id).map_err(|error| error.to_string())?;
    let name = one(claims, or(&settings.name, "name"))
        .or_else(|| one(claims, "preferred_username"))
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| key.id().to_owned());
    let mut attributes = Vec::new();
    for (to, from) in standard(settings) {
        add(&mut attributes, to, &values(claims, from));
    }
    for mapping in &settings.attributes {
        let found = values(claims, &mapping.from);
        if found.is_empty() && mapping.is_mandatory {
            return Err(format!("the mandatory claim {:?} is missing", mapping.from));
        }
        add(&mut attributes, &mapping.to, &found);
    }
    if attributes.len() > MOST_VALUES {
        return Err(format!("there are {} attribute values", attributes.len()));
    }
    Ok(Person { id: None, key, name, attributes })
}

/// Whether a claim that the entrance looks at is not there.
pub(crate) fn is_anything_missing(settings: &OidcSettings, claims: &Map<String, Value>) -> bool {
    let is_missing = |name: &str| values(claims, name).is_empty();
    is_missing(or(&settings.subject, "sub"))
        || is_missing(or(&settings.name, "name"))
        || standard(settings).iter().any(|(_, from)| is_missing(from))
        || settings.attributes.iter().any(|mapping| is_missing(&mapping.from))
}

/// Attributes that every session gets, by the names that rules know them by.
fn standard(settings: &OidcSettings) -> [(&'static str, &str); 4] {
    [
        ("group", or(&settings.groups, "groups")),
        ("email", or(&settings.email, "email")),
        ("client_id", or(&settings.client_id_claim, "client_id")),
        ("picture", or(&settings.picture, "picture")),
    ]
}

fn or<'a>(set: &'a str, usual: &'a str) -> &'a str {
    if set.is_empty() { usual } else { set }
}

fn add(attributes: &mut Vec<(String, String)>, name: &str, values: &[String]) {
    for value in values {
        let pair = (name.to_owned(), value.clone());
        if !attributes.contains(&pair) {
            attributes.push(pair);
        }
    }
}

fn one(claims: &Map<String, Value>, path: &str) -> Option<String> {
    match values(claims, path).as_slice() {
        [value] => Some(value.clone()),
        _ => None,
    }
}

/// The values of a claim. A name with dots is first looked for as it is, since some providers
/// name claims by addresses, and then as a way through objects: `realm_access.roles`.
fn values(claims: &Map<String, Value>, path: &str) -> Vec<String> {
    let found = claims.get(path).or_else(|| {
        let (first, rest) = path.split_once('.')?;
        rest.split('.').try_fold(claims.get(first)?, |value, name| value.get(name))
    });
    match found {
        Some(Value::Array(several)) => several.iter().filter_map(scalar).collect(),
        Some(value) => scalar(value).into_iter().collect(),
        None => Vec::new(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.len() <= LONGEST_VALUE => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use loggia_model::entity::AttributeMapping;
    use serde_json::json;

    use super::*;

    fn settings() -> OidcSettings {
        OidcSettings { realm: "ACME".into(), ..OidcSettings::default() }
    }

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn claims_become_a_person_with_attributes() {
        let mut settings = settings();
        settings.groups = "realm_access.roles".into();
        settings.attributes = vec![
            AttributeMapping {
                from: "https://acme.example/level".into(),
                to: "level".into(),
                is_mandatory: true,
            },
            AttributeMapping { from: "shoe".into(), to: "shoe".into(), is_mandatory: false },
        ];
        let given = claims(json!({
            "sub": "248289761001",
            "name": "Ana Lima",
            "email": "ana@acme.example",
            "realm_access": { "roles": ["sales", "north", "sales", { "no": 1 }] },
            "https://acme.example/level": 7,
        }));
        let found = person(&settings, &given).unwrap();
        assert_eq!(found.key, UserKey::new("ACME", "248289761001").unwrap());
        assert_eq!(found.name, "Ana Lima");
        let pairs: Vec<String> =
            found.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs, ["group=sales", "group=north", "email=ana@acme.example", "level=7"]);
    }

    #[test]
    fn nobody_is_made_of_a_name_that_is_reserved_or_not_one() {
        for (realm, given) in [
            ("ACME", json!({})),
            ("ACME", json!({ "sub": "" })),
            ("ACME", json!({ "sub": "a\\b" })),
            ("ACME", json!({ "sub": ["a", "b"] })),
            ("ACME", json!({ "sub": { "a": "b" } })),
            ("NONE", json!({ "sub": "anonymous1" })),
            ("internal", json!({ "sub": "sa_repository" })),
            ("", json!({ "sub": "ana" })),
        ] {
            let settings = OidcSettings { realm: realm.into(), ..OidcSettings::default() };
            assert!(person(&settings, &claims(given.clone())).is_err(), "{realm} {given}");
        }
        // The same address at the same provider: two subjects are two people.
        let at = |sub: &str| {
            person(&settings(), &claims(json!({ "sub": sub, "email": "ana@acme.example" })))
        };
        assert_ne!(at("1").unwrap().key, at("2").unwrap().key);
    }

    #[test]
    fn what_is_mandatory_must_be_there() {
        let mut settings = settings();
        settings.attributes = vec![AttributeMapping {
            from: "department".into(),
            to: "department".into(),
            is_mandatory: true,
        }];
        let missing = person(&settings, &claims(json!({ "sub": "ana" }))).unwrap_err();
        assert!(missing.contains("department"), "{missing}");
    }
}
