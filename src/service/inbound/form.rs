//! Parses the form that Twilio sends for a text.

use super::{InboundMedia, InboundText};
use crate::domain::AccountId;
use crate::domain::caller_id::NO_ADDRESS;
use crate::domain::inbound_form::{FormKind, MAX_MEDIA, kind_of, readable_body};
use crate::domain::media_type::{MMS_LAYOUT, OCTET_STREAM, essence};

/// The longest name that Twilio could give a message; today's have 34 characters.
const MAX_SID_BYTES: usize = 64;

/// The form is not one of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the form is not one of an inbound text")]
pub struct NotAText;

/// Reads the form that Twilio sends for a text.
/// Source: Twilio, "Twilio's request to your incoming message webhook".
///
/// # Errors
/// When the form is that of a delivery receipt, or MessageSid or To is missing. A sender that the carrier does not
/// identify is stored as [`NO_ADDRESS`].
pub fn text_of(account: AccountId, form: Vec<(String, String)>) -> Result<InboundText, NotAText> {
    match kind_of(&form) {
        FormKind::Receipt => Err(NotAText),
        FormKind::Text | FormKind::Unclear => read(account, form),
    }
}

/// Reads the form of a delivery receipt for quarantine. Our phone number is in From there, not in To.
///
/// # Errors
/// When MessageSid, From or To is missing.
pub(in crate::service) fn receipt_to_quarantine(
    account: AccountId,
    form: Vec<(String, String)>,
) -> Result<InboundText, NotAText> {
    let text = read(account, form)?;
    Ok(InboundText { from: text.to, to: text.from, ..text })
}

fn read(account: AccountId, form: Vec<(String, String)>) -> Result<InboundText, NotAText> {
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let message_sid = field("MessageSid").or_else(|| field("SmsMessageSid")).ok_or(NotAText)?;
    let well_formed = |sid: &str| {
        (1..=MAX_SID_BYTES).contains(&sid.len())
            && sid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let from = field("From").filter(|from| !from.is_empty()).unwrap_or(NO_ADDRESS);
    let to = field("To").ok_or(NotAText)?;
    if !well_formed(message_sid) || to.is_empty() {
        return Err(NotAText);
    }
    let count = field("NumMedia").and_then(|count| count.parse::<usize>().ok()).unwrap_or(0).min(MAX_MEDIA);
    let media = (0..count).filter_map(|n| {
        let url = field(&format!("MediaUrl{n}"))?.to_owned();
        let content_type = field(&format!("MediaContentType{n}")).unwrap_or(OCTET_STREAM).to_owned();
        // The layout that a phone adds to the files is not a file that a person sent.
        (essence(&content_type) != MMS_LAYOUT).then_some(InboundMedia { url, content_type })
    });
    Ok(InboundText {
        account,
        message_sid: message_sid.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        body: readable_body(&form),
        opt_out_type: field("OptOutType").map(str::to_owned),
        media: media.collect(),
        form,
        quarantined_as: None,
        arrived_at: None,
        is_late: false,
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn read_fields(fields: &[(&str, &str)]) -> Result<InboundText, NotAText> {
        let form = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        text_of(AccountId(Uuid::nil()), form)
    }

    const WHOLE: [(&str, &str); 4] =
        [("MessageSid", "SM1"), ("From", "+13035560001"), ("To", "+13035550100"), ("Body", "hi")];

    #[test]
    fn a_text_needs_a_sid_and_a_number() {
        assert_eq!(read_fields(&WHOLE).map(|text| text.body), Ok("hi".to_owned()));
        for left_out in ["MessageSid", "To"] {
            let fields: Vec<_> = WHOLE.into_iter().filter(|(key, _)| *key != left_out).collect();
            assert_eq!(read_fields(&fields).map(drop), Err(NotAText), "{left_out}");
        }
        for sid in ["", "SM 1", "SM\u{0}", &"S".repeat(65)] {
            let fields: Vec<_> = std::iter::once(("MessageSid", sid)).chain(WHOLE.into_iter().skip(1)).collect();
            assert_eq!(read_fields(&fields).map(drop), Err(NotAText), "{sid:?}");
        }
    }

    #[test]
    fn a_sender_whom_the_carrier_does_not_name_is_anonymous() {
        let [sid, _, to, body] = WHOLE;
        for fields in [vec![sid, to, body], vec![sid, ("From", ""), to, body]] {
            assert_eq!(read_fields(&fields).map(|text| text.from), Ok(NO_ADDRESS.to_owned()), "{fields:?}");
        }
    }

    #[test]
    fn a_receipt_is_not_a_text() {
        let receipt = [("MessageSid", "SM1"), ("From", "+13035550100"), ("To", "+13035560001"), ("SmsStatus", "sent")];
        assert_eq!(read_fields(&receipt).map(drop), Err(NotAText));
        let form = receipt.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let held = receipt_to_quarantine(AccountId(Uuid::nil()), form).unwrap();
        assert_eq!((held.to.as_str(), held.from.as_str()), ("+13035550100", "+13035560001"));
    }

    #[test]
    fn attachments_are_listed_in_order_and_bounded() {
        let media = [
            ("NumMedia", "999"),
            ("MediaUrl0", "https://a"),
            ("MediaUrl1", "https://b"),
            ("MediaContentType1", "image/png"),
        ];
        let text = read_fields(&[&WHOLE[..], &media[..]].concat()).unwrap();
        let urls: Vec<_> = text.media.iter().map(|media| (media.url.as_str(), media.content_type.as_str())).collect();
        assert_eq!(urls, [("https://a", "application/octet-stream"), ("https://b", "image/png")]);
    }

    #[test]
    fn the_layout_of_an_mms_is_not_an_attachment() {
        let media = [
            ("NumMedia", "3"),
            ("MediaUrl0", "https://a"),
            ("MediaContentType0", "application/smil; charset=utf-8"),
            ("MediaUrl1", "https://b"),
            ("MediaContentType1", "image/png"),
            ("MediaUrl2", "https://c"),
            ("MediaContentType2", "APPLICATION/SMIL"),
        ];
        let text = read_fields(&[&WHOLE[..], &media[..]].concat()).unwrap();
        assert_eq!(text.media.iter().map(|media| media.url.as_str()).collect::<Vec<_>>(), ["https://b"]);
    }
}
