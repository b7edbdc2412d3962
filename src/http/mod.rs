//! Parts of HTTP that all transports share: request bodies, authentication and observation.

pub(crate) mod authentication;
pub(crate) mod body;
pub(crate) mod content_disposition;
pub(crate) mod observe;
