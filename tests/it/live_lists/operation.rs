//! Random operations of contacts, users and an admin.

use serde_json::{Value, json};

use super::{CONTACTS, World};
use crate::support::TestApp;
use crate::support::directory::{DESK, NURSES};
use crate::support::random::Random;
use crate::support::voice::{INBOUND, form};

#[derive(Debug)]
pub(super) enum Operation {
    Text {
        from: String,
        to: &'static str,
        body: &'static str,
    },
    Call {
        sid: String,
        from: String,
        to: &'static str,
    },
    /// A mutation of a thread, called by one of the clients.
    Thread {
        client: usize,
        mutation: &'static str,
        input: Value,
    },
    /// A mutation of a pool, called by the admin.
    Pool {
        mutation: &'static str,
        input: Value,
    },
}

/// An extension, and keywords that change the contact's opt-out in all of its threads.
const BODIES: [&str; 10] =
    ["hello", "hello", "hello", "hello", "hello", "hello", "#101 hello", "101: hello", "STOP", "START"];

/// The fields of a thread in the payload of a mutation: those of a page.
const PAYLOAD_THREAD: &str = "thread { id revision status inboundCount answeredCount needsReply waitingSince
    lastActivityAt phoneNumber { id } assignee { id } viewerSeenCount }";

pub(super) fn contact(n: usize) -> String {
    format!("+130355600{n:02}")
}

impl Operation {
    pub(super) fn random(random: &mut Random, world: &World) -> Self {
        let (from, to) = (contact(random.below(CONTACTS)), *random.pick(&[DESK, NURSES]));
        let client = random.below(world.clients.len());
        let thread = world.random_thread(random, client);
        let user = random.pick(&world.users).clone();
        let serial = random.next();
        let on_thread = |mutation: &'static str| Self::Thread { client, mutation, input: json!({"threadId": thread}) };
        match random.below(100) {
            0..28 => Self::Text { from, to, body: BODIES[random.below(BODIES.len())] },
            28..31 => Self::Call { sid: format!("CA{serial:016x}"), from, to },
            31..43 => {
                let key = format!("reply {serial:016x}");
                let mut input = json!({"threadId": thread, "body": key, "idempotencyKey": key});
                if random.chance(6) {
                    input["asExtensionId"] = json!(world.extension);
                }
                Self::Thread { client, mutation: "sendMessage", input }
            }
            43..55 => on_thread("claimThread"),
            55..62 => on_thread("releaseThread"),
            62..69 => {
                let input = json!({"threadId": thread, "toUserId": user});
                Self::Thread { client, mutation: "transferThread", input }
            }
            69..76 => on_thread("closeThread"),
            76..79 => on_thread("reopenThread"),
            79..86 => on_thread("markThreadRead"),
            86..90 => on_thread("markThreadUnread"),
            pool => {
                let mut input = json!({"phoneNumberId": random.pick(&world.numbers), "userId": user});
                let mutation = match pool {
                    90..94 => "addPoolMember",
                    94..97 => "updatePoolMember",
                    _ => "removePoolMember",
                };
                if mutation != "removePoolMember" {
                    input["smsEnabled"] = json!(!random.chance(3));
                }
                Self::Pool { mutation, input }
            }
        }
    }

    /// Runs the operation. Returns the payload of a mutation, which may be a refusal.
    pub(super) async fn perform(&self, world: &World) -> Value {
        let app = &world.app;
        match self {
            Self::Text { from, to, body } => {
                app.text(from, to, body).await;
                Value::Null
            }
            Self::Call { sid, from, to } => {
                app.document(INBOUND, &form(sid, &[("From", from.as_str()), ("To", *to)])).await;
                app.wait_for_call_log().await;
                Value::Null
            }
            Self::Thread { client, mutation, input } => {
                mutate(app, world.clients[*client].user, mutation, PAYLOAD_THREAD, input).await
            }
            Self::Pool { mutation, input } => mutate(app, "ana", mutation, "", input).await,
        }
    }
}

async fn mutate(app: &TestApp, user: &str, mutation: &str, selection: &str, input: &Value) -> Value {
    let of = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let document =
        format!("mutation($input: {of}!) {{ {mutation}(input: $input) {{ {selection} userErrors {{ code }} }} }}");
    let mut answer = app.graphql(&app.token("acme", user), &document, json!({"input": input})).await;
    assert!(answer.get("errors").is_none(), "{mutation} {input}: {answer}");
    answer["data"][mutation].take()
}
