//! A simulated carrier for tests: real HTTP, no pauses.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use partyline::domain::MessageStatus;
use partyline::entity::message;
use partyline::ports::{Clock, SystemClock, SystemIdGen};
use partyline::server;
use partyline::simulator::{Account, Deliver, Pace, Simulator, SimulatorSettings};
use partyline::worker::Workers;
use url::Url;

use super::clock::ORIGIN;
use super::directory::{ACCOUNT, OTHER_ACCOUNT, OTHER_TOKEN, TOKEN};
use super::text::{PUBLIC_URL, SMS_PATH};
use super::{TestApp, wait};

/// A carrier that has both accounts of the tests and sends its webhooks nowhere yet.
pub(crate) fn carrier() -> Simulator {
    carrier_with(|_| {})
}

/// A carrier that dates its messages by the day of the tests, from where their clock starts.
pub(crate) fn carrier_of_the_day() -> Simulator {
    start(|_| {}, Arc::new(DayClock(SystemClock::new())))
}

pub(crate) fn carrier_with(change: impl FnOnce(&mut SimulatorSettings)) -> Simulator {
    start(change, Arc::new(SystemClock::new()))
}

/// The machine's clock, set to where the tests' clock starts.
#[derive(Debug)]
struct DayClock(SystemClock);

impl Clock for DayClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.0.monotonic()).expect("an elapsed time within reason");
        DateTime::from_timestamp(ORIGIN, 0).expect("a valid origin") + elapsed
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.sleep(duration)
    }

    fn pause(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.pause(duration)
    }
}

fn start(change: impl FnOnce(&mut SimulatorSettings), clock: Arc<dyn Clock>) -> Simulator {
    let accounts = vec![Account::of(ACCOUNT, TOKEN), Account::of(OTHER_ACCOUNT, OTHER_TOKEN)];
    let mut settings = SimulatorSettings::of(accounts, format!("{PUBLIC_URL}{SMS_PATH}#rc=5&rp=5xx,ct,rt"));
    let moment = Duration::from_millis(1);
    settings.pace = Pace { sent: moment, delivered: moment, repeat: Duration::from_millis(20), second: moment };
    settings.voice_url = format!("{PUBLIC_URL}/api/twilio/voice/inbound#rc=5&rp=5xx,ct,rt");
    settings.voice_status_url = Some(format!("{PUBLIC_URL}/api/twilio/voice/status#rc=5&rp=5xx,ct,rt"));
    change(&mut settings);
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).expect("a port of the loopback");
    Simulator::start(listener, settings, clock, Arc::new(SystemIdGen::new())).expect("the carrier serves")
}

/// Lets the carrier's webhooks reach a server at this address.
pub(crate) fn deliver(carrier: &Simulator, address: std::net::SocketAddr) {
    let local = Url::parse(&format!("http://{address}")).unwrap();
    carrier.deliver_to(Deliver { public: Url::parse(PUBLIC_URL).unwrap(), local });
}

impl TestApp {
    /// A server that sends by this carrier, and hears from it.
    pub(crate) async fn start_with_carrier(carrier: &Simulator) -> Self {
        let app = Self::start_set(vec![("TWILIO_API_BASE", carrier.base())]).await;
        deliver(carrier, app.address);
        app
    }

    /// The server's own work begins. It ends with the guard.
    pub(crate) fn start_workers(&self) -> Workers {
        Workers::start(self.services())
    }

    /// Waits until no outbound message is on its way; gives them all.
    pub(crate) async fn until_settled(&self) -> Vec<message::Model> {
        self.until_all("every text is settled", |message| {
            !matches!(message.status, MessageStatus::Queued | MessageStatus::Sending | MessageStatus::Unknown)
        })
        .await
    }

    pub(crate) async fn until_all(&self, what: &str, settled: impl Fn(&message::Model) -> bool) -> Vec<message::Model> {
        let look = || async {
            let outbound = self.outbound().await;
            outbound.iter().all(&settled).then_some(outbound)
        };
        wait::until(what, look).await
    }
}
