//! The addresses that we give to Twilio, for it to request later.

use url::form_urlencoded::Serializer;

use super::REPEAT;

/// An address that Twilio requests with these parameters, and repeats if we could not answer.
///
/// The parameters are in the order of their names. Twilio has been reported to sort the parameters of an address
/// before it requests it, and to sign the address as it was given; in this order the two are the same.
/// Source: <https://github.com/twilio/twilio-php/issues/790>.
pub fn callback_url(address: &str, mut parameters: Vec<(&str, String)>) -> String {
    parameters.sort_unstable();
    let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{address}?{query}{REPEAT}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_in_the_order_of_their_names_whatever_order_they_are_given_in() {
        let parameters = vec![("users", "u2.u1".to_owned()), ("again", "1".to_owned()), ("step", "3".to_owned())];
        let url = callback_url("https://p.example/a", parameters);
        assert_eq!(url, format!("https://p.example/a?again=1&step=3&users=u2.u1{REPEAT}"));
    }
}
