//! Logs panics with their location and backtrace, but without their message: it may quote data of a client, as that of
//! a failed `str` index does.

use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;

/// Replaces the hook that prints panics to standard error.
pub fn install_hook() {
    std::panic::set_hook(Box::new(log));
}

fn log(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::force_capture();
    tracing::error!(place, %backtrace, "a panic");
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    const SECRET: &str = "+13035550199";

    /// Makes the test panic, in a process of its own: a panic hook applies to the whole process.
    const PANICS: &str = "PARTYLINE_TEST_PANICS";

    fn panic_with_a_secret() {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        super::install_hook();
        assert_eq!(SECRET, "", "{SECRET}");
    }

    #[test]
    fn a_panic_is_logged_with_its_place_and_backtrace_and_without_its_message() {
        if std::env::var_os(PANICS).is_some() {
            panic_with_a_secret();
        }
        let test = "telemetry::panics::tests::a_panic_is_logged_with_its_place_and_backtrace_and_without_its_message";
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", "--nocapture", test]).env(PANICS, "1").output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains("a panic") && log.contains("src/telemetry/panics.rs"), "{log}");
        assert!(log.contains("panic_with_a_secret"), "the backtrace names the function: {log}");
        assert!(!log.contains(SECRET), "{log}");
    }
}
