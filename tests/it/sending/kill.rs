//! Two thousand texts, with random faults of the carrier and random kills of the server.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use partyline::domain::{Direction, MessageStatus};
use partyline::entity::{message, notification, outbox};
use reqwest::Client;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::carrier::{carrier_with, deliver};
use crate::support::directory::{AGENCIES, DESK};
use crate::support::process::{Server, apply, database_url, run};
use crate::support::random::Random;
use crate::support::{SMS_PATH, Text, client, wait};

const TEXTS: usize = 2_000;
const KILLS: usize = 20;
const THREADS: usize = 40;
const CONCURRENT_REQUESTS: usize = 16;

/// The response to a GraphQL request; `None` if the server was killed or the response has errors.
pub(super) async fn ask(http: &Client, server: &Server, token: &str, query: &str, variables: Value) -> Option<Value> {
    let request = http.post(format!("http://{}/graphql", server.address)).bearer_auth(token);
    let answer = request.json(&json!({"query": query, "variables": variables})).send().await.ok()?;
    // A server that is killed may have sent a partial response.
    answer.json::<Value>().await.ok().filter(|answer| answer.get("errors").is_none())
}

/// Sends the `n`th text. True if it was queued; false if it has to be sent again because of a kill or a full queue.
async fn send(http: &Client, server: &Server, token: &str, threads: &[String], n: usize) -> bool {
    let send =
        "mutation($input: SendMessageInput!) { sendMessage(input: $input) { message { id } userErrors { code } } }";
    let input =
        json!({"threadId": threads[n % THREADS], "body": format!("text {n}"), "idempotencyKey": format!("{n}")});
    let Some(answer) = ask(http, server, token, send, json!({"input": input})).await else { return false };
    let refusals = &answer["data"]["sendMessage"]["userErrors"];
    assert!(*refusals == json!([]) || refusals[0]["code"] == "LIMIT_EXCEEDED", "{answer}");
    *refusals == json!([])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "SQLite only: kills the server and reads its file; slow"]
async fn no_text_is_sent_twice_and_none_is_silently_lost_on_sqlite() {
    let mut random = Random::from_environment("kill of sending");
    let carrier = carrier_with(|settings| settings.random_faults = Some((7, 100)));
    let folder = tempfile::TempDir::new().unwrap();
    apply(folder.path(), AGENCIES);
    let pace = format!("phoneNumbers: [{{number: \"{DESK}\", pace: {{perSecond: 1000, burst: 1000}}}}]");
    apply(folder.path(), &format!("agencies: [{{key: acme, {pace}}}]"));
    let settings = [
        ("TWILIO_API_BASE", carrier.base()),
        ("PARTYLINE_UNKNOWN_AFTER", "5s".to_owned()),
        ("PARTYLINE_USER_TEXTS", TEXTS.to_string()),
    ];
    let token = run(folder.path(), &["token", "--agency", "acme", "--user", "ben"], "").stdout;
    let token = String::from_utf8(token).unwrap().trim().to_owned();

    let mut server = std::sync::Arc::new(Server::start_with_settings(folder.path(), &settings).await);
    deliver(&carrier, server.address);
    let http = client();
    for n in 0..THREADS {
        let text = Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}"));
        let request = http.post(format!("http://{}{SMS_PATH}", server.address));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.header("x-twilio-signature", text.signature()).body(text.form());
        assert!(request.send().await.unwrap().status().is_success());
    }
    let listed = ask(&http, &server, &token, "{ threads(first: 100) { nodes { id } } }", json!({})).await.unwrap();
    let nodes = listed["data"]["threads"]["nodes"].as_array().unwrap();
    let threads: std::sync::Arc<Vec<String>> =
        std::sync::Arc::new(nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect());
    assert_eq!(threads.len(), THREADS);

    let mut waiting: VecDeque<usize> = (0..TEXTS).collect();
    for kill in 0..=KILLS {
        if kill > 0 {
            server = std::sync::Arc::new(Server::start_with_settings(folder.path(), &settings).await);
            deliver(&carrier, server.address);
        }
        let http = client();
        // The last round sends the rest without a kill.
        let mut sends = if kill == KILLS { usize::MAX } else { 60 + random.below(80) };
        let mut under_way = JoinSet::new();
        let requeue_failed = |done: (usize, bool), waiting: &mut VecDeque<usize>| {
            if !done.1 {
                waiting.push_back(done.0);
            }
        };
        while sends > 0 || !under_way.is_empty() {
            while sends > 0 && under_way.len() < CONCURRENT_REQUESTS {
                sends -= 1;
                let Some(n) = waiting.pop_front() else { break };
                let (http, server, token, threads) = (http.clone(), server.clone(), token.clone(), threads.clone());
                under_way.spawn(async move { (n, send(&http, &server, &token, &threads, n).await) });
            }
            if sends == 0 && kill < KILLS {
                break;
            }
            match under_way.join_next().await {
                Some(done) => requeue_failed(done.unwrap(), &mut waiting),
                None => break,
            }
        }
        if kill < KILLS {
            server.kill();
        }
        while let Some(done) = under_way.join_next().await {
            requeue_failed(done.unwrap(), &mut waiting);
        }
    }
    assert!(waiting.is_empty(), "{} texts were not acknowledged", waiting.len());

    let db = sea_orm::Database::connect(database_url(folder.path())).await.unwrap();
    // Attempts that a kill interrupted are detected after 25 s. This delay cannot be shortened, because another
    // instance could still be making the attempt.
    let mut left = u64::MAX;
    for _ in 0..4 {
        let emptied = tokio::time::timeout(
            wait::LIMIT - Duration::from_secs(1),
            wait::until("the outbox is empty", || async {
                (outbox::Entity::find().count(&db).await.unwrap() == 0).then_some(())
            }),
        );
        if emptied.await.is_ok() {
            left = 0;
            break;
        }
    }
    assert_eq!(left, 0, "the outbox was not emptied");
    server.terminate();

    let ledger = carrier.ledger();
    let mut carried: HashMap<&str, usize> = HashMap::new();
    for text in &ledger {
        *carried.entry(text.body.as_str()).or_default() += 1;
    }
    assert!(carried.values().all(|count| *count == 1), "a text was sent twice");
    let messages: Vec<message::Model> = message::Entity::find().all(&db).await.unwrap();
    let outbound: Vec<_> = messages.into_iter().filter(|message| message.direction == Direction::Outbound).collect();
    assert_eq!(outbound.len(), TEXTS);
    let notified: std::collections::HashSet<_> =
        notification::Entity::find().all(&db).await.unwrap().into_iter().filter_map(|row| row.message_id).collect();
    let mut ends: HashMap<&str, usize> = HashMap::new();
    for message in &outbound {
        let is_carried = carried.contains_key(message.body.as_str());
        let end = match message.status {
            MessageStatus::Sent | MessageStatus::Delivered => {
                assert!(is_carried, "{} has the status sent, but the carrier did not receive it", message.body);
                "sent"
            }
            MessageStatus::Unknown => {
                assert!(
                    message.flagged_at.is_some() && notified.contains(&message.id),
                    "{} is in doubt without a notification",
                    message.body
                );
                assert!(!is_carried, "{} was received by the carrier, but not found", message.body);
                "flagged"
            }
            status => panic!("{} has the final status {status:?}", message.body),
        };
        *ends.entry(end).or_default() += 1;
    }
    assert!(ends["sent"] > TEXTS / 2 && ends["flagged"] > 0, "{ends:?}");
}
