//! How much memory a process holds, and how much it held at most in the meantime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes of memory that a process holds now (proc_pid_status(5), VmRSS).
pub(crate) fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Watches a process from now on.
pub(crate) struct Peak {
    over: Arc<AtomicBool>,
    watching: JoinHandle<u64>,
}

impl Peak {
    pub(crate) fn watch(process: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let watching = std::thread::spawn({
            let over = over.clone();
            move || {
                let mut most = resident(process);
                while !over.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(20));
                    most = most.max(resident(process));
                }
                most
            }
        });
        Self { over, watching }
    }

    /// The most that it held.
    pub(crate) fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.watching.join().unwrap()
    }
}
