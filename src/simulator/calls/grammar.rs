//! What TwiML allows: for each element its attributes, their values, and what may stand in it.
//! Source: Twilio, "TwiML for Programmable Voice" (a page per verb and noun), and the classes of its
//! Python helper, `twilio.twiml.voice_response`.

use url::Url;

use super::xml::Element;

/// A value that an attribute may have.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Any,
    Address,
    Method,
    Truth,
    /// A whole number, within these.
    Whole(u32, u32),
    /// The same, or `auto`.
    WholeOrAuto(u32, u32),
    /// Keys of a phone, perhaps none.
    Keys,
    /// The same, and `w` for half a second.
    Tones,
    OneOf(&'static [&'static str]),
    /// Some of these, with spaces between them.
    Words(&'static [&'static str]),
}

/// What an element says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    None,
    Some,
    Address,
}

struct Rule {
    name: &'static str,
    attributes: &'static [(&'static str, Kind)],
    children: &'static [&'static str],
    text: Text,
}

const VERBS: &[&str] = &["Say", "Play", "Pause", "Gather", "Dial", "Record", "Redirect", "Hangup", "Reject"];
/// These are Twilio's as well, and not this carrier's.
const UNPLAYED: &[&str] =
    &["Connect", "Echo", "Enqueue", "Leave", "Pay", "Prompt", "Queue", "Refer", "Sms", "Start", "Stop"];
const UNPLAYED_NOUNS: &[&str] = &["Application", "Client", "Conference", "Queue", "Sim", "Sip", "WhatsApp"];
const SPEECH: &[&str] = &["break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"];
const RECORDING: &[&str] = &["in-progress", "completed", "absent", "failed"];
const TRIM: Kind = Kind::OneOf(&["trim-silence", "do-not-trim"]);
const DAY: u32 = 24 * 60 * 60;

const fn speech(name: &'static str, attributes: &'static [(&'static str, Kind)]) -> Rule {
    Rule { name, attributes, children: SPEECH, text: Text::Some }
}

const RULES: &[Rule] = &[
    Rule { name: "Response", attributes: &[], children: VERBS, text: Text::None },
    Rule {
        name: "Say",
        attributes: &[("voice", Kind::Any), ("language", Kind::Any), ("loop", Kind::Whole(0, 1_000))],
        children: SPEECH,
        text: Text::Some,
    },
    Rule {
        name: "Play",
        attributes: &[("loop", Kind::Whole(0, 1_000)), ("digits", Kind::Tones)],
        children: &[],
        text: Text::Address,
    },
    Rule { name: "Pause", attributes: &[("length", Kind::Whole(1, DAY))], children: &[], text: Text::None },
    Rule {
        name: "Gather",
        attributes: &[
            ("input", Kind::Words(&["dtmf", "speech"])),
            ("action", Kind::Address),
            ("method", Kind::Method),
            ("timeout", Kind::WholeOrAuto(1, DAY)),
            ("speechTimeout", Kind::WholeOrAuto(1, DAY)),
            ("maxSpeechTime", Kind::Whole(1, DAY)),
            ("profanityFilter", Kind::Truth),
            ("finishOnKey", Kind::Keys),
            ("numDigits", Kind::Whole(1, 1_000)),
            ("partialResultCallback", Kind::Address),
            ("partialResultCallbackMethod", Kind::Method),
            ("language", Kind::Any),
            ("hints", Kind::Any),
            ("bargeIn", Kind::Truth),
            ("debug", Kind::Truth),
            ("actionOnEmptyResult", Kind::Truth),
            ("speechModel", Kind::Any),
            ("enhanced", Kind::Truth),
        ],
        children: &["Say", "Play", "Pause"],
        text: Text::None,
    },
    Rule {
        name: "Dial",
        attributes: &[
            ("action", Kind::Address),
            ("method", Kind::Method),
            ("timeout", Kind::Whole(1, 600)),
            ("hangupOnStar", Kind::Truth),
            ("timeLimit", Kind::Whole(1, DAY)),
            ("callerId", Kind::Any),
            (
                "record",
                Kind::OneOf(&[
                    "do-not-record",
                    "record-from-answer",
                    "record-from-ringing",
                    "record-from-answer-dual",
                    "record-from-ringing-dual",
                    "true",
                    "false",
                ]),
            ),
            ("trim", TRIM),
            ("recordingStatusCallback", Kind::Address),
            ("recordingStatusCallbackMethod", Kind::Method),
            ("recordingStatusCallbackEvent", Kind::Words(RECORDING)),
            ("recordingConfigurationId", Kind::Any),
            ("recordingTrack", Kind::OneOf(&["inbound", "outbound", "both"])),
            ("answerOnBridge", Kind::Truth),
            ("ringTone", Kind::Any),
            ("sequential", Kind::Truth),
            ("referUrl", Kind::Address),
            ("referMethod", Kind::Method),
            ("events", Kind::Any),
            ("passports", Kind::Any),
        ],
        children: &["Number"],
        text: Text::Some,
    },
    Rule {
        name: "Number",
        attributes: &[
            ("sendDigits", Kind::Tones),
            ("url", Kind::Address),
            ("method", Kind::Method),
            ("statusCallback", Kind::Address),
            ("statusCallbackMethod", Kind::Method),
            ("statusCallbackEvent", Kind::Words(&["initiated", "ringing", "answered", "completed"])),
            ("byoc", Kind::Any),
            ("machineDetection", Kind::OneOf(&["Enable", "DetectMessageEnd"])),
            ("machineDetectionTimeout", Kind::Whole(3, 60)),
            ("machineDetectionSpeechThreshold", Kind::Whole(1_000, 6_000)),
            ("machineDetectionSpeechEndThreshold", Kind::Whole(500, 5_000)),
            ("machineDetectionSilenceTimeout", Kind::Whole(2_000, 10_000)),
            ("amdStatusCallback", Kind::Address),
            ("amdStatusCallbackMethod", Kind::Method),
        ],
        children: &[],
        text: Text::Some,
    },
    Rule {
        name: "Record",
        attributes: &[
            ("action", Kind::Address),
            ("method", Kind::Method),
            ("timeout", Kind::Whole(0, DAY)),
            ("finishOnKey", Kind::Keys),
            ("maxLength", Kind::Whole(1, DAY)),
            ("playBeep", Kind::Truth),
            ("trim", TRIM),
            ("recordingStatusCallback", Kind::Address),
            ("recordingStatusCallbackMethod", Kind::Method),
            ("recordingStatusCallbackEvent", Kind::Words(RECORDING)),
            ("recordingConfigurationId", Kind::Any),
            ("transcribe", Kind::Truth),
            ("transcribeCallback", Kind::Address),
        ],
        children: &[],
        text: Text::None,
    },
    Rule { name: "Redirect", attributes: &[("method", Kind::Method)], children: &[], text: Text::Address },
    Rule { name: "Hangup", attributes: &[], children: &[], text: Text::None },
    Rule {
        name: "Reject",
        attributes: &[("reason", Kind::OneOf(&["rejected", "busy"]))],
        children: &[],
        text: Text::None,
    },
    Rule {
        name: "break",
        attributes: &[("strength", Kind::Any), ("time", Kind::Any)],
        children: &[],
        text: Text::None,
    },
    speech("emphasis", &[("level", Kind::OneOf(&["strong", "moderate", "reduced"]))]),
    speech("lang", &[("xml:lang", Kind::Any)]),
    speech("p", &[]),
    speech("phoneme", &[("alphabet", Kind::Any), ("ph", Kind::Any)]),
    speech("prosody", &[("volume", Kind::Any), ("rate", Kind::Any), ("pitch", Kind::Any)]),
    speech("s", &[]),
    speech("say-as", &[("interpret-as", Kind::Any), ("format", Kind::Any)]),
    speech("sub", &[("alias", Kind::Any)]),
    speech("w", &[("role", Kind::Any)]),
];

/// Whether an element and everything in it is as TwiML wants it.
pub(super) fn check(element: &Element) -> Result<(), String> {
    let name = &element.name;
    let rule = RULES.iter().find(|rule| rule.name == name).ok_or_else(|| format!("there is no <{name}>"))?;
    for (attribute, value) in &element.attributes {
        let known = rule.attributes.iter().find(|(known, _)| known == attribute);
        let (_, kind) = known.ok_or_else(|| format!("<{name}> has no attribute {attribute}"))?;
        if !kind.takes(value) {
            return Err(format!("{attribute}=\"{value}\" of <{name}> is no such value"));
        }
    }
    match rule.text {
        Text::None if element.has_words => return Err(format!("<{name}> says something itself")),
        Text::Address if !element.text.is_empty() && !Kind::Address.takes(&element.text) => {
            return Err(format!("<{name}> holds no address"));
        }
        _ => {}
    }
    for child in &element.children {
        if !rule.children.contains(&child.name.as_str()) {
            return Err(misplaced(name, &child.name));
        }
        check(child)?;
    }
    Ok(())
}

fn misplaced(parent: &str, child: &str) -> String {
    let unplayed = match parent {
        "Response" => UNPLAYED,
        "Dial" => UNPLAYED_NOUNS,
        _ => &[],
    };
    if unplayed.contains(&child) {
        return format!("<{child}> is Twilio's, but nothing that the simulated carrier plays");
    }
    format!("<{child}> does not belong into <{parent}>")
}

impl Kind {
    fn takes(self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Address => !value.is_empty() && is_address(value),
            Self::Method => ["GET", "POST"].contains(&value),
            Self::Truth => ["true", "false"].contains(&value),
            Self::Whole(least, most) => {
                let is_whole = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                is_whole && value.parse().is_ok_and(|value: u32| (least..=most).contains(&value))
            }
            Self::WholeOrAuto(least, most) => value == "auto" || Self::Whole(least, most).takes(value),
            Self::Keys => value.chars().all(|c| c.is_ascii_digit() || "*#".contains(c)),
            Self::Tones => value.chars().all(|c| c.is_ascii_digit() || "*#wW".contains(c)),
            Self::OneOf(words) => words.contains(&value),
            Self::Words(words) => {
                let mut given = value.split_ascii_whitespace().peekable();
                given.peek().is_some() && given.all(|word| words.contains(&word))
            }
        }
    }
}

/// Absolute by HTTP, or relative to one that is.
fn is_address(text: &str) -> bool {
    let Ok(anywhere) = Url::parse("https://relative.invalid/a/b") else { return false };
    let found = anywhere.join(text);
    !text.contains(char::is_whitespace)
        && found.is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::super::xml::parse;
    use super::*;

    fn checked(body: &str) -> Result<(), String> {
        check(&parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn good_documents_pass() {
        for body in [
            "<Response/>",
            "<Response><Say voice=\"alice\">Hello <break time=\"1s\"/><emphasis>you</emphasis></Say></Response>",
            "<Response><Gather input=\"dtmf speech\" timeout=\"auto\" finishOnKey=\"\"><Pause/></Gather></Response>",
            "<Response><Dial callerId=\"+1\">+13035550100</Dial></Response>",
            "<Response><Redirect>../a?b=c&amp;d=e#rc=2</Redirect></Response>",
        ] {
            assert_eq!(checked(body), Ok(()), "{body}");
        }
    }

    #[test]
    fn each_fault_has_its_sentence() {
        for (body, expected) in [
            ("<Response><Shout/></Response>", "<Shout> does not belong into <Response>"),
            ("<Response><Enqueue/></Response>", "<Enqueue> is Twilio's, but nothing that the simulated carrier plays"),
            ("<Response>Hello</Response>", "<Response> says something itself"),
            ("<Response><Pause length=\"-1\"/></Response>", "length=\"-1\" of <Pause> is no such value"),
            ("<Response><Say volume=\"9\">x</Say></Response>", "<Say> has no attribute volume"),
            ("<Response><Redirect>mailto:a@b</Redirect></Response>", "<Redirect> holds no address"),
            ("<response/>", "there is no <response>"),
        ] {
            assert_eq!(checked(body), Err(expected.to_owned()), "{body}");
        }
    }
}
