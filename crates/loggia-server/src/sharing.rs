//! `loggia stream public` and `loggia app audience`: who a stream, an app or a sheet is for, from
//! the command line.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use loggia_model::entity::{AppObject, Stream};
use loggia_model::{AppId, Caller, InternalAccount, StreamId, UserId};
use loggia_repository::share::{
    AudienceKind, AudienceState, Choice, Member, MemberText, PairPart, PairState, PublicStream,
    Publicity, Readers, Shared, SharedPlace, Shift,
};
use loggia_repository::{Repository, Site};

use crate::cli::say;
use crate::serve::{inspect_repository, open_repository};
use crate::settings::Settings;

/// What to do about it.
#[derive(Clone, Debug)]
pub(crate) enum Wish<T> {
    Show,
    /// Tell what the change would do.
    Preview(T),
    Set(T),
}

/// Opens a stream to everybody, shuts it, or tells whom it is open to.
pub(crate) fn stream_public(data: &Path, stream: &str, wish: &Wish<bool>) -> anyhow::Result<()> {
    let repository = repository(data, wish)?;
    let caller = Caller::internal(InternalAccount::Repository);
    let id = find_stream(&repository.site(), stream)?.id;
    say(&match *wish {
        Wish::Show => public_text(&repository.stream_public(&caller, id)?),
        Wish::Preview(on) => {
            shared_text(&repository.preview_stream_public(&caller, id, on)?, true, public_text)
        }
        Wish::Set(on) => {
            shared_text(&repository.set_stream_public(&caller, id, on)?, false, public_text)
        }
    })
}

/// Narrows an app or one of its sheets, takes that back, or tells whom it is for.
pub(crate) fn audience(
    settings: &Settings,
    app: AppId,
    sheet: Option<&str>,
    wish: &Wish<Choice>,
) -> anyhow::Result<()> {
    let repository = repository(&settings.data, wish)?;
    let caller = Caller::internal(InternalAccount::Repository);
    let place = match sheet {
        Some(sheet) => SharedPlace::Sheet(find_sheet(&repository.site(), app, sheet)?.id),
        None => SharedPlace::App(app),
    };
    say(&match wish {
        Wish::Show => audience_text(&repository.audience(&caller, place)?),
        Wish::Preview(choice) => {
            let shared = repository.preview_audience(&caller, place, choice)?;
            shared_text(&shared, true, audience_text)
        }
        Wish::Set(choice) => {
            let shared = repository.set_audience(&caller, place, choice)?;
            shared_text(&shared, false, audience_text)
        }
    })
}

/// A list from the words of the command line: `visitors`, `signedin`, `owner`, `role:Finance`,
/// `group:sales`, `user:ana`, `@department=Finance`.
pub(crate) fn own_list(settings: &Settings, words: &[String]) -> Choice {
    let member = |word: &String| {
        let (kind, value) = match word.strip_prefix('@') {
            Some(property) => ("property", property),
            None => word.split_once(':').unwrap_or((word, "")),
        };
        let (name, value) = match (kind, value.split_once('=')) {
            ("property", Some((name, value))) => (name, value.to_owned()),
            ("property", None) => (value, String::new()),
            ("user", _) if !value.contains('\\') && value.parse::<UserId>().is_err() => {
                ("", format!("{}\\{value}", settings.default_directory))
            }
            _ => ("", value.to_owned()),
        };
        MemberText { kind: kind.to_owned(), value, name: name.to_owned() }
    };
    // The owner is always in; the word lets a list have nobody else.
    Choice::Own(words.iter().filter(|word| *word != "owner").map(member).collect())
}

fn repository<T>(data: &Path, wish: &Wish<T>) -> anyhow::Result<Repository> {
    match wish {
        Wish::Show | Wish::Preview(_) => inspect_repository(data),
        Wish::Set(_) => open_repository(data),
    }
}

fn find_stream<'s>(site: &'s Site, text: &str) -> anyhow::Result<&'s Arc<Stream>> {
    if let Some(stream) = text.parse::<StreamId>().ok().and_then(|id| site.stream(id)) {
        return Ok(stream);
    }
    let named: Vec<_> =
        site.streams().filter(|stream| stream.name.to_lowercase() == text.to_lowercase()).collect();
    match named.as_slice() {
        [stream] => Ok(stream),
        [] => {
            let mut names: Vec<_> = site.streams().map(|stream| stream.name.as_str()).collect();
            names.sort_unstable();
            bail!("there is no stream {text:?}; there are {}", names.join(", "))
        }
        several => bail!("{} streams are called {text:?}; give the id", several.len()),
    }
}

fn find_sheet<'s>(site: &'s Site, app: AppId, text: &str) -> anyhow::Result<&'s Arc<AppObject>> {
    let sheets: Vec<_> = site
        .objects_of(app)
        .filter(|object| object.object_type.eq_ignore_ascii_case("sheet"))
        .collect();
    let is_id = |sheet: &&&Arc<AppObject>| sheet.engine_id == text || sheet.id.text() == text;
    if let Some(sheet) = sheets.iter().find(is_id) {
        return Ok(sheet);
    }
    let is_named = |sheet: &&&Arc<AppObject>| sheet.name.to_lowercase() == text.to_lowercase();
    let named: Vec<_> = sheets.iter().filter(is_named).collect();
    match named.as_slice() {
        [sheet] => Ok(sheet),
        [] => {
            let mut names: Vec<_> = sheets
                .iter()
                .map(|sheet| format!("{:?} ({})", sheet.name, sheet.engine_id))
                .collect();
            names.sort_unstable();
            bail!("the app has no sheet {text:?}; it has {}", names.join(", "))
        }
        several => bail!("{} sheets are called {text:?}; give the id", several.len()),
    }
}

fn shared_text<T>(shared: &Shared<T>, is_preview: bool, state: fn(&T) -> String) -> String {
    let mut text = String::new();
    if is_preview {
        text.push_str("Nothing is changed; it would be so:\n");
    }
    text.push_str(&state(&shared.state));
    for (verb, shift) in [("can read it now", &shared.gained), ("no longer can", &shared.lost)] {
        if let Some(who) = shift_text(shift) {
            let _ = writeln!(text, "  {who} {verb}");
        }
    }
    text
}

fn shift_text(shift: &Shift) -> Option<String> {
    let mut who: Vec<String> = Vec::new();
    if shift.visitors {
        who.push("visitors".to_owned());
    }
    who.extend(shift.people.iter().take(10).map(|person| person.key.to_string()));
    if shift.people.len() > 10 {
        who.push(format!("{} more people", shift.people.len() - 10));
    }
    (!who.is_empty()).then(|| who.join(", "))
}

fn public_text(state: &PublicStream) -> String {
    let word = match state.public {
        Publicity::Yes => "public",
        Publicity::No => "not public",
        Publicity::Partly => "partly public",
    };
    let mut text = format!("Stream {:?} is {word}\n", state.stream.name);
    for part in &state.rules {
        let who = match part.part {
            PairPart::Visitors => "visitors",
            PairPart::People => "people",
        };
        let state = match part.state {
            PairState::InForce => "in force",
            PairState::SwitchedOff => "switched off",
            PairState::Missing => "not there",
            PairState::Edited => "edited by hand",
        };
        let _ = writeln!(text, "  rule for {who}: {:?}, {state}", part.rule.name);
    }
    for other in &state.others {
        let verb = if other.is_forbidding { "forbids" } else { "opens" };
        let who = counted(other.visitors, other.people, None);
        let _ = writeln!(text, "  also, {:?} {verb} it to {who}", other.name);
    }
    let _ = writeln!(text, "  read by {}", readers(&state.readers));
    let shown = state.apps.iter().filter(|app| app.visitors).count();
    let _ = writeln!(text, "  apps: {}, of which visitors see {shown}", state.apps.len());
    notes(&mut text, &state.notes);
    text
}

fn audience_text(state: &AudienceState) -> String {
    let app = state.app.as_ref().map(|app| app.name.as_str()).unwrap_or_default();
    let what = match &state.sheet {
        Some(sheet) => format!("Sheet {:?} of app {app:?}", sheet.name),
        None => format!("App {app:?}"),
    };
    let stream = match &state.stream {
        Some(stream) => format!("the stream {:?}", stream.name),
        None => "no stream".to_owned(),
    };
    let mut text = match state.kind {
        AudienceKind::SameAsStream => format!("{what} is for everybody who reads {stream}\n"),
        AudienceKind::Own => {
            format!("{what} is for its owner and a list, of those who read {stream}\n")
        }
        AudienceKind::OwnRule => format!("{what} is for whom a rule of its own lets in\n"),
    };
    for listed in &state.members {
        let _ = match listed.member {
            Member::Visitors => writeln!(text, "  {}", listed.name),
            _ => writeln!(text, "  {}: {}", listed.name, counted(false, listed.people, None)),
        };
    }
    if let Some(rule) = &state.rule {
        let _ = writeln!(text, "  rule: {:?} ({})", rule.name, rule.id);
    }
    let _ = writeln!(text, "  read by {}", readers(&state.readers));
    notes(&mut text, &state.notes);
    text
}

fn readers(readers: &Readers) -> String {
    counted(readers.visitors, readers.people, Some(readers.of))
}

/// "visitors", "1 person", "visitors and 3 of 5 people".
fn counted(visitors: bool, people: usize, of: Option<usize>) -> String {
    let people = match (people, of) {
        (0, None) if visitors => return "visitors".to_owned(),
        (people, Some(of)) => format!("{people} of {of} people"),
        (1, None) => "1 person".to_owned(),
        (people, None) => format!("{people} people"),
    };
    if visitors { format!("visitors and {people}") } else { people }
}

fn notes(text: &mut String, notes: &[String]) {
    for note in notes {
        let _ = writeln!(text, "  note: {note}");
    }
}
