//! Deletes resources of an account.
//! Source: Twilio, "Messages resource"; "Media subresource"; "Recordings resource"; "Call resource".

use reqwest::StatusCode;

use super::{Credentials, TwilioError, TwilioRest, failure};

impl TwilioRest {
    /// Deletes the resource at a path below the account, for example `/Recordings/RE….json`. One that does not exist is
    /// deleted already.
    ///
    /// # Errors
    /// Returns an error if Twilio cannot be reached or rejects the request, for example because the message is still
    /// being sent or the call is in progress.
    pub async fn delete(&self, credentials: &Credentials, path: &str) -> Result<(), TwilioError> {
        let url = self.url(credentials, path)?;
        let response = self.send_request(credentials, self.http.delete(url)).await;
        let response = response.and_then(Result::ok).ok_or(TwilioError::Unreachable)?;
        let status = response.status();
        if status.is_success() || matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(());
        }
        Err(failure(status, &self.body(response).await.unwrap_or_default()))
    }
}
