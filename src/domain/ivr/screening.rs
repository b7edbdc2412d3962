//! Call screening: the prompts for users' phones. Only the document that answers a pressed 1 lets the carrier connect
//! the call, so a mobile's own voicemail, which presses nothing, never takes it.

/// The instruction for a phone that was picked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegPlan {
    /// Say the prompt and wait for a key; hang up if none is pressed.
    Ask { say: String },
    /// Let the carrier connect the call, which it does when the document runs to its end.
    Connect,
    /// Say the sentence and hang up.
    Leave { say: String },
}

/// The prompt for a user's phone. It does not name the caller, because it is unknown who picked up.
pub fn screen(label: &str) -> LegPlan {
    LegPlan::Ask { say: format!("A call for {label}. Press 1 to accept it.") }
}

/// The prompt for a user who started an outbound call.
pub fn ask_to_dial(label: &str) -> LegPlan {
    LegPlan::Ask { say: format!("Your call by {label} is ready. Press 1 to be connected.") }
}

/// The response to pressed keys. `won` is whether this leg claimed the call; it is set only if the key was 1.
pub fn answer_press(digits: &str, won: Option<bool>) -> LegPlan {
    let leave = |say: &str| LegPlan::Leave { say: say.to_owned() };
    match (digits, won) {
        ("1", Some(true)) => LegPlan::Connect,
        ("1", _) => leave("This call was already taken. Goodbye."),
        _ => leave("Goodbye."),
    }
}

/// The sentence for the user after an outbound call.
pub fn after_outbound(talked: bool) -> LegPlan {
    let say = if talked { "Goodbye." } else { "Your call was not answered. Goodbye." };
    LegPlan::Leave { say: say.to_owned() }
}

/// The sentence for a user whose outbound call no longer exists.
pub fn outbound_gone() -> LegPlan {
    LegPlan::Leave { say: "This call is over. Goodbye.".to_owned() }
}
