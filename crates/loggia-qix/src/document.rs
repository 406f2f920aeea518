//! An app as one engine session sees it: selections and the steps between them, modal mode, session
//! objects, soft patches. Everything here is private to the session and never stored.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use loggia_engine::cube::Expansion;
use loggia_engine::model::FieldId;
use loggia_engine::selection::Selections;
use loggia_model::AppId;
use serde_json::{Map, Value, json};

use crate::app::LoadedApp;
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::Target;
use crate::layout::pages::has_too_many_definitions;
use crate::patch::{Patch, weight};
use crate::view::{StoredItem, View};

/// Session objects that one engine session may hold; a page of charts makes some twenty.
const MAX_SESSION_OBJECTS: usize = 1_000;

/// Bytes of properties and patches that one engine session may hold.
const MAX_SESSION_BYTES: usize = 32 * 1024 * 1024;

/// Alternate states of one engine session.
const MAX_STATES: usize = 100;

/// Steps back that are kept.
const MAX_STEPS: usize = 100;

/// Masters of masters: deeper chains are taken for a circle.
const MAX_EXTENDS: usize = 8;

/// The open app of an engine session.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) app: AppId,
    pub(crate) loaded: Arc<LoadedApp>,
    pub(crate) selections: Selections,
    pub(crate) back: Vec<Selections>,
    pub(crate) forward: Vec<Selections>,
    pub(crate) modal: Option<Modal>,
    /// Alternate states of this session, beside `$`.
    pub(crate) states: BTreeSet<Arc<str>>,
    /// Variables set in this session, by name.
    pub(crate) variables: BTreeMap<Arc<str>, Arc<str>>,
    /// Open searches in list objects, by object and path.
    pub(crate) searches: HashMap<Place, String>,
    /// Opened nodes of pivot tables, by object and path.
    pub(crate) expansions: HashMap<Place, Expansions>,
    objects: BTreeMap<Arc<str>, SessionObject>,
    soft_patches: HashMap<Arc<str>, Vec<Patch>>,
    bytes: usize,
    last_id: u64,
}

/// A definition within an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) object: Arc<str>,
    pub(crate) path: String,
}

/// The open nodes of a pivot table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Expansions {
    pub(crate) left: Expansion,
    pub(crate) top: Expansion,
}

/// One object has the word: its selections count as one step until it ends.
#[derive(Clone, Debug)]
pub(crate) struct Modal {
    pub(crate) object: Arc<str>,
    /// The socket that began it: when that one goes away, the step is undone.
    pub(crate) socket: u64,
    pub(crate) before: Selections,
    pub(crate) has_made_selections: bool,
}

/// An object that lives as long as the engine session.
#[derive(Clone, Debug)]
struct SessionObject {
    properties: Arc<Value>,
    parent: Option<Arc<str>>,
    children: Vec<Arc<str>>,
}

/// An object of the app or of the session.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) id: Arc<str>,
    pub(crate) properties: Arc<Value>,
    pub(crate) parent: Option<Arc<str>>,
    /// None for a session object.
    pub(crate) stored: Option<Arc<StoredItem>>,
}

impl Object {
    /// `qInfo.qType`.
    pub(crate) fn generic_type(&self) -> &str {
        generic_type(&self.properties)
    }
}

impl Document {
    pub(crate) fn new(app: AppId, loaded: Arc<LoadedApp>) -> Document {
        Document {
            app,
            loaded,
            selections: Selections::default(),
            back: Vec::new(),
            forward: Vec::new(),
            modal: None,
            states: BTreeSet::new(),
            variables: BTreeMap::new(),
            searches: HashMap::new(),
            expansions: HashMap::new(),
            objects: BTreeMap::new(),
            soft_patches: HashMap::new(),
            bytes: 0,
            last_id: 0,
        }
    }

    // Objects.

    /// The object `id`, if there is one that the caller may read.
    pub(crate) fn object(&self, view: &View, id: &str) -> Option<Object> {
        if let Some((id, own)) = self.objects.get_key_value(id) {
            return Some(Object {
                id: id.clone(),
                properties: own.properties.clone(),
                parent: own.parent.clone(),
                stored: None,
            });
        }
        let stored = view.object(id)?;
        Some(Object {
            id: stored.id.clone(),
            properties: stored.properties.clone(),
            parent: stored.parent.clone(),
            stored: Some(stored.clone()),
        })
    }

    /// Ids of the children of `id`, in order.
    pub(crate) fn children(&self, view: &View, id: &str) -> Vec<Arc<str>> {
        match self.objects.get(id) {
            Some(own) => own.children.clone(),
            None => view.children(id),
        }
    }

    /// The session's own objects.
    pub(crate) fn session_objects(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Value>)> {
        self.objects.iter().map(|(id, object)| (id, &object.properties))
    }

    /// What the layout is made from: the master's properties, the object's own on top, then this
    /// session's soft patches.
    pub(crate) fn effective(&self, view: &View, object: &Object) -> Value {
        let mut chain = vec![object.properties.clone()];
        while chain.len() < MAX_EXTENDS
            && let Some(master) = chain
                .last()
                .and_then(|properties| properties.get("qExtendsId"))
                .and_then(Value::as_str)
                .filter(|id| !id.is_empty())
                .and_then(|id| self.object(view, id))
        {
            chain.push(master.properties);
        }
        let mut effective = Map::new();
        for properties in chain.iter().rev() {
            if let Value::Object(members) = properties.as_ref() {
                for (name, value) in members {
                    // A master does not lend its identity, only its content.
                    effective.insert(name.clone(), value.clone());
                }
            }
        }
        let mut effective = Value::Object(effective);
        for patch in self.soft_patches.get(&object.id).into_iter().flatten() {
            // A patch that no longer fits was made for properties that have changed since.
            let _ = patch.apply(&mut effective);
        }
        effective
    }

    pub(crate) fn has_soft_patches(&self, id: &str) -> bool {
        self.soft_patches.contains_key(id)
    }

    /// Lays patches over an object for this session only. All apply, or none is kept.
    pub(crate) fn add_soft_patches(
        &mut self,
        view: &View,
        object: &Object,
        patches: Vec<Patch>,
    ) -> Result<(), Fault> {
        let mut effective = self.effective(view, object);
        for patch in &patches {
            patch.apply(&mut effective)?;
        }
        check_definitions(&effective)?;
        self.reserve(patches.iter().map(Patch::weight).sum())?;
        let kept = self.soft_patches.entry(object.id.clone()).or_default();
        let mut freed = 0;
        for patch in patches {
            kept.retain(|older| {
                let is_superseded = patch.supersedes(older);
                freed += if is_superseded { older.weight() } else { 0 };
                !is_superseded
            });
            kept.push(patch);
        }
        self.bytes = self.bytes.saturating_sub(freed);
        Ok(())
    }

    pub(crate) fn clear_soft_patches(&mut self, id: &str) -> bool {
        let removed = self.soft_patches.remove(id);
        let freed: usize = removed.iter().flatten().map(Patch::weight).sum();
        self.bytes = self.bytes.saturating_sub(freed);
        removed.is_some()
    }

    /// Makes a session object, with its id filled in when it has none.
    pub(crate) fn create_session_object(
        &mut self,
        view: &View,
        mut properties: Value,
        parent: Option<&Arc<str>>,
    ) -> Result<Arc<str>, Fault> {
        if self.objects.len() >= MAX_SESSION_OBJECTS {
            return Err(Fault::limit("session objects"));
        }
        let id = self.claim_id(view, &mut properties)?;
        self.reserve(weight(&properties))?;
        if let Some(parent) = parent
            && let Some(parent) = self.objects.get_mut(parent)
        {
            parent.children.push(id.clone());
        }
        let object = SessionObject {
            properties: Arc::new(properties),
            parent: parent.cloned(),
            children: Vec::new(),
        };
        self.objects.insert(id.clone(), object);
        Ok(id)
    }

    /// Lets go of session objects that no socket holds any more, alone or by an object in them. Pages
    /// that were loaded again leave theirs behind.
    pub(crate) fn drop_unheld(&mut self, held: &HashSet<Arc<str>>) {
        let mut kept: HashSet<Arc<str>> = HashSet::new();
        for id in held {
            let mut at = Some(id.clone());
            while let Some(id) = at.filter(|id| kept.insert(id.clone())) {
                at = self.objects.get(&id).and_then(|object| object.parent.clone());
            }
        }
        let is_unheld = |id: &Arc<str>, object: &SessionObject| {
            !kept.contains(id) && object.parent.as_ref().is_none_or(|parent| !kept.contains(parent))
        };
        let unheld: Vec<Arc<str>> = self
            .objects
            .iter()
            .filter(|(id, object)| is_unheld(id, object))
            .map(|(id, _)| id.clone())
            .collect();
        for id in unheld {
            self.destroy_session_object(&id);
        }
    }

    /// Replaces a session object's properties; its id stays what it was.
    pub(crate) fn set_session_properties(
        &mut self,
        id: &str,
        mut properties: Value,
    ) -> Result<(), Fault> {
        let weight_now = weight(&properties);
        let own = self.objects.get(id).ok_or_else(|| Fault::object_not_found(id))?;
        keep_identity(&mut properties, &own.properties);
        let weight_before = weight(&own.properties);
        self.bytes = self.bytes.saturating_sub(weight_before);
        self.reserve(weight_now)?;
        if let Some(own) = self.objects.get_mut(id) {
            own.properties = Arc::new(properties);
        }
        Ok(())
    }

    /// Reorders a session object's children; the ids must be the ones it has.
    pub(crate) fn set_session_children(&mut self, id: &str, order: Vec<Arc<str>>) -> bool {
        let Some(own) = self.objects.get_mut(id) else { return false };
        let (mut have, mut want) = (own.children.clone(), order.clone());
        have.sort();
        want.sort();
        if have != want {
            return false;
        }
        own.children = order;
        true
    }

    /// Removes a session object and everything in it; none when there is no such session object.
    pub(crate) fn destroy_session_object(&mut self, id: &str) -> Option<Effects> {
        let own = self.objects.remove(id)?;
        let mut effects = Effects { items: true, ..Effects::default() };
        if let Some(parent) = &own.parent {
            if let Some(parent) = self.objects.get_mut(parent) {
                parent.children.retain(|child| &**child != id);
            }
            effects.parents.insert(parent.clone());
        }
        self.bytes = self.bytes.saturating_sub(weight(&own.properties));
        effects = effects.and(self.forget(id));
        for child in own.children {
            if let Some(below) = self.destroy_session_object(&child) {
                effects = effects.and(below);
            }
        }
        Some(effects)
    }

    /// Drops what this session kept about an object that is gone.
    pub(crate) fn forget(&mut self, id: &str) -> Effects {
        let id: Arc<str> = id.into();
        self.clear_soft_patches(&id);
        self.searches.retain(|place, _| place.object != id);
        self.expansions.retain(|place, _| place.object != id);
        let mut effects = Effects::none();
        if self.modal.as_ref().is_some_and(|modal| modal.object == id) {
            effects = self.end_modal(false);
        }
        effects.closed.insert(Target::Object(id));
        effects
    }

    /// Takes the id that `properties` ask for, or writes a new one into them.
    pub(crate) fn claim_id(
        &mut self,
        view: &View,
        properties: &mut Value,
    ) -> Result<Arc<str>, Fault> {
        check_definitions(properties)?;
        let Value::Object(members) = properties else {
            return Err(Fault::invalid_params("qProp"));
        };
        let info = members.entry("qInfo").or_insert_with(|| json!({}));
        let Value::Object(info) = info else { return Err(Fault::invalid_params("qInfo")) };
        match info.get("qId") {
            Some(Value::String(id)) if !id.is_empty() => {
                if self.is_taken(view, id) {
                    return Err(Fault::already_exists(id.clone()));
                }
                Ok(id.as_str().into())
            }
            None | Some(Value::Null | Value::String(_)) => {
                let id = self.new_id(view);
                info.insert("qId".to_owned(), json!(&*id));
                Ok(id)
            }
            Some(_) => Err(Fault::invalid_params("qId")),
        }
    }

    fn is_taken(&self, view: &View, id: &str) -> bool {
        self.objects.contains_key(id) || view.item(id).is_some()
    }

    fn new_id(&mut self, view: &View) -> Arc<str> {
        loop {
            self.last_id += 1;
            // Stored ids are drawn by the same way in other sessions, so they need to be random.
            let id: Arc<str> = uuid::Uuid::new_v4().simple().to_string()[..10].into();
            if !self.is_taken(view, &id) {
                return id;
            }
        }
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), Fault> {
        if self.bytes + bytes > MAX_SESSION_BYTES {
            return Err(Fault::limit("session properties"));
        }
        self.bytes += bytes;
        Ok(())
    }

    // Fields, states and variables.

    /// The field a client means: by name, in brackets or quotes, or as `=Name`.
    pub(crate) fn field(&self, text: &str) -> Option<FieldId> {
        let model = &self.loaded.model;
        let text = text.trim();
        model.field(text).or_else(|| {
            let bare = text.strip_prefix('=').unwrap_or(text).trim();
            let bare = bare
                .strip_prefix('[')
                .and_then(|inner| inner.strip_suffix(']'))
                .or_else(|| bare.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')))
                .unwrap_or(bare);
            model.field(bare)
        })
    }

    /// The definition of a variable: the session's, the app's, or the script's.
    pub(crate) fn variable(&self, view: &View, name: &str) -> Option<Arc<str>> {
        if let Some(definition) = self.variables.get(name) {
            return Some(definition.clone());
        }
        view.variable(name).or_else(|| self.loaded.variables.get(name).cloned())
    }

    /// Makes an alternate state, with the selections of another when one is named.
    pub(crate) fn add_state(&mut self, name: &str, source: &str) -> Result<(), Fault> {
        if name == "$" || self.states.contains(name) {
            return Err(Fault::already_exists(name));
        }
        if self.states.len() >= MAX_STATES {
            return Err(Fault::limit("alternate states"));
        }
        self.states.insert(name.into());
        if !source.is_empty() {
            self.selections = self.selections.with_state_copied(source, name);
        }
        Ok(())
    }

    pub(crate) fn remove_state(&mut self, name: &str) -> bool {
        let is_removed = self.states.remove(name);
        if is_removed {
            self.selections = self.selections.without_state(name);
        }
        is_removed
    }

    /// Takes over reloaded data: selections go to the same values, open nodes and searches close.
    pub(crate) fn swap(&mut self, loaded: Arc<LoadedApp>) -> Effects {
        if Arc::ptr_eq(&self.loaded, &loaded) {
            return Effects::none();
        }
        let before = std::mem::replace(&mut self.loaded, loaded);
        let carry =
            |selections: &Selections| selections.carried_over(&before.model, &self.loaded.model);
        self.selections = carry(&self.selections);
        self.back = self.back.iter().map(carry).collect();
        self.forward = self.forward.iter().map(carry).collect();
        if let Some(modal) = &mut self.modal {
            modal.before = carry(&modal.before);
        }
        self.searches.clear();
        self.expansions.clear();
        Effects::of_reload()
    }

    // Selections.

    /// Whether `object` may select now: nobody is modal, or it is.
    pub(crate) fn check_turn(&self, object: &str) -> Result<(), Fault> {
        match &self.modal {
            Some(modal) if &*modal.object != object => Err(Fault::modal()),
            _ => Ok(()),
        }
    }

    /// Takes over new selections: a step of their own, or part of the modal object's step.
    pub(crate) fn select(&mut self, selections: Selections) -> Effects {
        if selections == self.selections {
            return Effects::none();
        }
        match &mut self.modal {
            Some(modal) => {
                modal.has_made_selections = true;
                self.selections = selections;
            }
            None => {
                let before = std::mem::replace(&mut self.selections, selections);
                self.push_step(before);
            }
        }
        Effects::of_selections()
    }

    /// Makes `object` modal. Asking again for the same object changes nothing.
    pub(crate) fn begin_modal(&mut self, object: &Arc<str>, socket: u64) -> Result<Effects, Fault> {
        self.check_turn(object)?;
        if self.modal.is_none() {
            self.modal = Some(Modal {
                object: object.clone(),
                socket,
                before: self.selections.clone(),
                has_made_selections: false,
            });
        }
        Ok(Effects::of(Target::Object(object.clone())))
    }

    /// Ends modal mode, keeping or undoing what was selected in it.
    pub(crate) fn end_modal(&mut self, is_accepted: bool) -> Effects {
        let Some(modal) = self.modal.take() else { return Effects::none() };
        self.searches.retain(|place, _| place.object != modal.object);
        let mut effects = Effects::of(Target::Object(modal.object.clone()));
        if self.selections != modal.before {
            if is_accepted {
                effects.steps = true;
                self.push_step(modal.before);
            } else {
                effects.selections = true;
                self.selections = modal.before;
            }
        }
        effects
    }

    /// Back to what was selected when modal mode began, and stays in it.
    pub(crate) fn reset_modal(&mut self) -> Effects {
        let Some(modal) = &mut self.modal else { return Effects::none() };
        modal.has_made_selections = false;
        let mut effects = Effects::of(Target::Object(modal.object.clone()));
        if self.selections != modal.before {
            self.selections = modal.before.clone();
            effects.selections = true;
        }
        effects
    }

    /// One step back; false when there is none.
    pub(crate) fn go_back(&mut self) -> (bool, Effects) {
        let ended = self.end_modal(true);
        match self.back.pop() {
            Some(selections) => {
                self.forward.push(std::mem::replace(&mut self.selections, selections));
                (true, ended.and(Effects::of_selections()))
            }
            None => (false, ended),
        }
    }

    /// One step forward; false when there is none.
    pub(crate) fn go_forward(&mut self) -> (bool, Effects) {
        let ended = self.end_modal(true);
        match self.forward.pop() {
            Some(selections) => {
                self.back.push(std::mem::replace(&mut self.selections, selections));
                (true, ended.and(Effects::of_selections()))
            }
            None => (false, ended),
        }
    }

    fn push_step(&mut self, before: Selections) {
        if self.back.len() == MAX_STEPS {
            self.back.remove(0);
        }
        self.back.push(before);
        self.forward.clear();
    }
}

/// Refuses properties with more cubes and lists than a layout computes.
pub(crate) fn check_definitions(properties: &Value) -> Result<(), Fault> {
    if has_too_many_definitions(properties) {
        return Err(Fault::invalid_parameters("too many hypercubes and list objects"));
    }
    Ok(())
}

/// `qInfo.qType` of properties.
pub(crate) fn generic_type(properties: &Value) -> &str {
    properties.pointer("/qInfo/qType").and_then(Value::as_str).unwrap_or_default()
}

/// Puts the id and type an object was made with into new properties for it.
pub(crate) fn keep_identity(properties: &mut Value, before: &Value) {
    if let (Value::Object(members), Some(info)) = (properties, before.get("qInfo")) {
        let mut info = info.clone();
        if let (Some(Value::Object(new)), Value::Object(old)) = (members.get("qInfo"), &mut info) {
            for (name, value) in new {
                if name != "qId" {
                    old.insert(name.clone(), value.clone());
                }
            }
        }
        members.insert("qInfo".to_owned(), info);
    }
}
