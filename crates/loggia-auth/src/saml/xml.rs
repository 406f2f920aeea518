//! Strict XML: what is read at all, and its exclusive canonical form
//! (<https://www.w3.org/TR/xml-exc-c14n/>, without comments).

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};

use crate::saml::SamlError;

/// Largest message, in bytes.
pub const LARGEST: usize = 256 * 1024;
/// Most attributes of one element: comparing each with each is what the parser does.
const MOST_ATTRIBUTES: usize = 64;
const MOST_NODES: u32 = 20_000;
const DEEPEST: usize = 50;

/// Parses a message. Comments, processing instructions, CDATA and document types are refused
/// before anything else: signatures do not cover all of them, programs disagree about the text
/// around them, and no provider sends them.
pub fn parse(text: &str) -> Result<Document<'_>, SamlError> {
    if text.len() > LARGEST {
        return Err(SamlError::Xml("it is too large"));
    }
    let text = without_declaration(text);
    guard(text)?;
    let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|_| SamlError::Xml("it is not well-formed"))
}

fn without_declaration(text: &str) -> &str {
    let text = text.trim_start_matches('\u{feff}').trim();
    match text.strip_prefix("<?xml ") {
        Some(rest) => rest.split_once("?>").map_or(text, |(_, rest)| rest.trim_start()),
        None => text,
    }
}

fn guard(text: &str) -> Result<(), SamlError> {
    if text.contains("<!") {
        return Err(SamlError::Xml("it has a document type, a comment or CDATA"));
    }
    if text.contains("<?") {
        return Err(SamlError::Xml("it has processing instructions"));
    }
    let (mut depth, mut attributes, mut quote, mut in_tag) = (0_usize, 0_usize, None, false);
    let mut previous = '\0';
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match (in_tag, quote, c) {
            (true, Some(open), c) if c == open => quote = None,
            (true, Some(_), _) => {}
            (true, None, '"' | '\'') => {
                quote = Some(c);
                attributes += 1;
            }
            (true, None, '>') => {
                in_tag = false;
                if previous == '/' {
                    depth = depth.saturating_sub(1);
                }
            }
            (false, _, '<') => {
                in_tag = true;
                attributes = 0;
                if characters.peek() == Some(&'/') {
                    depth = depth.saturating_sub(1);
                } else {
                    depth += 1;
                }
            }
            _ => {}
        }
        previous = c;
        if attributes > MOST_ATTRIBUTES {
            return Err(SamlError::Xml("an element has too many attributes"));
        }
        if depth > DEEPEST {
            return Err(SamlError::Xml("it is nested too deeply"));
        }
    }
    Ok(())
}

/// Namespace declarations that the output's ancestors have made.
type Rendered = BTreeMap<String, String>;

/// The canonical form of an element, leaving out `without` inside it. `inclusive` are prefixes
/// whose declarations are kept even where nothing uses them.
pub fn canonical(
    element: Node<'_, '_>,
    without: Option<Node<'_, '_>>,
    inclusive: &[&str],
) -> Result<String, SamlError> {
    let mut out = String::new();
    write(element, without, inclusive, &Rendered::new(), &mut out)?;
    Ok(out)
}

fn write(
    element: Node<'_, '_>,
    without: Option<Node<'_, '_>>,
    inclusive: &[&str],
    rendered: &Rendered,
    out: &mut String,
) -> Result<(), SamlError> {
    let source = element.document().input_text();
    let name = element_name(element, source)?;
    let mut attributes: Vec<(&str, &str, &str, &str)> = Vec::new();
    let mut prefixes = vec![prefix_of(name)];
    for attribute in element.attributes() {
        let qualified = source
            .get(attribute.range_qname())
            .ok_or(SamlError::Xml("an attribute has no name"))?;
        if attribute.namespace().is_some() {
            prefixes.push(prefix_of(qualified));
        }
        attributes.push((
            attribute.namespace().unwrap_or_default(),
            attribute.name(),
            qualified,
            attribute.value(),
        ));
    }
    attributes.sort_unstable();
    prefixes
        .extend(inclusive.iter().map(|prefix| if *prefix == "#default" { "" } else { *prefix }));
    prefixes.sort_unstable();
    prefixes.dedup();

    out.push('<');
    out.push_str(name);
    let mut inside = rendered.clone();
    for prefix in prefixes.into_iter().filter(|prefix| *prefix != "xml") {
        let asked = if prefix.is_empty() { None } else { Some(prefix) };
        let uri = element.lookup_namespace_uri(asked).unwrap_or_default();
        if rendered.get(prefix).map_or("", String::as_str) == uri {
            continue;
        }
        out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
        out.push_str(prefix);
        out.push_str("=\"");
        escape_value(uri, out);
        out.push('"');
        inside.insert(prefix.to_owned(), uri.to_owned());
    }
    for (_, _, qualified, value) in attributes {
        out.push(' ');
        out.push_str(qualified);
        out.push_str("=\"");
        escape_value(value, out);
        out.push('"');
    }
    out.push('>');
    for child in element.children() {
        if Some(child) == without {
            continue;
        }
        if child.is_element() {
            write(child, without, inclusive, &inside, out)?;
        } else if child.is_text() {
            escape_text(child.text().unwrap_or_default(), out);
        } else {
            return Err(SamlError::Xml("it has something that is neither element nor text"));
        }
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
    Ok(())
}

/// The name as it was written, with its prefix.
fn element_name<'a>(element: Node<'_, '_>, source: &'a str) -> Result<&'a str, SamlError> {
    let tag = source.get(element.range()).and_then(|tag| tag.strip_prefix('<'));
    let name = tag.and_then(|tag| tag.split(['>', '/', ' ', '\t', '\r', '\n']).next());
    name.ok_or(SamlError::Xml("an element has no name"))
}

fn prefix_of(qualified: &str) -> &str {
    qualified.split_once(':').map_or("", |(prefix, _)| prefix)
}

fn escape_text(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
}

/// Escapes an attribute's value, for canonical form and for messages of our own.
pub fn escape_value(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#x9;"),
            '\n' => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
}

/// Whether the element has this name in this namespace.
pub fn is(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    node.is_element()
        && node.tag_name().namespace() == Some(namespace)
        && node.tag_name().name() == name
}

/// The child elements of that name.
pub fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    namespace: &'static str,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| is(*child, namespace, name))
}

/// The only child element of that name.
pub fn only<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    namespace: &'static str,
    name: &'static str,
) -> Result<Node<'a, 'i>, SamlError> {
    let mut found = children(node, namespace, name);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(SamlError::Missing(name)),
        (Some(_), Some(_)) => Err(SamlError::Several(name)),
    }
}

/// The text of an element that has nothing but text in it.
pub fn text<'a>(node: Node<'a, '_>) -> Result<&'a str, SamlError> {
    let mut inside = node.children();
    match (inside.next(), inside.next()) {
        (None, _) => Ok(""),
        (Some(one), None) if one.is_text() => Ok(one.text().unwrap_or_default().trim()),
        _ => Err(SamlError::Xml("there is more than text where text is expected")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical_of(text: &str, inclusive: &[&str]) -> String {
        let document = parse(text).unwrap();
        let element = document.root_element().first_element_child().unwrap();
        canonical(element, None, inclusive).unwrap()
    }

    #[test]
    fn the_canonical_form_has_what_is_used_and_nothing_else() {
        // Unused declarations go; attributes and declarations are sorted; values are quoted alike.
        assert_eq!(
            canonical_of(
                "<r xmlns:a='urn:a' xmlns:b='urn:b' xmlns='urn:d'>\
                 <a:e  z='1' b:y = '&lt;&#10;\"' a='2'><f/><g xmlns=''/>&#13;&gt;</a:e></r>",
                &[]
            ),
            "<a:e xmlns:a=\"urn:a\" xmlns:b=\"urn:b\" a=\"2\" z=\"1\" b:y=\"&lt;&#xA;&quot;\">\
             <f xmlns=\"urn:d\"></f><g></g>&#xD;&gt;</a:e>"
        );
        assert_eq!(
            canonical_of("<r xmlns:xs='urn:x' xmlns='urn:d'><e><e/></e></r>", &["xs"]),
            "<e xmlns=\"urn:d\" xmlns:xs=\"urn:x\"><e></e></e>"
        );
        // A declaration is repeated below an element that does not have it.
        assert_eq!(
            canonical_of("<r xmlns:a='urn:a'><e><a:f/><a:f/></e></r>", &[]),
            "<e><a:f xmlns:a=\"urn:a\"></a:f><a:f xmlns:a=\"urn:a\"></a:f></e>"
        );
    }

    #[test]
    fn bombs_and_hiding_places_are_refused_unread() {
        let many = (0..80_000).map(|n| format!(" a{n}=''")).collect::<String>();
        let some = (0..100).map(|n| format!(" a{n}=''")).collect::<String>();
        for bad in [
            "<!DOCTYPE r [<!ENTITY a 'b'>]><r>&a;</r>".to_owned(),
            "<!DOCTYPE r SYSTEM 'file:///etc/passwd'><r/>".to_owned(),
            "<r>&a;</r>".to_owned(),
            "<r>a<!-- b -->c</r>".to_owned(),
            "<r><![CDATA[a]]></r>".to_owned(),
            "<r><?php a ?></r>".to_owned(),
            "<r/><r/>".to_owned(),
            "<r".to_owned(),
            String::new(),
            format!("<r{many}/>"),
            format!("<r{some}/>"),
            "<a>".repeat(60) + &"</a>".repeat(60),
            format!("<r>{}</r>", "<a/>".repeat(30_000)),
            format!("<r>{}</r>", "a".repeat(LARGEST)),
        ] {
            assert!(parse(&bad).is_err(), "{}", bad.chars().take(60).collect::<String>());
        }
        assert!(parse("<?xml version='1.0' encoding='UTF-8'?>\n<r a='>'/>").is_ok());
    }
}
