//! A simulated carrier for tests: real HTTP, without delays.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use partyline::domain::MessageStatus;
use partyline::entity::message;
use partyline::server;
use partyline::worker::Workers;
use partyline_simulator::{Account, Clock, OriginMapping, Pace, Simulator, SimulatorSettings, SystemClock};
use url::Url;

use super::clock::ORIGIN;
use super::directory::{ACCOUNT, OTHER_ACCOUNT, OTHER_TOKEN, TOKEN};
use super::text::{PUBLIC_URL, SMS_PATH};
use super::{TestApp, wait};

/// A carrier with both Twilio accounts of the tests and no webhook target yet.
pub(crate) fn carrier() -> Simulator {
    carrier_with(|_| {})
}

/// A carrier whose clock starts at the same date as the mock clock.
pub(crate) fn carrier_on_test_date() -> Simulator {
    start(|_| {}, Arc::new(TestDateClock(SystemClock::new())))
}

pub(crate) fn carrier_with_clock(clock: Arc<dyn Clock>) -> Simulator {
    start(|_| {}, clock)
}

pub(crate) fn carrier_with(change: impl FnOnce(&mut SimulatorSettings)) -> Simulator {
    start(change, Arc::new(SystemClock::new()))
}

/// The system clock, offset to start where the mock clock starts.
#[derive(Debug)]
struct TestDateClock(SystemClock);

impl Clock for TestDateClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.0.monotonic()).expect("a duration in range");
        DateTime::from_timestamp(ORIGIN, 0).expect("a valid origin") + elapsed
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.sleep(duration)
    }
}

fn start(change: impl FnOnce(&mut SimulatorSettings), clock: Arc<dyn Clock>) -> Simulator {
    let accounts = vec![Account::new(ACCOUNT, TOKEN), Account::new(OTHER_ACCOUNT, OTHER_TOKEN)];
    let mut settings = SimulatorSettings::new(accounts, format!("{PUBLIC_URL}{SMS_PATH}#rc=5&rp=5xx,ct,rt"));
    let moment = Duration::from_millis(1);
    settings.pace = Pace { sent: moment, delivered: moment, retry: Duration::from_millis(20), second: moment };
    settings.voice_url = format!("{PUBLIC_URL}/api/twilio/voice/inbound#rc=5&rp=5xx,ct,rt");
    settings.voice_status_url = Some(format!("{PUBLIC_URL}/api/twilio/voice/status#rc=5&rp=5xx,ct,rt"));
    change(&mut settings);
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).expect("a free port");
    Simulator::start(listener, settings, clock).expect("the carrier starts")
}

/// Directs the carrier's webhooks to the server at this address.
pub(crate) fn deliver(carrier: &Simulator, address: std::net::SocketAddr) {
    let local = Url::parse(&format!("http://{address}")).unwrap();
    carrier.map_origin(OriginMapping { public: Url::parse(PUBLIC_URL).unwrap(), local });
}

impl TestApp {
    /// Starts a server that sends through this carrier and receives its webhooks.
    pub(crate) async fn start_with_carrier(carrier: &Simulator) -> Self {
        let app = Self::start_with_settings(vec![("TWILIO_API_BASE", carrier.base())]).await;
        deliver(carrier, app.address);
        app
    }

    /// Starts the background workers, which stop when the guard is dropped.
    pub(crate) fn start_workers(&self) -> Workers {
        Workers::start(self.services(), self.metrics())
    }

    /// Waits until no outbound message is queued, being sent, or of unknown status; returns all outbound messages.
    pub(crate) async fn wait_until_none_pending(&self) -> Vec<message::Model> {
        self.wait_until_all("no outbound text is pending", |message| {
            !matches!(message.status, MessageStatus::Queued | MessageStatus::Sending | MessageStatus::Unknown)
        })
        .await
    }

    pub(crate) async fn wait_until_all(
        &self,
        what: &str,
        done: impl Fn(&message::Model) -> bool,
    ) -> Vec<message::Model> {
        let check = || async {
            let outbound = self.outbound().await;
            outbound.iter().all(&done).then_some(outbound)
        };
        wait::until(what, check).await
    }
}
