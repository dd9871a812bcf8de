use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mpc_router_core::{Channel, Errand};
use serde::Serialize;

use super::url::{GatewayUrl, UrlError};
use super::{Gateway, SendError, with_causes};

/// Brings notifications by HTTP: one POST each, with a JSON object of `channel`, `address`, `party_id`
/// and `session_id`. Any answer of 2xx will do; redirects are not followed.
#[derive(Debug)]
pub struct HttpGateway {
    url: GatewayUrl,
    uri: Uri,
    authorization: Option<HeaderValue>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

#[derive(Serialize)]
struct Notification<'a> {
    channel: &'a str,
    address: &'a str,
    party_id: &'a str,
    session_id: &'a str,
}

impl HttpGateway {
    /// A gateway at a URL of http or https, which may hold a user and a password, if these do not leave
    /// this machine unencrypted. Whom to trust the system says.
    ///
    /// # Errors
    /// If it is no such URL, or the system says of nobody that he is to be trusted.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let example = "https://HOST/PATH";
        let url = GatewayUrl::parse(url, &["http", "https"], example)?;
        if url.scheme == "http" && url.user.is_some() && !url.is_here() {
            let what = "would send a password for everybody to read";
            return Err(UrlError(format!("{what}: write it as {example}")));
        }
        let uri = format!("{}://{}{}", url.scheme, url.host_and_port(), url.path);
        let uri = uri.parse().map_err(|_| UrlError("is not a URL".into()))?;
        let authorization = url.user.as_ref().map(|user| {
            let password = url.password.as_deref().unwrap_or_default();
            let basic = format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
            let mut value = HeaderValue::try_from(basic).expect("base64 is ASCII");
            value.set_sensitive(true);
            value
        });
        let tls = HttpsConnectorBuilder::new();
        let ring = rustls::crypto::ring::default_provider();
        let tls = if url.scheme == "https" {
            tls.with_provider_and_native_roots(ring).map_err(|error| {
                UrlError(format!("cannot be trusted, since the system trusts nobody ({error})"))
            })?
        } else {
            let config = rustls::ClientConfig::builder_with_provider(ring.into())
                .with_safe_default_protocol_versions()
                .expect("ring knows the default versions")
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            tls.with_tls_config(config)
        };
        let connector = tls.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { url, uri, authorization, client })
    }
}

#[tonic::async_trait]
impl Gateway for HttpGateway {
    fn channels(&self) -> &[Channel] {
        &Channel::ALL
    }

    async fn send(&self, errand: &Errand) -> Result<(), SendError> {
        let Errand { party, session, channel, address, .. } = errand;
        let notification = Notification {
            channel: channel.as_str(),
            address,
            party_id: party.as_str(),
            session_id: session.as_str(),
        };
        let body = serde_json::to_vec(&notification).expect("text is JSON");
        let json = HeaderValue::from_static("application/json");
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(CONTENT_TYPE, json);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let request = request.body(Full::from(body)).expect("its parts were parsed");
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| SendError::Failed(with_causes(&error)))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(SendError::Failed(format!("{:?} answered {}", self.url, answer.status())))
        }
    }
}
