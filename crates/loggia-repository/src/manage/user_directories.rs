//! User directories: where people are looked up, and taken over from.

use std::net::IpAddr;
use std::sync::Arc;

use loggia_model::entity::{
    DirectoryKind, GroupSettings, Hidden, Stamp, SyncSchedule, UserDirectory,
};
use loggia_model::{Caller, Moment, UserDirectoryId, UserKey};
use loggia_rules::Action;
use uuid::Uuid;

use super::{Conflict, ManageError, Problems, refuse_stale, set};
use crate::Repository;
use crate::record::Record;
use crate::site::Site;
use crate::store::Change;

/// What a request says about a user directory; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct UserDirectoryEdit {
    pub name: Option<String>,
    /// Only when one is made, this also chooses what the attributes are called.
    pub kind: Option<DirectoryKind>,
    pub urls: Option<Vec<String>>,
    pub start_tls: Option<bool>,
    pub allow_plain: Option<bool>,
    pub authority: Option<String>,
    pub bind_dn: Option<String>,
    pub bind_password: Option<Hidden>,
    pub base_dn: Option<String>,
    pub user_filter: Option<String>,
    pub user_id: Option<String>,
    pub user_name: Option<String>,
    pub email: Option<String>,
    pub external_id: Option<String>,
    pub attributes: Option<Vec<String>>,
    pub group_base_dn: Option<String>,
    pub group_filter: Option<String>,
    pub group_member: Option<String>,
    pub group_name: Option<String>,
    pub group_depth: Option<u32>,
    pub page_size: Option<u32>,
    pub timeout_seconds: Option<u32>,
    pub schedule: Option<SyncSchedule>,
    pub only_existing: Option<bool>,
    pub signs_in: Option<bool>,
    pub is_default: Option<bool>,
    pub tags: Option<Vec<String>>,
}

impl Repository {
    /// The user directories the caller may read, by name.
    pub fn user_directories(
        &self,
        caller: &Caller,
    ) -> Result<Vec<Arc<UserDirectory>>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let directories = site.user_directories().cloned();
        let mut directories =
            guard.readable(directories, |directory| Record::UserDirectory(directory).entity());
        directories.sort_by_cached_key(|directory| directory.name.to_lowercase());
        Ok(directories)
    }

    /// One user directory.
    pub fn user_directory(
        &self,
        caller: &Caller,
        id: UserDirectoryId,
    ) -> Result<Arc<UserDirectory>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let directory =
            site.user_directory(id).ok_or_else(|| guard.unknown("user directory", Some(id.0)))?;
        guard.visible(Record::UserDirectory(directory))?;
        Ok(directory.clone())
    }

    /// Makes a user directory. Nobody is taken over yet.
    pub fn create_user_directory(
        &self,
        caller: &Caller,
        id: Option<UserDirectoryId>,
        edit: UserDirectoryEdit,
    ) -> Result<Arc<UserDirectory>, ManageError> {
        let id = id.unwrap_or_else(|| UserDirectoryId(Uuid::new_v4()));
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let kind = edit.kind.unwrap_or(DirectoryKind::Generic);
            let mut directory = preset(kind, id, guard.stamp());
            apply(&mut directory, edit.clone());
            guard.require_create(Record::UserDirectory(&directory))?;
            if site.user_directory(id).is_some() {
                return Err(Conflict::Duplicate { what: format!("the id {id}") }.into());
            }
            check(site, &directory)?;
            let change = Change::PutUserDirectory(Box::new(directory.clone()));
            Ok((vec![change], Arc::new(directory)))
        })
    }

    /// Changes a user directory; in force at the next sign-in and the next synchronisation.
    pub fn update_user_directory(
        &self,
        caller: &Caller,
        id: UserDirectoryId,
        basis: Option<Moment>,
        edit: UserDirectoryEdit,
    ) -> Result<Arc<UserDirectory>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site
                .user_directory(id)
                .ok_or_else(|| guard.unknown("user directory", Some(id.0)))?;
            let mut directory = UserDirectory::clone(before);
            apply(&mut directory, edit.clone());
            let (old, new) = (Record::UserDirectory(before), Record::UserDirectory(&directory));
            guard.require_change(old, new, Action::Update)?;
            refuse_stale(basis, &before.stamp)?;
            let is_renamed = directory.name.to_lowercase() != before.name.to_lowercase();
            if is_renamed && people_of(site, id) > 0 {
                let why = "the name is the user directory of its people, so it stays while there \
                           are any; make a second directory instead"
                    .to_owned();
                return Err(Conflict::Protected { why }.into());
            }
            // A password is not lent to whoever changes the address that it is sent to.
            let is_elsewhere = directory.urls != before.urls
                || directory.bind_dn != before.bind_dn
                || directory.authority != before.authority
                || (before.start_tls, before.allow_plain)
                    != (directory.start_tls, directory.allow_plain);
            if is_elsewhere && edit.bind_password.is_none() && !before.bind_password.is_empty() {
                let mut problems = Problems::default();
                problems.add(
                    "bindPassword",
                    "must be given again when the addresses, their protection or the bind DN \
                     change, so that nobody can have it sent elsewhere",
                );
                problems.finish()?;
            }
            check(site, &directory)?;
            directory.stamp = guard.restamp(&before.stamp);
            let change = Change::PutUserDirectory(Box::new(directory.clone()));
            Ok((vec![change], Arc::new(directory)))
        })
    }

    /// Deletes a user directory. Its people stay, and no longer sign in by it.
    pub fn delete_user_directory(
        &self,
        caller: &Caller,
        id: UserDirectoryId,
    ) -> Result<(), ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let directory = site
                .user_directory(id)
                .ok_or_else(|| guard.unknown("user directory", Some(id.0)))?;
            guard.require(Record::UserDirectory(directory), Action::Delete)?;
            Ok((vec![Change::DeleteUserDirectory(id)], ()))
        })
    }
}

/// What a directory begins with.
pub(crate) fn blank(id: UserDirectoryId, stamp: Stamp) -> UserDirectory {
    preset(DirectoryKind::Generic, id, stamp)
}

fn preset(kind: DirectoryKind, id: UserDirectoryId, stamp: Stamp) -> UserDirectory {
    // [filter of people, user id, name, what never changes, filter of groups]
    let [user_filter, user_id, user_name, external_id, group_filter] = match kind {
        DirectoryKind::Generic => [
            "(objectClass=inetOrgPerson)",
            "uid",
            "cn",
            "entryUUID",
            "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
        ],
        // The last part leaves out accounts that were disabled.
        DirectoryKind::ActiveDirectory => [
            "(&(objectCategory=person)(objectClass=user)\
             (!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
            "sAMAccountName",
            "displayName",
            "objectGUID",
            "(objectClass=group)",
        ],
    }
    .map(str::to_owned);
    UserDirectory {
        id,
        name: "UNNAMED".to_owned(),
        kind,
        urls: Vec::new(),
        start_tls: false,
        allow_plain: false,
        authority: String::new(),
        bind_dn: String::new(),
        bind_password: Hidden::default(),
        base_dn: String::new(),
        user_filter,
        user_id,
        user_name,
        email: "mail".to_owned(),
        external_id,
        attributes: Vec::new(),
        groups: GroupSettings {
            base_dn: String::new(),
            filter: group_filter,
            member: "member".to_owned(),
            name: "cn".to_owned(),
            depth: 10,
        },
        page_size: 500,
        timeout_seconds: 8,
        schedule: SyncSchedule::Off,
        only_existing: true,
        signs_in: true,
        is_default: false,
        last_sync: None,
        tags: Vec::new(),
        stamp,
    }
}

fn apply(directory: &mut UserDirectory, edit: UserDirectoryEdit) {
    set(&mut directory.name, edit.name.map(|name| name.trim().to_owned()));
    set(&mut directory.kind, edit.kind);
    set(&mut directory.urls, edit.urls);
    set(&mut directory.start_tls, edit.start_tls);
    set(&mut directory.allow_plain, edit.allow_plain);
    set(&mut directory.authority, edit.authority);
    set(&mut directory.bind_dn, edit.bind_dn);
    set(&mut directory.bind_password, edit.bind_password);
    set(&mut directory.base_dn, edit.base_dn);
    set(&mut directory.user_filter, edit.user_filter);
    set(&mut directory.user_id, edit.user_id);
    set(&mut directory.user_name, edit.user_name);
    set(&mut directory.email, edit.email);
    set(&mut directory.external_id, edit.external_id);
    set(&mut directory.attributes, edit.attributes);
    set(&mut directory.groups.base_dn, edit.group_base_dn);
    set(&mut directory.groups.filter, edit.group_filter);
    set(&mut directory.groups.member, edit.group_member);
    set(&mut directory.groups.name, edit.group_name);
    set(&mut directory.groups.depth, edit.group_depth);
    set(&mut directory.page_size, edit.page_size);
    set(&mut directory.timeout_seconds, edit.timeout_seconds);
    set(&mut directory.schedule, edit.schedule);
    set(&mut directory.only_existing, edit.only_existing);
    set(&mut directory.signs_in, edit.signs_in);
    set(&mut directory.is_default, edit.is_default);
    set(&mut directory.tags, edit.tags);
}

fn people_of(site: &Site, id: UserDirectoryId) -> usize {
    let is_of = |user: &&Arc<loggia_model::entity::User>| {
        user.external.as_ref().is_some_and(|external| external.directory == id)
    };
    site.users().filter(is_of).count()
}

fn check(site: &Site, directory: &UserDirectory) -> Result<(), ManageError> {
    let mut problems = Problems::default();
    check_name(site, directory, &mut problems);
    check_addresses(directory, &mut problems);
    if !directory.authority.is_empty()
        && !directory.authority.contains("-----BEGIN CERTIFICATE-----")
    {
        problems.add("authority", "is no PEM certificate; paste the text of the CA's .pem file");
    }
    check_search(directory, &mut problems);
    match (directory.bind_dn.is_empty(), directory.bind_password.is_empty()) {
        (false, true) => problems.add(
            "bindPassword",
            "is missing: a bind DN without a password \
            would be answered as if nobody had asked",
        ),
        (true, false) => problems.add("bindDn", "is missing; who has this password?"),
        _ => {}
    }
    if !(10..=5_000).contains(&directory.page_size) {
        problems.add("pageSize", "must be 10 to 5,000");
    }
    if !(1..=10).contains(&directory.timeout_seconds) {
        problems.add("timeout", "must be 1 to 10 seconds; people wait for it when they sign in");
    }
    match directory.schedule {
        SyncSchedule::EveryMinutes(minutes) if !(5..=10_080).contains(&minutes) => {
            problems.add("syncEveryMinutes", "must be 5 to 10,080 minutes, or 0 for never");
        }
        SyncSchedule::DailyAt(hour) if hour > 23 => {
            problems.add("syncDailyHour", "must be an hour from 0 to 23, in UTC");
        }
        _ => {}
    }
    let is_other_default =
        |other: &&Arc<UserDirectory>| other.id != directory.id && other.is_default;
    if directory.is_default
        && let Some(other) = site.user_directories().find(is_other_default)
    {
        problems.add(
            "defaultForSignIn",
            format!("{} is the default already, and there is only one", other.name),
        );
    }
    problems.finish()
}

fn check_name(site: &Site, directory: &UserDirectory, problems: &mut Problems) {
    problems.text("name", &directory.name, true);
    if let Err(error) = UserKey::from_outside(&directory.name, "somebody") {
        problems.add("name", error.to_string());
    }
    if site.user_directory_named(&directory.name).is_some_and(|other| other.id != directory.id) {
        problems.add("name", format!("{} is another directory already", directory.name));
    }
}

fn check_addresses(directory: &UserDirectory, problems: &mut Problems) {
    if directory.urls.is_empty() {
        problems.add("urls", "at least one address is needed, such as ldaps://ldap.example");
    }
    if directory.urls.len() > 8 {
        problems.add("urls", "at most 8 addresses are asked in turn");
    }
    for url in &directory.urls {
        let Some((is_plain, host)) = address(url) else {
            problems.add(
                "urls",
                format!("{url:?} is no address; write ldaps://host or ldap://host:port, no more"),
            );
            continue;
        };
        let is_protected = !is_plain || directory.start_tls || is_this_machine(host);
        if !is_protected && !directory.allow_plain {
            problems.add(
                "urls",
                format!(
                    "{url:?} would send passwords unencrypted; use ldaps://, or startTls, or say \
                     allowPlain where the network itself is trusted"
                ),
            );
        }
    }
}

/// Whether the address is plain, and its host.
fn address(url: &str) -> Option<(bool, &str)> {
    let (is_plain, rest) = match url.split_once("://")? {
        ("ldap", rest) => (true, rest),
        ("ldaps", rest) => (false, rest),
        _ => return None,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return None;
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
    (!host.is_empty() && host.len() <= 253 && host.chars().all(is_letter))
        .then_some((is_plain, host))
}

/// What goes to this machine itself is seen by nobody on the way.
fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn check_search(directory: &UserDirectory, problems: &mut Problems) {
    problems.text("baseDn", &directory.base_dn, true);
    problems.text("bindDn", &directory.bind_dn, false);
    problems.text("groupBaseDn", &directory.groups.base_dn, false);
    for (place, filter) in
        [("userFilter", &directory.user_filter), ("groupFilter", &directory.groups.filter)]
    {
        problems.text(place, filter, true);
        if !is_balanced(filter) {
            problems.add(place, "is no filter; it looks like (objectClass=person)");
        }
    }
    for (place, name, is_mandatory) in [
        ("userIdAttribute", &directory.user_id, true),
        ("nameAttribute", &directory.user_name, false),
        ("emailAttribute", &directory.email, false),
        ("externalIdAttribute", &directory.external_id, false),
        ("groupMemberAttribute", &directory.groups.member, true),
        ("groupNameAttribute", &directory.groups.name, true),
    ] {
        if (is_mandatory || !name.is_empty()) && !is_attribute(name) {
            problems.add(place, format!("{name:?} is no name of an attribute"));
        }
    }
    for name in &directory.attributes {
        if !is_attribute(name) {
            problems.add("attributes", format!("{name:?} is no name of an attribute"));
        }
        let is_secret = ["userpassword", "unicodepwd", "sambantpassword"];
        if is_secret.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
            problems.add("attributes", format!("{name} is a password, which nobody should read"));
        }
    }
    if directory.attributes.len() > 50 {
        problems.add("attributes", "at most 50 attributes are taken over");
    }
    if directory.groups.depth > 20 {
        problems.add("groupDepth", "must be at most 20");
    }
}

/// Parentheses around everything, closed as often as opened. The rest the server finds out.
fn is_balanced(filter: &str) -> bool {
    let mut depth = 0_u32;
    let mut last_of_all = false;
    for letter in filter.chars() {
        if last_of_all || (depth == 0 && letter != '(') {
            return false;
        }
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        last_of_all = depth == 0;
    }
    last_of_all
}

fn is_attribute(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.;".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_perhaps_a_port() {
        for (url, expected) in [
            ("ldap://dc1.corp.example", Some((true, "dc1.corp.example"))),
            ("ldaps://dc1.corp.example:3269/", Some((false, "dc1.corp.example"))),
            ("ldap://[::1]:389", Some((true, "::1"))),
            ("ldapi:///run/ldapi", None),
            ("http://dc1", None),
            ("ldap://", None),
            ("ldap://user@host", None),
            ("ldap://host/dc=example", None),
            ("ldap://host:0", None),
            ("ldap://host:99999", None),
        ] {
            assert_eq!(address(url), expected, "{url}");
        }
    }

    #[test]
    fn a_filter_is_one_pair_of_parentheses() {
        for good in ["(a=b)", "(&(a=b)(!(c=d)))"] {
            assert!(is_balanced(good), "{good}");
        }
        for bad in ["", "a=b", "(a=b", "(a=b)(c=d)", "(a=b))(", "()x"] {
            assert!(!is_balanced(bad), "{bad}");
        }
    }
}
