//! One viewer of one database, and each way to their inbox.

use std::path::Path;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::json;
use tower::ServiceExt as _;

use super::measured::{Begun, Measured};
use super::peer::Peer;
use super::seed::{Size, fill};
use super::server::{Server, listen};
use super::{PAGE, client};

/// Who answers, ours or the peer, and how it is called.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    InProcess { ours: bool },
    Loopback { ours: bool, clients: usize },
}

/// In pairs, ours before its peer.
pub(crate) const WAYS: [Way; 6] = [
    Way::InProcess { ours: true },
    Way::InProcess { ours: false },
    Way::Loopback { ours: true, clients: 1 },
    Way::Loopback { ours: false, clients: 1 },
    Way::Loopback { ours: true, clients: 8 },
    Way::Loopback { ours: false, clients: 8 },
];

impl Way {
    pub(crate) fn place(self) -> String {
        match self {
            Self::InProcess { .. } => "in process".to_owned(),
            Self::Loopback { clients: 1, .. } => "loopback, 1 client".to_owned(),
            Self::Loopback { clients, .. } => format!("loopback, {clients} clients"),
        }
    }

    pub(crate) fn name(self) -> String {
        let (Self::InProcess { ours } | Self::Loopback { ours, .. }) = self;
        format!("{}, {}", if ours { "GraphQL" } else { "one statement and serde" }, self.place())
    }
}

pub(crate) struct Stage {
    server: Server,
    peer: Peer,
    token: String,
    body: String,
    /// The server's request and address, and the peer's.
    over_loopback: [(Vec<u8>, std::net::SocketAddr); 2],
}

impl Stage {
    /// Opens a database, fills it if it is new, and makes sure that both ways show the same.
    pub(crate) async fn set(path: &Path, user: &str, size: Size) -> Self {
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
        let stage = Self { server, peer, token, body, over_loopback };
        let (ours, theirs) = (stage.graphql().await, stage.peer.inbox().await);
        assert_eq!(String::from_utf8(ours), String::from_utf8(theirs), "both show the same");
        stage
    }

    async fn graphql(&self) -> Vec<u8> {
        let request = Request::post("/graphql")
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(self.body.clone()));
        let answer = self.server.router.clone().oneshot(request.unwrap()).await.unwrap();
        to_bytes(answer.into_body(), usize::MAX).await.unwrap().into()
    }

    /// How many statements one inbox reads, the directory being known.
    pub(crate) async fn statements(&self) -> u64 {
        let database = &self.server.app.services.database;
        self.graphql().await;
        let before = database.statements();
        self.graphql().await;
        database.statements() - before
    }

    pub(crate) async fn measure(&self, way: Way, ops: usize) -> Measured {
        let begun = Begun::now();
        let times = match way {
            Way::InProcess { ours } => {
                let mut times = Vec::with_capacity(ops);
                for _ in 0..ops {
                    let started = Instant::now();
                    let answer = if ours { self.graphql().await } else { self.peer.inbox().await };
                    times.push(started.elapsed());
                    assert!(answer.starts_with(br#"{"data""#));
                }
                times
            }
            Way::Loopback { ours, clients } => {
                let (request, address) = &self.over_loopback[usize::from(!ours)];
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
        begun.end(times)
    }
}
