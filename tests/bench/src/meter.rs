//! What a proxy has cost so far, as the kernel counts it: a process and all that descend from it.

use std::fs;

use anyhow::{Context, Result};

/// The CPU time that the threads of `pid` and its descendants have used, in nanoseconds: all of them, or
/// those whose names begin with `threads`.
///
/// The kernel brings the number up to date when a thread stops running, so it is exact as long as the
/// processes and their reader share one CPU.
///
/// # Errors
/// When one of them is gone.
pub fn cpu_nanoseconds(pid: u32, threads: &str) -> Result<u64> {
    let mut sum = 0;
    for pid in family(pid)? {
        for task in tasks(pid)? {
            if !fs::read_to_string(format!("{task}/comm"))?.starts_with(threads) {
                continue;
            }
            let text = fs::read_to_string(format!("{task}/schedstat"))?;
            let on_cpu = text.split_ascii_whitespace().next();
            sum += on_cpu.context("an empty schedstat")?.parse::<u64>()?;
        }
    }
    Ok(sum)
}

/// The anonymous memory that `pid` and its descendants hold, in bytes: heap and stacks, without code
/// and page tables.
///
/// # Errors
/// When one of them is gone.
pub fn user_memory(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for pid in family(pid)? {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(path).context("the proxy is gone")?;
        let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
        let kibibytes = line.and_then(|line| line.split_ascii_whitespace().next());
        sum += kibibytes.context("no line Anonymous in smaps_rollup")?.parse::<u64>()? * 1024;
    }
    Ok(sum)
}

/// `pid`, its children, theirs, and so on.
fn family(pid: u32) -> Result<Vec<u32>> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        for task in tasks(pid)? {
            let children = fs::read_to_string(format!("{task}/children"))
                .context("a kernel without CONFIG_PROC_CHILDREN, or the proxy is gone")?;
            for child in children.split_ascii_whitespace() {
                found.push(child.parse()?);
            }
        }
        next += 1;
    }
    Ok(found)
}

/// The folders of the threads of `pid`.
fn tasks(pid: u32) -> Result<Vec<String>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).context("the proxy is gone")?;
    entries.map(|entry| Ok(entry?.path().display().to_string())).collect()
}
