//! Exports spans to an OpenTelemetry collector over HTTP (OTLP).

use std::pin::Pin;
use std::time::Duration;

use axum::body::Bytes;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Exports the remaining spans when it is dropped.
pub struct SpanExport(SdkTracerProvider);

impl Drop for SpanExport {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// A layer that exports the spans of this crate to the collector at `endpoint`, such as `http://127.0.0.1:4318`.
///
/// # Errors
/// If the HTTP client cannot be set up.
pub(super) fn layer<S>(endpoint: &str) -> anyhow::Result<(impl Layer<S> + Send + Sync, SpanExport)>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    // Fails if another HTTP client has already installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = OtlpClient { http: reqwest::Client::builder().timeout(TIMEOUT).build()?, runtime: Handle::current() };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .with_timeout(TIMEOUT)
        .build()?;
    let resource = Resource::builder().with_service_name("partyline").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("partyline")).with_location(false);
    // Spans of libraries may contain statements and addresses. Log lines are not exported.
    let filter = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("partyline"))
        .with_max_level_hint(LevelFilter::DEBUG);
    Ok((layer.with_filter(filter), SpanExport(provider)))
}

/// Sends requests on the server's runtime, because the exporter runs on a thread of its own.
#[derive(Debug)]
struct OtlpClient {
    http: reqwest::Client,
    runtime: Handle,
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for OtlpClient {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Sending<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        let http = self.http.clone();
        let sending = self.runtime.spawn(async move {
            let response = http.execute(request.try_into()?).await?.error_for_status()?;
            let (status, body) = (response.status(), response.bytes().await?);
            let mut response = Response::new(body);
            *response.status_mut() = status;
            Ok::<_, HttpError>(response)
        });
        Box::pin(async move { sending.await? })
    }
}
