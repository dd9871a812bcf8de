use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};

use super::{Seen, TlsFiles};

/// Certificates or a key cannot be used. The text names the file, and never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no certificate.
    #[error("{} holds no certificate, or a broken one: it has to be a PEM file", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no private key.
    #[error("{} holds no private key, or a broken one: it has to be a PEM file", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate and a key do not belong together.
    #[error(
        "the key in {} is not that of the certificate in {}",
        key.display(),
        certificate.display()
    )]
    Apart {
        /// The file with the key.
        key: PathBuf,
        /// The file with the certificate.
        certificate: PathBuf,
    },
    /// A certificate or its key is of a kind that TLS does not take.
    #[error("cannot use the certificate in {} with its key", certificate.display())]
    Unusable {
        /// The file with the certificate.
        certificate: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// A file holds a certificate that signs no others.
    #[error("cannot trust the certificates in {}", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// Client certificates cannot be verified.
    #[error("cannot verify client certificates with those in {}", path.display())]
    Unverifiable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: VerifierBuilderError,
    },
}

/// Reads the files: what stands for their content, and what comes of it.
pub(super) fn read(files: &TlsFiles) -> (Seen, Result<Arc<ServerConfig>, TlsError>) {
    let mut seen = Sha256::new();
    let mut content = |path: &Path| {
        let content = std::fs::read(path);
        // A file that cannot be read is a content of its own.
        seen.update(content.as_ref().map_or(u64::MAX, |it| it.len() as u64).to_be_bytes());
        seen.update(content.as_deref().unwrap_or_default());
        content.map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
    };
    let certificate = content(&files.certificate);
    let key = content(&files.key);
    let authorities = files.clients.as_ref().map(|clients| content(&clients.authorities));
    let config = (|| {
        let (certificate, key) = (certificate?, key?);
        config(files, &certificate, &key, authorities.transpose()?.as_deref())
    })();
    (seen.finalize().into(), config.map(Arc::new))
}

fn config(
    files: &TlsFiles,
    certificate: &[u8],
    key: &[u8],
    authorities: Option<&[u8]>,
) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.certificate, certificate)?;
    // Its error would repeat lines of the file.
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| TlsError::NoKey { path: files.key.clone() })?;
    // The provider is named, so that nothing else in the process decides which one it is.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring speaks TLS 1.3");
    let config = match (&files.clients, authorities) {
        (Some(clients), Some(authorities)) => {
            let path = || clients.authorities.clone();
            let mut roots = RootCertStore::empty();
            for authority in certificates(&clients.authorities, authorities)? {
                roots
                    .add(authority)
                    .map_err(|source| TlsError::Untrusted { path: path(), source })?;
            }
            // SEC-1, SEC-8: without a certificate that is trusted and valid now, no handshake.
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .map_err(|source| TlsError::Unverifiable { path: path(), source })?;
            config.with_client_cert_verifier(verifier)
        }
        _ => config.with_no_client_auth(),
    };
    let mut config = config.with_single_cert(chain, key).map_err(|source| match source {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Apart { key: files.key.clone(), certificate: files.certificate.clone() }
        }
        source => TlsError::Unusable { certificate: files.certificate.clone(), source },
    })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificates(path: &Path, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
    let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
    certificates.ok_or_else(|| TlsError::NoCertificate { path: path.to_owned() })
}
