//! Both ends of a connection: ours with a `Poll`, and a blocking peer, plain or with TLS.

use super::super::*;
use crate::limits::READ_BUFFER;
use crate::net::stream::Conduit;
use mio::{Events, Poll};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// By when everything that is waited for has happened.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// Which end of TLS we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum We {
    /// Towards a client.
    Serve,
    /// Towards a backend.
    Connect,
}

/// Every TLS that we speak.
pub(super) const ALL: [(We, &SupportedProtocolVersion); 4] =
    [(We::Serve, &TLS13), (We::Serve, &TLS12), (We::Connect, &TLS13), (We::Connect, &TLS12)];

static KEY: LazyLock<CertifiedKey<rcgen::KeyPair>> =
    LazyLock::new(|| generate_simple_self_signed(["localhost".to_owned()]).unwrap());

fn server(version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    let key = PrivatePkcs8KeyDer::from(KEY.signing_key.serialize_der());
    let config = ServerConfig::builder_with_protocol_versions(&[version])
        .with_no_client_auth()
        .with_single_cert(vec![KEY.cert.der().clone()], key.into());
    Arc::new(config.unwrap())
}

fn client(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(KEY.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_protocol_versions(&[version]);
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// The other end, with rustls used as its own examples do.
pub(super) struct Peer {
    pub(super) tls: Connection,
    pub(super) stream: TcpStream,
}

impl Peer {
    pub(super) fn new(
        we: We,
        version: &'static SupportedProtocolVersion,
        stream: TcpStream,
    ) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let tls = match we {
            We::Serve => ClientConnection::new(client(version), name()).unwrap().into(),
            We::Connect => ServerConnection::new(server(version)).unwrap().into(),
        };
        Self { tls, stream }
    }

    /// Does the handshake; what it last says goes out in one write with `early`.
    fn shake_hands(&mut self, early: &[u8]) {
        while self.tls.is_handshaking() {
            let sealed = self.sealed();
            self.stream.write_all(&sealed).unwrap();
            self.tls.read_tls(&mut self.stream).unwrap();
            self.tls.process_new_packets().unwrap();
        }
        self.send(early);
    }

    /// What the connection has to say.
    pub(super) fn sealed(&mut self) -> Vec<u8> {
        let mut sealed = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut sealed).unwrap();
        }
        sealed
    }

    pub(super) fn seal(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.tls.writer().write_all(bytes).unwrap();
        self.sealed()
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        for bytes in bytes.chunks(16 * 1024) {
            let sealed = self.seal(bytes);
            self.stream.write_all(&sealed).unwrap();
        }
        let sealed = self.sealed();
        self.stream.write_all(&sealed).unwrap();
    }

    pub(super) fn close(&mut self) {
        self.tls.send_close_notify();
        self.send(b"");
    }

    /// Reads something; nothing at the end in order.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.tls.read_tls(&mut self.stream)?;
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
    }

    /// Reads so much.
    pub(super) fn read_exact(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let mut read = 0;
        while read < count {
            match self.read(&mut bytes[read..]).unwrap() {
                0 => panic!("closed after {read} of {count}"),
                more => read += more,
            }
        }
        bytes
    }

    /// Whether the stream is at an end that we made in order: `close_notify`, then FIN.
    pub(super) fn is_at_the_end(&mut self) -> bool {
        self.read(&mut [0]).unwrap() == 0 && self.stream.read(&mut [0]).unwrap() == 0
    }
}

/// Our end.
pub(super) struct Ours {
    pub(super) socket: Socket,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    pub(super) spare: Spare,
}

impl Ours {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            socket: Socket::new(stream).unwrap(),
            poll: Poll::new().unwrap(),
            events: Events::with_capacity(8),
            buffer: vec![0; READ_BUFFER],
            spare: Spare::default(),
        }
    }

    pub(super) fn registered(self) -> Self {
        self.socket.register(self.poll.registry(), Token(0)).unwrap();
        self
    }

    /// Waits for changes.
    pub(super) fn wait(&mut self) {
        loop {
            match self.poll.poll(&mut self.events, Some(DEADLINE)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                polled => break polled.unwrap(),
            }
        }
        assert!(!self.events.is_empty(), "nothing happened");
        for event in &self.events {
            self.socket.note(event);
        }
    }

    /// All there is, without waiting for more.
    pub(super) fn receive_now(&mut self) -> Result<Vec<u8>, End> {
        let mut received = Vec::new();
        loop {
            match self.socket.receive(&mut self.buffer, &mut self.spare) {
                Received::Nothing => return Ok(received),
                Received::Other => {}
                Received::Bytes(count) => received.extend_from_slice(&self.buffer[..count]),
                Received::End(end) if received.is_empty() => return Err(end),
                Received::End(end) => panic!("{} bytes, then {end:?}", received.len()),
            }
        }
    }

    /// The next that comes.
    pub(super) fn receive(&mut self) -> Result<Vec<u8>, End> {
        loop {
            match self.socket.receive(&mut self.buffer, &mut self.spare) {
                Received::Nothing => self.wait(),
                Received::Other => {}
                Received::Bytes(count) => return Ok(self.buffer[..count].to_vec()),
                Received::End(end) => return Err(end),
            }
        }
    }

    pub(super) fn receive_exact(&mut self, count: usize) -> Vec<u8> {
        let mut received = Vec::new();
        while received.len() < count {
            received.extend(self.receive().unwrap());
        }
        assert_eq!(received.len(), count);
        received
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        let mut outbox = Outbox::new(Vec::new());
        outbox.scratch().extend_from_slice(bytes);
        self.socket.send(&outbox, &mut self.spare);
    }

    /// Ends our stream as a relay does.
    pub(super) fn end(&mut self) {
        loop {
            if self.socket.flush(&mut self.spare) {
                self.socket.end(&mut self.spare);
            }
            match self.socket.write {
                WriteSide::Open | WriteSide::Ending => self.wait(),
                WriteSide::Ended => return,
                broken => panic!("{broken:?}"),
            }
        }
    }
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Both ends behind the handshake, where the peer has already said `early`. Ours is not registered.
pub(super) fn begin(
    we: We,
    version: &'static SupportedProtocolVersion,
    early: &[u8],
) -> (Ours, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    thread::scope(|scope| {
        let peer = scope.spawn(|| {
            let mut peer = Peer::new(we, version, theirs);
            peer.shake_hands(early);
            peer
        });
        let runtime = runtime();
        let stream: TlsStream<Conduit> = runtime.block_on(async {
            let conduit = Conduit::Tcp(ours.try_into().unwrap());
            match we {
                We::Serve => {
                    TlsAcceptor::from(server(version)).accept(conduit).await.unwrap().into()
                }
                We::Connect => {
                    let connector = TlsConnector::from(client(version));
                    connector.connect(name(), conduit).await.unwrap().into()
                }
            }
        });
        let ours = {
            let _context = runtime.enter();
            Ours::new(Stream::Tls(Box::new(stream)))
        };
        (ours, peer.join().unwrap())
    })
}

pub(super) fn tls(we: We, version: &'static SupportedProtocolVersion) -> (Ours, Peer) {
    let (ours, peer) = begin(we, version, b"");
    (ours.registered(), peer)
}
