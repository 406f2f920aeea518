//! Which members does a type have? What filters and orders may name, and the names of enum values.

/// The members of one type, in their wire spelling.
pub struct Schema {
    /// The type's name: `schemaPath` in answers.
    pub name: &'static str,
    members: &'static [&'static str],
    enums: &'static [(&'static str, &'static [(i64, &'static str)])],
}

/// Members of every type.
const COMMON: &[&str] = &["id", "createdDate", "modifiedDate", "modifiedByUserName"];

const OWNER: &[&str] = &["owner.id", "owner.userId", "owner.userDirectory", "owner.name"];
const TAGS: &[&str] = &["tags.id", "tags.name"];
const PROPERTIES: &[&str] = &[
    "customProperties.id",
    "customProperties.value",
    "customProperties.definition.id",
    "customProperties.definition.name",
];

pub const ANONYMOUS_MODES: &[(i64, &str)] =
    &[(0, "Never"), (1, "Optional"), (2, "Always"), (3, "SilentSignOnFirst")];
/// How long a visitor's browser is known again.
pub const VISITOR_COOKIES: &[(i64, &str)] = &[(0, "off"), (1, "hour"), (2, "year")];
pub const SAME_SITES: &[(i64, &str)] = &[(0, "NotSet"), (1, "None"), (2, "Lax"), (3, "Strict")];
pub const AUTHENTICATION_METHODS: &[(i64, &str)] = &[
    (0, "Ticket"),
    (1, "HeaderStaticUserDirectory"),
    (2, "HeaderDynamicUserDirectory"),
    (3, "SAML"),
    (4, "JWT"),
    (5, "OIDC"),
];
pub const HEADER_MODES: &[(i64, &str)] =
    &[(0, "NotAllowed"), (1, "StaticUserDirectory"), (2, "DynamicUserDirectory"), (3, "Undefined")];
pub const LOAD_BALANCING_ALGORITHMS: &[(i64, &str)] = &[(0, "RoundRobin"), (1, "FreeMemory")];
pub const SIGNING_ALGORITHMS: &[(i64, &str)] = &[(0, "SHA1"), (1, "SHA256")];
/// How a user directory stands with its last synchronisation.
pub const SYNC_STATES: &[(i64, &str)] =
    &[(0, "NeverStarted"), (1, "Started"), (2, "Success"), (3, "Fail")];
pub const RULE_CONTEXTS: &[(i64, &str)] =
    &[(0, "BothQlikSenseAndQMC"), (1, "QlikSense"), (2, "QMC")];

pub static APP: Schema = Schema {
    name: "App",
    members: &[
        "appId",
        "name",
        "publishTime",
        "published",
        "stream.id",
        "stream.name",
        "savedInProductVersion",
        "migrationHash",
        "availabilityStatus",
        "sourceAppId",
        "targetAppId",
        "description",
        "thumbnail",
        "fileSize",
        "lastReloadTime",
        "dynamicColor",
        "@owner",
        "@tags",
        "@properties",
    ],
    enums: &[],
};

pub static APP_OBJECT: Schema = Schema {
    name: "App.Object",
    members: &[
        "name",
        "engineObjectId",
        "engineObjectType",
        "contentHash",
        "description",
        "objectType",
        "publishTime",
        "published",
        "approved",
        "size",
        "attributes",
        "sourceObject",
        "draftObject",
        "appObjectBlobId",
        "app.id",
        "app.name",
        "@owner",
        "@tags",
    ],
    enums: &[],
};

pub static STREAM: Schema =
    Schema { name: "Stream", members: &["name", "@owner", "@tags", "@properties"], enums: &[] };

pub static USER: Schema = Schema {
    name: "User",
    members: &[
        "userId",
        "userDirectory",
        "userDirectoryConnectorName",
        "name",
        "roles",
        "attributes.attributeType",
        "attributes.attributeValue",
        "inactive",
        "removedExternally",
        "blacklisted",
        "deleteProhibited",
        "@tags",
        "@properties",
    ],
    enums: &[],
};

pub static USER_DIRECTORY: Schema = Schema {
    name: "UserDirectory",
    members: &[
        "name",
        "type",
        "userDirectoryName",
        "configured",
        "operational",
        "syncOnlyLoggedInUsers",
        "syncStatus",
        "syncLastStarted",
        "syncLastSuccessfulEnded",
        "configuredError",
        "operationalError",
        "creationType",
        "urls",
        "baseDn",
        "signIn",
        "defaultForSignIn",
        "@tags",
    ],
    enums: &[("syncstatus", SYNC_STATES)],
};

pub static SYSTEM_RULE: Schema = Schema {
    name: "SystemRule",
    members: &[
        "category",
        "subcategory",
        "type",
        "name",
        "rule",
        "resourceFilter",
        "actions",
        "comment",
        "disabled",
        "ruleContext",
        "seedId",
        "version",
        "effect",
        "@tags",
    ],
    enums: &[("rulecontext", RULE_CONTEXTS)],
};

pub static VIRTUAL_PROXY: Schema = Schema {
    name: "VirtualProxyConfig",
    members: &[
        "prefix",
        "description",
        "authenticationModuleRedirectUri",
        "sessionModuleBaseUri",
        "loadBalancingModuleBaseUri",
        "useStickyLoadBalancing",
        "loadBalancingServerNodes.id",
        "loadBalancingServerNodes.name",
        "loadBalancingAllNodes",
        "loadBalancingAlgorithm",
        "enableEngineSaturationCheck",
        "enableEngineHealthCheckData",
        "authenticationMethod",
        "headerAuthenticationMode",
        "headerAuthenticationHeaderName",
        "headerAuthenticationStaticUserDirectory",
        "headerAuthenticationDynamicUserDirectory",
        "headerAuthenticationTrustedSenders",
        "anonymousAccessMode",
        "windowsAuthenticationEnabledDevicePattern",
        "sessionCookieHeaderName",
        "sessionCookieDomain",
        "hasSecureAttributeHttps",
        "sameSiteAttributeHttps",
        "hasSecureAttributeHttp",
        "sameSiteAttributeHttp",
        "additionalResponseHeaders",
        "sessionInactivityTimeout",
        "lifetimeMinutes",
        "sessionCoolDownMinutes",
        "extendedSecurityEnvironment",
        "websocketCrossOriginWhiteList",
        "defaultVirtualProxy",
        "linked",
        "samlSlo",
        "samlIdpInitiated",
        "samlHostUri",
        "samlEntityId",
        "samlMetadataIdP",
        "samlAttributeUserId",
        "samlAttributeUserDirectory",
        "samlAttributeSigningAlgorithm",
        "samlAttributeMap.samlAttribute",
        "samlAttributeMap.senseAttribute",
        "samlAttributeMap.isMandatory",
        "jwtPublicKeyCertificate",
        "jwtAlgorithms",
        "jwtAttributeUserId",
        "jwtAttributeUserDirectory",
        "jwtAudience",
        "jwtIssuer",
        "jwtLeewaySeconds",
        "jwtAttributeMap.jwtAttribute",
        "jwtAttributeMap.senseAttribute",
        "jwtAttributeMap.isMandatory",
        "oidcConfigurationEndpointUri",
        "oidcClientId",
        "oidcClientSecret",
        "oidcRealm",
        "oidcAttributeSub",
        "oidcAttributeName",
        "oidcAttributeGroups",
        "oidcAttributeEmail",
        "oidcAttributeClientId",
        "oidcAttributePicture",
        "oidcScope",
        "oidcAttributeMap.oidcAttribute",
        "oidcAttributeMap.senseAttribute",
        "oidcAttributeMap.isMandatory",
        "magicLinkHostUri",
        "magicLinkFriendlyName",
        "maxAnonymousSessions",
        "maxAnonymousSessionsPerIp",
        "visitorCookie",
        "visitorRequestsPerMinute",
        "visitorRequestsPerMinutePerIp",
        "visitorComputeMsPerMinutePerIp",
        "@tags",
        "@properties",
    ],
    enums: &[
        ("anonymousaccessmode", ANONYMOUS_MODES),
        ("authenticationmethod", AUTHENTICATION_METHODS),
        ("headerauthenticationmode", HEADER_MODES),
        ("loadbalancingalgorithm", LOAD_BALANCING_ALGORITHMS),
        ("samlattributesigningalgorithm", SIGNING_ALGORITHMS),
        ("samesiteattributehttps", SAME_SITES),
        ("samesiteattributehttp", SAME_SITES),
    ],
};

pub static PROXY_SERVICE: Schema = Schema {
    name: "ProxyService",
    members: &[
        "serverNodeConfiguration.id",
        "serverNodeConfiguration.name",
        "serverNodeConfiguration.hostName",
        "settings.keepAliveTimeoutSeconds",
        "settings.maxHeaderSizeBytes",
        "settings.maxHeaderLines",
        "settings.formAuthenticationPageTemplate",
        "settings.loggedOutPageTemplate",
        "settings.errorPageTemplate",
        "settings.virtualProxies.id",
        "settings.virtualProxies.prefix",
        "@tags",
        "@properties",
    ],
    enums: &[],
};

pub static LICENSE_POOL: Schema = Schema {
    name: "LicensePool",
    members: &[
        "name",
        "kind",
        "capacity",
        "overage",
        "disabled",
        "quarantineDays",
        "reservedForUsers",
        "unitsPerAddressPerHour",
        "resourceFilter",
    ],
    enums: &[],
};

/// Seats of named people, under the original's paths.
pub static ALLOCATION: Schema = Schema {
    name: "License.AccessType",
    members: &[
        "lastUsed",
        "quarantined",
        "quarantineEnd",
        "deletedUserId",
        "deletedUserDirectory",
        "byRule",
        "pool.id",
        "pool.name",
        "user.id",
        "user.userId",
        "user.userDirectory",
        "user.name",
    ],
    enums: &[],
};

/// Sections of hub and console, which are names only.
pub static SECTION: Schema = Schema { name: "TransientObject", members: &["name"], enums: &[] };

pub static NODE: Schema = Schema {
    name: "ServerNodeConfiguration",
    members: &["name", "hostName", "isCentral"],
    enums: &[],
};

/// Every type, for `about/api/enums`.
pub static ALL: [&Schema; 9] = [
    &APP,
    &APP_OBJECT,
    &STREAM,
    &USER,
    &USER_DIRECTORY,
    &SYSTEM_RULE,
    &VIRTUAL_PROXY,
    &PROXY_SERVICE,
    &LICENSE_POOL,
];

impl Schema {
    /// Refuses a lower-case path that the type does not have, with what was probably meant.
    pub(crate) fn check(&self, path: &[String]) -> Result<(), String> {
        let path = path.join(".");
        if self.members().any(|member| member.eq_ignore_ascii_case(&path)) {
            return Ok(());
        }
        let mut message = format!("there is no property {path:?}");
        if let Some(close) = self
            .members()
            .map(|member| (distance(&path, &member.to_lowercase()), member))
            .filter(|&(far, _)| far <= (path.chars().count() / 2).clamp(1, 3))
            .min_by_key(|&(far, _)| far)
        {
            message.push_str(&format!("; did you mean {:?}?", close.1));
        }
        Err(message)
    }

    /// Numbers and names of an enum member; none for other members.
    pub(crate) fn enum_names(&self, path: &[String]) -> &'static [(i64, &'static str)] {
        let [name] = path else { return &[] };
        self.enums.iter().find(|(member, _)| member == name).map_or(&[], |(_, names)| names)
    }

    /// The enum members with their values.
    pub(crate) fn enums(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'static [(i64, &'static str)])> {
        let spelling = |lower: &str| {
            self.members.iter().copied().find(|member| member.eq_ignore_ascii_case(lower))
        };
        self.enums.iter().filter_map(move |&(member, names)| Some((spelling(member)?, names)))
    }

    fn members(&self) -> impl Iterator<Item = &'static str> {
        let groups = |&member: &&'static str| -> &'static [&'static str] {
            match member {
                "@owner" => OWNER,
                "@tags" => TAGS,
                "@properties" => PROPERTIES,
                _ => &[],
            }
        };
        let plain = self.members.iter().copied().filter(|member| !member.starts_with('@'));
        let grouped = self.members.iter().flat_map(groups).copied();
        COMMON.iter().copied().chain(plain).chain(grouped)
    }
}

/// Letters to add, drop or change, bounded by the length of the words, which are short here.
fn distance(from: &str, to: &str) -> usize {
    if from.len() > 64 {
        return usize::MAX;
    }
    let to: Vec<char> = to.chars().collect();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.chars().enumerate() {
        let mut diagonal = row;
        let mut left = row + 1;
        for (&other, above) in to.iter().zip(last.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(letter != other);
            diagonal = *above;
            left = changed.min(*above + 1).min(left + 1);
            *above = left;
        }
        if let Some(first) = last.first_mut() {
            *first = row + 1;
        }
    }
    last.last().copied().unwrap_or(usize::MAX)
}
