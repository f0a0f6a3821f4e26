//! The log of all tests here.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The lines of a log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The log of the process from now on; panics that were wanted say nothing on the standard error.
    pub(crate) fn of_process() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let begin = || {
            let log = Self::default();
            let to = log.clone();
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || to.clone()).finish();
            tracing::subscriber::set_global_default(subscriber).expect("the only one");
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if !panic.payload().downcast_ref::<String>().is_some_and(|m| m.starts_with("injected")) {
                    before(panic);
                }
            }));
            log
        };
        LOG.get_or_init(begin).clone()
    }

    /// The lines that have all of these parts.
    pub(crate) fn lines(&self, parts: &[&str]) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        text.lines().filter(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned).collect()
    }
}
