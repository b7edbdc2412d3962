//! The GraphQL API, over HTTP and WebSocket.
//!
//! The path of a request: [`http`] or [`ws`] authenticates the requester, [`documents`] parses the document and checks
//! it against [`limits`], and the schema validates and resolves it ([`operation`]). The root fields are in [`queries`],
//! [`mutations`] and [`subscriptions`], one per file; their object types are in [`types`].
//!
//! # Boxed futures
//!
//! Some futures are boxed although nothing requires it. The obvious version awaits them directly. A future reserves
//! room for the largest future that it may await, and thousands of sockets and field resolvers hold such futures at the
//! same time. So a future that is large and rarely awaited (a handshake, a cache miss, a query behind a field) is boxed
//! where it is awaited, and large values are not passed as arguments of an `async fn`, which would hold them twice.
//!
//! Effect (docs/benchmarks.md): 13.4 KiB instead of 41 to 51 KiB per idle subscriber, together with sharing the
//! directory look-ups and smaller read buffers; 720 instead of 2,536 bytes for the delivery of an event; 4.7 instead of
//! 5.5 KB allocated per socket; 1.0 instead of 1.1 ms for an inbox. To measure it again, run `cargo bench --bench live`
//! (memory per idle subscriber) and `cargo bench --bench inbox`.
//!
//! To return to the obvious version, delete the `Box::pin(…)` or `.boxed()` around a future that is awaited at once.
//! Trait objects, as in `BoxStream` or `BoxFuture` fields, are unrelated.

use std::sync::Arc;

use async_graphql::SDLExportOptions;
use axum::Router;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use axum::routing::{get, post};
use tokio::sync::watch;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::service::Services;

pub mod context;
pub mod direct_json;
mod documents;
pub mod enums;
pub mod errors;
mod executor;
mod http;
mod ids;
mod introspection;
pub mod limits;
mod live;
pub mod loaders;
pub mod mutations;
pub mod node;
mod operation;
pub mod pagination;
pub mod queries;
mod reserved_body;
pub mod scalars;
pub mod subscriptions;
pub mod types;
mod variables;
mod ws;

pub use documents::Documents;
pub use executor::Executor;
pub use live::Live;

pub type Schema = async_graphql::Schema<queries::Query, mutations::Mutation, subscriptions::Subscription>;

/// The state that the routes share.
pub struct GraphqlState {
    pub services: Arc<Services>,
    pub executor: Executor,
    /// The cache of parsed documents.
    pub documents: Documents,
    /// The complexity of each field.
    pub costs: limits::Costs,
    pub introspection: bool,
    /// The state that subscriptions share.
    pub live: Arc<Live>,
    /// The origins whose pages may call the API from a browser, such as `https://example.org`.
    pub allowed_origins: Vec<String>,
    /// Whether `GET /graphiql` is served.
    pub graphiql: bool,
    /// Becomes true when the server drains: from then on it accepts no new work.
    pub drain: watch::Receiver<bool>,
}

/// What the query `server` says about this server.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerFacts {
    /// Whether this is the demo, with its simulated carrier.
    pub demo: bool,
    /// Whether `GET /graphiql` is served.
    pub graphiql: bool,
}

/// Builds the schema. Its errors do not suggest names, because that would reveal the schema when introspection is
/// disabled.
pub fn schema(facts: ServerFacts) -> Schema {
    let builder = Schema::build(
        queries::Query::default(),
        mutations::Mutation::default(),
        subscriptions::Subscription::default(),
    );
    // No async-graphql extensions: with even one, every field takes a slower path.
    let builder = builder.limit_depth(limits::MAX_DEPTH).limit_recursive_depth(limits::MAX_NESTING + 1);
    // No field has the interface as its type, so it has to be named here.
    builder.register_output_type::<types::Event>().data(facts).disable_suggestions().finish()
}

/// The schema in SDL, always in the same order: the content of `schema.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
    schema(ServerFacts::default())
        .sdl_with_options(options.prefer_single_line_descriptions().use_space_ident().include_specified_by())
}

/// The routes: `POST /graphql`, `GET /graphql/ws` and, if it is enabled, `GET /graphiql`.
pub fn router(state: GraphqlState) -> Router {
    // Thousands of sockets hold it.
    let state = Arc::new(state);
    let origins: Vec<HeaderValue> = state.allowed_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let cors = CorsLayer::new().allow_origin(AllowOrigin::list(origins)).allow_methods([Method::POST]).allow_headers([
        ACCEPT,
        AUTHORIZATION,
        CONTENT_TYPE,
    ]);
    let graphql = post(http::post).layer(cors);
    let mut router = Router::new().route("/graphql", graphql).route("/graphql/ws", get(ws::upgrade));
    if state.graphiql {
        router = router.route("/graphiql", get(http::graphiql));
    }
    router.with_state(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every type, field, argument and enum value has a description: it ends on the line above.
    #[test]
    fn everything_in_the_schema_is_described() {
        let sdl = sdl();
        let types = sdl.split("\nschema {").next().unwrap();
        let (mut described, mut within) = (false, false);
        let mut missing = Vec::new();
        for line in types.lines().map(str::trim) {
            let block = line.starts_with("\"\"\"");
            let closes = line.starts_with(['}', ')']) || line.is_empty();
            if block || within || line.starts_with('"') {
                within ^= block;
                described = true;
            } else if !closes {
                if !described && !line.starts_with("directive") {
                    missing.push(line);
                }
                described = false;
            }
        }
        assert_eq!(missing, Vec::<&str>::new());
    }

    #[test]
    fn the_schema_is_printed_alike_each_time() {
        assert_eq!(sdl(), sdl());
    }
}
