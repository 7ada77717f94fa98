//! [`Browser`]: a Chromium of its own, driven as people do.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

/// A page loads in less than a second; on a busy machine it may take ten.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium with one tab. It is ended when this is dropped.
pub(crate) struct Browser {
    client: Client,
    // Dropped in this order: first the browser, then what it has written.
    driver: Driver,
    _profile: TempDir,
}

/// `chromedriver`, which speaks `WebDriver`.
struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    fn start() -> Driver {
        let program = program("TOLLGATE_CHROMEDRIVER", "chromedriver");
        let started =
            Command::new(&program).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{program}: {error}: {MISSING}"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = |line: String| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        };
        let port = lines.find_map(port).expect("chromedriver says where it listens");
        Driver { child, port }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It ends its browsers; killed, it would leave them behind.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let asked =
                stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            drop(asked.and_then(|()| stream.read_to_end(&mut Vec::new())));
        } else {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

const MISSING: &str = "install it, on Debian with: apt-get install chromium chromium-driver \
     (or say where they are: TOLLGATE_CHROMIUM, TOLLGATE_CHROMEDRIVER)";

fn program(variable: &str, otherwise: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| otherwise.to_owned())
}

impl Browser {
    pub(crate) async fn start() -> Browser {
        let driver = Driver::start();
        let profile = TempDir::new().unwrap();
        let profile_flag = format!("--user-data-dir={}", profile.path().display());
        let flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile_flag,
        ];
        let mut options = json!({ "args": flags });
        if let Ok(chromium) = std::env::var("TOLLGATE_CHROMIUM") {
            options["binary"] = chromium.into();
        }
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(capabilities) = wanted else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}: {MISSING}"));
        Browser { client, driver, _profile: profile }
    }

    pub(crate) async fn open(url: &str) -> Browser {
        let browser = Browser::start().await;
        browser.client.goto(url).await.unwrap();
        browser
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// What a JavaScript expression is.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        self.client.execute(&format!("return ({expression});"), vec![]).await.unwrap()
    }

    /// Waits until a JavaScript expression is true.
    ///
    /// # Panics
    ///
    /// If it does not become true.
    pub(crate) async fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(&format!("Boolean({expression})")).await != json!(true) {
            assert!(Instant::now() < deadline, "not so: {expression}\nthe page: {}", self.text("body").await);
            // How soon it looks again; the result is the same for any time.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until an element's text has this in it.
    pub(crate) async fn until_text(&self, selector: &str, text: &str) {
        self.until(&format!("document.querySelector({selector:?})?.innerText.includes({text:?})")).await;
    }

    /// What can be read in an element.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.client.find(Locator::Css(selector)).await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    /// Types on the keyboard, whatever has the focus.
    pub(crate) async fn types(&self, text: &str) {
        let press =
            |keys: KeyActions, value| keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        let keys = text.chars().fold(KeyActions::new("keyboard".to_owned()), press);
        self.client.perform_actions(keys).await.unwrap();
    }

    pub(crate) async fn presses(&self, key: Key) {
        self.types(&key).await;
    }

    /// Goes on with the tab key until the element with this id has the focus.
    pub(crate) async fn tabs_to(&self, id: &str) {
        // More than there are on any page here.
        for _ in 0..100 {
            self.presses(Key::Tab).await;
            if self.value("document.activeElement.id").await == json!(id) {
                return;
            }
        }
        panic!("{id} is not reached by the tab key");
    }

    /// As if the window had this size.
    pub(crate) async fn has_size(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// As if the system were set to `light` or `dark`.
    pub(crate) async fn has_colours(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// What the page has complained about in the console since this was last asked.
    pub(crate) async fn console(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        entries.iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// The addresses that were asked since this was last asked.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let messages = entries
            .iter()
            .map(|entry| serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap());
        let requests = messages.filter(|entry| entry["message"]["method"] == "Network.requestWillBeSent");
        requests
            .map(|entry| entry["message"]["params"]["request"]["url"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let log = self.command("se/log", json!({ "type": kind })).await;
        log.as_array().unwrap().clone()
    }

    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    async fn command(&self, path: &'static str, body: Value) -> Value {
        self.client.issue_cmd(Extension { path, body }).await.unwrap()
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").field("port", &self.driver.port).finish_non_exhaustive()
    }
}

/// A command that chromedriver knows beyond the standard.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
