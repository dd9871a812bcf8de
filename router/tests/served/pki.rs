//! An authority, what it signs, and a router that trusts it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use mpc_router::serve::{Server, Tls, TlsFiles, TrustedClients};
use mpc_router::{Config, Router};
use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::support::{Party, within};

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
}

/// A client's certificate, to be changed before it is signed.
pub(crate) fn client(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for name in names {
        params.distinguished_name.push(DnType::CommonName, *name);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    valid(params, -HOUR, HOUR)
}

pub(crate) const HOUR: i64 = 3_600;

/// The same, valid between these times, in seconds from now.
pub(crate) fn valid(mut params: CertificateParams, from: i64, to: i64) -> CertificateParams {
    let at = |seconds: i64| {
        let (now, by) = (SystemTime::now(), Duration::from_secs(seconds.unsigned_abs()));
        if seconds < 0 { now - by } else { now + by }
    };
    params.not_before = at(from).into();
    params.not_after = at(to).into();
    params
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn sign(&self, params: &CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Signed {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }

    pub(crate) fn client(&self, name: &str) -> Signed {
        self.sign(&client(&[name]))
    }

    pub(crate) fn server(&self) -> Signed {
        self.sign(&CertificateParams::new(["localhost".to_owned()]).unwrap())
    }
}

/// A common name that is no text: bytes of an encoding that nobody reads any more.
pub(crate) fn no_text() -> DnValue {
    DnValue::TeletexString("alice".try_into().unwrap())
}

/// The files of a router, and the authority that its clients and it have in common.
pub(crate) struct Files {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
}

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new() };
        files.write(&files.authority.server());
        std::fs::write(files.path("ca.pem"), files.authority.pem()).unwrap();
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces the router's certificate and key.
    pub(crate) fn write(&self, server: &Signed) {
        std::fs::write(self.path("server.pem"), &server.certificate).unwrap();
        std::fs::write(self.path("server.key"), &server.key).unwrap();
    }

    pub(crate) fn names(&self) -> TlsFiles {
        let coordinators = ["coordinator".to_owned()].into();
        TlsFiles {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            clients: Some(TrustedClients { authorities: self.path("ca.pem"), coordinators }),
        }
    }

    pub(crate) fn load(&self) -> Tls {
        Tls::load(self.names()).unwrap()
    }

    /// A client's side of TLS.
    pub(crate) fn trusting(&self, signed: Option<&Signed>) -> ClientTlsConfig {
        let authority = Certificate::from_pem(self.authority.pem());
        let config = ClientTlsConfig::new().ca_certificate(authority).domain_name("localhost");
        match signed {
            Some(signed) => config.identity(Identity::from_pem(&signed.certificate, &signed.key)),
            None => config,
        }
    }
}

/// A router on a port that serves over TLS, as long as the test runs.
pub(crate) struct Secure {
    pub(crate) files: Files,
    pub(crate) tls: Tls,
    pub(crate) address: std::net::SocketAddr,
}

/// A router that has to know who calls.
pub(crate) fn identified() -> Config {
    Config { identified_callers: true, ..Config::default() }
}

impl Secure {
    pub(crate) async fn start() -> Self {
        let files = Files::new();
        let tls = files.load();
        Self::serve(identified(), files, tls).await
    }

    pub(crate) async fn serve(config: Config, files: Files, tls: Tls) -> Self {
        let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let server = server.with_tls(tls.clone());
        let address = server.local_addr();
        tokio::spawn(server.serve(Router::new(config), std::future::pending()));
        Self { files, tls, address }
    }

    /// A connection, if there is one. The router's refusal shows at the first call, since with TLS
    /// 1.3 a client is done before the router has looked at its certificate.
    pub(crate) async fn connect(
        &self,
        config: ClientTlsConfig,
    ) -> Result<Channel, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address)).unwrap();
        within(endpoint.tls_config(config).unwrap().connect()).await
    }

    /// Whether a client with this certificate gets any answer.
    pub(crate) async fn answers(&self, signed: Option<&Signed>) -> bool {
        let Ok(channel) = self.connect(self.files.trusting(signed)).await else { return false };
        let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
        within(health.check(tonic_health::pb::HealthCheckRequest::default())).await.is_ok()
    }

    /// Somebody with this common name.
    pub(crate) async fn stranger(&self, name: &str) -> Party {
        let signed = self.files.authority.client(name);
        let channel = self.connect(self.files.trusting(Some(&signed))).await.unwrap();
        Party { name: name.into(), client: MessageRouterClient::new(channel) }
    }

    /// A registered party.
    pub(crate) async fn party(&self, name: &str) -> Party {
        let mut party = self.stranger(name).await;
        party.register("persistent").await.unwrap();
        party
    }

    /// Registered parties, and a coordinator.
    pub(crate) async fn parties<const N: usize>(&self, names: [&str; N]) -> ([Party; N], Party) {
        let mut parties = Vec::new();
        for name in names {
            parties.push(self.party(name).await);
        }
        let parties = parties.try_into().unwrap_or_else(|_| unreachable!("one party a name"));
        (parties, self.stranger("coordinator").await)
    }
}
