use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::User;
use crate::graphql::context::requester;
use crate::graphql::enums::{CarrierProblemKind, OptOutReplies};
use crate::graphql::errors::Result;
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;
use crate::store;

/// A problem because of which Twilio rejects requests for the agency's account. Texts, calls or recordings are delayed
/// until the operator has solved it.
#[derive(SimpleObject)]
pub struct CarrierProblem {
    /// The kind of problem that Twilio reports.
    kind: CarrierProblemKind,
    /// The time at which Twilio first rejected a request for this reason.
    since: DateTime,
}

/// How long the data of an agency is kept. It is set in the directory file.
#[derive(SimpleObject)]
pub struct RetentionPolicy {
    /// The age in days at which messages and calls are deleted, with everything that belongs to them. Null if they are
    /// kept forever.
    messages_days: Option<i32>,
    /// The age in days at which the files of messages are deleted. Null if they are kept as long as their messages.
    media_days: Option<i32>,
    /// The age in days at which recordings and their transcripts are deleted. Null if they are kept as long as their
    /// calls.
    recordings_days: Option<i32>,
    /// The age in days at which events are deleted from the log. A subscription after an older cursor ends with
    /// CURSOR_EXPIRED. Default: 30.
    events_days: i32,
    /// Whether messages, files, calls and recordings that are deleted here are also deleted at Twilio. Default: false.
    delete_at_carrier: bool,
}

pub struct Agency {
    viewer: Arc<Viewer>,
}

impl Agency {
    pub fn of(viewer: Arc<Viewer>) -> Self {
        Self { viewer }
    }
}

/// An agency, the tenant of this API. Every request is limited to the viewer's own agency.
#[Object]
impl Agency {
    /// The opaque, globally unique ID of the agency, prefixed with `agy_`.
    pub async fn id(&self) -> ID {
        self.viewer.agency().into()
    }

    /// The stable key that identifies the agency in directory files, tokens and REST paths.
    async fn key(&self) -> &str {
        &self.viewer.directory.agency.key
    }

    /// The display name of the agency.
    async fn name(&self) -> &str {
        &self.viewer.directory.agency.name
    }

    /// The time zone of the agency, as an IANA name such as `America/Denver`.
    async fn time_zone(&self) -> &str {
        &self.viewer.directory.agency.time_zone
    }

    /// The user who receives texts that no eligible user and no provider can receive. Null if the agency has none; such
    /// texts then go to every ADMIN.
    async fn default_user(&self) -> Option<User> {
        self.viewer.directory.agency.default_user_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The system that answers the opt-out keywords STOP, START and HELP.
    async fn opt_out_replies(&self) -> OptOutReplies {
        self.viewer.directory.agency.opt_out_replies.into()
    }

    /// How long the agency's data is kept.
    async fn retention(&self) -> RetentionPolicy {
        let agency = &self.viewer.directory.agency;
        RetentionPolicy {
            messages_days: agency.messages_days,
            media_days: agency.media_days,
            recordings_days: agency.recordings_days,
            events_days: agency.events_days,
            delete_at_carrier: agency.delete_at_carrier,
        }
    }

    /// The current problem of the agency's account at Twilio. Null if there is none, and for users who are not ADMIN.
    async fn carrier_problem(&self, ctx: &Context<'_>) -> Option<Result<CarrierProblem>> {
        let account = self.viewer.directory.agency.twilio_account_id.filter(|_| self.viewer.is_admin())?;
        let find = async {
            let requester = requester(ctx)?;
            let found = store::accounts::by_id(requester.services.request_reader(), account).await;
            let found = found.map_err(|error| requester.fault(error))?;
            Ok(found
                .and_then(|row| Some(CarrierProblem { kind: row.trouble?.into(), since: row.trouble_since?.into() })))
        };
        find.await.transpose()
    }
}
