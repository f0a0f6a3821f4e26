//! Names and numbers of interfaces, as zones of link-local addresses need them.

use std::io;

/// The number of an interface.
///
/// # Errors
/// `ENODEV`: there is none of this name.
pub fn index(name: &str) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(name)?)
}

/// The name of an interface.
///
/// # Errors
/// `ENXIO`: there is none of this number.
pub fn name(index: u32) -> io::Result<String> {
    let name = nix::net::if_::if_indextoname(index)?;
    // The wrapper takes a null pointer for success and returns an empty name.
    if name.is_empty() {
        return Err(io::Error::from_raw_os_error(libc::ENXIO));
    }
    name.into_string().map_err(|_| io::ErrorKind::InvalidData.into())
}
