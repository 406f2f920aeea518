//! What a million visitors cost: memory of the whole process, and time to begin and to find one.
//!
//! `cargo run --release -p loggia-auth --example million_sessions`

#![expect(clippy::print_stdout, reason = "it is asked for figures")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use loggia_auth::{Sessions, Times, VisitorCaps};
use loggia_model::{Moment, VirtualProxyId};
use uuid::Uuid;

const VISITORS: u64 = 1_000_000;
/// Visitors of one address block.
const PER_BLOCK: u64 = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = Sessions::in_memory();
    let entrance = VirtualProxyId(Uuid::from_u128(1));
    let times = Times { inactivity_minutes: 30, lifetime_minutes: None };
    let caps = VisitorCaps { in_total: u32::MAX, per_address: u32::MAX };
    let before = resident_bytes()?;
    let started = Instant::now();
    let mut sample = Vec::new();
    for n in 0..VISITORS {
        let block = u128::from(n / PER_BLOCK) << 64 | 1 << 125;
        let address = Some(IpAddr::from(Ipv6Addr::from_bits(block)));
        // A thousand a second: deadlines spread as they do on a busy day.
        let now = Moment(i64::try_from(n)?);
        let begun = sessions.begin_visitor(entrance, times, address, caps, now)?;
        if n % 1_000 == 0 {
            sample.push(begun.secret.reveal());
        }
    }
    let begun = started.elapsed();
    let now = Moment(i64::try_from(VISITORS)?);
    let started = Instant::now();
    for cookie in &sample {
        black_box(sessions.find(cookie, entrance, now));
    }
    let found = started.elapsed();
    for session in sessions.all() {
        sessions.touch(&session, now);
    }
    let after = resident_bytes()?;
    println!("begin: {:.2} µs", begun.as_secs_f64() * 1e6 / VISITORS as f64);
    println!("find: {:.2} µs", found.as_secs_f64() * 1e6 / sample.len() as f64);
    println!(
        "memory: {} MB with all of them waiting to be written, {} bytes each",
        (after - before) / 1_000_000,
        (after - before) / VISITORS
    );
    let started = Instant::now();
    sessions.save()?;
    println!(
        "written in batches: {:.1} s, {} MB",
        started.elapsed().as_secs_f64(),
        (resident_bytes()? - before) / 1_000_000
    );
    Ok(())
}

/// Resident memory of this process, from Linux.
fn resident_bytes() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1_024)
}
