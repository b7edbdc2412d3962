//! The Calls and Recordings resources: start a call, ask what became of one, fetch what was said.
//! Source: Twilio, "Calls resource"; "Recordings resource".

use reqwest::StatusCode;
use serde::Deserialize;

use super::{Credentials, TwilioError, TwilioRest, error_code, failure};
use crate::domain::AccountTrouble;
use crate::domain::call_error::{BUSY, REJECTED, UNREACHABLE};
use crate::domain::carrier_refusal::{CarrierRefusal, refusal};
use crate::domain::sid::is_sid;

/// The largest recording that is kept; 120 s of MP3 at 32 kbit/s are 0.5 MiB, as WAV 1.9.
const MAX_RECORDING_BYTES: usize = 16 * 1024 * 1024;

/// A call to start.
#[derive(Debug, Clone)]
pub struct OutboundCall {
    /// Which of our numbers.
    pub from: String,
    /// The phone that rings first.
    pub to: String,
    /// What it is told when it is picked up.
    pub url: String,
    /// Where its end is reported.
    pub status_callback: String,
    /// How long it rings, in seconds.
    pub ring_seconds: u16,
}

/// What came of starting a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// The carrier has it, by this name.
    Accepted(String),
    /// The carrier refuses it, by this code of its own or of `domain::call_error`.
    Rejected(String),
    /// Twilio does not serve the account.
    Withheld(AccountTrouble),
    /// Nobody knows.
    InDoubt,
}

/// A call as Twilio has it.
#[derive(Debug, Clone, Deserialize)]
pub struct CarriedCall {
    /// How far it got.
    pub status: String,
    /// How long it was, in seconds, written out.
    duration: Option<String>,
}

impl CarriedCall {
    /// How long it was.
    pub fn seconds(&self) -> Option<i32> {
        self.duration.as_ref()?.parse().ok()
    }
}

/// A recording's bytes.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its MIME type.
    pub content_type: String,
    /// The recording.
    pub bytes: Vec<u8>,
}

impl TwilioRest {
    /// Tries to start a call, once. Nothing below repeats it.
    pub async fn start_call(&self, credentials: &Credentials, call: &OutboundCall) -> Started {
        #[derive(Deserialize)]
        struct Created {
            sid: String,
        }
        let rejected = |code: Option<i64>, otherwise: &str| {
            Started::Rejected(code.map_or_else(|| otherwise.to_owned(), |code| code.to_string()))
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
        let answer = match self.answer_to(credentials, self.http.post(url).form(&form)).await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) if error.is_connect() => return rejected(None, UNREACHABLE),
            Some(Err(_)) | None => return Started::InDoubt,
        };
        let status = answer.status();
        let body = self.body(answer).await.unwrap_or_default();
        if status.is_success() {
            return match serde_json::from_slice::<Created>(&body) {
                Ok(Created { sid }) if is_sid(&sid) => Started::Accepted(sid),
                _ => Started::InDoubt,
            };
        }
        let code = error_code(&body);
        match refusal(status.as_u16(), code) {
            Some(CarrierRefusal::Account(trouble)) => Started::Withheld(trouble),
            Some(CarrierRefusal::Busy) => rejected(code, BUSY),
            Some(CarrierRefusal::Request) => rejected(code, REJECTED),
            None => Started::InDoubt,
        }
    }

    /// A call as Twilio has it; `None` if there is none.
    ///
    /// # Errors
    /// When Twilio does not say.
    pub async fn call(&self, credentials: &Credentials, sid: &str) -> Result<Option<CarriedCall>, TwilioError> {
        if !is_sid(sid) {
            return Ok(None);
        }
        match self.get(credentials, &format!("/Calls/{sid}.json"), &[]).await {
            Ok(call) => Ok(Some(call)),
            Err(TwilioError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches a recording, from the API's own host and no other: its address is made here of its name, and no
    /// redirect is followed.
    ///
    /// # Errors
    /// When it is not there (yet), is too large or not audio, or Twilio does not say.
    pub async fn recording(&self, credentials: &Credentials, sid: &str) -> Result<Fetched, TwilioError> {
        if !is_sid(sid) {
            return Err(TwilioError::Missing);
        }
        let url = self.url(credentials, &format!("/Recordings/{sid}.mp3"))?;
        let answer = self.answer_to(credentials, self.http.get(url)).await;
        let mut answer = answer.and_then(Result::ok).ok_or(TwilioError::Unreachable)?;
        let status = answer.status();
        if status != StatusCode::OK {
            let body = self.body(answer).await.unwrap_or_default();
            return Err(failure(status, &body));
        }
        let content_type = answer.headers().get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_lowercase();
        if !content_type.starts_with("audio/") {
            return Err(TwilioError::NotAudio);
        }
        let mut bytes = Vec::new();
        let read = async {
            while let Some(chunk) = answer.chunk().await.map_err(|_| TwilioError::Unreachable)? {
                if bytes.len() + chunk.len() > MAX_RECORDING_BYTES {
                    return Err(TwilioError::TooLarge);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(())
        };
        tokio::select! {
            read = read => read?,
            () = self.read_within() => return Err(TwilioError::Unreachable),
        }
        Ok(Fetched { content_type, bytes })
    }
}
