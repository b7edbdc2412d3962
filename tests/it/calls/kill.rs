//! Kills the real binary between its responses. An acknowledged press of 1 or voicemail is stored, and a call whose row
//! was lost is restored by its next request.

use partyline::domain::{CallStage, CallStatus};
use partyline::entity::{call, voicemail};
use reqwest::Client;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use tempfile::TempDir;

use crate::support::client;
use crate::support::directory::{ACCOUNT, AGENCIES, TOKEN};
use crate::support::process::{Server, apply, database_url};
use crate::support::voice::{BEN, CARLA, CHLOE, INBOUND, PHONES, attribute, form, phones, post};

const KILLS: usize = 10;
const CALLS: usize = 8;

async fn document(http: &Client, server: &Server, address: &str, fields: &[(&str, &str)]) -> Option<String> {
    let answer = post(http, &format!("http://{}", server.address), TOKEN, address, fields).await.ok()?;
    answer.status().is_success().then_some(())?;
    answer.text().await.ok()
}

/// One of the phones in a document is answered, and 1 is pressed.
async fn press(http: &Client, server: &Server, ringing: &str, (which, sid, phone): (usize, &str, &str)) -> String {
    let leg = [("CallSid", sid), ("AccountSid", ACCOUNT), ("From", CARLA), ("To", phone)];
    let (_, screen) = phones(ringing).remove(which);
    let screen = document(http, server, &screen, &leg).await.expect("a response");
    let fields = [&leg[..], &[("Digits", "1")]].concat();
    document(http, server, &attribute(&screen, "action"), &fields).await.expect("an answer")
}

#[tokio::test]
#[ignore = "SQLite only: kills the server and reads its file"]
async fn every_acknowledged_step_survives_a_kill_on_sqlite() {
    let folder = TempDir::new().unwrap();
    apply(folder.path(), AGENCIES);
    apply(folder.path(), PHONES);
    let http = client();
    let mut server = Server::start(folder.path()).await;
    for turn in 0..KILLS {
        // The server is killed right after the first responses.
        let sids: Vec<String> = (0..CALLS).map(|n| format!("CA{turn}x{n}")).collect();
        let greetings = sids.iter().map(|sid| {
            let (http, server) = (&http, &server);
            async move { document(http, server, INBOUND, &form(sid, &[])).await.expect("an answer") }
        });
        let greetings = futures_util::future::join_all(greetings).await;
        server.kill();
        server = Server::start(folder.path()).await;
        let mut ringing = Vec::new();
        for (sid, greeting) in sids.iter().zip(&greetings) {
            let fields = form(sid, &[("Digits", "")]);
            ringing.push(document(&http, &server, &attribute(greeting, "action"), &fields).await.expect("a response"));
        }
        // Ben presses 1 on the first call, right before a kill.
        let (bens, chloes) = (format!("CB{turn}"), format!("CC{turn}"));
        assert!(!press(&http, &server, &ringing[0], (0, &bens, BEN)).await.contains("<Hangup/>"));
        server.kill();
        server = Server::start(folder.path()).await;
        assert!(press(&http, &server, &ringing[0], (1, &chloes, CHLOE)).await.contains("already taken"));
        // Nobody answers the second call: it leaves a voicemail, right before a kill.
        let unanswered = form(&sids[1], &[("DialCallStatus", "no-answer"), ("DialBridged", "false")]);
        let asked = document(&http, &server, &attribute(&ringing[1], "action"), &unanswered).await.expect("an answer");
        let recording = format!("RE{turn}");
        let left = form(&sids[1], &[("RecordingSid", &recording), ("RecordingDuration", "5")]);
        document(&http, &server, &attribute(&asked, "action"), &left).await.expect("an answer");
        server.kill();
        server = Server::start(folder.path()).await;
        for sid in &sids {
            let ended = form(sid, &[("CallStatus", "completed"), ("CallDuration", "9")]);
            document(&http, &server, "/api/twilio/voice/status", &ended).await.expect("an answer");
        }
    }
    server.terminate();
    assert_eq!(server.wait_for_exit().await.0, Some(0));

    let db = sea_orm::Database::connect(database_url(folder.path())).await.unwrap();
    let calls = call::Entity::find().all(&db).await.unwrap();
    assert_eq!(calls.len(), KILLS * CALLS, "each call once");
    assert!(calls.iter().all(|call| call.thread_id.is_some() && call.end.is_some()));
    let with = |status| calls.iter().filter(|call| call.status == status).count();
    assert_eq!((with(CallStatus::Completed), with(CallStatus::Voicemail)), (KILLS, KILLS));
    assert!(
        calls.iter().filter(|call| call.status == CallStatus::Canceled).all(|call| call.stage == CallStage::Ringing)
    );
    let left = voicemail::Entity::find().filter(voicemail::Column::DurationSeconds.eq(5)).all(&db).await.unwrap();
    assert_eq!(left.len(), KILLS);
}
