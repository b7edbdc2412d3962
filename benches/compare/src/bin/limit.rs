//! The raw server: the same rows and responses with as little code as possible, which shows what the machine can do.
//!
//!     limit sql DATABASE SECONDS BATCH
//!         stores texts in transactions of BATCH, without HTTP, and prints one line of JSON
//!     limit serve ADDRESS DATABASE FAN_ADDRESS TOKEN
//!         /api/twilio/webhook         verifies the signature; one thread writes all waiting texts in one transaction
//!         /bare                       verifies the signature and answers with TwiML
//!         /graphql                    one SQL statement for the inbox, whatever the query
//!         FAN_ADDRESS                 accepts WebSockets; a loop writes the bytes of each text to all of them

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use partyline_compare::database::{self, Stored};
use partyline_compare::process::cpu_us;
use partyline_compare::twilio::{Account, BODY, Form, TWIML, contact_e164, number_e164};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

const QUEUE_CAPACITY: usize = 4096;
const BATCH_LIMIT: usize = 256;

const GREETING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
    <Gather action=\"/api/twilio/voice/digits\" finishOnKey=\"#\" actionOnEmptyResult=\"true\">\
    <Say>Please dial an extension, or stay on the line.</Say></Gather></Response>";

const INBOX: &str = "
    select t.id, t.status,
           (select count(*) from notifications x where x.user_id=1 and x.thread_id=t.id and x.read_at is null),
           n.label, c.name, c.phone, u.name, m.body, m.created_at, m.direction
    from threads t
    join numbers n on n.id=t.number_id
    join contacts c on c.id=t.contact_id
    left join users u on u.id=t.assignee_id
    join messages m on m.id=t.last_message_id
    where t.agency_id=1
    order by t.last_message_at desc limit 50";

struct Text {
    to: String,
    from: String,
    body: String,
    sid: String,
    stored: oneshot::Sender<Option<Stored>>,
}

#[derive(Clone)]
struct App {
    addr: String,
    token: String,
    reader: Arc<Mutex<Connection>>,
    writer: mpsc::Sender<Text>,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
}

impl App {
    fn verified<'a>(&self, uri: &Uri, headers: &HeaderMap, body: &'a Bytes) -> Result<Form<'a>, StatusCode> {
        let url = format!("http://{}{}", self.addr, uri.path());
        let account = Account { url, sid: String::new(), token: self.token.clone() };
        let signature = headers.get("x-twilio-signature").and_then(|value| value.to_str().ok()).unwrap_or("");
        account.verify(body, signature).ok_or(StatusCode::FORBIDDEN)
    }
}

/// Writes the texts that are waiting in one transaction, answers them, and repeats.
fn write_texts(database: Connection, mut texts: mpsc::Receiver<Text>) {
    let (mut batch, mut results) = (Vec::new(), Vec::new());
    while texts.blocking_recv_many(&mut batch, BATCH_LIMIT) > 0 {
        database.execute_batch("begin immediate").unwrap();
        for text in batch.drain(..) {
            let stored = database::insert(&database, &text.to, &text.from, &text.body, &text.sid).unwrap();
            results.push((text.stored, stored));
        }
        database.execute_batch("commit").unwrap();
        for (sender, stored) in results.drain(..) {
            let _ = sender.send(stored);
        }
    }
}

/// Accepts WebSockets without reading what they ask for, and acknowledges the connection.
fn accept_sockets(addr: &str, sockets: Arc<Mutex<Vec<TcpStream>>>) {
    for stream in TcpListener::bind(addr).unwrap().incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.set_nodelay(true);
        let _ = stream.read(&mut [0u8; 2048]);
        let _ = stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
              sec-websocket-protocol: graphql-transport-ws\r\n\r\n\x81\x19{\"type\":\"connection_ack\"}",
        );
        sockets.lock().unwrap().push(stream);
    }
}

/// The WebSocket frame of a text, with the fields that the subscription of the comparison selects.
fn event_frame(stored: &Stored, from: &str) -> Vec<u8> {
    let event = json!({
        "cursor": format!("{:016x}", stored.message),
        "replayed": false,
        "message": {
            "id": format!("msg_{:026}", stored.message),
            "body": BODY,
            "createdAt": "2026-11-23T13:00:00.000000Z",
        },
        "thread": {"id": format!("thr_{:026}", stored.thread), "status": "UNCLAIMED", "contact": {"phone": from}},
    });
    let message = json!({"id": "1", "type": "next", "payload": {"data": {"inboundMessage": event}}}).to_string();
    let mut frame = vec![0x81, 126, (message.len() >> 8) as u8, message.len() as u8];
    frame.extend(message.as_bytes());
    frame
}

fn twiml(document: &'static str) -> Response {
    ([("content-type", "text/xml")], document).into_response()
}

async fn call(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Response, StatusCode> {
    app.verified(&uri, &headers, &body)?;
    Ok(twiml(GREETING))
}

async fn text(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Response, StatusCode> {
    let form = app.verified(&uri, &headers, &body)?;
    let field = |name: &str| {
        let found = form.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.to_string()).ok_or(StatusCode::BAD_REQUEST)
    };
    let from = field("From")?;
    let (sender, receiver) = oneshot::channel();
    let text =
        Text { to: field("To")?, from: from.clone(), body: field("Body")?, sid: field("MessageSid")?, stored: sender };
    app.writer.send(text).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let stored = receiver.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    if let Some(stored) = stored
        && !app.sockets.lock().unwrap().is_empty()
    {
        let sockets = app.sockets.clone();
        tokio::task::spawn_blocking(move || {
            let frame = event_frame(&stored, &from);
            for socket in sockets.lock().unwrap().iter_mut() {
                let _ = socket.write(&frame);
            }
        });
    }
    Ok(twiml(TWIML))
}

/// The inbox on one connection, as JSON values. Typed rows and a connection per thread would be 2.7 times as fast.
fn inbox(database: &Connection) -> rusqlite::Result<Vec<Value>> {
    let mut statement = database.prepare_cached(INBOX)?;
    let rows = statement.query_map([], |row| {
        Ok(json!({
            "id": row.get::<_, i64>(0)?,
            "status": row.get::<_, String>(1)?,
            "unreadCount": row.get::<_, i64>(2)?,
            "phoneNumber": {"label": row.get::<_, String>(3)?},
            "contact": {"name": row.get::<_, Option<String>>(4)?, "phone": row.get::<_, String>(5)?},
            "assignee": row.get::<_, Option<String>>(6)?.map(|name| json!({"name": name})),
            "lastMessage": {
                "body": row.get::<_, String>(7)?,
                "createdAt": row.get::<_, i64>(8)?,
                "direction": row.get::<_, String>(9)?,
            },
        }))
    })?;
    rows.collect()
}

async fn graphql(State(app): State<App>) -> Response {
    let nodes = tokio::task::block_in_place(|| inbox(&app.reader.lock().unwrap())).unwrap();
    axum::Json(json!({"data": {"threads": {"nodes": nodes}}})).into_response()
}

fn measure_sql(path: &str, seconds: f64, batch: usize) {
    let database = database::create(path);
    let (mut n, started) = (0u64, Instant::now());
    let cpu_before = cpu_us(std::process::id());
    while started.elapsed().as_secs_f64() < seconds {
        database.execute_batch("begin immediate").unwrap();
        for _ in 0..batch {
            n += 1;
            let (number, contact) = (number_e164(fastrand::u32(0..100)), contact_e164(fastrand::u32(0..10_000)));
            database::insert(&database, &number, &contact, BODY, &format!("SM{n:032x}")).unwrap();
        }
        database.execute_batch("commit").unwrap();
    }
    let per_second = n as f64 / started.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "name": format!("raw SQLite, batch {batch}"),
            "batch": batch,
            "rps": per_second,
            "p50_ms": batch as f64 * 1000. / per_second,
            "cpu_us": (cpu_us(std::process::id()) - cpu_before) / n as f64,
            "errors": 0,
        })
    );
}

fn serve(addr: &str, path: &str, fan_addr: &str, token: &str) {
    let (writer, texts) = mpsc::channel(QUEUE_CAPACITY);
    let (database, sockets) = (database::create(path), Arc::new(Mutex::new(Vec::new())));
    std::thread::spawn(move || write_texts(database, texts));
    let (fan_addr, accepted) = (fan_addr.to_owned(), sockets.clone());
    std::thread::spawn(move || accept_sockets(&fan_addr, accepted));
    let reader = Arc::new(Mutex::new(database::open(path)));
    let app = App { addr: addr.into(), token: token.into(), reader, writer, sockets };
    let routes = Router::new()
        .route("/api/twilio/webhook", post(text))
        .route("/bare", post(call))
        .route("/graphql", post(graphql))
        .with_state(app);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, routes).await.unwrap();
    });
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sql", path, seconds, batch] => measure_sql(path, seconds.parse().unwrap(), batch.parse().unwrap()),
        ["serve", addr, path, fan_addr, token] => serve(addr, path, fan_addr, token),
        _ => panic!("usage: see the top of limit.rs"),
    }
}
