//! Panics, invariants that do not hold, and corrupt rows affect one piece of work, and `/metrics` counts them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use partyline::domain::presence::PresenceState;
use partyline::domain::{AgencyId, CallStage};
use partyline::entity::call;
use partyline::metrics::WorkerStatus;
use partyline::service::inbound::InboundTexts;
use partyline::service::{Fault, Refusal};
use partyline::store::writer::{Committed, Tx, Unit, UnitError, WriteError, Writer, WriterParts, WriterTasks};
use partyline::worker::{Timer, supervise};
use reqwest::StatusCode;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait as _, EntityTrait as _};
use serde_json::{Value, json};

use crate::support::clock::MockClock;
use crate::support::database::server_is;
use crate::support::directory::DESK;
use crate::support::voice::{INBOUND, attribute, form};
use crate::support::{TestApp, Text, wait};

const BATCH: usize = 64;

/// A unit that writes to the log of its agency and then ends in a given way.
struct Faulty {
    agency: AgencyId,
    ending: Ending,
}

#[derive(Clone)]
enum Ending {
    Panic,
    Broken,
    Refused,
    /// The unit succeeds, and its lane panics afterwards.
    PanicAfterCommit(Arc<MockClock>),
    Done,
}

impl Unit for Faulty {
    type Output = ();
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError<Refusal>> {
        tx.agency_updated(self.agency, Vec::new())?;
        match &self.ending {
            Ending::Panic => panic!("a panic that the test injects"),
            Ending::Broken => Err(UnitError::Broken("an invariant that the test breaks")),
            Ending::Refused => Err(Refusal::admins_only().into()),
            Ending::PanicAfterCommit(clock) => {
                clock.panic_on_monotonic();
                Ok(())
            }
            Ending::Done => Ok(()),
        }
    }
}

async fn metrics(app: &TestApp) -> String {
    app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap()
}

async fn assert_panics(app: &TestApp, component: &str, count: u64) {
    let line = format!("partyline_panics_total{{component=\"{component}\"}} {count}\n");
    let metrics = metrics(app).await;
    assert!(metrics.contains(&line), "{line}\n{metrics}");
}

/// A server that has received one text, so that all texts use the same lane, and 63 texts of other contacts.
async fn start() -> (TestApp, AgencyId, Vec<Text>) {
    let app = TestApp::start().await;
    app.receive(Text::new("SMwarm")).await;
    let acme = app.agency("acme").await;
    let texts = (1..BATCH).map(|n| Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}"))).collect();
    (app, acme, texts)
}

/// Runs a unit in one batch with texts, all of which must be stored. Returns the answer to the unit.
async fn run_with_texts(
    app: &TestApp,
    acme: AgencyId,
    texts: &[Text],
    ending: Ending,
) -> Result<(), WriteError<Refusal>> {
    let events = app.events(acme).await.len();
    let blocked = app.block_writer(acme).await;
    let unit = app.services().writer.run(acme, Faulty { agency: acme, ending });
    let releasing = async {
        blocked.wait_for_queued(texts.len() + 1).await;
        blocked.unblock().await;
    };
    let (answer, statuses, ()) = tokio::join!(unit, app.post_all(texts), releasing);
    assert_eq!(statuses, vec![StatusCode::OK; texts.len()]);
    for text in texts {
        app.message(&text.sid).await;
    }
    assert_eq!(app.events(acme).await.len(), events + texts.len(), "nothing of the unit is stored");
    app.assert_logs_are_gapless().await;
    answer
}

#[tokio::test]
async fn a_unit_that_panics_fails_alone() {
    let (app, acme, texts) = start().await;
    assert_eq!(run_with_texts(&app, acme, &texts, Ending::Panic).await, Err(WriteError::Rejected));
    assert_panics(&app, "Writer", 1).await;
    app.services().writer.run(acme, Faulty { agency: acme, ending: Ending::Done }).await.unwrap();
}

#[tokio::test]
async fn a_unit_whose_invariant_does_not_hold_fails_alone() {
    let (app, acme, texts) = start().await;
    assert_eq!(run_with_texts(&app, acme, &texts, Ending::Broken).await, Err(WriteError::Rejected));
}

#[tokio::test]
async fn a_refusal_undoes_what_its_unit_wrote() {
    let (app, acme, texts) = start().await;
    let refused = run_with_texts(&app, acme, &texts, Ending::Refused).await;
    assert_eq!(refused, Err(WriteError::Refused(Refusal::admins_only())));
}

/// Makes the stored status of all threads unreadable. So far there is only the thread of SMwarm.
struct CorruptThreads;

impl Unit for CorruptThreads {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        tx.conn.execute_unprepared("UPDATE thread SET status = 'BROKEN'").await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_unit_that_reads_a_corrupt_row_fails_alone() {
    let (app, acme, texts) = start().await;
    let thread = app.thread_of("SMwarm").await.id.to_string();
    let ben = app.token("acme", "ben");
    app.services().writer.run(acme, CorruptThreads).await.unwrap();
    let blocked = app.block_writer(acme).await;
    let claim = "mutation($id: ID!) { claimThread(input: {threadId: $id}) { userErrors { code } } }";
    let releasing = async {
        blocked.wait_for_queued(texts.len() + 1).await;
        blocked.unblock().await;
    };
    let claiming = app.graphql(&ben, claim, json!({"id": thread}));
    let (claimed, statuses, ()) = tokio::join!(claiming, app.post_all(&texts), releasing);
    assert_eq!(claimed["errors"][0]["extensions"]["code"], "INTERNAL", "{claimed}");
    assert_eq!(statuses, vec![StatusCode::OK; texts.len()]);
    for text in &texts {
        let stored = app.messages_with(&text.sid).await;
        assert_eq!(stored.len(), 1, "{}", text.sid);
    }
}

#[tokio::test]
async fn a_text_to_a_corrupt_thread_goes_to_quarantine_alone() {
    let (app, acme, mut texts) = start().await;
    app.services().writer.run(acme, CorruptThreads).await.unwrap();
    texts.insert(37, Text::new("SMcorrupt"));
    assert_eq!(app.post_as_one_batch(acme, &texts).await, vec![StatusCode::OK; BATCH]);
    let quarantined = app.quarantined().await;
    assert_eq!(quarantined.iter().map(|row| row.provider_sid.as_str()).collect::<Vec<_>>(), ["SMcorrupt"]);
    for text in texts.iter().filter(|text| text.sid != "SMcorrupt") {
        assert_eq!(app.messages_with(&text.sid).await.len(), 1, "{}", text.sid);
    }
}

/// Another writer on the database of the server.
async fn second_writer(
    app: &TestApp,
    on_commit: impl Fn(Vec<Committed>) + Send + Sync + 'static,
) -> (Writer<InboundTexts>, WriterTasks) {
    let services = app.services();
    let parts = WriterParts {
        database: services.database.clone(),
        directories: Arc::clone(&services.directories),
        clock: Arc::clone(&services.clock),
        ids: Arc::clone(&services.ids),
        bulk: InboundTexts::new(Arc::clone(&services.ids)),
        on_commit: Box::new(on_commit),
    };
    Writer::open(parts).await.unwrap()
}

#[tokio::test]
async fn a_panic_while_events_are_published_does_not_fail_the_work() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let panics = AtomicBool::new(true);
    let (writer, WriterTasks { lanes, .. }) =
        second_writer(&app, move |_| assert!(!panics.swap(false, Ordering::SeqCst), "a panic that the test injects"))
            .await;
    let events = app.events(acme).await.len();
    for n in 1..=2 {
        writer.run(acme, Faulty { agency: acme, ending: Ending::Done }).await.unwrap();
        assert_eq!(app.events(acme).await.len(), events + n);
    }
    assert_eq!(writer.figures().panics.get(), 1);
    drop(writer);
    for lane in lanes {
        wait::within("the lane ends", lane).await.unwrap();
    }
}

#[tokio::test]
async fn a_lane_is_restarted_after_a_panic_and_ends_after_five() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let ready = async || {
        let response = app.http.get(app.url("/readyz")).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    let run = async |ending| app.services().writer.run(acme, Faulty { agency: acme, ending }).await;
    let panicking = || Ending::PanicAfterCommit(Arc::clone(&app.clock));
    for _ in 0..4 {
        assert_eq!(run(panicking()).await, Err(WriteError::Failed));
    }
    assert_eq!(run(Ending::Done).await, Ok(()), "a commit ends the series");
    assert_panics(&app, "Writer", 4).await;
    assert_eq!(ready().await.0, StatusCode::OK);
    for _ in 0..5 {
        assert_eq!(run(panicking()).await, Err(WriteError::Failed));
    }
    wait::until("the lane has ended", || async { (run(Ending::Done).await == Err(WriteError::Stopped)).then_some(()) })
        .await;
    let (status, text) = ready().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.starts_with("a writer lane has ended"), "{text}");
    assert_eq!(app.services().writer.figures().overloaded.get(), 0, "a closed queue is not overloaded");
}

#[tokio::test]
async fn a_background_task_that_panics_runs_again_and_shows_it() {
    let app = TestApp::start().await;
    let timer = Timer { services: app.services(), metrics: app.metrics() };
    let panics = Arc::new(AtomicBool::new(true));
    let task = timer.every(Duration::from_secs(1), "test", "panics once", {
        let panics = Arc::clone(&panics);
        move |_| {
            let panics = panics.swap(false, Ordering::SeqCst);
            async move {
                assert!(!panics, "a panic that the test injects");
                Ok::<_, Fault>(())
            }
        }
    });
    let status: Arc<WorkerStatus> = app.metrics().workers.all().pop().unwrap();
    for runs in 1..=2 {
        wait::until("the task has run", || async {
            app.clock.advance(Duration::from_secs(1));
            (status.history().runs == runs).then_some(())
        })
        .await;
    }
    task.abort();
    assert_eq!((status.history().panics, status.history().last_success_at.is_some()), (1, true));
    assert_panics(&app, "Worker", 1).await;
    let ready = app.http.get(app.url("/readyz")).send().await.unwrap().text().await.unwrap();
    assert!(ready.contains("test (panics once), every 1 s, last success: 2026-"), "{ready}");
    assert!(ready.contains("panicked"), "{ready}");
    assert!(metrics(&app).await.contains("partyline_worker_failures_total{worker=\"test\"} 1\n"));
}

fn status(app: &TestApp, worker: &str) -> Arc<WorkerStatus> {
    app.metrics().workers.all().into_iter().find(|status| status.name == worker).unwrap()
}

/// Waits until a background task of this server has panicked for the first time.
async fn wait_for_panic(app: &TestApp, worker: &str) {
    let status = status(app, worker);
    wait::until("the task has panicked", || async { (status.history().panics == 1).then_some(()) }).await;
    assert_panics(app, "Worker", 1).await;
    let ready = app.http.get(app.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    let lines = ready.text().await.unwrap();
    let line = lines.lines().find(|line| line.starts_with(&format!("{worker} ("))).unwrap();
    assert!(line.ends_with("panicked") && !line.contains("every"), "{lines}");
}

/// Panics in the task that completes the future.
struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("a panic that the test injects");
    }
}

/// Sets the status of all calls.
async fn set_status(app: &TestApp, status: &str) {
    let conn = sea_orm::Database::connect(&app.database.url).await.unwrap();
    let change = call::Entity::update_many().col_expr(call::Column::Status, Expr::value(status));
    change.exec(&conn).await.unwrap();
}

#[tokio::test]
async fn steps_of_calls_outlast_a_panic_of_the_task_that_writes_them() {
    let app = TestApp::start_with_phones().await;
    let acme = app.agency("acme").await;
    let greeting = app.document(INBOUND, &form("CA1", &[])).await;
    assert_eq!(app.call("CA1").await.stage, CallStage::Greeting);
    // The first attempt to write the next step of this call fails.
    set_status(&app, "BROKEN").await;
    // While the step of another call waits for the lane, further entries are queued: the next step, and a flush whose
    // completion panics.
    let blocked = app.block_writer(acme).await;
    app.document(INBOUND, &form("CA2", &[])).await;
    blocked.wait_for_queued(1).await;
    app.document(&attribute(&greeting, "action"), &form("CA1", &[("Digits", "")])).await;
    let mut flush = Box::pin(app.services().calls.log.flush());
    let waker = Waker::from(Arc::new(PanickingWaker));
    assert!(flush.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    blocked.unblock().await;
    wait_for_panic(&app, "call_log").await;
    drop(flush);
    set_status(&app, "RINGING").await;
    wait::until("the step is stored", || async {
        app.clock.advance(Duration::from_secs(1));
        (app.calls_with("CA1").await[0].stage == CallStage::Ringing).then_some(())
    })
    .await;
    app.document(INBOUND, &form("CA3", &[])).await;
    for sid in ["CA2", "CA3"] {
        assert_eq!(app.call(sid).await.stage, CallStage::Greeting);
    }
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
#[ignore = "database servers only: instances tell each other over PostgreSQL"]
async fn the_notifications_between_servers_go_on_after_a_panic_on_a_server() {
    if !server_is("postgres") {
        return;
    }
    let mut one = TestApp::start().await;
    let mut two = one.start_second_server().await;
    let (acme, ben) = (one.agency("acme").await, one.user("acme", "ben").await);
    one.receive(Text::new("SM1")).await;
    let thread = one.thread_of("SM1").await.id;
    let mut socket = two.socket(&two.token("acme", "ben")).await;
    socket.subscribe("1", "subscription { inboundMessage { message { body } } }", json!({})).await;
    socket.assert_silent().await;
    let (sender, receiver) = (one.join_bus()[0], two.join_bus()[1]);
    wait::until("the receiver is connected", || async {
        status(&two, "bus_receiver").history().last_success_at.is_some().then_some(())
    })
    .await;

    one.clock.panic_in(sender);
    one.services().presence.report(acme, thread, ben, PresenceState::Viewing);
    wait_for_panic(&one, "bus_sender").await;
    one.clock.panic_in(receiver);
    wait::until("the sender has sent again", || async {
        one.clock.advance(Duration::from_secs(1));
        for state in [PresenceState::Composing, PresenceState::Viewing] {
            one.services().presence.report(acme, thread, ben, state);
        }
        (status(&two, "bus_receiver").history().panics == 1).then_some(())
    })
    .await;
    wait_for_panic(&two, "bus_receiver").await;

    // Nothing else polls the feeds, so the event arrives only through the receiver.
    one.text("+13035560001", DESK, "still here").await;
    let event = one.with_running_clock(socket.event()).await;
    assert_eq!(event["inboundMessage"]["message"]["body"], "still here");
    two.stop().await;
    one.stop().await;
}

#[tokio::test]
#[ignore = "SQLite only: checkpoints"]
async fn checkpoints_go_on_after_a_panic_on_sqlite() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let (writer, WriterTasks { lanes, checkpointer }) = second_writer(&app, |_| {}).await;
    let task = supervise(checkpointer.unwrap(), "test", "panics once", &app.services().clock, app.metrics());
    let write = async || writer.run(acme, Faulty { agency: acme, ending: Ending::Done }).await.unwrap();
    app.clock.panic_in(task.id());
    write().await;
    wait_for_panic(&app, "test").await;
    write().await;
    wait::until("the next checkpoint", || async {
        app.clock.advance(Duration::from_secs(1));
        status(&app, "test").history().last_success_at.is_some().then_some(())
    })
    .await;
    drop(writer);
    for task in lanes.into_iter().chain([task]) {
        wait::within("the task ends", task).await.unwrap();
    }
}

const VERIFY: &str = include_str!("documents/panics_verify.graphql");

#[tokio::test]
async fn a_resolver_that_panics_fails_its_request() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    app.ids.panic_on_nonce();
    let answer = app.graphql(&ben, VERIFY, Value::Null).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{answer}");
    assert!(answer["errors"][0]["extensions"]["requestId"].is_string(), "{answer}");
    assert_panics(&app, "GraphQl", 1).await;
    let viewer = app.graphql(&ben, "{ viewer { key } }", Value::Null).await;
    assert_eq!(viewer["data"]["viewer"]["key"], "ben");
}

#[tokio::test]
async fn an_operation_that_panics_leaves_the_others_of_its_socket() {
    let app = TestApp::start().await;
    let mut socket = app.socket(&app.token("acme", "ben")).await;
    socket.subscribe("1", "subscription { inboundMessage { message { body } } }", json!({})).await;
    app.ids.panic_on_nonce();
    socket.subscribe("2", VERIFY, json!({})).await;
    let failed = socket.next().await.expect("the socket stays open");
    assert_eq!((&failed["id"], &failed["type"]), (&json!("2"), &json!("error")), "{failed}");
    assert_eq!(failed["payload"][0]["extensions"]["code"], "INTERNAL", "{failed}");
    app.text("+13035560001", DESK, "still here").await;
    assert_eq!(socket.event().await["inboundMessage"]["message"]["body"], "still here");
    assert_panics(&app, "GraphQl", 1).await;
}
