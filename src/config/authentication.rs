//! Settings that determine which bearer tokens are accepted.

use std::path::Path;

use secrecy::SecretString;
use url::Url;

use super::{ConfigError, Source, invalid, is_loopback, secrets};

/// The accepted bearer tokens: this server's own, signed with a secret, an issuer's, or both.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// The secret that signs and verifies this server's own tokens (HS256). `partyline token` needs it.
    pub secret: Option<SecretString>,
    /// The URL of the issuer's public keys (RFC 7517).
    pub jwks_url: Option<Url>,
    /// The required `iss` of tokens.
    pub issuer: Option<String>,
    /// The required `aud` of tokens.
    pub audience: Option<String>,
}

impl Authentication {
    pub(super) fn read(source: &Source, database_file: Option<&Path>) -> Result<Self, ConfigError> {
        let text = |name: &str| source.get(name).map(str::to_owned);
        let (issuer, audience) = (text("PARTYLINE_JWT_ISSUER"), text("PARTYLINE_JWT_AUDIENCE"));
        let jwks_url = source.get("PARTYLINE_JWKS_URL").map(jwks_url).transpose()?;
        if jwks_url.is_some() {
            // Without both, tokens that the issuer made for other services would be accepted.
            for (name, value) in [("PARTYLINE_JWT_ISSUER", &issuer), ("PARTYLINE_JWT_AUDIENCE", &audience)] {
                if value.is_none() {
                    return Err(invalid(name, "must be set with PARTYLINE_JWKS_URL"));
                }
            }
        }
        let configured = source.get("PARTYLINE_JWT_SECRET");
        // With an issuer, a secret is optional and is not generated.
        let secret = if configured.is_none() && jwks_url.is_some() {
            None
        } else {
            Some(secrets::read(configured, "PARTYLINE_JWT_SECRET", database_file)?)
        };
        Ok(Self { secret, jwks_url, issuer, audience })
    }
}

/// Requires https, or http to this machine, because keys fetched without encryption could be forged.
fn jwks_url(text: &str) -> Result<Url, ConfigError> {
    let wrong = || invalid("PARTYLINE_JWKS_URL", "must be an https URL, or an http URL of this machine");
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
    fn an_issuer_requires_the_issuer_and_audience_settings() {
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
    fn keys_are_fetched_over_https_or_from_this_machine() {
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
