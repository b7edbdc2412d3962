//! A strict parser for `application/x-www-form-urlencoded`: it rejects invalid UTF-8, which Twilio never sends.
//! Source: WHATWG URL, section 5.1.

use percent_encoding::percent_decode;

/// Maximum number of fields; more than any Twilio webhook sends.
const MAX_FIELDS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid form")]
pub struct InvalidForm;

/// The fields of a form, in the order of the body.
pub type Form = Vec<(String, String)>;

/// Parses a form. Fails if the body is not UTF-8, has no fields, or has more than `MAX_FIELDS`.
pub fn parse(body: &[u8]) -> Result<Form, InvalidForm> {
    let mut form = Form::new();
    for field in body.split(|byte| *byte == b'&').filter(|field| !field.is_empty()) {
        if form.len() == MAX_FIELDS {
            return Err(InvalidForm);
        }
        let mut parts = field.splitn(2, |byte| *byte == b'=');
        let name = decode(parts.next().unwrap_or_default())?;
        let value = decode(parts.next().unwrap_or_default())?;
        form.push((name, value));
    }
    if form.is_empty() { Err(InvalidForm) } else { Ok(form) }
}

/// The first value of a field; `None` if the field is absent.
pub fn field<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn decode(text: &[u8]) -> Result<String, InvalidForm> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).decode_utf8().map(Into::into).map_err(|_| InvalidForm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_in_order() {
        let form = parse("Body=a+b%2B%C3%A9&From=%2B1&Empty=&Flag&A=1=2&A=3".as_bytes()).unwrap();
        let expected = [("Body", "a b+é"), ("From", "+1"), ("Empty", ""), ("Flag", ""), ("A", "1=2"), ("A", "3")];
        let expected: Form = expected.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        assert_eq!(form, expected);
        assert_eq!(field(&form, "A"), Some("1=2"));
    }

    #[test]
    fn invalid_forms_are_rejected() {
        for body in [&b""[..], b"&&", b"Body=%FF", b"Body=\xff", b"%C3=x"] {
            assert_eq!(parse(body), Err(InvalidForm), "{body:?}");
        }
        let many = "a=1&".repeat(MAX_FIELDS + 1);
        assert_eq!(parse(many.as_bytes()), Err(InvalidForm));
    }
}
