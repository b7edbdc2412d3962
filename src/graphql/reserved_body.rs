//! A response body whose bytes count as unsent until the connection has accepted them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};

use crate::admission::Reservation;

/// The size of a chunk. hyper requests the next chunk once most of the previous one is written to the network, so a
/// client that does not read keeps the rest of the body here, and with it the reservation.
const CHUNK_BYTES: usize = 16 * 1024;

/// Sends a body of known length in chunks. The reservation shrinks to the length of the body and ends with the body.
pub(super) fn reserve(body: Body, mut reservation: Reservation) -> Body {
    if let Some(length) = body.size_hint().exact().and_then(|length| usize::try_from(length).ok()) {
        reservation.shrink(length);
    }
    Body::new(Reserved { body, chunk: Bytes::new(), _reservation: reservation })
}

struct Reserved {
    body: Body,
    /// The part of the body that was read and not passed on.
    chunk: Bytes,
    _reservation: Reservation,
}

impl HttpBody for Reserved {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.chunk.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.chunk = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = self.chunk.len().min(CHUNK_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.chunk.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunk.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.chunk.len() as u64;
        match self.body.size_hint().exact() {
            Some(body) => SizeHint::with_exact(rest + body),
            None => SizeHint::default(),
        }
    }
}
