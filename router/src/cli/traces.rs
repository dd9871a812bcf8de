//! Traces of calls, for an OpenTelemetry collector.

use tracing_subscriber::Registry;

/// What turns spans into traces.
pub(super) type Layer = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;

/// Accepts the address of a collector.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    let address =
        text.strip_prefix("http://").and_then(|rest| rest.trim_end_matches('/').parse().ok());
    match address {
        Some(address) if is_authority(&address) => Ok(text.to_owned()),
        _ => Err("write http://HOST:PORT, such as http://127.0.0.1:4317".into()),
    }
}

fn is_authority(authority: &http::uri::Authority) -> bool {
    authority.port().is_some() && !authority.as_str().contains('@')
}

#[cfg(feature = "otel")]
pub(super) use with_otel::Traces;
#[cfg(not(feature = "otel"))]
pub(super) use without_otel::Traces;

#[cfg(feature = "otel")]
mod with_otel {
    use std::time::Duration;

    use anyhow::Context as _;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::Layer as _;
    use tracing_subscriber::filter::{LevelFilter, Targets};

    use super::Layer;

    /// Traces on their way to a collector.
    #[derive(Debug)]
    pub(crate) struct Traces(SdkTracerProvider);

    impl Traces {
        /// Begins to send what the layer is given. To be called within a runtime.
        ///
        /// # Errors
        /// If the address cannot be used.
        pub(crate) fn start(endpoint: &str) -> anyhow::Result<(Self, Layer)> {
            let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
            let exporter = exporter.with_context(|| format!("cannot send traces to {endpoint}"))?;
            let provider = SdkTracerProvider::builder()
                .with_resource(Resource::builder().with_service_name("mpc-router").build())
                .with_batch_exporter(exporter)
                .build();
            opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
            let calls = Targets::new().with_target(mpc_router::CALLS, LevelFilter::DEBUG);
            let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("mpc-router"));
            Ok((Self(provider), layer.with_location(false).with_filter(calls).boxed()))
        }

        /// Sends what has not been sent yet, if the collector takes it in time.
        pub(crate) async fn stop(self, timeout: Duration) {
            // It waits for the collector, which the runtime has to be free for meanwhile.
            let stop = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(timeout));
            if !matches!(tokio::time::timeout(timeout, stop).await, Ok(Ok(Ok(())))) {
                tracing::warn!("the last traces were not sent");
            }
        }
    }
}

#[cfg(not(feature = "otel"))]
mod without_otel {
    use anyhow::bail;

    use super::Layer;

    /// No traces: this build sends none.
    #[derive(Debug)]
    pub(crate) struct Traces;

    impl Traces {
        /// Says that this build sends none.
        ///
        /// # Errors
        /// Always.
        pub(crate) fn start(_: &str) -> anyhow::Result<(Self, Layer)> {
            bail!(
                "this router was built without traces: leave --otlp-endpoint out, or build it with \
                 `--features otel`"
            )
        }

        pub(crate) async fn stop(self, _: std::time::Duration) {}
    }
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn a_collector_is_a_host_and_a_port() {
        for right in ["http://127.0.0.1:4317", "http://collector:4317/", "http://[::1]:4317"] {
            assert!(endpoint(right).is_ok(), "{right}");
        }
        for wrong in
            ["127.0.0.1:4317", "https://c:4317", "http://c", "http://u:p@c:1", "http://c:1/x"]
        {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
