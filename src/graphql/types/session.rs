use async_graphql::SimpleObject;

use crate::graphql::scalars::DateTime;

/// The session of the bearer token that authenticates the request.
#[derive(SimpleObject)]
pub struct Session {
    /// The time from which the token is invalid. Sockets that were opened with it are closed then.
    pub expires_at: DateTime,
    /// Whether `renewSession` can return a token that is valid for longer. False for tokens of an external issuer, and
    /// when the session has reached its longest duration, 7 days after the user signed in.
    pub renewable: bool,
}
