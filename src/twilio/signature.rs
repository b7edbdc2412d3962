//! Verifies `X-Twilio-Signature`: HMAC-SHA1 over the URL and the form, compatible with Twilio's own libraries.
//!
//! The signed text is the URL with the query as received, followed by the form's keys in alphabetical order, each
//! before every one of its distinct, sorted values. Twilio signs the URL either with or without its port, so both are
//! tried. Source: Twilio, "Security: Validating requests", and the `RequestValidator` of its helper libraries, with
//! which `tests/twilio` compares this implementation.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;

use super::form::Form;

/// Whether one of these auth tokens signed this URL and form.
///
/// `address` is the URL as configured at Twilio. Its own query and fragment are ignored; the request's `query` is used
/// instead. Signatures are compared in constant time.
pub fn is_authentic(tokens: &[SecretString], address: &str, query: Option<&str>, form: &Form, signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let text = signed_text(form);
    let mut authentic = false;
    for address in addresses(address, query) {
        for token in tokens {
            let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.expose_secret().as_bytes()) else { continue };
            mac.update(address.as_bytes());
            mac.update(text.as_bytes());
            authentic |= mac.verify_slice(&signature).is_ok();
        }
    }
    authentic
}

fn signed_text(form: &Form) -> String {
    let mut fields: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in form {
        fields.entry(name).or_default().insert(value);
    }
    let mut text = String::new();
    for (name, values) in fields {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

/// The address with the query as received, without and with its port.
fn addresses(address: &str, query: Option<&str>) -> [String; 2] {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let address = &address[..end];
    let (scheme, rest) = address.split_once("://").unwrap_or(("https", address));
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    // A port follows the last colon, unless that colon is part of an IPv6 address.
    let (bare, port) = match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !port.is_empty() => (bare, port),
        _ => (host, if scheme == "http" { "80" } else { "443" }),
    };
    [format!("{scheme}://{bare}{path}{query}"), format!("{scheme}://{bare}:{port}{path}{query}")]
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Vector {
        name: String,
        url: String,
        params: Form,
        auth_token: SecretString,
        signature: String,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../../tests/twilio/vectors.json")).unwrap()
    }

    fn split(url: &str) -> (&str, Option<&str>) {
        url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)))
    }

    #[test]
    fn signatures_of_twilios_own_library_are_authentic() {
        assert!(vectors().len() >= 20);
        for Vector { name, url, params, auth_token, signature } in vectors() {
            let (address, query) = split(&url);
            assert!(is_authentic(&[auth_token], address, query, &params, &signature), "{name}");
        }
    }

    #[test]
    fn a_different_token_url_form_or_signature_is_not_authentic() {
        for Vector { name, url, mut params, auth_token, signature } in vectors() {
            let (address, query) = split(&url);
            let tokens = [auth_token];
            assert!(!is_authentic(&[SecretString::from("another")], address, query, &params, &signature), "{name}");
            assert!(!is_authentic(&tokens, address, Some("x=1"), &params, &signature), "{name}");
            assert!(!is_authentic(&tokens, "https://elsewhere.example/", query, &params, &signature), "{name}");
            assert!(!is_authentic(&tokens, address, query, &params, ""), "{name}");
            params.push(("Body2".to_owned(), "more".to_owned()));
            assert!(!is_authentic(&tokens, address, query, &params, &signature), "{name}");
        }
    }

    #[test]
    fn an_address_is_tried_with_and_without_its_port() {
        let expected = ["https://a.example/w?q=1", "https://a.example:443/w?q=1"];
        assert_eq!(addresses("https://a.example/w#rc=5", Some("q=1")), expected);
        assert_eq!(addresses("http://a.example:8080/w?old=1", None), ["http://a.example/w", "http://a.example:8080/w"]);
        assert_eq!(addresses("http://[::1]:80/w", None), ["http://[::1]/w", "http://[::1]:80/w"]);
    }
}
