//! Authentication of requests by bearer token.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::header::AUTHORIZATION;
use axum::http::{Extensions, HeaderMap};

use crate::admission::{Admission, Limited};
use crate::service::authenticate::{AuthError, Identity, TokenProblem};
use crate::service::{Fault, Services};

/// Returns the token of an `Authorization` header of the form `Bearer …` (RFC 6750).
pub(crate) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Why a request could not be authenticated.
pub(crate) enum AuthenticationError {
    /// The token is missing or not accepted.
    Rejected(TokenProblem),
    /// The token is missing or invalid, and too many such requests come from the address.
    Limited(Limited),
    /// The token could not be verified.
    Fault(Fault),
}

/// Verifies the token of a request. Tokens are accepted in the `Authorization` header only: URLs are logged, and
/// browsers send cookies with requests of other sites.
pub(crate) async fn authenticate(
    services: &Services,
    admission: &Admission,
    headers: &HeaderMap,
    client: IpAddr,
) -> Result<Identity, AuthenticationError> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let authenticated = match header.and_then(bearer) {
        Some(token) => services.authenticator.authenticate(services, token).await,
        None => Err(TokenProblem::Invalid.into()),
    };
    authenticated.map_err(|error| match error {
        AuthError::Fault(fault) => AuthenticationError::Fault(fault),
        AuthError::Rejected(problem) => match admission.count_failed_authentication(client) {
            Ok(()) => AuthenticationError::Rejected(problem),
            Err(limited) => AuthenticationError::Limited(limited),
        },
    })
}

pub(crate) fn client_address(admission: &Admission, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    admission.client_address(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), forwarded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_from_the_header() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        for none in ["", "abc", "Basic abc", "Bearer", "Bearer "] {
            assert_eq!(bearer(none), None, "{none}");
        }
    }
}
