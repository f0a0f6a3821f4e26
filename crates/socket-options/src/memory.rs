//! The allocator of the C library, of which a small daemon wants less than it gives.

use std::io;

use crate::raw;

/// Lets all threads allocate from one arena, in place of one each: what a thread has given back serves the others, and there are
/// no half-empty arenas. Threads that allocate much at the same time wait for each other then. To be called before any
/// is started. Without effect where the C library is not glibc.
///
/// # Errors
/// The library refuses.
pub fn one_arena() -> io::Result<()> {
    raw::one_arena()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_library_takes_it() {
        super::one_arena().expect("glibc takes any number of arenas");
    }
}
