//! Status callbacks. Those of one call or leg are sent in order; the call does not wait for them.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::carrier::Carrier;
use super::super::settings::Account;
use super::super::webhook::{Form, Method};
use super::store::CallbackFault;

/// Queue capacity per call or leg, above the number of callbacks of any real call. Further callbacks are dropped.
const QUEUE_CAPACITY: usize = 64;
/// The maximum number of callbacks that a call holds back.
const MAX_DEFERRED: usize = 10_000;

pub(super) struct Callback {
    pub(super) address: String,
    pub(super) method: Method,
    pub(super) form: Form,
}

pub(super) struct Callbacks {
    carrier: Arc<Carrier>,
    account: Account,
    queues: HashMap<String, mpsc::Sender<(Callback, u32)>>,
    senders: JoinSet<()>,
    deferred: Vec<Callback>,
}

impl Callbacks {
    pub(super) fn new(carrier: Arc<Carrier>, account: Account) -> Self {
        Self { carrier, account, queues: HashMap::new(), senders: JoinSet::new(), deferred: Vec::new() }
    }

    /// Queues a callback of a call or leg, subject to the configured fault.
    pub(super) fn send(&mut self, sid: &str, callback: Callback) {
        let times = match self.carrier.calls.callback_fault() {
            None => 1,
            Some(CallbackFault::Duplicated) => 2,
            Some(CallbackFault::Lost) => return,
            Some(CallbackFault::Reordered) => {
                if self.deferred.len() < MAX_DEFERRED {
                    self.deferred.push(callback);
                }
                return;
            }
        };
        let queue = match self.queues.get(sid) {
            Some(queue) => queue,
            None => {
                let (queue, mut callbacks) = mpsc::channel::<(Callback, u32)>(QUEUE_CAPACITY);
                let (carrier, account) = (self.carrier.clone(), self.account.clone());
                self.senders.spawn(async move {
                    while let Some((callback, times)) = callbacks.recv().await {
                        for _ in 0..times {
                            post(&carrier, &account, &callback).await;
                        }
                    }
                });
                self.queues.entry(sid.to_owned()).or_insert(queue)
            }
        };
        // Fails if the queue is full.
        let _ = queue.try_send((callback, times));
    }

    /// Waits until all callbacks have been sent.
    pub(super) async fn finish(mut self) {
        self.queues.clear();
        while self.senders.join_next().await.is_some() {}
        while let Some(callback) = self.deferred.pop() {
            post(&self.carrier, &self.account, &callback).await;
        }
    }
}

async fn post(carrier: &Carrier, account: &Account, callback: &Callback) {
    // `send` has made all retries. Like Twilio, the simulator ignores the response to a status callback.
    let _ = carrier.webhooks.send(account, callback.method, &callback.address, &callback.form).await;
}
