//! The body of an answer that counts as unsent until the connection has taken it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use serde::Serialize;

use crate::admission::Reservation;

/// The connection takes so many bytes at a time. hyper asks for more once most of what it has taken is written to the
/// network, so a client that does not read holds the rest here, and with it the reservation.
const CHUNK_BYTES: usize = 16 * 1024;

/// A body of JSON. The reservation shrinks to its length and ends when the body has been taken.
pub(super) fn json(value: &impl Serialize, reservation: Option<Reservation>) -> Body {
    // All keys are strings: it cannot fail.
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
