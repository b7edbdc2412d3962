//! Who asks: the user of a bearer token, as they stand now.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path};
use axum::http::header::AUTHORIZATION;
use axum::http::{Extensions, HeaderMap};
use serde::de::DeserializeOwned;

use super::RestState;
use super::body::object;
use super::error::Refused;
use crate::admission::{Admission, Limited, Turn};
use crate::service::authenticate::{AuthError, Authenticator, Identity};
use crate::service::{Fault, Refusal, Services, Viewer};

/// The token of `Bearer …` (RFC 6750).
pub(crate) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Why a request does not have a user.
pub(crate) enum Denied {
    /// It has no valid token.
    Invalid,
    /// It has no valid token, and too many such requests come from its address.
    Limited(Limited),
    /// Its token could not be checked.
    Fault(Fault),
}

/// Whom the token of a request speaks for. It is read from its header alone: addresses and cookies
/// end up where they should not.
pub(crate) async fn identity(
    services: &Services,
    authenticator: &Authenticator,
    admission: &Admission,
    headers: &HeaderMap,
    client: IpAddr,
) -> Result<Identity, Denied> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let authenticated = match header.and_then(bearer) {
        Some(token) => authenticator.authenticate(services, token).await,
        None => Err(AuthError::Invalid),
    };
    authenticated.map_err(|error| match error {
        AuthError::Fault(fault) => Denied::Fault(fault),
        AuthError::Invalid => match admission.failed_authentication(client) {
            Ok(()) => Denied::Invalid,
            Err(limited) => Denied::Limited(limited),
        },
    })
}

/// The address of the client that sent a request.
pub(crate) fn client_address(admission: &Admission, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    admission.client_address(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), forwarded)
}

/// A part of the address. One that is no text names nothing.
pub(super) type Named = Result<Path<String>, PathRejection>;

/// The thing of this kind that an id names; a text that is no id names nothing, like the id of a
/// thing that is not there.
pub(super) fn id<T: FromStr>(text: &str, what: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::not_found(what, "id"))
}

/// The same for an id in the address.
pub(super) fn id_in<T: FromStr>(address: &Named, what: &str) -> Result<T, Refusal> {
    id(address.as_ref().map_or("", |Path(text)| text), what)
}

/// Who asks, and what there is to answer with.
pub(super) struct Caller {
    pub(super) services: Arc<Services>,
    pub(super) viewer: Viewer,
    identity: Identity,
    /// These routes read from memory and write, as mutations do.
    _turn: Turn,
}

impl Caller {
    /// The user whom a request's token speaks for, once it is their turn.
    pub(super) async fn of(state: &RestState, extensions: &Extensions, headers: &HeaderMap) -> Result<Self, Refused> {
        let (services, admission) = (Arc::clone(&state.services), &state.admission);
        let client = client_address(admission, extensions, headers);
        let identity = match identity(&services, &state.authenticator, admission, headers, client).await {
            Ok(identity) => identity,
            Err(Denied::Invalid) => return Err(Refused::unauthenticated()),
            Err(Denied::Limited(limited)) => return Err(limited.into()),
            Err(Denied::Fault(fault)) => return Err(Refused::fault(&fault)),
        };
        admission.request(identity.agency, identity.user)?;
        let turn = admission.mutation(identity.agency, identity.user).await?;
        let viewer = viewer(&services, &identity).await?;
        Ok(Self { services, viewer, identity, _turn: turn })
    }

    /// Refuses every agency but the caller's own, by its key or its id, as if it did not exist.
    pub(super) fn in_agency(&self, named: &Named) -> Result<(), Refusal> {
        let agency = &self.viewer.directory.agency;
        let own = |Path(name): &Path<String>| *name == agency.key || name.parse() == Ok(agency.id);
        if named.as_ref().is_ok_and(own) { Ok(()) } else { Err(Refusal::not_found("agency", "agency")) }
    }

    /// Refuses members before their body is read. The use case asks again, under its lock.
    pub(super) fn as_admin(&self) -> Result<(), Refusal> {
        if self.viewer.is_admin() { Ok(()) } else { Err(Refusal::admins_only()) }
    }

    /// What the caller sent.
    pub(super) async fn sent<T: DeserializeOwned>(&self, headers: &HeaderMap, body: Body) -> Result<T, Refused> {
        object(&*self.services.clock, headers, body).await
    }

    /// The caller after a commit: their directory shows what it changed.
    pub(super) async fn after(&self) -> Result<Viewer, Refused> {
        viewer(&self.services, &self.identity).await
    }
}

async fn viewer(services: &Services, identity: &Identity) -> Result<Viewer, Refused> {
    let viewer = services.viewer(identity.agency, identity.user).await;
    viewer.map_err(|fault| Refused::fault(&fault))?.ok_or_else(Refused::unauthenticated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_from_its_header() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        for none in ["", "abc", "Basic abc", "Bearer", "Bearer "] {
            assert_eq!(bearer(none), None, "{none}");
        }
    }
}
