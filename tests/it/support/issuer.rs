//! A token issuer: it signs tokens and publishes its keys over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Fixed keys, because generating RSA keys is slow. They are used only in these tests.
const RSA_PKCS1: &str = "\
    MIIEowIBAAKCAQEAwk4niyr/F1s0OqiOTgolIaOiHp8iLhTuM+qVFFY/xAnsiX3trFm6EpolFxhAtvJcIsV7W0UxTdzjMAU1aDvwnW4vbq7G\
    uig1/IuBHGWlxs/aWvo1mOYCgiz+lUHQ1JPoF0b87aDmj2hvSgDR0Cnif4FJOyVNdAtqjiB6SjmjgniPCo2gL2oQLEtHT2X6hRjj+ZSg164d\
    FzG8uZmcqajkXIa8rnoG0osPLqixLvTIgrW1uLYJVauyB1SyvxZvc+zL3HBamWaduLgUW7lA9IS/oOI2wfpxWqZ789Ps1z8a/6e/l6zCv5J8\
    X8X7i63uqB1K24X79EkzWNJzS1SObp0MRwIDAQABAoIBAFm+u2j+HQBusbr+K2xEJ05YRAMcwS7DoBn+mYjhJWaopsYCkgpvDxCUfdki7JET\
    dBbjW8yWMuWhxpVhcn+IX+R3BhV7SHKnK/hPfvzcvisLyfEHbEYIxtPVcGkEEy58elB2C1C+Zn+KXwyxQDeDgQgfcPGOky2sMDUhLxqlcK5L\
    rrmewuqrfM4yz7GXHjlMd+zrjBirP7V8+Oz17rzKnmMt3q+yEFEByryYr4nII6iKDSJuS19Dx+hMveegupvBF1AfNTs8xU10FNwZ7FjAoRw1\
    onNczpSIcjgi4nqlV3z52c29ziASFKWOHSjgzzJ2UrHkH0EgwN9zmI/jCP/Fd4ECgYEA5XIQFepRqGBCZTiS09Rr9pW09gjUTGPt80IQ7FFb\
    qE7br/if5hve5lEGPUttpFZmzG4bECxA3IG+cdgtAoc0+JTcjdKcj9StN0BIcUfljiXyH3ajWcFHYutGckmvA09gD0QNFfeh7K0bgsVQStcP\
    PNjoFK0/E4jYKMo3E/EoAqcCgYEA2Mr3qGY6MCJehZj9z5gcIR6hZYZPc7LNZjsBv35//B5X95IsVPQFLrcBw6/oYxsgKZzqdLVkNeqg1xlc\
    uq0fUNNAmm91w9q6UINJ53vvEH1vVS0AgfZxZJF/39Lc4giHOs8APZYopL4X+ER65rgpMU8QKuy3ZU/lymYW24Ej/WECgYBejwiED6KBktIq\
    JwuT00p/QClo8DCWHuTUyNhynAD7NyygtAUp7ziIkMHShwBzpswM2h+7JZHBjpLvFhlOnmw9OhQ/OpodSJfuWkbAsNGxKIBFaT5e4iHKaY4J\
    0cYXxiGfiPsfn4OTJ7Bbz3eMsF7uQ7I5u0Bwi4gSH2xdgphrpwKBgQCGVse+15IpL7MI8HQfRu/vag6zXdYwKNV1Cw2bP2VJsvfp1u+XuRrZ\
    BtiWDZRgjXeRscXrilfNvVXr1LCMkSj9qdq3mGgOdKTNrX2Hb1oGCuSJkHhnEHLV0f++j+kGPCioPYu1ni4TYCR0WOMbw3TrNEYdg1Bl/Gu1\
    zytM3CqUIQKBgAzmoA8VIK9OskviWlKf53uPoJtG+L1qepvyP0VdBTLKJYEVcuT0FIAW7k9u3o6iUgger2v9e4m5I88By8lTln2ySiztnqNQ\
    lFDLPXB5ezhJ+V+s1ABPLMkBoznptcKJA1pMpoKLIG7Csj15h54jir3jYmtg7zeiItcqLWj2ehZP";
const P256_PKCS8: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWThn12qt7fSc/pesCFw3rB/mrrT5qg8yP5lQmn7ucSWhRANCAASZo+h6IdCv\
    Q0M8Nl7Usox+ZT8JNldr/D2ow2yQZCrvLOVp3zRMQMWS5RDOCunv2//0vxbw7oBoCnAcLsD5dB1X";

pub(crate) struct Issuer {
    pub(crate) address: SocketAddr,
    published: watch::Sender<Option<Value>>,
    requests: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Publishing {
    published: watch::Receiver<Option<Value>>,
    requests: Arc<AtomicUsize>,
}

fn signing_key(algorithm: Algorithm) -> EncodingKey {
    let der = |text: &str| STANDARD.decode(text).expect("a valid test key");
    match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_der(&der(RSA_PKCS1)),
        Algorithm::ES256 => EncodingKey::from_ec_der(&der(P256_PKCS8)),
        _ => panic!("no key for {algorithm:?}"),
    }
}

/// A public key in the form in which an issuer publishes it.
pub(crate) fn jwk(algorithm: Algorithm, kid: &str) -> Value {
    let key = Jwk::from_encoding_key(&signing_key(algorithm), algorithm).expect("a key that can be published");
    let mut key = serde_json::to_value(key).expect("JSON");
    key["kid"] = json!(kid);
    key["use"] = json!("sig");
    key
}

/// Signs a token with these claims; the header names the key `kid`.
pub(crate) fn sign(algorithm: Algorithm, kid: &str, claims: &Value) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    encode(&header, claims, &signing_key(algorithm)).expect("a token can be signed")
}

impl Issuer {
    /// Starts an issuer that publishes these keys.
    pub(crate) async fn start(keys: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (published, publishing) = watch::channel(Some(keys));
        let requests = Arc::new(AtomicUsize::new(0));
        let state = Publishing { published: publishing, requests: requests.clone() };
        let router = Router::new().route("/keys", get(publish)).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, published, requests }
    }

    /// Replaces the published keys. `None` makes the endpoint fail.
    pub(crate) fn publish(&self, keys: Option<Value>) {
        self.published.send_replace(keys);
    }

    /// The number of requests for the keys.
    pub(crate) fn request_count(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn publish(State(state): State<Publishing>) -> Response {
    state.requests.fetch_add(1, Ordering::Relaxed);
    match &*state.published.borrow() {
        Some(keys) => json!({"keys": keys}).to_string().into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
