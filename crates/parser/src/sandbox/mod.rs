//! Confinement of the program: what its process gives up before it reads the first byte of a document.
//!
//! ```text
//! inherited   │ environment, descriptors, the right to create files for others, its place in the queue for the CPU
//!             ▼ given up by `inherited`
//! whole process: no new privileges, Landlock
//!             ▼
//! thread "document", with a stack for documents that are nested deep: limits, system calls (of all threads)
//!             ▼
//! the document is read
//! ```
//!
//! The guards overlap on purpose: each holds where another one is missing, and a fault of one opens nothing. Limits on
//! memory, time and output are set by the worker, which is who knows them; see `pgai_rs_pipeline::child`.
//!
//! * `inherited`, `privileges`: what the process was given, and rights that it could gain
//! * `landlock`, `system_calls`: what it may reach, and what it may ask the kernel for
//! * `limits`, `memory`: what it may take

mod inherited;
mod landlock;
mod limits;
mod memory;
mod privileges;
mod system_calls;

use std::io;
use std::thread;

use pgai_rs_parser_protocol::Guard;

pub use inherited::{be_nice, give_up_inherited};
pub use limits::{Bounds, bounds};

/// The size of the stack on which documents are read, eight times what a program usually has. It is address space,
/// of which only what is used takes memory.
pub const STACK: usize = 64 << 20;

/// The guards that were asked for, and what came of them.
#[derive(Debug, Clone, Default)]
pub struct Confinement {
    outcomes: Vec<(Guard, Result<(), String>)>,
}

impl Confinement {
    /// Returns the guards that are in force.
    pub fn in_force(&self) -> Vec<Guard> {
        self.outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(guard, _)| *guard).collect()
    }

    /// Returns each guard that was asked for, and why it is not in force if it isn't.
    pub fn outcomes(&self) -> impl Iterator<Item = (Guard, Option<&str>)> {
        self.outcomes.iter().map(|(guard, outcome)| (*guard, outcome.as_ref().err().map(String::as_str)))
    }

    /// Puts a guard in force if it was asked for.
    fn enter(&mut self, wanted: &[Guard], guard: Guard, enter: fn() -> Result<(), String>) {
        if wanted.contains(&guard) {
            self.outcomes.push((guard, enter()));
        }
    }
}

/// Puts guards in force, for this process and for good, and does the work behind them, on a thread with a large stack.
/// Where the kernel does not have a guard, the work is done without it, and [`Confinement`] says so.
///
/// # Errors
///
/// If there is no such thread to be had, or if the work panics.
pub fn run<T, W>(wanted: &[Guard], work: W) -> io::Result<T>
where
    T: Send,
    W: FnOnce(&Confinement) -> T + Send,
{
    let mut confinement = Confinement::default();
    // These are inherited by threads that are started afterwards.
    confinement.enter(wanted, Guard::NoNewPrivileges, privileges::forgo);
    confinement.enter(wanted, Guard::Landlock, landlock::enter);

    let confined = move || {
        // Afterwards there is no thread to be started any more.
        confinement.enter(wanted, Guard::Limits, limits::lower);
        confinement.enter(wanted, Guard::SystemCalls, system_calls::filter);
        work(&confinement)
    };

    memory::share_arena();
    thread::scope(|scope| {
        let document = thread::Builder::new().name("document".to_owned()).stack_size(STACK);
        let running = document.spawn_scoped(scope, confined).map_err(no_thread)?;
        running.join().map_err(|_panic| io::Error::other("the parser failed outside of a document"))
    })
}

fn no_thread(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("no thread with a stack of {} MB: {error}", STACK >> 20))
}
