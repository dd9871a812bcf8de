use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use mpc_router::notify::{Gateway, Gateways, HttpGateway, SmtpGateway};

/// The password's variable: on a command line everybody would see it.
const PASSWORD: &str = "MPC_ROUTER_NOTIFY_SMTP_PASSWORD";

/// How parties that are away are told that something waits for them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Parties that are away")]
pub(super) struct NotifyOptions {
    /// Where to POST that a party that is away has something waiting, once a session and channel
    ///
    /// Sent is {"channel": "email" or "phone" or "push_token", "address", "party_id", "session_id"};
    /// any answer of 2xx will do, everything else is tried again. A user and a password may stand in
    /// the URL, which then belongs into the environment.
    #[arg(long, env = "MPC_ROUTER_NOTIFY_URL", value_name = "URL", hide_env_values = true)]
    notify_url: Option<String>,

    /// A mail server that tells parties with a mail address: smtps://USER@HOST:PORT, or smtp:// for
    /// STARTTLS; then --notify-url gets the other channels
    ///
    /// The password is in MPC_ROUTER_NOTIFY_SMTP_PASSWORD or in --notify-smtp-password-file. On this
    /// machine smtp:// needs no TLS; elsewhere `?tls=none` does without, and without a user then.
    #[arg(long, env = "MPC_ROUTER_NOTIFY_SMTP", value_name = "URL", requires = "notify_from")]
    notify_smtp: Option<String>,

    /// The sender of these mails
    #[arg(long, env = "MPC_ROUTER_NOTIFY_FROM", value_name = "ADDRESS")]
    notify_from: Option<String>,

    /// A file that holds the mail server's password
    #[arg(long, env = "MPC_ROUTER_NOTIFY_SMTP_PASSWORD_FILE", value_name = "FILE")]
    notify_smtp_password_file: Option<PathBuf>,
}

impl NotifyOptions {
    /// Those who tell parties; None if nobody does.
    pub(super) fn load(&self) -> anyhow::Result<Option<Gateways>> {
        let mut gateways: Vec<Arc<dyn Gateway>> = Vec::new();
        if let (Some(url), Some(from)) = (&self.notify_smtp, &self.notify_from) {
            let smtp = SmtpGateway::new(url, from, self.password()?);
            gateways.push(Arc::new(smtp.context("the URL of --notify-smtp")?));
        }
        if let Some(url) = &self.notify_url {
            let http = HttpGateway::new(url).context("the URL of --notify-url")?;
            gateways.push(Arc::new(http));
        }
        Ok((!gateways.is_empty()).then(|| Gateways::new(gateways)))
    }

    fn password(&self) -> anyhow::Result<Option<String>> {
        match (&self.notify_smtp_password_file, std::env::var(PASSWORD)) {
            (Some(_), Ok(_)) => bail!("{PASSWORD} and --notify-smtp-password-file: leave one out"),
            (Some(file), Err(_)) => {
                let text = fs::read_to_string(file).with_context(|| {
                    format!("the password in {} cannot be read", file.display())
                })?;
                Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
            (None, password) => Ok(password.ok()),
        }
    }
}
