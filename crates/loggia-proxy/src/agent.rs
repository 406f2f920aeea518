//! What the user agent says about a browser: the environment attributes of `spec/access.md` §1.5.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// Operating system, device and browser, in the words that rules compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub os: &'static str,
    pub device: &'static str,
    /// Name, a space, and the version; `Unknown` alone for others.
    pub browser: String,
}

/// A user agent longer than this says nothing more.
const MAX_LENGTH: usize = 512;

impl Agent {
    /// Reads a `User-Agent` header.
    #[must_use]
    pub fn parse(header: &str) -> Agent {
        let text = header.get(..MAX_LENGTH).unwrap_or(header);
        Agent { os: os(text), device: device(text), browser: browser(text) }
    }
}

/// Texts that many sessions share, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Agents(Mutex<HashSet<Arc<str>>>);

/// More kinds of browsers than there are, and few enough for whoever makes versions up.
const MOST_AGENTS: usize = 1_000;

impl Agents {
    /// `Chrome 140, Windows, Default`.
    pub(crate) fn text(&self, agent: &Agent) -> Arc<str> {
        let text = format!("{}, {}, {}", agent.browser, agent.os, agent.device);
        let mut known = self.0.lock();
        if let Some(same) = known.get(text.as_str()) {
            return Arc::clone(same);
        }
        let text: Arc<str> = text.into();
        if known.len() < MOST_AGENTS {
            known.insert(Arc::clone(&text));
        }
        text
    }
}

fn os(text: &str) -> &'static str {
    if text.contains("Windows") {
        "Windows"
    } else if text.contains("iPhone") || text.contains("iPad") {
        // A phone is no Mac, although its agent says `like Mac OS X`.
        "Unknown"
    } else if text.contains("Mac OS X") || text.contains("Macintosh") {
        "macOS X"
    } else if text.contains("Linux") && !text.contains("Android") {
        "Linux"
    } else {
        "Unknown"
    }
}

fn device(text: &str) -> &'static str {
    if text.contains("iPhone") {
        "iPhone"
    } else if text.contains("iPad") {
        "iPad"
    } else {
        "Default"
    }
}

fn browser(text: &str) -> String {
    // Everyone claims to be Safari, and most claim to be Chrome: the order matters.
    for (mark, name) in [("MSIE ", "MSIE"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome")] {
        if let Some(version) = version_after(text, mark) {
            return format!("{name} {version}");
        }
    }
    if text.contains("Safari/")
        && let Some(version) = version_after(text, "Version/")
    {
        return format!("Safari {version}");
    }
    "Unknown".to_owned()
}

fn version_after(text: &str, mark: &str) -> Option<String> {
    let (_, after) = text.split_once(mark)?;
    let version: String = after.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    (!version.is_empty()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_browsers_are_told_apart() {
        let told = |text: &str| {
            let agent = Agent::parse(text);
            format!("{} | {} | {}", agent.os, agent.device, agent.browser)
        };
        for (text, expected) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.1 Safari/537.36",
                "Linux | Default | Chrome 131.0.1",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
                "Windows | Default | Firefox 132.0",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
                "macOS X | Default | Safari 18.1",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Unknown | iPhone | Safari 18.0",
            ),
            ("curl/8.5.0", "Unknown | Default | Unknown"),
            ("", "Unknown | Default | Unknown"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
