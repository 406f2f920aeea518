//! What the hub's page says around its list: who is asking, and where they could log in. It is the
//! same at each of a person's requests, and for all visitors of an entrance, but for the token of
//! their session.

use std::sync::Arc;

use hashbrown::HashMap;
use loggia_model::entity::VirtualProxy;
use loggia_model::{UserId, UserKey, VirtualProxyId};
use parking_lot::Mutex;

/// The frames that are kept.
#[derive(Default)]
pub(crate) struct HubFrames(Mutex<HashMap<Key, Kept>>);

/// A page but for its list and its session's token.
#[derive(Debug)]
pub(crate) struct HubFrame {
    /// The data block as a page may hold it, up to the token and after it.
    pub(crate) block: [String; 2],
    /// The plain links that come after the list.
    pub(crate) end: String,
}

type Key = (VirtualProxyId, Option<UserId>);

struct Kept {
    entrance: Arc<VirtualProxy>,
    key: Option<UserKey>,
    name: String,
    path: String,
    frame: Arc<HubFrame>,
}

/// What a frame is made from: while all of it is the same, so is the frame.
pub(crate) struct Reader<'a> {
    pub(crate) entrance: &'a Arc<VirtualProxy>,
    /// Nobody for a visitor. The page shows the key too, which a directory may change.
    pub(crate) user: Option<(UserId, &'a UserKey)>,
    /// What the page calls them.
    pub(crate) name: &'a str,
    /// The page's own address.
    pub(crate) path: &'a str,
}

/// Frames that are kept: some hundred bytes each.
const MOST: usize = 4_096;

impl HubFrames {
    /// The reader's frame, made by `write` when it is new.
    pub(crate) fn get(
        &self,
        reader: &Reader<'_>,
        write: impl FnOnce() -> HubFrame,
    ) -> Arc<HubFrame> {
        let user_key = reader.user.map(|(_, key)| key);
        let key = (reader.entrance.id, reader.user.map(|(id, _)| id));
        if let Some(kept) = self.0.lock().get(&key)
            && Arc::ptr_eq(&kept.entrance, reader.entrance)
            && kept.key.as_ref() == user_key
            && kept.name == reader.name
            && kept.path == reader.path
        {
            return Arc::clone(&kept.frame);
        }
        let frame = Arc::new(write());
        let kept = Kept {
            entrance: Arc::clone(reader.entrance),
            key: user_key.cloned(),
            name: reader.name.to_owned(),
            path: reader.path.to_owned(),
            frame: Arc::clone(&frame),
        };
        let mut frames = self.0.lock();
        if frames.len() >= MOST && !frames.contains_key(&key) {
            // Whoever is forgotten is written anew.
            frames.clear();
        }
        frames.insert(key, kept);
        frame
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn entrance(number: u128) -> Arc<VirtualProxy> {
        let entrance = serde_json::from_value(serde_json::json!({
            "id": Uuid::from_u128(number),
            "prefix": "",
            "description": "",
            "anonymous": "Never",
            "session_cookie": "X-S",
            "inactivity_minutes": 30,
            "host_allow_list": [],
            "same_site_https": "Lax",
            "same_site_http": "Lax",
            "additional_headers": "",
            "extended_security": false,
            "max_anonymous_sessions": 1,
            "max_anonymous_sessions_per_address": 1,
            "tags": [],
            "stamp": { "created": 0, "modified": 0, "modified_by": "" },
        }));
        Arc::new(entrance.unwrap())
    }

    #[test]
    fn a_frame_is_written_anew_when_anything_in_it_changes() {
        let frames = HubFrames::default();
        let (one, changed) = (entrance(1), entrance(1));
        let keys = ["ana", "ben", "ana2"].map(|id| UserKey::from_outside("ACME", id).unwrap());
        let person = |number, key| (UserId(Uuid::from_u128(number)), key);
        let (ana, ben, renamed) = (person(1, &keys[0]), person(2, &keys[1]), person(1, &keys[2]));
        let reader = |entrance, user, name, path| Reader { entrance, user, name, path };
        let written =
            |text: &str| HubFrame { block: [text.to_owned(), String::new()], end: String::new() };
        let said =
            |reader: &Reader<'_>, text| frames.get(reader, || written(text)).block[0].clone();
        assert_eq!(said(&reader(&one, None, "Visitor", "/hub"), "1"), "1");
        assert_eq!(said(&reader(&one, None, "Visitor", "/hub"), "2"), "1");
        assert_eq!(said(&reader(&one, Some(ana), "Ana", "/hub"), "3"), "3");
        assert_eq!(said(&reader(&one, Some(ben), "Ana", "/hub"), "4"), "4");
        assert_eq!(said(&reader(&one, Some(ana), "Ana A.", "/hub"), "5"), "5");
        assert_eq!(said(&reader(&one, Some(renamed), "Ana A.", "/hub"), "renamed"), "renamed");
        assert_eq!(said(&reader(&one, None, "Visitor", "/hub/stream/x"), "6"), "6");
        // The same entrance after somebody has saved it.
        assert_eq!(said(&reader(&changed, None, "Visitor", "/hub/stream/x"), "7"), "7");
        assert_eq!(said(&reader(&one, Some(ben), "Ana", "/hub"), "8"), "4");
    }
}
