//! Loaded apps: one data model and calculator for everybody who has an app open, read from its data
//! file when the first one opens it.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read as _, Write};
use std::sync::Arc;

use loggia_engine::calculator::Calculator;
use loggia_engine::format::Locale;
use loggia_engine::model::DataModel;
use loggia_engine::selection::Selections;
use loggia_model::{AppId, Moment};
use loggia_repository::Repository;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::document::Document;
use crate::effect::Effects;
use crate::fault::Fault;
use crate::view::report;

/// First bytes of a data file: what it is and how it is laid out.
const MAGIC: &[u8; 8] = b"LOGGIA\x00\x01";

/// An app's data, shared by its sessions.
#[derive(Debug)]
pub(crate) struct LoadedApp {
    pub(crate) model: Arc<DataModel>,
    pub(crate) calculator: Calculator,
    /// Variables that the script left, by name.
    pub(crate) variables: BTreeMap<Arc<str>, Arc<str>>,
    pub(crate) locale: Locale,
    pub(crate) is_without_data: bool,
    /// The file it came from; none before the first reload.
    file: Option<std::path::PathBuf>,
}

/// The apps that are loaded now.
#[derive(Debug)]
pub(crate) struct Apps {
    /// One lock an app, so that two who open it at once read it once and nobody else waits.
    loaded: Mutex<HashMap<AppId, Arc<Slot>>>,
    idle: usize,
}

type Slot = Mutex<Option<Arc<LoadedApp>>>;

/// What stands before the model in a data file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Header {
    variables: BTreeMap<Arc<str>, Arc<str>>,
}

/// Selections on their way from a visitor's session to a person's.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    pub(crate) app: AppId,
    pub(crate) until: Moment,
    selections: Selections,
    back: Vec<Selections>,
    forward: Vec<Selections>,
    /// The data that the selections' element numbers belong to.
    loaded: Arc<LoadedApp>,
}

#[derive(Debug, Error)]
enum LoadError {
    #[error("cannot read the data file")]
    File(#[from] std::io::Error),
    #[error("the data file is none of ours or of another release")]
    Foreign,
    #[error("the head of the data file is damaged")]
    Header(#[from] serde_json::Error),
    #[error("the data file is damaged")]
    Model(#[from] loggia_engine::model::ReadError),
}

impl LoadedApp {
    pub(crate) fn new(
        model: DataModel,
        variables: BTreeMap<Arc<str>, Arc<str>>,
        file: Option<std::path::PathBuf>,
    ) -> LoadedApp {
        let model = Arc::new(model);
        LoadedApp {
            calculator: Calculator::new(model.clone()),
            model,
            locale: locale_of(&variables),
            variables,
            is_without_data: false,
            file,
        }
    }
}

impl Apps {
    /// Keeps at most `idle` apps that nobody has open.
    pub(crate) fn new(idle: usize) -> Apps {
        Apps { loaded: Mutex::default(), idle }
    }

    /// The app's present data: what is in memory if it came from the current file, or the file.
    pub(crate) fn load(
        &self,
        repository: &Repository,
        app: AppId,
    ) -> Result<Arc<LoadedApp>, Fault> {
        let slot = self.loaded.lock().entry(app).or_default().clone();
        let mut held = slot.lock();
        let file = repository.data_file(app);
        if let Some(loaded) = held.as_ref().filter(|loaded| loaded.file == file) {
            return Ok(loaded.clone());
        }
        let loaded = match file {
            None => LoadedApp::new(DataModel::empty(), BTreeMap::new(), None),
            Some(file) => read(&file).map_err(|error| {
                tracing::error!(app.id = %app, "cannot load app {app}");
                report(&error);
                Fault::internal()
            })?,
        };
        let loaded = Arc::new(loaded);
        *held = Some(loaded.clone());
        Ok(loaded)
    }

    /// The app opened without its data.
    pub(crate) fn without_data(&self, _app: AppId) -> Arc<LoadedApp> {
        let mut loaded = LoadedApp::new(DataModel::empty(), BTreeMap::new(), None);
        loaded.is_without_data = true;
        Arc::new(loaded)
    }

    /// Takes over what a reload made, so that it need not be read back.
    pub(crate) fn put(&self, app: AppId, loaded: Arc<LoadedApp>) {
        let slot = self.loaded.lock().entry(app).or_default().clone();
        *slot.lock() = Some(loaded);
    }

    /// Lets go of apps that nobody has open, beyond the number that may stay.
    pub(crate) fn drop_idle(&self) {
        let mut loaded = self.loaded.lock();
        let idle: Vec<AppId> = loaded
            .iter()
            .filter(|(_, slot)| {
                slot.try_lock().is_some_and(|held| {
                    held.as_ref().is_none_or(|loaded| Arc::strong_count(loaded) == 1)
                })
            })
            .map(|(app, _)| *app)
            .collect();
        for app in idle.iter().skip(self.idle) {
            loaded.remove(app);
        }
    }
}

impl Carried {
    pub(crate) fn of(document: &Document, until: Moment) -> Carried {
        Carried {
            app: document.app,
            until,
            selections: document.selections.clone(),
            back: document.back.clone(),
            forward: document.forward.clone(),
            loaded: document.loaded.clone(),
        }
    }

    /// Puts the selections into a document, as they were, steps included.
    pub(crate) fn restore(self, document: &mut Document) -> Effects {
        let (from, to) = (&self.loaded.model, &document.loaded.model);
        let carry = |selections: Selections| {
            if Arc::ptr_eq(from, to) { selections } else { selections.carried_over(from, to) }
        };
        document.modal = None;
        let (selections, back, forward) = (
            carry(self.selections),
            self.back.into_iter().map(carry).collect(),
            self.forward.into_iter().map(carry).collect(),
        );
        document.selections = selections;
        document.back = back;
        document.forward = forward;
        Effects::of_selections()
    }
}

/// Writes a data file: what it is, the variables, the model.
pub(crate) fn write(
    out: &mut dyn Write,
    model: &DataModel,
    variables: &BTreeMap<Arc<str>, Arc<str>>,
) -> std::io::Result<()> {
    let header = serde_json::to_vec(&Header { variables: variables.clone() })?;
    out.write_all(MAGIC)?;
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    let mut out = out;
    model.write(&mut out).map_err(std::io::Error::other)
}

fn read(path: &std::path::Path) -> Result<LoadedApp, LoadError> {
    let mut file = std::fs::File::open(path)?;
    let mut magic = [0; 8];
    let mut length = [0; 8];
    file.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(LoadError::Foreign);
    }
    file.read_exact(&mut length)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let length = usize::try_from(u64::from_le_bytes(length)).map_err(|_| LoadError::Foreign)?;
    let (header, model) = bytes.split_at_checked(length).ok_or(LoadError::Foreign)?;
    let header: Header = serde_json::from_slice(header)?;
    let model = DataModel::read(model)?;
    Ok(LoadedApp::new(model, header.variables, Some(path.to_owned())))
}

/// The formats and words that the script's `SET` lines gave.
fn locale_of(variables: &BTreeMap<Arc<str>, Arc<str>>) -> Locale {
    let mut locale = Locale::default();
    let text = |name: &str| variables.get(name).filter(|text| !text.is_empty()).cloned();
    let words = |name: &str, count: usize| {
        let words: Vec<Arc<str>> = variables.get(name)?.split(';').map(Arc::from).collect();
        (words.len() == count).then_some(words)
    };
    for (name, place) in [
        ("DecimalSep", &mut locale.decimal),
        ("ThousandSep", &mut locale.thousand),
        ("MoneyDecimalSep", &mut locale.money_decimal),
        ("MoneyThousandSep", &mut locale.money_thousand),
        ("MoneyFormat", &mut locale.money_format),
        ("TimeFormat", &mut locale.time_format),
        ("DateFormat", &mut locale.date_format),
        ("TimestampFormat", &mut locale.timestamp_format),
        ("CollationLocale", &mut locale.collation),
        ("NumericalAbbreviation", &mut locale.numerical_abbreviation),
    ] {
        if let Some(text) = text(name) {
            *place = text;
        }
    }
    for (name, count, place) in [
        ("MonthNames", 12, &mut locale.month_names),
        ("LongMonthNames", 12, &mut locale.long_month_names),
        ("DayNames", 7, &mut locale.day_names),
        ("LongDayNames", 7, &mut locale.long_day_names),
    ] {
        if let Some(words) = words(name, count) {
            *place = words;
        }
    }
    let number = |name: &str| variables.get(name).and_then(|text| text.trim().parse::<u8>().ok());
    locale.first_week_day = number("FirstWeekDay").unwrap_or(locale.first_week_day);
    locale.reference_day = number("ReferenceDay").unwrap_or(locale.reference_day);
    locale.first_month_of_year = number("FirstMonthOfYear").unwrap_or(locale.first_month_of_year);
    if let Some(broken) = number("BrokenWeeks") {
        locale.broken_weeks = broken != 0;
    }
    locale
}
