//! Certificates to begin with: an authority of one's own, and what it signs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

/// Make certificates for development and tests
///
/// The first call makes an authority, a certificate for the router, and one for each coordinator
/// and party. Later calls in the same folder add those that are named. For each NAME there are
/// NAME.pem and NAME.key, which only you may read; the authority's are ca.pem and ca.key, the
/// router's server.pem and server.key.
///
/// Keep ca.key: whoever has it can be any party. For anything but development have certificates
/// signed where you sign the others of your organisation.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Certs {
    /// The folder to write to; it is made if there is none
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// A party, by its party_id; may be repeated
    #[arg(long, value_name = "NAME", value_parser = name)]
    party: Vec<String>,

    /// A coordinator; may be repeated; the first call makes one of the name `coordinator` if none
    /// is named
    #[arg(long, value_name = "NAME", value_parser = name)]
    coordinator: Vec<String>,

    /// A name or address under which the router is reached, besides localhost, 127.0.0.1 and ::1;
    /// may be repeated
    #[arg(long, value_name = "NAME")]
    server: Vec<String>,

    /// How long the certificates are valid; the authority's is for ten years
    #[arg(
        long,
        value_name = "DAYS",
        default_value_t = 365,
        value_parser = clap::value_parser!(u32).range(1..=AUTHORITY_DAYS as i64)
    )]
    days: u32,

    /// Replace certificates and keys that are there already; the authority stays
    #[arg(long)]
    overwrite: bool,
}

const EXAMPLES: &str = "\
Examples:
  mpc-router certs ./certs --party alice --party bob
      all that a router, a coordinator and two parties need
  mpc-router certs ./certs --party carol
      one party more, signed by the same authority
  mpc-router certs ./certs --server router.example.org --overwrite
      another certificate for the router; one that runs takes it up by itself";

const AUTHORITY: &str = "ca";
const SERVER: &str = "server";
const AUTHORITY_NAME: &str = "mpc-router development authority";
const AUTHORITY_DAYS: u32 = 3_650;

/// What certificates allow a common name to have.
const NAME_CHARACTERS: usize = 64;

/// Accepts a name that a file can have as well, so that each party's files are its own.
fn name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_alphanumeric() || "-_.@+".contains(c);
    if text.is_empty() || text.starts_with(['.', '-']) || !text.chars().all(allowed) {
        return Err(
            "files are named after it: write letters, digits and -_.@+, with none of . and - \
                    at the beginning"
                .into(),
        );
    }
    if text.chars().count() > NAME_CHARACTERS {
        return Err(format!(
            "a certificate's common name has {NAME_CHARACTERS} characters at most"
        ));
    }
    if [AUTHORITY, SERVER].contains(&&*text.to_lowercase()) {
        return Err("the authority's and the router's own files have this name".into());
    }
    Ok(text.to_owned())
}

/// A certificate to make, and how its files are called.
struct Wanted {
    stem: String,
    params: CertificateParams,
}

/// Makes what the command line names.
pub(super) fn run(options: &Certs) -> anyhow::Result<()> {
    let folder = Folder { path: &options.folder, overwrite: options.overwrite };
    let is_new = folder.has_no_authority()?;
    let wanted = wanted(options, is_new)?;
    folder.check_free(&wanted)?;
    let authority = if is_new { folder.make_authority()? } else { folder.read_authority()? };
    for Wanted { stem, params } in &wanted {
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params.signed_by(&key, &authority.issuer);
        let certificate = certificate.with_context(|| format!("cannot certify {stem}"))?;
        authority.check_is_issuer(certificate.der()).with_context(|| {
            let ca = folder.file("ca.pem");
            format!("{} is not of `mpc-router certs`: choose another folder", ca.display())
        })?;
        folder.write(&format!("{stem}.key"), &key.serialize_pem(), Readers::Owner)?;
        folder.write(&format!("{stem}.pem"), &certificate.pem(), Readers::Everybody)?;
    }
    io::stdout().write_all(told(options, is_new, &wanted).as_bytes())?;
    Ok(())
}

fn wanted(options: &Certs, is_new: bool) -> anyhow::Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    if is_new || !options.server.is_empty() {
        let named = options.server.iter().map(String::as_str);
        let names = ["localhost", "127.0.0.1", "::1"].into_iter().chain(named);
        let names: Vec<_> = names.map(str::to_owned).collect();
        let params = CertificateParams::new(names);
        let params = params.context("each --server has to be a name or an address")?;
        let purpose = ExtendedKeyUsagePurpose::ServerAuth;
        wanted.push(Wanted {
            stem: SERVER.into(),
            params: leaf(params, "mpc-router", purpose, options.days),
        });
    }
    let default = (is_new && options.coordinator.is_empty()).then(|| "coordinator".to_owned());
    for name in default.iter().chain(&options.coordinator).chain(&options.party) {
        let purpose = ExtendedKeyUsagePurpose::ClientAuth;
        wanted.push(Wanted {
            stem: name.clone(),
            params: leaf(CertificateParams::default(), name, purpose, options.days),
        });
    }
    ensure!(
        !wanted.is_empty(),
        "{} has an authority already: name whom to make a certificate for, with --party NAME, \
         --coordinator NAME or --server NAME",
        options.folder.display()
    );
    let mut stems = BTreeSet::new();
    for Wanted { stem, .. } in &wanted {
        // Some file systems do not tell case apart.
        ensure!(stems.insert(stem.to_lowercase()), "{stem} is named twice");
    }
    Ok(wanted)
}

fn leaf(
    mut params: CertificateParams,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
    days: u32,
) -> CertificateParams {
    params.distinguished_name = common_name(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    // The strictest of clients want to be told which key has signed.
    params.use_authority_key_identifier_extension = true;
    valid(params, days)
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(params, AUTHORITY_DAYS)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// Valid from an hour ago, for machines whose clocks are behind.
fn valid(mut params: CertificateParams, days: u32) -> CertificateParams {
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_hours(1)).into();
    params.not_after = (now + Duration::from_hours(24) * days).into();
    params
}

/// Who signs, and the certificate that says so.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(certificate: &[u8], key: KeyPair) -> anyhow::Result<Self> {
        let certificate = Certificate::from_der(certificate).context("it cannot be read")?;
        Ok(Self { certificate, issuer: Issuer::new(authority(), key) })
    }

    fn check_is_issuer(&self, certificate: &[u8]) -> anyhow::Result<()> {
        let certificate = Certificate::from_der(certificate)?.tbs_certificate;
        let authority = &self.certificate.tbs_certificate;
        ensure!(certificate.issuer == authority.subject, "the authority has another name");
        Ok(())
    }
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Owner,
    Everybody,
}

/// Where the files are.
struct Folder<'a> {
    path: &'a Path,
    overwrite: bool,
}

impl Folder<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn has_no_authority(&self) -> anyhow::Result<bool> {
        let [certificate, key] = ["ca.pem", "ca.key"].map(|name| self.file(name));
        match (is_there(&certificate), is_there(&key)) {
            (false, false) => Ok(true),
            (true, true) => Ok(false),
            _ => bail!(
                "only one of {} and {} is there: put the other one back, or choose another folder",
                certificate.display(),
                key.display()
            ),
        }
    }

    fn check_free(&self, wanted: &[Wanted]) -> anyhow::Result<()> {
        if self.overwrite {
            return Ok(());
        }
        for Wanted { stem, .. } in wanted {
            for file in [format!("{stem}.pem"), format!("{stem}.key")].map(|it| self.file(&it)) {
                ensure!(
                    !is_there(&file),
                    "{} is there already: --overwrite replaces it",
                    file.display()
                );
            }
        }
        Ok(())
    }

    fn make_authority(&self) -> anyhow::Result<Authority> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let made = builder.recursive(true).create(self.path);
        made.with_context(|| format!("cannot make the folder {}", self.path.display()))?;
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = authority().self_signed(&key).context("cannot make an authority")?;
        self.write("ca.key", &key.serialize_pem(), Readers::Owner)?;
        self.write("ca.pem", &certificate.pem(), Readers::Everybody)?;
        Authority::new(certificate.der(), key)
    }

    fn read_authority(&self) -> anyhow::Result<Authority> {
        let [certificate, key] = ["ca.pem", "ca.key"].map(|name| self.file(name));
        let read = |path: &Path| {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let der = CertificateDer::from_pem_slice(read(&certificate)?.as_bytes());
        let der = der.ok().with_context(|| format!("{} is broken", certificate.display()))?;
        // Its error might repeat what is in the file.
        let pair = KeyPair::from_pem(&read(&key)?).ok();
        let pair = pair.with_context(|| format!("{} is broken", key.display()))?;
        let public = pair.subject_public_key_info();
        let authority = Authority::new(&der, pair);
        let authority =
            authority.with_context(|| format!("{} is broken", certificate.display()))?;
        let certified = &authority.certificate.tbs_certificate.subject_public_key_info;
        ensure!(
            certified.to_der()? == public,
            "{} is not the key of {}",
            key.display(),
            certificate.display()
        );
        Ok(authority)
    }

    /// Writes a file at once and whole, so that a router that reads it meanwhile sees no half of
    /// it.
    fn write(&self, name: &str, content: &str, readers: Readers) -> anyhow::Result<()> {
        let path = self.file(name);
        let replace = self.overwrite && is_there(&path);
        let written = if replace { self.file(&format!(".{name}.new")) } else { path.clone() };
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            if readers == Readers::Owner {
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            }
            options.open(&written)?.write_all(content.as_bytes())?;
            if replace { fs::rename(&written, &path) } else { Ok(()) }
        };
        write().with_context(|| format!("cannot write {}", written.display()))
    }
}

/// Whether there is anything of that name, be it a link into nowhere.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// What was made, and what to do with it.
fn told(options: &Certs, is_new: bool, wanted: &[Wanted]) -> String {
    let file = |name: &str| quoted(&options.folder.join(name));
    let mut text = String::new();
    let mut tell = |line: &str| writeln!(text, "{line}").expect("a string grows");
    if is_new {
        tell(&format!("made {} and its key", file("ca.pem")));
    }
    for Wanted { stem, .. } in wanted {
        tell(&format!("made {} and its key", file(&format!("{stem}.pem"))));
    }
    if is_new {
        tell("\nStart a router that serves these and nobody else:\n");
        let mut command = format!(
            "mpc-router serve --tls-cert {} --tls-key {} --tls-client-ca {}",
            file("server.pem"),
            file("server.key"),
            file("ca.pem"),
        );
        for name in &options.coordinator {
            write!(command, " --coordinator {name}").expect("a string grows");
        }
        tell(&format!("  {command}"));
    }
    if let Some(Wanted { stem, .. }) = wanted.iter().find(|wanted| wanted.stem != SERVER) {
        tell(&format!("\nCall it as {stem}:\n"));
        tell(&format!(
            "  grpcurl -cacert {} -cert {} -key {} 127.0.0.1:50051 \
             mpc.router.v1.MessageRouter/GetRegisteredParties",
            file("ca.pem"),
            file(&format!("{stem}.pem")),
            file(&format!("{stem}.key")),
        ));
    }
    text
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@=:,".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files() {
        for right in ["alice", "bank-3", "a.b@c+d_e", "Zo\u{eb}", &"x".repeat(64)] {
            assert_eq!(name(right).as_deref(), Ok(right));
        }
        for wrong in
            ["", ".", "..", "../x", "a/b", "a\\b", "-a", ".a", "a b", "a\n", "c:", "ca", "Server"]
        {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
        assert!(name(&"x".repeat(65)).is_err());
    }

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        for (path, written) in [("a/b.pem", "a/b.pem"), ("a b", "'a b'"), ("it's", r"'it'\''s'")] {
            assert_eq!(quoted(Path::new(path)), written);
        }
    }
}
