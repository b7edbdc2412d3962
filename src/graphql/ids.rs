//! Parses the IDs in requests.

use std::collections::BTreeSet;
use std::str::FromStr;

use async_graphql::ID;

use crate::service::Refusal;

/// Parses an ID. A malformed ID gives `None`, and is treated like the ID of an object that does not exist.
pub(super) fn parse<T: FromStr>(id: &ID) -> Option<T> {
    id.0.parse().ok()
}

/// Parses the IDs of a filter, without duplicates. `None` if IDs are given and all are malformed: the filter then
/// matches nothing.
pub(super) fn parse_some<T: FromStr + Ord>(ids: &[ID]) -> Option<Vec<T>> {
    let parsed: BTreeSet<T> = ids.iter().filter_map(parse).collect();
    (ids.is_empty() || !parsed.is_empty()).then(|| parsed.into_iter().collect())
}

/// Parses an ID in the input of a mutation; a malformed one is refused as NOT_FOUND.
pub(super) fn parse_input<T: FromStr>(id: &ID, what: &str, field: &str) -> Result<T, Refusal> {
    parse(id).ok_or_else(|| Refusal::not_found(what, field))
}
