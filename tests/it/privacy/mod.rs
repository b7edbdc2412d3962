//! Users see nothing that they may not see any more, and nothing of strangers.

mod former_users;
mod own_part;
mod strangers;
mod walk;
mod world;
