//! Which groups is somebody in, groups inside groups included? Groups may contain each other.

use std::collections::{HashMap, HashSet};

use ldap3::ldap_escape;
use loggia_model::entity::{DirectoryKind, UserDirectory};

use super::dn;
use super::entry::Entry;

/// Active Directory's own way of following groups inside groups.
pub(super) const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// All groups of a directory: from each member to the groups it is in directly.
#[derive(Default)]
pub(super) struct Groups {
    /// By the group's name in one way of writing it.
    names: HashMap<String, String>,
    above: HashMap<String, Vec<String>>,
}

impl Groups {
    pub(super) fn new(entries: &[Entry], directory: &UserDirectory) -> Groups {
        let settings = &directory.groups;
        let mut groups = Groups::default();
        for entry in entries {
            let group = dn::normal(&entry.dn);
            match directory.kind {
                DirectoryKind::Generic => {
                    for member in entry.texts(&settings.member) {
                        let member = member_key(&member, directory);
                        groups.above.entry(member).or_default().push(group.clone());
                    }
                }
                DirectoryKind::ActiveDirectory => {
                    let above = entry.texts("memberOf");
                    let above = above.iter().map(|dn| dn::normal(dn)).collect();
                    groups.above.insert(group.clone(), above);
                }
            }
            if let Some(name) = entry.text(&settings.name) {
                groups.names.insert(group, name);
            }
        }
        groups
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Names of the groups that a person is in.
    pub(super) fn of(&self, person: &Entry, directory: &UserDirectory) -> Vec<String> {
        let first: Vec<String> = match directory.kind {
            DirectoryKind::Generic => {
                let member = member_key(&member_value(person, directory), directory);
                self.above.get(&member).cloned().unwrap_or_default()
            }
            DirectoryKind::ActiveDirectory => {
                person.texts("memberOf").iter().map(|dn| dn::normal(dn)).collect()
            }
        };
        let reached = self.reach(first, directory.groups.depth);
        reached.into_iter().filter_map(|group| self.names.get(&group).cloned()).collect()
    }

    /// Everything at or above `level`, through so many groups; each only once, so circles end.
    fn reach(&self, mut level: Vec<String>, depth: u32) -> HashSet<String> {
        let mut reached = HashSet::new();
        for _ in 0..depth {
            let mut next = Vec::new();
            for group in level {
                if reached.insert(group.clone()) {
                    next.extend(self.above.get(&group).cloned().unwrap_or_default());
                }
            }
            level = next;
        }
        reached
    }
}

/// How a group names the person.
pub(super) fn member_value(person: &Entry, directory: &UserDirectory) -> String {
    if names_ids(directory) {
        person.text(&directory.user_id).unwrap_or_default()
    } else {
        person.dn.clone()
    }
}

/// The question for the groups that have one of these members.
pub(super) fn filter_of(directory: &UserDirectory, members: &[String]) -> String {
    let settings = &directory.groups;
    let rule = if follows_by_itself(directory) { format!(":{IN_CHAIN}:") } else { String::new() };
    let one = |member: &String| format!("({}{rule}={})", settings.member, ldap_escape(member));
    let any: String = members.iter().map(one).collect();
    format!("(&{}(|{any}))", settings.filter)
}

/// Whether one question finds the groups inside groups too.
pub(super) fn follows_by_itself(directory: &UserDirectory) -> bool {
    directory.kind == DirectoryKind::ActiveDirectory && directory.groups.depth > 1
}

/// Groups of the POSIX kind name user ids instead of entries, and are in no other group.
fn names_ids(directory: &UserDirectory) -> bool {
    directory.groups.member.eq_ignore_ascii_case("memberUid")
}

fn member_key(member: &str, directory: &UserDirectory) -> String {
    if names_ids(directory) { format!("uid:{member}") } else { dn::normal(member) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_end_and_depth_counts_groups_on_the_way() {
        let mut groups = Groups::default();
        for (member, group) in [("ana", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("x", "y")] {
            groups.above.entry(member.to_owned()).or_default().push(group.to_owned());
        }
        let reach = |depth| {
            let mut found: Vec<_> = groups.reach(vec!["a".to_owned()], depth).into_iter().collect();
            found.sort();
            found.concat()
        };
        assert_eq!([0, 1, 2, 3, 20].map(reach), ["", "a", "ab", "abc", "abc"]);
    }
}
