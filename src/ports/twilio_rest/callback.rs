//! Callback URLs that Partyline gives to Twilio.

use url::form_urlencoded::Serializer;

use super::CONNECTION_OVERRIDES;

/// A URL with these query parameters and with the connection overrides that make Twilio retry.
///
/// The parameters are sorted by name. According to a report, Twilio requests a URL with sorted parameters but signs the
/// URL as it was given. With sorted parameters, both are the same.
/// Source: <https://github.com/twilio/twilio-php/issues/790>.
pub fn callback_url(address: &str, mut parameters: Vec<(&str, String)>) -> String {
    parameters.sort_unstable();
    let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{address}?{query}{CONNECTION_OVERRIDES}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_sorted_by_name() {
        let parameters = vec![("users", "u2.u1".to_owned()), ("again", "1".to_owned()), ("step", "3".to_owned())];
        let url = callback_url("https://p.example/a", parameters);
        assert_eq!(url, format!("https://p.example/a?again=1&step=3&users=u2.u1{CONNECTION_OVERRIDES}"));
    }
}
