//! Live subscriptions: `graphql-transport-ws` over a WebSocket, as its PROTOCOL.md says
//! (github.com/enisdenjo/graphql-ws).
//!
//! [`protocol`] reads and writes the messages, [`socket`] is the conversation, [`operation`] one
//! operation of it, [`ending`] what ends it from our side, [`readiness`] what of all that has called. One
//! task serves one socket: messages that are there together go out together, two KiB at a time, and
//! while those do not go out each operation is asked for one more and no other. So a socket that does
//! not read holds those, one message of each operation, and their places in the log.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::header::ORIGIN;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;

use super::GraphqlState;
use super::http::is_allowed;
use super::limits::MAX_BODY_BYTES;
use crate::rest::caller::client_address;

mod ending;
mod operation;
mod protocol;
mod readiness;
mod socket;

/// Answers `GET /graphql/ws`. Browsers name the page's origin, and one that is not allowed is turned
/// away; other programs name none.
pub(super) async fn upgrade(
    State(state): State<Arc<GraphqlState>>,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: WebSocketUpgrade,
) -> Response {
    if headers.get_all(ORIGIN).iter().any(|origin| !is_allowed(&state.allowed_origins, origin)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let client = client_address(&state.admission, &extensions, &headers);
    upgrade
        .protocols([protocol::NAME])
        // The library would keep 128 KiB for each socket, most of which are idle most of the time. What is
        // longer than this is read in several steps.
        .read_buffer_size(512)
        // So much goes out at a time when a socket has several messages to get.
        .write_buffer_size(2 << 10)
        .max_message_size(MAX_BODY_BYTES)
        .max_frame_size(MAX_BODY_BYTES)
        .on_upgrade(move |ws| socket::serve(Box::new(ws), state, client).boxed())
}
