//! The sockets that systemd has opened for us and hands over by name (`sd_listen_fds(3)`).

use listenfd::ListenFd;
use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::LazyLock;

/// A socket that listens already.
#[derive(Debug)]
pub(super) enum Inherited {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// All of them by their names. They stay open here, so that each reload finds them again.
static SOCKETS: LazyLock<HashMap<String, Vec<Inherited>>> = LazyLock::new(|| {
    // Before `from_env`, which takes what the names belong to out of the environment.
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    named(&names, &mut ListenFd::from_env())
});

/// Takes what systemd has handed over. This changes the environment, so it is for the start of the
/// program, before there are threads.
pub fn inherit() {
    LazyLock::force(&SOCKETS);
}

/// The sockets of a name: all that a `.socket` unit lists, if its `FileDescriptorName=` is this.
///
/// # Errors
/// When there is none, or the system has no files left.
pub(super) fn sockets(name: &str) -> io::Result<Vec<Inherited>> {
    let sockets = SOCKETS.get(name).ok_or_else(|| {
        let known = SOCKETS.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        io::Error::other(match &*known {
            "" => "systemd has handed over no sockets".to_owned(),
            known => format!("systemd has handed over no socket of this name, but {known}"),
        })
    })?;
    sockets.iter().map(Inherited::try_clone).collect()
}

impl Inherited {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }
}

/// Takes the sockets and gives them their names, which stand in order with colons between them.
fn named(names: &str, handed: &mut ListenFd) -> HashMap<String, Vec<Inherited>> {
    let mut sockets: HashMap<_, Vec<_>> = HashMap::new();
    let mut names = names.split(':').filter(|name| !name.is_empty());
    for index in 0..handed.len() {
        // What systemd calls a socket that has no name.
        let name = names.next().unwrap_or("unknown");
        let tcp = handed.take_tcp_listener(index).ok().flatten().map(Inherited::Tcp);
        let unix = || handed.take_unix_listener(index).ok().flatten().map(Inherited::Unix);
        match tcp.or_else(unix) {
            Some(socket) => sockets.entry(name.to_owned()).or_default().push(socket),
            None => tracing::warn!(name, "systemd has handed over what is no stream socket"),
        }
    }
    sockets
}
