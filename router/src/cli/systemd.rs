//! What systemd is told of a service of `Type=notify`.

/// Tells systemd that the service is ready, if it is one.
pub(super) fn ready() {
    tell("READY=1");
}

/// Tells systemd that the service is stopping.
pub(super) fn stopping() {
    tell("STOPPING=1");
}

#[cfg(target_os = "linux")]
fn tell(state: &str) {
    use std::io;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let tell = || -> io::Result<usize> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(&name)?,
        };
        UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)
    };
    if let Err(error) = tell() {
        tracing::warn!(%error, state, "systemd cannot be told");
    }
}

#[cfg(not(target_os = "linux"))]
fn tell(_: &str) {}
