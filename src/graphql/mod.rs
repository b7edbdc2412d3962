//! The GraphQL API, over HTTP and WebSocket.
//!
//! A request's way: [`http`] or [`ws`] finds out who asks, [`documents`] parses what is asked and checks
//! it against [`limits`], the schema validates and resolves it ([`operation`]). Root fields are one per file in [`queries`],
//! [`mutations`] and [`subscriptions`]; what they answer with is in [`types`].

use std::sync::Arc;

use async_graphql::SDLExportOptions;
use axum::Router;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use axum::routing::{get, post};
use tokio::sync::watch;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::admission::Admission;
use crate::service::Services;
use crate::service::authenticate::Authenticator;

pub mod context;
pub mod direct;
mod documents;
pub mod errors;
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
pub mod words;
mod ws;

pub use documents::Documents;
pub use live::Live;

/// The schema with its resolvers.
pub type Schema = async_graphql::Schema<queries::Query, mutations::Mutation, subscriptions::Subscription>;

/// What the routes work with.
pub struct GraphqlState {
    /// The use cases.
    pub services: Arc<Services>,
    /// Who checks tokens.
    pub authenticator: Arc<Authenticator>,
    /// Limits of users, agencies and addresses.
    pub admission: Arc<Admission>,
    /// The schema.
    pub schema: Schema,
    /// What was asked for last.
    pub documents: Documents,
    /// The costs of fields.
    pub costs: limits::Costs,
    /// Whether introspection is enabled.
    pub introspection: bool,
    /// What subscribers share.
    pub live: Live,
    /// The origins whose pages may call the API from a browser, `https://example.org`.
    pub allowed_origins: Vec<String>,
    /// Whether there is a page to try the API on.
    pub graphiql: bool,
    /// Turns true when the server is to take no more work.
    pub drain: watch::Receiver<bool>,
}

/// The schema. Its errors do not suggest names, because that would reveal the schema when introspection is disabled.
pub fn schema() -> Schema {
    let builder = Schema::build(
        queries::Query::default(),
        mutations::Mutation::default(),
        subscriptions::Subscription::default(),
    );
    // No extension of the library's: with even one, each field is resolved by a longer way.
    let builder = builder.limit_depth(limits::MAX_DEPTH).limit_recursive_depth(limits::MAX_NESTING + 1);
    builder.disable_suggestions().finish()
}

/// The schema in its own language, always in the same order: `schema.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
    schema().sdl_with_options(options.prefer_single_line_descriptions().use_space_ident())
}

/// The routes: `POST /graphql`, `GET /graphql/ws` and, if it is switched on, `GET /graphiql`.
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
