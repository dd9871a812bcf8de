//! Who may connect, and how a router proves itself.

use std::path::PathBuf;

use anyhow::Context as _;
use mpc_router::serve::{Tls, TlsFiles, TrustedClients};

/// The options that begin with `--tls`, and whom they make a coordinator.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Identity")]
pub(super) struct TlsOptions {
    /// The router's certificate, a PEM file, followed by those between it and its authority
    ///
    /// The router then speaks TLS 1.3 and nothing else. `mpc-router certs` makes certificates to
    /// begin with. The files of all three options are read again when they change, and at once on
    /// SIGHUP; connections that are open go on.
    #[arg(long, env = "MPC_ROUTER_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of that certificate, a PEM file
    #[arg(long, env = "MPC_ROUTER_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// The authorities that sign clients' certificates, a PEM file; only such clients may connect
    ///
    /// The common name of a client's certificate is its party_id: it calls in no other party's
    /// name. Without this option TLS protects what is on its way, and nobody is asked who it is:
    /// anybody who can connect may act in any party's name.
    #[arg(long, env = "MPC_ROUTER_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// The common name of a coordinator, who alone publishes session events; may be repeated
    ///
    /// A coordinator sees every message's status and every party's notification channel. It does
    /// not act in a party's name. The environment variable takes one name.
    #[arg(
        long,
        env = "MPC_ROUTER_COORDINATOR",
        value_name = "NAME",
        default_value = "coordinator",
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        requires = "tls_client_ca"
    )]
    coordinator: Vec<String>,
}

impl TlsOptions {
    /// Whether callers have to say who they are.
    pub(super) fn identify_callers(&self) -> bool {
        self.tls_client_ca.is_some()
    }

    /// Reads the files, if there is to be TLS.
    pub(super) fn load(&self) -> anyhow::Result<Option<Tls>> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        let clients = self.tls_client_ca.as_ref().map(|authorities| TrustedClients {
            authorities: authorities.clone(),
            coordinators: self.coordinator.iter().cloned().collect(),
        });
        let files = TlsFiles { certificate: certificate.clone(), key: key.clone(), clients };
        Tls::load(files).map(Some).context("cannot set up TLS")
    }
}
