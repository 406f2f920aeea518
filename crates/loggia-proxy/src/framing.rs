//! Where does one request end and the next begin? The HTTP library is lenient in places where two
//! parsers could disagree; this scanner sees the bytes first and is not.
//!
//! It refuses by writing a NUL over the offending byte: the library answers 400 to a NUL in a
//! head. In a body it may take the NUL for part of a chunk's extension and wait for more, so the
//! owner of the connection has to end what comes after a broken body. Refused are bare LF and CR, folded lines, blanks
//! before a colon, a fragment in the request line, any second `Content-Length` or `Transfer-Encoding`, the two together, lengths
//! that are not plain decimal numbers, encodings other than `chunked`, and unusual chunk frames.

/// The scanner of one connection: bytes in, the same bytes or a NUL out.
#[derive(Debug)]
pub struct Framing {
    state: State,
    /// The current line so far, as much of it as matters.
    line: Vec<u8>,
    line_length: usize,
    previous: u8,
    head: Head,
}

/// What the peer is in the middle of, for timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Between requests.
    Idle,
    Head,
    Body,
    /// A refused byte was seen in a head: nothing sensible follows.
    Refused,
    /// A refused byte was seen in a body: it has no end.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Body { left: u64 },
    ChunkSize,
    ChunkData { left: u64 },
    ChunkEnd,
    Trailers,
    Refused,
    Broken,
}

#[derive(Debug, Default)]
struct Head {
    has_request_line: bool,
    length: Option<u64>,
    is_chunked: bool,
}

/// A framing header longer than this is refused; other headers may be longer.
const KEPT_OF_LINE: usize = 256;
const MAX_CHUNK_LINE: usize = 256;
const MAX_TRAILER_LINE: usize = 4_096;

struct Refused;

impl Default for Framing {
    fn default() -> Framing {
        Framing {
            state: State::Head,
            line: Vec::new(),
            line_length: 0,
            previous: 0,
            head: Head::default(),
        }
    }
}

impl Framing {
    /// Looks at the next bytes of the connection.
    pub fn scan(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
            at += self.step(rest);
        }
    }

    /// What the peer is in the middle of.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.state {
            State::Refused => Stage::Refused,
            State::Broken => Stage::Broken,
            State::Head if self.line_length == 0 && !self.head.has_request_line => Stage::Idle,
            State::Head => Stage::Head,
            _ => Stage::Body,
        }
    }

    /// Handles at least one byte and says how many.
    fn step(&mut self, rest: &mut [u8]) -> usize {
        match self.state {
            State::Refused | State::Broken => {
                rest.fill(0);
                rest.len()
            }
            State::Body { left } => {
                let taken = left.min(rest.len() as u64);
                self.state =
                    if taken == left { State::Head } else { State::Body { left: left - taken } };
                taken as usize
            }
            State::ChunkData { left } => {
                let taken = left.min(rest.len() as u64);
                self.state = if taken == left {
                    State::ChunkEnd
                } else {
                    State::ChunkData { left: left - taken }
                };
                taken as usize
            }
            State::Head | State::ChunkSize | State::ChunkEnd | State::Trailers => {
                let plain = self.plain_length(rest);
                if plain > 0 {
                    self.keep_plain(rest.get(..plain).unwrap_or_default());
                    return plain;
                }
                if let Some(byte) = rest.first_mut()
                    && self.line_byte(*byte).is_err()
                {
                    *byte = 0;
                    let is_head = self.state == State::Head;
                    self.state = if is_head { State::Refused } else { State::Broken };
                }
                1
            }
        }
    }

    /// How many of the next bytes are in the midst of a line of a head, where nothing happens.
    fn plain_length(&self, rest: &[u8]) -> usize {
        if self.state != State::Head || self.previous == b'\r' {
            return 0;
        }
        let is_plain = |byte: u8| match byte {
            b'\r' | b'\n' => false,
            b'#' => self.head.has_request_line,
            _ => true,
        };
        rest.iter().position(|&byte| !is_plain(byte)).unwrap_or(rest.len())
    }

    fn keep_plain(&mut self, bytes: &[u8]) {
        let room = KEPT_OF_LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.line_length += bytes.len();
        self.previous = bytes.last().copied().unwrap_or(self.previous);
    }

    fn line_byte(&mut self, byte: u8) -> Result<(), Refused> {
        let was_return = self.previous == b'\r';
        self.previous = byte;
        match byte {
            b'\n' if was_return => {
                let outcome = self.line_ended();
                self.line.clear();
                self.line_length = 0;
                self.previous = 0;
                outcome
            }
            b'\n' => Err(Refused),
            _ if was_return => Err(Refused),
            b'\r' => Ok(()),
            // A fragment is the browser's own business; the library would drop it unseen.
            b'#' if self.state == State::Head && !self.head.has_request_line => Err(Refused),
            _ => {
                self.line_length += 1;
                if self.line.len() < KEPT_OF_LINE {
                    self.line.push(byte);
                }
                let most = match self.state {
                    State::ChunkSize => MAX_CHUNK_LINE,
                    State::ChunkEnd => 0,
                    State::Trailers => MAX_TRAILER_LINE,
                    // The library bounds the head as a whole.
                    _ => usize::MAX,
                };
                if self.line_length > most { Err(Refused) } else { Ok(()) }
            }
        }
    }

    fn line_ended(&mut self) -> Result<(), Refused> {
        match self.state {
            State::Head if !self.head.has_request_line => {
                // Empty lines before a request line are allowed by RFC 9112 §2.2.
                self.head.has_request_line = self.line_length > 0;
            }
            State::Head if self.line_length == 0 => {
                let head = std::mem::take(&mut self.head);
                self.state = match head.length {
                    _ if head.is_chunked => State::ChunkSize,
                    Some(left) if left > 0 => State::Body { left },
                    _ => State::Head,
                };
            }
            State::Head => self.header()?,
            State::ChunkSize => {
                self.state = match self.chunk_size()? {
                    0 => State::Trailers,
                    left => State::ChunkData { left },
                };
            }
            State::ChunkEnd => self.state = State::ChunkSize,
            State::Trailers if self.line_length == 0 => self.state = State::Head,
            State::Trailers
            | State::Body { .. }
            | State::ChunkData { .. }
            | State::Refused
            | State::Broken => {}
        }
        Ok(())
    }

    fn header(&mut self) -> Result<(), Refused> {
        if matches!(self.line.first(), Some(b' ' | b'\t')) {
            return Err(Refused);
        }
        let Some(colon) = self.line.iter().position(|&byte| byte == b':') else {
            // Either a name longer than any we know, or a line that the library refuses.
            return Ok(());
        };
        let (name, value) = self.line.split_at(colon);
        if name.last().is_some_and(u8::is_ascii_whitespace) {
            return Err(Refused);
        }
        let is_length = name.eq_ignore_ascii_case(b"content-length");
        let is_encoding = name.eq_ignore_ascii_case(b"transfer-encoding");
        if !is_length && !is_encoding {
            return Ok(());
        }
        let is_second = self.head.length.is_some() || self.head.is_chunked;
        if is_second || self.line_length > KEPT_OF_LINE {
            return Err(Refused);
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if is_encoding {
            self.head.is_chunked = value.eq_ignore_ascii_case(b"chunked");
            return if self.head.is_chunked { Ok(()) } else { Err(Refused) };
        }
        self.head.length = Some(decimal(value).ok_or(Refused)?);
        Ok(())
    }

    fn chunk_size(&self) -> Result<u64, Refused> {
        let digits = self.line.split(|&byte| byte == b';').next().unwrap_or_default();
        if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Refused);
        }
        let text = std::str::from_utf8(digits).map_err(|_| Refused)?;
        u64::from_str_radix(text, 16).map_err(|_| Refused)
    }
}

/// A plain decimal number: no sign, no list, no leading zeros.
fn decimal(digits: &[u8]) -> Option<u64> {
    let is_plain = (1..=15).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits.first() != Some(&b'0'));
    if !is_plain {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn passes(text: &str) -> bool {
        let mut bytes = text.as_bytes().to_vec();
        let mut framing = Framing::default();
        framing.scan(&mut bytes);
        let is_refused = matches!(framing.stage(), Stage::Refused | Stage::Broken);
        !is_refused && bytes == text.as_bytes()
    }

    #[test]
    fn ordinary_requests_pass_untouched() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n\n\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\n\n\r\0\r\n0\r\nA: b\r\n\r\n\
             GET / HTTP/1.1\r\n\r\n",
        ] {
            assert!(passes(text), "{text:?}");
        }
        let long = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(9_000));
        assert!(passes(&long));
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for head in [
            "Host: a\nX: b",
            "Host: a\rX: b",
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 3\r\nContent-Length: 4",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Content-Length: +3",
            "Content-Length: 3, 3",
            "Content-Length: -1",
            "Content-Length: 003",
            "Content-Length: 99999999999999999999",
            "Content-Length:",
            "Content-Length : 3",
            "Transfer-Encoding : chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: \tchunked\u{b}",
            "Host: a\r\n X: folded",
        ] {
            let text = format!("POST / HTTP/1.1\r\n{head}\r\n\r\n");
            assert!(!passes(&text), "{text:?}");
        }
        for body in [
            "0x3\r\nabc\r\n",
            "3\nabc\r\n",
            "3\r\nabcd\r\n",
            "-1\r\n",
            "\r\n",
            "3;a\nb\r\n",
            "0;\n",
            "0\r\nA: b\n\r\n",
        ] {
            let text = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            let mut framing = Framing::default();
            framing.scan(&mut text.clone().into_bytes());
            assert_eq!(framing.stage(), Stage::Broken, "{text:?}");
        }
    }

    #[test]
    fn the_stage_follows_the_request() {
        let mut framing = Framing::default();
        let mut stages = vec![framing.stage()];
        for piece in ["GE", "T / HTTP/1.1\r\n", "Content-Length: 2\r\n\r\n", "x", "y"] {
            framing.scan(&mut piece.as_bytes().to_vec());
            stages.push(framing.stage());
        }
        use Stage::{Body, Head, Idle};
        assert_eq!(stages, [Idle, Head, Head, Body, Body, Idle]);
    }

    proptest! {
        #[test]
        fn reading_in_pieces_changes_nothing(
            text in "(GET / HTTP/1.1|POST / HTTP/1.1|Content-Length: [0-9]{1,2}|\
                     Transfer-Encoding: chunked|X: y|[0-9a-f]{1,2}|\r\n|\n|\r|ab){0,12}",
            cuts in proptest::collection::vec(1_usize..7, 0..30),
        ) {
            let mut whole = text.clone().into_bytes();
            let mut framing = Framing::default();
            framing.scan(&mut whole);

            let mut pieces = text.into_bytes();
            let mut other = Framing::default();
            let mut at = 0;
            for cut in cuts {
                let end = (at + cut).min(pieces.len());
                other.scan(&mut pieces[at..end]);
                at = end;
            }
            other.scan(&mut pieces[at..]);
            prop_assert_eq!(whole, pieces);
            prop_assert_eq!(framing.stage(), other.stage());
        }
    }
}
