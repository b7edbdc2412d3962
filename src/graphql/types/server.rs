use async_graphql::{Enum, SimpleObject};

use crate::graphql::ServerFacts;

/// The mode in which the server runs.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
pub enum ServerMode {
    /// A server with real numbers, started with `partyline serve`.
    Serve,
    /// A server with sample data and a simulated carrier, started with `partyline demo`.
    Demo,
}

/// An optional feature of the server. Features of later versions are added here.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
pub enum ServerFeature {
    /// The carrier is simulated: texts and calls reach simulated phones only.
    Simulator,
    /// The server has a page at `/graphiql` on which GraphQL documents can be tried.
    Graphiql,
}

/// The server that answers the request.
#[derive(SimpleObject)]
pub struct Server {
    /// The version of Partyline, such as 1.2.3 (semver.org).
    version: &'static str,
    /// The mode in which the server runs.
    mode: ServerMode,
    /// The optional features that this server has.
    features: Vec<ServerFeature>,
}

impl Server {
    pub fn new(facts: ServerFacts) -> Self {
        let features = [(facts.demo, ServerFeature::Simulator), (facts.graphiql, ServerFeature::Graphiql)];
        Self {
            version: env!("CARGO_PKG_VERSION"),
            mode: if facts.demo { ServerMode::Demo } else { ServerMode::Serve },
            features: features.into_iter().filter_map(|(has, feature)| has.then_some(feature)).collect(),
        }
    }
}
