//! The Calls and Recordings resources: start a call, fetch its status, download a recording.
//! Source: Twilio, "Calls resource"; "Recordings resource".

use reqwest::StatusCode;
use serde::Deserialize;

use super::{Credentials, TwilioError, TwilioRest, error_code, failure};
use crate::domain::AccountTrouble;
use crate::domain::call_error::{BUSY, REJECTED, UNREACHABLE};
use crate::domain::carrier_refusal::{CarrierRefusal, refusal};
use crate::domain::sid::is_sid;

/// The largest recording that is stored. 120 s take 0.5 MiB as MP3 at 32 kbit/s, and 1.9 MiB as WAV.
const MAX_RECORDING_BYTES: usize = 16 * 1024 * 1024;

/// A call to start.
#[derive(Debug, Clone)]
pub struct OutboundCall {
    /// A number of the account.
    pub from: String,
    /// The phone that rings first.
    pub to: String,
    /// The URL of the TwiML for the answered call.
    pub url: String,
    /// The URL that is requested when the call ends.
    pub status_callback: String,
    /// The time that the phone rings, in seconds.
    pub ring_seconds: u16,
}

/// The outcome of a request to start a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartCallOutcome {
    /// Twilio accepted the call under this SID.
    Accepted(String),
    /// The call was rejected with this error code, of Twilio or of `domain::call_error`.
    Rejected(String),
    /// Twilio does not serve the account.
    Withheld(AccountTrouble),
    /// It is unknown whether Twilio accepted the call.
    InDoubt,
}

/// A call as the API returns it.
#[derive(Debug, Clone, Deserialize)]
pub struct FetchedCall {
    pub status: String,
    /// Seconds as a decimal string.
    duration: Option<String>,
}

impl FetchedCall {
    /// The duration; `None` until the call has ended.
    pub fn seconds(&self) -> Option<i32> {
        self.duration.as_ref()?.parse().ok()
    }
}

/// A downloaded recording.
#[derive(Debug, Clone)]
pub struct RecordingFile {
    /// The MIME type.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

impl TwilioRest {
    /// Makes one attempt to start a call. No layer below retries it.
    pub async fn start_call(&self, credentials: &Credentials, call: &OutboundCall) -> StartCallOutcome {
        #[derive(Deserialize)]
        struct Created {
            sid: String,
        }
        let rejected = |code: Option<i64>, default: &str| {
            StartCallOutcome::Rejected(code.map_or_else(|| default.to_owned(), |code| code.to_string()))
        };
        let Ok(url) = self.url(credentials, "/Calls.json") else { return rejected(None, UNREACHABLE) };
        let timeout = call.ring_seconds.to_string();
        let form = [
            ("From", call.from.as_str()),
            ("To", call.to.as_str()),
            ("Url", call.url.as_str()),
            ("StatusCallback", call.status_callback.as_str()),
            ("Timeout", timeout.as_str()),
        ];
        let response = match self.send_request(credentials, self.http.post(url).form(&form)).await {
            Some(Ok(response)) => response,
            Some(Err(error)) if error.is_connect() => return rejected(None, UNREACHABLE),
            Some(Err(_)) | None => return StartCallOutcome::InDoubt,
        };
        let status = response.status();
        let body = self.body(response).await.unwrap_or_default();
        if status.is_success() {
            return match serde_json::from_slice::<Created>(&body) {
                Ok(Created { sid }) if is_sid(&sid) => StartCallOutcome::Accepted(sid),
                _ => StartCallOutcome::InDoubt,
            };
        }
        let code = error_code(&body);
        match refusal(status.as_u16(), code) {
            Some(CarrierRefusal::Account(trouble)) => StartCallOutcome::Withheld(trouble),
            Some(CarrierRefusal::Busy) => rejected(code, BUSY),
            Some(CarrierRefusal::Request) => rejected(code, REJECTED),
            None => StartCallOutcome::InDoubt,
        }
    }

    /// Fetches a call; `None` if Twilio does not know it.
    ///
    /// # Errors
    /// Returns an error if Twilio cannot be reached or rejects the request.
    pub async fn call(&self, credentials: &Credentials, sid: &str) -> Result<Option<FetchedCall>, TwilioError> {
        if !is_sid(sid) {
            return Ok(None);
        }
        match self.get(credentials, &format!("/Calls/{sid}.json"), &[]).await {
            Ok(call) => Ok(Some(call)),
            Err(TwilioError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Downloads a recording from the host of the API only: the URL is built from the SID, and redirects are not
    /// followed.
    ///
    /// # Errors
    /// Returns an error if the recording does not exist (yet), is too large or is not audio, or if Twilio cannot be
    /// reached or rejects the request.
    pub async fn recording(&self, credentials: &Credentials, sid: &str) -> Result<RecordingFile, TwilioError> {
        if !is_sid(sid) {
            return Err(TwilioError::Missing);
        }
        let url = self.url(credentials, &format!("/Recordings/{sid}.mp3"))?;
        let response = self.send_request(credentials, self.http.get(url)).await;
        let mut response = response.and_then(Result::ok).ok_or(TwilioError::Unreachable)?;
        let status = response.status();
        if status != StatusCode::OK {
            let body = self.body(response).await.unwrap_or_default();
            return Err(failure(status, &body));
        }
        let content_type = response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_lowercase();
        if !content_type.starts_with("audio/") {
            return Err(TwilioError::NotAudio);
        }
        let mut bytes = Vec::new();
        let read = async {
            while let Some(chunk) = response.chunk().await.map_err(|_| TwilioError::Unreachable)? {
                if bytes.len() + chunk.len() > MAX_RECORDING_BYTES {
                    return Err(TwilioError::TooLarge);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(())
        };
        tokio::select! {
            read = read => read?,
            () = self.body_timeout() => return Err(TwilioError::Unreachable),
        }
        Ok(RecordingFile { content_type, bytes })
    }
}
