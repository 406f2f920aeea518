//! What the entrance costs: sessions of a million visitors, the hub through the whole path beside a
//! bare handler and a file server that send the same bytes, signed-in people beside a flood of
//! visitors, idle sockets, and changes of configuration under open sockets.
//!
//! `loggia-bench-proxy <server binary> <results.json>`. The load comes from this process, in closed
//! loops over kept connections on loopback: client and servers share the machine's processors, so
//! that the ratios are what is worth reading, and of these the ones of processor time, which other
//! work on the machine disturbs least. `LOGGIA_BENCH_QUICK` makes everything small, for trying out.

#![expect(clippy::disallowed_methods, reason = "measuring takes time, and now and then waits")]

mod client;
mod report;
mod server;
mod sessions;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::client::{Load, Measured, get, load};
use crate::report::{Budget, Report};
use crate::server::{Bare, Loggia, Nginx, Process, reference};

/// How much is measured.
struct Size {
    sessions: u32,
    round: Duration,
    rounds: usize,
    idle_sockets: usize,
    kept_sockets: usize,
    changes: u32,
}

const WHOLE: Size = Size {
    sessions: 1_000_000,
    round: Duration::from_millis(1_500),
    rounds: 7,
    idle_sockets: 10_000,
    kept_sockets: 2_000,
    changes: 60,
};
const QUICK: Size = Size {
    sessions: 20_000,
    round: Duration::from_millis(300),
    rounds: 3,
    idle_sockets: 500,
    kept_sockets: 50,
    changes: 3,
};

/// Enough to keep two processors busy, few enough that the client is not what is measured.
const CONNECTIONS: u32 = 8;
const FLOODING: usize = 16;

const BARE: &str = "bare axum handler";
const PLAIN: &str = "bare axum handler, body only";
const NGINX: &str = "nginx, a file";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().context("usage: loggia-bench-proxy <server> <results.json>")?;
    let second = arguments.next().context("where should the results go?")?;
    match first.as_str() {
        "reference" => return reference(Path::new(&second)),
        "sessions" => return sessions::begin_many(Path::new(&second)),
        _ => {}
    }
    let size = if std::env::var_os("LOGGIA_BENCH_QUICK").is_some() { QUICK } else { WHOLE };
    allow_open_files(size.idle_sockets)?;
    let mut report = Report::default();
    report::print_header();
    sessions::measure(size.sessions, &mut report)?;
    let loggia = Loggia::start(Path::new(&first))?;
    hub(&loggia, &size, &mut report)?;
    flood(&loggia, &size, &mut report)?;
    drop(loggia);
    // What the loads left in memory would hide what sockets take.
    let loggia = Loggia::start(Path::new(&first))?;
    sockets(&loggia, &size, &mut report)?;
    report.write(Path::new(&second))
}

/// The server that we start inherits it.
fn allow_open_files(sockets: usize) -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let needed = sockets as u64 + 500;
    if limit.maximum.is_some_and(|most| most < needed) {
        bail!("{needed} open files are needed; raise the limit, as with `ulimit -Hn`");
    }
    limit.current = limit.current.map(|current| current.max(needed));
    setrlimit(Resource::Nofile, limit)?;
    Ok(())
}

/// One of the things that are measured in turns.
struct Turn<'a> {
    load: Load<'a>,
    measured: Vec<Measured>,
}

/// The hub with a session and the first visit, beside peers that send the same bytes.
fn hub(loggia: &Loggia, size: &Size, report: &mut Report) -> Result<()> {
    let visitor = format!("Cookie: {}\r\n", loggia.visitor()?);
    let user = format!("Cookie: {}\r\n", loggia.root()?);
    let folder = tempfile::tempdir()?;
    for (name, path, headers) in [("visitor", "/public/hub", &visitor), ("user", "/hub", &user)] {
        let page = get(loggia.process.address, path, headers)?;
        if page.status != 200 {
            bail!("the hub answers {} {}", page.status, page.body);
        }
        std::fs::write(folder.path().join(name), &page.body)?;
        std::fs::write(folder.path().join(format!("{name}.head")), &page.head)?;
    }
    let bare = Bare::start(folder.path())?;
    let nginx = Nginx::start(folder.path())?;
    for name in ["visitor", "user"] {
        let page = std::fs::read_to_string(folder.path().join(name))?;
        for peer in [&bare.process, &nginx.process] {
            if get(peer.address, &format!("/{name}"), "")?.body != page {
                bail!("a peer sends other bytes");
            }
        }
        let ours = std::fs::read_to_string(folder.path().join(format!("{name}.head")))?;
        let theirs = get(bare.process.address, &format!("/{name}"), "")?.head;
        if names(&ours) != names(&theirs) {
            bail!("the bare handler sends other headers: {ours} and {theirs}");
        }
    }

    let turn = |server, path, headers, is_first_visit| Turn {
        load: Load {
            server,
            path,
            headers,
            is_first_visit,
            connections: CONNECTIONS,
            time: size.round,
        },
        measured: Vec::new(),
    };
    let mut turns = [
        turn(&loggia.process, "/public/hub", &visitor, false),
        // The same headers for everybody: what it takes to read them is no difference.
        turn(&bare.process, "/visitor", &visitor, false),
        turn(&nginx.process, "/visitor", &visitor, false),
        turn(&bare.process, "/visitor/body", &visitor, false),
        turn(&loggia.process, "/hub", &user, false),
        turn(&bare.process, "/user", &user, false),
        turn(&loggia.process, "/public/hub", "", true),
    ];
    // In turns, so that what else the machine does meets everybody.
    for _ in 0..size.rounds {
        for turn in &mut turns {
            turn.measured.push(load(&turn.load)?);
        }
    }
    let [visitor, bare, nginx, body_only, user, bare_of_user, first] = &turns;
    beside(report, "hub, visitor's session", visitor, (BARE, bare), 0.8);
    beside(report, "hub, visitor's session", visitor, (PLAIN, body_only), 0.0);
    beside(report, "hub, visitor's session", visitor, (NGINX, nginx), 0.0);
    beside(report, "hub, user's session", user, (BARE, bare_of_user), 0.8);
    beside(report, "first visit", first, (BARE, bare), 0.5);
    Ok(())
}

/// The names of an answer's header lines, in an order of their own.
fn names(head: &str) -> Vec<String> {
    let names = head.lines().filter_map(|line| line.split_once(':'));
    let mut names: Vec<String> = names.map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names
}

/// The three figures of one load beside a peer's. `share` of the peer's rate is what is asked for;
/// where it is 0.8, the median may take a quarter longer.
fn beside(
    report: &mut Report,
    name: &str,
    ours: &Turn<'_>,
    (peer, theirs): (&'static str, &Turn<'_>),
    share: f64,
) {
    let medians = |figure: fn(&Measured) -> f64| {
        (
            median(ours.measured.iter().map(figure)),
            (peer, median(theirs.measured.iter().map(figure))),
        )
    };
    let p50 = if share == 0.8 { Budget::RatioAtMost(1.25) } else { Budget::No };
    let rate = if share > 0.0 { Budget::RatioAtLeast(share) } else { Budget::No };
    let (value, theirs) = medians(|measured| measured.p50_micros);
    report.beside(format!("{name}: p50"), value, "us", p50, theirs);
    let (value, theirs) = medians(|measured| measured.per_second);
    report.beside(format!("{name}: rate"), value, "1/s", rate, theirs);
    let (value, theirs) = medians(|measured| measured.processor_micros);
    report.beside(format!("{name}: processor time"), value, "us", Budget::No, theirs);
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// People who signed in, while visitors come from everywhere (`spec/security.md`, row 52).
fn flood(loggia: &Loggia, size: &Size, report: &mut Report) -> Result<()> {
    let root = loggia.root()?;
    loggia.limit_visitors(&root)?;
    let user = format!("Cookie: {root}\r\n");
    let work = Load {
        server: &loggia.process,
        path: "/hub",
        headers: &user,
        is_first_visit: false,
        connections: 1,
        time: size.round,
    };
    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    let (mut came, mut refused, mut time) = (0, 0, Duration::ZERO);
    for _ in 0..size.rounds {
        quiet.push(load(&work)?);
        let stop = AtomicBool::new(false);
        let begun = Instant::now();
        let (address, stop) = (loggia.process.address, &stop);
        let measured = std::thread::scope(|scope| -> Result<Measured> {
            let flooding: Vec<_> = (0..FLOODING)
                .map(|_| scope.spawn(move || client::flood(address, "/public/hub", stop)))
                .collect();
            let measured = load(&work);
            stop.store(true, Ordering::Relaxed);
            for thread in flooding {
                let (all, turned_away) = thread.join().map_err(|_| anyhow!("no flood"))??;
                came += all;
                refused += turned_away;
            }
            measured
        })?;
        time += begun.elapsed();
        flooded.push(measured);
    }
    let p99 = |all: &[Measured]| median(all.iter().map(|measured| measured.p99_micros));
    let p50 = |all: &[Measured]| median(all.iter().map(|measured| measured.p50_micros));
    let name = "user beside a flood of visitors";
    let rate = f64::from(came) / time.as_secs_f64();
    let share = f64::from(refused) / f64::from(came) * 100.0;
    report.beside(format!("{name}: p50"), p50(&flooded), "us", Budget::No, ("quiet", p50(&quiet)));
    let most = Budget::RatioAtMost(2.0);
    report.beside(format!("{name}: p99"), p99(&flooded), "us", most, ("quiet", p99(&quiet)));
    report.own("the flood", rate, "1/s", Budget::No);
    report.own("turned away of it", share, "%", Budget::No);
    Ok(())
}

/// Idle sockets, and changes of the configuration while sockets are open.
fn sockets(loggia: &Loggia, size: &Size, report: &mut Report) -> Result<()> {
    let Process { address, .. } = loggia.process;
    let root = loggia.root()?;
    let path = "/public/app/engineData";
    // The first ones make what all share.
    let mut open = Vec::with_capacity(size.idle_sockets);
    for _ in 0..10 {
        open.push(client::socket(address, path, &loggia.visitor()?)?);
    }
    // Each socket is a visitor's of its own, whose engine session counts for it.
    let visitors: Vec<String> =
        (0..size.idle_sockets).map(|_| loggia.visitor()).collect::<Result<_>>()?;
    std::thread::sleep(Duration::from_millis(500));
    let (before, kernel_before) = (loggia.process.resident_bytes()?, server::kernel_bytes()?);
    let started = Instant::now();
    for cookie in &visitors {
        open.push(client::socket(address, path, cookie)?);
    }
    let opening = started.elapsed().as_secs_f64() * 1e6 / size.idle_sockets as f64;
    // Greetings are on their way.
    std::thread::sleep(Duration::from_millis(500));
    let grown = loggia.process.resident_bytes()?.saturating_sub(before) as f64;
    let kernel = server::kernel_bytes()?.saturating_sub(kernel_before) as f64;
    // A socket that the server has closed is cheap, and tells nothing of those that are open.
    let mut closed = 0_usize;
    for socket in &mut open {
        closed += usize::from(socket.keep_up()?);
    }
    let metric = format!("of {} sockets closed before they were measured", open.len());
    report.own(metric, closed as f64, "", Budget::AtMost(0.0));
    if closed > 0 {
        return Ok(());
    }
    let each = |bytes: f64| bytes / size.idle_sockets as f64 / 1_024.0;
    report.own(
        format!("an idle socket of {}", size.idle_sockets),
        each(grown),
        "kB",
        Budget::AtMost(8.0),
    );
    report.own("the kernel's buffers for both its ends", each(kernel), "kB", Budget::No);
    report.own("opening a socket", opening, "us", Budget::No);

    open.truncate(size.kept_sockets);
    let started = Instant::now();
    let mut dropped = vec![false; open.len()];
    for change in 0..size.changes {
        loggia.change_entrance(&root, change)?;
        for (socket, dropped) in open.iter_mut().zip(&mut dropped) {
            *dropped = *dropped || socket.keep_up()?;
        }
        let next = Duration::from_secs(u64::from(change) + 1);
        std::thread::sleep(next.saturating_sub(started.elapsed()));
    }
    let dropped = dropped.into_iter().filter(|dropped| *dropped).count();
    let metric = format!("of {} sockets dropped by {} changes", size.kept_sockets, size.changes);
    report.own(metric, dropped as f64, "", Budget::AtMost(0.0));
    Ok(())
}
