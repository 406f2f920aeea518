//! How does an event become a row that nobody can change unnoticed?

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use loggia_model::Moment;
use serde_json::{Map, Value, json};

use crate::event::{Class, Event, Kind};

/// Most bytes of a row's details. What is longer is cut and says so.
pub const MOST_DETAILS: usize = 32 * 1024;
/// Most characters of one text in the details, and of any text beside them.
const MOST_TEXT: usize = 4_096;
const MOST_WORD: usize = 256;
const MOST_ITEMS: usize = 256;
const DEEPEST: usize = 8;

/// A value, the salt that hides it, and what remains in the chain when both are erased.
///
/// Thirty-two bits of an address are quickly tried out; with 128 secret bits before them they are
/// not, and once the salt is gone nobody can tell what was committed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    pub hash: [u8; 32],
    /// Value and salt; none once they are forgotten.
    pub opening: Option<(String, [u8; 16])>,
}

/// An event that is ready to be chained: bounded, with its commitments made.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Texts here and below are as stored: whoever reads a row that was tampered with must be able
    /// to say so.
    pub kind: String,
    pub time: Moment,
    pub correlation: String,
    pub node: String,
    pub principal: String,
    pub is_anonymous: bool,
    pub session: Option<String>,
    pub entrance: String,
    pub app: Option<String>,
    /// The /24 or /48 that the address is in; none where there was no address.
    pub network: Option<Commitment>,
    /// A JSON object: the address and what is forgotten together with it.
    pub personal: Option<Commitment>,
    /// A JSON object, as it is hashed.
    pub details: String,
}

/// A link of the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub number: u64,
    pub previous: [u8; 32],
    pub hash: [u8; 32],
    pub entry: Entry,
}

/// Both ends of the chain and what was taken from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Number and hash of the newest row; 0 when there never was one.
    pub number: u64,
    pub hash: [u8; 32],
    /// Rows up to this one were pruned; its hash is the anchor of what remains.
    pub pruned: u64,
    pub pruned_hash: [u8; 32],
    /// In rows up to this one addresses are forgotten.
    pub forgotten: u64,
    /// By the site's key; none where it was written without one.
    pub seal: Option<[u8; 32]>,
}

/// The key that seals the head. It is kept outside of the database: whoever can write there could
/// otherwise make a whole new chain, or cut the newest rows off.
#[derive(Clone)]
pub struct Key(hmac::Key);

impl Key {
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Key {
        Key(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Commitment {
    #[must_use]
    pub fn to(value: String, salt: [u8; 16]) -> Commitment {
        Commitment { hash: commit(&value, &salt), opening: Some((value, salt)) }
    }

    /// Whether the opening, where there still is one, is what was committed to.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.opening.as_ref().is_none_or(|(value, salt)| commit(value, salt) == self.hash)
    }

    /// What was committed to, unless it is forgotten.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.opening.as_ref().map(|(value, _)| value.as_str())
    }
}

impl Entry {
    /// Prepares an event; `salt` gives 16 fresh random bytes at each call.
    #[must_use]
    pub fn new(event: Event, salt: &mut dyn FnMut() -> [u8; 16]) -> Entry {
        let network = event.address.map(|address| Commitment::to(network_of(address), salt()));
        let mut personal = event.personal;
        if let Some(address) = event.address {
            personal.insert("address".to_owned(), Value::String(address.to_string()));
        }
        let personal = (!personal.is_empty()).then(|| Commitment::to(bounded(personal), salt()));
        Entry {
            kind: event.kind.as_str().to_owned(),
            time: event.time,
            correlation: cut(event.correlation, MOST_WORD),
            node: cut(event.node, MOST_WORD),
            principal: cut(event.principal, MOST_WORD),
            is_anonymous: event.is_anonymous,
            session: event.session.map(|session| session.text()),
            entrance: cut(event.entrance, MOST_WORD),
            app: event.app.map(|app| app.text()),
            network,
            personal,
            details: bounded(event.details),
        }
    }

    /// Appends it to the chain that ends at `head`, which moves on.
    #[must_use]
    pub fn chained(self, head: &mut Head) -> Row {
        let mut row = Row {
            number: head.number.saturating_add(1),
            previous: head.hash,
            hash: [0; 32],
            entry: self,
        };
        row.hash = row.content_hash();
        head.number = row.number;
        head.hash = row.hash;
        row
    }

    /// What it is about; none for a kind that this release does not know.
    #[must_use]
    pub fn known_kind(&self) -> Option<Kind> {
        self.kind.parse().ok()
    }

    #[must_use]
    pub fn class(&self) -> Option<Class> {
        self.known_kind().map(Kind::class)
    }

    /// What was said of the address: whole, as a network, or nothing.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        let personal = self.personal_values();
        let whole = personal.get("address").and_then(Value::as_str).map(str::to_owned);
        whole.or_else(|| {
            self.network.as_ref().and_then(|network| network.value().map(str::to_owned))
        })
    }

    /// What is not forgotten yet.
    #[must_use]
    pub fn personal_values(&self) -> Map<String, Value> {
        let text = self.personal.as_ref().and_then(Commitment::value);
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The details as an object.
    #[must_use]
    pub fn detail_values(&self) -> Map<String, Value> {
        serde_json::from_str(&self.details).unwrap_or_default()
    }
}

impl Row {
    /// SHA-256 over the canonical bytes: each text behind its length, so that no two rows have the
    /// same bytes.
    #[must_use]
    pub fn content_hash(&self) -> [u8; 32] {
        let entry = &self.entry;
        let mut bytes = Bytes(Context::new(&SHA256));
        bytes.text("loggia-audit-1");
        bytes.0.update(&self.number.to_be_bytes());
        bytes.0.update(&self.previous);
        bytes.0.update(&entry.time.0.to_be_bytes());
        bytes.text(&entry.kind);
        bytes.text(&entry.correlation);
        bytes.text(&entry.node);
        bytes.text(&entry.principal);
        bytes.0.update(&[u8::from(entry.is_anonymous)]);
        bytes.optional(entry.session.as_deref());
        bytes.text(&entry.entrance);
        bytes.optional(entry.app.as_deref());
        bytes.commitment(entry.network.as_ref());
        bytes.commitment(entry.personal.as_ref());
        bytes.text(&entry.details);
        bytes.finish()
    }
}

impl Head {
    /// The same, sealed by the key.
    #[must_use]
    pub fn sealed(mut self, key: Option<&Key>) -> Head {
        self.seal = key.and_then(|key| {
            let tag = hmac::sign(&key.0, &self.bytes());
            tag.as_ref().try_into().ok()
        });
        self
    }

    /// Whether the seal is the key's.
    #[must_use]
    pub fn is_sealed_by(&self, key: &Key) -> bool {
        self.seal.is_some_and(|seal| hmac::verify(&key.0, &self.bytes(), &seal).is_ok())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"loggia-audit-head-1".to_vec();
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&self.pruned.to_be_bytes());
        bytes.extend_from_slice(&self.pruned_hash);
        bytes.extend_from_slice(&self.forgotten.to_be_bytes());
        bytes
    }
}

/// The part of an address that stays: a /24 of IPv4, a /48 of IPv6.
#[must_use]
pub fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let bits = address.to_bits() & 0xffff_ff00;
            format!("{}/24", Ipv4Addr::from_bits(bits))
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits() & (u128::MAX << 80);
            format!("{}/48", Ipv6Addr::from_bits(bits))
        }
    }
}

fn commit(value: &str, salt: &[u8; 16]) -> [u8; 32] {
    let mut bytes = Bytes(Context::new(&SHA256));
    bytes.text("loggia-audit-personal-1");
    bytes.0.update(salt);
    bytes.text(value);
    bytes.finish()
}

struct Bytes(Context);

impl Bytes {
    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.0.update(&[u8::from(text.is_some())]);
        self.text(text.unwrap_or_default());
    }

    fn commitment(&mut self, commitment: Option<&Commitment>) {
        self.0.update(&[u8::from(commitment.is_some())]);
        self.0.update(&commitment.map_or([0; 32], |commitment| commitment.hash));
    }

    fn finish(self) -> [u8; 32] {
        // SHA-256 has 32 bytes.
        self.0.finish().as_ref().try_into().unwrap_or([0; 32])
    }
}

/// The object as text, with everything that is too long cut.
fn bounded(values: Map<String, Value>) -> String {
    let shortened = short(Value::Object(values), 0);
    let text = shortened.to_string();
    if text.len() <= MOST_DETAILS {
        return text;
    }
    let Value::Object(values) = shortened else { return "{}".to_owned() };
    let mut kept = Map::new();
    let mut room = MOST_DETAILS - 64;
    for (name, value) in values {
        let size = name.len() * 6 + value.to_string().len() + 8;
        if size <= room {
            room -= size;
            kept.insert(name, value);
        }
    }
    kept.insert("cut".to_owned(), json!(text.len()));
    Value::Object(kept).to_string()
}

fn short(value: Value, depth: usize) -> Value {
    match value {
        Value::String(text) => Value::String(cut(text, MOST_TEXT)),
        Value::Array(_) | Value::Object(_) if depth >= DEEPEST => Value::String("…".to_owned()),
        Value::Array(items) => Value::Array(
            items.into_iter().take(MOST_ITEMS).map(|item| short(item, depth + 1)).collect(),
        ),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .take(MOST_ITEMS)
                .map(|(name, value)| (cut(name, MOST_WORD), short(value, depth + 1)))
                .collect(),
        ),
        other => other,
    }
}

fn cut(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut text = text;
    text.truncate(end);
    text.push('…');
    text
}
