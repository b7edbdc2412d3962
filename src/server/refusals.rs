//! Connections beyond the ceiling.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::ports::Clock;

/// So many connections are refused with care at a time. Others get the answer without their request being read.
const AT_A_TIME: usize = 64;
/// How long a refused connection may take to send its request and to read the answer.
const WITHIN: Duration = Duration::from_secs(1);
const ANSWER: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Refuses connections, with bounded effort.
pub(super) struct Refusals {
    clock: Arc<dyn Clock>,
    permits: Arc<Semaphore>,
}

impl Refusals {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, permits: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// Answers with 503 and closes.
    pub(super) fn refuse(&self, mut stream: TcpStream) {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            // The buffer of a new connection is empty, so it takes the answer.
            let _ = stream.try_write(ANSWER);
            return;
        };
        let clock = self.clock.clone();
        tokio::spawn(async move {
            let answered = async {
                // Closing with something unread would reset the connection, and the client might not see the answer.
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(ANSWER).await;
                let _ = stream.shutdown().await;
                while matches!(stream.read(&mut request).await, Ok(count) if count > 0) {}
            };
            tokio::select! {
                () = answered => {}
                () = clock.sleep(WITHIN) => {
                    let _ = stream.try_write(ANSWER);
                }
            }
            drop(permit);
        });
    }
}
