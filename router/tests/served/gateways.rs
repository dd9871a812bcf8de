//! Notifications over the network: a web server and a mail server in this process, on ports.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mpc_router::notify::{Gateway, Gateways, HttpGateway, SmtpGateway};
use mpc_router::{Config, Router};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tracing::instrument::WithSubscriber as _;

use crate::captured::captured;
use crate::support::*;

/// A router with these gateways, and parties that are soon away.
async fn world(gateways: Vec<Arc<dyn Gateway>>) -> (Served, Party) {
    let heartbeat_timeout = Duration::from_millis(50);
    let router = Router::new(Config { heartbeat_timeout, ..open_sessions() });
    tokio::spawn(router.notify(Gateways::new(gateways)).with_current_subscriber());
    let served = Served::piping(router);
    let alice = served.party("alice").await;
    (served, alice)
}

/// Registers a party, and waits until it is away.
async fn away(served: &Served, name: &str, email: &str, phone: &str, push_token: &str) {
    let mut party = served.stranger(name).await;
    party.reachable(email, phone, push_token).await;
    let is_away = async {
        while party.list("", true).await.unwrap().iter().any(|known| known.party_id == name) {
            tokio::task::yield_now().await;
        }
    };
    within(is_away).await;
}

/// A request as it came: its head in lower case, and its body.
#[derive(Debug)]
struct Posted {
    head: String,
    body: serde_json::Value,
}

/// A web server that answers with these, one after the other, and then with the last for ever.
async fn web_server(answers: &'static [&'static str]) -> (String, mpsc::UnboundedReceiver<Posted>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (posted, came) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut answers = answers.iter().peekable();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = if answers.len() > 1 { answers.next() } else { answers.peek().copied() };
            let answered = answer_web(stream, answer.unwrap(), &posted).await;
            // Whoever asked may be gone.
            drop(answered);
        }
    });
    (host, came)
}

async fn answer_web(
    stream: TcpStream,
    answer: &str,
    posted: &mpsc::UnboundedSender<Posted>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await?;
    let body = serde_json::from_slice(&body).unwrap();
    let _ = posted.send(Posted { head, body });
    if !answer.is_empty() {
        let answer = format!("HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn each_channel_is_one_post() {
    let (host, mut came) = web_server(&["204 No Content"]).await;
    let url = format!("http://us%65r:pass@{host}/v1/notify?key=k");
    let (served, mut alice) = world(vec![Arc::new(HttpGateway::new(&url).unwrap())]).await;
    away(&served, "bob", "bob@example.org", "123", "token \"quoted\"").await;
    alice.send("s", &["bob"], "secret").await.unwrap();
    alice.send("s", &["bob"], "more").await.unwrap();
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let Posted { head, body } = within(came.recv()).await.unwrap();
        assert!(head.starts_with("post /v1/notify?key=k http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
        assert!(head.contains("\r\nauthorization: basic dxnlcjpwyxnz\r\n"), "{head}");
        bodies.push(body);
    }
    bodies.sort_by_key(|body| body["channel"].to_string());
    let body = |channel: &str, address: &str| {
        serde_json::json!({
            "channel": channel, "address": address, "party_id": "bob", "session_id": "s"
        })
    };
    let expected = [
        body("email", "bob@example.org"),
        body("phone", "123"),
        body("push_token", "token \"quoted\""),
    ];
    assert_eq!(bodies, expected, "OFF-2");
    // What else would be sent comes before that of another session.
    alice.send("fence", &["bob"], "x").await.unwrap();
    for _ in 0..3 {
        assert_eq!(within(came.recv()).await.unwrap().body["session_id"], "fence", "OFF-2");
    }
}

#[tokio::test]
async fn whatever_is_no_success_is_tried_again() {
    // An error; a connection that ends; a redirection, which is not followed; and then it is well.
    let (host, mut came) =
        web_server(&["500 Broken", "", "302 Found\r\nlocation: /elsewhere", "200 OK"]).await;
    let url = format!("http://{host}/here");
    let (served, mut alice) = world(vec![Arc::new(HttpGateway::new(&url).unwrap())]).await;
    away(&served, "bob", "", "", "token").await;
    alice.send("s", &["bob"], "x").await.unwrap();
    for _ in 0..4 {
        let posted = within(came.recv()).await.unwrap();
        assert!(posted.head.starts_with("post /here "), "{}", posted.head);
        assert_eq!(posted.body["channel"], "push_token");
    }
    away(&served, "fence", "", "", "another").await;
    alice.send("s", &["fence"], "x").await.unwrap();
    assert_eq!(within(came.recv()).await.unwrap().body["party_id"], "fence", "OFF-4");
}

#[tokio::test]
async fn nobody_at_the_gateway_holds_nothing_up() {
    // Bound, and never listening: nobody else gets the port meanwhile.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    let (log, subscriber) = captured();
    let refused = async {
        let (served, mut alice) = world(vec![Arc::new(HttpGateway::new(&url).unwrap())]).await;
        away(&served, "bob", "", "", "token").await;
        alice.send("s", &["bob"], "x").await.unwrap();
        within(log.has("a notification failed")).await;
        alice.send("s", &["bob"], "x").await.unwrap();
    };
    refused.with_subscriber(subscriber).await;
    let text = log.text();
    assert!(text.contains("refused"), "{text}");
    assert!(!text.contains("token\""), "SEC-7: {text}");
}

/// What a mail server was told, without what it said.
#[derive(Debug, Default)]
struct Mailed {
    commands: Vec<String>,
    mail: String,
}

/// A mail server that takes any mail, but none for `unknown` nor from `barred`, and of which nobody
/// knows what it says of `garbled`. To whoever takes leave after a mail it says nothing.
async fn mail_server() -> (u16, mpsc::UnboundedReceiver<Mailed>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mailed, came) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mailed = mailed.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                if let Ok(what) = answer_mail(&mut stream).await {
                    let _ = mailed.send(what);
                }
                // Until the other end has ended it.
                while stream.read_u8().await.is_ok() {}
            });
        }
    });
    (port, came)
}

async fn answer_mail(stream: &mut BufReader<TcpStream>) -> io::Result<Mailed> {
    let mut mailed = Mailed::default();
    stream.write_all(b"220 mail.invalid\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(mailed);
        }
        let command = line.trim_end().to_owned();
        let answer = match command.split([' ', ':']).next().unwrap() {
            "EHLO" => "250-mail.invalid\r\n250 AUTH PLAIN".to_owned(),
            "AUTH" => "235 welcome".to_owned(),
            "MAIL" if command.contains("barred") => "550 not today".to_owned(),
            "RCPT" if command.contains("garbled") => format!("nobody here: {command}"),
            "RCPT" if command.contains("unknown") => format!("550 nobody here: {command}"),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                while !mailed.mail.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut mailed.mail).await?;
                }
                "250 taken".to_owned()
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(mailed);
            }
            _ => "250 fine".to_owned(),
        };
        mailed.commands.push(command);
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        if mailed.mail.ends_with("\r\n.\r\n") {
            return Ok(mailed);
        }
    }
}

#[tokio::test]
async fn mail_goes_to_the_mail_server_and_the_rest_to_the_other() {
    let (host, mut posted) = web_server(&["200 OK"]).await;
    let (port, mut mailed) = mail_server().await;
    let smtp = format!("smtp://router@127.0.0.1:{port}");
    let smtp = SmtpGateway::new(&smtp, "Router <router@example.org>", Some("secret".into()));
    let http = HttpGateway::new(&format!("http://{host}/")).unwrap();
    let (served, mut alice) = world(vec![Arc::new(smtp.unwrap()), Arc::new(http)]).await;
    away(&served, "bob\r\nBcc: eve", "bob@example.org", "123", "").await;
    alice.send("s", &["bob\r\nBcc: eve"], "payload").await.unwrap();
    let Mailed { commands, mail } = within(mailed.recv()).await.unwrap();
    assert!(commands.contains(&"MAIL FROM:<router@example.org>".into()), "{commands:?}");
    assert!(commands.contains(&"RCPT TO:<bob@example.org>".into()), "{commands:?}");
    assert_eq!(commands.iter().filter(|it| it.starts_with("RCPT")).count(), 1);
    // "\0router\0secret"
    assert!(commands.contains(&"AUTH PLAIN AHJvdXRlcgBzZWNyZXQ=".into()), "{commands:?}");
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    for line in ["From: Router <router@example.org>", "To: bob@example.org", "Subject: "] {
        assert!(head.lines().any(|it| it.starts_with(line)), "{head}");
    }
    for line in ["Message-ID: ", "Date: "] {
        assert!(head.lines().any(|it| it.starts_with(line)), "{head}");
    }
    assert!(body.contains("Party: bob\\r\\nBcc: eve\r\nSession: s\r\n"), "OFF-2: {body}");
    assert!(!mail.contains("payload") && !head.contains("Bcc"), "OFF-2: {mail}");
    let posted = within(posted.recv()).await.unwrap();
    assert_eq!(posted.body["channel"], "phone");
}

#[tokio::test]
async fn a_mailbox_that_is_none_is_given_up_and_not_spoken_of() {
    let (port, mut mailed) = mail_server().await;
    let smtp = SmtpGateway::new(&format!("smtp://127.0.0.1:{port}"), "router@example.org", None);
    let (log, subscriber) = captured();
    let refused = async {
        let (served, mut alice) = world(vec![Arc::new(smtp.unwrap())]).await;
        away(&served, "bob", "unknown@example.org", "", "").await;
        away(&served, "carol", "no address", "", "").await;
        alice.send("s", &["bob"], "x").await.unwrap();
        within(mailed.recv()).await.unwrap();
        within(log.has("a notification is refused")).await;
        alice.send("s", &["carol"], "x").await.unwrap();
        within(log.has("none for mail")).await;
        away(&served, "erin", "garbled@example.org", "", "").await;
        alice.send("s", &["erin"], "x").await.unwrap();
        within(log.has("answered what is not SMTP")).await;
        within(mailed.recv()).await.unwrap();
        away(&served, "dave", "dave@example.org", "", "").await;
        alice.send("s", &["dave"], "x").await.unwrap();
        // Erin's is tried again in between.
        while !within(mailed.recv()).await.unwrap().mail.contains("dave") {}
    };
    refused.with_subscriber(subscriber).await;
    let text = log.text();
    for secret in ["unknown", "no address", "garbled", "dave@"] {
        assert!(!text.contains(secret), "SEC-7: {text}");
    }
}

#[tokio::test]
async fn a_mail_that_was_taken_is_settled_without_a_farewell() {
    let (port, mut mailed) = mail_server().await;
    let smtp = SmtpGateway::new(&format!("smtp://127.0.0.1:{port}"), "router@example.org", None);
    let (log, subscriber) = captured();
    let told = async {
        let (served, mut alice) = world(vec![Arc::new(smtp.unwrap())]).await;
        away(&served, "bob", "bob@example.org", "", "").await;
        alice.send("s", &["bob"], "x").await.unwrap();
        within(log.has("told a party that is away")).await;
    };
    told.with_subscriber(subscriber).await;
    assert!(within(mailed.recv()).await.unwrap().mail.contains("bob"));
    assert!(!log.text().contains("a notification failed"), "OFF-2: {}", log.text());
}

#[tokio::test]
async fn a_mail_server_that_bars_the_sender_is_tried_again() {
    let (port, mut mailed) = mail_server().await;
    let smtp = SmtpGateway::new(&format!("smtp://127.0.0.1:{port}"), "barred@example.org", None);
    let (served, mut alice) = world(vec![Arc::new(smtp.unwrap())]).await;
    away(&served, "bob", "bob@example.org", "", "").await;
    alice.send("s", &["bob"], "x").await.unwrap();
    for number in 1..=2 {
        let tried = within(mailed.recv()).await.unwrap().commands;
        assert!(tried.iter().any(|it| it.starts_with("MAIL ")), "OFF-4, {number}: {tried:?}");
    }
}

#[test]
fn a_mail_server_gets_no_password_that_others_can_read() {
    let sender = "router@example.org";
    let new = |url: &str, password: Option<&str>| {
        let gateway = SmtpGateway::new(url, sender, password.map(str::to_owned));
        gateway.map(|gateway| format!("{gateway:?}")).map_err(|error| error.to_string())
    };
    let fine = new("smtps://user@mail.example", Some("secret")).unwrap();
    assert!(!fine.contains("secret") && !fine.contains("user"), "{fine}");
    new("smtp://user@mail.example:587", Some("secret")).unwrap();
    new("smtp://mail.example?tls=none", None).unwrap();
    new("smtp://user@localhost", Some("secret")).unwrap();
    for (url, password) in [
        ("smtp://user@mail.example?tls=none", Some("secret")),
        ("smtps://user:secret@mail.example", None),
        ("smtps://user@mail.example", None),
        ("smtps://mail.example?tls=none", None),
        ("smtps://mail.example/path", None),
        ("https://mail.example", None),
    ] {
        let error = new(url, password).unwrap_err();
        assert!(!error.contains("secret"), "{url}: {error}");
    }
    assert!(SmtpGateway::new("smtps://mail.example", "nobody", None).is_err());
}

#[test]
fn a_web_server_gets_no_password_that_others_can_read() {
    for url in ["http://user:secret@push.example/", "http://secret@192.0.2.1/"] {
        let error = HttpGateway::new(url).unwrap_err().to_string();
        assert!(error.contains("for everybody to read") && !error.contains("secret"), "{error}");
    }
    for url in ["http://user:secret@localhost/", "http://user@[::1]:80/", "http://push.example/"] {
        HttpGateway::new(url).unwrap();
    }
}
