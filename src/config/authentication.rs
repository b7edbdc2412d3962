//! Whose bearer tokens are taken.

use std::path::Path;

use secrecy::SecretString;
use url::Url;

use super::{ConfigError, Source, invalid, is_loopback, secrets};

/// Whose bearer tokens are taken: our own, signed with a secret, or an issuer's, or both.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// Signs and checks our own tokens (HS256). Without one, `partyline token` can make none.
    pub secret: Option<SecretString>,
    /// Where an issuer's public keys are (RFC 7517).
    pub jwks_url: Option<Url>,
    /// What tokens must say in `iss`.
    pub issuer: Option<String>,
    /// What tokens must say in `aud`.
    pub audience: Option<String>,
}

impl Authentication {
    pub(super) fn read(source: &Source, beside: Option<&Path>) -> Result<Self, ConfigError> {
        let text = |name: &str| source.get(name).map(str::to_owned);
        let (issuer, audience) = (text("PARTYLINE_JWT_ISSUER"), text("PARTYLINE_JWT_AUDIENCE"));
        let jwks_url = source.get("PARTYLINE_JWKS_URL").map(jwks_url).transpose()?;
        if jwks_url.is_some() {
            // Without them, a token that the issuer made for somebody else would open our door.
            for (name, value) in [("PARTYLINE_JWT_ISSUER", &issuer), ("PARTYLINE_JWT_AUDIENCE", &audience)] {
                if value.is_none() {
                    return Err(invalid(name, "must be set with PARTYLINE_JWKS_URL"));
                }
            }
        }
        let set = source.get("PARTYLINE_JWT_SECRET");
        // With an issuer, a secret counts only if somebody wanted it.
        let secret = if set.is_none() && jwks_url.is_some() {
            None
        } else {
            Some(secrets::read(set, "PARTYLINE_JWT_SECRET", beside)?)
        };
        Ok(Self { secret, jwks_url, issuer, audience })
    }
}

/// Keys that came over the open net could be anybody's.
fn jwks_url(text: &str) -> Result<Url, ConfigError> {
    let wrong = || invalid("PARTYLINE_JWKS_URL", "a URL of https, or of http on this machine");
    let url = Url::parse(text).map_err(|_| wrong())?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Authentication, String> {
        let source = settings.iter().fold(Source::default(), |source, (name, value)| source.with(name, value));
        Authentication::read(&source, None).map_err(|error| error.to_string())
    }

    #[test]
    fn an_issuer_needs_its_name_and_ours() {
        let url = ("PARTYLINE_JWKS_URL", "https://id.example/keys");
        let (issuer, audience) = (("PARTYLINE_JWT_ISSUER", "https://id.example"), ("PARTYLINE_JWT_AUDIENCE", "us"));
        assert!(read(&[url, issuer, audience]).is_ok_and(|read| read.secret.is_none()));
        assert!(read(&[url, issuer]).unwrap_err().starts_with("PARTYLINE_JWT_AUDIENCE"));
        assert!(read(&[url, audience]).unwrap_err().starts_with("PARTYLINE_JWT_ISSUER"));
        let secret = "s".repeat(32);
        let both = read(&[url, issuer, audience, ("PARTYLINE_JWT_SECRET", &secret)]).unwrap();
        assert!(both.secret.is_some() && both.jwks_url.is_some());
    }

    #[test]
    fn keys_come_over_a_line_that_can_be_trusted() {
        for (url, expected) in [
            ("https://id.example/keys", true),
            ("http://127.0.0.1:1/keys", true),
            ("http://localhost/keys", true),
            ("http://[::1]/keys", true),
            ("http://id.example/keys", false),
            ("file:///keys", false),
            ("keys", false),
        ] {
            assert_eq!(jwks_url(url).is_ok(), expected, "{url}");
        }
    }
}
