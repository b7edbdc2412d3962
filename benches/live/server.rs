//! The real server: `partyline serve`, a process of its own on an SQLite file of its own.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use super::signed::{ACCOUNT, PUBLIC_URL, TOKEN};

/// A number that three users share.
pub(crate) const DESK: &str = "+13035550100";
/// A number that all users share.
pub(crate) const EVERYBODY: &str = "+13035550101";

/// A running server. Killed at the latest when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: PathBuf,
    /// How many warnings and errors it logged, and the first of them.
    complaints: Option<JoinHandle<(usize, Vec<String>)>>,
}

impl Server {
    /// Starts one in an empty folder, with so many users.
    pub(crate) fn start(folder: &Path, users: usize) -> Self {
        run(folder, &["apply", "-"], &directory(users));
        let mut child = command(folder, &["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = log.by_ref().map(|line| line.unwrap()).find(|line| line.contains("serving"));
        let address = address.as_deref().and_then(address_in).expect("the server says where it listens");
        let complaints = std::thread::spawn(move || {
            let mut complaints = Vec::new();
            let mut count = 0;
            for line in log.map_while(Result::ok).filter(|line| line.contains("WARN") || line.contains("ERROR")) {
                count += 1;
                // The first few say what it is about.
                if complaints.len() < 3 {
                    complaints.push(line);
                }
            }
            (count, complaints)
        });
        Self { address, child, folder: folder.to_owned(), complaints: Some(complaints) }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// A bearer token of the user of this number.
    pub(crate) fn token(&self, user: usize) -> String {
        run(&self.folder, &["token", "--agency", "bench", "--user", &format!("u{user}")], "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some((count @ 1.., lines)) = self.complaints.take().and_then(|complaints| complaints.join().ok()) {
            println!("\nthe server logged {count} warnings and errors, first:\n    {}", lines.join("\n    "));
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
        .env("PARTYLINE_LOG", "info");
    command
}

/// Runs a command to its end, with this on its standard input; gives what it prints.
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

/// An admin who looks after it, and users who are all members.
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
         - {{number: \"{EVERYBODY}\", label: Everybody, pool: [{}]}}\n",
        pool(users.min(3)),
        pool(users)
    );
    text
}
