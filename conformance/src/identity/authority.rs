//! Makes certificates: by an authority whose key is there, and such as nobody should trust.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PublicKeyData as _, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::ext::pkix::SubjectKeyIdentifier;

use super::Pair;

const DAY: Duration = Duration::from_hours(24);

/// Why an authority cannot be used to make certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    /// Its certificate cannot be read.
    #[error("the certificate cannot be read")]
    Certificate,
    /// Its key cannot be read. What is in it is not told.
    #[error(
        "the ca.key beside the parties' certificates cannot be read: it has to be PKCS#8, which \
         begins with BEGIN PRIVATE KEY (`openssl pkcs8 -topk8 -nocrypt` makes it)"
    )]
    Key,
    /// The two do not belong together.
    #[error("the ca.key beside the parties' certificates is not its key")]
    OtherKey,
    /// Its name cannot be written again as it is.
    #[error(
        "the authority's name is of a kind that the suite cannot write: remove ca.key and put a \
         certificate for each party beside it"
    )]
    Name,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub(super) enum Lasts {
    Now,
    UntilYesterday,
    FromTomorrow,
}

/// Who signs.
pub(super) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: Option<Certificate>,
}

/// A certificate that was made, those above it but for the authority's, and its key.
pub(super) struct Certified {
    chain: Vec<Certificate>,
    key: KeyPair,
}

impl Authority {
    /// A new one.
    pub(super) fn new() -> Self {
        let params = authority(common_name("mpc-conformance authority"));
        let key = new_key();
        let certificate = params.self_signed(&key).expect("it is complete");
        Self { params, key, certificate: Some(certificate) }
    }

    /// The one that has this certificate and this key, which is PEM.
    pub(super) fn read(certificate: &CertificateDer<'_>, key: &str) -> Result<Self, Unsuitable> {
        let key = KeyPair::from_pem(key).map_err(|_| Unsuitable::Key)?;
        let read =
            x509_cert::Certificate::from_der(certificate).map_err(|_| Unsuitable::Certificate)?;
        let public = read.tbs_certificate.subject_public_key_info.to_der();
        if public.map_err(|_| Unsuitable::Certificate)? != key.subject_public_key_info() {
            return Err(Unsuitable::OtherKey);
        }
        let mut params = authority(name_of(&read)?);
        // Some compare how a certificate names its authority's key with how that names it itself.
        let named = read.tbs_certificate.get::<SubjectKeyIdentifier>();
        params.key_identifier_method = match named {
            Ok(Some((_, id))) => KeyIdMethod::PreSpecified(id.0.as_bytes().to_vec()),
            _ => KeyIdMethod::Sha256,
        };
        let this = Self { params, key, certificate: None };
        // A name that does not come out as it went in makes certificates that nobody trusts.
        let made = this.certify("anybody", Lasts::Now);
        let made = x509_cert::Certificate::from_der(made.chain[0].der())
            .map_err(|_| Unsuitable::Certificate)?;
        if made.tbs_certificate.issuer != read.tbs_certificate.subject {
            return Err(Unsuitable::Name);
        }
        Ok(this)
    }

    /// One of the same name as the one that has this certificate, and another key.
    pub(super) fn like(certificate: &CertificateDer<'_>) -> Result<Self, Unsuitable> {
        let read =
            x509_cert::Certificate::from_der(certificate).map_err(|_| Unsuitable::Certificate)?;
        // A name that cannot be written is not needed to be no trusted authority.
        let name = name_of(&read).unwrap_or_else(|_| common_name("another authority"));
        Ok(Self { params: authority(name), key: new_key(), certificate: None })
    }

    pub(super) fn pem(&self) -> String {
        self.certificate.as_ref().map(Certificate::pem).unwrap_or_default()
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// A party's certificate.
    pub(super) fn certify(&self, party: &str, lasts: Lasts) -> Certified {
        let key = new_key();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let signed = leaf(party, lasts).signed_by(&key, &issuer);
        Certified { chain: vec![signed.expect("it is complete")], key }
    }

    /// A party's certificate, with another name as an alternative one. None if that cannot be written.
    pub(super) fn certify_also_called(&self, party: &str, other: &str) -> Option<Certified> {
        let key = new_key();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let mut params = leaf(party, Lasts::Now);
        params.subject_alt_names =
            vec![SanType::DnsName(other.try_into().ok()?), SanType::URI(other.try_into().ok()?)];
        let signed = params.signed_by(&key, &issuer);
        Some(Certified { chain: vec![signed.expect("it is complete")], key })
    }

    /// A router's certificate, for the loopback interface.
    pub(super) fn certify_server(&self) -> Certified {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("they are names and addresses");
        params.distinguished_name = common_name("router");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = new_key();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let signed = params.signed_by(&key, &issuer);
        Certified { chain: vec![signed.expect("it is complete")], key }
    }

    /// A certificate that a party has signed which the authority has certified.
    pub(super) fn certify_by_a_party(&self, party: &str) -> Certified {
        let signer = self.certify("signer", Lasts::Now);
        let params = leaf("signer", Lasts::Now);
        let key = new_key();
        let issuer = Issuer::from_params(&params, &signer.key);
        let signed = leaf(party, Lasts::Now).signed_by(&key, &issuer);
        let mut chain = vec![signed.expect("it is complete")];
        chain.extend(signer.chain);
        Certified { chain, key }
    }
}

/// A party's certificate that nobody but itself has signed.
pub(super) fn self_signed(party: &str) -> Certified {
    let key = new_key();
    let signed = leaf(party, Lasts::Now).self_signed(&key);
    Certified { chain: vec![signed.expect("it is complete")], key }
}

impl Certified {
    pub(super) fn certificate_pem(&self) -> String {
        self.chain.iter().map(Certificate::pem).collect()
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(super) fn into_pair(self) -> Pair {
        let chain = self.chain.iter().map(|it| it.der().clone()).collect();
        (chain, PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der())))
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the system has random numbers")
}

fn authority(name: DistinguishedName) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf(party: &str, lasts: Lasts) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(party);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let now = SystemTime::now();
    let (from, until) = match lasts {
        Lasts::Now => (now - DAY, now + DAY),
        Lasts::UntilYesterday => (now - 9 * DAY, now - DAY),
        Lasts::FromTomorrow => (now + DAY, now + 9 * DAY),
    };
    params.not_before = from.into();
    params.not_after = until.into();
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// The name of who has this certificate.
fn name_of(certificate: &x509_cert::Certificate) -> Result<DistinguishedName, Unsuitable> {
    let mut name = DistinguishedName::new();
    for part in &certificate.tbs_certificate.subject.0 {
        for attribute in part.0.iter() {
            let oid: Vec<u64> = attribute.oid.arcs().map(u64::from).collect();
            let value = &attribute.value;
            let text = match value.tag() {
                Tag::Utf8String => value
                    .decode_as::<Utf8StringRef<'_>>()
                    .ok()
                    .map(|it| DnValue::Utf8String(it.as_str().into())),
                Tag::PrintableString => value
                    .decode_as::<PrintableStringRef<'_>>()
                    .ok()
                    .and_then(|it| Some(DnValue::PrintableString(it.as_str().try_into().ok()?))),
                Tag::Ia5String => value
                    .decode_as::<Ia5StringRef<'_>>()
                    .ok()
                    .and_then(|it| Some(DnValue::Ia5String(it.as_str().try_into().ok()?))),
                _ => None,
            };
            name.push(DnType::from_oid(&oid), text.ok_or(Unsuitable::Name)?);
        }
    }
    Ok(name)
}
