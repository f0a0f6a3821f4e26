//! One daemon under test: started in the foreground, its output in a file, killed by its process id.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::usage::Usage;
use crate::wait::wait_for;

/// A signal by the name that `kill` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP.
    Hup,
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Cont,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Signal::Hup => "HUP",
            Signal::Term => "TERM",
            Signal::Kill => "KILL",
            Signal::Stop => "STOP",
            Signal::Cont => "CONT",
        }
    }
}

/// A running program with a log file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; both outputs are appended to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Self {
        let file = open_log(log);
        let errors = file.try_clone().expect("a file handle can be cloned");
        let child = match command.stdout(Stdio::from(file)).stderr(Stdio::from(errors)).spawn() {
            Ok(child) => child,
            Err(error) => panic!("{name} could not be started with {command:?}: {error}"),
        };
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    /// Starts a command of [`lasting`]; it may outlive the thread that asks for it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn spawn_lasting(name: &str, mut command: Command, log: &Path) -> Self {
        let file = open_log(log);
        let errors = file.try_clone().expect("a file handle can be cloned");
        command.stdin(Stdio::null()).stdout(Stdio::from(file)).stderr(Stdio::from(errors));
        let described = format!("{command:?}");
        match spawn_from_lasting_thread(command) {
            Ok(child) => Self { name: name.to_owned(), child, log: log.to_owned() },
            Err(error) => panic!("{name} could not be started with {described}: {error}"),
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time of all its threads so far.
    ///
    /// # Panics
    /// When the process is gone, or the kernel does not count.
    #[track_caller]
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        Usage(self.pid()).cpu_time()
    }

    /// A field of what the kernel says of its memory, such as `VmRSS`, in octets.
    ///
    /// # Panics
    /// When the process is gone, or the kernel has no such field.
    #[track_caller]
    #[must_use]
    pub fn memory(&self, field: &str) -> u64 {
        Usage(self.pid()).memory(field)
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let mut command = Command::new("kill");
        command.args(["-s", signal.name(), &self.pid().to_string()]);
        crate::netns::output(command);
    }

    /// Sends a signal and waits for the end.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        if self.exited().is_none() {
            self.signal(signal);
        }
        let what = format!("{} to end after {signal:?}", self.name);
        wait_for(&what, Duration::from_secs(30), || self.exited().ok_or_else(|| "it runs".to_owned()))
    }

    /// How it ended, or `None` while it runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours can be waited for")
    }

    /// Fails with the log when the process has ended by itself.
    ///
    /// # Panics
    /// With the log's last lines.
    #[track_caller]
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.exited() {
            panic!("{} ended with {status}; its log:\n{}", self.name, tail(&self.log, 20));
        }
    }

    /// Everything that it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        read_log(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that will die with this process, for [`Process::spawn_lasting`].
#[must_use]
pub fn lasting(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// The kernel kills such a child when the thread that started it ends, so that one thread starts them which ends with the process.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static ORDERS: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in receiver {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (answer, child) = mpsc::channel();
    let sent = orders.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer));
    sent.ok().and_then(|()| child.recv().ok()).expect("the thread lasts as long as the process")
}

#[track_caller]
fn open_log(log: &Path) -> File {
    match OpenOptions::new().create(true).append(true).open(log) {
        Ok(file) => file,
        Err(error) => panic!("{}: {error}", log.display()),
    }
}

/// A log as text; empty while there is none.
#[must_use]
pub fn read_log(log: &Path) -> String {
    match fs::read(log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => format!("{}: {error}", log.display()),
    }
}

/// The last `lines` lines of a log.
#[must_use]
pub fn tail(log: &Path, lines: usize) -> String {
    let text = read_log(log);
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
