//! Renders plans as TwiML documents, without any call logic.
//! Source: Twilio, "TwiML for Programmable Voice".

use std::borrow::Cow;
use std::io;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::writer::Writer;

use super::call_urls::CallUrls;
use crate::domain::ivr::{LegPlan, Plan, VOICEMAIL_SECONDS};
use crate::service::calls::Dial;

/// How long to wait for the caller's next digit, in seconds.
const DIGIT_TIMEOUT: &str = "5";
/// How long to wait for the key of a user who picked up, in seconds.
const PRESS_TIMEOUT: &str = "8";
/// The silence that ends a voicemail, in seconds.
const SILENCE_TIMEOUT: &str = "6";
/// Maximum length of the text of one `Say`; Twilio's limit is 4,096 characters. Source: Twilio, "TwiML: Say".
const MAX_SAY_CHARS: usize = 4_000;

/// A TwiML document.
pub type Document = String;

type Xml = Writer<Vec<u8>>;

/// A response without verbs. Automatic texts are sent through the outbox, never in a response.
pub fn empty_response() -> Response {
    response(empty_document())
}

/// A document without verbs.
pub(super) fn empty_document() -> Document {
    document(|_| Ok(()))
}

pub fn response(document: Document) -> Response {
    ([(CONTENT_TYPE, "text/xml")], document).into_response()
}

/// The instructions for the caller's leg.
pub(super) fn plan(plan: &Plan, urls: &CallUrls<'_>) -> Document {
    document(|xml| match plan {
        Plan::Menu { pause, say, next } => {
            if *pause > 0 {
                xml.create_element("Pause").with_attribute(("length", pause.to_string().as_str())).write_empty()?;
            }
            let action = urls.step("menu", next);
            let gather = xml.create_element("Gather").with_attributes([
                ("input", "dtmf"),
                ("timeout", DIGIT_TIMEOUT),
                ("finishOnKey", "#"),
                ("actionOnEmptyResult", "true"),
                ("action", action.as_str()),
                ("method", "POST"),
            ]);
            gather.write_inner_content(|xml| speak(xml, say)).map(drop)
        }
        Plan::Ring { say, phones, caller_id, seconds, next } => {
            if let Some(say) = say {
                speak(xml, say)?;
            }
            let (action, seconds) = (urls.step("dialled", next), seconds.to_string());
            let dial = xml.create_element("Dial").with_attributes([
                ("callerId", caller_id.as_str()),
                ("timeout", seconds.as_str()),
                ("answerOnBridge", "true"),
                ("action", action.as_str()),
                ("method", "POST"),
            ]);
            let numbers = |xml: &mut Xml| {
                for (user, e164) in phones {
                    let url = urls.leg("screen", next.step, Some(*user));
                    number(xml, e164, Some(&url), &urls.leg("leg", next.step, Some(*user)))?;
                }
                Ok(())
            };
            dial.write_inner_content(numbers).map(drop)
        }
        Plan::Voicemail { say, next } => {
            speak(xml, say)?;
            let length = VOICEMAIL_SECONDS.to_string();
            let (action, transcript) = (urls.step("recorded", next), urls.callback("transcription", next));
            let recording = urls.callback("recording", next);
            xml.create_element("Record")
                .with_attributes([
                    ("maxLength", length.as_str()),
                    ("timeout", SILENCE_TIMEOUT),
                    ("finishOnKey", "#"),
                    ("playBeep", "true"),
                    ("action", action.as_str()),
                    ("method", "POST"),
                    ("recordingStatusCallback", recording.as_str()),
                    ("recordingStatusCallbackEvent", "completed absent"),
                    ("transcribe", "true"),
                    ("transcribeCallback", transcript.as_str()),
                ])
                .write_empty()?;
            // Twilio reaches this verb only if nothing was recorded.
            let silent = urls.step("silent", next);
            xml.create_element("Redirect")
                .with_attribute(("method", "POST"))
                .write_text_content(BytesText::new(&silent))
                .map(drop)
        }
        Plan::HangUp { say } => say_and_hang_up(xml, say.as_deref()),
    })
}

/// Tells a caller that no agency has the number.
pub(super) fn not_in_service() -> Document {
    document(|xml| say_and_hang_up(xml, Some("This number is not in service. Goodbye.")))
}

/// The instructions for a user's phone. Twilio sends the pressed key to `action`.
pub(super) fn leg(plan: &LegPlan, action: &str) -> Document {
    document(|xml| match plan {
        LegPlan::Ask { say } => {
            let gather = xml.create_element("Gather").with_attributes([
                ("input", "dtmf"),
                ("numDigits", "1"),
                ("timeout", PRESS_TIMEOUT),
                ("action", action),
                ("method", "POST"),
            ]);
            gather.write_inner_content(|xml| speak(xml, say))?;
            // At the end of the document, Twilio would connect the caller to whatever picked up.
            hang_up(xml)
        }
        LegPlan::Connect => Ok(()),
        LegPlan::Leave { say } => {
            speak(xml, say)?;
            hang_up(xml)
        }
    })
}

/// Connects the user of an outbound call to the contact.
pub(super) fn dial(dial: &Dial, action: &str, reports: &str) -> Document {
    let (timeout, limit) = (dial.ring_seconds.to_string(), dial.limit_seconds.to_string());
    document(|xml| {
        let element = xml.create_element("Dial").with_attributes([
            ("callerId", dial.from.as_str()),
            ("timeout", timeout.as_str()),
            ("timeLimit", limit.as_str()),
            ("answerOnBridge", "true"),
            ("action", action),
            ("method", "POST"),
        ]);
        element.write_inner_content(|xml| number(xml, &dial.to, None, reports)).map(drop)
    })
}

fn document(write: impl FnOnce(&mut Xml) -> io::Result<()>) -> Document {
    let mut xml = Writer::new(Vec::with_capacity(512));
    let whole = |xml: &mut Xml| {
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let begin = xml.get_ref().len();
        xml.create_element("Response").write_inner_content(write)?;
        // Twilio's own library writes a document without verbs as an empty element.
        if &xml.get_ref()[begin..] == EMPTY {
            xml.get_mut().truncate(begin);
            xml.create_element("Response").write_empty()?;
        }
        Ok::<_, io::Error>(())
    };
    // Writing to memory does not fail, and everything written is UTF-8.
    match whole(&mut xml).map(|()| String::from_utf8(xml.into_inner())) {
        Ok(Ok(document)) => document,
        Ok(Err(_)) | Err(_) => "<Response><Hangup/></Response>".to_owned(),
    }
}

const EMPTY: &[u8] = b"<Response></Response>";

fn speak(xml: &mut Xml, text: &str) -> io::Result<()> {
    let text = if text.len() <= MAX_SAY_CHARS && text.chars().all(is_xml) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().take(MAX_SAY_CHARS).map(|c| if is_xml(c) { c } else { ' ' }).collect())
    };
    xml.create_element("Say").write_text_content(BytesText::new(&text)).map(drop)
}

/// Source: XML 1.0, section 2.2.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn number(xml: &mut Xml, e164: &str, url: Option<&str>, reports: &str) -> io::Result<()> {
    let mut number = xml.create_element("Number");
    if let Some(url) = url {
        number = number.with_attributes([("url", url), ("method", "POST")]);
    }
    number
        .with_attributes([
            ("statusCallback", reports),
            ("statusCallbackEvent", "initiated ringing answered completed"),
            ("statusCallbackMethod", "POST"),
        ])
        .write_text_content(BytesText::new(e164))
        .map(drop)
}

fn say_and_hang_up(xml: &mut Xml, say: Option<&str>) -> io::Result<()> {
    if let Some(say) = say {
        speak(xml, say)?;
    }
    hang_up(xml)
}

fn hang_up(xml: &mut Xml) -> io::Result<()> {
    xml.create_element("Hangup").write_empty().map(drop)
}

#[cfg(test)]
mod tests;
