//! The real binary, in a folder of its own, on SQLite.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::text::PUBLIC_URL;
use super::wait;

/// The address of the database in this folder.
pub(crate) fn database_url(folder: &Path) -> String {
    format!("sqlite://{}?mode=rwc", folder.join("p.db").display())
}

/// The binary with settings of its own and nothing of ours.
fn command(folder: &Path, log: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partyline"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("DATABASE_URL", database_url(folder))
        .env("PARTYLINE_LISTEN", "127.0.0.1:0")
        .env("PARTYLINE_PUBLIC_URL", PUBLIC_URL)
        .env("TWILIO_API_BASE", "http://127.0.0.1:9")
        .env("PARTYLINE_LOG", log)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command to its end, with this on its standard input.
pub(crate) fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    run_set(folder, &[], arguments, input)
}

/// The same with these settings besides.
pub(crate) fn run_set(folder: &Path, settings: &[(&str, String)], arguments: &[&str], input: &str) -> Output {
    let mut command = command(folder, "info", arguments);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("a standard input");
    stdin.write_all(input.as_bytes()).expect("the binary reads");
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

/// Applies a directory file, beside a server or without one.
pub(crate) fn apply(folder: &Path, yaml: &str) {
    let output = run(folder, &["apply", "-"], yaml);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `partyline serve`, killed at the latest when the test ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Mutex<Child>,
    log: Log,
}

type Log = Arc<watch::Sender<String>>;

impl Server {
    /// Starts it and waits until it serves.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_logging(folder, "info").await
    }

    /// The same with another filter of log lines.
    pub(crate) async fn start_logging(folder: &Path, filter: &str) -> Self {
        Self::spawn(command(folder, filter, &["serve"])).await
    }

    /// The same with these settings besides.
    pub(crate) async fn start_set(folder: &Path, settings: &[(&str, String)]) -> Self {
        let mut command = command(folder, "info", &["serve"]);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        Self::spawn(command).await
    }

    async fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary runs");
        let log = Log::default();
        let stderr = child.stderr.take().expect("a standard error");
        std::thread::spawn({
            let log = log.clone();
            move || copy(stderr, &log)
        });
        let mut server = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), child: Mutex::new(child), log };
        server.address = server.until_logged("serving", address_in).await;
        server
    }

    /// Waits for a line that holds `word` and is understood.
    async fn until_logged<T>(&self, word: &str, read: impl Fn(&str) -> Option<T>) -> T {
        let mut log = self.log.subscribe();
        let found = |log: &str| log.lines().filter(|line| line.contains(word)).find_map(&read);
        let seen = wait::within(word, log.wait_for(|log| found(log).is_some())).await;
        let log = seen.expect("the log is open as long as the server is");
        found(&log).expect("it was there a moment ago")
    }

    /// The address in the first line that holds this word.
    pub(crate) async fn address_logged(&self, word: &str) -> SocketAddr {
        self.until_logged(word, address_in).await
    }

    /// Waits for a line that holds this word.
    pub(crate) async fn until_says(&self, word: &str) {
        self.until_logged(word, |_| Some(())).await;
    }

    /// `kill -9`
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().expect("the server was running");
        child.wait().expect("the server is gone");
    }

    /// Asks it to stop and does not wait.
    pub(crate) fn terminate(&self) {
        let pid = self.child.lock().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for its end; gives its exit code and everything that it logged.
    pub(crate) async fn until_ended(self) -> (Option<i32>, String) {
        let look = || std::future::ready(self.child.lock().unwrap().try_wait().expect("the server is ours"));
        let status = wait::until("the server ends", look).await;
        (status.code(), self.log.borrow().clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        // It may have ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn copy(stderr: ChildStderr, log: &watch::Sender<String>) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        log.send_modify(|log| {
            log.push_str(&line);
            log.push('\n');
        });
    }
}

fn address_in(line: &str) -> Option<SocketAddr> {
    line.split(|c: char| c.is_whitespace() || c == '=' || c == '"').find_map(|word| word.parse().ok())
}
