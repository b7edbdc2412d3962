//! CPU time of a process, from /proc.

use std::time::Duration;

/// CPU time used by a process (proc_pid_stat(5), utime and stime in ticks of 10 ms).
pub(crate) fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<u64> = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap()).collect();
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}
