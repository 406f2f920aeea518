//! What does a user directory say? An LDAP client for Active Directory and its like: who somebody
//! is, which groups they are in, everybody there is, and whether all that works.
//!
//! Nothing that was typed reaches a filter or a DN unescaped, no referral is followed, and every
//! answer is waited for only so long. The library stops in its tracks where a server talks
//! nonsense, so it always works in a task of its own, whose end is an error like any other.

mod dn;
mod entry;
mod groups;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError as Fault, LdapResult, Scope, SearchEntry,
    SearchOptions, dn_escape, ldap_escape,
};
use loggia_model::entity::{
    CheckStep, DirectoryKind, DirectoryListing, DirectoryPerson, UserDirectory,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tracing::{debug, warn};
use uuid::Uuid;

use entry::Entry;
use groups::Groups;

/// Why a directory gave no answer. For logs and administrators.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LdapError {
    #[error("the certificates of the directory's authority cannot be read: {0}")]
    Authority(String),
    #[error("no address answers: {0}")]
    Unreachable(String),
    #[error("{what}: {why}")]
    Refused { what: &'static str, why: String },
    #[error("the directory did not answer within {0} s")]
    Slow(u64),
    #[error("the directory answered with something that is no LDAP")]
    Garbage,
    #[error("there are more than {MOST_ENTRIES} entries; narrow the filter or the base DN")]
    TooMany,
}

/// Most entries of one kind that a directory may have.
const MOST_ENTRIES: usize = 500_000;
/// Seconds that a page of a long list may take: servers gather more than for one question.
const PAGE_SECONDS: u64 = 60;
/// Seconds that everything may take together.
const LISTING_SECONDS: u64 = 20 * 60;
/// Groups that are asked for in one question.
const GROUPS_AT_ONCE: usize = 50;
/// Groups that one person can be in.
const MOST_GROUPS: usize = 5_000;

/// Whether the password is that of the person; answers with the person as the directory describes
/// them. None for nobody, for two of that name, and for a wrong password, after the same questions.
pub async fn prove(
    directory: Arc<UserDirectory>,
    user_id: String,
    password: String,
) -> Result<Option<DirectoryPerson>, LdapError> {
    let seconds = u64::from(directory.timeout_seconds);
    within(seconds, async move { prove_now(&directory, &user_id, &password).await }).await
}

/// Everybody, with their groups; an error rather than a part.
pub async fn list(directory: Arc<UserDirectory>) -> Result<DirectoryListing, LdapError> {
    within(LISTING_SECONDS, async move {
        let mut connection = Connection::open(&directory).await?;
        connection.bind_as_reader().await?;
        let groups = connection.all_groups().await?;
        connection.everybody(&groups).await
    })
    .await
}

/// Tries everything out, up to the first thing that does not work.
pub async fn check(directory: Arc<UserDirectory>) -> Vec<CheckStep> {
    let steps = within(LISTING_SECONDS, async move { Ok(check_now(&directory).await) }).await;
    steps.unwrap_or_else(|error| vec![step("connect", Err(error))])
}

async fn prove_now(
    directory: &UserDirectory,
    user_id: &str,
    password: &str,
) -> Result<Option<DirectoryPerson>, LdapError> {
    // An empty password is no question: servers answer a bind without one as if it had been right.
    if password.is_empty() || password.contains('\0') {
        return Ok(None);
    }
    let mut connection = Connection::open(directory).await?;
    connection.bind_as_reader().await?;
    let filter =
        format!("(&{}({}={}))", directory.user_filter, directory.user_id, ldap_escape(user_id));
    let mut found = connection
        .search(&directory.base_dn, &filter, &person_attributes(directory), Some(2))
        .await?;
    if found.len() > 1 {
        warn!(directory = %directory.name, "a typed name is that of several people");
        found.clear();
    }
    // Directories take letters for the same that are not. Whoever could spell a name in a hundred
    // ways could try a hundred times as many passwords.
    let is_spelled = |entry: &Entry| {
        let typed = user_id.trim().to_lowercase();
        entry.texts(&directory.user_id).iter().any(|name| name.to_lowercase() == typed)
    };
    let entry = found.pop().filter(is_spelled);
    // Somebody who does not exist is asked for their password like everybody else.
    let dn = match &entry {
        Some(entry) => entry.dn.clone(),
        None => {
            format!(
                "{}={},{}",
                directory.user_id,
                dn_escape(Uuid::new_v4().hyphenated().to_string()),
                directory.base_dn
            )
        }
    };
    let is_right = connection.bind_as(&dn, password).await?;
    let Some(entry) = entry.filter(|_| is_right) else { return Ok(None) };
    // From here on the connection is the person's, who may see less than the reader.
    connection.bind_again().await?;
    let groups = connection.groups_of(&entry).await?;
    match entry.person(directory, groups) {
        Ok(person) => Ok(Some(person)),
        Err(why) => Err(LdapError::Refused { what: "the person cannot be used", why }),
    }
}

async fn check_now(directory: &UserDirectory) -> Vec<CheckStep> {
    let mut steps = Vec::new();
    let reached = reach(directory).await;
    let is_reached = reached.is_ok();
    steps.push(step("connect", reached.map(|url| format!("{url} answers"))));
    if !is_reached {
        return steps;
    }
    let mut connection = match Connection::open(directory).await {
        Ok(connection) => connection,
        Err(error) => {
            steps.push(step("protection", Err(error)));
            return steps;
        }
    };
    let protection = if connection.is_encrypted {
        "encrypted, and the certificate is that of a believed authority"
    } else {
        "not encrypted: passwords can be read on the way"
    };
    steps.push(step("protection", Ok(protection.to_owned())));
    let bound = connection.bind_as_reader().await;
    let is_bound = bound.is_ok();
    let who = if directory.bind_dn.is_empty() {
        "asking without a name".to_owned()
    } else {
        format!("bound as {}", directory.bind_dn)
    };
    steps.push(step("bind", bound.map(|()| who)));
    if !is_bound {
        return steps;
    }
    let groups = connection.all_groups().await;
    let known = groups.as_ref().map(|groups| groups.len()).unwrap_or_default();
    let listing = match &groups {
        Ok(groups) => connection.everybody(groups).await,
        Err(_) => connection.everybody(&Groups::default()).await,
    };
    steps.push(step("people", listing.as_ref().map_err(Clone::clone).and_then(found_people)));
    let in_groups = groups.map(|_| {
        let people = listing.map(|listing| listing.people).unwrap_or_default();
        let is_in_one =
            |person: &&DirectoryPerson| person.attributes.iter().any(|(k, _)| k == "group");
        let members = people.iter().filter(is_in_one).count();
        match directory.groups.base_dn.as_str() {
            "" => "no groups are looked for: groupBaseDn is empty".to_owned(),
            base => format!("{known} groups below {base}; {members} people are in one"),
        }
    });
    steps.push(step("groups", in_groups));
    steps
}

fn found_people(listing: &DirectoryListing) -> Result<String, LdapError> {
    let DirectoryListing { people, unusable } = listing;
    if people.is_empty() && unusable.is_empty() {
        let why = "nobody matches the filter below the base DN".to_owned();
        return Err(LdapError::Refused { what: "search", why });
    }
    let names: Vec<&str> = people.iter().take(3).map(|person| person.user_id.as_str()).collect();
    let mut text = format!("{} people, such as {}", people.len(), names.join(", "));
    if people.iter().all(|person| person.external_id.is_empty()) {
        text.push_str("; nobody has the attribute that stays when people are renamed");
    }
    if let Some((_, why)) = unusable.first() {
        text.push_str(&format!("; {} cannot be used: {why}", unusable.len()));
    }
    Ok(text)
}

fn step(name: &'static str, outcome: Result<String, LdapError>) -> CheckStep {
    match outcome {
        Ok(finding) => CheckStep { name, is_ok: true, finding },
        Err(error) => CheckStep { name, is_ok: false, finding: error.to_string() },
    }
}

/// Runs the work in a task of its own, for so long and no longer.
async fn within<T: Send + 'static>(
    seconds: u64,
    work: impl Future<Output = Result<T, LdapError>> + Send + 'static,
) -> Result<T, LdapError> {
    let mut task = Task(tokio::spawn(work));
    match tokio::time::timeout(Duration::from_secs(seconds), &mut task.0).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(LdapError::Garbage),
        Err(_) => Err(LdapError::Slow(seconds)),
    }
}

/// A task that does not outlive whoever waits for it.
struct Task<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection to one directory.
struct Connection<'a> {
    directory: &'a UserDirectory,
    ldap: Ldap,
    is_encrypted: bool,
}

impl<'a> Connection<'a> {
    /// The first address that answers.
    async fn open(directory: &'a UserDirectory) -> Result<Connection<'a>, LdapError> {
        let config = tls(&directory.authority)?;
        let mut failures = Vec::new();
        for url in &directory.urls {
            let settings = LdapConnSettings::new()
                .set_conn_timeout(share(directory))
                .set_starttls(directory.start_tls)
                .set_config(Arc::clone(&config));
            match LdapConnAsync::with_settings(settings, url).await {
                Ok((connection, ldap)) => {
                    tokio::spawn(async move {
                        if let Err(error) = connection.drive().await {
                            debug!(%error, "a directory connection ended");
                        }
                    });
                    let is_encrypted = directory.start_tls || url.starts_with("ldaps:");
                    return Ok(Connection { directory, ldap, is_encrypted });
                }
                Err(fault) => failures.push(format!("{url}: {}", words(&fault))),
            }
        }
        Err(LdapError::Unreachable(failures.join("; ")))
    }

    /// Becomes whoever looks people up.
    async fn bind_as_reader(&mut self) -> Result<(), LdapError> {
        if self.directory.bind_dn.is_empty() { Ok(()) } else { self.bind_again().await }
    }

    /// Becomes the reader, whoever the connection belongs to now.
    async fn bind_again(&mut self) -> Result<(), LdapError> {
        let (dn, password) =
            (self.directory.bind_dn.as_str(), self.directory.bind_password.reveal());
        let bound = self.timed().simple_bind(dn, password).await;
        let bound = bound.and_then(LdapResult::success);
        bound.map(|_| ()).map_err(|fault| LdapError::Refused {
            what: "the bind DN and its password are not accepted",
            why: words(&fault),
        })
    }

    /// Whether the directory believes that this is the person.
    async fn bind_as(&mut self, dn: &str, password: &str) -> Result<bool, LdapError> {
        let answer = self.timed().simple_bind(dn, password).await;
        let answer = answer.map_err(|fault| refused("bind", &fault))?;
        match answer.rc {
            0 => Ok(true),
            // Busy, unavailable, or broken: that says nothing of the password.
            1 | 3 | 51 | 52 | 80 => Err(LdapError::Refused {
                what: "the directory checks no password now",
                why: answer.to_string(),
            }),
            49 => Ok(false),
            // Locked, expired, not allowed here: the person is told no more than for a wrong one.
            _ => {
                debug!(answer = %answer.rc, "a bind was not accepted");
                Ok(false)
            }
        }
    }

    /// Entries below `base`; `at_most` for a question that has few answers.
    async fn search(
        &mut self,
        base: &str,
        filter: &str,
        attributes: &[String],
        at_most: Option<i32>,
    ) -> Result<Vec<Entry>, LdapError> {
        let mut adapters: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> =
            vec![Box::new(EntriesOnly::new())];
        let options = match at_most {
            Some(few) => SearchOptions::new().sizelimit(few),
            None => {
                let size = i32::try_from(self.directory.page_size).unwrap_or(500);
                adapters.push(Box::new(PagedResults::new(size)));
                SearchOptions::new()
            }
        };
        let seconds = match at_most {
            Some(_) => u64::from(self.directory.timeout_seconds),
            None => PAGE_SECONDS,
        };
        let ldap =
            self.ldap.with_timeout(Duration::from_secs(seconds)).with_search_options(options);
        let started =
            ldap.streaming_search_with(adapters, base, Scope::Subtree, filter, attributes.to_vec());
        let mut stream = started.await.map_err(|fault| refused("search", &fault))?;
        let mut found = Vec::new();
        while let Some(entry) = stream.next().await.map_err(|fault| refused("search", &fault))? {
            found.push(Entry::new(SearchEntry::construct(entry)));
            if found.len() > MOST_ENTRIES {
                return Err(LdapError::TooMany);
            }
        }
        let outcome = stream.finish().await;
        match outcome.rc {
            0 => Ok(found),
            // More than were asked for is an answer when one was expected.
            4 if at_most.is_some() => Ok(found),
            _ => Err(LdapError::Refused { what: "search", why: outcome.to_string() }),
        }
    }

    async fn everybody(&mut self, groups: &Groups) -> Result<DirectoryListing, LdapError> {
        let directory = self.directory;
        let attributes = person_attributes(directory);
        let entries =
            self.search(&directory.base_dn, &directory.user_filter, &attributes, None).await?;
        let mut listing = DirectoryListing::default();
        for entry in entries {
            let groups = groups.of(&entry, directory);
            match entry.person(directory, groups) {
                Ok(person) => listing.people.push(person),
                Err(why) => {
                    listing.unusable.push((entry.external_id(&directory.external_id), why));
                }
            }
        }
        Ok(listing)
    }

    async fn all_groups(&mut self) -> Result<Groups, LdapError> {
        let settings = &self.directory.groups;
        if settings.base_dn.is_empty() || settings.depth == 0 {
            return Ok(Groups::default());
        }
        let links = match self.directory.kind {
            DirectoryKind::Generic => settings.member.clone(),
            // Long lists of members come in parts there; what a group belongs to does not.
            DirectoryKind::ActiveDirectory => "memberOf".to_owned(),
        };
        let attributes = [settings.name.clone(), links];
        let entries = self.search(&settings.base_dn, &settings.filter, &attributes, None).await?;
        Ok(Groups::new(&entries, self.directory))
    }

    /// The groups of one person, asked for from the person upwards.
    async fn groups_of(&mut self, person: &Entry) -> Result<Vec<String>, LdapError> {
        let settings = &self.directory.groups;
        if settings.base_dn.is_empty() || settings.depth == 0 {
            return Ok(Vec::new());
        }
        let attributes = [settings.name.clone()];
        let mut names: HashMap<String, Option<String>> = HashMap::new();
        let mut asked = vec![groups::member_value(person, self.directory)];
        for level in 0..settings.depth {
            let mut next = Vec::new();
            for some in asked.chunks(GROUPS_AT_ONCE) {
                let filter = groups::filter_of(self.directory, some);
                let found = self.search(&settings.base_dn, &filter, &attributes, None).await?;
                for group in found {
                    // A group that was there before leads to nothing new: so circles end.
                    if names.insert(dn::normal(&group.dn), group.text(&settings.name)).is_none() {
                        next.push(group.dn);
                    }
                    if names.len() > MOST_GROUPS {
                        let why = format!("{} is in more than {MOST_GROUPS}", person.dn);
                        return Err(LdapError::Refused { what: "groups", why });
                    }
                }
            }
            let is_whole = next.is_empty() || groups::follows_by_itself(self.directory);
            if is_whole || level + 1 == settings.depth {
                break;
            }
            asked = next;
        }
        Ok(names.into_values().flatten().collect())
    }

    fn timed(&mut self) -> &mut Ldap {
        self.ldap.with_timeout(Duration::from_secs(u64::from(self.directory.timeout_seconds)))
    }
}

/// What is asked for of a person.
fn person_attributes(directory: &UserDirectory) -> Vec<String> {
    let mut wanted = vec![directory.user_id.clone(), directory.user_name.clone()];
    wanted.extend([directory.email.clone(), directory.external_id.clone()]);
    wanted.extend(directory.attributes.iter().cloned());
    if directory.kind == DirectoryKind::ActiveDirectory {
        wanted.push("memberOf".to_owned());
    }
    wanted.retain(|name| !name.is_empty());
    wanted.sort();
    wanted.dedup();
    wanted
}

/// Whether anybody listens at one of the addresses.
async fn reach(directory: &UserDirectory) -> Result<String, LdapError> {
    let mut failures = Vec::new();
    for url in &directory.urls {
        let (plain_port, rest) = match url.split_once("://") {
            Some(("ldaps", rest)) => (636, rest),
            Some((_, rest)) => (389, rest),
            None => continue,
        };
        let host = rest.trim_end_matches('/');
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let place = if has_port { host.to_owned() } else { format!("{host}:{plain_port}") };
        let connecting = tokio::net::TcpStream::connect(place);
        match tokio::time::timeout(share(directory), connecting).await {
            Ok(Ok(_)) => return Ok(url.clone()),
            Ok(Err(error)) => failures.push(format!("{url}: {error}")),
            Err(_) => failures.push(format!("{url}: no answer")),
        }
    }
    Err(LdapError::Unreachable(failures.join("; ")))
}

/// How long one of the addresses may take to answer, so that the next still can.
fn share(directory: &UserDirectory) -> Duration {
    let addresses = u32::try_from(directory.urls.len().max(1)).unwrap_or(u32::MAX);
    Duration::from_secs(u64::from(directory.timeout_seconds)) / addresses
}

/// TLS that believes the given authorities, or those of the system.
fn tls(authority: &str) -> Result<Arc<ClientConfig>, LdapError> {
    let mut roots = RootCertStore::empty();
    if authority.trim().is_empty() {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
    } else {
        for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
            added.map_err(LdapError::Authority)?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| LdapError::Authority(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn refused(what: &'static str, fault: &Fault) -> LdapError {
    LdapError::Refused { what, why: words(fault) }
}

/// What went wrong, for people who know directories but not our library.
fn words(fault: &Fault) -> String {
    match fault {
        Fault::Io { source } => {
            let text = source.to_string();
            if text.contains("UnknownIssuer") {
                return "its certificate is not from a believed authority (UnknownIssuer); give \
                        the CA's certificate as authority"
                    .to_owned();
            }
            text
        }
        Fault::Timeout { .. } => "no answer in time".to_owned(),
        Fault::LdapResult { result } => result.to_string(),
        Fault::ResultRecv { .. } | Fault::OpSend { .. } | Fault::EndOfStream => {
            "the connection broke".to_owned()
        }
        Fault::FilterParsing => "the filter is none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
