//! Classifies the forms of Twilio's messaging webhooks and renders inbound messages as readable text.
//! Source: Twilio, "Twilio's request to your incoming message webhook"; "Outbound message status in status callbacks".

use super::media_type::{MMS_LAYOUT, essence};

/// More attachments than Twilio sends with one text (its limit is 10).
pub const MAX_MEDIA: usize = 10;

/// The kind of a messaging webhook's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormKind {
    /// An inbound text.
    Text,
    /// A delivery receipt for an outbound text.
    Receipt,
    /// The form does not determine its kind. It is handled as the endpoint that received it expects.
    Unclear,
}

/// The longest `MessageType` that is shown, in bytes. Twilio's values have at most 20 bytes.
const MAX_TYPE_BYTES: usize = 32;

/// Tells inbound texts and delivery receipts apart, so that a webhook URL configured for the wrong event neither loses
/// a text nor stores a receipt as a text. An inbound text has the status `received` and a Body, possibly empty. A
/// receipt has another status and no Body.
pub fn kind_of(form: &[(String, String)]) -> FormKind {
    let has_body = field(form, "Body").is_some();
    match (field(form, "MessageStatus").or_else(|| field(form, "SmsStatus")), has_body) {
        (Some("received" | "receiving"), _) | (None, true) => FormKind::Text,
        (Some(_), false) => FormKind::Receipt,
        (Some(_), true) | (None, false) => FormKind::Unclear,
    }
}

/// Renders an inbound message as text. The Body is kept as received. A location is appended to it. A message without a
/// Body is described by its button or contact card, or else by its message type.
pub fn readable_body(form: &[(String, String)]) -> String {
    let body = field(form, "Body").unwrap_or_default();
    match (body.trim().is_empty(), location(form)) {
        (false, None) => body.to_owned(),
        (false, Some(location)) => format!("{body}\n{location}"),
        (true, Some(location)) => location,
        (true, None) => button(form).or_else(|| other_kind(form)).unwrap_or_else(|| body.to_owned()),
    }
}

fn location(form: &[(String, String)]) -> Option<String> {
    let degrees = |name: &str, most: f64| {
        let text = filled(form, name)?;
        text.parse::<f64>().ok().filter(|degrees| degrees.abs() <= most).map(|_| text)
    };
    let place = degrees("Latitude", 90.0).zip(degrees("Longitude", 180.0));
    let (latitude, longitude) = place?;
    let names: Vec<&str> = ["Label", "Address"].iter().filter_map(|name| filled(form, name)).collect();
    Some(if names.is_empty() {
        format!("Location: {latitude}, {longitude}")
    } else {
        format!("Location: {} ({latitude}, {longitude})", names.join(", "))
    })
}

fn button(form: &[(String, String)]) -> Option<String> {
    let text = filled(form, "ButtonText").map(str::to_owned);
    text.or_else(|| filled(form, "ButtonPayload").map(|payload| format!("Button: {payload}")))
}

/// Describes a message that has no Body, location or button. Media messages need no description.
fn other_kind(form: &[(String, String)]) -> Option<String> {
    let is_card =
        |content_type: &str| matches!(essence(content_type).as_str(), "text/vcard" | "text/x-vcard" | "text/directory");
    let kind = filled(form, "MessageType").unwrap_or_default();
    let mut types = (0..MAX_MEDIA).filter_map(|n| filled(form, &format!("MediaContentType{n}")));
    let first = types.find(|content_type| essence(content_type) != MMS_LAYOUT);
    if kind.eq_ignore_ascii_case("contacts") || first.is_some_and(is_card) {
        return Some("Contact card".to_owned());
    }
    let has_media = filled(form, "NumMedia").is_some_and(|count| count != "0");
    let is_word = kind.len() <= MAX_TYPE_BYTES && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_shown = !has_media && is_word && !kind.is_empty() && !kind.eq_ignore_ascii_case("text");
    is_shown.then(|| format!("Message without text ({kind})"))
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The trimmed value of a field, or `None` if it is blank or missing.
fn filled<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    field(form, name).map(str::trim).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn texts_and_receipts_are_told_apart() {
        for (fields, expected) in [
            (&[("SmsStatus", "received"), ("Body", "hi")][..], FormKind::Text),
            (&[("SmsStatus", "received"), ("Body", "")], FormKind::Text),
            (&[("SmsStatus", "received")], FormKind::Text),
            (&[("MessageStatus", "receiving"), ("Body", "hi")], FormKind::Text),
            (&[("Body", "hi")], FormKind::Text),
            (&[("MessageStatus", "delivered"), ("SmsStatus", "delivered")], FormKind::Receipt),
            (&[("SmsStatus", "sent")], FormKind::Receipt),
            (&[("MessageStatus", "failed"), ("ErrorCode", "30003")], FormKind::Receipt),
            (&[("MessageStatus", "partially_delivered")], FormKind::Receipt),
            (&[("MessageStatus", "delivered"), ("Body", "hi")], FormKind::Unclear),
            (&[("MessageSid", "SM1")], FormKind::Unclear),
        ] {
            assert_eq!(kind_of(&form(fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn locations_buttons_and_contact_cards_are_rendered_as_text() {
        let place = [("Latitude", "39.7392"), ("Longitude", "-104.9903")];
        let named = |more: &[(&'static str, &'static str)]| [&place[..], more].concat();
        for (fields, expected) in [
            (vec![("Body", "hi")], "hi"),
            (vec![("Body", " hi \n")], " hi \n"),
            (vec![], ""),
            (vec![("Body", "")], ""),
            (named(&[]), "Location: 39.7392, -104.9903"),
            (named(&[("Body", "")]), "Location: 39.7392, -104.9903"),
            (named(&[("Label", "Clinic")]), "Location: Clinic (39.7392, -104.9903)"),
            (
                named(&[("Address", "1 Main St, Denver"), ("Label", "Clinic")]),
                "Location: Clinic, 1 Main St, Denver (39.7392, -104.9903)",
            ),
            (named(&[("Body", "I am here")]), "I am here\nLocation: 39.7392, -104.9903"),
            (vec![("Latitude", "91"), ("Longitude", "0"), ("Body", "")], ""),
            (vec![("Latitude", "NaN"), ("Longitude", "0")], ""),
            (vec![("Latitude", "39.7"), ("Address", "1 Main St")], ""),
            (vec![("ButtonText", "Confirm"), ("ButtonPayload", "c1")], "Confirm"),
            (vec![("Body", "Confirm"), ("ButtonText", "Confirm"), ("ButtonPayload", "c1")], "Confirm"),
            (vec![("Body", " "), ("ButtonPayload", "c1")], "Button: c1"),
            (vec![("NumMedia", "1"), ("MediaContentType0", "text/vcard")], "Contact card"),
            (vec![("NumMedia", "1"), ("MediaContentType0", "text/x-vCard; charset=utf-8")], "Contact card"),
            (vec![("NumMedia", "1"), ("MediaContentType0", "text/vcard"), ("Body", "Dr. Stone")], "Dr. Stone"),
            (
                vec![("NumMedia", "2"), ("MediaContentType0", "application/smil"), ("MediaContentType1", "text/vcard")],
                "Contact card",
            ),
            (vec![("MessageType", "contacts"), ("Body", "")], "Contact card"),
            (vec![("NumMedia", "1"), ("MediaContentType0", "image/png"), ("MessageType", "image")], ""),
            (vec![("MessageType", "reaction"), ("NumMedia", "0")], "Message without text (reaction)"),
            (vec![("MessageType", "text"), ("Body", "")], ""),
            (vec![("MessageType", "<script>")], ""),
        ] {
            assert_eq!(readable_body(&form(&fields)), expected, "{fields:?}");
        }
    }
}
