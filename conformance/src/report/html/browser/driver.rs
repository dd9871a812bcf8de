//! A browser of a test's own, driven by WebDriver.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::report::samples::Folder;

/// Nothing here takes so long, however busy the machine is.
const LIMIT: Duration = Duration::from_secs(300);

pub(super) const TAB: &str = "\u{e004}";
pub(super) const ENTER: &str = "\u{e007}";
pub(super) const ESCAPE: &str = "\u{e00c}";

/// A page in a browser.
#[derive(Clone)]
pub(super) struct Tab {
    session: Session,
    file: PathBuf,
}

/// Shows `page` in a browser that is ended after the test, however that ends. `label` is the
/// test's own.
pub(super) async fn browse<F>(label: &str, page: &str, test: impl FnOnce(Tab) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let folder = Folder::new(&format!("browser-{label}"));
    let (mut process, port) = timeout(LIMIT, start(&folder)).await.expect("the driver starts");
    let session = timeout(LIMIT, Session::begin(port)).await.expect("the browser starts");
    let tab = Tab { session: session.clone(), file: folder.path().join("page.html") };
    let (test, page) = (test(tab.clone()), page.to_owned());
    // A test that fails ends its task only.
    let ended = tokio::spawn(async move {
        tab.show(&page).await;
        timeout(LIMIT, test).await.expect("it ends");
    });
    let ended = ended.await;
    session.ask(Method::DELETE, "", Value::Null).await;
    process.kill().await.unwrap();
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Starts a driver at a port of its choice, on loopback.
async fn start(folder: &Folder) -> (Child, u16) {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").env("TMPDIR", folder.path()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().expect("chromedriver is there");
    let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            let port = port.trim_end_matches('.').parse().unwrap();
            // It would end where nobody reads any more what it says.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (process, port);
        }
    }
    panic!("chromedriver ended: {:?}", process.wait().await)
}

/// One browser, as its driver knows it.
#[derive(Clone)]
struct Session {
    port: u16,
    path: String,
}

impl Session {
    async fn begin(port: u16) -> Self {
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": [
                "--headless=new",
                // As root there is none, and the page is the suite's own.
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
            ] },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let session = Self { port, path: "/session".into() };
        let began = session.ask(Method::POST, "", wanted).await;
        let id = began["sessionId"].as_str().expect("it has a name");
        Self { port, path: format!("/session/{id}") }
    }

    /// What the driver answers. A call is a connection: there are few.
    async fn ask(&self, method: Method, command: &str, body: Value) -> Value {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let (mut calls, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{command}", self.path))
            .header("host", format!("127.0.0.1:{}", self.port))
            .body(Full::new(body))
            .unwrap();
        let answer = calls.send_request(request).await.unwrap();
        let is_good = answer.status().is_success();
        let answer = answer.into_body().collect().await.unwrap().to_bytes();
        connection.abort();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(is_good, "{command}: {answer}");
        answer["value"].take()
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        self.ask(Method::POST, command, body).await
    }
}

impl Tab {
    /// Shows another page in place of this one.
    pub(super) async fn show(&self, page: &str) {
        std::fs::write(&self.file, page).unwrap();
        self.open("").await;
    }

    fn address(&self) -> String {
        format!("file://{}", self.file.display())
    }

    /// Goes to the page with this fragment, as a link from elsewhere does.
    pub(super) async fn open(&self, fragment: &str) {
        for url in ["about:blank", &format!("{}{fragment}", self.address())] {
            self.session.post("/url", json!({ "url": url })).await;
        }
    }

    pub(super) async fn reload(&self) {
        self.session.post("/refresh", json!({})).await;
    }

    pub(super) async fn back(&self) {
        self.session.post("/back", json!({})).await;
    }

    /// What a function with this body returns.
    pub(super) async fn run(&self, body: &str) -> Value {
        self.session.post("/execute/sync", json!({ "script": body, "args": [] })).await
    }

    /// What it returns, as texts.
    pub(super) async fn texts(&self, body: &str) -> Vec<String> {
        serde_json::from_value(self.run(body).await).unwrap()
    }

    /// Waits until this holds.
    pub(super) async fn until(&self, what: &str) {
        let holds = async {
            while self.run(&format!("return Boolean({what})")).await != json!(true) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(LIMIT, holds).await.is_ok(), "waited in vain for {what}");
    }

    /// Presses these keys, wherever the focus is.
    pub(super) async fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|stroke| json!({ "type": stroke, "value": key }))
        });
        let keyboard =
            json!({ "type": "key", "id": "keys", "actions": strokes.collect::<Vec<_>>() });
        self.session.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Puts the focus on what this selects, as a step before it.
    pub(super) async fn focus(&self, selector: &str) {
        self.run(&format!("document.querySelector('{selector}').focus()")).await;
    }

    /// The rows that are shown, in the order in which they are.
    pub(super) async fn rows(&self) -> Vec<String> {
        self.texts(
            "return [...document.querySelectorAll('tr[data-outcome]')]
                .filter((row) => row.checkVisibility()).map((row) => row.id)",
        )
        .await
    }

    pub(super) async fn fragment(&self) -> String {
        let fragment = self.run("return location.hash").await;
        fragment.as_str().unwrap().to_owned()
    }

    /// How many the page says are shown.
    pub(super) async fn told(&self) -> String {
        let told = self.run("return document.querySelector('output').textContent").await;
        told.as_str().unwrap().to_owned()
    }

    /// Makes the window so wide.
    pub(super) async fn width(&self, pixels: u32) {
        let metrics =
            json!({ "width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Asks for this colour scheme.
    pub(super) async fn scheme(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Has the page without scripts from the next time on that it is opened.
    pub(super) async fn without_script(&self) {
        self.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    async fn cdp(&self, method: &str, parameters: Value) {
        let command = json!({ "cmd": method, "params": parameters });
        self.session.post("/goog/cdp/execute", command).await;
    }

    /// What has been added to a log of the browser's.
    async fn log(&self, name: &str) -> Vec<String> {
        let log = self.session.post("/se/log", json!({ "type": name })).await;
        let entries = log.as_array().expect("a log is a list").iter();
        entries.map(|it| it["message"].as_str().unwrap().to_owned()).collect()
    }

    /// What the browser complained of.
    pub(super) async fn complaints(&self) -> Vec<String> {
        self.log("browser").await
    }

    /// Everything that was asked for, but the page itself.
    pub(super) async fn requests(&self) -> Vec<String> {
        let mut all = Vec::new();
        for entry in self.log("performance").await {
            let event: Value = serde_json::from_str(&entry).unwrap();
            if event["message"]["method"] == "Network.requestWillBeSent" {
                all.push(event["message"]["params"]["request"]["url"].as_str().unwrap().to_owned());
            }
        }
        let address = self.address();
        assert!(all.contains(&address), "the page is in the log: {all:?}");
        all.retain(|it| {
            !it.starts_with(&address) && it != "about:blank" && !it.starts_with("data:")
        });
        all
    }

    /// A picture of all of the page, for people who look into a test.
    pub(super) async fn picture(&self, file: &Path) {
        let size = self.run("return document.documentElement.scrollHeight").await;
        let width = self.run("return innerWidth").await;
        let metrics =
            json!({ "width": width, "height": size, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        let picture = self.session.ask(Method::GET, "/screenshot", Value::Null).await;
        std::fs::write(file, STANDARD.decode(picture.as_str().unwrap()).unwrap()).unwrap();
    }
}
