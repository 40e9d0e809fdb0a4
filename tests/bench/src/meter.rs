//! What another process has cost so far, as the kernel counts it.

use std::fs;

use anyhow::{Context, Result};

/// The CPU time that all threads of `pid` have used, in nanoseconds.
///
/// The kernel brings the number up to date when a thread stops running, so it is exact as long as the
/// process and its reader share one CPU.
///
/// # Errors
/// When the process is gone.
pub fn cpu_nanoseconds(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("the proxy is gone")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let on_cpu = text.split_ascii_whitespace().next();
        sum += on_cpu.context("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(sum)
}

/// The anonymous memory that `pid` holds, in bytes: heap and stacks, without code and page tables.
///
/// # Errors
/// When the process is gone.
pub fn user_memory(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(path).context("the proxy is gone")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let kibibytes = line.and_then(|line| line.split_ascii_whitespace().next());
    Ok(kibibytes.context("no line Anonymous in smaps_rollup")?.parse::<u64>()? * 1024)
}
