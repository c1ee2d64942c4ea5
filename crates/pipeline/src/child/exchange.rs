//! The exchange of bytes with a process, until it ends or has to.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};

use super::live::Started;
use super::{ChildLimits, Ending};

/// The size of one read.
const BLOCK: usize = 64 << 10;

/// The time between two looks at a process whose end no descriptor tells, on a kernel before 5.3.
const LOOK: Duration = Duration::from_millis(20);

/// The reason why a process has to be ended, or `None` if it ended by itself; its output and its messages.
type Exchanged = (Option<Ending>, Vec<u8>, Vec<u8>);

/// A process with its pipes, all of them non-blocking.
pub(super) struct Exchange<'a> {
    process: &'a Started,
    /// The parts of the input that are left. Each is let go of when it is written.
    input: VecDeque<Bytes>,
    stdin: Option<File>,
    stdout: Stream,
    stderr: Stream,
    abandoned: PipeReader,
    /// Readable when the process has ended; `None` if the kernel has no such descriptor.
    ended: Option<OwnedFd>,
    deadline: Instant,
    limits: ChildLimits,
}

/// A stream that a process writes to, and the bytes that are kept of it.
struct Stream {
    pipe: Option<File>,
    bytes: Vec<u8>,
    /// The largest number of bytes that is kept.
    most: usize,
    /// `true` if there were more.
    exceeded: bool,
}

impl<'a> Exchange<'a> {
    /// Takes the pipes of a process that was just started.
    pub(super) fn new(
        started: &'a mut Started,
        input: Vec<Bytes>,
        abandoned: PipeReader,
        limits: ChildLimits,
    ) -> io::Result<Self> {
        let child = &mut started.child;
        let stdin = child.stdin.take().map(|pipe| non_blocking(pipe.into())).transpose()?;
        let stdout = child.stdout.take().map(|pipe| non_blocking(pipe.into())).transpose()?;
        let stderr = child.stderr.take().map(|pipe| non_blocking(pipe.into())).transpose()?;
        Ok(Exchange {
            ended: tells_end(child.id()),
            process: started,
            input: input.into(),
            stdin,
            stdout: Stream::new(stdout, limits.output),
            stderr: Stream::new(stderr, limits.messages),
            abandoned,
            deadline: Instant::now() + limits.time,
            limits,
        })
    }

    /// Writes the input and reads what the process writes, until it has ended or exceeds a limit.
    pub(super) fn carry_on(mut self) -> io::Result<Exchanged> {
        let forced = loop {
            let Some(left) = self.deadline.checked_duration_since(Instant::now()) else {
                break Some(Ending::TimedOut);
            };
            if self.wait(left)? {
                break Some(Ending::Abandoned);
            }

            // Whether it has ended is looked at before its pipes are read for the last time.
            let ended = self.process.has_ended()?;
            self.write()?;
            self.stdout.read()?;
            self.stderr.read()?;
            if self.stdout.exceeded {
                break Some(Ending::TooMuchOutput);
            }
            if ended {
                break None;
            }
        };
        self.stdout.bytes.truncate(self.limits.output);
        Ok((forced, self.stdout.bytes, self.stderr.bytes))
    }

    /// Waits until there is something to do, at most `left`. Returns whether nobody waits for the process any more.
    fn wait(&self, left: Duration) -> io::Result<bool> {
        let file = |file: &Option<File>| file.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let ended = self.ended.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let mut events = [
            event(self.abandoned.as_raw_fd(), libc::POLLIN),
            event(ended, libc::POLLIN),
            event(file(&self.stdin), libc::POLLOUT),
            event(file(&self.stdout.pipe), libc::POLLIN),
            event(file(&self.stderr.pipe), libc::POLLIN),
        ];

        let longest = if self.ended.is_some() { left } else { left.min(LOOK) };
        // Rounded up: the deadline is looked at afterwards.
        let longest =
            libc::c_int::try_from(longest.as_millis()).unwrap_or(libc::c_int::MAX).saturating_add(1);
        // SAFETY: the array is on this stack, and as long as is said.
        let found = unsafe { libc::poll(events.as_mut_ptr(), events.len() as libc::nfds_t, longest) };
        if found < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == ErrorKind::Interrupted { Ok(false) } else { Err(error) };
        }
        Ok(events[0].revents != 0)
    }

    /// Writes as much of the input as the pipe takes, and closes it after the last byte. A process need not read all of
    /// it.
    fn write(&mut self) -> io::Result<()> {
        while let Some(pipe) = &mut self.stdin {
            let Some(part) = self.input.front_mut() else {
                self.stdin = None;
                break;
            };
            if part.is_empty() {
                self.input.pop_front();
                continue;
            }
            match pipe.write(part) {
                Ok(written) => part.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.stdin = None,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Stream {
    fn new(pipe: Option<File>, most: usize) -> Self {
        Stream { pipe, bytes: Vec::new(), most, exceeded: false }
    }

    /// Reads what is there. Beyond the limit, bytes are only counted as too many.
    fn read(&mut self) -> io::Result<()> {
        let mut block = [0; BLOCK];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut block) {
                Ok(0) => self.pipe = None,
                Ok(read) => {
                    let room = self.most - self.bytes.len();
                    self.bytes.extend_from_slice(&block[..read.min(room)]);
                    self.exceeded |= read > room;
                    // One that never stops must not keep this thread from looking at the deadline.
                    if self.exceeded {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Returns whether nobody waits for a process any more: the other end of this pipe is closed.
pub(super) fn is_abandoned(abandoned: &PipeReader) -> io::Result<bool> {
    let mut closed = event(abandoned.as_raw_fd(), libc::POLLIN);
    // SAFETY: one value of this stack.
    match unsafe { libc::poll(&mut closed, 1, 0) } {
        -1 => Err(io::Error::last_os_error()),
        found => Ok(found > 0),
    }
}

fn event(descriptor: RawFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd { fd: descriptor, events, revents: 0 }
}

/// Makes our end of a pipe non-blocking; the process's end is another description.
fn non_blocking(pipe: OwnedFd) -> io::Result<File> {
    // SAFETY: a descriptor that we own, and numbers.
    let set = unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    match set {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(File::from(pipe)),
    }
}

/// Returns a descriptor that becomes readable when a child of ours ends; `None` if the kernel has none.
fn tells_end(process: u32) -> Option<OwnedFd> {
    // SAFETY: numbers only; a descriptor that is returned is nobody else's.
    unsafe {
        let descriptor = libc::syscall(libc::SYS_pidfd_open, process, 0);
        let descriptor = RawFd::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0)?;
        Some(OwnedFd::from_raw_fd(descriptor))
    }
}
