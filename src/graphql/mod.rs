//! The GraphQL API.

pub mod context;
pub mod errors;
mod extension;
mod ids;
pub mod limits;
pub mod loaders;
mod mutations;
pub mod node;
pub mod pagination;
mod queries;
pub mod scalars;
mod types;
pub mod words;

use async_graphql::EmptySubscription;
pub type Schema = async_graphql::Schema<queries::Query, mutations::Mutation, EmptySubscription>;
