//! Which users view a thread or compose a text in it.

/// What a user does in a thread at the moment. It is never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PresenceState {
    Viewing,
    Composing,
    /// The user has left the thread, or their client no longer reports.
    Gone,
}

impl PresenceState {
    /// The name in messages between instances.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewing => "VIEWING",
            Self::Composing => "COMPOSING",
            Self::Gone => "GONE",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Viewing, Self::Composing, Self::Gone].into_iter().find(|state| state.as_str() == name)
    }
}
