//! Recognizes longer texts that sound like a request to stop ("please take me off your list").
//!
//! Such a text has no automatic effect: its thread shows a hint, and a user decides. A false positive is cheaper than a
//! missed request, so ambiguous texts are recognized. The rules cover English only.
//! Source of the obligation: FCC, TCPA consent revocation rules in effect since 2025-04-11.

mod words;

#[cfg(test)]
mod tests;

use words::Words;

/// Whether a text sounds like a request to stop. The caller has checked that the text is not a keyword
/// (`domain::opt_out::keyword`).
pub fn sounds_like_opt_out(body: &str) -> bool {
    if is_reaction(body) {
        return false;
    }
    let words = Words::of(body);
    let rules = [asks_to_stop, asks_to_be_removed, opts_out, forbids_contact, wants_none, wants_no_more, refuses];
    let mut places = (0..words.len()).filter(|at| !belongs_to_instruction(&words, *at));
    places.any(|at| rules.iter().any(|rule| rule(&words, at)))
}

/// Whether a position belongs to an instruction such as "Reply STOP to opt out", which companies append to their texts.
fn belongs_to_instruction(words: &Words, at: usize) -> bool {
    (0..8).any(|back| {
        words.before(at, back) == "stop" && matches!(words.before(at, back + 1), "reply" | "text" | "send" | "respond")
    })
}

/// Whether the text is a reaction that a phone reports as a text, such as `Liked “…”`.
fn is_reaction(body: &str) -> bool {
    const BEGINNINGS: [&str; 9] = [
        "Liked ",
        "Loved ",
        "Disliked ",
        "Laughed at ",
        "Emphasized ",
        "Questioned ",
        "Reacted ",
        "Removed a ",
        "Removed an ",
    ];
    let body = body.trim_start();
    BEGINNINGS.iter().any(|beginning| body.starts_with(beginning)) && body.contains(['"', '\u{201C}', '\u{AB}'])
}

/// Nouns for messages.
const TEXTS: [&str; 9] = [
    "texts",
    "reminders",
    "notifications",
    "alerts",
    "spam",
    "subscription",
    "contact",
    "communication",
    "communications",
];

/// Words that may come between a verb and a noun of [`TEXTS`].
const MODIFIERS: [&str; 33] = [
    "the",
    "these",
    "those",
    "this",
    "all",
    "any",
    "of",
    "your",
    "my",
    "with",
    "it",
    "please",
    "more",
    "further",
    "future",
    "such",
    "kind",
    "text",
    "reminder",
    "appointment",
    "automated",
    "automatic",
    "marketing",
    "promotional",
    "unwanted",
    "annoying",
    "stupid",
    "daily",
    "weekly",
    "sending",
    "getting",
    "receiving",
    "me",
];

/// Words that may follow a complete request without changing its meaning.
const CLOSINGS: [&str; 15] = [
    "please",
    "now",
    "already",
    "it",
    "this",
    "these",
    "that",
    "immediately",
    "asap",
    "thanks",
    "thank",
    "you",
    "all",
    "everything",
    "stop",
];

/// Whether the clause ends before `from`, or only [`CLOSINGS`] follow until its end.
fn closes(words: &Words, from: usize) -> bool {
    let mut rest = words.clause_from(from, 32);
    words.begins_at(from) || words.ends_after(rest.end - 1) && rest.all(|at| CLOSINGS.contains(&words.at(at)))
}

/// Whether a noun for messages follows at `from`, possibly after modifiers.
fn names_texts(words: &Words, from: usize) -> bool {
    for at in words.clause_from(from, 6) {
        let word = words.at(at);
        if TEXTS.contains(&word) || matches!(word, "text" | "texting") && closes(words, at + 1) {
            return true;
        }
        if !MODIFIERS.contains(&word) {
            return false;
        }
    }
    false
}

/// Whether the verb at this position is negated: "don't stop", "I do not want to stop". "Why don't you stop" and "if
/// you do not stop" are requests.
fn is_negated(words: &Words, at: usize) -> bool {
    const BETWEEN: [&str; 12] =
        ["ever", "please", "just", "really", "even", "to", "want", "need", "wish", "like", "mean", "have"];
    let negation = (1..=5).find(|back| !BETWEEN.contains(&words.before(at, *back)));
    let Some(back) = negation.filter(|back| matches!(words.before(at, *back), "not" | "never")) else { return false };
    !(back + 1..=back + 4).any(|further| words.before(at, further) == "if")
}

/// Matches "Stop texting me", "cancel these messages", "could you please stop".
fn asks_to_stop(words: &Words, at: usize) -> bool {
    const NOT_VERBS_AFTER: [&str; 22] = [
        "bus", "truck", "train", "tram", "subway", "metro", "pit", "rest", "full", "next", "last", "first", "one",
        "quick", "each", "every", "non", "a", "the", "his", "their", "our",
    ];
    let verb = words.at(at);
    if matches!(verb, "stop2end" | "stop2quit") {
        return true;
    }
    let is_verb = matches!(verb, "stop" | "quit" | "cease" | "discontinue" | "end" | "cancel");
    if !is_verb || is_negated(words, at) || NOT_VERBS_AFTER.contains(&words.before(at, 1)) {
        return false;
    }
    let is_number = |word: &str| word.len() >= 3 && word.bytes().all(|b| b.is_ascii_digit());
    names_texts(words, at + 1) && !is_about_driving(words, at + 1)
        || names_activity(words, at + 1)
        || !matches!(verb, "end" | "cancel") && stands_alone(words, at)
        || verb == "stop" && at == 0 && (is_number(words.at(1)) || words.at(1) == "wrong")
}

/// Whether an activity that should stop is named at `from`: "texting me", "please sending these", but not "texting
/// while driving" or "texting her".
fn names_activity(words: &Words, from: usize) -> bool {
    let activity = words.clause_from(from, 3).find(|at| !matches!(words.at(*at), "please" | "with" | "the" | "all"));
    let Some(at) = activity else { return false };
    let object = words.at(at + 1);
    match words.at(at) {
        "texting" | "contacting" | "spamming" | "bothering" | "harassing" | "pestering" | "bugging" | "sending"
        | "notifying" | "reminding" => {
            !matches!(object, "him" | "her" | "them" | "people" | "you") && !is_about_driving(words, at)
        }
        "calling" | "writing" | "emailing" => matches!(object, "me" | "us" | "my" | "this"),
        _ => false,
    }
}

fn is_about_driving(words: &Words, from: usize) -> bool {
    words.clause_from(from, 5).any(|at| matches!(words.at(at), "while" | "driving"))
}

/// Whether the request does not name an activity or object: "stop, please", "can you stop", "I asked you to stop".
fn stands_alone(words: &Words, at: usize) -> bool {
    if !closes(words, at + 1) {
        return false;
    }
    let asks_back = matches!(words.before(at, 2), "did" | "do" | "when" | "where");
    words.begins_at(at)
        || match words.before(at, 1) {
            "please" | "just" | "said" | "say" | "must" | "guys" => true,
            "you" => !asks_back,
            before if TEXTS.contains(&before) => (2..=4).any(|back| words.before(at, back) == "make"),
            "to" => {
                matches!(words.before(at, 2), "you" | "guys" | "this" | "these" | "texts" | "want" | "like" | "wish")
            }
            _ => false,
        }
}

/// Matches "Take me off your list", "remove me", "lose my number".
fn asks_to_be_removed(words: &Words, at: usize) -> bool {
    let verb = words.at(at);
    if verb == "off" && names_a_list(words, at + 1) && !(1..=6).any(|back| words.before(at, back) == "not") {
        return true;
    }
    let object = words.at(at + 1);
    match verb {
        "remove" | "delete" | "erase" | "drop" | "lose" | "forget" | "block" if !is_negated(words, at) => {
            match object {
                "me" | "us" if matches!(verb, "remove" | "delete" | "drop") => {
                    closes(words, at + 2) || words.at(at + 2) == "from" && names_a_list(words, at + 3)
                }
                "my" | "this" | "our" if verb != "block" => {
                    let thing =
                        matches!(words.at(at + 2), "number" | "phone" | "cell" | "info" | "information" | "contact");
                    thing && !words.clause_from(at + 2, 8).any(|at| matches!(words.at(at), "waiting" | "schedule"))
                }
                "from" => verb == "remove" && names_a_list(words, at + 2),
                _ => verb == "remove" && words.before(at, 1) == "please" && words.ends_after(at),
            }
        }
        "take" | "get" | "drop" => {
            let is_own = matches!(object, "me" | "us" | "my" | "this");
            let off = words.clause_from(at + 2, 3).find(|at| words.at(*at) == "off");
            let rest = off.map(|off| off + 1 + usize::from(words.at(off + 1) == "of"));
            is_own && !is_negated(words, at) && rest.is_some_and(|rest| closes(words, rest))
        }
        _ => false,
    }
}

/// Matches "your list", "the texting list", but not "the waiting list".
fn names_a_list(words: &Words, from: usize) -> bool {
    let named = words.clause_from(from, 6).find(|at| {
        matches!(
            words.at(*at),
            "list" | "lists" | "records" | "system" | "thread" | "chat" | "group" | "database" | "contacts"
        ) || TEXTS.contains(&words.at(*at))
    });
    named.is_some_and(|at| !matches!(words.before(at, 1), "waiting" | "wait" | "guest" | "medication" | "surgery"))
}

/// Matches "How do I unsubscribe?", "opt me out", "I revoke my consent".
fn opts_out(words: &Words, at: usize) -> bool {
    let opts = match words.at(at) {
        "unsubscribe" | "unsub" | "unenroll" | "optout" | "stopall" => true,
        "opt" | "opting" | "opted" => words.clause_from(at + 1, 3).any(|at| words.at(at) == "out"),
        "revoke" | "withdraw" => {
            words.clause_from(at + 1, 2).any(|at| matches!(words.at(at), "consent" | "permission" | "authorization"))
        }
        _ => false,
    };
    opts && !is_negated(words, at)
}

/// Matches "Do not contact me again", "never text this number", but not "don't text me after nine" or "I don't text".
fn forbids_contact(words: &Words, at: usize) -> bool {
    const SUBJECTS: [&str; 10] = ["i", "we", "he", "she", "they", "you", "it", "people", "who", "ive"];
    const CONDITIONS: [&str; 11] =
        ["until", "till", "while", "before", "after", "during", "between", "unless", "when", "if", "because"];
    let subject = match words.at(at) {
        "never" => words.before(at, 1),
        "not" if matches!(words.before(at, 1), "do" | "please") => words.before(at, 2),
        "not" if matches!(words.before(at, 2), "can" | "could" | "would") && words.before(at, 1) == "you" => "",
        _ => return false,
    };
    let verb =
        words.clause_from(at + 1, 4).find(|at| !matches!(words.at(*at), "ever" | "please" | "you" | "dare" | "even"));
    let Some(verb) = verb.filter(|_| !SUBJECTS.contains(&subject)) else { return false };
    let rest = || words.clause_from(verb + 1, 6).map(|at| words.at(at));
    let is_whole = words.ends_after(verb);
    let is_to_them = is_whole
        || matches!(words.at(verb + 1), "me" | "us" | "my" | "this" | "here" | "again" | "anymore" | "any" | "please");
    let forbids = match words.at(verb) {
        "text" | "contact" | "bother" | "harass" | "spam" | "pester" => is_to_them,
        "call" | "write" | "email" | "reach" => {
            is_to_them && rest().any(|word| matches!(word, "again" | "anymore" | "ever"))
        }
        "send" => {
            let things = ["text", "anything", "more", "anymore", "these", "those", "stuff"];
            rest().any(|word| TEXTS.contains(&word) || things.contains(&word))
        }
        _ => false,
    };
    forbids && !rest().any(|word| CONDITIONS.contains(&word))
}

/// Matches "I don't want these texts", "we no longer wish to be contacted", but not "I don't want to miss your texts".
fn wants_none(words: &Words, at: usize) -> bool {
    const OTHER_MEANINGS: [&str; 14] = [
        "miss",
        "lose",
        "stop",
        "change",
        "cancel",
        "opt",
        "unsubscribe",
        "forget",
        "delay",
        "skip",
        "bother",
        "back",
        "about",
        "if",
    ];
    let verb = match (words.at(at), words.at(at + 1)) {
        ("no", "longer") => at + 2,
        ("not" | "never", _) => at + 1,
        _ => return false,
    };
    let is_wish = match words.at(verb) {
        "want" | "wish" | "care" | "consent" | "agree" => true,
        "receive" | "get" | "to" => matches!(words.before(at, 1), "rather" | "prefer"),
        "need" | "like" => matches!(words.at(verb + 1), "these" | "your" | "any" | "the" | "more" | "getting"),
        _ => false,
    };
    if !is_wish {
        return false;
    }
    for at in words.clause_from(verb + 1, 9) {
        let word = words.at(at);
        if OTHER_MEANINGS.contains(&word) {
            return false;
        }
        let is_text = TEXTS.contains(&word) || matches!(word, "texted" | "contacted" | "text");
        if is_text && words.before(at, 1) != "to" || word == "hear" && words.at(at + 1) == "from" {
            return true;
        }
    }
    false
}

/// Matches "No more texts", "no texts please".
fn wants_no_more(words: &Words, at: usize) -> bool {
    if words.at(at) != "no" {
        return false;
    }
    let is_statement = matches!(
        words.before(at, 1),
        "got" | "get" | "getting" | "received" | "have" | "had" | "are" | "were" | "is" | "see"
    );
    match words.at(at + 1) {
        "more" | "further" | "additional" if !is_statement => {
            names_texts(words, at + 2) || at == 0 && closes(words, at + 2)
        }
        "texts" | "texting" => {
            let is_request = words.ends_after(at + 1) || matches!(words.at(at + 2), "please" | "anymore" | "thanks");
            words.begins_at(at) && is_request
        }
        _ => false,
    }
}

/// Matches "Leave me alone", "not interested", "cease and desist", "I never signed up for this".
fn refuses(words: &Words, at: usize) -> bool {
    match (words.at(at), words.at(at + 1), words.at(at + 2)) {
        ("leave", "me" | "us", "alone") | ("cease", "and", "desist") => !is_negated(words, at),
        ("go", "away", _) => words.begins_at(at) && closes(words, at + 2),
        ("not", "interested", next) => closes(words, at + 2) || matches!(next, "anymore" | "thanks"),
        ("not" | "never", "sign" | "signed" | "subscribe" | "subscribed" | "agree" | "agreed", _) => {
            let object = words.clause_from(at + 2, 4).find(|at| matches!(words.at(*at), "for" | "to"));
            object.is_some_and(|at| {
                names_texts(words, at + 1) || matches!(words.at(at + 1), "this" | "these") && words.ends_after(at + 1)
            })
        }
        _ => false,
    }
}
