//! The certificates that a profile names, as files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Tag, Tagged as _};
use x509_cert::ext::pkix::ExtendedKeyUsage;

use super::{IdentityError, Pair, pair};

/// `id-at-commonName`, and `id-kp-clientAuth`.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const CLIENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// A folder of NAME.pem and NAME.key.
pub(super) struct Folder {
    path: PathBuf,
    /// The files without their ending, by the common name of the certificate.
    stems: BTreeMap<String, PathBuf>,
    /// Names that no party has had yet, the next one last.
    free: Option<Vec<String>>,
}

impl Folder {
    pub(super) fn read(path: &Path) -> Result<Self, IdentityError> {
        let failed = |source| IdentityError::File { path: path.into(), source };
        let mut stems = BTreeMap::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            let is_certificate = file.extension().is_some_and(|it| it == "pem");
            if !is_certificate || !file.with_extension("key").exists() {
                continue;
            }
            if let Some(name) = certificates(&file)?.first().and_then(party_of) {
                stems.insert(name, file.with_extension(""));
            }
        }
        Ok(Self { path: path.into(), stems, free: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.stems.contains_key(name)
    }

    /// The next name that nobody has had.
    pub(super) fn next_name(&mut self, coordinator: &str) -> Option<String> {
        self.free(coordinator).pop()
    }

    /// None of these is a new party's name.
    pub(super) fn takes_names(&mut self, known: &[String], coordinator: &str) {
        self.free(coordinator).retain(|name| !known.contains(name));
    }

    fn free(&mut self, coordinator: &str) -> &mut Vec<String> {
        let names = || self.stems.keys().rev().filter(|it| *it != coordinator).cloned().collect();
        self.free.get_or_insert_with(names)
    }

    /// The certificate of that name and its key, if there is one.
    pub(super) fn pair(&self, name: &str) -> Option<Result<Pair, String>> {
        let stem = self.stems.get(name)?;
        let read = |ending: &str| {
            let file = with_ending(stem, ending);
            std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))
        };
        Some(read("pem").and_then(|certificate| pair(&certificate, &read("key")?)))
    }
}

/// A name may have dots of its own.
fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut file = stem.as_os_str().to_owned();
    file.push(".");
    file.push(ending);
    file.into()
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String, IdentityError> {
    std::fs::read_to_string(path)
        .map_err(|source| IdentityError::File { path: path.into(), source })
}

/// The certificates in a file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let text = text(path)?;
    let malformed = |what: String| IdentityError::Malformed { path: path.into(), what };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match read {
        Ok(read) if read.is_empty() => Err(malformed("there is no certificate in it".into())),
        Ok(read) => Ok(read),
        Err(error) => Err(malformed(format!("it is no certificate in PEM: {error}"))),
    }
}

/// Whom a certificate names, if it is one for clients.
fn party_of(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?.tbs_certificate;
    if let Ok(Some((_, usage))) = certificate.get::<ExtendedKeyUsage>()
        && !usage.0.contains(&CLIENT)
    {
        return None;
    }
    let mut attributes = certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let value = &attributes.find(|it| it.oid == COMMON_NAME)?.value;
    match value.tag() {
        Tag::Utf8String => Some(value.decode_as::<Utf8StringRef<'_>>().ok()?.as_str().into()),
        Tag::PrintableString => {
            Some(value.decode_as::<PrintableStringRef<'_>>().ok()?.as_str().into())
        }
        Tag::Ia5String => Some(value.decode_as::<Ia5StringRef<'_>>().ok()?.as_str().into()),
        _ => None,
    }
}
