//! Who calls: what a party shows of itself when it connects, and where it has it from.

mod authority;
mod folder;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use self::authority::{Authority, Lasts};
use self::folder::Folder;

pub use self::authority::Unsuitable;

/// What a caller shows of itself when it connects.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// It does not encrypt, and so shows nothing.
    #[default]
    Plaintext,
    /// It encrypts, and shows no certificate.
    Nothing,
    /// A certificate with this common name.
    Certificate(String, Grade),
    /// A good certificate with this common name, and with that other name as an alternative one.
    AlsoCalled(String, String),
}

/// What a certificate is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// The authority that the target trusts has signed it, and it is valid now.
    Good,
    /// It has signed itself.
    SelfSigned,
    /// An authority of the same name as the trusted one has signed it.
    OtherAuthority,
    /// A party that the authority has certified has signed it, as no party may.
    ByAParty,
    /// It was valid until yesterday.
    Expired,
    /// It is valid from tomorrow on.
    NotYetValid,
}

/// Nobody can be called by that name, and why. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoIdentity(String);

/// Why there are no identities to begin with.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it is not.
        what: String,
    },
    /// The authority cannot be used to make certificates.
    #[error("{}: {source}", path.display())]
    Authority {
        /// Its certificate.
        path: PathBuf,
        /// Why.
        source: Unsuitable,
    },
    /// The one who publishes has no certificate.
    #[error(
        "{} has no certificate with the common name {name:?}, and no ca.key to make one with: put \
         {name}.pem and {name}.key there, or name another tls.coordinator",
        folder.display()
    )]
    NoCoordinator {
        /// Where it was looked for.
        folder: PathBuf,
        /// The coordinator's name.
        name: String,
    },
}

/// The certificates of a run's parties. Clones are the same.
#[derive(Clone)]
pub struct Identities(Arc<Inner>);

struct Inner {
    coordinator: String,
    server_name: Option<ServerName<'static>>,
    roots: RootCertStore,
    /// Makes certificates for any name, where its key is there.
    authority: Option<Authority>,
    /// Looks like it, and is not trusted.
    impostor: Authority,
    given: Mutex<Folder>,
    configs: Mutex<BTreeMap<Shown, Arc<ClientConfig>>>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities")
            .field("coordinator", &self.0.coordinator)
            .finish_non_exhaustive()
    }
}

impl Identities {
    /// Those of a profile: the certificate of the authority at `ca`, and in `folder` a NAME.pem and
    /// NAME.key for each party, or the authority's ca.key, with which they are made.
    ///
    /// # Errors
    /// If a file cannot be used, or the coordinator has no certificate.
    pub fn read(
        ca: &Path,
        folder: &Path,
        coordinator: &str,
        server_name: Option<ServerName<'static>>,
    ) -> Result<Self, IdentityError> {
        let authorities = folder::certificates(ca)?;
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(authorities.iter().cloned());
        if taken == 0 {
            let what = "it has no certificate of an authority".into();
            return Err(IdentityError::Malformed { path: ca.into(), what });
        }
        let unsuitable = |source| IdentityError::Authority { path: ca.into(), source };
        let key = folder.join("ca.key");
        let authority = match key.try_exists() {
            Ok(true) => {
                let key = folder::text(&key)?;
                Some(Authority::read(&authorities[0], &key).map_err(unsuitable)?)
            }
            _ => None,
        };
        let impostor = Authority::like(&authorities[0]).map_err(unsuitable)?;
        let given = Folder::read(folder)?;
        if authority.is_none() && !given.has(coordinator) {
            return Err(IdentityError::NoCoordinator {
                folder: folder.into(),
                name: coordinator.into(),
            });
        }
        let coordinator = coordinator.to_owned();
        let (given, configs) = (Mutex::new(given), Mutex::default());
        Ok(Self(Arc::new(Inner {
            coordinator,
            server_name,
            roots,
            authority,
            impostor,
            given,
            configs,
        })))
    }

    /// Makes an authority of its own, with a certificate for a router at the loopback interface:
    /// ca.pem, ca.key, server.pem and server.key, and coordinator.pem and .key.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn make(folder: &Path) -> Result<Self, IdentityError> {
        let authority = Authority::new();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|source| IdentityError::File { path, source })
        };
        write("ca.pem", &authority.pem())?;
        write("ca.key", &authority.key_pem())?;
        for (name, pair) in [
            ("server", authority.certify_server()),
            (COORDINATOR, authority.certify(COORDINATOR, Lasts::Now)),
        ] {
            write(&format!("{name}.pem"), &pair.certificate_pem())?;
            write(&format!("{name}.key"), &pair.key_pem())?;
        }
        Self::read(&folder.join("ca.pem"), folder, COORDINATOR, None)
    }

    /// The name of who publishes session events.
    pub fn coordinator(&self) -> &str {
        &self.0.coordinator
    }

    /// The name that the target's certificate has to have, where it is not that of its address.
    pub(crate) fn server_name(&self) -> Option<&ServerName<'static>> {
        self.0.server_name.as_ref()
    }

    /// Whether only certain names have certificates.
    pub(crate) fn has_certain_names(&self) -> bool {
        self.0.authority.is_none()
    }

    /// Notes that these parties are known to the target: none of their names is a new one's.
    pub(crate) fn takes_names(&self, known: &[String]) {
        let mut given = self.0.given.lock().expect("nobody panics with it");
        given.takes_names(known, &self.0.coordinator);
    }

    /// A party's name, where only certain names have certificates: the next one that nobody has had
    /// in this run. None where certificates are made for any name.
    ///
    /// # Errors
    /// If none is left.
    pub(crate) fn next_name(&self) -> Option<Result<String, NoIdentity>> {
        if !self.has_certain_names() {
            return None;
        }
        let mut given = self.0.given.lock().expect("nobody panics with it");
        let next = given.next_name(&self.0.coordinator);
        Some(next.ok_or_else(|| {
            NoIdentity(format!(
                "the certificates for parties in {} are used up, or their parties are registered \
                 with the target already: put more there, or the authority's key as ca.key, so that \
                 the suite makes what it needs",
                given.path().display()
            ))
        }))
    }

    /// How to connect so that the target sees `shown`, which is not [`Shown::Plaintext`].
    ///
    /// # Errors
    /// If there is no such certificate.
    pub(crate) fn config(&self, shown: &Shown) -> Result<Arc<ClientConfig>, NoIdentity> {
        let mut configs = self.0.configs.lock().expect("nobody panics with it");
        if let Some(config) = configs.get(shown) {
            return Ok(config.clone());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the versions of TLS")
            .with_root_certificates(self.0.roots.clone());
        let mut config = match shown {
            Shown::Plaintext | Shown::Nothing => builder.with_no_client_auth(),
            Shown::Certificate(name, grade) => {
                with_certificate(builder, name, self.certificate(name, *grade)?)?
            }
            Shown::AlsoCalled(name, other) => {
                with_certificate(builder, name, self.also_called(name, other)?)?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let config = Arc::new(config);
        configs.insert(shown.clone(), config.clone());
        Ok(config)
    }

    /// The authority, for a certificate of this kind and name.
    fn authority(&self, name: &str, what: &str) -> Result<&Authority, NoIdentity> {
        self.0.authority.as_ref().ok_or_else(|| {
            NoIdentity(format!(
                "{what} for {name:?} takes the authority's key: put it as ca.key where the \
                 certificates are"
            ))
        })
    }

    fn also_called(&self, name: &str, other: &str) -> Result<Pair, NoIdentity> {
        let authority = self.authority(name, "a certificate with another name beside")?;
        let certified = authority.certify_also_called(name, other).ok_or_else(|| {
            NoIdentity(format!("no certificate has {other:?} as an alternative name"))
        })?;
        Ok(certified.into_pair())
    }

    fn certificate(&self, name: &str, grade: Grade) -> Result<Pair, NoIdentity> {
        let inner = &*self.0;
        let by_authority = |lasts: Lasts, what: &str| {
            Ok(self.authority(name, what)?.certify(name, lasts).into_pair())
        };
        match grade {
            Grade::Good => {
                let given = inner.given.lock().expect("nobody panics with it");
                match given.pair(name) {
                    Some(pair) => pair.map_err(NoIdentity),
                    None => by_authority(Lasts::Now, "a certificate"),
                }
            }
            Grade::SelfSigned => Ok(authority::self_signed(name).into_pair()),
            Grade::OtherAuthority => Ok(inner.impostor.certify(name, Lasts::Now).into_pair()),
            Grade::ByAParty => {
                let authority = self.authority(name, "a forged certificate")?;
                Ok(authority.certify_by_a_party(name).into_pair())
            }
            Grade::Expired => by_authority(Lasts::UntilYesterday, "a certificate that expired"),
            Grade::NotYetValid => by_authority(Lasts::FromTomorrow, "a certificate of the future"),
        }
    }
}

fn with_certificate(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    name: &str,
    (chain, key): Pair,
) -> Result<ClientConfig, NoIdentity> {
    builder.with_client_auth_cert(chain, key).map_err(|error| {
        NoIdentity(format!("the certificate of {name:?} cannot be shown: {error}"))
    })
}

/// Who publishes session events where nothing else is said.
pub const COORDINATOR: &str = "coordinator";

/// A certificate, with those between it and its authority, and its key.
type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A certificate and its key in PEM.
fn pair(certificates: &[u8], key: &[u8]) -> Result<Pair, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
    let chain = chain.map_err(|error| format!("the certificate cannot be read: {error}"))?;
    // What cannot be read of a key is not told.
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "the key cannot be read")?;
    if chain.is_empty() { Err("there is no certificate in it".into()) } else { Ok((chain, key)) }
}

#[cfg(test)]
mod tests;
