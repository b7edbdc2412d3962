//! Why a text did not arrive, in words. Source: Twilio, "Error and warning dictionary".

/// The contact opted out before the text left.
pub const OPTED_OUT: &str = "OPTED_OUT";
/// The carrier could not be reached for so long that the text was given up.
pub const EXPIRED: &str = "EXPIRED";
/// A person decided that it was not sent.
pub const ABANDONED: &str = "ABANDONED";
/// A person sent it once more, as another message.
pub const RESENT: &str = "RESENT";
/// The number was released before the text left.
pub const RELEASED: &str = "RELEASED";
/// The recipient became one of our own phone numbers before the text was sent.
pub const OWN_NUMBER: &str = "OWN_NUMBER";
/// The carrier refused without a code.
pub const REJECTED: &str = "REJECTED";
/// The carrier filters texts from this number to this contact, who texted STOP to it.
pub const BLOCKED: &str = "21610";

/// Whether a person decided that a text counts as failed: then nobody needs to be told.
pub fn is_decision(code: &str) -> bool {
    code == ABANDONED || code == RESENT
}

/// What an error code means, for a person. The code itself is shown beside it.
pub fn explain(code: &str) -> &'static str {
    match code {
        OPTED_OUT => "The contact opted out before the text was sent.",
        EXPIRED => "The carrier could not be reached for too long; the text was not sent.",
        ABANDONED => "A colleague decided that the text was not sent.",
        RESENT => "A colleague sent the text again as another message.",
        OWN_NUMBER => "The recipient is one of your own phone numbers; the text was not sent.",
        RELEASED => "The number was released before the text was sent.",
        "20003" => "The carrier does not take our credentials.",
        "20429" | "30001" => "Too many texts were waiting at the carrier.",
        "21211" | "21614" | "21217" => "This is no number that can be texted.",
        "21408" => "The account may not text this country.",
        "21606" | "21603" | "21659" => "The account may not send texts from this number.",
        "21612" => "This number cannot be texted from ours.",
        BLOCKED => "The contact texted STOP to this number, and the carrier blocks it until they text START.",
        "21617" | "30019" => "The text is too long for the carrier.",
        "30002" => "The account at the carrier is suspended.",
        "30003" => "The phone is switched off or out of reach.",
        "30004" => "The phone, or its carrier, blocks our texts.",
        "30005" => "The number is not known, or no longer in use.",
        "30006" => "The number is a landline, or its carrier cannot be reached.",
        "30007" => "A carrier filtered the text as unwanted.",
        "30008" => "The carrier does not say why.",
        "30010" => "The text costs more than the account allows.",
        "30032" | "30034" | "30035" => "The number is not registered for sending texts yet.",
        _ => "The carrier refused the text.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_ours_and_any_other_has_words() {
        for code in [OPTED_OUT, EXPIRED, ABANDONED, RESENT, RELEASED, OWN_NUMBER, BLOCKED] {
            assert_ne!(explain(code), explain("99999"), "{code}");
        }
        assert!(explain(REJECTED).ends_with('.'));
    }
}
