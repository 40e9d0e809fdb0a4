//! The file of a Unix socket: its mode, what becomes of a stale one, and its end.

use anyhow::{Context, bail};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The file of a socket that we listen on. It is removed with this, if it is still ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// The device and the number of the file on it.
    identity: (u64, u64),
}

/// Begins to listen, with a file of this mode.
///
/// # Errors
/// When the file is another's, or cannot be made.
pub(super) fn listen(
    path: &Path,
    mode: &str,
    backlog: i32,
) -> anyhow::Result<(UnixListener, SocketFile)> {
    let permissions = permissions(mode)?;
    let address = SockAddr::unix(path).context("the path is too long for a socket")?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    if let Err(error) = socket.bind(&address) {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(error.into());
        }
        make_way(path, &address)?;
        socket.bind(&address)?;
    }
    // Nobody can connect before it listens, so that the mode is never wider than it should be.
    let file = SocketFile { path: path.to_owned(), identity: identity(&path.symlink_metadata()?) };
    fs::set_permissions(path, permissions).context("cannot set its mode")?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), file))
}

/// Removes the file of a socket that nobody listens on.
fn make_way(path: &Path, address: &SockAddr) -> anyhow::Result<()> {
    if !path.symlink_metadata()?.file_type().is_socket() {
        bail!("there is a file that is no socket");
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // One whose backlog is full is in use too, and is not waited for.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.raw_os_error() == Some(Errno::ACCESS.raw_os_error()) => {
            return Err(error).context("there is a socket of somebody else");
        }
        _ => bail!("address in use"),
    }
    tracing::info!(path = %path.display(), "a socket that nobody listens on is replaced");
    fs::remove_file(path).context("cannot remove a socket that nobody listens on")
}

fn permissions(mode: &str) -> anyhow::Result<Permissions> {
    match u32::from_str_radix(mode, 8) {
        Ok(mode) if mode <= 0o777 => Ok(Permissions::from_mode(mode)),
        _ => bail!("unix_mode: write a mode in octal, like \"0660\""),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl SocketFile {
    /// Gives it another mode.
    ///
    /// # Errors
    /// When that is no mode, or the file is not ours any more.
    pub(super) fn set_mode(&self, mode: &str) -> anyhow::Result<()> {
        let permissions = permissions(mode)?;
        if !self.is_ours() {
            bail!("the file of the socket is gone");
        }
        fs::set_permissions(&self.path, permissions).context("cannot set its mode")
    }

    fn is_ours(&self) -> bool {
        self.path.symlink_metadata().is_ok_and(|found| identity(&found) == self.identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}
