//! One viewer of one database, and the variants of reading their inbox.

use std::path::Path;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::json;
use tower::ServiceExt as _;

use super::measured::{Measured, Measurement};
use super::peer::Peer;
use super::seed::{Size, fill};
use super::server::{Server, listen};
use super::{PAGE, client};

/// How the inbox is read: from the server or from its peer, in process or over loopback.
#[derive(Clone, Copy)]
pub(crate) enum Variant {
    InProcess { peer: bool },
    Loopback { peer: bool, clients: usize },
}

/// In pairs: the server, then its peer.
pub(crate) const VARIANTS: [Variant; 6] = [
    Variant::InProcess { peer: false },
    Variant::InProcess { peer: true },
    Variant::Loopback { peer: false, clients: 1 },
    Variant::Loopback { peer: true, clients: 1 },
    Variant::Loopback { peer: false, clients: 8 },
    Variant::Loopback { peer: true, clients: 8 },
];

impl Variant {
    pub(crate) fn transport(self) -> String {
        match self {
            Self::InProcess { .. } => "in process".to_owned(),
            Self::Loopback { clients: 1, .. } => "loopback, 1 client".to_owned(),
            Self::Loopback { clients, .. } => format!("loopback, {clients} clients"),
        }
    }

    pub(crate) fn name(self) -> String {
        let (Self::InProcess { peer } | Self::Loopback { peer, .. }) = self;
        format!("{}, {}", if peer { "one statement and serde" } else { "GraphQL" }, self.transport())
    }
}

pub(crate) struct Scenario {
    server: Server,
    peer: Peer,
    token: String,
    body: String,
    /// The request and address of the server, then of the peer.
    over_loopback: [(Vec<u8>, std::net::SocketAddr); 2],
}

impl Scenario {
    /// Opens a database, fills it if it is new, and checks that server and peer return the same bytes.
    pub(crate) async fn open(path: &Path, user: &str, size: Size) -> Self {
        let is_new = !path.exists();
        let server = Server::open(path).await;
        let viewer = server.viewer(user).await;
        if is_new {
            fill(path, &viewer, size).await;
        }
        let peer = Peer::open(path, &viewer).await;
        let token = server.token(user);
        let query = format!(
            "query Inbox {{ threads(first: {PAGE}) {{ nodes {{ id status lastActivityAt unreadCount \
             contact {{ phone name }} lastMessage {{ body createdAt direction status }} assignee {{ name }} \
             phoneNumber {{ label }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        let body = json!({ "query": query }).to_string();
        let over_loopback = [
            (client::request("/graphql", &token, &body), server.address),
            (client::request("/inbox", &token, &body), listen(peer.clone().router(), &server.app).await),
        ];
        let scenario = Self { server, peer, token, body, over_loopback };
        let (server, peer) = (scenario.graphql().await, scenario.peer.inbox().await);
        assert_eq!(String::from_utf8(server), String::from_utf8(peer), "server and peer return different responses");
        scenario
    }

    async fn graphql(&self) -> Vec<u8> {
        let request = Request::post("/graphql")
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(self.body.clone()));
        let answer = self.server.router.clone().oneshot(request.unwrap()).await.unwrap();
        to_bytes(answer.into_body(), usize::MAX).await.unwrap().into()
    }

    /// The number of SQL statements of one inbox query with a cached directory.
    pub(crate) async fn statements(&self) -> u64 {
        let database = &self.server.app.services.database;
        self.graphql().await;
        let before = database.statements();
        self.graphql().await;
        database.statements() - before
    }

    pub(crate) async fn measure(&self, variant: Variant, ops: usize) -> Measured {
        let measurement = Measurement::start();
        let times = match variant {
            Variant::InProcess { peer } => {
                let mut times = Vec::with_capacity(ops);
                for _ in 0..ops {
                    let started = Instant::now();
                    let answer = if peer { self.peer.inbox().await } else { self.graphql().await };
                    times.push(started.elapsed());
                    assert!(answer.starts_with(br#"{"data""#));
                }
                times
            }
            Variant::Loopback { peer, clients } => {
                let (request, address) = &self.over_loopback[usize::from(peer)];
                let run = |_| {
                    let (request, address) = (request.clone(), *address);
                    tokio::spawn(async move { client::run(address, &request, ops.div_ceil(clients)).await })
                };
                let running: Vec<_> = (0..clients).map(run).collect();
                let mut times = Vec::with_capacity(ops);
                for client in running {
                    times.extend(client.await.unwrap());
                }
                times
            }
        };
        measurement.finish(times)
    }
}
