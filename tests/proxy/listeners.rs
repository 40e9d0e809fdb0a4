//! Where clients connect: addresses, Unix sockets and sockets of systemd, the limits of a listener,
//! and the question of Flash.

use crate::harness::{Folder, Proxy, Stage, listen, pass, settings, within};
use crate::peers::head::Head;
use crate::peers::wire::{Ended, Wire};
use crate::peers::{Kind, Offer, Peer, Reply, Said, hybi};
use hybridge::config::Settings;
use hybridge::config::listener::FlashPolicy;
use hybridge::config::values::Address;
use hybridge::server::Server;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::socket_keepalive;
use std::fs;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

/// Settings that listen at one address, with nobody behind them.
fn at(address: Address) -> Settings {
    let mut settings = settings(SocketAddr::from(([127, 0, 0, 1], 1)), None);
    settings.listeners[0].address = vec![address];
    settings
}

/// Why a server cannot be bound.
async fn fault(settings: Settings) -> String {
    format!("{:#}", Server::bind(settings).await.expect_err("a fault"))
}

/// Whether requests are answered: a malformed one is, with 400.
async fn is_served(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) {
    stream.write_all(b"garbage\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "{}", answer.escape_ascii());
}

#[tokio::test]
async fn addresses_that_cannot_be_had() {
    within("addresses", async {
        let (taken, address) = listen().await;
        assert_eq!(
            fault(at(Address::Tcp(address))).await,
            format!("cannot listen on {address}: address in use")
        );
        drop(taken);
        // Of the networks for documentation.
        assert_eq!(
            fault(at("192.0.2.1:0".parse().unwrap())).await,
            "cannot listen on 192.0.2.1:0: not an address of this machine"
        );
        let systemd = fault(at("systemd:web".parse().unwrap())).await;
        assert!(systemd.starts_with("cannot listen on systemd:web: systemd has "), "{systemd}");
    })
    .await;
}

#[tokio::test]
async fn both_families_on_one_socket_or_not() {
    within("families", async {
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_err() {
            // Nothing to see on a machine without IPv6.
            return;
        }
        let any: Address = "[::]:0".parse().unwrap();
        let v4 = |port: u16| at(Address::Tcp(([0, 0, 0, 0], port).into()));
        let proxy = Proxy::start(at(any.clone())).await;
        let port = proxy.address.port();
        for ip in ["127.0.0.1", "::1"] {
            let address = SocketAddr::new(ip.parse().unwrap(), port);
            is_served(Wire::connect(address).await.stream).await;
        }
        assert!(fault(v4(port)).await.ends_with(": address in use"));
        proxy.stop().await;
        // The port that the system chooses for IPv6 may be somebody's in IPv4, but not each time.
        loop {
            let mut settings = at(any.clone());
            settings.listeners[0].ipv6_only = true;
            let proxy = Proxy::start(settings).await;
            let port = proxy.address.port();
            is_served(Wire::connect((Ipv6Addr::LOCALHOST, port).into()).await.stream).await;
            let beside = Server::bind(v4(port)).await;
            proxy.stop().await;
            if beside.is_ok() {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn sessions_over_a_unix_socket() {
    within("unix socket", async {
        let folder = Folder::new("unix");
        let path = folder.0.join("clients.sock");
        let unix = Address::Unix(path.clone());
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.listeners[0].address.push(unix);
            settings.listeners[0].unix_mode = "0600".to_owned();
        })
        .await;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut client = UnixStream::connect(&path).await.unwrap();
        client.write_all(&hybi::request(Kind::Rfc6455, &Offer::default())).await.unwrap();
        let reply = Reply::default();
        let (mut backend, _) = Peer::accept(Kind::Rfc6455, &stage.listener, &reply).await;
        let mut status = [0; 12];
        client.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 101");
        client.write_all(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").await.unwrap();
        assert_eq!(backend.hear().await, Said::text("Hello"));
        drop((client, backend));
        // TCP, of the same listener, is served beside it.
        let (mut client, mut backend) = stage.session(Kind::Hixie76).await;
        pass(&mut client, &mut backend, &[Said::text("beside it")]).await;
        drop((client, backend));
        stage.stop().await;
        assert!(!path.exists(), "the socket is still there");
    })
    .await;
}

#[tokio::test]
async fn files_in_the_way_of_a_unix_socket() {
    within("unix files", async {
        let folder = Folder::new("files");
        let path = folder.0.join("proxy.sock");
        let unix = || at(Address::Unix(path.clone()));
        let shown = path.display().to_string();
        // One that somebody listens on, be its backlog full.
        let other = UnixListener::bind(&path).unwrap();
        let in_use = format!("cannot listen on unix:{shown}: address in use");
        assert_eq!(fault(unix()).await, in_use);
        drop(other);
        // The file of one that has gone is replaced.
        assert!(fs::metadata(&path).unwrap().file_type().is_socket());
        let server = Server::bind(unix()).await.unwrap();
        let second = fault(unix()).await;
        assert_eq!(second, in_use);
        assert!(path.exists());
        // One that another has put there in the meantime is not ours to remove.
        fs::remove_file(&path).unwrap();
        let successor = UnixListener::bind(&path).unwrap();
        drop(server);
        assert!(path.exists());
        drop(successor);
        // Something else is left alone.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        let odd = fault(unix()).await;
        assert!(odd.ends_with(": there is a file that is no socket"), "{odd}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        for mode in ["rw", "0999", "10000", ""] {
            let mut settings = unix();
            settings.listeners[0].unix_mode = mode.to_owned();
            let error = fault(settings).await;
            assert!(error.contains("unix_mode: write a mode in octal"), "{error}");
        }
    })
    .await;
}

/// This program again, as systemd would start it: its own first descriptors say nothing, so that it
/// is told where those of systemd begin.
#[test]
fn sockets_of_systemd() {
    if std::env::var_os("LISTEN_FDNAMES").is_some() {
        return activated();
    }
    let one = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // Descriptors have to be in a row.
    let all: Vec<_> = (0..64).map(|_| one.try_clone().unwrap()).collect();
    let first = all
        .windows(2)
        .find(|pair| pair[0].as_raw_fd() + 1 == pair[1].as_raw_fd())
        .expect("two descriptors in a row");
    for socket in first {
        fcntl_setfd(socket, FdFlags::empty()).unwrap();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "listeners::sockets_of_systemd", "--nocapture"])
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDS_FIRST_FD", first[0].as_raw_fd().to_string())
        .env("LISTEN_FDNAMES", "web:other")
        .env("HYBRIDGE_PORT", one.local_addr().unwrap().port().to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}\n{errors}");
    // The socket is one and the same: what it accepts is asked whether it is there.
    assert!(socket_keepalive(&one).unwrap());
}

/// In the program that was activated.
#[tokio::main(flavor = "current_thread")]
async fn activated() {
    within("activation", async {
        let unknown = fault(at("systemd:none".parse().unwrap())).await;
        assert!(unknown.contains("no socket of this name, but "), "{unknown}");
        let port: u16 = std::env::var("HYBRIDGE_PORT").unwrap().parse().unwrap();
        // And again, as a reload would.
        for _ in 0..2 {
            let proxy = Proxy::start(at("systemd:web".parse().unwrap())).await;
            assert_eq!(proxy.address.port(), port);
            is_served(Wire::connect(proxy.address).await.stream).await;
            proxy.stop().await;
        }
    })
    .await;
}

/// A request of RFC 6455, and the head of its answer.
async fn ask(wire: &mut Wire) -> Head {
    wire.write(hybi::request(Kind::Rfc6455, &Offer::default())).await;
    Head::read(wire).await
}

/// A connection from another address of this machine.
async fn from_elsewhere(proxy: SocketAddr) -> Wire {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    Wire::over(socket.connect(proxy).await.unwrap())
}

#[tokio::test]
async fn connections_of_a_listener_and_of_an_address() {
    within("connection limits", async {
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.listeners[0].max_connections = NonZeroUsize::new(3);
            settings.listeners[0].max_connections_per_address = NonZeroUsize::new(2);
        })
        .await;
        let mut bystander = stage.bystander().await;
        let (mut client, mut backend) = stage.session(Kind::Hixie76).await;
        let refused = async |mut wire: Wire, reason: &str| {
            let head = ask(&mut wire).await;
            assert_eq!((head.status(), head.exact("Retry-After")), (503, "5"));
            let (body, ended) = wire.rest().await;
            assert_eq!(String::from_utf8(body).unwrap(), format!("{reason}\n"));
            assert_eq!(ended, Ended::Fin);
        };
        let wire = Wire::connect(stage.proxy.address).await;
        refused(wire, "too many connections from the address").await;
        let held = from_elsewhere(stage.proxy.address).await;
        // A connection counts from the moment that it is accepted, which is before the next one.
        let wire = from_elsewhere(stage.proxy.address).await;
        refused(wire, "too many connections to the listener").await;
        bystander.is_well().await;
        // One that leaves makes place.
        client.finish().await;
        while backend.hear().await != Said::Fin {
            backend.finish().await;
        }
        drop((client, backend));
        loop {
            let mut wire = Wire::connect(stage.proxy.address).await;
            let reply = Reply::default();
            tokio::select! {
                head = ask(&mut wire) => assert_eq!(head.status(), 503),
                _ = Peer::accept(Kind::Rfc6455, &stage.listener, &reply) => break,
            }
        }
        drop((bystander, held));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn rates_of_a_listener_and_of_an_address() {
    for of_address in [false, true] {
        within("rates", async {
            let stage = Stage::with(Kind::Rfc6455, |settings| {
                let listener = &mut settings.listeners[0];
                let rate = NonZeroU32::new(1);
                match of_address {
                    true => listener.max_rate_per_address = rate,
                    false => listener.max_rate = rate,
                }
            })
            .await;
            let mut bystander = stage.bystander().await;
            // One a second is less than a machine can do, however busy it is: one is too many.
            loop {
                let mut wire = Wire::connect(stage.proxy.address).await;
                wire.write(b"garbage\r\n\r\n").await;
                let head = Head::read(&mut wire).await;
                if head.status() == 503 {
                    assert_eq!(head.exact("Retry-After"), "1");
                    break;
                }
                assert_eq!(head.status(), 400);
            }
            bystander.is_well().await;
            if of_address {
                // Another address has its own.
                is_served(from_elsewhere(stage.proxy.address).await.stream).await;
            }
            drop(bystander);
            stage.stop().await;
        })
        .await;
    }
}

/// A flood over the limit: some are told, the rest is closed, and a session goes on.
#[tokio::test]
async fn a_flood_over_the_limit() {
    within("flood", async {
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.listeners[0].max_connections = NonZeroUsize::new(1);
        })
        .await;
        let mut bystander = stage.bystander().await;
        let mut flood = Vec::new();
        for _ in 0..200 {
            flood.push(Wire::connect(stage.proxy.address).await);
        }
        bystander.is_well().await;
        let mut told = 0;
        for wire in &mut flood {
            let (answer, _) = wire.rest().await;
            told += usize::from(answer.starts_with(b"HTTP/1.1 503 "));
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 503 "));
        }
        assert!(told >= 1, "nobody was told");
        bystander.is_well().await;
        drop((bystander, flood));
        stage.stop().await;
    })
    .await;
}

const QUESTION: &[u8] = b"<policy-file-request/>\0";

/// Asks as Flash does, cut in two.
async fn ask_policy(proxy: SocketAddr, cut: usize) -> String {
    let mut wire = Wire::connect(proxy).await;
    wire.write(&QUESTION[..cut]).await;
    tokio::task::yield_now().await;
    wire.write(&QUESTION[cut..]).await;
    let (answer, ended) = wire.rest().await;
    assert_eq!(ended, Ended::Fin);
    let answer = String::from_utf8(answer).unwrap();
    answer.strip_suffix('\0').unwrap_or_else(|| panic!("no end: {answer:?}")).to_owned()
}

#[tokio::test]
async fn flash_asks_for_a_policy() {
    within("flash", async {
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.listeners[0].flash_policy = Some(FlashPolicy::default());
        })
        .await;
        for cut in 0..=QUESTION.len() {
            let answer = ask_policy(stage.proxy.address, cut).await;
            assert!(answer.contains("permitted-cross-domain-policies=\"none\""), "{answer}");
            assert!(!answer.contains("allow-access-from"), "{answer}");
        }
        // What only begins so is a malformed request, wherever it is cut.
        for cut in 0..8 {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(&QUESTION[..cut]).await;
            tokio::task::yield_now().await;
            wire.write(b"<body>\r\n\r\n").await;
            assert_eq!(Head::read(&mut wire).await.status(), 400);
        }
        let mut bystander = stage.bystander().await;
        bystander.is_well().await;
        drop(bystander);
        stage.stop().await;
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            let domains = vec!["*.example.com".to_owned(), "example.net".to_owned()];
            let policy = FlashPolicy { domains, ports: String::new() };
            settings.listeners[0].flash_policy = Some(policy);
        })
        .await;
        let answer = ask_policy(stage.proxy.address, 1).await;
        let port = stage.proxy.address.port();
        for domain in ["*.example.com", "example.net"] {
            let line = format!("<allow-access-from domain=\"{domain}\" to-ports=\"{port}\"/>");
            assert!(answer.contains(&line), "{answer}");
        }
        stage.stop().await;
    })
    .await;
}
