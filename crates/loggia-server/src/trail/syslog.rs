//! Sending the trail to a syslog receiver: RFC 5424 messages, one a datagram by UDP, each behind its
//! length by TCP (RFC 6587). By TCP every row arrives at least once; by UDP nobody knows.

use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Context;
use loggia_repository::loggia_audit::export;
use loggia_repository::{Repository, TrailFilter};

use crate::settings::SyslogTarget;

/// Rows sent between two notes of how far it came.
const BATCH: usize = 500;
/// Longest datagram; what is longer is cut, since a receiver may drop it whole.
const LONGEST_DATAGRAM: usize = 8_192;
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Syslog {
    target: SyslogTarget,
    stream: Option<TcpStream>,
}

impl Syslog {
    pub(super) fn new(target: SyslogTarget) -> Syslog {
        Syslog { target, stream: None }
    }

    /// Notes where the trail ends when the receiver is new: it hears of what comes from now on.
    pub(super) fn begin(&self, repository: &Repository) -> anyhow::Result<u64> {
        let place = self.place();
        if let Some(sent) = repository.trail_sent(&place)? {
            return Ok(sent);
        }
        let head = repository.walk_trail(&TrailFilter::default(), |_, _| ControlFlow::Break(()))?;
        repository.note_trail_sent(&place, head.number)?;
        Ok(head.number)
    }

    /// Sends the rows that were not sent yet.
    pub(super) fn send_new(&mut self, repository: &Repository) -> anyhow::Result<()> {
        let place = self.place();
        let mut sent = self.begin(repository)?;
        loop {
            let filter = TrailFilter { after: Some(sent), ..TrailFilter::default() };
            let mut messages = Vec::new();
            let mut last = sent;
            repository.walk_trail(&filter, |_, row| {
                messages.push(export::syslog(&row, &row.entry.node));
                last = row.number;
                if messages.len() < BATCH {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
            if messages.is_empty() {
                return Ok(());
            }
            self.send(&messages)?;
            repository.note_trail_sent(&place, last)?;
            sent = last;
        }
    }

    fn place(&self) -> String {
        match &self.target {
            SyslogTarget::Udp(place) => format!("udp://{place}"),
            SyslogTarget::Tcp(place) => format!("tcp://{place}"),
        }
    }

    fn send(&mut self, messages: &[String]) -> anyhow::Result<()> {
        match &self.target {
            SyslogTarget::Udp(place) => {
                let address = resolved(place)?;
                let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any).context("cannot open a socket")?;
                for message in messages {
                    let mut end = message.len().min(LONGEST_DATAGRAM);
                    while !message.is_char_boundary(end) {
                        end -= 1;
                    }
                    socket
                        .send_to(&message.as_bytes()[..end], address)
                        .with_context(|| format!("cannot send to {place}"))?;
                }
                Ok(())
            }
            SyslogTarget::Tcp(place) => {
                let mut stream = match self.stream.take() {
                    Some(stream) => stream,
                    None => {
                        let stream = TcpStream::connect_timeout(&resolved(place)?, PATIENCE)
                            .with_context(|| format!("cannot reach {place}"))?;
                        stream.set_write_timeout(Some(PATIENCE))?;
                        stream
                    }
                };
                let mut bytes = Vec::new();
                for message in messages {
                    write!(bytes, "{} {message}", message.len())?;
                }
                stream
                    .write_all(&bytes)
                    .and_then(|()| stream.flush())
                    .with_context(|| format!("cannot send to {place}"))?;
                self.stream = Some(stream);
                Ok(())
            }
        }
    }
}

fn resolved(place: &str) -> anyhow::Result<std::net::SocketAddr> {
    place
        .to_socket_addrs()
        .with_context(|| format!("cannot resolve {place}"))?
        .next()
        .with_context(|| format!("{place} has no address"))
}
