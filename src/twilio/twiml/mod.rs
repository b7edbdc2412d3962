//! What Twilio is told to do: plans become TwiML here, and nothing is decided.
//! Source: Twilio, "TwiML for Programmable Voice".

use std::borrow::Cow;
use std::io;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::writer::Writer;

use super::links::Links;
use crate::domain::ivr::{LegPlan, Plan, VOICEMAIL_SECONDS};
use crate::service::calls::Dial;

/// How long a caller may think between two keys, in seconds.
const KEYS_WITHIN: &str = "5";
/// How long whoever picks a phone up may think, in seconds.
const PRESS_WITHIN: &str = "8";
/// After so much silence a voicemail is over, in seconds.
const SILENCE: &str = "6";
/// More than one `Say` holds. Source: Twilio, "TwiML: Say".
const MAX_SAY_CHARS: usize = 4_000;

/// A document.
pub type Document = String;

type Xml = Writer<Vec<u8>>;

/// Nothing: automatic texts go through the outbox, never through an answer.
pub fn nothing() -> Response {
    answer(empty())
}

/// A document that asks for nothing.
pub(super) fn empty() -> Document {
    document(|_| Ok(()))
}

/// The answer that a document is.
pub fn answer(document: Document) -> Response {
    ([(CONTENT_TYPE, "text/xml")], document).into_response()
}

/// What a caller is told.
pub(super) fn plan(plan: &Plan, links: &Links<'_>) -> Document {
    document(|xml| match plan {
        Plan::Menu { pause, say, next } => {
            if *pause > 0 {
                xml.create_element("Pause").with_attribute(("length", pause.to_string().as_str())).write_empty()?;
            }
            let action = links.step("menu", next);
            let gather = xml.create_element("Gather").with_attributes([
                ("input", "dtmf"),
                ("timeout", KEYS_WITHIN),
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
            let (action, seconds) = (links.step("dialled", next), seconds.to_string());
            let dial = xml.create_element("Dial").with_attributes([
                ("callerId", caller_id.as_str()),
                ("timeout", seconds.as_str()),
                ("answerOnBridge", "true"),
                ("action", action.as_str()),
                ("method", "POST"),
            ]);
            let numbers = |xml: &mut Xml| {
                for (user, e164) in phones {
                    let url = links.leg("screen", next.step, Some(*user));
                    number(xml, e164, Some(&url), &links.leg("leg", next.step, Some(*user)))?;
                }
                Ok(())
            };
            dial.write_inner_content(numbers).map(drop)
        }
        Plan::Voicemail { say, next } => {
            speak(xml, say)?;
            let length = VOICEMAIL_SECONDS.to_string();
            let (action, transcript) = (links.step("recorded", next), links.reported("transcription", next));
            let recording = links.reported("recording", next);
            xml.create_element("Record")
                .with_attributes([
                    ("maxLength", length.as_str()),
                    ("timeout", SILENCE),
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
            // Reached only if nothing was said.
            let silent = links.step("silent", next);
            xml.create_element("Redirect")
                .with_attribute(("method", "POST"))
                .write_text_content(BytesText::new(&silent))
                .map(drop)
        }
        Plan::HangUp { say } => {
            if let Some(say) = say {
                speak(xml, say)?;
            }
            hang_up(xml)
        }
    })
}

/// What a phone of the staff is told; `action` takes its key.
pub(super) fn leg(plan: &LegPlan, action: &str) -> Document {
    document(|xml| match plan {
        LegPlan::Ask { say } => {
            let gather = xml.create_element("Gather").with_attributes([
                ("input", "dtmf"),
                ("numDigits", "1"),
                ("timeout", PRESS_WITHIN),
                ("action", action),
                ("method", "POST"),
            ]);
            gather.write_inner_content(|xml| speak(xml, say))?;
            // Falling through would connect whatever has picked up.
            hang_up(xml)
        }
        LegPlan::Connect => Ok(()),
        LegPlan::Leave { say } => {
            speak(xml, say)?;
            hang_up(xml)
        }
    })
}

/// Connects a user who asked for it with a contact.
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
        // One without a verb, as Twilio's own library writes it.
        if &xml.get_ref()[begin..] == EMPTY {
            xml.get_mut().truncate(begin);
            xml.create_element("Response").write_empty()?;
        }
        Ok::<_, io::Error>(())
    };
    // Writing to memory does not fail, and all that is written is text.
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

fn hang_up(xml: &mut Xml) -> io::Result<()> {
    xml.create_element("Hangup").write_empty().map(drop)
}

#[cfg(test)]
mod tests;
