//! Reads the response to a request for TwiML: its verbs, or Twilio's error.
//! Source: Twilio, "TwiML for Programmable Voice"; "Error and warning dictionary".

use std::collections::VecDeque;

use axum::http::StatusCode;

use super::super::webhook::{MAX_RESPONSE_BYTES, Method, WebhookError, WebhookResponse};
use super::grammar;
use super::xml::{self, Element};

/// Source: Twilio, "TwiML: Dial": up to ten.
const MAX_NUMBERS: usize = 10;
/// The most repetitions of a prompt. At Twilio, `loop="0"` repeats indefinitely.
const MAX_LOOPS: u32 = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verb {
    Say {
        text: String,
        times: u32,
    },
    /// `media` is the URL or the tones, as the transcript shows it.
    Play {
        media: String,
        times: u32,
    },
    Pause {
        seconds: u32,
    },
    Gather(Gather),
    Dial(Dial),
    Record(Record),
    Redirect(Endpoint),
    Hangup,
    Reject {
        status: &'static str,
    },
}

/// A URL with its method. Without an address, the URL of the current document is used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Endpoint {
    pub(super) address: Option<String>,
    pub(super) method: Method,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gather {
    pub(super) action: Endpoint,
    pub(super) timeout: u32,
    pub(super) finish_on: String,
    pub(super) num_digits: Option<usize>,
    pub(super) on_empty: bool,
    pub(super) barge_in: bool,
    /// True if `input` includes DTMF.
    pub(super) dtmf: bool,
    pub(super) prompts: Vec<Verb>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dial {
    /// Without an address, the current document continues.
    pub(super) action: Endpoint,
    pub(super) timeout: u32,
    pub(super) time_limit: u32,
    pub(super) caller_id: Option<String>,
    pub(super) answer_on_bridge: bool,
    pub(super) sequential: bool,
    pub(super) numbers: Vec<Number>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) to: String,
    /// Without an address, the phone is bridged as soon as it is picked up.
    pub(super) screening: Endpoint,
    pub(super) callback: Endpoint,
    pub(super) events: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) action: Endpoint,
    pub(super) timeout: u32,
    pub(super) max_length: u32,
    pub(super) finish_on: String,
    pub(super) beep: bool,
    pub(super) callback: Endpoint,
    /// The recording statuses for which the callback is sent.
    pub(super) events: Vec<String>,
    pub(super) transcribe: bool,
    pub(super) transcribe_callback: Option<String>,
}

/// The verbs of a response, or the error that Twilio's debugger would show.
pub(super) fn read(response: Result<&WebhookResponse, &WebhookError>) -> Result<VecDeque<Verb>, String> {
    let response = response.map_err(|error| match error {
        WebhookError::Connection => "11205 HTTP connection failure".to_owned(),
        WebhookError::Timeout => "11200 HTTP retrieval failure: no response within the time limit".to_owned(),
    })?;
    if response.status != StatusCode::OK {
        return Err(format!("11200 HTTP retrieval failure: {}", response.status.as_u16()));
    }
    if response.body.len() > MAX_RESPONSE_BYTES {
        return Err("11750 TwiML response body too large".to_owned());
    }
    let media_type = response.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !["text/xml", "application/xml"].contains(&media_type.as_str()) {
        return Err(format!("12300 Invalid Content-Type: {media_type}"));
    }
    let root = xml::parse(&response.body).map_err(|error| format!("12100 Document parse failure: {error}"))?;
    if root.name != "Response" {
        return Err(format!("12102 The root element must be Response, but it is {}", root.name));
    }
    grammar::check(&root).map_err(|error| format!("12200 Schema validation warning: {error}"))?;
    root.children.iter().map(verb).collect()
}

/// Like [`read`], for a screening document, which a called phone hears before it is bridged.
/// Source: Twilio, "TwiML: Number", attribute `url`.
pub(super) fn read_screening(response: Result<&WebhookResponse, &WebhookError>) -> Result<VecDeque<Verb>, String> {
    let verbs = read(response)?;
    let rejected = verbs.iter().find_map(|verb| match verb {
        Verb::Dial(_) => Some("Dial"),
        Verb::Record(_) => Some("Record"),
        Verb::Reject { .. } => Some("Reject"),
        _ => None,
    });
    match rejected {
        Some(name) => Err(format!("12200 Schema validation warning: <{name}> is not allowed in a screening document")),
        None => Ok(verbs),
    }
}

fn verb(element: &Element) -> Result<Verb, String> {
    let integer =
        |name: &str, default: u32| element.attribute(name).and_then(|value| value.parse().ok()).unwrap_or(default);
    let times = match integer("loop", 1) {
        0 => MAX_LOOPS,
        times => times.min(MAX_LOOPS),
    };
    Ok(match element.name.as_str() {
        "Say" if element.text.is_empty() => return Err("13520 Say: Invalid text".to_owned()),
        "Say" => Verb::Say { text: element.text.clone(), times },
        "Play" => match element.attribute("digits") {
            Some(digits) => Verb::Play { media: format!("tones {digits}"), times },
            None if element.text.is_empty() => return Err("13420 Play: Invalid Content-Type: no address".to_owned()),
            None => Verb::Play { media: element.text.clone(), times },
        },
        "Pause" => Verb::Pause { seconds: integer("length", 1) },
        "Gather" => Verb::Gather(gather(element, integer("timeout", 5))?),
        "Dial" => Verb::Dial(dial(element, integer("timeout", 30), integer("timeLimit", 14_400))?),
        "Record" => Verb::Record(Record {
            action: endpoint(element, "action", "method"),
            timeout: integer("timeout", 5),
            max_length: integer("maxLength", 3_600),
            finish_on: element.attribute("finishOnKey").unwrap_or("1234567890*#").to_owned(),
            beep: element.attribute("playBeep") != Some("false"),
            callback: endpoint(element, "recordingStatusCallback", "recordingStatusCallbackMethod"),
            events: events(element, "recordingStatusCallbackEvent"),
            transcribe: element.attribute("transcribe") == Some("true"),
            transcribe_callback: element.attribute("transcribeCallback").map(str::to_owned),
        }),
        "Redirect" => {
            let address = Some(element.text.clone()).filter(|address| !address.is_empty());
            Verb::Redirect(Endpoint { address, method: method(element, "method") })
        }
        "Reject" if element.attribute("reason") == Some("busy") => Verb::Reject { status: "busy" },
        "Reject" => Verb::Reject { status: "no-answer" },
        _ => Verb::Hangup,
    })
}

fn method(element: &Element, name: &str) -> Method {
    if element.attribute(name) == Some("GET") { Method::Get } else { Method::Post }
}

/// The events of a callback. Without the attribute, only `completed`.
fn events(element: &Element, name: &str) -> Vec<String> {
    let events = element.attribute(name).unwrap_or("completed");
    events.split_ascii_whitespace().map(str::to_owned).collect()
}

fn endpoint(element: &Element, address: &str, method_name: &str) -> Endpoint {
    Endpoint { address: element.attribute(address).map(str::to_owned), method: method(element, method_name) }
}

fn gather(element: &Element, timeout: u32) -> Result<Gather, String> {
    let input = element.attribute("input").unwrap_or("dtmf");
    Ok(Gather {
        action: endpoint(element, "action", "method"),
        timeout,
        finish_on: element.attribute("finishOnKey").unwrap_or("#").to_owned(),
        num_digits: element.attribute("numDigits").and_then(|value| value.parse().ok()),
        on_empty: element.attribute("actionOnEmptyResult") == Some("true"),
        barge_in: element.attribute("bargeIn") != Some("false"),
        dtmf: input.split_ascii_whitespace().any(|input| input == "dtmf"),
        prompts: element.children.iter().map(verb).collect::<Result<_, _>>()?,
    })
}

fn dial(element: &Element, timeout: u32, time_limit: u32) -> Result<Dial, String> {
    let mut numbers = Vec::new();
    if element.has_text {
        let to = element.text.clone();
        numbers.push(Number { to, screening: Endpoint::default(), callback: Endpoint::default(), events: Vec::new() });
    }
    for number in &element.children {
        numbers.push(Number {
            to: number.text.clone(),
            screening: endpoint(number, "url", "method"),
            callback: endpoint(number, "statusCallback", "statusCallbackMethod"),
            events: events(number, "statusCallbackEvent"),
        });
    }
    if element.has_text && numbers.len() > 1 {
        return Err("12200 Schema validation warning: <Dial> must not contain both text and nouns".to_owned());
    }
    if numbers.is_empty() || numbers.iter().any(|number| !is_phone(&number.to)) {
        return Err("13223 Dial: Invalid phone number format".to_owned());
    }
    if numbers.len() > MAX_NUMBERS {
        return Err("12200 Schema validation warning: <Dial> must not contain more than ten numbers".to_owned());
    }
    Ok(Dial {
        action: endpoint(element, "action", "method"),
        timeout,
        time_limit,
        caller_id: element.attribute("callerId").map(str::to_owned),
        answer_on_bridge: element.attribute("answerOnBridge") == Some("true"),
        sequential: element.attribute("sequential") == Some("true"),
        numbers,
    })
}

/// True if the text is a phone number in E.164.
pub(super) fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(body: &str) -> WebhookResponse {
        WebhookResponse { status: StatusCode::OK, content_type: "text/xml".to_owned(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn missing_attributes_have_twilios_defaults() {
        let body = "<Response><Gather/><Record/><Dial>+13035550100</Dial><Redirect/></Response>";
        let verbs = read(Ok(&response(body))).unwrap();
        let [Verb::Gather(gather), Verb::Record(record), Verb::Dial(dial), Verb::Redirect(to)] = verbs.as_slices().0
        else {
            panic!("{verbs:?}")
        };
        assert_eq!((gather.timeout, gather.finish_on.as_str(), gather.num_digits), (5, "#", None));
        assert!(gather.barge_in && gather.dtmf && !gather.on_empty && gather.action.address.is_none());
        assert_eq!((record.timeout, record.max_length, record.finish_on.len()), (5, 3_600, 12));
        assert_eq!((dial.timeout, dial.numbers[0].to.as_str()), (30, "+13035550100"));
        assert_eq!(to, &Endpoint::default());
    }

    #[test]
    fn a_screening_document_must_not_dial() {
        let dials = response("<Response><Dial>+13035550100</Dial></Response>");
        assert!(read(Ok(&dials)).is_ok() && read_screening(Ok(&dials)).is_err());
    }
}
