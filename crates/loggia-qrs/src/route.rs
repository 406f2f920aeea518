//! Which addresses are there? One table; the stranger sweep reads it too.

use http::Method;

use crate::about;
use crate::call::{Answer, Call};
use crate::collection::app::{self, Apps};
use crate::collection::app_object::{self, AppObjects};
use crate::collection::audit;
use crate::collection::audit_log;
use crate::collection::exposure;
use crate::collection::impact;
use crate::collection::license::{self, Pools, declaration, forecast, seats};
use crate::collection::proxy_service::{self, ProxyServices};
use crate::collection::share;
use crate::collection::stream::{self, Streams};
use crate::collection::system_rule::{self, SystemRules};
use crate::collection::user::{self, Users};
use crate::collection::user_directory::{self, UserDirectories};
use crate::collection::virtual_proxy::{self, VirtualProxies};
use crate::collection::{count, list, list_full, one};
use crate::problem::Problem;

/// One address and what answers there. Segments in braces are places.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) pattern: &'static str,
    pub(crate) handler: fn(&Call) -> Result<Answer, Problem>,
}

const fn get(pattern: &'static str, handler: fn(&Call) -> Result<Answer, Problem>) -> Route {
    Route { method: Method::GET, pattern, handler }
}

const fn post(pattern: &'static str, handler: fn(&Call) -> Result<Answer, Problem>) -> Route {
    Route { method: Method::POST, pattern, handler }
}

const fn put(pattern: &'static str, handler: fn(&Call) -> Result<Answer, Problem>) -> Route {
    Route { method: Method::PUT, pattern, handler }
}

const fn delete(pattern: &'static str, handler: fn(&Call) -> Result<Answer, Problem>) -> Route {
    Route { method: Method::DELETE, pattern, handler }
}

/// Every address, lower case. Earlier rows win.
pub(crate) static ROUTES: &[Route] = &[
    get("about", about::about),
    get("about/api/enums", about::enums),
    get("about/api/relations", about::relations),
    get("app", list::<Apps>),
    get("app/full", list_full::<Apps>),
    get("app/count", count::<Apps>),
    get("app/hublist", app::hub_list),
    get("app/hublist/full", app::hub_list_full),
    get("app/object", list::<AppObjects>),
    get("app/object/full", list_full::<AppObjects>),
    get("app/object/count", count::<AppObjects>),
    get("app/object/{id}", one::<AppObjects>),
    put("app/object/{id}", app_object::update),
    get("app/object/{id}/audience", share::sheet),
    put("app/object/{id}/audience", share::set_sheet),
    put("app/object/{id}/publish", app_object::publish),
    put("app/object/{id}/unpublish", app_object::unpublish),
    delete("app/object/{id}", app_object::delete),
    get("app/{id}", one::<Apps>),
    post("app", app::create),
    put("app/{id}", app::update),
    get("app/{id}/audience", share::app),
    put("app/{id}/audience", share::set_app),
    put("app/{id}/publish", app::publish),
    put("app/{id}/unpublish", app::unpublish),
    delete("app/{id}", app::delete),
    get("stream", list::<Streams>),
    get("stream/full", list_full::<Streams>),
    get("stream/count", count::<Streams>),
    get("stream/{id}", one::<Streams>),
    get("stream/{id}/public", share::stream),
    put("stream/{id}/public", share::set_stream),
    post("stream", stream::create),
    put("stream/{id}", stream::update),
    delete("stream/{id}", stream::delete),
    get("user", list::<Users>),
    get("user/full", list_full::<Users>),
    get("user/count", count::<Users>),
    get("user/{id}", one::<Users>),
    post("user", user::create),
    put("user/{id}", user::update),
    delete("user/{id}", user::delete),
    get("userdirectory", list::<UserDirectories>),
    get("userdirectory/full", list_full::<UserDirectories>),
    get("userdirectory/count", count::<UserDirectories>),
    get("userdirectory/{id}", one::<UserDirectories>),
    post("userdirectory/{id}/check", user_directory::check),
    post("userdirectory", user_directory::create),
    put("userdirectory/{id}", user_directory::update),
    delete("userdirectory/{id}", user_directory::delete),
    post("userdirectoryconnector/syncuserdirectories", user_directory::sync),
    get("systemrule", list::<SystemRules>),
    get("systemrule/full", list_full::<SystemRules>),
    get("systemrule/count", count::<SystemRules>),
    post("systemrule/check", system_rule::check),
    post("systemrule/security/evaluatetransientresources", system_rule::transient),
    get("systemrule/security/exposure", exposure::report),
    post("systemrule/parsetree", audit::parse_tree),
    post("systemrule/security/explain", audit::explain),
    post("systemrule/security/audit", audit::security),
    post("systemrule/security/audit/matrix", audit::security_matrix),
    post("systemrule/security/audit/preview", audit::preview),
    post("systemrule/security/audit/export", audit::export),
    post("systemrule/security/resetdefault", audit::reset_default),
    post("systemrule/license/audit", audit::license),
    post("systemrule/license/audit/matrix", audit::license_matrix),
    post("systemrule/sync/audit", audit::sync),
    post("systemrule/sync/audit/matrix", audit::sync_matrix),
    post("systemrule/security/impact", impact::preview),
    get("systemrule/{id}", one::<SystemRules>),
    post("systemrule", system_rule::create),
    put("systemrule/{id}", system_rule::update),
    delete("systemrule/{id}", system_rule::delete),
    get("virtualproxyconfig", list::<VirtualProxies>),
    get("virtualproxyconfig/full", list_full::<VirtualProxies>),
    get("virtualproxyconfig/count", count::<VirtualProxies>),
    get("virtualproxyconfig/{id}", one::<VirtualProxies>),
    get("virtualproxyconfig/{id}/anonymouscheck", virtual_proxy::anonymous_check),
    post("virtualproxyconfig", virtual_proxy::create),
    put("virtualproxyconfig/{id}", virtual_proxy::update),
    delete("virtualproxyconfig/{id}", virtual_proxy::delete),
    get("proxyservice", list::<ProxyServices>),
    get("proxyservice/full", list_full::<ProxyServices>),
    get("proxyservice/count", count::<ProxyServices>),
    get("proxyservice/local", proxy_service::local),
    get("proxyservice/{id}", one::<ProxyServices>),
    put("proxyservice/{id}", proxy_service::update),
    get("auditlog", audit_log::list),
    get("auditlog/export", audit_log::export),
    get("auditlog/verification", audit_log::verify),
    get("license", license::license),
    get("license/accesstypeinfo", license::access_type_info),
    get("license/accesstypeoverview", license::access_type_info),
    get("license/tokens", license::tokens),
    put("license/tokens", license::set_tokens),
    get("license/{kind}", seats::list_kind),
    post("license/{kind}", seats::create_kind),
    get("license/{kind}/{id}", seats::one_kind),
    delete("license/{kind}/{id}", seats::delete_kind),
    get("licensepool", list::<Pools>),
    get("licensepool/full", list_full::<Pools>),
    get("licensepool/count", count::<Pools>),
    get("licensepool/usage", license::usage),
    get("licensepool/declaration", declaration::export),
    post("licensepool/declaration", declaration::import),
    post("licensepool/simulation", forecast::simulate),
    get("licensepool/{id}", one::<Pools>),
    get("licensepool/{id}/counters", forecast::counters),
    get("licensepool/{id}/history", forecast::history),
    get("licensepool/{id}/forecast", forecast::forecast),
    get("licensepool/{id}/alerts", forecast::alerts),
    get("licensepool/{id}/visitors", license::visitors),
    put("licensepool/{id}/visitors", license::set_visitors),
    get("licensepool/{id}/rule", license::rules),
    post("licensepool/{id}/rule", license::create_rule),
    get("licensepool/{id}/allocation", seats::allocations),
    post("licensepool/{id}/allocation", seats::allocate),
    delete("licensepool/{id}/allocation/{user}", seats::deallocate),
    post("licensepool/{id}/allocation/{user}/reinstate", seats::reinstate),
    post("licensepool", license::create),
    put("licensepool/{id}", license::update),
    delete("licensepool/{id}", license::delete),
];

/// What a path leads to.
pub(crate) enum Found {
    Route {
        route: &'static Route,
        places: Vec<String>,
    },
    /// The address is there, the method is not.
    OtherMethods(String),
    Nothing,
}

/// Finds the route of a path without letter case; slashes at either end do not matter.
pub(crate) fn find(method: &Method, path: &str) -> Found {
    let path = path.to_lowercase();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let mut methods = Vec::new();
    for route in ROUTES {
        let Some(places) = places(route.pattern, &segments) else { continue };
        if route.method == *method {
            return Found::Route { route, places };
        }
        // A literal row such as app/full hides the row app/{id} for other methods as well.
        methods.push(route.method.as_str());
    }
    if methods.is_empty() { Found::Nothing } else { Found::OtherMethods(methods.join(", ")) }
}

fn places(pattern: &str, segments: &[&str]) -> Option<Vec<String>> {
    let mut places = Vec::new();
    let mut rest = segments.iter();
    for part in pattern.split('/') {
        let segment = rest.next()?;
        if part.starts_with('{') {
            places.push((*segment).to_owned());
        } else if part != *segment {
            return None;
        }
    }
    rest.next().is_none().then_some(places)
}
