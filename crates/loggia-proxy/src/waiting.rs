//! Visitors for whom there is no room right now: they are told the truth, and their page tries
//! again by itself, without script and without all of them coming at the same moment.

use std::time::Duration;

use axum::response::Response;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use loggia_auth::{AddressBlock, Draw, Limit, Wait};
use loggia_model::{Moment, VirtualProxyId};
use loggia_repository::Code;

use crate::admit::Admission;
use crate::cookie;
use crate::problem::{Link, Problem, entrance_refusal};
use crate::proxy::{Entered, Passage, Proxy};
use crate::route::{Need, Route};

const REFRESH: HeaderName = HeaderName::from_static("refresh");

impl Proxy {
    /// Takes what an answer to a visitor has cost from their address's allowance.
    pub fn charge(&self, entered: &Entered, spent: Duration) {
        if is_for_free(&entered.route) || is_user(entered) {
            return;
        }
        let block = AddressBlock::from(entered.screened.address);
        self.charge_address(entered.entrance.id, block, spent);
    }

    /// The same for what is computed on a socket.
    pub fn charge_address(&self, entrance: VirtualProxyId, block: AddressBlock, spent: Duration) {
        // The entrance of now: a changed limit holds for sockets that are open.
        let site = self.shared().repository.site();
        if let Some(entrance) = site.virtual_proxy(entrance) {
            let rates = &entrance.visitor_rates;
            self.shared().limiter.charge(entrance.id, block, spent, rates, self.now());
        }
    }

    /// How long the visitors of an address have to wait before more is computed for them.
    #[must_use]
    pub fn computing_wait(
        &self,
        entrance: VirtualProxyId,
        block: AddressBlock,
    ) -> Option<Duration> {
        let site = self.shared().repository.site();
        let rates = &site.virtual_proxy(entrance)?.visitor_rates;
        self.shared().limiter.computing_wait(entrance, block, rates, self.now())
    }

    /// The answer to somebody who has not signed in and asks too much; none where they may go on.
    pub(crate) fn slow_down(
        &self,
        entered: &Entered,
        parts: &Parts,
        admission: Admission,
        now: Moment,
    ) -> Option<Response> {
        if is_for_free(&entered.route) {
            return None;
        }
        let draw = match admission {
            _ if entered.route.is_approach() => Draw::Approach,
            Admission::Use | Admission::BeginVisitor | Admission::ReplaceByVisitor => Draw::Visit,
            _ => Draw::Approach,
        };
        let rates = &entered.entrance.visitor_rates;
        let block = AddressBlock::from(entered.screened.address);
        let limiter = &self.shared().limiter;
        let wait = limiter.ask(entered.entrance.id, block, draw, rates, now).err()?;
        Some(self.too_much(entered, parts, draw, wait, now))
    }

    fn too_much(
        &self,
        entered: &Entered,
        parts: &Parts,
        draw: Draw,
        wait: Wait,
        now: Moment,
    ) -> Response {
        let (text, finding) = match wait.limit {
            Limit::AddressRequests => (
                "Many requests came from your network within the last minute.",
                "requests of one address",
            ),
            Limit::AddressComputing => (
                "Your network has used as much computing as it may within a minute.",
                "computing for one address",
            ),
            Limit::EntranceRequests => {
                ("Very many visitors are here right now.", "requests of all visitors")
            }
        };
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut problem = Problem::new(status, "ENT-RATE", "One moment", text, now);
        if draw == Draw::Visit {
            // Signing in has an allowance of its own.
            problem.action = entered.reader().login.map(|href| Link::new("Log in", href));
        }
        if wait.is_first {
            let address = entered.screened.address.to_string();
            problem.log("entrance", &address, &format!("limit reached: {finding}"));
        }
        self.retrying(entered, &parts.headers, &parts.method, problem, wait.millis.div_ceil(1_000))
    }

    /// Turns a visitor away who would be one too many. On a socket they are told so there, since
    /// a browser's script cannot see why a socket was not opened.
    pub(crate) fn nobody_fits(
        &self,
        mut entered: Entered,
        request: &HeaderMap,
        text: &str,
        finding: &str,
    ) -> Passage {
        let refusal = entrance_refusal(
            Code::EntFull,
            entered.screened.address,
            &entered.entrance.prefix,
            finding,
            self.now(),
            self.shared().repository.site().version(),
        );
        let refusal = self.shared().repository.refused(refusal);
        let mut problem = Problem::of_refusal(&refusal, &entered.reader());
        text.clone_into(&mut problem.text);
        if entered.screened.is_socket && entered.route.need() == Need::Socket {
            entered.turned_away = Some(Box::new(problem));
            return Passage::Go(Box::new(entered));
        }
        Passage::Answer(self.retrying(&entered, request, &Method::GET, problem, 0))
    }

    /// The refusal as a page that comes back by itself, or as what programs understand.
    fn retrying(
        &self,
        entered: &Entered,
        request: &HeaderMap,
        method: &Method,
        mut problem: Problem,
        least: u64,
    ) -> Response {
        let waits = cookie::waits(&entered.entrance, request);
        let seconds = retry_seconds(waits, random_byte()).max(least);
        problem.retry_after = Some(seconds);
        let is_page = entered.route.need() == Need::Page && *method == Method::GET;
        if is_page {
            let now = Some(Link::new("Try now", entered.asked_for()));
            match problem.action {
                Some(_) => problem.secondary = now,
                None => problem.action = now,
            }
            problem.text.push_str(&format!(
                " This page tries again by itself in {seconds} seconds, and then shows what you \
                 asked for."
            ));
        } else {
            problem.text.push_str(&format!(" Please try again in {seconds} seconds."));
        }
        let mut response = self.refuse(entered, &problem, request);
        if is_page {
            // The address stays as it is, so that the next try leads to what was asked for.
            response.headers_mut().insert(REFRESH, HeaderValue::from(seconds));
            let times = waits.saturating_add(1);
            let line = cookie::waited(&entered.entrance, times, entered.screened.is_secure);
            if let Some(line) = line {
                response.headers_mut().append(header::SET_COOKIE, line);
            }
        }
        self.finish(entered, &mut response);
        response
    }
}

/// What costs next to nothing and is the same for everybody.
fn is_for_free(route: &Route) -> bool {
    matches!(route, Route::Asset(_) | Route::Healthy | Route::Ready | Route::Restarted)
}

fn is_user(entered: &Entered) -> bool {
    entered.guest.as_ref().is_some_and(|guest| !guest.session.is_anonymous())
}

/// Longer each time, at most a minute or so, and never the same for all who wait.
fn retry_seconds(waits: u8, random: u8) -> u64 {
    let base = (5_u64 << waits.min(4)).min(60);
    // Three quarters to five quarters of it.
    (base * (768 + 2 * u64::from(random)) / 1_024).max(3)
}

/// Without randomness all wait alike, which is better than not at all.
fn random_byte() -> u8 {
    loggia_auth::random_uuid()
        .map(|uuid| uuid.as_bytes().first().copied())
        .ok()
        .flatten()
        .unwrap_or(128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_differ_and_stay_bearable() {
        let range = |waits| (retry_seconds(waits, 0), retry_seconds(waits, 255));
        let ranges: Vec<_> = [0, 1, 2, 3, 4, 200].map(range).to_vec();
        assert_eq!(ranges, [(3, 6), (7, 12), (15, 24), (30, 49), (45, 74), (45, 74)]);
    }
}
