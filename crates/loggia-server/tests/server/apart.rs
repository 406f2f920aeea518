//! What is one's own stays apart from what is another's: answers, whoever asked before and whatever
//! the client names, and cookies. Rows 14, 35 and 36 of `spec/security.md` §2.

use std::collections::BTreeSet;

use loggia_model::entity::AnonymousMode;
use loggia_repository::VirtualProxyEdit;

use crate::support::{APP, Answer, Hub, PASSWORD, PUBLIC, Person, TEAM_APP};

const KEY: &str = "0123456789abcdef";

/// Addresses whose answers are somebody's.
fn addresses() -> Vec<String> {
    vec![
        "/public/hub".into(),
        "/public/api/v1/hub".into(),
        format!("/public/sense/app/{APP}"),
        format!("/public/api/v1/apps/{APP}"),
        format!("/public/sense/app/{TEAM_APP}"),
        format!("/public/api/v1/apps/{TEAM_APP}"),
        "/public/qps/user?targetUri=http%3A%2F%2F127.0.0.1%2Fhub".into(),
        format!("/public/qrs/app?xrfkey={KEY}"),
        format!("/public/qrs/about?xrfkey={KEY}"),
        "/public/login".into(),
        "/public/logout".into(),
        "/public/nothing".into(),
    ]
}

/// What somebody is answered, without what is new each time.
async fn told(person: &mut Person, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut all = vec![("X-Qlik-Xrfkey", KEY), ("Accept", "text/html")];
    all.extend(headers);
    let answer = person.send("GET", path, &all, "").await;
    let mut body = answer.body.clone();
    for name in ["csrf", "reference", "time"] {
        while let Some(at) = body.find(&format!("\"{name}\":\"")) {
            let start = at + name.len() + 4;
            let end = start + body[start..].find('"').unwrap();
            let value = body[start..end].to_owned();
            body.replace_range(at..=end, "");
            if value.len() > 5 {
                body = body.replace(&value, "…");
            }
        }
    }
    if let Some(at) = body.find("anonymous") {
        // A visitor's id is their own.
        let id = body[at..].split('"').next().unwrap().to_owned();
        body = body.replace(&id, "anonymous…");
    }
    (answer.status, body)
}

#[tokio::test]
async fn whoever_asked_before_and_whatever_is_named_each_gets_their_own() {
    let hub = Hub::start().await;
    let (mut visitor, mut second) = (hub.visitor().await, hub.visitor().await);
    let (mut ana, mut root) = (hub.user("ana", "/public").await, hub.user("root", "/public").await);
    for path in addresses() {
        let of_visitor = told(&mut visitor, &path, &[]).await;
        let of_ana = told(&mut ana, &path, &[]).await;
        let of_root = told(&mut root, &path, &[]).await;
        for secret in ["Payroll", "LOGGIA", r#""userId":"ana""#, r#""userId":"root""#] {
            assert!(!of_visitor.1.contains(secret), "{path} tells a visitor {secret}");
        }
        assert!(!of_ana.1.contains(r#""userId":"root""#), "{path} tells ana of root");
        // The same again, in other orders, with whatever a cache could be led by.
        for named in [
            &[][..],
            &[("X-Correlation-Id", "one"), ("X-Request-Id", "one"), ("X-Cache-Key", "one")],
            &[("Cache-Control", "only-if-cached"), ("Pragma", "x")],
            &[("If-None-Match", "*")],
            &[("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")],
            &[("Vary", "*"), ("Accept-Language", "de"), ("Accept-Encoding", "identity")],
            &[("X-Forwarded-Host", "other.example"), ("X-Forwarded-Prefix", "/other")],
            &[("X-Original-URL", "/public/hub"), ("X-HTTP-Method-Override", "HEAD")],
            &[("Range", "bytes=0-10")],
        ] {
            assert_eq!(told(&mut root, &path, named).await, of_root, "{path} {named:?}");
            assert_eq!(told(&mut second, &path, named).await, of_visitor, "{path} {named:?}");
            assert_eq!(told(&mut ana, &path, named).await, of_ana, "{path} {named:?}");
            assert_eq!(told(&mut visitor, &path, named).await, of_visitor, "{path} {named:?}");
        }
    }
    // A query that nobody reads is no key either.
    for query in ["?cb=1", "?user=ana", "?session=0&csrf=0"] {
        let page = visitor.page(&format!("/public/hub{query}")).await;
        assert!(!page.body.contains("Payroll"), "{query}");
        assert!(ana.page(&format!("/public/hub{query}")).await.body.contains("Payroll"), "{query}");
    }
}

#[tokio::test]
async fn a_host_that_one_client_names_shows_in_no_other_clients_answer() {
    let hub = Hub::start().await;
    hub.edit_entrance(VirtualProxyEdit {
        host_allow_list: Some(vec!["portal.example".into()]),
        ..VirtualProxyEdit::default()
    });
    let ask = async |host: &str, path: &str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
        );
        Answer::parse(&hub.raw(request.as_bytes()).await)
    };
    let uri = "targetUri=https%3A%2F%2Fportal.example%2F";
    for path in [
        "/public/hub",
        "/public/",
        "/hub",
        "/public/api/v1/hub",
        "/public/login",
        &format!("/public/qps/user?{uri}"),
        "/nowhere/hub",
    ] {
        let (first, other) = (ask("one.example", path).await, ask("two.example:81", path).await);
        let again = ask("one.example", path).await;
        assert_eq!((first.status, other.status), (again.status, again.status), "{path}");
        for (answer, foreign) in [(&first, "two.example"), (&other, "one.example")] {
            let text = format!("{}{}", answer.head, answer.body);
            assert!(!text.contains(foreign), "{path}: {text}");
        }
        assert_eq!(first.header("location"), other.header("location"), "{path}");
        assert!(!first.header("location").contains("://"), "{path}");
    }
    // The one answer that names the host names the asker's.
    let me = ask("two.example:81", &format!("/public/qps/user?{uri}")).await.json();
    assert!(me["loginUri"].as_str().unwrap().starts_with("http://two.example:81/"), "{me}");
    // The same list at two entrances has links of its own.
    let (mut at_public, mut at_default) =
        (hub.user("ana", "/public").await, hub.user("ana", "").await);
    for _ in 0..2 {
        let page = at_public.page("/public/hub").await;
        assert_eq!(page.body.matches(&format!("href=\"/public/sense/app/{APP}\"")).count(), 1);
        let page = at_default.page("/hub").await;
        assert_eq!(page.body.matches(&format!("href=\"/sense/app/{APP}\"")).count(), 1);
    }
    // A renamed entrance is not answered for by what was written under its old name.
    hub.edit_entrance(VirtualProxyEdit {
        prefix: Some("press".parse().unwrap()),
        ..VirtualProxyEdit::default()
    });
    let page = ask("one.example", "/press/hub").await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("/public/"), "{}", page.body);
}

#[tokio::test]
async fn no_cache_on_the_way_keeps_what_is_somebodys() {
    let hub = Hub::start().await;
    let mut ana = hub.user("ana", "/public").await;
    let mut visitor = hub.visitor().await;
    let folder = hub.data().join("content/apps").join(APP.text());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.png"), "0123456789").unwrap();
    let picture = format!("/public/content/apps/{APP}/a.png");
    let mut paths = addresses();
    paths.extend(
        ["/public/", "/hub", "/public/hub?forceAuthentication=yes", "/public/loggedout"]
            .map(str::to_owned),
    );
    paths.extend(
        ["/nowhere/hub", "/public/qps/csrftoken", "/..%2f", "/public/app/x", "/public/hub%20"]
            .map(str::to_owned),
    );
    paths.extend(["/assets/none.js", "/healthz", "/readyz"].map(str::to_owned));
    for path in &paths {
        for accept in ["text/html", "application/json", "*/*"] {
            for (who, person) in [("ana", &mut ana), ("visitor", &mut visitor)] {
                let headers = [("Accept", accept), ("X-Qlik-Xrfkey", KEY)];
                let answer = person.send("GET", path, &headers, "").await;
                let kept = answer.header("cache-control");
                assert_eq!(kept, "no-store", "{who} {path} {accept}: {}", answer.head);
            }
        }
    }
    for (method, path, headers, body) in [
        ("POST", "/public/login", vec![], "username=ana"),
        ("POST", "/public/hub", vec![], ""),
        ("DELETE", "/public/hub", vec![], ""),
        ("PROPFIND", "/public/hub", vec![], ""),
        ("POST", "/public/logout", vec![("Sec-Fetch-Site", "cross-site")], ""),
        ("POST", "/public/qrs/stream", vec![], "{}"),
        ("GET", "/public/app/x", vec![("Upgrade", "websocket"), ("Origin", "null")], ""),
    ] {
        let answer = visitor.send(method, path, &headers, body).await;
        assert!(answer.status >= 400, "{method} {path}: {}", answer.head);
        assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}: {}", answer.head);
    }
    let login = hub.somebody().log_in("ana", PASSWORD, "/public", "/public/hub").await;
    assert_eq!((login.status, login.header("cache-control")), (303, "no-store"));
    // Pictures are for the eyes of those who may see the app: their own browser keeps them a while.
    let whole = visitor.get(&picture).await;
    assert_eq!((whole.status, whole.header("cache-control")), (200, "private, max-age=300"));
    let tag = whole.header("etag").to_owned();
    for headers in [vec![("If-None-Match", tag.as_str())], vec![("Range", "bytes=0-1")]] {
        let answer = visitor.send("GET", &picture, &headers, "").await;
        assert!(answer.header("cache-control").starts_with("private"), "{}", answer.head);
    }
    // Whoever may not see it is refused, whatever they know of it.
    hub.set_mode(AnonymousMode::Never);
    for headers in [vec![("If-None-Match", tag.as_str())], vec![("Range", "bytes=0-1")]] {
        let answer = visitor.send("GET", &picture, &headers, "").await;
        assert_eq!((answer.status, answer.header("cache-control")), (401, "no-store"));
    }
}

/// A cookie line, cut up.
struct Line {
    name: String,
    value: String,
    attributes: BTreeSet<String>,
}

fn lines(answer: &Answer) -> Vec<Line> {
    let cut = |line: &&str| {
        let mut parts = line.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let (name, value) = (name.to_owned(), value.to_owned());
        Line { name, value, attributes: parts.map(str::to_owned).collect() }
    };
    answer.all("set-cookie").iter().map(cut).collect()
}

/// Every kind of cookie that an entrance gives out on the way in and out.
async fn cookies_of(hub: &Hub, base: &str, scheme: &str) -> Vec<Line> {
    let proto = [("X-Forwarded-Proto", scheme), ("Accept", "text/html")];
    let mut browser = hub.somebody();
    let mut found = Vec::new();
    found.extend(lines(&browser.send("GET", &format!("{base}/hub"), &proto, "").await));
    browser.cookies.clear();
    let page = browser.send("GET", &format!("{base}/login"), &proto, "").await;
    found.extend(lines(&page));
    let csrf = page.data()["csrf"].as_str().unwrap().to_owned();
    let form =
        crate::support::form(&[("username", "ana"), ("password", PASSWORD), ("csrf", &csrf)]);
    let mut headers = proto.to_vec();
    headers.push(("Content-Type", "application/x-www-form-urlencoded"));
    let entered = browser.send("POST", &format!("{base}/login"), &headers, &form).await;
    assert_eq!(entered.status, 303, "{entered:?}");
    found.extend(lines(&entered));
    let page = browser.send("GET", &format!("{base}/hub"), &proto, "").await;
    let form = format!("csrf={}", page.data()["csrf"].as_str().unwrap());
    let left = browser.send("POST", &format!("{base}/logout"), &headers, &form).await;
    assert_eq!(left.status, 303, "{left:?}");
    found.extend(lines(&left));
    found
}

#[tokio::test]
async fn cookies_are_for_one_entrance_and_for_no_script() {
    let hub = Hub::start_with(|settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let mut names = Vec::new();
    for (base, plain) in [("", "X-Qlik-Session"), ("/public", "X-Qlik-Session-public")] {
        for scheme in ["http", "https"] {
            // Only a cookie for every path can be bound to its host by its name.
            let is_host_only = base.is_empty() && scheme == "https";
            let session = if is_host_only { format!("__Host-{plain}") } else { plain.to_owned() };
            let found = cookies_of(&hub, base, scheme).await;
            assert!(found.iter().any(|line| line.name == session && !line.value.is_empty()));
            assert!(found.iter().any(|line| line.name == session && line.value.is_empty()));
            for line in &found {
                let has = |text: &str| line.attributes.contains(text);
                let what = format!("{scheme} {}: {:?}", line.name, line.attributes);
                assert!(has("HttpOnly"), "{what}");
                assert_eq!(has("Secure"), scheme == "https", "{what}");
                assert!(has("SameSite=Lax") || has("SameSite=Strict"), "{what}");
                let path = if base.is_empty() { "Path=/" } else { "Path=/public" };
                assert!(has(path), "{what}");
                assert!(!line.attributes.iter().any(|part| part.starts_with("Domain")), "{what}");
                let is_timed = line.attributes.iter().any(|part| part.starts_with("Max-Age"));
                let is_session = line.name == session && !line.value.is_empty();
                assert_eq!(is_timed, !is_session, "{what}");
                if is_session {
                    assert_eq!(line.value.len(), 32, "{what}");
                }
            }
            names.push((base, found.into_iter().map(|line| line.name).collect::<BTreeSet<_>>()));
        }
    }
    let of = |base: &str| -> BTreeSet<&String> {
        names.iter().filter(|(at, _)| *at == base).flat_map(|(_, names)| names).collect()
    };
    assert!(of("").is_disjoint(&of("/public")), "{names:?}");
}

#[tokio::test]
async fn no_two_entrances_share_a_cookie() {
    let hub = Hub::start().await;
    for (taken, why) in [
        ("X-Qlik-Session", "the default entrance's"),
        ("x-qlik-SESSION-public", "another's in other letters"),
        ("X-Qlik-Session-Form", "the default entrance's form"),
        ("X-Qlik-Session-public-Form", "another's form"),
        ("X-Qlik-Session-public-silent", "another's try of single sign-on"),
        ("X-Qlik-Session-public-Browser", "another's way to a provider and back"),
        ("X-Qlik-Session-public-Wait", "another's waiting"),
        ("", "none"),
        ("a b", "no name"),
        ("a;b", "two of them"),
        ("a=b", "a name with a value"),
        ("__Host-x", "a name that browsers understand otherwise"),
    ] {
        let edit = VirtualProxyEdit {
            prefix: Some("third".parse().unwrap()),
            description: Some("Third".into()),
            session_cookie: Some(taken.to_owned()),
            ..VirtualProxyEdit::default()
        };
        let caller = crate::support::server_itself();
        let error = hub.repository().create_virtual_proxy(&caller, None, edit);
        let told = format!("{:?}", error.expect_err(why));
        assert!(told.contains("sessionCookieHeaderName"), "{taken:?}: {told}");
    }
}

#[tokio::test]
async fn a_tossed_cookie_neither_replaces_nor_breaks_the_right_one() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let ana = hub.user("ana", "").await;
    let name = "X-Qlik-Session-public";
    let right = format!("{name}={}", visitor.cookies[name]);
    let who = visitor.who("/public").await;
    let tossed = format!("{name}=0123456789abcdef0123456789abcdef");
    let huge = format!("{name}={}", "y".repeat(4_200));
    let of_ana = format!("{name}={}", ana.cookies["X-Qlik-Session"]);
    let upper = format!("X-QLIK-SESSION-PUBLIC={}", ana.cookies["X-Qlik-Session"]);
    let sessions = hub.sessions();
    for line in [
        format!("{tossed}; {right}"),
        format!("{right}; {tossed}"),
        format!("{tossed}; {tossed}; {tossed}; {right}"),
        format!("{huge}; {right}"),
        format!("{right}; other={}", "z".repeat(4_200)),
        format!("{of_ana}; {right}"),
        format!("{upper}; {right}"),
        format!("$Version=1; {right}; $Path=/"),
        format!("a; =b; ;;; {right}"),
        format!("{name}; {name}=; {name}=\"\"; {right}"),
        right.replace('=', "=\"") + "\"",
        format!("{right}\r\nCookie: {tossed}"),
        format!("{tossed}\r\nCookie: {right}"),
    ] {
        let request = format!(
            "GET /public/qps/user HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: {line}\r\n\r\n"
        );
        let answer = Answer::parse(&hub.raw(request.as_bytes()).await);
        let me = answer.json();
        let found = format!("NONE\\{}", me["userId"].as_str().unwrap_or_default());
        assert_eq!(found, who, "{}", &line[..line.len().min(120)]);
    }
    assert_eq!(hub.sessions(), sessions);
    // Without the right one, no other helps, and nothing is planted.
    for line in [tossed.as_str(), &of_ana, &huge, &format!("{name}=../../etc/passwd")] {
        let request = format!(
            "GET /public/hub HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: {line}\r\n\r\n"
        );
        let answer = Answer::parse(&hub.raw(request.as_bytes()).await);
        assert_eq!(answer.status, 200);
        let begun = answer.header("set-cookie");
        let sent = line.split_once('=').unwrap().1;
        assert!(begun.starts_with(&format!("{name}=")) && !begun.contains(sent), "{begun}");
    }
    // A sibling's cookie for a login form is not taken over by the form's page.
    let mut form = hub.somebody();
    form.cookies.insert("X-Qlik-Session-Form".into(), "f".repeat(4_200));
    let page = form.page("/login").await;
    assert!(page.header("set-cookie").starts_with("X-Qlik-Session-Form="), "{}", page.head);
    assert_eq!(hub.repository().site().virtual_proxy(PUBLIC).unwrap().cookie_domain, "");
}
