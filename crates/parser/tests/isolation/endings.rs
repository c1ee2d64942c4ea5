//! Ends of a process behind all guards, each of which the worker can tell from the others.

use std::hint::black_box;
use std::io::Write as _;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use pgai_rs_parser::panics;
use pgai_rs_parser::sandbox::{self, STACK};
use pgai_rs_parser_protocol::{Guard, Unanswered};

use crate::player::{SUCCEEDED, play};

/// Things that a reader does by mistake, with their names.
pub const ENDINGS: &[(&str, fn())] = &[
    ("recurse_deep", || recurse(STACK * 3 / 4)),
    ("recurse_forever", || recurse(usize::MAX)),
    ("allocate_too_much", || drop(black_box(Vec::<u8>::with_capacity(1 << 46)))),
    ("allocate_all", || drop(black_box(vec![1_u8; 1 << 30]))),
    ("compute_forever", || while black_box(true) {}),
    // SAFETY: a read of an address at which there is nothing, which ends this process.
    ("read_nowhere", || assert_eq!(unsafe { std::ptr::read_volatile(black_box(8) as *const u8) }, 0)),
    ("panic", || {
        panics::silence();
        panic!("the document's words")
    }),
    ("print_and_answer", print_and_answer),
    ("abort", || std::process::abort()),
];

/// Calls itself until so many bytes of the stack are taken.
fn recurse(bytes: usize) {
    recurse_from(black_box(&bytes) as *const usize as usize, bytes);
}

fn recurse_from(start: usize, bytes: usize) {
    let frame = black_box([0_u8; 512]);
    let taken = start - frame.as_ptr() as usize;
    if taken < bytes {
        recurse_from(start, bytes);
    }
    black_box(frame);
}

fn print_and_answer() {
    // SAFETY: what else is open in this process is used by nobody any more.
    let mut answer = unsafe { sandbox::give_up_inherited() }.unwrap();
    // SAFETY: a string of five bytes.
    assert_eq!(unsafe { libc::write(libc::STDOUT_FILENO, c"noise".as_ptr().cast(), 5) }, 5);
    assert!(std::env::vars_os().next().is_none());
    answer.write_all(b"an answer").unwrap();
}

/// Limits the process, as the worker does.
pub fn limit(command: &mut Command, resource: libc::__rlimit_resource_t, limit: u64) {
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit + 1 };
    // SAFETY: one system call, which reads a value that the closure owns.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(resource, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        })
    };
}

/// Returns the class of a process that ended so, behind all guards.
fn end(part: &str, prepare: impl FnOnce(&mut Command)) -> Unanswered {
    let played = play(part, &Guard::ALL, prepare);
    match played.status.signal() {
        Some(signal) => Unanswered::by_signal(signal, &played.stderr),
        None => Unanswered::by_status(played.status.code().unwrap()),
    }
}

#[test]
fn a_document_may_be_nested_as_deep_as_the_stack_is_large() {
    assert_eq!(play("recurse_deep", &Guard::ALL, |_| {}).status.code(), Some(SUCCEEDED));
}

#[test]
fn a_stack_that_is_full_is_told() {
    assert_eq!(end("recurse_forever", |_| {}), Unanswered::StackOverflow);
}

#[test]
fn an_allocation_that_fails_is_told() {
    assert_eq!(end("allocate_too_much", |_| {}), Unanswered::OutOfMemory);
    let limited = end("allocate_all", |command| limit(command, libc::RLIMIT_AS, 512 << 20));
    assert_eq!(limited, Unanswered::OutOfMemory);
    assert_eq!(play("allocate_all", &Guard::ALL, |_| {}).status.code(), Some(SUCCEEDED));
}

#[test]
fn a_process_that_computes_forever_is_told() {
    let ended = end("compute_forever", |command| limit(command, libc::RLIMIT_CPU, 1));
    assert_eq!(ended, Unanswered::TimedOut);
}

#[test]
fn a_crash_is_told() {
    assert_eq!(end("read_nowhere", |_| {}), Unanswered::Crashed);
    assert_eq!(end("abort", |_| {}), Unanswered::Crashed);
}

#[test]
fn a_panic_outside_of_a_document_is_an_error() {
    let panicked: std::io::Result<()> = sandbox::run(&[], |_| panic!("as a test"));
    assert!(panicked.is_err());
}

#[test]
fn a_panics_words_are_seen_by_nobody() {
    let played = play("panic", &Guard::ALL, |_| {});
    let said = [played.stdout, played.stderr].concat();
    assert!(!played.status.success() && !String::from_utf8_lossy(&said).contains("words"));
}
