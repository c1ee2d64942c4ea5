//! The program itself, as it is shipped.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};

use crate::endings::limit;
use crate::player::{SUCCEEDED, play};
use pgai_rs_parser::sandbox::STACK;
use pgai_rs_parser_protocol::{Answer, EXIT_MEMORY, EXIT_MESSAGE, EXIT_USAGE, Guard, VERSION, read};

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_pgai_rs_parser"));
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

fn ask(mut program: Child, message: &[u8]) -> Output {
    // A program that does not read all of it says why.
    let _written = program.stdin.take().unwrap().write_all(message);
    program.wait_with_output().unwrap()
}

/// Returns what the kernel says of a process, once it is behind a filter of system calls.
fn confined(process: u32, file: &str) -> String {
    let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
    while !read("status").contains("Seccomp:\t2\n") {
        std::thread::yield_now();
    }
    read(file)
}

#[test]
fn it_is_confined_before_it_gets_the_first_byte() {
    let mut program = program().spawn().unwrap();
    let status = confined(program.id(), "status");
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
    assert!(status.contains("Umask:\t0777\n"), "{status}");

    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < (STACK >> 10) + (48 << 10), "{peak} kB of addresses beside the document");

    let limits = confined(program.id(), "limits");
    for limited in ["Max open files", "Max processes", "Max core file size"] {
        let line = limits.lines().find(|line| line.starts_with(limited)).unwrap();
        assert_eq!(
            line[limited.len()..].split_whitespace().take(2).collect::<Vec<_>>(),
            ["0", "0"],
            "{line}"
        );
    }

    drop(program.stdin.take());
    program.wait().unwrap();
}

#[test]
fn its_answer_tells_the_guards_and_nothing_else_is_on_stdout() {
    let message = format!("{{\"version\":{VERSION},\"name\":\"a.bin\"}}\n\0");
    let output = ask(program().spawn().unwrap(), message.as_bytes());
    let (answer, text) = read::<Answer>(&output.stdout).unwrap();
    assert_eq!((answer.version, answer.confinement.as_slice(), text), (VERSION, &Guard::ALL[..], &b""[..]));
    assert!(output.stderr.is_empty());
}

#[test]
fn what_a_library_prints_is_no_part_of_the_answer() {
    let played = play("print_and_answer", &[], |_| {});
    let written = String::from_utf8_lossy(&played.stdout);
    assert_eq!(played.status.code(), Some(SUCCEEDED));
    assert!(written.ends_with("an answer") && !written.contains("noise"), "{written}");
}

#[test]
fn a_message_that_it_does_not_understand_is_told_without_its_words() {
    let output = ask(program().spawn().unwrap(), b"{\"secret\":}\n");
    assert_eq!(output.status.code(), Some(i32::from(EXIT_MESSAGE)));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("secret"));
}

#[test]
fn a_message_larger_than_its_memory_is_told() {
    let mut program = program();
    limit(&mut program, libc::RLIMIT_AS, 256 << 20);
    let output = ask(program.spawn().unwrap(), &vec![b'x'; 300 << 20]);
    assert_eq!(output.status.code(), Some(i32::from(EXIT_MEMORY)));
}

#[test]
fn an_administrator_can_ask_which_guards_hold() {
    let output = program().arg("--check").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    for guard in Guard::ALL {
        assert!(told.contains(guard.name()), "{told}");
    }
}

#[test]
fn arguments_are_those_that_there_are() {
    for wrong in [&["--nice"][..], &["--nice", "20"], &["--nice", "-1"], &["report.pdf"]] {
        assert_eq!(program().args(wrong).output().unwrap().status.code(), Some(i32::from(EXIT_USAGE)));
    }
    let version = program().arg("--version").output().unwrap().stdout;
    assert_eq!(
        version,
        format!("pgai_rs_parser {}, protocol {VERSION}\n", env!("CARGO_PKG_VERSION")).as_bytes()
    );
}

#[test]
fn other_processes_go_first_if_it_is_told_so() {
    let mut program = program().args(["--nice", "7"]).spawn().unwrap();
    let stat = confined(program.id(), "stat");
    // Of the numbers behind the name, which may contain spaces, this is the one for it.
    let nice = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16);
    assert_eq!(nice, Some("7"));

    let mut nothing = String::new();
    drop(program.stdin.take());
    program.stdout.take().unwrap().read_to_string(&mut nothing).unwrap();
    program.wait().unwrap();
}
