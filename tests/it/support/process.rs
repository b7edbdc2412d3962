//! The real binary, run in a temporary folder, on SQLite.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::text::PUBLIC_URL;
use super::wait;

/// The URL of the database in this folder.
pub(crate) fn database_url(folder: &Path) -> String {
    format!("sqlite://{}?mode=rwc", folder.join("p.db").display())
}

/// The binary with its own settings and without the environment of the test process.
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

/// Runs a command to its end, with `input` as its standard input.
pub(crate) fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    run_with_settings(folder, &[], arguments, input)
}

/// Runs a command with additional settings.
pub(crate) fn run_with_settings(folder: &Path, settings: &[(&str, String)], arguments: &[&str], input: &str) -> Output {
    let mut command = command(folder, "info", arguments);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("a standard input");
    stdin.write_all(input.as_bytes()).expect("the binary reads its standard input");
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

/// Starts a command that the test may kill.
pub(crate) fn start_command(folder: &Path, arguments: &[&str]) -> Child {
    command(folder, "info", arguments).spawn().expect("the binary runs")
}

/// Applies a directory file, whether a server is running or not.
pub(crate) fn apply(folder: &Path, yaml: &str) {
    let output = run(folder, &["apply", "-"], yaml);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `partyline serve`, killed when the test ends at the latest.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Mutex<Child>,
    log: Log,
}

type Log = Arc<watch::Sender<String>>;

impl Server {
    /// Starts the server and waits until it accepts requests.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_logging(folder, "info").await
    }

    /// Starts the server with another log filter.
    pub(crate) async fn start_logging(folder: &Path, filter: &str) -> Self {
        Self::spawn(command(folder, filter, &["serve"])).await
    }

    /// Starts the server with additional settings.
    pub(crate) async fn start_with_settings(folder: &Path, settings: &[(&str, String)]) -> Self {
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
            move || copy_lines(stderr, &log)
        });
        let mut server = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), child: Mutex::new(child), log };
        server.address = server.wait_for_line("serving", address_in).await;
        server
    }

    /// Waits for a line that contains `word` and that `read` can parse.
    async fn wait_for_line<T>(&self, word: &str, read: impl Fn(&str) -> Option<T>) -> T {
        let mut log = self.log.subscribe();
        let found = |log: &str| log.lines().filter(|line| line.contains(word)).find_map(&read);
        let seen = wait::within(word, log.wait_for(|log| found(log).is_some())).await;
        let log = seen.expect("the log stays open while the server runs");
        found(&log).expect("the line is still in the log")
    }

    /// The address in the first line that contains this word.
    pub(crate) async fn address_logged(&self, word: &str) -> SocketAddr {
        self.wait_for_line(word, address_in).await
    }

    /// Waits for a line that contains this word.
    pub(crate) async fn wait_for_log(&self, word: &str) {
        self.wait_for_line(word, |_| Some(())).await;
    }

    /// Sends SIGKILL and reaps the process.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().expect("the server was running");
        child.wait().expect("the server is gone");
    }

    /// Sends SIGTERM without waiting.
    pub(crate) fn terminate(&self) {
        let pid = self.child.lock().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for the process to exit; returns its exit code and its complete log.
    pub(crate) async fn wait_for_exit(self) -> (Option<i32>, String) {
        let poll = || std::future::ready(self.child.lock().unwrap().try_wait().expect("the process can be waited for"));
        let status = wait::until("the server exits", poll).await;
        (status.code(), self.log.borrow().clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        // The process may have exited already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn copy_lines(stderr: ChildStderr, log: &watch::Sender<String>) {
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
