//! Subscriptions over a WebSocket with the `graphql-transport-ws` protocol, as specified in PROTOCOL.md of
//! github.com/enisdenjo/graphql-ws.
//!
//! [`protocol`] parses and writes the messages, [`socket`] runs a session, [`operation`] runs one operation, [`close`]
//! holds the conditions under which the server closes a socket, [`waker`] tracks which source has woken the task.
//!
//! The obvious version is async-graphql-axum's WebSocket handler. It does not use the protocol's close codes, does not
//! answer an invalid document with `error`, does not check the Origin, has no limits, and lets a socket outlive its
//! token (ADR 6). It also executes each event once per subscriber (see `live`).
//!
//! This handler is optimized for thousands of idle sockets and for sockets that do not read. Figures are in
//! docs/benchmarks.md, bench `live`:
//! - One task per socket. A write buffer of two KiB batches the messages that are ready together: p99 of a reader
//!   with silent sockets 5.0 to 12.9 ms instead of 3.6 to 65 ms, together with the waker per source. While a write
//!   blocks, each operation advances to its next message and stops there. A socket that does not read therefore holds
//!   the buffer, one message per operation and their positions in the log.
//! - Small buffers and boxed futures: 13.4 KiB instead of 41 to 51 KiB per idle subscriber, together with sharing the
//!   directory look-ups. See "Boxed futures" in `graphql`.
//! - A session that is polled by hand instead of awaiting a future per message, with rarely used sources in boxes: a
//!   kilobyte less per idle subscriber, and 14 to 20 instead of 22 to 24 µs of CPU per delivery (`make compare`).
//! - A waker per source ([`waker`]), and no timer for a write that completes at once.
//!
//! To return to the obvious version, add the crate async-graphql-axum and route `/graphql/ws` to its
//! `GraphQLSubscription`. `tests/it/protocol` covers the differences listed above.

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
use crate::http::authentication::client_address;

mod close;
mod operation;
mod protocol;
mod socket;
mod waker;

/// Handles `GET /graphql/ws`. Browsers send the page's Origin, which must be allowed; other programs send none.
pub(super) async fn upgrade(
    State(state): State<Arc<GraphqlState>>,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: WebSocketUpgrade,
) -> Response {
    if headers.get_all(ORIGIN).iter().any(|origin| !is_allowed(&state.allowed_origins, origin)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let client = client_address(&state.executor.admission, &extensions, &headers);
    upgrade
        .protocols([protocol::NAME])
        // The default is 128 KiB per socket, and most sockets are idle. Longer messages are read in several steps.
        .read_buffer_size(512)
        // Messages that are ready together are written together, up to this size.
        .write_buffer_size(2 << 10)
        .max_message_size(MAX_BODY_BYTES)
        .max_frame_size(MAX_BODY_BYTES)
        .on_upgrade(move |ws| socket::serve(Box::new(ws), state, client).boxed())
}
