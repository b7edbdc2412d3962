//! The grammar of TwiML: the attributes, children and text that each element allows.
//! Source: Twilio, "TwiML for Programmable Voice" (a page per verb and noun), and the classes of its
//! Python helper, `twilio.twiml.voice_response`.

use url::Url;

use super::xml::Element;

/// The type of an attribute.
#[derive(Debug, Clone, Copy)]
enum ValueType {
    Any,
    Address,
    Method,
    Boolean,
    /// An integer between the given limits, inclusive.
    Integer(u32, u32),
    /// `Integer` or `auto`.
    IntegerOrAuto(u32, u32),
    /// Zero or more keys of a phone.
    Keys,
    /// Keys of a phone, and `w` for a pause of half a second.
    Tones,
    OneOf(&'static [&'static str]),
    /// One or more of these words, separated by spaces.
    Words(&'static [&'static str]),
}

/// The text that an element may contain itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    None,
    Some,
    Address,
}

struct Rule {
    name: &'static str,
    attributes: &'static [(&'static str, ValueType)],
    children: &'static [&'static str],
    text: Text,
}

const VERBS: &[&str] = &["Say", "Play", "Pause", "Gather", "Dial", "Record", "Redirect", "Hangup", "Reject"];
/// Verbs of Twilio that the simulator does not support.
const UNSUPPORTED_VERBS: &[&str] =
    &["Connect", "Echo", "Enqueue", "Leave", "Pay", "Prompt", "Queue", "Refer", "Sms", "Start", "Stop"];
const UNSUPPORTED_NOUNS: &[&str] = &["Application", "Client", "Conference", "Queue", "Sim", "Sip", "WhatsApp"];
const SPEECH: &[&str] = &["break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"];
const RECORDING: &[&str] = &["in-progress", "completed", "absent", "failed"];
const TRIM: ValueType = ValueType::OneOf(&["trim-silence", "do-not-trim"]);
const DAY: u32 = 24 * 60 * 60;

const fn speech(name: &'static str, attributes: &'static [(&'static str, ValueType)]) -> Rule {
    Rule { name, attributes, children: SPEECH, text: Text::Some }
}

const RULES: &[Rule] = &[
    Rule { name: "Response", attributes: &[], children: VERBS, text: Text::None },
    Rule {
        name: "Say",
        attributes: &[("voice", ValueType::Any), ("language", ValueType::Any), ("loop", ValueType::Integer(0, 1_000))],
        children: SPEECH,
        text: Text::Some,
    },
    Rule {
        name: "Play",
        attributes: &[("loop", ValueType::Integer(0, 1_000)), ("digits", ValueType::Tones)],
        children: &[],
        text: Text::Address,
    },
    Rule { name: "Pause", attributes: &[("length", ValueType::Integer(1, DAY))], children: &[], text: Text::None },
    Rule {
        name: "Gather",
        attributes: &[
            ("input", ValueType::Words(&["dtmf", "speech"])),
            ("action", ValueType::Address),
            ("method", ValueType::Method),
            ("timeout", ValueType::IntegerOrAuto(1, DAY)),
            ("speechTimeout", ValueType::IntegerOrAuto(1, DAY)),
            ("maxSpeechTime", ValueType::Integer(1, DAY)),
            ("profanityFilter", ValueType::Boolean),
            ("finishOnKey", ValueType::Keys),
            ("numDigits", ValueType::Integer(1, 1_000)),
            ("partialResultCallback", ValueType::Address),
            ("partialResultCallbackMethod", ValueType::Method),
            ("language", ValueType::Any),
            ("hints", ValueType::Any),
            ("bargeIn", ValueType::Boolean),
            ("debug", ValueType::Boolean),
            ("actionOnEmptyResult", ValueType::Boolean),
            ("speechModel", ValueType::Any),
            ("enhanced", ValueType::Boolean),
        ],
        children: &["Say", "Play", "Pause"],
        text: Text::None,
    },
    Rule {
        name: "Dial",
        attributes: &[
            ("action", ValueType::Address),
            ("method", ValueType::Method),
            ("timeout", ValueType::Integer(1, 600)),
            ("hangupOnStar", ValueType::Boolean),
            ("timeLimit", ValueType::Integer(1, DAY)),
            ("callerId", ValueType::Any),
            (
                "record",
                ValueType::OneOf(&[
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
            ("recordingStatusCallback", ValueType::Address),
            ("recordingStatusCallbackMethod", ValueType::Method),
            ("recordingStatusCallbackEvent", ValueType::Words(RECORDING)),
            ("recordingConfigurationId", ValueType::Any),
            ("recordingTrack", ValueType::OneOf(&["inbound", "outbound", "both"])),
            ("answerOnBridge", ValueType::Boolean),
            ("ringTone", ValueType::Any),
            ("sequential", ValueType::Boolean),
            ("referUrl", ValueType::Address),
            ("referMethod", ValueType::Method),
            ("events", ValueType::Any),
            ("passports", ValueType::Any),
        ],
        children: &["Number"],
        text: Text::Some,
    },
    Rule {
        name: "Number",
        attributes: &[
            ("sendDigits", ValueType::Tones),
            ("url", ValueType::Address),
            ("method", ValueType::Method),
            ("statusCallback", ValueType::Address),
            ("statusCallbackMethod", ValueType::Method),
            ("statusCallbackEvent", ValueType::Words(&["initiated", "ringing", "answered", "completed"])),
            ("byoc", ValueType::Any),
            ("machineDetection", ValueType::OneOf(&["Enable", "DetectMessageEnd"])),
            ("machineDetectionTimeout", ValueType::Integer(3, 60)),
            ("machineDetectionSpeechThreshold", ValueType::Integer(1_000, 6_000)),
            ("machineDetectionSpeechEndThreshold", ValueType::Integer(500, 5_000)),
            ("machineDetectionSilenceTimeout", ValueType::Integer(2_000, 10_000)),
            ("amdStatusCallback", ValueType::Address),
            ("amdStatusCallbackMethod", ValueType::Method),
        ],
        children: &[],
        text: Text::Some,
    },
    Rule {
        name: "Record",
        attributes: &[
            ("action", ValueType::Address),
            ("method", ValueType::Method),
            ("timeout", ValueType::Integer(0, DAY)),
            ("finishOnKey", ValueType::Keys),
            ("maxLength", ValueType::Integer(1, DAY)),
            ("playBeep", ValueType::Boolean),
            ("trim", TRIM),
            ("recordingStatusCallback", ValueType::Address),
            ("recordingStatusCallbackMethod", ValueType::Method),
            ("recordingStatusCallbackEvent", ValueType::Words(RECORDING)),
            ("recordingConfigurationId", ValueType::Any),
            ("transcribe", ValueType::Boolean),
            ("transcribeCallback", ValueType::Address),
        ],
        children: &[],
        text: Text::None,
    },
    Rule { name: "Redirect", attributes: &[("method", ValueType::Method)], children: &[], text: Text::Address },
    Rule { name: "Hangup", attributes: &[], children: &[], text: Text::None },
    Rule {
        name: "Reject",
        attributes: &[("reason", ValueType::OneOf(&["rejected", "busy"]))],
        children: &[],
        text: Text::None,
    },
    Rule {
        name: "break",
        attributes: &[("strength", ValueType::Any), ("time", ValueType::Any)],
        children: &[],
        text: Text::None,
    },
    speech("emphasis", &[("level", ValueType::OneOf(&["strong", "moderate", "reduced"]))]),
    speech("lang", &[("xml:lang", ValueType::Any)]),
    speech("p", &[]),
    speech("phoneme", &[("alphabet", ValueType::Any), ("ph", ValueType::Any)]),
    speech("prosody", &[("volume", ValueType::Any), ("rate", ValueType::Any), ("pitch", ValueType::Any)]),
    speech("s", &[]),
    speech("say-as", &[("interpret-as", ValueType::Any), ("format", ValueType::Any)]),
    speech("sub", &[("alias", ValueType::Any)]),
    speech("w", &[("role", ValueType::Any)]),
];

/// Checks an element and its children. The error is a description of the first violation.
pub(super) fn check(element: &Element) -> Result<(), String> {
    let name = &element.name;
    let rule =
        RULES.iter().find(|rule| rule.name == name).ok_or_else(|| format!("<{name}> is not an element of TwiML"))?;
    for (attribute, value) in &element.attributes {
        let known = rule.attributes.iter().find(|(known, _)| known == attribute);
        let (_, value_type) = known.ok_or_else(|| format!("<{name}> has no attribute {attribute}"))?;
        if !value_type.accepts(value) {
            return Err(format!("{attribute}=\"{value}\" is not a valid value in <{name}>"));
        }
    }
    match rule.text {
        Text::None if element.has_text => return Err(format!("<{name}> must not contain text")),
        Text::Address if !element.text.is_empty() && !ValueType::Address.accepts(&element.text) => {
            return Err(format!("<{name}> must contain a URL"));
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
    let unsupported = match parent {
        "Response" => UNSUPPORTED_VERBS,
        "Dial" => UNSUPPORTED_NOUNS,
        _ => &[],
    };
    if unsupported.contains(&child) {
        return format!("<{child}> is not supported by the simulator");
    }
    format!("<{child}> is not allowed in <{parent}>")
}

impl ValueType {
    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Address => !value.is_empty() && is_address(value),
            Self::Method => ["GET", "POST"].contains(&value),
            Self::Boolean => ["true", "false"].contains(&value),
            Self::Integer(min, max) => {
                let is_integer = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                is_integer && value.parse().is_ok_and(|value: u32| (min..=max).contains(&value))
            }
            Self::IntegerOrAuto(min, max) => value == "auto" || Self::Integer(min, max).accepts(value),
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

/// True for an absolute HTTP URL, and for a URL relative to one.
fn is_address(text: &str) -> bool {
    let Ok(base) = Url::parse("https://relative.invalid/a/b") else { return false };
    let url = base.join(text);
    !text.contains(char::is_whitespace)
        && url.is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::super::xml::parse;
    use super::*;

    fn checked(body: &str) -> Result<(), String> {
        check(&parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn valid_documents_pass() {
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
    fn each_violation_is_described() {
        for (body, expected) in [
            ("<Response><Shout/></Response>", "<Shout> is not allowed in <Response>"),
            ("<Response><Enqueue/></Response>", "<Enqueue> is not supported by the simulator"),
            ("<Response>Hello</Response>", "<Response> must not contain text"),
            ("<Response><Pause length=\"-1\"/></Response>", "length=\"-1\" is not a valid value in <Pause>"),
            ("<Response><Say volume=\"9\">x</Say></Response>", "<Say> has no attribute volume"),
            ("<Response><Redirect>mailto:a@b</Redirect></Response>", "<Redirect> must contain a URL"),
            ("<response/>", "<response> is not an element of TwiML"),
        ] {
            assert_eq!(checked(body), Err(expected.to_owned()), "{body}");
        }
    }
}
