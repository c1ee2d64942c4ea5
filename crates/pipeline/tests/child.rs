//! Runs of real programs. None is waited for by the clock: each test waits for a state.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pgai_rs_pipeline::child::{ChildLimits, ChildProgram, ChildRun, Ending, allow, end_all};

/// A program of the system's with these limits.
fn program(arguments: &[&str], limits: ChildLimits) -> ChildProgram {
    ChildProgram {
        path: "/usr/bin/env".into(),
        arguments: arguments.iter().map(|argument| (*argument).into()).collect(),
        limits,
    }
}

/// A script for `sh`. `env` gives it a path to find programs by, and nothing else.
fn script(text: &str) -> ChildProgram {
    program(&["PATH=/usr/bin:/bin", "sh", "-c", text], ChildLimits::default())
}

fn limited(text: &str, change: impl FnOnce(&mut ChildLimits)) -> ChildProgram {
    let mut program = script(text);
    change(&mut program.limits);
    program
}

async fn run(program: ChildProgram) -> ChildRun {
    program.run([]).await.unwrap()
}

async fn output(program: ChildProgram) -> String {
    let run = run(program).await;
    assert_eq!(run.ending, Ending::Exited(0), "{}", String::from_utf8_lossy(&run.messages));
    String::from_utf8(run.output).unwrap()
}

/// An argument by which a process is found.
fn marker() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}{:03}", 100_000 + std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns whether a process with this argument is running.
fn is_running(marker: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|process| {
        // Of one that has ended there is no command line.
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).any(|argument| argument == marker.as_bytes())
    })
}

/// Waits until a process with this argument is running, or none is.
fn wait_until_running(marker: &str, wanted: bool) {
    while is_running(marker) != wanted {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_program_gets_the_input_and_returns_output_messages_and_status() {
    let run = script("tr a-z A-Z; echo trouble >&2; exit 3").run(["a document".into()]).await.unwrap();
    let expected = ChildRun {
        ending: Ending::Exited(3),
        output: b"A DOCUMENT".to_vec(),
        messages: b"trouble\n".to_vec(),
    };
    assert_eq!(run, expected);
}

#[tokio::test]
async fn input_and_output_may_be_larger_than_a_pipe() {
    let input = Bytes::from(vec![b'x'; 3 << 20]);
    let run = script("cat").run([input.clone()]).await.unwrap();
    assert_eq!((run.ending, run.output == input), (Ending::Exited(0), true));
}

#[tokio::test]
async fn input_comes_in_parts_as_if_it_were_whole() {
    let large = Bytes::from(vec![b'x'; 200_000]);
    let parts = [Bytes::from("header\n"), Bytes::new(), large.clone(), Bytes::from("end"), Bytes::new()];
    let run = script("cat").run(parts).await.unwrap();
    let whole = [b"header\n", &large[..], b"end"].concat();
    assert_eq!((run.ending, run.output == whole), (Ending::Exited(0), true));
}

#[tokio::test]
async fn a_program_need_not_read_its_input() {
    let run = script("exec 0<&-; echo done").run([vec![b'x'; 3 << 20].into()]).await.unwrap();
    assert_eq!((run.ending, run.output), (Ending::Exited(0), b"done\n".to_vec()));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let program =
        ChildProgram { path: "/nowhere".into(), arguments: Vec::new(), limits: ChildLimits::default() };
    assert_eq!(program.run([]).await.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_crash_is_told_by_its_signal() {
    assert_eq!(run(script("kill -SEGV $$")).await.ending, Ending::Signalled(libc::SIGSEGV));
}

#[tokio::test]
async fn nothing_of_the_environment_is_inherited() {
    assert_eq!(output(program(&[], ChildLimits::default())).await, "");
    assert_eq!(output(script("pwd")).await, "/\n");
}

#[tokio::test]
async fn no_descriptor_is_inherited() {
    let file = File::open("/dev/null").unwrap();
    // SAFETY: a descriptor of ours, and numbers.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) }, 0);
    // The last one is that of the folder itself.
    assert_eq!(output(script("exec ls /proc/self/fd")).await, "0\n1\n2\n3\n");
}

#[tokio::test]
async fn signals_do_what_they_do_by_default() {
    // SAFETY: no handler is installed, and nobody in this process waits for the signal.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    let status = output(script("exec cat /proc/self/status")).await;
    for field in ["SigIgn", "SigBlk", "SigCgt"] {
        let mask = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
        assert_eq!(mask, Some("0000000000000000"), "{field}");
    }
    assert!(status.contains("NoNewPrivs:\t1"));
}

#[tokio::test]
async fn the_limits_are_the_kernels() {
    let limits = ChildLimits {
        memory: 512 << 20,
        cpu_seconds: 7,
        files: 9,
        file_size: 1024,
        ..ChildLimits::default()
    };
    let told = limited("ulimit -v; ulimit -t; ulimit -n; ulimit -c; ulimit -f", |given| *given = limits);
    // The shell counts memory in KB and files' sizes in blocks of 512 bytes, or of 1,024.
    let told = output(told).await;
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told[..4], ["524288", "7", "9", "0"]);
    assert!(["1", "2"].contains(&told[4]), "{told:?}");
}

#[tokio::test]
async fn a_file_that_it_may_not_write_ends_it() {
    let path = std::env::temp_dir().join(format!("pgai_rs-{}", marker()));
    let ending = run(script(&format!("exec dd if=/dev/zero of={} count=1", path.display()))).await.ending;
    fs::remove_file(path).unwrap();
    assert_eq!(ending, Ending::Signalled(libc::SIGXFSZ));
}

#[tokio::test]
async fn a_program_that_computes_too_long_is_ended_by_the_kernel() {
    let busy = limited("while :; do :; done", |limits| {
        limits.cpu_seconds = 1;
        // A second of a processor may take long where others have it.
        limits.time = Duration::from_secs(3600);
    });
    let ending = run(busy).await.ending;
    assert_eq!(ending, Ending::Signalled(libc::SIGXCPU));
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_its_own_children() {
    let marker = marker();
    let text = format!("sleep {marker} & echo begun; wait");
    let run = run(limited(&text, |limits| limits.time = Duration::from_millis(300))).await;
    assert_eq!(run.ending, Ending::TimedOut);
    wait_until_running(&marker, false);
}

#[tokio::test]
async fn a_child_that_outlives_the_program_is_killed_and_not_waited_for() {
    let marker = marker();
    let run = run(script(&format!("sleep {marker} & echo done"))).await;
    assert_eq!((run.ending, run.output), (Ending::Exited(0), b"done\n".to_vec()));
    wait_until_running(&marker, false);
}

#[tokio::test]
async fn output_is_bounded_and_so_are_messages() {
    let endless = limited("exec yes", |limits| limits.output = 1000);
    let run = run(endless).await;
    assert_eq!((run.ending, run.output.len()), (Ending::TooMuchOutput, 1000));

    let talkative = limited("yes | head -c 1000000 >&2; echo done", |limits| limits.messages = 1000);
    let run = self::run(talkative).await;
    assert_eq!((run.ending, run.messages.len()), (Ending::Exited(0), 1000));
    assert_eq!(run.output, b"done\n");

    let just = limited("echo done", |limits| limits.output = 5);
    assert_eq!(self::run(just).await.ending, Ending::Exited(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nobody_who_waits_any_more_means_no_process() {
    let marker = marker();
    let sleep = script(&format!("exec sleep {marker}"));
    let task = tokio::spawn(async move { sleep.run([]).await });
    wait_until_running(&marker, true);
    task.abort();
    wait_until_running(&marker, false);
}

/// Set for a test binary that plays the worker, to the argument of the process that it is to start.
const WORKER: &str = "PGAI_RS_TEST_CHILD_OF";

/// Starts this test binary as a worker that runs a program.
fn worker(test: &str, marker: &str) -> std::process::Child {
    let mut worker = Command::new(std::env::current_exe().unwrap());
    worker.args(["--exact", test]).env(WORKER, marker).stdout(Stdio::null()).stderr(Stdio::null());
    worker.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_worker_that_is_killed_takes_its_processes_along() {
    if let Ok(marker) = std::env::var(WORKER) {
        run(script(&format!("exec sleep {marker}"))).await;
        return;
    }
    let marker = marker();
    let mut worker = worker("a_worker_that_is_killed_takes_its_processes_along", &marker);
    wait_until_running(&marker, true);
    worker.kill().unwrap();
    worker.wait().unwrap();
    wait_until_running(&marker, false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_worker_that_exits_has_ended_its_processes_before() {
    if let Ok(marker) = std::env::var(WORKER) {
        let task = tokio::spawn(run(script(&format!("exec sleep {marker}"))));
        wait_until_running(&marker, true);
        end_all();
        // Not even a zombie is left, which somebody else would reap.
        // SAFETY: a null pointer is allowed, and nothing is reaped.
        let left =
            unsafe { libc::waitid(libc::P_ALL, 0, std::ptr::null_mut(), libc::WEXITED | libc::WNOWAIT) };
        assert_eq!((left, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ECHILD)));
        assert_eq!(task.await.unwrap().ending, Ending::Signalled(libc::SIGKILL));
        assert!(script("true").run([]).await.is_err());
        allow();
        assert_eq!(run(script("true")).await.ending, Ending::Exited(0));
        return;
    }
    let marker = marker();
    let mut worker = worker("a_worker_that_exits_has_ended_its_processes_before", &marker);
    assert!(worker.wait().unwrap().success());
    assert!(!is_running(&marker));
}
