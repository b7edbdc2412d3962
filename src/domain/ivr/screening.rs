//! What the phones of the staff are told. A mobile's own voicemail presses nothing, so it never takes a
//! call: only a document that answers a 1 lets the carrier connect.

/// What to do with a phone that was picked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegPlan {
    /// Say this and wait for a key; without one, hang up.
    Ask {
        /// What to say.
        say: String,
    },
    /// Let the carrier connect it: the document runs to its end.
    Connect,
    /// Say this and hang up.
    Leave {
        /// What to say.
        say: String,
    },
}

/// What a phone hears when it is picked up. Who calls is not said: nobody knows who listens.
pub fn screen(label: &str) -> LegPlan {
    LegPlan::Ask { say: format!("A call for {label}. Press 1 to accept it.") }
}

/// What a user hears who asked to be called and connected.
pub fn ask_to_dial(label: &str) -> LegPlan {
    LegPlan::Ask { say: format!("Your call by {label} is ready. Press 1 to be connected.") }
}

/// What a press leads to. `won` tells whether the call was still to be had; it is asked for a 1 alone.
pub fn answer_press(digits: &str, won: Option<bool>) -> LegPlan {
    let leave = |say: &str| LegPlan::Leave { say: say.to_owned() };
    match (digits, won) {
        ("1", Some(true)) => LegPlan::Connect,
        ("1", _) => leave("This call was already taken. Goodbye."),
        _ => leave("Goodbye."),
    }
}

/// What a user hears when the call is over that they asked for.
pub fn after_outbound(talked: bool) -> LegPlan {
    let say = if talked { "Goodbye." } else { "Your call was not answered. Goodbye." };
    LegPlan::Leave { say: say.to_owned() }
}

/// What a user hears whose call is not there any more.
pub fn outbound_gone() -> LegPlan {
    LegPlan::Leave { say: "This call is over. Goodbye.".to_owned() }
}
