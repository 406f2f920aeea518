//! `/proxyservice`: what the node listens with, and which entrances it serves.

use std::sync::Arc;

use loggia_model::entity::ProxyService;
use loggia_model::{ProxyServiceId, VirtualProxyId};
use loggia_repository::{ManageError, ProxyServiceEdit, Resource};
use serde_json::{Value, json};
use uuid::Uuid;

use super::virtual_proxy::VirtualProxies;
use super::{Collection, shown};
use crate::body::Body;
use crate::call::{Answer, Call};
use crate::problem::{Problem, violations};
use crate::schema::{PROXY_SERVICE, Schema};
use crate::wire::{self, View};

pub(crate) struct ProxyServices;

impl Collection for ProxyServices {
    type Entity = Arc<ProxyService>;

    const SCHEMA: &'static Schema = &PROXY_SERVICE;

    fn list(call: &Call) -> Result<Vec<Arc<ProxyService>>, ManageError> {
        call.repository.proxy_services(&call.caller)
    }

    fn one(call: &Call, id: Uuid) -> Result<Arc<ProxyService>, ManageError> {
        call.repository.proxy_service_record(&call.caller, ProxyServiceId(id))
    }

    fn condensed(view: &View<'_>, proxy: &Arc<ProxyService>) -> Value {
        let node = view.site.node(proxy.node).map(|node| wire::node(node));
        json!({
            "id": proxy.id,
            "serverNodeConfiguration": node,
            "privileges": view.privileges(&Resource::Proxy(proxy.id)),
        })
    }

    fn full(view: &View<'_>, proxy: &Arc<ProxyService>) -> Value {
        let plain = View { with_privileges: false, ..*view };
        let linked: Vec<Value> = proxy
            .virtual_proxies
            .iter()
            .filter_map(|id| view.site.virtual_proxy(*id))
            .filter(|entrance| {
                let resource = Resource::VirtualProxy(entrance.id);
                let read = loggia_repository::Action::Read;
                view.repository.decide(view.caller, &resource, read).is_allowed()
            })
            .map(|entrance| VirtualProxies::condensed(&plain, entrance))
            .collect();
        let own = json!({
            "settings": {
                "id": proxy.id,
                "keepAliveTimeoutSeconds": proxy.keep_alive_seconds,
                "maxHeaderSizeBytes": proxy.max_header_bytes,
                "maxHeaderLines": proxy.max_header_lines,
                "formAuthenticationPageTemplate": proxy.login_template,
                "loggedOutPageTemplate": proxy.logged_out_template,
                "errorPageTemplate": proxy.error_template,
                "virtualProxies": linked,
            },
            "customProperties": wire::properties(&proxy.custom_properties, &proxy.stamp),
            "tags": wire::tags(&proxy.tags),
        });
        let condensed = ProxyServices::condensed(view, proxy);
        wire::full(view, proxy.id.0, &proxy.stamp, PROXY_SERVICE.name, condensed, own)
    }
}

/// The proxy service of the node that answers.
pub(crate) fn local(call: &Call) -> Result<Answer, Problem> {
    let id = call.repository.site().proxy_service().id;
    let proxy = call.repository.proxy_service_record(&call.caller, id)?;
    Ok(Answer::Ok(shown::<ProxyServices>(call, &proxy)?))
}

pub(crate) fn update(call: &Call) -> Result<Answer, Problem> {
    let id = ProxyServiceId(call.id()?);
    let mut body = call.body()?;
    let basis = body.modified();
    let edit = read(call, body)?;
    let saved = call.repository.update_proxy_service(&call.caller, id, basis, edit)?;
    let mut shown = shown::<ProxyServices>(call, &saved.value)?;
    if let Some(members) = shown.as_object_mut() {
        members.insert("warnings".to_owned(), violations(&saved.warnings));
    }
    Ok(Answer::Ok(shown))
}

/// Settings of the listeners are this server's own file and flags: they are not shown here, and
/// what clients of the original send for them is not read.
fn read(call: &Call, mut body: Body) -> Result<ProxyServiceEdit, Problem> {
    let mut settings = match body.value("settings") {
        Some(settings) => Body::of(settings)?,
        None => Body::of(json!({}))?,
    };
    let edit = ProxyServiceEdit {
        virtual_proxies: settings
            .references("virtualProxies")
            .map(|ids| ids.into_iter().map(VirtualProxyId).collect()),
        keep_alive_seconds: settings.number("keepAliveTimeoutSeconds"),
        max_header_bytes: settings.number("maxHeaderSizeBytes"),
        max_header_lines: settings.number("maxHeaderLines"),
        login_template: settings.text("formAuthenticationPageTemplate"),
        logged_out_template: settings.text("loggedOutPageTemplate"),
        error_template: settings.text("errorPageTemplate"),
        custom_properties: body.properties(&call.repository),
        tags: body.tags(&call.repository),
    };
    settings.finish()?;
    body.finish()?;
    Ok(edit)
}
