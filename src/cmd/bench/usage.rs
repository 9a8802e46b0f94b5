//! What processes use, from `/proc`: see proc_pid_stat(5) and proc_pid_status(5).

use std::fs;
use std::time::Duration;

use serde::Serialize;

/// Linux tells user space times in hundredths of a second on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// Memory of one process, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Memory {
    /// What it has now.
    pub(super) resident_bytes: u64,
    /// The most that it has had.
    pub(super) peak_bytes: u64,
}

/// Processor time of a process since it started, all its threads; `None` if it is gone.
pub(super) fn cpu(pid: u32) -> Option<Duration> {
    parse_cpu(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Processor time of several processes.
pub(super) fn cpu_of(pids: &[u32]) -> Option<Duration> {
    pids.iter().map(|pid| cpu(*pid)).sum()
}

/// Memory of a process; `None` if it is gone.
pub(super) fn memory(pid: u32) -> Option<Memory> {
    parse_memory(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_cpu(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(TICK * user + TICK * system)
}

fn parse_memory(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    Some(Memory { resident_bytes: bytes("VmRSS:")?, peak_bytes: bytes("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_a_name_that_may_hold_anything() {
        let stat = "7 (a) b 1 (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 9";
        assert_eq!(parse_cpu(stat), Some(Duration::from_secs(2)));
        assert_eq!(parse_cpu("7 (a) S 1"), None);
    }

    #[test]
    fn memory_is_told_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    40 kB\nVmRSS:\t    30 kB\n";
        assert_eq!(parse_memory(status), Some(Memory { resident_bytes: 30_720, peak_bytes: 40_960 }));
        assert_eq!(parse_memory("VmRSS:\t 30 kB\n"), None);
    }

    #[test]
    fn this_process_can_be_asked() {
        let own = std::process::id();
        assert!(cpu(own).is_some());
        assert!(memory(own).unwrap().peak_bytes > 0);
    }
}
