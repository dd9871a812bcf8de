//! A real TLS server judges what is shown.

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

fn server(folder: &Path) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    for authority in folder::certificates(&folder.join("ca.pem")).unwrap() {
        roots.add(authority).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let (chain, key) = pair(&read("server.pem"), &read("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Whether the server lets in who shows this.
async fn is_let_in(identities: &Identities, folder: &Path, shown: &Shown) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = server(folder);
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = acceptor.accept(stream).await {
            stream.write_all(b"welcome").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let connector = TlsConnector::from(identities.config(shown).unwrap());
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut heard = Vec::new();
    if let Ok(mut stream) = connector.connect(name, stream).await {
        // What is refused may be told by an error or by silence.
        let _ = stream.read_to_end(&mut heard).await;
    }
    serving.await.unwrap();
    heard == b"welcome"
}

#[tokio::test]
async fn only_good_certificates_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let made = Identities::make(folder.path()).unwrap();
    let certificate = |grade| Shown::Certificate("alice \u{e9}".into(), grade);
    for (shown, expected) in [
        (Shown::Nothing, false),
        (certificate(Grade::Good), true),
        (certificate(Grade::SelfSigned), false),
        (certificate(Grade::OtherAuthority), false),
        (certificate(Grade::ByAParty), false),
        (certificate(Grade::Expired), false),
        (certificate(Grade::NotYetValid), false),
        (Shown::Certificate(COORDINATOR.into(), Grade::Good), true),
        (Shown::Certificate("alice,CN=bob ".into(), Grade::Good), true),
        (Shown::AlsoCalled("alice".into(), "bob".into()), true),
    ] {
        assert_eq!(is_let_in(&made, folder.path(), &shown).await, expected, "{shown:?}");
    }
}

#[test]
fn without_the_authoritys_key_there_are_the_names_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let authority = Authority::new();
    std::fs::write(path("ca.pem"), authority.pem()).unwrap();
    for (file, name) in [("a", "alice"), ("b.c", "bob"), ("coordinator", "coordinator")] {
        let certified = authority.certify(name, Lasts::Now);
        std::fs::write(path(&format!("{file}.pem")), certified.certificate_pem()).unwrap();
        std::fs::write(path(&format!("{file}.key")), certified.key_pem()).unwrap();
    }
    // The router's own is nobody's.
    let server = authority.certify_server();
    std::fs::write(path("server.pem"), server.certificate_pem()).unwrap();
    std::fs::write(path("server.key"), server.key_pem()).unwrap();

    let read =
        |coordinator: &str| Identities::read(&path("ca.pem"), folder.path(), coordinator, None);
    let identities = read("coordinator").unwrap();
    let shown = |name: &str, grade| Shown::Certificate(name.into(), grade);
    identities.config(&shown("bob", Grade::Good)).unwrap();
    let error = identities.config(&shown("carol", Grade::Good)).unwrap_err().to_string();
    assert!(error.contains("ca.key"), "{error}");
    assert!(identities.config(&shown("bob", Grade::Expired)).is_err());

    let next = || identities.next_name().unwrap();
    assert_eq!([next(), next()], [Ok("alice".to_owned()), Ok("bob".to_owned())]);
    assert!(next().unwrap_err().to_string().contains("are used up"));
    // A second run on the same router.
    let again = read("coordinator").unwrap();
    again.takes_names(&["alice".to_owned()]);
    assert_eq!(again.next_name().unwrap(), Ok("bob".to_owned()));

    let error = read("chief").unwrap_err().to_string();
    assert!(error.contains("chief.pem"), "{error}");
}

#[test]
fn a_key_of_another_authority_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let made = Identities::make(folder.path());
    assert!(made.is_ok());
    std::fs::write(folder.path().join("ca.key"), Authority::new().key_pem()).unwrap();
    let read = Identities::read(&folder.path().join("ca.pem"), folder.path(), "coordinator", None);
    let error = read.unwrap_err().to_string();
    assert!(error.contains("is not its key"), "{error}");
}
