//! Is an element signed by one of these keys, and which bytes exactly are? Only the one shape of
//! signature is taken that SAML prescribes: enveloped, exclusive canonical form, one reference to
//! the very element that the signature stands in.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as algorithms, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;

use crate::saml::SamlError;
use crate::saml::xml::{canonical, children, is, only, text};
use crate::secret::same_text;

pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// A public key of a provider: its subjectPublicKeyInfo in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKey(pub(crate) Vec<u8>);

/// The canonical bytes of `element`, without its signature, once a key has signed them. Whoever
/// wants to know what was signed reads these bytes and nothing else.
pub fn verify(element: Node<'_, '_>, keys: &[ProviderKey]) -> Result<String, SamlError> {
    let id = element.attribute("ID").filter(|id| !id.is_empty());
    let id = id.ok_or(SamlError::Signature("the signed element has no ID"))?;
    if count_of_id(element, id) != 1 {
        return Err(SamlError::Signature("the ID of the signed element is not the only one"));
    }
    let signature = only(element, DS, "Signature")?;
    let is_known = |node: Node<'_, '_>| {
        ["SignedInfo", "SignatureValue", "KeyInfo"].iter().any(|name| is(node, DS, name))
    };
    if signature.children().any(|child| child.is_element() && !is_known(child)) {
        return Err(SamlError::Signature("it holds more than a signature"));
    }
    let signed_info = only(signature, DS, "SignedInfo")?;
    let reference = only(signed_info, DS, "Reference")?;
    if reference.attribute("URI").and_then(|uri| uri.strip_prefix('#')) != Some(id) {
        return Err(SamlError::Signature("it refers to something else than where it stands"));
    }
    let transforms = only(reference, DS, "Transforms")?;
    let transforms: Vec<Node<'_, '_>> = transforms.children().filter(Node::is_element).collect();
    let [enveloped, exclusive] = transforms.as_slice() else {
        return Err(SamlError::Signature("its transforms are not the two that are taken"));
    };
    if !is(*enveloped, DS, "Transform")
        || enveloped.attribute("Algorithm") != Some(ENVELOPED)
        || enveloped.has_children()
        || !is(*exclusive, DS, "Transform")
    {
        return Err(SamlError::Signature("its transforms are not the two that are taken"));
    }
    let content = canonical(element, Some(signature), &inclusive_prefixes(*exclusive)?)?;
    let digest_method = algorithm(only(reference, DS, "DigestMethod")?);
    let expected = text(only(reference, DS, "DigestValue")?)?;
    let hash = match digest_method {
        "http://www.w3.org/2001/04/xmlenc#sha256" => &digest::SHA256,
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => &digest::SHA384,
        "http://www.w3.org/2001/04/xmlenc#sha512" => &digest::SHA512,
        _ => return Err(SamlError::Signature("its digest is none that is taken: SHA-256 or more")),
    };
    let found = STANDARD.encode(digest::digest(hash, content.as_bytes()));
    if !same_text(&found, &without_space(expected)) {
        return Err(SamlError::Signature("the signed element was altered"));
    }

    let method = only(signed_info, DS, "CanonicalizationMethod")?;
    let signed = canonical(signed_info, None, &inclusive_prefixes(method)?)?;
    let value = text(only(signature, DS, "SignatureValue")?)?;
    let value = STANDARD
        .decode(without_space(value))
        .map_err(|_| SamlError::Signature("its value is no base64"))?;
    let how = algorithm(only(signed_info, DS, "SignatureMethod")?);
    verify_bytes(how, signed.as_bytes(), &value, keys)?;
    Ok(content)
}

/// Whether one of the keys signed the bytes. `method` is the algorithm's address.
pub fn verify_bytes(
    method: &str,
    signed: &[u8],
    value: &[u8],
    keys: &[ProviderKey],
) -> Result<(), SamlError> {
    const MORE: &str = "http://www.w3.org/2001/04/xmldsig-more#";
    let candidates: &[&'static dyn VerificationAlgorithm] = match method.strip_prefix(MORE) {
        Some("rsa-sha256") => &[&algorithms::RSA_PKCS1_2048_8192_SHA256],
        Some("rsa-sha384") => &[&algorithms::RSA_PKCS1_2048_8192_SHA384],
        Some("rsa-sha512") => &[&algorithms::RSA_PKCS1_2048_8192_SHA512],
        Some("ecdsa-sha256") => &[&algorithms::ECDSA_P256_SHA256_FIXED],
        Some("ecdsa-sha384") => &[&algorithms::ECDSA_P384_SHA384_FIXED],
        Some("ecdsa-sha512") => &[&algorithms::ECDSA_P521_SHA512_FIXED],
        _ => {
            return Err(SamlError::Signature(
                "its algorithm is none that is taken: RSA or ECDSA with SHA-256 or more",
            ));
        }
    };
    let is_signed = keys.iter().any(|key| {
        candidates
            .iter()
            .any(|how| UnparsedPublicKey::new(*how, &key.0).verify(signed, value).is_ok())
    });
    if is_signed {
        Ok(())
    } else {
        Err(SamlError::Signature("no key of the provider's metadata made it"))
    }
}

/// How many attributes could be taken for the ID, under any of the names in use.
fn count_of_id(element: Node<'_, '_>, id: &str) -> usize {
    let all = element.document().root().descendants();
    all.flat_map(|node| node.attributes())
        .filter(|attribute| attribute.name().eq_ignore_ascii_case("id") && attribute.value() == id)
        .count()
}

/// The prefixes to keep, of a method or transform that is the exclusive canonical form.
fn inclusive_prefixes<'a>(method: Node<'a, '_>) -> Result<Vec<&'a str>, SamlError> {
    if method.attribute("Algorithm") != Some(EXCLUSIVE) {
        return Err(SamlError::Signature("its canonical form is not the exclusive one"));
    }
    let lists: Vec<Node<'_, '_>> = method.children().filter(Node::is_element).collect();
    match lists.as_slice() {
        [] => Ok(Vec::new()),
        [list] if is(*list, EXCLUSIVE, "InclusiveNamespaces") => {
            Ok(list.attribute("PrefixList").unwrap_or_default().split_whitespace().collect())
        }
        _ => Err(SamlError::Signature("its canonical form has parameters that are not known")),
    }
}

fn algorithm<'a>(node: Node<'a, '_>) -> &'a str {
    // A truncated HMAC and the like come as children.
    if node.children().any(|child| child.is_element()) {
        return "";
    }
    node.attribute("Algorithm").unwrap_or_default()
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_whitespace()).collect()
}

/// How many signatures there are in an element, at any depth.
pub fn count(element: Node<'_, '_>) -> usize {
    element
        .descendants()
        .filter(|node| node.is_element() && node.tag_name().name() == "Signature")
        .count()
}

/// Whether the element itself is signed.
pub fn has_signature(element: Node<'_, '_>) -> bool {
    children(element, DS, "Signature").next().is_some()
}

/// The key of an X.509 certificate: the seventh part of what is signed in it, or the sixth where
/// there is no version. Nothing else of it counts: its trust is that it stands in the metadata.
pub fn key_of_certificate(der: &[u8]) -> Option<ProviderKey> {
    let (certificate, _) = element_of(der, 0x30)?;
    let (signed, _) = element_of(content(certificate)?, 0x30)?;
    let mut rest = content(signed)?;
    if rest.first() == Some(&0xa0) {
        rest = element_of(rest, 0xa0)?.1;
    }
    // Serial number, algorithm, issuer, validity, subject.
    for tag in [0x02, 0x30, 0x30, 0x30, 0x30] {
        rest = element_of(rest, tag)?.1;
    }
    Some(ProviderKey(element_of(rest, 0x30)?.0.to_vec()))
}

/// The first DER element, which must have that tag, and what comes after it.
fn element_of(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    if der.first() != Some(&tag) {
        return None;
    }
    let (head, length) = lengths(der)?;
    der.split_at_checked(head.checked_add(length)?)
}

fn content(element: &[u8]) -> Option<&[u8]> {
    element.get(lengths(element)?.0..)
}

/// Lengths of an element's head and of its content.
fn lengths(der: &[u8]) -> Option<(usize, usize)> {
    match *der.get(1)? {
        short @ 0..=0x7f => Some((2, usize::from(short))),
        0x81 => Some((3, usize::from(*der.get(2)?))),
        0x82 => Some((4, usize::from(u16::from_be_bytes([*der.get(2)?, *der.get(3)?])))),
        _ => None,
    }
}
