//! The object types of the API. Each wraps an entity's model and the viewer. Users, numbers, pools and extensions are
//! looked up in the viewer's directory, without a query.

mod activity;
mod agency;
mod assignment;
mod call;
mod contact;
mod draft;
mod event;
mod extension;
mod late_arrival;
mod media;
mod message;
mod notification;
mod phone_number;
mod pool;
mod presence;
mod quarantined_message;
mod schedule;
mod server;
mod session;
mod thread;
mod thread_counts;
mod timeline;
mod user;
pub mod user_error;
mod voicemail;

pub use activity::ThreadActivity;
pub use agency::{Agency, CarrierProblem, RetentionPolicy};
pub use assignment::Assignment;
pub use call::{Call, CallLeg};
pub use contact::Contact;
pub use draft::Draft;
pub use event::{
    CallUpdatedEvent, DirectoryUpdatedEvent, Event, InboundMessageEvent, NotificationAddedEvent, ThreadChange,
    ThreadUpdatedEvent, ViewerChange, ViewerUpdatedEvent,
};
pub use extension::Extension;
pub use late_arrival::LateArrival;
pub use media::Media;
pub use message::Message;
pub use notification::Notification;
pub use phone_number::PhoneNumber;
pub use pool::Pool;
pub use presence::Presence;
pub use quarantined_message::QuarantinedMessage;
pub use schedule::{Schedule, ScheduleKind};
pub use server::Server;
pub use session::Session;
pub use thread::Thread;
pub use thread_counts::ThreadCounts;
pub use timeline::TimelineItem;
pub use user::User;
pub use voicemail::Voicemail;
