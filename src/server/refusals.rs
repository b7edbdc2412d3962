//! Rejection of connections beyond the limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::ports::Clock;

/// The number of rejected connections whose request is read at the same time. Others get the response at once.
const MAX_CONCURRENT: usize = 64;
/// The time that a rejected connection has to send its request and to read the response.
const TIMEOUT: Duration = Duration::from_secs(1);
const RESPONSE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

pub(super) struct Refusals {
    clock: Arc<dyn Clock>,
    permits: Arc<Semaphore>,
}

impl Refusals {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, permits: Arc::new(Semaphore::new(MAX_CONCURRENT)) }
    }

    /// Responds with 503 and closes the connection.
    pub(super) fn refuse(&self, mut stream: TcpStream) {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            // The send buffer of a new connection is empty, so the response fits.
            let _ = stream.try_write(RESPONSE);
            return;
        };
        let clock = self.clock.clone();
        tokio::spawn(async move {
            let responded = async {
                // Closing with unread data would reset the connection, and the client might not receive the response.
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(RESPONSE).await;
                let _ = stream.shutdown().await;
                while matches!(stream.read(&mut request).await, Ok(count) if count > 0) {}
            };
            tokio::select! {
                () = responded => {}
                () = clock.sleep(TIMEOUT) => {
                    let _ = stream.try_write(RESPONSE);
                }
            }
            drop(permit);
        });
    }
}
