//! Notifications over TLS, to gateways whom the system trusts.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::Endpoint;

use crate::certs::{Folder, in_tokio};
use crate::running::{Running, router};

const LONG: Duration = Duration::from_secs(60);

/// A port that speaks TLS with the certificate of a folder.
struct TlsPort {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsPort {
    async fn of(folder: &Folder) -> Self {
        let certificates = CertificateDer::pem_file_iter(folder.path("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.path("server.key")).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates.map(Result::unwrap).collect(), key)
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.listener.local_addr().unwrap().port())
    }

    /// The next connection of somebody who trusts the certificate.
    async fn accept(&self) -> BufReader<TlsStream<TcpStream>> {
        let accept = async {
            loop {
                let (connection, _) = self.listener.accept().await.unwrap();
                if let Ok(stream) = self.acceptor.accept(connection).await {
                    return BufReader::new(stream);
                }
            }
        };
        tokio::time::timeout(LONG, accept).await.unwrap()
    }
}

/// Has a party that is away be sent something.
async fn send_to_who_is_away(address: &str) {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = MessageRouterClient::new(endpoint.connect().await.unwrap());
    let notification =
        NotificationChannel { email: "bob@example.org".into(), ..Default::default() };
    let request = RegisterPartyRequest {
        party_id: "bob".into(),
        party_role: "persistent".into(),
        notification: Some(notification),
        ..Default::default()
    };
    client.register_party(request).await.unwrap();
    let online = GetRegisteredPartiesRequest { only_online: true, ..Default::default() };
    while client.get_registered_parties(online.clone()).await.unwrap().into_inner().total_count > 0
    {
        tokio::task::yield_now().await;
    }
    let request = RouteMessageRequest {
        session_id: "s".into(),
        from_party: "alice".into(),
        to_parties: vec!["bob".into()],
        ..Default::default()
    };
    client.route_message(request).await.unwrap();
}

fn serve(command: &mut Command) -> Running {
    command.args(["serve", "--listen", "127.0.0.1:0", "--open-sessions"]);
    Running::start(command.args(["--heartbeat-timeout", "50ms"]))
}

#[test]
fn an_https_gateway_is_one_that_the_system_trusts() {
    let folder = Folder::filled();
    in_tokio(async {
        let port = TlsPort::of(&folder).await;
        let url = format!("https://{}/notify", port.host());
        let trusts = |ca: &str| {
            let mut command = router();
            command.env("SSL_CERT_FILE", folder.path(ca)).env("MPC_ROUTER_NOTIFY_URL", &url);
            serve(&mut command)
        };
        // An authority of its own, which has nothing to do with the gateway's.
        let another = Folder::filled();
        fs::copy(another.path("ca.pem"), folder.path("another.pem")).unwrap();
        let stranger = trusts("another.pem");
        let friend = trusts("ca.pem");
        send_to_who_is_away(&stranger.address).await;
        let refused = tokio::task::spawn_blocking(move || {
            stranger.wait_for("a notification failed");
            stranger.signal("TERM");
            stranger.end()
        });
        let comes = async {
            let mut stream = port.accept().await;
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            assert_eq!(line, "POST /notify HTTP/1.1\r\n");
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        };
        let comes_to_nobody = async {
            let log = refused.await.unwrap().1;
            assert!(log.contains("invalid peer certificate"), "{log}");
            assert!(!log.contains("bob@"), "SEC-7: {log}");
            send_to_who_is_away(&friend.address).await;
        };
        tokio::join!(comes, comes_to_nobody);
    });
}

#[test]
fn an_smtps_server_is_one_that_the_system_trusts() {
    let folder = Folder::filled();
    in_tokio(async {
        let port = TlsPort::of(&folder).await;
        let mut command = router();
        command.env("SSL_CERT_FILE", folder.path("ca.pem"));
        command.env("MPC_ROUTER_NOTIFY_SMTP", format!("smtps://{}", port.host()));
        command.env("MPC_ROUTER_NOTIFY_FROM", "router@example.org");
        let running = serve(&mut command);
        let comes = async {
            let mut stream = port.accept().await;
            stream.write_all(b"220 mail.invalid\r\n").await.unwrap();
            stream.flush().await.unwrap();
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            assert!(line.starts_with("EHLO "), "{line}");
        };
        tokio::join!(comes, send_to_who_is_away(&running.address));
    });
}
