//! A response body whose bytes count as unsent until the connection has accepted them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use serde::Serialize;

use crate::admission::Reservation;

/// The size of a chunk. hyper requests the next chunk once most of the previous one is written to the network, so a
/// client that does not read keeps the rest of the body here, and with it the reservation.
const CHUNK_BYTES: usize = 16 * 1024;

/// Serializes a value as JSON. The reservation shrinks to the length of the body and ends with the body.
pub(super) fn json(value: &impl Serialize, reservation: Option<Reservation>) -> Body {
    // Serialization cannot fail because all keys are strings.
    let rest = Bytes::from(serde_json::to_vec(value).unwrap_or_default());
    match reservation {
        Some(mut reservation) => {
            reservation.shrink(rest.len());
            Body::new(Reserved { rest, _reservation: reservation })
        }
        None => Body::from(rest),
    }
}

struct Reserved {
    rest: Bytes,
    _reservation: Reservation,
}

impl HttpBody for Reserved {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(CHUNK_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}
