//! Nobody starts with a secret that others know, makes one of ours, or learns anything from the
//! login form: rows 37 to 40 and 60 of `spec/security.md` §2.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use loggia_auth::{NewSession, random_reference, random_token, random_uuid};
use loggia_auth::{Pending, Person, SessionHash, SessionSecret, Sessions, Tickets};
use loggia_model::{Moment, Principal, UserId, UserKey, VirtualProxyId};
use loggia_repository::{UserEdit, VirtualProxyEdit};
use loggia_server::serve::start;
use loggia_server::settings::{Settings, Tls};
use serde_json::json;
use uuid::Uuid;

use crate::support::{APP, Answer, Hub, PASSWORD, form, raw, server_itself};

fn fresh(data: &Path) -> Settings {
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        trusted_listen: Some("127.0.0.1:0".parse().unwrap()),
        data: data.to_owned(),
        ..Settings::default()
    }
}

/// How many accounts there are beside the server's own, which nobody can be.
fn people(site: &loggia_repository::Site) -> usize {
    site.users().filter(|user| user.key.directory() != UserKey::INTERNAL_DIRECTORY).count()
}

/// Every file and folder below, itself included.
fn below(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            found.extend(below(&entry.unwrap().path()));
        }
    }
    found
}

#[tokio::test]
async fn a_new_site_has_no_account_and_no_key_that_another_has() {
    let mut keys = HashSet::new();
    for _ in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let running = start(Settings { tls: Tls::SelfSigned, ..fresh(&data) }).await.unwrap();
        let site = running.front.repository.site();
        assert_eq!(people(&site), 0, "nobody can sign in before somebody is made");
        for file in below(&data) {
            let about = std::fs::metadata(&file).unwrap();
            // The lock is empty.
            let is_open = about.permissions().mode() & 0o077 != 0 && about.len() > 0;
            assert!(!is_open, "{} may be read by others", file.display());
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            if text.contains("PRIVATE KEY") {
                assert!(keys.insert(text), "{} is the same at another site", file.display());
            }
        }
        running.stop().await;
    }
    assert!(keys.len() >= 4, "authority and listener of two sites: {}", keys.len());
}

#[tokio::test]
async fn the_names_and_passwords_that_everybody_tries_open_nothing() {
    let data = tempfile::tempdir().unwrap();
    let running = start(fresh(data.path())).await.unwrap();
    let ask = async |request: String| raw(running.address, request.as_bytes()).await;
    let page = "GET /login HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
    let page = Answer::parse(&raw(running.address, page.as_bytes()).await);
    let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
    let csrf = page.data()["csrf"].as_str().unwrap().to_owned();
    for name in ["admin", "root", "loggia", "demo", "INTERNAL\\sa_repository", "NONE\\anonymous1"] {
        for password in ["admin", "password", "loggia", "changeme", ""] {
            let form = form(&[("username", name), ("password", password), ("csrf", &csrf)]);
            let answer = ask(format!(
                "POST /login HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: {cookie}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            ))
            .await;
            let answer = Answer::parse(&answer);
            assert!(matches!(answer.status, 401 | 429), "{name} {password}: {answer:?}");
            assert!(!answer.head.contains("X-Qlik-Session="), "{name} {password}: {answer:?}");
        }
    }
    // The demo, where people have accounts, draws its passwords.
    let (one, other) = (Hub::demo().await, Hub::demo().await);
    let greeting = |hub: &Hub| hub.running.greeting.replace(&hub.origin(), "");
    let words = |text: String| -> HashSet<String> {
        text.split_whitespace().filter(|word| word.len() >= 12).map(str::to_owned).collect()
    };
    let (one, other) = (words(greeting(&one)), words(greeting(&other)));
    assert!(one.difference(&other).count() >= 4, "{one:?} {other:?}");
}

#[tokio::test]
async fn nobody_makes_a_session_of_what_is_known() {
    let hub = Hub::start().await;
    let ana = hub.user("ana", "").await;
    let secret = SessionSecret::parse(&ana.cookies["X-Qlik-Session"]).unwrap();
    let session = hub.running.front.proxy.sessions().all();
    let ana_session = session.iter().find(|session| !session.is_anonymous()).unwrap();
    let csrf = ana_session.csrf.to_string();
    let hash = secret.hash().text();
    for forged in [
        hash.as_str(),
        &hash[..32],
        &hash[32..],
        &csrf,
        &ana_session.id.to_string(),
        &ana_session.principal.user_id(),
        "00000000000000000000000000000000",
        "ffffffffffffffffffffffffffffffff",
        "00000000-0000-0000-0000-000000000000",
        &ana.cookies["X-Qlik-Session"].to_uppercase(),
        &ana.cookies["X-Qlik-Session"][..31],
        &format!("{}0", ana.cookies["X-Qlik-Session"]),
        &loggia_auth::secret::form_token(&secret),
    ] {
        if forged == ana.cookies["X-Qlik-Session"] {
            continue;
        }
        let mut attacker = hub.somebody();
        attacker.cookies.insert("X-Qlik-Session".into(), forged.to_owned());
        assert_eq!(attacker.who("").await, "nobody", "{forged}");
        let told = attacker.socket(&format!("/app/{APP}"), &[]).await.unwrap().next().await;
        assert_eq!(told.unwrap()["params"]["mustAuthenticate"], true, "{forged}");
    }
    // What the store keeps is a hash: its text opens nothing, and no secret is in any file.
    hub.running.front.proxy.sessions().save_all().unwrap();
    let secret = ana.cookies["X-Qlik-Session"].as_bytes();
    for file in below(hub.data()).into_iter().filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(!holds(secret), "{} holds a cookie", file.display());
        assert!(!holds(PASSWORD.as_bytes()), "{} holds a password", file.display());
    }
    assert!(SessionHash::parse(&hash).is_some());
    // Tickets and tokens of single sign-on at an entrance that takes none, or that nobody issued.
    for query in [
        "qlikTicket=0123456789abcdef0123456789abcdef",
        "qlikTicket=",
        "QlikTicket=abc",
        "qlikTicket=00000000000000000000000000000000&qlikTicket=1",
    ] {
        let mut attacker = hub.somebody();
        let answer = attacker.page(&format!("/hub?{query}")).await;
        assert!(matches!(answer.status, 302 | 401 | 403), "{query}: {answer:?}");
        assert_eq!(attacker.who("").await, "nobody", "{query}");
    }
    for bearer in ["Bearer ", "Bearer e30.e30.", "Bearer a.b.c", "Basic cm9vdDpyb290"] {
        let mut attacker = hub.somebody();
        let answer = attacker.send("GET", "/api/v1/hub", &[("Authorization", bearer)], "").await;
        assert_eq!(answer.status, 401, "{bearer}");
    }
}

#[tokio::test]
async fn there_is_nothing_to_set_up_from_outside() {
    const PLACES: [&str; 17] = [
        "setup",
        "install",
        "init",
        "first-run",
        "firstrun",
        "wizard",
        "register",
        "signup",
        "bootstrap",
        "admin",
        "qmc/setup",
        "api/setup",
        "api/v1/setup",
        "qrs/setup",
        "qps/setup",
        "api/session/properties",
        "users/create",
    ];
    // Of a site in use, and of one whose database is gone: a server that starts on nothing.
    let data = tempfile::tempdir().unwrap();
    let hub = Hub::start().await;
    let running = start(fresh(data.path())).await.unwrap();
    for address in [hub.address(), running.address] {
        for place in PLACES {
            for method in ["GET", "POST", "PUT"] {
                for body in ["", "{\"name\":\"root\",\"password\":\"12345678\"}"] {
                    let request = format!(
                        "{method} /{place}?xrfkey=0123456789abcdef HTTP/1.1\r\nHost: a\r\n\
                         X-Qlik-Xrfkey: 0123456789abcdef\r\nContent-Type: application/json\r\n\
                         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let answer = Answer::parse(&raw(address, request.as_bytes()).await);
                    assert!(
                        matches!(answer.status, 302 | 401 | 403 | 404 | 405),
                        "{method} {place}: {answer:?}"
                    );
                    let lower = answer.body.to_ascii_lowercase();
                    assert!(!lower.contains("token") && !lower.contains("12345678"), "{place}");
                }
            }
        }
    }
    assert_eq!(people(&running.front.repository.site()), 0);
    assert_eq!(people(&hub.repository().site()), 2);
}

#[tokio::test]
async fn every_failed_login_reads_the_same() {
    let hub = Hub::start_with(|settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let caller = server_itself();
    for (name, blocked) in [("blocked", true), ("nopassword", false)] {
        let edit = UserEdit {
            key: Some(UserKey::new("LOGGIA", name).unwrap()),
            is_blocked: Some(blocked),
            ..UserEdit::default()
        };
        let user = hub.repository().create_user(&caller, None, edit).unwrap().id;
        if blocked {
            let hash = loggia_auth::Passwords::hash_now(PASSWORD).unwrap();
            hub.repository().set_password(&caller, user, &hash).unwrap();
        }
    }
    let long = "n".repeat(8_000);
    let mut answers = HashSet::new();
    for (number, (name, password)) in [
        ("ana", "wrong"),
        ("LOGGIA\\ana", "wrong"),
        ("loggia\\ANA", "wrong"),
        ("ana", ""),
        ("ana", &"p".repeat(7_000)),
        ("ana\0", PASSWORD),
        ("ana\r\nroot", PASSWORD),
        ("nobody", PASSWORD),
        ("OTHER\\ana", PASSWORD),
        ("NONE\\anonymous1", PASSWORD),
        ("INTERNAL\\sa_repository", PASSWORD),
        ("blocked", "wrong"),
        ("nopassword", ""),
        ("nopassword", PASSWORD),
        ("a\\b\\c", PASSWORD),
        ("", ""),
        ("*", "*"),
        ("ana)(uid=*", PASSWORD),
        ("' or 1=1 --", PASSWORD),
        (&long, PASSWORD),
        ("ａｎａ", PASSWORD),
    ]
    .into_iter()
    .enumerate()
    {
        let mut browser = hub.somebody();
        let page = browser.page("/login").await;
        let csrf = page.data()["csrf"].as_str().unwrap().to_owned();
        let body = form(&[("username", name), ("password", password), ("csrf", &csrf)]);
        let from = format!("2001:db8:{number:x}::1");
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("X-Forwarded-For", from.as_str()),
            ("Accept", "application/json"),
        ];
        let answer = browser.send("POST", "/login", &headers, &body).await;
        let told = answer.json();
        let mut head: Vec<&str> = answer
            .head
            .lines()
            .filter(|line| !line.starts_with("date:") && !line.starts_with("content-length:"))
            .collect();
        head.sort_unstable();
        answers.insert((head.join("\n"), told["code"].clone(), told["detail"].clone()));
        assert_eq!(
            answers.len(),
            1,
            "{} {}: {answers:#?}",
            &name[..name.len().min(30)],
            answer.body
        );
    }
    assert_eq!(answers.into_iter().next().unwrap().1, json!("ACC-PASSWORD"));
    assert_eq!(hub.sessions(), 0);
    // Only whoever knows the password learns that the account is blocked.
    let told = hub.somebody().log_in("blocked", PASSWORD, "", "/hub").await;
    assert_eq!((told.status, told.code().as_str()), (403, "ACC-INACTIVE"));
    assert_eq!(told.data()["message"]["action"]["href"], "/login", "another person may try");
}

#[tokio::test]
async fn a_megabyte_of_password_is_not_even_read() {
    let hub = Hub::start().await;
    let mut browser = hub.somebody();
    let page = browser.page("/login").await;
    let csrf = page.data()["csrf"].as_str().unwrap().to_owned();
    for size in [20_000, 1_000_000] {
        let password = "p".repeat(size);
        let body = form(&[("csrf", &csrf), ("username", "ana"), ("password", &password)]);
        let answer = browser.post_form("/login", &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (413, "REQ-SIZE"), "{size}");
        assert!(!answer.body.contains("pppp"));
    }
    // No attempt was counted, since none was made.
    assert_eq!(browser.log_in("ana", PASSWORD, "", "/hub").await.status, 303);
}

#[tokio::test]
async fn one_address_does_not_spray_one_password_over_all_accounts() {
    let hub = Hub::start_with(|settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let log_in = async |name: &str, password: &str, from: &str| {
        let mut browser = hub.somebody();
        let headers = [("X-Forwarded-For", from), ("Accept", "text/html")];
        let page = browser.send("GET", "/login", &headers, "").await;
        let csrf = page.data()["csrf"].as_str().unwrap().to_owned();
        let body = form(&[("username", name), ("password", password), ("csrf", &csrf)]);
        let headers =
            [("Content-Type", "application/x-www-form-urlencoded"), ("X-Forwarded-For", from)];
        browser.send("POST", "/login", &headers, &body).await.status
    };
    let (mut tried, mut slowed) = (0, false);
    while !slowed && tried < 200 {
        tried += 1;
        // The addresses of one network are one.
        let from = format!("2001:db8:0:1::{tried:x}");
        slowed = log_in(&format!("person{tried}"), "Summer2026!", &from).await == 429;
    }
    assert!(slowed && tried <= 64, "{tried} accounts were tried");
    assert_eq!(log_in("ana", PASSWORD, "2001:db8:0:1::ffff").await, 429, "nor the right one");
    assert_eq!(log_in("ana", PASSWORD, "2001:db8:0:2::1").await, 303, "others are not concerned");
}

/// How many of each bit of 128 are set, of texts of 32 hexadecimal digits.
fn count_bits(text: &str, bits: &mut [u32; 128]) {
    let value = u128::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{text}"));
    for (place, count) in bits.iter_mut().enumerate() {
        *count += u32::try_from((value >> place) & 1).unwrap();
    }
}

#[test]
fn a_hundred_thousand_secrets_of_each_kind_have_nothing_in_common() {
    const MANY: u32 = 100_000;
    let sessions = Sessions::in_memory();
    let (tickets, pending) = (Tickets::default(), Pending::<()>::default());
    let entrance = VirtualProxyId(Uuid::from_u128(1));
    let key = UserKey::new("LOGGIA", "ana").unwrap();
    let principal = || Principal::User { id: UserId(Uuid::from_u128(1)), key: key.clone() };
    let begin = |now: i64| {
        let new = NewSession::new(entrance, principal(), 30);
        sessions.begin(new, Moment(now)).unwrap()
    };
    let person =
        || Person { id: None, key: key.clone(), name: String::new(), attributes: Vec::new() };
    type Make<'a> = Box<dyn Fn(i64) -> String + 'a>;
    let kinds: [(&str, Make<'_>); 6] = [
        ("session", Box::new(|now| begin(now).secret.reveal())),
        ("csrf", Box::new(|now| begin(now).session.csrf.to_string())),
        ("form", Box::new(|_| SessionSecret::random().unwrap().reveal())),
        ("ticket", Box::new(|now| tickets.issue(entrance, person(), Moment(now)).unwrap())),
        ("state", Box::new(|now| pending.put((), None, None, Moment(now)).unwrap())),
        ("token", Box::new(|_| random_token().unwrap())),
    ];
    let mut seen = HashSet::new();
    for (kind, make) in &kinds {
        let mut bits = [0; 128];
        for number in 0..MANY {
            // All in one moment: the clock has no part in it.
            let secret = make(0);
            assert_eq!(secret.len(), 32, "{kind}: {secret}");
            count_bits(&secret, &mut bits);
            assert!(seen.insert(secret), "{kind}: the one of number {number} was there before");
        }
        // Seven standard deviations of as many coins: once in a thousand million runs.
        let far = |count: &u32| count.abs_diff(MANY / 2) > 1_110;
        assert!(!bits.iter().any(far), "{kind}: {bits:?}");
    }
    // References are read aloud; they protect nothing, and need only be spread evenly.
    let mut letters = std::collections::HashMap::new();
    for _ in 0..MANY {
        for letter in random_reference().unwrap().chars() {
            *letters.entry(letter).or_insert(0_u32) += 1;
        }
    }
    assert_eq!(letters.len(), 32);
    assert!(letters.values().all(|count| count.abs_diff(MANY * 6 / 32) < 1_000), "{letters:?}");
    let ids: HashSet<Uuid> = (0..MANY).map(|_| random_uuid().unwrap()).collect();
    assert_eq!(ids.len(), MANY as usize);
}

/// A restart begins no row of numbers anew.
#[tokio::test]
async fn what_is_drawn_after_a_restart_was_not_drawn_before() {
    let mut seen = HashSet::new();
    let mut hub = Hub::start().await;
    hub.edit_entrance(VirtualProxyEdit {
        max_anonymous_sessions_per_address: Some(1_000),
        ..VirtualProxyEdit::default()
    });
    for _ in 0..3 {
        for _ in 0..20 {
            let mut visitor = hub.visitor().await;
            assert!(seen.insert(visitor.cookies["X-Qlik-Session-public"].clone()));
            assert!(seen.insert(visitor.page("/public/hub").await.data()["csrf"].to_string()));
            assert!(seen.insert(visitor.who("/public").await));
        }
        hub = hub.restart().await;
    }
}
