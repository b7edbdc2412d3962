use async_graphql::SimpleObject;

use crate::graphql::scalars::DateTime;

/// The session of the bearer token that authenticates the request.
#[derive(SimpleObject)]
pub struct Session {
    /// The time from which the token is invalid. Sockets that were opened with it are closed then.
    pub expires_at: DateTime,
    /// Whether `renewSession` can return another token now. False for tokens that Partyline did not issue, for tokens
    /// that are valid for more than 12 hours from now, and once a token is valid until 7 days after the sign-in.
    pub renewable: bool,
}
