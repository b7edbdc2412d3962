//! Status callbacks: those of one call or leg in their order, and nobody waits for them.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::carrier::Carrier;
use super::super::settings::Account;
use super::super::webhook::{Form, Method};
use super::book::CallbackFault;

/// More than any call or leg reports.
const MOST_WAITING: usize = 64;
/// More than any call holds back.
const MOST_HELD: usize = 10_000;

pub(super) struct Callback {
    pub(super) address: String,
    pub(super) method: Method,
    pub(super) form: Form,
}

pub(super) struct Callbacks {
    carrier: Arc<Carrier>,
    account: Account,
    queues: HashMap<String, mpsc::Sender<(Callback, u32)>>,
    under_way: JoinSet<()>,
    held: Vec<Callback>,
}

impl Callbacks {
    pub(super) fn new(carrier: Arc<Carrier>, account: Account) -> Self {
        Self { carrier, account, queues: HashMap::new(), under_way: JoinSet::new(), held: Vec::new() }
    }

    /// Reports something of this call or leg, if nothing goes wrong with it.
    pub(super) fn send(&mut self, of: &str, callback: Callback) {
        let times = match self.carrier.calls.fault() {
            None => 1,
            Some(CallbackFault::Duplicated) => 2,
            Some(CallbackFault::Lost) => return,
            Some(CallbackFault::Reordered) => {
                if self.held.len() < MOST_HELD {
                    self.held.push(callback);
                }
                return;
            }
        };
        let queue = match self.queues.get(of) {
            Some(queue) => queue,
            None => {
                let (queue, mut callbacks) = mpsc::channel::<(Callback, u32)>(MOST_WAITING);
                let (carrier, account) = (self.carrier.clone(), self.account.clone());
                self.under_way.spawn(async move {
                    while let Some((callback, times)) = callbacks.recv().await {
                        for _ in 0..times {
                            post(&carrier, &account, &callback).await;
                        }
                    }
                });
                self.queues.entry(of.to_owned()).or_insert(queue)
            }
        };
        // A call that reports more than there is room for is one that nobody follows.
        let _ = queue.try_send((callback, times));
    }

    /// Waits until everything has been reported.
    pub(super) async fn finish(mut self) {
        self.queues.clear();
        while self.under_way.join_next().await.is_some() {}
        while let Some(callback) = self.held.pop() {
            post(&self.carrier, &self.account, &callback).await;
        }
    }
}

async fn post(carrier: &Carrier, account: &Account, callback: &Callback) {
    // Whether it is to be repeated has been seen to; Twilio goes by no answer either.
    let _ = carrier.webhooks.ask(account, callback.method, &callback.address, &callback.form).await;
}
