//! The types of resources that rules can name (`spec/access.md` §4.1).

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use thiserror::Error;

use crate::problem::closest;

macro_rules! kinds {
    ($($variant:ident = $name:literal $(| $alias:literal)*;)*) => {
        /// A type of resource. Compared and parsed without letter case, shown as in the product.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ResourceKind {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl ResourceKind {
            /// Every kind.
            pub const ALL: &'static [ResourceKind] = &[$(ResourceKind::$variant,)*];

            /// The canonical spelling.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(ResourceKind::$variant => $name,)*
                }
            }

            /// Other spellings that filters may use.
            const fn aliases(self) -> &'static [&'static str] {
                match self {
                    $(ResourceKind::$variant => &[$($alias,)*],)*
                }
            }
        }
    };
}

kinds! {
    App = "App";
    AppObject = "App.Object";
    AppContent = "App.Content";
    AppDataSegment = "App.DataSegment";
    AppInternal = "App.Internal";
    Stream = "Stream";
    ContentLibrary = "ContentLibrary";
    StaticContentReference = "StaticContentReference";
    FileReference = "FileReference";
    TempContent = "TempContent";
    SharedContent = "SharedContent";
    ContentCacheControl = "ContentCacheControl";
    FileExtension = "FileExtension";
    FileExtensionWhiteList = "FileExtensionWhiteList";
    Extension = "Extension";
    Widgets = "Widgets";
    WebExtensionLibrary = "WebExtensionLibrary";
    DataConnection = "DataConnection";
    AnalyticConnection = "AnalyticConnection";
    OdagLink = "OdagLink";
    OdagLinkUsage = "OdagLinkUsage";
    OdagRequest = "OdagRequest";
    OdagService = "OdagService";
    OdagEngineGroup = "OdagEngineGroup";
    OdagModelGroup = "OdagModelGroup";
    ReloadTask = "ReloadTask";
    UserSyncTask = "UserSyncTask";
    ExternalProgramTask = "ExternalProgramTask";
    SchemaEvent = "SchemaEvent";
    CompositeEvent = "CompositeEvent";
    ExecutionResult = "ExecutionResult";
    ExecutionSession = "ExecutionSession";
    User = "User";
    UserDirectory = "UserDirectory" | "UserDirectoryConnector";
    SystemRule = "SystemRule";
    CustomProperty = "CustomProperty" | "CustomPropertyDefinition";
    Tag = "Tag";
    License = "License";
    LicenseProfessionalAccessGroup = "License.ProfessionalAccessGroup" | "License.ProfessionalAccessType";
    LicenseAnalyzerAccessGroup = "License.AnalyzerAccessGroup" | "License.AnalyzerAccessType";
    LicenseUserAccessGroup = "License.UserAccessGroup" | "License.UserAccessType";
    LicenseLoginAccessType = "License.LoginAccessType" | "License.LoginAccessGroup";
    LicenseAnalyzerTimeAccessType = "License.AnalyzerTimeAccessType" | "License.AnalyzerTimeAccessGroup";
    TermsAcceptance = "TermsAcceptance";
    SystemNotification = "SystemNotification";
    ServerNodeConfiguration = "ServerNodeConfiguration";
    ServiceCluster = "ServiceCluster";
    ServiceStatus = "ServiceStatus";
    EngineService = "EngineService";
    ProxyService = "ProxyService";
    VirtualProxyConfig = "VirtualProxyConfig";
    RepositoryService = "RepositoryService";
    SchedulerService = "SchedulerService";
    PrintingService = "PrintingService";
    TransientObject = "TransientObject";
}

/// A word that names no type of resource.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is no resource type{}", suggestion.map(|s| format!("; did you mean {s:?}?")).unwrap_or_default())]
pub struct UnknownKind {
    pub text: String,
    pub suggestion: Option<&'static str>,
}

impl ResourceKind {
    /// The canonical spelling as a shared text, for facts.
    #[must_use]
    pub fn shared_name(self) -> Arc<str> {
        static NAMES: LazyLock<Vec<Arc<str>>> =
            LazyLock::new(|| ResourceKind::ALL.iter().map(|kind| kind.name().into()).collect());
        NAMES.get(self as usize).cloned().unwrap_or_else(|| self.name().into())
    }

    /// Whether the canonical name or another spelling begins with `prefix`, without letter case.
    #[must_use]
    pub fn begins_with(self, prefix: &str) -> bool {
        self.spellings().any(|name| {
            name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })
    }

    fn spellings(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name()).chain(self.aliases().iter().copied())
    }
}

impl FromStr for ResourceKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<ResourceKind, UnknownKind> {
        let is_named = |kind: &ResourceKind| kind.spellings().any(|n| n.eq_ignore_ascii_case(text));
        match ResourceKind::ALL.iter().copied().find(is_named) {
            Some(kind) => Ok(kind),
            None => Err(UnknownKind {
                text: text.to_owned(),
                suggestion: closest(text, ResourceKind::ALL.iter().map(|kind| kind.name())),
            }),
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of [`ResourceKind`]s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KindSet(u128);

// INVARIANT: every kind has a bit of its own.
const _: () = assert!(ResourceKind::ALL.len() < 128);

impl KindSet {
    pub const NONE: KindSet = KindSet(0);
    pub const ALL: KindSet = KindSet((1 << ResourceKind::ALL.len()) - 1);

    #[must_use]
    pub const fn only(kind: ResourceKind) -> KindSet {
        KindSet(1 << kind as u32)
    }

    #[must_use]
    pub const fn contains(self, kind: ResourceKind) -> bool {
        self.0 & KindSet::only(kind).0 != 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub const fn union(self, other: KindSet) -> KindSet {
        KindSet(self.0 | other.0)
    }

    #[must_use]
    pub const fn intersection(self, other: KindSet) -> KindSet {
        KindSet(self.0 & other.0)
    }

    /// How many kinds are in it.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The kinds in it, in their order of declaration.
    pub fn iter(self) -> impl Iterator<Item = ResourceKind> {
        ResourceKind::ALL.iter().copied().filter(move |&kind| self.contains(kind))
    }
}

impl FromIterator<ResourceKind> for KindSet {
    fn from_iter<T: IntoIterator<Item = ResourceKind>>(kinds: T) -> KindSet {
        kinds.into_iter().fold(KindSet::NONE, |set, kind| set.union(KindSet::only(kind)))
    }
}

impl fmt::Debug for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
