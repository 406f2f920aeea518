//! What is measured: the release server with its demo, and the peers.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::client::{ask, get};

/// A process that listens.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
}

/// The server with demo content.
pub(crate) struct Loggia {
    pub(crate) process: Process,
    password: String,
    /// The entrance of visitors with the limits it came with.
    limited: Value,
    _data: tempfile::TempDir,
}

/// Of those that an account of processor time counts in.
const TICKS_A_SECOND: f64 = 100.0;
const KEY: &str = "0123456789abcdef";

impl Process {
    /// Processor time of this process and those it started, their work in the kernel included.
    pub(crate) fn processor_seconds(&self) -> Result<f64> {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let mut ticks = ticks(&id.to_string())?;
        for child in children.split_whitespace() {
            ticks += self::ticks(child)?;
        }
        Ok(ticks as f64 / TICKS_A_SECOND)
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        resident_bytes(&self.child.id().to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ticks(process: &str) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in brackets may hold anything; time in user mode and in the kernel are the 12th and
    // 13th figure after it.
    let (_, figures) = stat.rsplit_once(')').context("no figures")?;
    let mut times = figures.split_whitespace().skip(11);
    let mut time = || times.next().and_then(|time| time.parse::<u64>().ok()).context("no time");
    Ok(time()? + time()?)
}

/// What the kernel keeps for all connections of the machine.
pub(crate) fn kernel_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/net/sockstat")?;
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:")).context("no TCP")?;
    let (_, pages) = line.rsplit_once("mem ").context("no memory of TCP")?;
    Ok(pages.trim().parse::<u64>()? * 4_096)
}

impl Loggia {
    pub(crate) fn start(binary: &Path) -> Result<Loggia> {
        let data = tempfile::tempdir()?;
        let mut child = Command::new(binary)
            // Everybody comes from here; first visits make their addresses up.
            .args(["serve", "--demo", "--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1"])
            .arg("--data")
            .arg(data.path())
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let out = child.stdout.take().context("the server says nothing")?;
        let mut process = Process { address: SocketAddr::from(([127, 0, 0, 1], 0)), child };
        let (mut address, mut password) = (None, None);
        for line in BufReader::new(out).lines() {
            let line = line?;
            if let Some(found) = line.strip_prefix("Loggia is at http://") {
                address = Some(found.trim().trim_end_matches('/').parse()?);
            }
            if let Some((_, found)) = line.split_once("\\root") {
                password = found.split_whitespace().next().map(str::to_owned);
            }
            if address.is_some() && password.is_some() {
                break;
            }
        }
        process.address = address.context("the server did not say where it is")?;
        let password = password.context("the server did not say the administrator's password")?;
        let mut loggia = Loggia { process, password, limited: Value::Null, _data: data };
        let root = loggia.root()?;
        loggia.limited = loggia.entrance(&root)?;
        // A crowd from one machine is what is wanted here.
        let mut open = loggia.limited.clone();
        for name in [
            "visitorRequestsPerMinute",
            "visitorRequestsPerMinutePerIp",
            "visitorComputeMsPerMinutePerIp",
        ] {
            open[name] = json!(0);
        }
        for name in ["maxAnonymousSessions", "maxAnonymousSessionsPerIp"] {
            open[name] = json!(5_000_000);
        }
        loggia.save_entrance(&root, &open)?;
        Ok(loggia)
    }

    fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// A visitor's cookie.
    pub(crate) fn visitor(&self) -> Result<String> {
        cookie(&get(self.address(), "/public/hub", "")?.head)
    }

    /// The administrator's cookie.
    pub(crate) fn root(&self) -> Result<String> {
        let page = get(self.address(), "/login", "")?;
        let before = cookie(&page.head)?;
        let (_, after) =
            page.body.split_once("\"csrf\":\"").context("the login page has no token")?;
        let csrf = after.split('"').next().unwrap_or_default();
        let form = format!("username=root&password={}&target=%2Fhub&csrf={csrf}", self.password);
        let answer = ask(
            self.address(),
            &format!(
                "POST /login HTTP/1.1\r\nHost: localhost\r\nCookie: {before}\r\nAccept: text/html\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            ),
        )?;
        if answer.status != 303 {
            bail!("the administrator cannot log in: {} {}", answer.status, answer.body);
        }
        cookie(&answer.head)
    }

    /// Changes something that concerns no session.
    pub(crate) fn change_entrance(&self, root: &str, number: u32) -> Result<()> {
        let mut entrance = self.entrance(root)?;
        entrance["description"] = json!(format!("Visitors, change {number}"));
        self.save_entrance(root, &entrance)
    }

    /// Gives the entrance of visitors back the limits that it came with.
    pub(crate) fn limit_visitors(&self, root: &str) -> Result<()> {
        let mut entrance = self.entrance(root)?;
        for (name, value) in self.limited.as_object().into_iter().flatten() {
            if name.starts_with("visitor") || name.starts_with("maxAnonymous") {
                entrance[name] = value.clone();
            }
        }
        self.save_entrance(root, &entrance)
    }

    fn entrance(&self, root: &str) -> Result<Value> {
        let headers = as_administrator(root);
        let list = format!("/qrs/virtualproxyconfig/full?xrfkey={KEY}");
        let found: Value = serde_json::from_str(&get(self.address(), &list, &headers)?.body)?;
        let entrance = found
            .as_array()
            .and_then(|all| all.iter().find(|entrance| entrance["prefix"] == "public"))
            .context("there is no entrance for visitors")?;
        Ok(entrance.clone())
    }

    fn save_entrance(&self, root: &str, entrance: &Value) -> Result<()> {
        let id = entrance["id"].as_str().context("an entrance without id")?;
        let (headers, body) = (as_administrator(root), entrance.to_string());
        let answer = ask(
            self.address(),
            &format!(
                "PUT /qrs/virtualproxyconfig/{id}?xrfkey={KEY} HTTP/1.1\r\nHost: localhost\r\n{headers}\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        )?;
        if answer.status != 200 {
            bail!("the entrance is not changed: {} {}", answer.status, answer.body);
        }
        Ok(())
    }
}

fn as_administrator(root: &str) -> String {
    format!("Cookie: {root}\r\nX-Qlik-Xrfkey: {KEY}\r\n")
}

/// The cookies of an answer, for sending back.
fn cookie(head: &str) -> Result<String> {
    let pairs: Vec<&str> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        .filter_map(|(_, value)| value.split(';').next())
        .filter(|pair| !pair.ends_with('='))
        .collect();
    if pairs.is_empty() {
        bail!("no cookie in {head}");
    }
    Ok(pairs.join("; "))
}

/// Resident memory of a process, or of `self`.
pub(crate) fn resident_bytes(process: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).context("no VmRSS")?.parse()?;
    Ok(kilobytes * 1_024)
}

/// The bare handler, in a process of its own.
pub(crate) struct Bare {
    pub(crate) process: Process,
}

impl Bare {
    pub(crate) fn start(folder: &Path) -> Result<Bare> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("reference")
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("the bare handler says nothing")?;
        let mut process = Process { address: SocketAddr::from(([127, 0, 0, 1], 0)), child };
        let line = BufReader::new(out).lines().next().context("the bare handler ended")??;
        process.address = line.trim().parse()?;
        Ok(Bare { process })
    }
}

/// Serves two answers from memory, header lines and all, as the framework does by itself; and
/// their bodies alone, with the lines that it adds to any page.
pub(crate) fn reference(folder: &Path) -> Result<()> {
    let mut router = axum::Router::new();
    for name in ["visitor", "user"] {
        let page = std::fs::read_to_string(folder.join(name))?;
        let head = std::fs::read_to_string(folder.join(format!("{name}.head")))?;
        let (body, headers) = (page.clone(), header_lines(&head)?);
        let whole = move || {
            let (headers, page) = (headers.clone(), page.clone());
            async move { (headers, page) }
        };
        let body_only = move || {
            let page = body.clone();
            async move { axum::response::Html(page) }
        };
        router = router
            .route(&format!("/{name}"), axum::routing::get(whole))
            .route(&format!("/{name}/body"), axum::routing::get(body_only));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        use axum::serve::ListenerExt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await?;
        Ok(())
    })
}

/// The header lines of an answer but those that the framework writes for every answer.
fn header_lines(head: &str) -> Result<axum::http::HeaderMap> {
    let mut headers = axum::http::HeaderMap::new();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        let name: axum::http::HeaderName = name.parse()?;
        if !matches!(name.as_str(), "date" | "content-length") {
            headers.append(name, value.parse()?);
        }
    }
    Ok(headers)
}

/// Debian's file server, with a configuration of its own.
pub(crate) struct Nginx {
    pub(crate) process: Process,
    config: PathBuf,
}

impl Nginx {
    pub(crate) fn start(folder: &Path) -> Result<Nginx> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let here = folder.display();
        let text = format!(
            "daemon off; worker_processes 2; pid {here}/nginx.pid; error_log {here}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000;\n\
               default_type text/html; open_file_cache max=10;\n\
               client_body_temp_path {here}/body; proxy_temp_path {here}/proxy;\n\
               fastcgi_temp_path {here}/fastcgi; uwsgi_temp_path {here}/uwsgi;\n\
               scgi_temp_path {here}/scgi;\n\
               server {{ listen {address}; root {here}; }} }}\n"
        );
        let config = folder.join("nginx.conf");
        std::fs::write(&config, text)?;
        // Its workers run as somebody else, who must be able to read.
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
        }
        let child = nginx()
            .arg("-c")
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start nginx; install it with: apt-get install nginx-light")?;
        let nginx = Nginx { process: Process { address, child }, config };
        let begun = Instant::now();
        while get(address, "/visitor", "").is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                let log = std::fs::read_to_string(folder.join("error.log")).unwrap_or_default();
                bail!("nginx does not answer: {log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, it would leave its workers behind.
        let mut stop = nginx();
        stop.arg("-c").arg(&self.config).args(["-s", "stop"]).stderr(Stdio::null());
        if stop.status().is_ok_and(|status| status.success()) {
            let _ = self.process.child.wait();
        }
    }
}

/// The program, which stands where not everybody's search path leads.
fn nginx() -> Command {
    let path = Path::new("/usr/sbin/nginx");
    Command::new(if path.is_file() { path } else { Path::new("nginx") })
}
