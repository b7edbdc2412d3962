//! Ids as they come in.

use std::str::FromStr;

use async_graphql::ID;

use crate::service::Refusal;

/// The id of a thing of this kind; a text that is none names nothing, like the id of a thing that is
/// not there.
pub(super) fn parse<T: FromStr>(id: &ID) -> Option<T> {
    id.0.parse().ok()
}

/// The same in a mutation's input.
pub(super) fn named<T: FromStr>(id: &ID, what: &str, field: &str) -> Result<T, Refusal> {
    parse(id).ok_or_else(|| Refusal::not_found(what, field))
}
