//! Security headers on responses.
//!
//! Source: OWASP, "HTTP Security Response Headers Cheat Sheet".

use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

/// Headers of every response.
const EVERYWHERE: [(HeaderName, &str); 2] = [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer")];

/// Headers of HTML pages. A page that needs more sets its own policy, which is kept.
const PAGES: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// `max-age` is one year.
const HTTPS_ONLY: &str = "max-age=31536000";

/// Adds the headers that a response lacks. `https` is whether browsers reach this server over HTTPS.
pub(crate) fn add(https: bool, mut response: Response) -> Response {
    let headers = response.headers_mut();
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    set(headers, &EVERYWHERE);
    if is_page {
        set(headers, &PAGES);
        if https {
            set(headers, &[(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY)]);
        }
    }
    response
}

fn set(headers: &mut HeaderMap, missing: &[(HeaderName, &'static str)]) {
    for (name, value) in missing {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use axum::Json;
    use axum::response::{Html, IntoResponse as _};

    use super::*;

    #[test]
    fn pages_are_protected_and_keep_their_own_policy() {
        let page = add(true, Html("<p>").into_response());
        for name in [&PAGES[0].0, &PAGES[1].0, &PAGES[2].0, &PAGES[3].0, &X_CONTENT_TYPE_OPTIONS, &REFERRER_POLICY] {
            assert!(page.headers().contains_key(name), "{name}");
        }
        assert_eq!(page.headers()[STRICT_TRANSPORT_SECURITY], HTTPS_ONLY);
        let own = ([(CONTENT_SECURITY_POLICY, "default-src 'self'")], Html("<p>")).into_response();
        let own = add(false, own);
        assert_eq!(own.headers()[CONTENT_SECURITY_POLICY], "default-src 'self'");
        assert!(!own.headers().contains_key(STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn other_responses_only_forbid_content_sniffing() {
        let json = add(true, Json("x").into_response());
        assert_eq!(json.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!json.headers().contains_key(CONTENT_SECURITY_POLICY));
    }
}
