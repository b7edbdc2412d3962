//! Documents as they are followed, or Twilio's error about them.
//! Source: Twilio, "TwiML for Programmable Voice"; "Error and warning dictionary".

use std::collections::VecDeque;

use axum::http::StatusCode;

use super::super::webhook::{Answer, MAX_ANSWER_BYTES, Method, NoAnswer};
use super::grammar;
use super::xml::{self, Element};

/// Source: Twilio, "TwiML: Dial": up to ten.
const MOST_NUMBERS: usize = 10;
/// What `loop="0"` comes to, which is for ever at Twilio.
const ENDLESS: u32 = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verb {
    Say {
        words: String,
        times: u32,
    },
    /// What is played, as the transcript shows it.
    Play {
        what: String,
        times: u32,
    },
    Pause {
        seconds: u32,
    },
    Gather(Gather),
    Dial(Dial),
    Record(Record),
    Redirect(Request),
    Hangup,
    Reject {
        status: &'static str,
    },
}

/// An address to ask for more; `None` is the one that the document itself came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Request {
    pub(super) address: Option<String>,
    pub(super) method: Method,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gather {
    pub(super) action: Request,
    pub(super) timeout: u32,
    pub(super) finish_on: String,
    pub(super) num_digits: Option<usize>,
    pub(super) on_empty: bool,
    pub(super) barge_in: bool,
    /// Whether keys are listened for, and not only speech.
    pub(super) keys: bool,
    pub(super) prompts: Vec<Verb>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dial {
    /// Without an address the document goes on.
    pub(super) action: Request,
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
    /// Without an address it is bridged as soon as it is picked up.
    pub(super) screening: Request,
    pub(super) callback: Request,
    pub(super) events: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) action: Request,
    pub(super) timeout: u32,
    pub(super) max_length: u32,
    pub(super) finish_on: String,
    pub(super) beep: bool,
    pub(super) callback: Request,
    /// The recording's statuses that the callback is sent for.
    pub(super) events: Vec<String>,
    pub(super) transcribe: bool,
    pub(super) transcribe_callback: Option<String>,
}

/// The verbs of an answer, or what Twilio's debugger would say.
pub(super) fn read(answer: Result<&Answer, &NoAnswer>) -> Result<VecDeque<Verb>, String> {
    let answer = answer.map_err(|why| match why {
        NoAnswer::Connection => "11205 HTTP connection failure".to_owned(),
        NoAnswer::Timeout => "11200 HTTP retrieval failure: no answer in time".to_owned(),
    })?;
    if answer.status != StatusCode::OK {
        return Err(format!("11200 HTTP retrieval failure: {}", answer.status.as_u16()));
    }
    if answer.body.len() > MAX_ANSWER_BYTES {
        return Err("11750 TwiML response body too large".to_owned());
    }
    let media_type = answer.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !["text/xml", "application/xml"].contains(&media_type.as_str()) {
        return Err(format!("12300 Invalid Content-Type: {media_type}"));
    }
    let root = xml::parse(&answer.body).map_err(|why| format!("12100 Document parse failure: {why}"))?;
    if root.name != "Response" {
        return Err(format!("12102 The root element must be Response: it is {}", root.name));
    }
    grammar::check(&root).map_err(|why| format!("12200 Schema validation warning: {why}"))?;
    root.children.iter().map(verb).collect()
}

/// The same for a document that is run for a phone before it is bridged.
/// Source: Twilio, "TwiML: Number", attribute `url`.
pub(super) fn read_screening(answer: Result<&Answer, &NoAnswer>) -> Result<VecDeque<Verb>, String> {
    let verbs = read(answer)?;
    let refused = verbs.iter().find_map(|verb| match verb {
        Verb::Dial(_) => Some("Dial"),
        Verb::Record(_) => Some("Record"),
        Verb::Reject { .. } => Some("Reject"),
        _ => None,
    });
    match refused {
        Some(name) => Err(format!("12200 Schema validation warning: <{name}> before a phone is bridged")),
        None => Ok(verbs),
    }
}

fn verb(element: &Element) -> Result<Verb, String> {
    let whole =
        |name: &str, otherwise: u32| element.attribute(name).and_then(|value| value.parse().ok()).unwrap_or(otherwise);
    let times = match whole("loop", 1) {
        0 => ENDLESS,
        times => times.min(ENDLESS),
    };
    Ok(match element.name.as_str() {
        "Say" if element.text.is_empty() => return Err("13520 Say: Invalid text".to_owned()),
        "Say" => Verb::Say { words: element.text.clone(), times },
        "Play" => match element.attribute("digits") {
            Some(digits) => Verb::Play { what: format!("tones {digits}"), times },
            None if element.text.is_empty() => return Err("13420 Play: Invalid Content-Type: no address".to_owned()),
            None => Verb::Play { what: element.text.clone(), times },
        },
        "Pause" => Verb::Pause { seconds: whole("length", 1) },
        "Gather" => Verb::Gather(gather(element, whole("timeout", 5))?),
        "Dial" => Verb::Dial(dial(element, whole("timeout", 30), whole("timeLimit", 14_400))?),
        "Record" => Verb::Record(Record {
            action: request(element, "action", "method"),
            timeout: whole("timeout", 5),
            max_length: whole("maxLength", 3_600),
            finish_on: element.attribute("finishOnKey").unwrap_or("1234567890*#").to_owned(),
            beep: element.attribute("playBeep") != Some("false"),
            callback: request(element, "recordingStatusCallback", "recordingStatusCallbackMethod"),
            events: words(element, "recordingStatusCallbackEvent"),
            transcribe: element.attribute("transcribe") == Some("true"),
            transcribe_callback: element.attribute("transcribeCallback").map(str::to_owned),
        }),
        "Redirect" => {
            let address = Some(element.text.clone()).filter(|address| !address.is_empty());
            Verb::Redirect(Request { address, method: method(element, "method") })
        }
        "Reject" if element.attribute("reason") == Some("busy") => Verb::Reject { status: "busy" },
        "Reject" => Verb::Reject { status: "no-answer" },
        _ => Verb::Hangup,
    })
}

fn method(element: &Element, name: &str) -> Method {
    if element.attribute(name) == Some("GET") { Method::Get } else { Method::Post }
}

/// The events of a callback; without the attribute only `completed`.
fn words(element: &Element, name: &str) -> Vec<String> {
    let words = element.attribute(name).unwrap_or("completed");
    words.split_ascii_whitespace().map(str::to_owned).collect()
}

fn request(element: &Element, address: &str, by: &str) -> Request {
    Request { address: element.attribute(address).map(str::to_owned), method: method(element, by) }
}

fn gather(element: &Element, timeout: u32) -> Result<Gather, String> {
    let input = element.attribute("input").unwrap_or("dtmf");
    Ok(Gather {
        action: request(element, "action", "method"),
        timeout,
        finish_on: element.attribute("finishOnKey").unwrap_or("#").to_owned(),
        num_digits: element.attribute("numDigits").and_then(|value| value.parse().ok()),
        on_empty: element.attribute("actionOnEmptyResult") == Some("true"),
        barge_in: element.attribute("bargeIn") != Some("false"),
        keys: input.split_ascii_whitespace().any(|input| input == "dtmf"),
        prompts: element.children.iter().map(verb).collect::<Result<_, _>>()?,
    })
}

fn dial(element: &Element, timeout: u32, time_limit: u32) -> Result<Dial, String> {
    let mut numbers = Vec::new();
    if element.has_words {
        let to = element.text.clone();
        numbers.push(Number { to, screening: Request::default(), callback: Request::default(), events: Vec::new() });
    }
    for number in &element.children {
        numbers.push(Number {
            to: number.text.clone(),
            screening: request(number, "url", "method"),
            callback: request(number, "statusCallback", "statusCallbackMethod"),
            events: words(number, "statusCallbackEvent"),
        });
    }
    if element.has_words && numbers.len() > 1 {
        return Err("12200 Schema validation warning: <Dial> with both a number and nouns".to_owned());
    }
    if numbers.is_empty() || numbers.iter().any(|number| !is_phone(&number.to)) {
        return Err("13223 Dial: Invalid phone number format".to_owned());
    }
    if numbers.len() > MOST_NUMBERS {
        return Err("12200 Schema validation warning: <Dial> with more than ten numbers".to_owned());
    }
    Ok(Dial {
        action: request(element, "action", "method"),
        timeout,
        time_limit,
        caller_id: element.attribute("callerId").map(str::to_owned),
        answer_on_bridge: element.attribute("answerOnBridge") == Some("true"),
        sequential: element.attribute("sequential") == Some("true"),
        numbers,
    })
}

/// Whether this is a number in E.164.
pub(super) fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer { status: StatusCode::OK, content_type: "text/xml".to_owned(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn what_is_left_out_has_twilios_default() {
        let body = "<Response><Gather/><Record/><Dial>+13035550100</Dial><Redirect/></Response>";
        let verbs = read(Ok(&answer(body))).unwrap();
        let [Verb::Gather(gather), Verb::Record(record), Verb::Dial(dial), Verb::Redirect(to)] = verbs.as_slices().0
        else {
            panic!("{verbs:?}")
        };
        assert_eq!((gather.timeout, gather.finish_on.as_str(), gather.num_digits), (5, "#", None));
        assert!(gather.barge_in && gather.keys && !gather.on_empty && gather.action.address.is_none());
        assert_eq!((record.timeout, record.max_length, record.finish_on.len()), (5, 3_600, 12));
        assert_eq!((dial.timeout, dial.numbers[0].to.as_str()), (30, "+13035550100"));
        assert_eq!(to, &Request::default());
    }

    #[test]
    fn a_phone_that_is_not_bridged_yet_dials_nobody() {
        let dials = answer("<Response><Dial>+13035550100</Dial></Response>");
        assert!(read(Ok(&dials)).is_ok() && read_screening(Ok(&dials)).is_err());
    }
}
