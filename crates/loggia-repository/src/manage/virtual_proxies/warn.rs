//! What should somebody who saves an entrance know about it, although it is in order?

use loggia_model::entity::{AnonymousMode, AuthenticationMethod, VirtualProxy};

use crate::manage::Violation;
use crate::nodes;
use crate::site::Site;

pub(super) fn warnings(site: &Site, entrance: &VirtualProxy, is_linked: bool) -> Vec<Violation> {
    let mut warnings = Vec::new();
    let mut warn = |place, message: &str| warnings.push(Violation::warning(place, message));
    if !is_linked {
        warn(
            "linked",
            "no proxy serves this entrance, so nobody can reach it; set linked to true, or add it \
             to settings.virtualProxies of the proxy service",
        );
    }
    if !nodes::has_some(site, entrance) {
        warn(
            "loadBalancingServerNodes",
            "no node opens apps for this entrance, so the hub lists them and none opens; name a \
             node, or set loadBalancingAllNodes to true",
        );
    }
    visitors(site, entrance, &mut warn);
    if entrance.is_secure_http {
        warn(
            "hasSecureAttributeHttp",
            "browsers send a Secure cookie over HTTPS only: nobody who comes over plain HTTP stays \
             signed in, unless a forwarder ends TLS and is not trusted to say so",
        );
    }
    for host in &entrance.host_allow_list {
        if super::check::is_address(host) {
            warn(
                "websocketCrossOriginWhiteList",
                &format!(
                    "{host:?} is an address: the list names hosts whose pages may use this \
                     entrance; client addresses do not belong here"
                ),
            );
        }
    }
    for (place, uri) in [
        ("sessionModuleBaseUri", &entrance.session_module_uri),
        ("loadBalancingModuleBaseUri", &entrance.load_balancing_module_uri),
    ] {
        if !uri.is_empty() {
            warn(place, "is kept and never called: this product has no use for such a module");
        }
    }
    warnings
}

fn visitors(site: &Site, entrance: &VirtualProxy, warn: &mut impl FnMut(&'static str, &str)) {
    let place = "anonymousAccessMode";
    if entrance.anonymous == AnonymousMode::Never {
        return;
    }
    if entrance.prefix.is_default() {
        warn(
            place,
            "everybody who used to be signed in silently here now enters as a visitor until they \
             press Log in; a separate entrance such as /public keeps their links working",
        );
    }
    if !site.admits_visitor(entrance) {
        warn(
            place,
            "no licence pool has a rule that admits an anonymous visitor, so apps will be listed \
             but not open; make an analyzer capacity pool with the rule user.IsAnonymous()",
        );
    }
    let is_form =
        entrance.method == AuthenticationMethod::Ticket && entrance.ticket.module_uri.is_empty();
    match entrance.anonymous {
        AnonymousMode::Always if !is_form => warn(
            place,
            "only visitors come in here, so the sign-in method has no effect; choose 1 or 3 to let \
             people sign in",
        ),
        AnonymousMode::SilentFirst
            if !matches!(
                entrance.method,
                AuthenticationMethod::Oidc | AuthenticationMethod::Saml
            ) =>
        {
            warn(
                place,
                "only OIDC and SAML can be asked silently who somebody is; with this \
                 authenticationMethod, mode 3 does what mode 1 does",
            );
        }
        _ => {}
    }
}
