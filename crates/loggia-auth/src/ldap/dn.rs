//! When are two distinguished names the same? Servers write them with other letter case, spaces
//! and escapes than they were written in elsewhere.

/// The name in one way of writing it: lower case, no spaces around separators, escapes undone and
/// made again.
pub(super) fn normal(dn: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut part: Vec<u8> = Vec::new();
    // Spaces that end a part belong to it only where they are escaped.
    let mut kept = 0;
    let mut bytes = dn.bytes().peekable();
    let mut separators = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                let Some(first) = bytes.next() else { break };
                let second = bytes.peek().copied();
                match (hex(first), second.and_then(hex)) {
                    (Some(high), Some(low)) => {
                        bytes.next();
                        part.push(high * 16 + low);
                    }
                    _ => part.push(first),
                }
                kept = part.len();
            }
            b',' | b';' | b'+' | b'=' => {
                part.truncate(kept);
                parts.push(String::from_utf8_lossy(&part).to_lowercase());
                separators.push(if byte == b';' { ',' } else { char::from(byte) });
                part.clear();
                kept = 0;
            }
            b' ' if part.is_empty() => {}
            byte => {
                part.push(byte);
                if byte != b' ' {
                    kept = part.len();
                }
            }
        }
    }
    part.truncate(kept);
    parts.push(String::from_utf8_lossy(&part).to_lowercase());
    let mut text = String::with_capacity(dn.len());
    for (number, part) in parts.iter().enumerate() {
        for letter in part.chars() {
            if ",+=\\".contains(letter) {
                text.push('\\');
            }
            text.push(letter);
        }
        if let Some(separator) = separators.get(number) {
            text.push(*separator);
        }
    }
    text
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_written_in_many_ways_is_one_name() {
        for (one, other) in [
            ("CN=Ana,DC=Example", "cn=ana, dc=example"),
            ("cn=Sales\\, North,dc=x", "cn=sales\\2c north,dc=x"),
            ("cn=M\\c3\\bcller,dc=x", "CN=MÜLLER,DC=X"),
            ("cn=a+uid=b,dc=x", "cn=a + uid=b ;dc=x"),
        ] {
            assert_eq!(normal(one), normal(other));
        }
        for (one, other) in [
            ("cn=a\\,dc=x", "cn=a,dc=x"),
            ("cn=a\\ ,dc=x", "cn=a,dc=x"),
            ("cn=ab,dc=x", "cn=a b,dc=x"),
        ] {
            assert_ne!(normal(one), normal(other));
        }
    }
}
