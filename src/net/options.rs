//! Options of a connection by which the system finds peers that are gone.

use super::stream::Conduit;
use crate::config::route::KeepaliveTable;
use rustix::net::sockopt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// How often a silent peer's system is asked until it is taken for dead.
const PROBES: u32 = 3;

/// The longest time that the system takes, in seconds (Linux: `MAX_TCP_KEEPIDLE`).
const LONGEST: u64 = 32_767;

/// Has the system end a session's connection whose peer is gone: one that is silent and does not
/// answer when its system is asked (TCP keep-alive), and one that does not acknowledge what it is
/// sent (TCP user timeout, RFC 5482). Zero is never to ask, and the timeout of the system. A Unix
/// socket needs neither.
///
/// # Errors
/// When the system refuses an option.
pub(crate) fn find_the_dead(conduit: &Conduit, settings: &KeepaliveTable) -> io::Result<()> {
    let Conduit::Tcp(stream) = conduit else { return Ok(()) };
    let socket = stream.as_fd();
    keep_alive(socket, settings.tcp.0)?;
    #[cfg(target_os = "linux")]
    if !settings.tcp_user_timeout.0.is_zero() {
        let millis = settings.tcp_user_timeout.0.as_millis();
        // The system counts in a signed number.
        let millis = millis.clamp(1, i32::MAX.unsigned_abs().into());
        sockopt::set_tcp_user_timeout(socket, u32::try_from(millis).unwrap_or(u32::MAX))?;
    }
    Ok(())
}

/// Has the system ask whether a peer is there, on a connection that is no session yet and may never
/// be one, by the default of the routes. What a socket accepts has the options of that socket
/// (Linux).
///
/// # Errors
/// When the system refuses an option.
pub(crate) fn keep_alive_by_default(socket: impl AsFd) -> io::Result<()> {
    keep_alive(socket.as_fd(), KeepaliveTable::default().tcp.0)
}

fn keep_alive(socket: BorrowedFd<'_>, silence: Duration) -> io::Result<()> {
    if !silence.is_zero() {
        // All questions together take as long again as the silence before.
        sockopt::set_tcp_keepidle(socket, whole_seconds(silence))?;
        sockopt::set_tcp_keepintvl(socket, whole_seconds(silence / PROBES))?;
        sockopt::set_tcp_keepcnt(socket, PROBES)?;
    }
    sockopt::set_socket_keepalive(socket, !silence.is_zero())?;
    Ok(())
}

/// Rounded up, and in the bounds of the system.
fn whole_seconds(period: Duration) -> Duration {
    let up = u64::from(period.subsec_nanos() > 0);
    Duration::from_secs(period.as_secs().saturating_add(up).clamp(1, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::Period;
    use tokio::net::{TcpListener, TcpStream, UnixStream};

    async fn conduit() -> Conduit {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Conduit::Tcp(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap())
    }

    fn table(tcp: Duration, tcp_user_timeout: Duration) -> KeepaliveTable {
        KeepaliveTable {
            tcp: Period(tcp),
            tcp_user_timeout: Period(tcp_user_timeout),
            ..KeepaliveTable::default()
        }
    }

    #[tokio::test]
    async fn sets_what_the_system_then_tells() {
        let conduit = conduit().await;
        find_the_dead(&conduit, &table(Duration::from_secs(90), Duration::from_millis(1500)))
            .unwrap();
        let Conduit::Tcp(socket) = &conduit else { unreachable!() };
        assert!(sockopt::socket_keepalive(socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(socket).unwrap(), Duration::from_secs(90));
        assert_eq!(sockopt::tcp_keepintvl(socket).unwrap(), Duration::from_secs(30));
        assert_eq!(sockopt::tcp_keepcnt(socket).unwrap(), PROBES);
        #[cfg(target_os = "linux")]
        assert_eq!(sockopt::tcp_user_timeout(socket).unwrap(), 1500);
    }

    #[tokio::test]
    async fn zero_asks_nobody() {
        let conduit = conduit().await;
        let Conduit::Tcp(socket) = &conduit else { unreachable!() };
        keep_alive_by_default(socket).unwrap();
        assert!(sockopt::socket_keepalive(socket).unwrap());
        find_the_dead(&conduit, &table(Duration::ZERO, Duration::ZERO)).unwrap();
        assert!(!sockopt::socket_keepalive(socket).unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(sockopt::tcp_user_timeout(socket).unwrap(), 0);
    }

    #[tokio::test]
    async fn takes_any_duration_and_any_socket() {
        let conduit = conduit().await;
        for odd in [Duration::from_nanos(1), Duration::MAX] {
            find_the_dead(&conduit, &table(odd, odd)).unwrap();
        }
        let (unix, _peer) = UnixStream::pair().unwrap();
        find_the_dead(&Conduit::Unix(unix), &KeepaliveTable::default()).unwrap();
    }
}
