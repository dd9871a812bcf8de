use std::fmt;
use std::time::Duration;

use lettre::Message;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Category, Code, Severity};
use mpc_router_core::{Channel, Errand};

use super::url::{GatewayUrl, UrlError};
use super::{Gateway, SendError, with_causes};
use crate::limits;

/// Brings notifications by mail, over SMTP.
pub struct SmtpGateway {
    url: GatewayUrl,
    from: Mailbox,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    /// What this machine calls itself.
    hello: ClientId,
}

/// How a connection is secured.
#[derive(Clone)]
enum Tls {
    None,
    /// From the first byte.
    Wrapper(TlsParameters),
    /// By STARTTLS.
    Required(TlsParameters),
}

impl SmtpGateway {
    /// A mail server at a URL of `smtps` (TLS from the first byte) or `smtp` (TLS by STARTTLS, without
    /// which nothing is sent). On this machine `smtp` needs no TLS; elsewhere `?tls=none` does without,
    /// and without a user then. The URL has the user, but no password.
    ///
    /// # Errors
    /// If it is no such URL, or `from` is no mail address.
    pub fn new(url: &str, from: &str, password: Option<String>) -> Result<Self, UrlError> {
        let example = "smtps://USER@HOST:PORT";
        let url = GatewayUrl::parse(url, &["smtp", "smtps"], example)?;
        let wrong = |what: &str| UrlError(format!("{what}: write it as {example}"));
        if url.password.is_some() {
            return Err(wrong("has a password, which everybody sees on a command line"));
        }
        let from: Mailbox = from
            .parse()
            .map_err(|_| UrlError("the sender is no mail address: write it as NAME@HOST".into()))?;
        let is_here = url.is_here();
        let without_tls = match url.path.as_str() {
            "" | "/" => url.scheme == "smtp" && is_here,
            "?tls=none" | "/?tls=none" if url.scheme == "smtp" => {
                if url.user.is_some() && !is_here {
                    return Err(wrong("would send a password for everybody to read"));
                }
                true
            }
            _ => return Err(wrong("has a path")),
        };
        let credentials = match (&url.user, password) {
            (Some(user), Some(password)) => Some(Credentials::new(user.clone(), password)),
            (Some(_), None) => {
                return Err(UrlError("has a user, and there is no password for it".into()));
            }
            (None, _) => None,
        };
        let tls = if without_tls {
            Tls::None
        } else {
            let parameters = TlsParameters::new(url.host.clone())
                .map_err(|error| UrlError(format!("cannot be reached by TLS ({error})")))?;
            if url.scheme == "smtps" { Tls::Wrapper(parameters) } else { Tls::Required(parameters) }
        };
        let default_port = match (&*url.scheme, is_here) {
            ("smtps", _) => 465,
            (_, true) => 25,
            (_, false) => 587,
        };
        let port = url.port.unwrap_or(default_port);
        Ok(Self { url, from, port, tls, credentials, hello: ClientId::default() })
    }

    /// A connection that mail can be sent on.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let wrapper = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            Tls::None | Tls::Required(_) => None,
        };
        let server = (self.url.host.as_str(), self.port);
        let timeout = Some(limits::NOTIFICATION_TIMEOUT);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, timeout, &self.hello, wrapper, None)
                .await?;
        if let Tls::Required(parameters) = &self.tls {
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// Hands a mail over to the server.
    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        envelope: &Envelope,
        mail: &[u8],
    ) -> Result<(), SendError> {
        let failed = |error| self.failed(&error);
        let options = self.options(connection, envelope, mail)?;
        let from = Mail::new(envelope.from().cloned(), options);
        connection.command(from).await.map_err(failed)?;
        for to in envelope.to() {
            let taken = connection.command(Rcpt::new(to.clone(), Vec::new())).await;
            taken.map_err(|error| match error.status() {
                // There is no such mailbox. Any other phase tells of the server's own trouble, which
                // may be over at the next try (OFF-4).
                Some(code)
                    if code.severity == Severity::PermanentNegativeCompletion
                        && code.category == Category::MailSystem =>
                {
                    SendError::Refused(self.answered(code))
                }
                _ => self.failed(&error),
            })?;
        }
        connection.command(Data).await.map_err(failed)?;
        connection.message(mail).await.map(drop).map_err(failed)
    }

    /// What the server has to be capable of for this mail.
    fn options(
        &self,
        connection: &AsyncSmtpConnection,
        envelope: &Envelope,
        mail: &[u8],
    ) -> Result<Vec<MailParameter>, SendError> {
        let mut addresses = envelope.to().iter().chain(envelope.from());
        let utf8 = addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii());
        let eight_bit = MailParameter::Body(MailBodyParameter::EightBitMime);
        let needed = [
            (utf8, Extension::SmtpUtfEight, MailParameter::SmtpUtfEight),
            (!mail.is_ascii(), Extension::EightBitMime, eight_bit),
        ];
        let needed = needed.into_iter().filter(|(is_needed, ..)| *is_needed);
        needed
            .map(|(_, extension, option)| {
                let knows = connection.server_info().supports_feature(extension);
                let text = || format!("{:?} takes no address beyond ASCII", self.url);
                knows.then_some(option).ok_or_else(|| SendError::Failed(text()))
            })
            .collect()
    }

    fn failed(&self, error: &Error) -> SendError {
        SendError::Failed(if let Some(code) = error.status() {
            self.answered(code)
        } else if error.is_response() {
            // SEC-7: what could not be read is the server's text, as above.
            format!("{:?} answered what is not SMTP", self.url)
        } else {
            with_causes(error)
        })
    }

    /// SEC-7: the server's own words may repeat the address.
    fn answered(&self, code: Code) -> String {
        format!("{:?} answered {code}", self.url)
    }
}

/// Takes leave, on which nothing depends any more.
fn end(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move {
        let _ = tokio::time::timeout(limits::MAIL_QUIT_TIMEOUT, connection.abort()).await;
    });
}

impl fmt::Debug for SmtpGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SmtpGateway").field(&self.url).finish()
    }
}

#[tonic::async_trait]
impl Gateway for SmtpGateway {
    fn channels(&self) -> &[Channel] {
        &[Channel::Email]
    }

    fn timeout(&self) -> Duration {
        limits::MAIL_TIMEOUT
    }

    async fn send(&self, errand: &Errand) -> Result<(), SendError> {
        // What names them is not what is wrong: neither is repeated.
        let refused = || SendError::Refused("the party's address is none for mail".into());
        let to: Mailbox = errand.address.parse().map_err(|_| refused())?;
        let mail = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject("A signing session waits for you")
            .message_id(None)
            .header(ContentType::TEXT_PLAIN)
            .body(text(errand))
            .map_err(|_| refused())?;
        let mut connection = self.connect().await.map_err(|error| self.failed(&error))?;
        let (envelope, mail) = (mail.envelope(), mail.formatted());
        let sent = self.hand_over(&mut connection, envelope, &mail).await;
        // OFF-2: a mail that was taken is not sent again because the farewell fails.
        end(connection);
        sent
    }
}

/// What the mail says: names, and nothing of what the session is about.
fn text(errand: &Errand) -> String {
    // Names are anybody's choice: what they are made of is not to look like more lines.
    let (party, session) =
        (errand.party.as_str().escape_debug(), errand.session.as_str().escape_debug());
    format!(
        "Messages are waiting for you at the message router.\r\n\r\n\
         Party: {party}\r\n\
         Session: {session}\r\n\r\n\
         Connect and fetch them before they expire. There will be no other mail about this session \
         until you have.\r\n"
    )
}
