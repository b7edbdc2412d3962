//! `partyline serve` in a separate process, on a new SQLite file.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use super::signed::{ACCOUNT, PUBLIC_URL, TOKEN};

/// A number whose pool has three users.
pub(crate) const DESK: &str = "+13035550100";
/// A number whose pool has all users.
pub(crate) const EVERYONE: &str = "+13035550101";

/// A running server, killed when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: PathBuf,
    /// The number of warnings and errors in the log, and the first of them.
    warnings: Option<JoinHandle<(usize, Vec<String>)>>,
}

impl Server {
    /// Starts a server in an empty folder, with `users` members.
    pub(crate) fn start(folder: &Path, users: usize) -> Self {
        run(folder, &["apply", "-"], &directory(users));
        let mut child = command(folder, &["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = log.by_ref().map(|line| line.unwrap()).find(|line| line.contains("serving"));
        let address = address.as_deref().and_then(address_in).expect("no listening address in the log");
        let warnings = std::thread::spawn(move || {
            let mut first = Vec::new();
            let mut count = 0;
            for line in log.map_while(Result::ok).filter(|line| line.contains("WARN") || line.contains("ERROR")) {
                count += 1;
                // Three lines are enough to identify the problem.
                if first.len() < 3 {
                    first.push(line);
                }
            }
            (count, first)
        });
        Self { address, child, folder: folder.to_owned(), warnings: Some(warnings) }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Creates a bearer token for user number `user`.
    pub(crate) fn token(&self, user: usize) -> String {
        run(&self.folder, &["token", "--agency", "bench", "--user", &format!("u{user}")], "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some((count @ 1.., lines)) = self.warnings.take().and_then(|warnings| warnings.join().ok()) {
            println!(
                "\nthe server logged {count} warnings and errors, the first of them:\n    {}",
                lines.join("\n    ")
            );
        }
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partyline"));
    command
        .args(arguments)
        .env("DATABASE_URL", format!("sqlite://{}?mode=rwc", folder.join("live.db").display()))
        .env("PARTYLINE_LISTEN", "127.0.0.1:0")
        .env("PARTYLINE_PUBLIC_URL", PUBLIC_URL)
        // One part connects all sockets as one user.
        .env("PARTYLINE_USER_SOCKETS", "20000")
        .env("PARTYLINE_LOG", "info");
    command
}

/// Runs a command to its end with `input` on its standard input. Returns its standard output.
fn run(folder: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = command(folder, arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "partyline {arguments:?} failed");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn address_in(line: &str) -> Option<SocketAddr> {
    line.split(|c: char| c.is_whitespace() || c == '=' || c == '"').find_map(|word| word.parse().ok())
}

/// A directory file with one admin and `users` members.
fn directory(users: usize) -> String {
    let mut text = format!(
        "agencies:\n  - key: bench\n    name: Bench\n    timeZone: America/Denver\n    \
         twilio: {{accountSid: {ACCOUNT}, authToken: {TOKEN}}}\n    users:\n      \
         - {{key: boss, name: The Boss, role: ADMIN}}\n"
    );
    let pool = |users: usize| (0..users).map(|n| format!("{{user: u{n}}}")).collect::<Vec<_>>().join(", ");
    for n in 0..users {
        // Writing to a string does not fail.
        let _ = writeln!(text, "      - {{key: u{n}, name: User {n}, role: MEMBER}}");
    }
    let _ = write!(
        text,
        "    phoneNumbers:\n      - {{number: \"{DESK}\", label: Front desk, pool: [{}]}}\n      \
         - {{number: \"{EVERYONE}\", label: Everyone, pool: [{}]}}\n",
        pool(users.min(3)),
        pool(users)
    );
    text
}
