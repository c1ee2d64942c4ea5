//! Limits of the kernel's.

use std::io;

/// The limits that nothing may be left of. A limit on descriptors counts those to come: those that are open stay.
const NOTHING: [(Resource, &str); 3] = [
    (libc::RLIMIT_NOFILE as Resource, "descriptors"),
    // Root has no such limit; the system calls are denied to all.
    (libc::RLIMIT_NPROC as Resource, "processes"),
    (libc::RLIMIT_CORE as Resource, "core dumps"),
];

/// The number of a limit. Its type in libc differs between C libraries.
type Resource = u32;

/// Allows no further descriptor, process or core dump. Whoever has no descriptor to come opens no file and no socket.
pub(super) fn lower() -> Result<(), String> {
    for (resource, name) in NOTHING {
        let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: reads a value of this stack.
        if unsafe { libc::setrlimit(resource as _, &nothing) } != 0 {
            return Err(format!("{name}: {}", io::Error::last_os_error()));
        }
    }
    Ok(())
}

/// The limits that the process was started with; `None` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The largest address space, in bytes.
    pub memory: Option<u64>,
    /// The longest time on a CPU, in seconds.
    pub cpu_seconds: Option<u64>,
}

/// Returns the limits that this process was started with.
pub fn bounds() -> Bounds {
    Bounds { memory: soft(libc::RLIMIT_AS as Resource), cpu_seconds: soft(libc::RLIMIT_CPU as Resource) }
}

fn soft(resource: Resource) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: fills in a value of this stack.
    let known = unsafe { libc::getrlimit(resource as _, &mut limit) } == 0;
    (known && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}
