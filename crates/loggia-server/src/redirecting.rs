//! What the plain listener says: come back over the encrypted one. The same host, the same path,
//! and nothing else: no page, no cookie.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{Request, StatusCode};
use loggia_proxy::edge::screen;
use loggia_proxy::{headers, redirect};

/// Leads a request to `https` on the port of the encrypted listener.
pub(crate) async fn answer(port: u16, request: Request<Body>) -> Response {
    let (mut parts, _) = request.into_parts();
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut response = match screen(&mut parts, nobody, false, &[]) {
        Ok(screened) if !screened.is_socket => {
            let port = if port == 443 { String::new() } else { format!(":{port}") };
            let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            let (host, path) = (screened.host.name(), screened.path.as_str());
            redirect(StatusCode::PERMANENT_REDIRECT, &format!("https://{host}{port}{path}{query}"))
        }
        // A socket that was led elsewhere would only fail later.
        Ok(_) => refuse(StatusCode::UPGRADE_REQUIRED),
        Err(fault) => refuse(fault.status()),
    };
    headers::protect(response.headers_mut());
    response
}

fn refuse(status: StatusCode) -> Response {
    let mut response = Response::new(Body::from("This address is served over https only.\n"));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn led(host: &str, target: &str, port: u16) -> (u16, String) {
        let request = Request::builder().uri(target).header("host", host);
        let response = answer(port, request.body(Body::empty()).unwrap()).await;
        let location = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (response.status().as_u16(), location.unwrap_or_default())
    }

    #[tokio::test]
    async fn plain_requests_are_led_to_the_same_host_and_nowhere_else() {
        for (host, target, port, location) in [
            ("hub.example", "/hub?a=b", 443, "https://hub.example/hub?a=b"),
            ("Hub.example:80", "/", 8443, "https://hub.example:8443/"),
            ("[::1]:8080", "//evil.example/", 443, "https://[::1]/evil.example"),
        ] {
            assert_eq!(led(host, target, port).await, (308, location.to_owned()), "{host}{target}");
        }
        for (host, target) in [
            ("hub.example@evil.example", "/"),
            ("hub.example", "/..;/x"),
            ("evil.example/", "/"),
            ("hub.example", "http://evil.example/"),
        ] {
            assert_eq!(led(host, target, 443).await, (400, String::new()), "{host}{target}");
        }
    }
}
