use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use thirtyfour::prelude::*;

use super::ScratchFolder;

/// Chromium without a window, driven by a chromedriver of its own; both end with this value, also
/// when a test fails.
pub struct Browser {
    driver: WebDriver,
    site: String,
    chromedriver: Chromedriver,
    _profile: ScratchFolder,
}

const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Where distributions put it.
const CHROMIUM: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// How long Chromium may take to end.
const LONGEST_END: Duration = Duration::from_secs(10);

const INSTALL: &str =
    "the browser tests need Chromium and its driver: apt-get install chromium chromium-driver";

impl Browser {
    /// A new one, with nothing in its memory.
    pub async fn start(site: &str) -> Self {
        Self::with(site, &[]).await
    }

    /// A new one in which no script runs.
    pub async fn without_scripts(site: &str) -> Self {
        Self::with(site, &["--blink-settings=scriptEnabled=false"]).await
    }

    async fn with(site: &str, flags: &[&str]) -> Self {
        let chromium = CHROMIUM.into_iter().find(|path| Path::new(path).exists()).expect(INSTALL);
        let chromedriver = Chromedriver::start();
        let profile = ScratchFolder::new();
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(chromium).expect("capabilities");
        for flag in FLAGS.iter().chain(flags) {
            wanted.add_arg(flag).expect("capabilities");
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.path().display())).expect("capabilities");
        let driver = WebDriver::new(format!("http://127.0.0.1:{}", chromedriver.port), wanted)
            .await
            .expect("Chromium starts");
        Self { driver, site: site.to_owned(), chromedriver, _profile: profile }
    }

    /// Opens a page by its path, or by a link from a letter.
    pub async fn open(&self, address: &str) {
        let address = match address.starts_with('/') {
            true => format!("{}{address}", self.site),
            false => address.to_owned(),
        };
        self.driver.goto(address).await.expect("a page");
    }

    /// Lets the scripts of the pages that it opens from now on wait for a hundredth of their time.
    pub async fn hurry(&self) {
        let source = "const unhurried = setTimeout; setTimeout = (then, ms) => unhurried(then, ms / 100);";
        let tools = self.driver.cdp();
        tools.page().add_script_to_evaluate_on_new_document(source).await.expect("a script");
    }

    /// Everything that WebDriver can do.
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// The element, once it is there and shown.
    pub async fn find(&self, css: &str) -> WebElement {
        let found = self.driver.query(By::Css(css)).and_displayed().first().await;
        match found {
            Ok(element) => element,
            Err(_) => panic!("there is no {css} on {}", self.shown().await),
        }
    }

    /// Types into a field.
    pub async fn type_into(&self, css: &str, text: impl Into<TypingData>) {
        self.find(css).await.send_keys(text).await.expect("a field to type into");
    }

    /// Presses, or follows.
    pub async fn click(&self, css: &str) {
        self.find(css).await.click().await.expect("something to press");
    }

    /// What a field holds, shown or not.
    pub async fn value(&self, css: &str) -> String {
        let element = self.driver.find(By::Css(css)).await.expect("a field");
        element.value().await.expect("an element that stays").unwrap_or_default()
    }

    /// Waits until an element says this.
    pub async fn says(&self, css: &str, words: &str) {
        super::until(&format!("{css} that says {words:?}"), async || {
            let element = self.driver.find(By::Css(css)).await.ok()?;
            element.text().await.ok()?.contains(words).then_some(())
        })
        .await;
    }

    /// Waits until the browser is on this path.
    pub async fn is_at(&self, path: &str) {
        super::until(&format!("the browser to be at {path}"), async || {
            let url = self.driver.current_url().await.ok()?;
            (url.path() == path).then_some(())
        })
        .await;
    }

    async fn shown(&self) -> String {
        let url = self.driver.current_url().await.map(|url| url.to_string()).unwrap_or_default();
        format!("{url}\n{}", self.driver.source().await.unwrap_or_default())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Nothing can be awaited here, and what thirtyfour does instead waits for this very thread.
        self.chromedriver.end_session(&self.driver.session_id().to_string());
        let _ = self.driver.clone().leak();
    }
}

/// Chromium's driver, on a port of its own choice.
struct Chromedriver {
    process: Child,
    port: u16,
}

impl Chromedriver {
    fn start() -> Self {
        loop {
            let mut command = Command::new("chromedriver");
            command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut process = command.spawn().expect(INSTALL);
            let output = process.stdout.take().expect("a pipe");
            let mut said = Vec::new();
            // "ChromeDriver was started successfully on port 12345."
            let port = BufReader::new(output).lines().map_while(Result::ok).find_map(|line| {
                let port = line.split_once("started successfully on port ");
                let port = port.and_then(|(_, port)| port.trim_end_matches('.').parse().ok());
                said.push(line);
                port
            });
            if let Some(port) = port {
                return Self { process, port };
            }
            process.wait().expect("chromedriver ends");
            // It chooses a port that is free for IPv6, and gives up where that one is taken for IPv4.
            assert!(said.iter().any(|line| line.contains("IPv4 port not available")), "{said:#?}");
        }
    }

    /// Ends Chromium, which would outlive its driver.
    fn end_session(&self, session: &str) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return };
        let request =
            format!("DELETE /session/{session} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.set_read_timeout(Some(LONGEST_END));
        // The answer comes when Chromium is gone.
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read(&mut [0; 64]));
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
