//! The log of all tests here.

use std::sync::OnceLock;

use crate::log::Log;

/// The log of the process from now on; panics that were wanted say nothing on the standard error.
pub(crate) fn of_process() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let begin = || {
        let log = Log::default();
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
