//! The wall itself: SEC-1, SEC-8, and certificates that come and go.

use std::sync::Arc;
use std::time::Duration;

use mpc_router::serve::{Tls, TlsFiles, serve_connections};
use mpc_router::{Router, limits};
use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use rcgen::{CertificateParams, DnType};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use crate::pki::*;
use crate::support::*;

#[tokio::test]
async fn a_plaintext_connection_gets_nothing() {
    let secure = Secure::start().await;
    let mut connection = TcpStream::connect(secure.address).await.unwrap();
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut answer = Vec::new();
    // It may be reset as well as closed.
    let _ = within(connection.read_to_end(&mut answer)).await;
    const ALERT: u8 = 21;
    assert!(answer.is_empty() || (answer[0] == ALERT && answer.len() == 7), "SEC-1: {answer:?}");
    assert!(secure.answers(Some(&secure.files.authority.client("alice"))).await);
}

#[tokio::test]
async fn a_client_needs_a_certificate_that_is_trusted() {
    let secure = Secure::start().await;
    let authority = &secure.files.authority;
    assert!(secure.answers(Some(&authority.client("alice"))).await);
    assert!(!secure.answers(None).await, "SEC-1: none");
    assert!(
        !secure.answers(Some(&Authority::new().client("alice"))).await,
        "SEC-1: somebody else's"
    );
    let mut server = client(&["alice"]);
    server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    assert!(!secure.answers(Some(&authority.sign(&server))).await, "SEC-1: a server's");
}

/// How a handshake ends with a client that is made up from the parts of TLS.
async fn shake(
    secure: &Secure,
    version: &'static SupportedProtocolVersion,
    protocol: &str,
    (certificate, key): (&Signed, &Signed),
) -> std::io::Result<()> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut trusted = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(secure.files.authority.pem().as_bytes());
    trusted.add(authority.unwrap()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.key.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    // Nobody checks here that they belong together.
    let shown = CertifiedKey::new(vec![certificate.der.clone().into()], key);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(trusted)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![protocol.into()];
    let connection = TcpStream::connect(secure.address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut connection = TlsConnector::from(Arc::new(config)).connect(name, connection).await?;
    // The server speaks first in HTTP/2, once it has accepted the client.
    within(connection.read_u8()).await.map(drop)
}

#[tokio::test]
async fn a_handshake_is_refused_for_an_old_version_another_protocol_or_a_stolen_certificate() {
    let secure = Secure::start().await;
    let [alice, bob] = ["alice", "bob"].map(|name| secure.files.authority.client(name));
    shake(&secure, &TLS13, "h2", (&alice, &alice)).await.unwrap();
    shake(&secure, &TLS12, "h2", (&alice, &alice)).await.unwrap_err();
    shake(&secure, &TLS13, "http/1.1", (&alice, &alice)).await.unwrap_err();
    shake(&secure, &TLS13, "h2", (&alice, &bob)).await.expect_err("SEC-1: without its key");
}

#[tokio::test]
async fn a_certificate_is_refused_outside_its_time() {
    let secure = Secure::start().await;
    for (from, to, accepted) in
        [(-HOUR, HOUR, true), (-2 * HOUR, -HOUR, false), (HOUR, 2 * HOUR, false)]
    {
        let signed = secure.files.authority.sign(&valid(client(&["alice"]), from, to));
        assert_eq!(secure.answers(Some(&signed)).await, accepted, "SEC-8: {from} to {to}");
    }
}

#[tokio::test]
async fn a_certificate_has_to_name_one_party() {
    let secure = Secure::start().await;
    let mut no_text = client(&[]);
    no_text.distinguished_name.push(DnType::CommonName, crate::pki::no_text());
    for params in [client(&[]), client(&[""]), no_text] {
        assert!(!secure.answers(Some(&secure.files.authority.sign(&params))).await);
    }
}

#[tokio::test]
async fn without_trusted_clients_nobody_is_asked() {
    let files = Files::new();
    let tls = Tls::load(TlsFiles { clients: None, ..files.names() }).unwrap();
    assert!(!tls.asks_for_certificates());
    let secure = Secure::serve(open_sessions(), files, tls).await;
    let channel = secure.connect(secure.files.trusting(None)).await.unwrap();
    let mut alice = Party { name: "alice".into(), client: MessageRouterClient::new(channel) };
    alice.register("persistent").await.unwrap();
    let plain = Endpoint::from_shared(format!("http://{}", secure.address)).unwrap();
    let plain = match within(plain.connect()).await {
        Ok(channel) => MessageRouterClient::new(channel),
        Err(_) => return,
    };
    Party { name: "bob".into(), client: plain }.register("persistent").await.unwrap_err();
}

#[tokio::test]
async fn new_certificates_are_used_without_a_restart() {
    let secure = Secure::start().await;
    let alice = secure.files.authority.client("alice");
    let mut early = secure.stranger("early").await;

    // Everything is signed by another authority from now on.
    let successor = Authority::new();
    secure.files.write(&successor.server());
    std::fs::write(secure.files.path("ca.pem"), successor.pem()).unwrap();
    secure.tls.reload().await;
    assert!(!secure.answers(Some(&alice)).await, "the old authority is not the router's any more");
    let certificate = tonic::transport::Certificate::from_pem(successor.pem());
    let late = successor.client("late");
    let identity = tonic::transport::Identity::from_pem(&late.certificate, &late.key);
    let config = ClientTlsConfig::new().ca_certificate(certificate).identity(identity);
    let channel = secure.connect(config.domain_name("localhost")).await.unwrap();
    let mut late = Party { name: "late".into(), client: MessageRouterClient::new(channel) };
    late.register("persistent").await.unwrap();
    early.register("persistent").await.expect("open connections go on");
}

#[tokio::test]
async fn broken_files_leave_the_old_certificates_in_use() {
    let secure = Secure::start().await;
    let alice = secure.files.authority.client("alice");
    let right = secure.files.authority.server();
    let foreign = secure.files.authority.server();
    for (file, content) in [
        ("server.pem", "no certificate"),
        ("server.pem", &*foreign.certificate),
        ("server.key", "-----BEGIN PRIVATE KEY-----\nhalf"),
        ("ca.pem", ""),
    ] {
        let before = std::fs::read(secure.files.path(file)).unwrap();
        std::fs::write(secure.files.path(file), content).unwrap();
        secure.tls.reload().await;
        assert!(secure.answers(Some(&alice)).await, "{file}: {content}");
        std::fs::write(secure.files.path(file), before).unwrap();
    }
    std::fs::remove_file(secure.files.path("server.key")).unwrap();
    secure.tls.reload().await;
    assert!(secure.answers(Some(&alice)).await);
    secure.files.write(&right);
    secure.tls.reload().await;
    assert!(secure.answers(Some(&alice)).await);
}

#[test]
fn what_is_wrong_with_a_file_is_told_by_name_and_not_by_content() {
    const SECRET: &str = "hush1b7e";
    let files = Files::new();
    let [right, foreign] = [files.authority.server(), files.authority.server()];
    let told = |change: &dyn Fn()| {
        files.write(&right);
        std::fs::write(files.path("ca.pem"), files.authority.pem()).unwrap();
        change();
        let error = Tls::load(files.names()).unwrap_err();
        let shown = format!("{error:?}");
        let text = format!("{:#} {shown}", anyhow::Error::new(error));
        assert!(!text.contains(SECRET), "{text}");
        // A byte string is shown as numbers.
        assert!(!text.contains("104, 117, 115, 104"), "{text}");
        text
    };
    let write = |name: &str, text: &str| std::fs::write(files.path(name), text).unwrap();
    for text in [
        SECRET.to_owned(),
        format!("-----BEGIN PRIVATE KEY-----{SECRET}"),
        format!("-----BEGIN PRIVATE KEY-----\n{SECRET}!\n-----END PRIVATE KEY-----\n"),
        format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END {SECRET}-----\n"),
    ] {
        let text = told(&|| write("server.key", &text));
        assert!(text.contains("server.key"), "{text}");
    }
    let text = told(&|| write("server.key", &foreign.key));
    assert!(text.contains("server.key") && text.contains("server.pem"), "{text}");
    for name in ["server.pem", "ca.pem"] {
        let text = told(&|| write(name, SECRET));
        assert!(text.contains(name), "{text}");
        let text = told(&|| std::fs::remove_file(files.path(name)).unwrap());
        assert!(text.contains(name) && text.contains("No such file"), "{text}");
    }
    // One that is cut off behind a whole one.
    let cut = format!("{}-----BEGIN CERTIFICATE-----\n{SECRET}", right.certificate);
    let text = told(&|| write("server.pem", &cut));
    assert!(text.contains("server.pem holds no certificate, or a broken one"), "{text}");
}

/// A router over pipes, in TLS.
struct Piped {
    files: Files,
    connect: mpsc::UnboundedSender<DuplexStream>,
}

impl Piped {
    fn start() -> Self {
        let files = Files::new();
        let (connect, incoming) = mpsc::unbounded_channel();
        let incoming = files.load().accept(UnboundedReceiverStream::new(incoming));
        let router = Router::new(identified());
        tokio::spawn(serve_connections(router, incoming, std::future::pending()));
        Self { files, connect }
    }

    /// A connection, before anything was said on it.
    fn dial(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        self.connect.send(theirs).unwrap();
        ours
    }

    async fn connect(&self, params: &CertificateParams) -> Channel {
        let mut pipe = Some(hyper_util::rt::TokioIo::new(self.dial()));
        let connector = tower::service_fn(move |_| {
            let pipe = pipe.take().ok_or_else(|| std::io::Error::other("there is one pipe"));
            async move { pipe }
        });
        let signed = self.files.authority.sign(params);
        let endpoint = Endpoint::from_static("https://router.invalid")
            .tls_config(self.files.trusting(Some(&signed)))
            .unwrap();
        within(endpoint.connect_with_connector(connector)).await.unwrap()
    }

    async fn party(&self, name: &str) -> Party {
        let client = MessageRouterClient::new(self.connect(&client(&[name])).await);
        let mut party = Party { name: name.into(), client };
        party.register("persistent").await.unwrap();
        party
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_when_its_certificate_expires() {
    let piped = Piped::start();
    let mut alice = piped.party("alice").await;
    let mut events = alice.hear(&[]).await.unwrap();
    let started = tokio::time::Instant::now();
    let ended = tokio::time::timeout(Duration::from_hours(2), events.next()).await.unwrap();
    assert!(ended.unwrap().is_err(), "SEC-8");
    let lasted = started.elapsed();
    let hour = Duration::from_hours(1);
    assert!(lasted > hour - Duration::from_secs(60), "{lasted:?}");
    assert!(lasted < hour + Duration::from_secs(2), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_noticed() {
    let files = Files::new();
    let tls = files.load();
    let (connect, incoming) = mpsc::unbounded_channel();
    let incoming = tls.accept(UnboundedReceiverStream::new(incoming));
    tokio::spawn(serve_connections(Router::new(identified()), incoming, std::future::pending()));
    tokio::spawn(async move { tls.keep_up().await });
    let successor = Authority::new();
    files.write(&successor.server());
    std::fs::write(files.path("ca.pem"), successor.pem()).unwrap();
    tokio::time::sleep(limits::CERTIFICATES_INTERVAL * 2).await;
    let piped = Piped { files: Files { authority: successor, ..files }, connect };
    piped.party("alice").await.beat().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_not_waited_for_long() {
    let piped = Piped::start();
    let mut silent = piped.dial();
    let started = tokio::time::Instant::now();
    let ended = tokio::time::timeout(Duration::from_hours(1), silent.read(&mut [0])).await;
    assert_eq!(ended.unwrap().unwrap(), 0);
    assert_eq!(started.elapsed().as_secs(), limits::HANDSHAKE_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn any_number_of_silent_connections_holds_nobody_up() {
    let piped = Piped::start();
    let started = tokio::time::Instant::now();
    let mut silent: Vec<_> = (0..limits::HANDSHAKES + 1).map(|_| piped.dial()).collect();
    piped.party("alice").await.beat().await.unwrap();
    // Two were one too many each, and the oldest went at once; the others have their time.
    for oldest in &mut silent[..2] {
        assert_eq!(within(oldest.read(&mut [0])).await.unwrap(), 0);
    }
    assert!(started.elapsed() < limits::HANDSHAKE_TIMEOUT);
    assert_eq!(within(silent[2].read(&mut [0])).await.unwrap(), 0);
    assert!(started.elapsed() >= limits::HANDSHAKE_TIMEOUT);
}
