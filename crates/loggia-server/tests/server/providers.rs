//! Real identity providers, run by Node.js on the loopback interface, and a browser that goes back
//! and forth between them and the hub.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Answer, raw};

/// A provider's program. It ends when its standard input does.
pub(crate) struct Program {
    child: Child,
    /// The first line that it printed.
    pub(crate) line: String,
}

/// A browser with one cookie jar for all hosts.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    cookies: Vec<Cookie>,
    /// Where it is.
    pub(crate) url: String,
    /// Every address that it was at, in order.
    pub(crate) trail: Vec<String>,
}

#[derive(Clone, Debug)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

impl Program {
    pub(crate) fn start(script: &str, environment: &[(&str, &str)]) -> Program {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/providers");
        assert!(
            folder.join("node_modules").is_dir(),
            "the identity providers are not installed: run `npm ci` in tests/providers, or \
             `cargo xtask test`, which does it (Node.js 20 or later is needed)"
        );
        let mut child = Command::new("node")
            .arg(script)
            .envs(environment.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("node does not start: {error}; install Node.js 20"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{script} ended at once; run it by hand to see why");
        Program { child, line: line.trim().to_owned() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Browser {
    /// One request; a redirect is not followed.
    pub(crate) async fn step(&mut self, method: &str, url: &str, form: &str) -> Answer {
        let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("not here: {url}"));
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let path = path.split('#').next().unwrap();
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        text.push_str("Connection: close\r\nAccept: text/html\r\n");
        let is_sent = |cookie: &&Cookie| cookie.host == host && path.starts_with(&cookie.path);
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .filter(is_sent)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if !pairs.is_empty() {
            text.push_str(&format!("Cookie: {}\r\n", pairs.join("; ")));
        }
        if method == "POST" {
            text.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
            text.push_str(&format!("Content-Length: {}\r\n", form.len()));
        }
        text.push_str("\r\n");
        text.push_str(form);
        let answer = Answer::parse(&raw(host.parse().unwrap(), text.as_bytes()).await);
        for line in answer.all("set-cookie") {
            self.keep(host, line);
        }
        self.url = url.to_owned();
        self.trail.push(url.to_owned());
        answer
    }

    /// Goes there, and on to wherever it is led.
    pub(crate) async fn go(&mut self, url: &str) -> Answer {
        let answer = self.step("GET", url, "").await;
        self.follow(answer).await
    }

    /// Sends a form, and goes on to wherever it is led.
    pub(crate) async fn submit(&mut self, url: &str, form: &str) -> Answer {
        let answer = self.step("POST", url, form).await;
        self.follow(answer).await
    }

    async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..20 {
            if !(300..400).contains(&answer.status) {
                return answer;
            }
            let url = self.resolve(answer.header("location"));
            answer = self.step("GET", &url, "").await;
        }
        panic!("led in circles: {:?}", self.trail);
    }

    /// Goes on like `go`, and stops before the first address that starts with `stop`.
    pub(crate) async fn go_until(&mut self, url: &str, stop: &str) -> String {
        let mut url = url.to_owned();
        for _ in 0..20 {
            if url.starts_with(stop) {
                return url;
            }
            let answer = self.step("GET", &url, "").await;
            assert!((300..400).contains(&answer.status), "{url}: {answer:?}");
            url = self.resolve(answer.header("location"));
        }
        panic!("led in circles: {:?}", self.trail);
    }

    /// An address as a page at the present address means it.
    pub(crate) fn resolve(&self, location: &str) -> String {
        if location.starts_with("http") {
            return location.to_owned();
        }
        let origin: Vec<&str> = self.url.split('/').take(3).collect();
        format!("{}{location}", origin.join("/"))
    }

    /// Forgets the cookies of a host.
    pub(crate) fn forget(&mut self, origin: &str) {
        let host = origin.strip_prefix("http://").unwrap();
        self.cookies.retain(|cookie| cookie.host != host);
    }

    fn keep(&mut self, host: &str, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let mut path = "/".to_owned();
        let mut is_gone = value.is_empty();
        for (attribute, value) in parts.filter_map(|part| part.split_once('=')) {
            match attribute.to_ascii_lowercase().as_str() {
                "path" => path = value.to_owned(),
                "max-age" => is_gone |= value == "0",
                "expires" => is_gone |= value.contains(" 1970 "),
                _ => {}
            }
        }
        self.cookies
            .retain(|old| (old.host.as_str(), &old.path, old.name.as_str()) != (host, &path, name));
        if !is_gone {
            let (host, name, value) = (host.to_owned(), name.to_owned(), value.to_owned());
            self.cookies.push(Cookie { host, path, name, value });
        }
    }
}

/// The value of a hidden field of a form.
pub(crate) fn hidden(page: &Answer, name: &str) -> String {
    let body = &page.body;
    let at = body.find(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no {name}: {body}"));
    let start = body[..at].rfind('<').unwrap();
    let tag = &body[start..start + body[start..].find('>').unwrap()];
    let value = tag.split("value=\"").nth(1).unwrap_or_else(|| panic!("no value: {tag}"));
    value.split('"').next().unwrap().to_owned()
}

/// The address that a form is sent to.
pub(crate) fn action(page: &Answer) -> String {
    let value = page.body.split("action=\"").nth(1).unwrap_or_else(|| panic!("{}", page.body));
    value.split('"').next().unwrap().replace("&amp;", "&")
}
