//! A million visitors, as they are kept in memory. In a process of its own, whose memory nothing
//! else has used and given back.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use loggia_auth::{Sessions, Times, VisitorCaps};
use loggia_model::{Moment, VirtualProxyId};
use uuid::Uuid;

use crate::report::{Budget, Report};
use crate::server::resident_bytes;

/// Visitors of one network.
const PER_NETWORK: u32 = 2;

pub(crate) fn measure(count: u32, report: &mut Report) -> Result<()> {
    let child = Command::new(std::env::current_exe()?)
        .args(["sessions", &count.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(child.stdout)?;
    let (bytes, micros) = text.trim().split_once(' ').context("the sessions were not measured")?;
    let megabytes = bytes.parse::<f64>()? / 1e6;
    report.own(format!("{count} visitors' sessions"), megabytes, "MB", Budget::AtMost(512.0));
    report.own("beginning one of them", micros.parse()?, "us", Budget::AtMost(3.0));
    Ok(())
}

/// Says the bytes of all and the microseconds of each.
pub(crate) fn begin_many(count: &Path) -> Result<()> {
    let count: u32 = count.to_str().context("how many?")?.parse()?;
    let sessions = Sessions::in_memory();
    let entrance = VirtualProxyId(Uuid::from_u128(1));
    let times = Times { inactivity_minutes: 30, lifetime_minutes: None };
    let caps = VisitorCaps { in_total: u32::MAX, per_address: u32::MAX };
    let before = resident_bytes("self")?;
    let started = Instant::now();
    for number in 0..count {
        let network = u128::from(number / PER_NETWORK) << 64 | 1 << 125;
        let address = Some(IpAddr::from(Ipv6Addr::from_bits(network)));
        // A thousand a second: their ends are spread as on a busy day.
        let now = Moment(i64::from(number));
        sessions
            .begin_visitor(entrance, times, address, caps, now)
            .map_err(|error| anyhow!("no session: {error}"))?;
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    if sessions.all().len() != count as usize {
        bail!("some sessions are missing");
    }
    println!("{} {micros}", resident_bytes("self")?.saturating_sub(before));
    Ok(())
}
