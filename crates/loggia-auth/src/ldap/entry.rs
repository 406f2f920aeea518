//! What does an entry say of a person?

use ldap3::SearchEntry;
use loggia_model::entity::{DirectoryPerson, UserDirectory};
use uuid::Uuid;

/// One entry of a search.
pub(super) struct Entry {
    pub(super) dn: String,
    /// Attributes with their values, names as the server writes them.
    values: Vec<(String, Vec<Vec<u8>>)>,
}

/// Values that are taken over of one person, and letters of each.
const MOST_VALUES: usize = 2_000;
const LONGEST_VALUE: usize = 1_024;

impl Entry {
    pub(super) fn new(entry: SearchEntry) -> Entry {
        let texts = entry
            .attrs
            .into_iter()
            .map(|(name, values)| (name, values.into_iter().map(String::into_bytes).collect()));
        Entry { dn: entry.dn, values: texts.chain(entry.bin_attrs).collect() }
    }

    fn raw(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let of_name = self.values.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        of_name.flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }

    /// Readable values of an attribute, in an order of their own.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let readable = |bytes: &[u8]| -> Option<String> {
            let text = std::str::from_utf8(bytes).ok()?.trim();
            let is_fit = !text.is_empty()
                && text.chars().count() <= LONGEST_VALUE
                && !text.chars().any(char::is_control);
            is_fit.then(|| text.to_owned())
        };
        let mut texts: Vec<String> = self.raw(name).filter_map(readable).collect();
        // Values have no order in a directory, and must not seem to change.
        texts.sort();
        texts
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.texts(name).into_iter().next()
    }

    /// What never changes of the entry; empty where it has nothing of the kind.
    pub(super) fn external_id(&self, name: &str) -> String {
        let Some(bytes) = self.raw(name).next() else { return String::new() };
        let as_guid = bytes.try_into().ok().filter(|_| name.eq_ignore_ascii_case("objectGUID"));
        if let Some(bytes) = as_guid {
            // As Windows writes it: the first three groups with their bytes turned round.
            return Uuid::from_bytes_le(bytes).hyphenated().to_string();
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.chars().any(char::is_control) => text.trim().to_owned(),
            _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// The person, or why the entry is none that can be used.
    pub(super) fn person(
        &self,
        directory: &UserDirectory,
        groups: Vec<String>,
    ) -> Result<DirectoryPerson, String> {
        let Some(user_id) = self.text(&directory.user_id) else {
            return Err(format!("{} has no readable {}", self.dn, directory.user_id));
        };
        let mut attributes: Vec<(String, String)> =
            groups.into_iter().map(|group| ("group".to_owned(), group)).collect();
        let email = (!directory.email.is_empty()).then_some(("email", &directory.email));
        let further = directory.attributes.iter().map(|name| (name.as_str(), name));
        for (name, attribute) in email.into_iter().chain(further) {
            let values = self.texts(attribute).into_iter();
            attributes.extend(values.map(|value| (name.to_owned(), value)));
        }
        attributes.sort();
        attributes.dedup();
        if attributes.len() > MOST_VALUES {
            return Err(format!("{} has more than {MOST_VALUES} values", self.dn));
        }
        Ok(DirectoryPerson {
            user_id,
            name: self.text(&directory.user_name).unwrap_or_default(),
            external_id: self.external_id(&directory.external_id),
            attributes,
        })
    }
}
