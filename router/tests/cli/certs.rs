//! `mpc-router certs`, and what a router does with what it makes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::running::{Running, router, run, text};

/// A folder that `mpc-router certs` fills.
pub(crate) struct Folder {
    outside: TempDir,
}

impl Folder {
    /// With an authority, a router, a coordinator `carol` and a party `alice`.
    pub(crate) fn filled() -> Self {
        let folder = Self { outside: tempfile::tempdir().unwrap() };
        folder.make(&["--party", "alice", "--coordinator", "carol"]);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.outside.path().join("certs").join(name)
    }

    /// Calls `mpc-router certs`, and gives back what it said on standard output or on standard
    /// error.
    fn call(&self, options: &[&str]) -> Result<String, String> {
        let folder = self.path("");
        let output = run(&[&["certs", folder.to_str().unwrap()], options].concat());
        match output.status.code() {
            Some(0) => Ok(text(&output.stdout).to_owned()),
            Some(1) => Err(text(&output.stderr).to_owned()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn make(&self, options: &[&str]) -> String {
        self.call(options).unwrap()
    }

    /// A router that serves with the files, and with these options.
    pub(crate) fn serve(&self, options: &[&str]) -> Running {
        let mut command = router();
        command.args(["serve", "--listen", "127.0.0.1:0", "--coordinator", "carol"]);
        command.arg("--tls-cert").arg(self.path("server.pem"));
        command.arg("--tls-key").arg(self.path("server.key"));
        command.arg("--tls-client-ca").arg(self.path("ca.pem"));
        Running::start(command.args(options))
    }

    /// A connection of who has this certificate.
    pub(crate) async fn connect(
        &self,
        address: &str,
        name: &str,
    ) -> Result<Channel, tonic::transport::Error> {
        let read = |name: &str| fs::read(self.path(name)).unwrap();
        let identity =
            Identity::from_pem(read(&format!("{name}.pem")), read(&format!("{name}.key")));
        let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("ca.pem")));
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        endpoint.tls_config(config.identity(identity)).unwrap().connect().await
    }

    /// What becomes of a registration of `party` by who has the certificate of `name`.
    fn register(&self, address: &str, name: &str, party: &str) -> Option<Code> {
        in_tokio(async {
            let channel = self.connect(address, name).await.unwrap();
            let request = RegisterPartyRequest {
                party_id: party.into(),
                party_role: "persistent".into(),
                ..Default::default()
            };
            let registered = MessageRouterClient::new(channel).register_party(request).await;
            registered.err().map(|status| status.code())
        })
    }
}

pub(crate) fn in_tokio<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn one_command_makes_what_mutual_tls_needs_and_tells_how_to_go_on() {
    let outside = tempfile::tempdir().unwrap();
    let folder = Folder { outside };
    let said = folder.make(&["--party", "alice", "--party", "bob", "--coordinator", "carol"]);
    for key in ["ca.key", "server.key", "carol.key", "alice.key", "bob.key"] {
        assert_eq!(mode(&folder.path(key)), 0o600, "{key}");
    }
    let command = said.lines().find_map(|line| line.trim().strip_prefix("mpc-router ")).unwrap();
    assert!(said.contains("grpcurl -cacert") && said.contains("carol.key"), "{said}");
    // The command that it tells of works as it stands.
    let running =
        Running::start(router().args(command.split(' ')).env("MPC_ROUTER_LISTEN", "127.0.0.1:0"));
    let address = &running.address;
    assert_eq!(folder.register(address, "alice", "alice"), None);
    assert_eq!(folder.register(address, "alice", "bob"), Some(Code::PermissionDenied), "SEC-2");
    assert_eq!(folder.register(address, "carol", "bob"), Some(Code::PermissionDenied), "SEC-9");
    let publish = |name: &'static str| {
        in_tokio(async {
            let mut client = MessageRouterClient::new(folder.connect(address, name).await.unwrap());
            let event = SessionEvent {
                session_id: "s".into(),
                event_type: "session_created".into(),
                ..Default::default()
            };
            let request = PublishSessionEventRequest { event: Some(event) };
            client.publish_session_event(request).await.err().map(|status| status.code())
        })
    };
    assert_eq!(publish("alice"), Some(Code::PermissionDenied), "SEC-3");
    assert_eq!(publish("carol"), None, "SEC-3");
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn parties_are_added_later_and_nothing_is_overwritten_unasked() {
    let folder = Folder::filled();
    let before = ["ca.pem", "ca.key", "server.pem", "alice.key"]
        .map(|name| (name, fs::read(folder.path(name)).unwrap()));
    let same = || before.iter().all(|(name, it)| fs::read(folder.path(name)).unwrap() == *it);
    let said = folder.make(&["--party", "dora"]);
    assert!(said.contains("dora.pem") && !said.contains("serve"), "{said}");
    let refused = folder.call(&["--party", "emil", "--party", "alice"]).unwrap_err();
    assert!(refused.contains("alice.pem") && refused.contains("--overwrite"), "{refused}");
    assert_eq!(refused.lines().count(), 1, "{refused}");
    assert!(!folder.path("emil.pem").exists(), "all or nothing");
    let refused = folder.call(&["--server", "router.example.org"]).unwrap_err();
    assert!(refused.contains("server.pem"), "{refused}");
    assert!(folder.call(&[]).unwrap_err().contains("--party"));
    assert!(folder.call(&["--party", "Fritz", "--party", "fritz"]).unwrap_err().contains("twice"));
    assert!(same());
    let running = folder.serve(&[]);
    assert_eq!(folder.register(&running.address, "dora", "dora"), None);
    folder.make(&["--party", "alice", "--overwrite"]);
    assert!(!same());
    assert_eq!(mode(&folder.path("alice.key")), 0o600);
    assert_eq!(folder.register(&running.address, "alice", "alice"), None);
    let left = fs::read_dir(folder.path("")).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.starts_with('.')));
}

#[test]
fn an_authority_that_does_not_fit_is_told_apart() {
    let [folder, other] = [Folder::filled(), Folder::filled()];
    fs::copy(other.path("ca.key"), folder.path("ca.key")).unwrap();
    let refused = folder.call(&["--party", "bob"]).unwrap_err();
    assert!(refused.contains("is not the key of"), "{refused}");
    fs::write(folder.path("ca.key"), "half of a key").unwrap();
    let refused = folder.call(&["--party", "bob"]).unwrap_err();
    assert!(refused.contains("ca.key is broken") && !refused.contains("half"), "{refused}");
    fs::remove_file(folder.path("ca.key")).unwrap();
    let refused = folder.call(&["--party", "bob"]).unwrap_err();
    assert!(refused.contains("only one of"), "{refused}");
    // The certificate of a party is no authority's.
    fs::copy(folder.path("alice.pem"), folder.path("ca.pem")).unwrap();
    fs::copy(folder.path("alice.key"), folder.path("ca.key")).unwrap();
    let refused = folder.call(&["--party", "bob"]).unwrap_err();
    assert!(refused.contains("ca.pem is not of `mpc-router certs`"), "{refused}");
    assert!(!folder.path("bob.pem").exists());
}

#[test]
fn certificates_are_replaced_while_the_router_runs() {
    let folder = Folder::filled();
    let running = folder.serve(&[]);
    let (old, key) = (
        fs::read(folder.path("server.pem")).unwrap(),
        fs::read(folder.path("server.key")).unwrap(),
    );
    folder.make(&["--server", "router.example.org", "--overwrite"]);
    running.signal("HUP");
    running.wait_for("new certificates are used");
    assert_ne!(fs::read(folder.path("server.pem")).unwrap(), old);
    assert_eq!(folder.register(&running.address, "alice", "alice"), None);
    fs::write(folder.path("server.key"), &key).unwrap();
    running.signal("HUP");
    running.wait_for("ERROR");
    assert_eq!(folder.register(&running.address, "alice", "alice"), None);
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "{log}");
    let error = log.lines().rfind(|line| line.contains("ERROR")).unwrap();
    assert!(error.contains("server.key") && error.contains("the old ones stay"), "{error}");
}

#[test]
fn files_of_no_use_stop_the_start_before_the_port_opens() {
    let folder = Folder::filled();
    let path = |name: &str| folder.path(name).to_str().unwrap().to_owned();
    let start = |certificate: &str, key: &str, ca: &str| {
        let (certificate, key, ca) = (path(certificate), path(key), path(ca));
        let options = ["--tls-cert", &certificate, "--tls-key", &key, "--tls-client-ca", &ca];
        let output = run(&[&["serve", "--listen", "127.0.0.1:0"], &options[..]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let error = text(&output.stderr).to_owned();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    assert!(start("none.pem", "server.key", "ca.pem").contains("none.pem"));
    assert!(start("server.pem", "alice.key", "ca.pem").contains("alice.key"));
    assert!(start("server.key", "server.key", "ca.pem").contains("server.key"));
    assert!(start("server.pem", "server.key", "ca.key").contains("ca.key"));
}

#[test]
fn who_is_not_asked_for_a_certificate_is_warned_of() {
    let folder = Folder::filled();
    let mut command = router();
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.env("MPC_ROUTER_TLS_CERT", folder.path("server.pem"));
    command.env("MPC_ROUTER_TLS_KEY", folder.path("server.key"));
    let running = Running::start(&mut command);
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("WARN") && log.contains("--tls-client-ca"), "{log}");
}

#[test]
fn who_is_refused_for_a_certificate_is_named_by_address() {
    let [folder, other] = [Folder::filled(), Folder::filled()];
    let running = folder.serve(&[]);
    // Trusted by the client, but not by the router.
    for name in ["alice.pem", "alice.key"] {
        fs::copy(other.path(name), folder.path(name)).unwrap();
    }
    in_tokio(async {
        let Ok(channel) = folder.connect(&running.address, "alice").await else { return };
        let beat = HeartbeatRequest { party_id: "alice".into(), timestamp: 0 };
        MessageRouterClient::new(channel).heartbeat(beat).await.unwrap_err();
    });
    running.wait_for("a client was refused: invalid peer certificate");
    running.signal("TERM");
    let (_, log) = running.end();
    let line = log.lines().find(|line| line.contains("refused")).unwrap();
    assert!(line.contains("WARN") && line.contains("127.0.0.1:"), "{line}");
}
