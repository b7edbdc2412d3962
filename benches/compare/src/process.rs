//! CPU time and memory of a process, from /proc.

/// CPU time in microseconds (proc_pid_stat(5), utime and stime in ticks of 10 ms).
pub fn cpu_us(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or("");
    let fields: Vec<f64> = after_name.split_whitespace().map(|field| field.parse().unwrap_or(0.)).collect();
    if fields.len() < 13 { 0. } else { (fields[11] + fields[12]) * 10_000. }
}

/// Resident memory in KiB.
pub fn resident_kib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    resident.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0.)
}
