//! Logs panics with their location and backtrace, but without their message: it may quote data of a client, as that of a
//! failed `str` index does.

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

    /// Runs in a process of its own, because a panic hook applies to the whole process.
    #[test]
    #[ignore = "panics; the test below runs it"]
    fn panic_with_a_secret() {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        super::install_hook();
        assert_eq!(SECRET, "", "{SECRET}");
    }

    #[test]
    fn a_panic_is_logged_with_its_place_and_backtrace_and_without_its_message() {
        let test = "telemetry::panics::tests::panic_with_a_secret";
        let arguments = ["--ignored", "--exact", "--nocapture", test];
        let output = Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains("a panic") && log.contains("src/telemetry/panics.rs"), "{log}");
        assert!(log.contains("panic_with_a_secret"), "the backtrace names the function: {log}");
        assert!(!log.contains(SECRET), "{log}");
    }
}
