//! TLS towards clients: which certificate, which versions, who is refused and how. The other end is
//! a client of rustls; what is said inside is little, for the sessions have tests of their own.

use crate::harness::{Folder, Proxy, Stage, millis, settings, step, within};
use crate::peers::head::Head;
use crate::peers::wire::{Ended, Wire};
use crate::peers::{Kind, Offer, hixie};
use hybridge::config::Settings;
use hybridge::config::listener::{
    CertificateFiles, ClientCertificate, FlashPolicy, Listener, ServerTls, TlsVersion,
};
use hybridge::config::values::{Address, Period};
use hybridge::server::Server;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{AlertDescription, ClientConfig, Error, ProtocolVersion, RootCertStore};

/// An authority that tests trust, and the folder with what it has signed.
pub(crate) struct Authority {
    folder: Folder,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate of the authority, as files and as a client has it.
pub(crate) struct Signed {
    files: CertificateFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(crate) fn new(test: &str) -> Self {
        let mut params = CertificateParams::default();
        // A name of its own, or a stranger's signature would look like a broken one.
        params.distinguished_name.push(DnType::CommonName, test);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { folder: Folder::new(test), issuer }
    }

    pub(crate) fn sign(&self, names: &[&str]) -> Signed {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let file = names.first().cloned().unwrap_or_else(|| "nameless".to_owned());
        let key = KeyPair::generate().unwrap();
        let issuer: &Issuer<'_, _> = &self.issuer;
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, issuer).unwrap();
        Signed {
            files: CertificateFiles {
                chain: self.folder.file(&format!("{file}.crt"), certificate.pem()),
                key: self.folder.file(&format!("{file}.key"), key.serialize_pem()),
            },
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }

    /// A client that trusts the authority.
    pub(crate) fn client(&self, adjust: impl FnOnce(&mut ClientConfig)) -> Client {
        let config = self.builder(&[&TLS13, &TLS12]).with_no_client_auth();
        Client::new(config, adjust)
    }

    /// A client of one version.
    fn client_of(
        &self,
        version: &'static tokio_rustls::rustls::SupportedProtocolVersion,
    ) -> Client {
        Client::new(self.builder(&[version]).with_no_client_auth(), |_| {})
    }

    /// A client that has a certificate.
    fn client_with(&self, signed: Signed) -> Client {
        let Signed { chain, key, .. } = signed;
        let config = self.builder(&[&TLS13]).with_client_auth_cert(chain, key).unwrap();
        Client::new(config, |_| {})
    }

    fn builder(
        &self,
        versions: &[&'static tokio_rustls::rustls::SupportedProtocolVersion],
    ) -> tokio_rustls::rustls::ConfigBuilder<
        ClientConfig,
        tokio_rustls::rustls::client::WantsClientCert,
    > {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
    }
}

pub(crate) struct Client(TlsConnector);

impl Client {
    fn new(mut config: ClientConfig, adjust: impl FnOnce(&mut ClientConfig)) -> Self {
        adjust(&mut config);
        Self(TlsConnector::from(Arc::new(config)))
    }

    pub(crate) async fn connect(
        &self,
        proxy: SocketAddr,
        name: &str,
    ) -> Result<TlsStream<TcpStream>, io::Error> {
        let tcp = TcpStream::connect(proxy).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        self.0.connect(name, tcp).await
    }

    /// Whether requests are answered: a malformed one is, with 400 and the orderly end of TLS. The
    /// client of TLS 1.3 hears only then that it was refused.
    async fn is_served(&self, proxy: SocketAddr, name: &str) -> Result<(), io::Error> {
        let mut stream = self.connect(proxy, name).await?;
        stream.write_all(b"garbage\r\n\r\n").await?;
        let mut answer = Vec::new();
        // An end without close_notify is an error of the client's library.
        stream.read_to_end(&mut answer).await?;
        assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "{}", answer.escape_ascii());
        Ok(())
    }
}

/// The alert that an error tells of.
fn alert(error: &io::Error) -> AlertDescription {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(Error::AlertReceived(alert)) => *alert,
        _ => panic!("no alert: {error:?}"),
    }
}

pub(crate) fn tls_of(certificates: &[&Signed]) -> ServerTls {
    let certificates = certificates.iter().map(|signed| signed.files.clone()).collect();
    ServerTls { certificates, ..ServerTls::default() }
}

/// Settings with a TLS listener and nobody behind it.
fn tls_settings(tls: ServerTls) -> Settings {
    // A backend is not reached in these tests, and port 1 has none.
    let mut settings = settings(SocketAddr::from(([127, 0, 0, 1], 1)), None);
    settings.listeners[0].tls = Some(tls);
    settings
}

#[tokio::test]
async fn certificates_by_name() {
    within("certificates by name", async {
        let authority = Authority::new("names");
        let first = authority.sign(&["first.test"]);
        let wild = authority.sign(&["*.wild.test", "wild.test"]);
        let own = authority.sign(&["own.wild.test"]);
        let proxy = Proxy::start(tls_settings(tls_of(&[&first, &wild, &own]))).await;
        let client = authority.client(|_| {});
        for (name, expected) in [
            ("first.test", &first),
            ("wild.test", &wild),
            ("some.wild.test", &wild),
            // In the order of the settings.
            ("own.wild.test", &wild),
        ] {
            let stream = client.connect(proxy.address, name).await.unwrap();
            assert_eq!(stream.get_ref().1.peer_certificates(), Some(&expected.chain[..]), "{name}");
            client.is_served(proxy.address, name).await.unwrap();
        }
        // The first of all for a name that none has, and for no name at all: the client has to
        // refuse it.
        for name in ["other.test", "127.0.0.1"] {
            let error = client.connect(proxy.address, name).await.unwrap_err();
            let inner = error.get_ref().and_then(|error| error.downcast_ref());
            assert!(matches!(inner, Some(Error::InvalidCertificate(_))), "{name}: {error:?}");
        }
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn versions_of_tls() {
    within("versions", async {
        let authority = Authority::new("versions");
        let signed = authority.sign(&["a.test"]);
        let proxy = Proxy::start(tls_settings(tls_of(&[&signed]))).await;
        for (version, expected) in
            [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
        {
            let client = authority.client_of(version);
            let stream = client.connect(proxy.address, "a.test").await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
            client.is_served(proxy.address, "a.test").await.unwrap();
        }
        proxy.stop().await;
        let tls = ServerTls { min_version: TlsVersion::V13, ..tls_of(&[&signed]) };
        let proxy = Proxy::start(tls_settings(tls)).await;
        let refused = authority.client_of(&TLS12).is_served(proxy.address, "a.test").await;
        assert_eq!(alert(&refused.unwrap_err()), AlertDescription::ProtocolVersion);
        authority.client_of(&TLS13).is_served(proxy.address, "a.test").await.unwrap();
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn application_protocols() {
    within("application protocols", async {
        let authority = Authority::new("protocols");
        let signed = authority.sign(&["a.test"]);
        let proxy = Proxy::start(tls_settings(tls_of(&[&signed]))).await;
        let client = |protocols: &[&str]| {
            let protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
            authority.client(|config| config.alpn_protocols = protocols)
        };
        for (offered, chosen) in [
            (&[][..], None),
            (&["http/1.1"], Some("http/1.1")),
            (&["h2", "http/1.1"], Some("http/1.1")),
        ] {
            let stream = client(offered).connect(proxy.address, "a.test").await.unwrap();
            let protocol = stream.get_ref().1.alpn_protocol();
            assert_eq!(protocol, chosen.map(str::as_bytes), "{offered:?}");
            client(offered).is_served(proxy.address, "a.test").await.unwrap();
        }
        let refused = client(&["h2"]).connect(proxy.address, "a.test").await;
        assert_eq!(alert(&refused.unwrap_err()), AlertDescription::NoApplicationProtocol);
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn certificates_of_clients() {
    within("client certificates", async {
        let authority = Authority::new("clients");
        let stranger = Authority::new("strangers");
        let signed = authority.sign(&["a.test"]);
        let ca = authority.folder.file("ca.pem", authority.issuer.pem());
        for client_certificate in [ClientCertificate::Optional, ClientCertificate::Required] {
            let client_ca = Some(ca.clone());
            let tls = ServerTls { client_ca, client_certificate, ..tls_of(&[&signed]) };
            let proxy = Proxy::start(tls_settings(tls)).await;
            let known = authority.client_with(authority.sign(&["client.test"]));
            known.is_served(proxy.address, "a.test").await.unwrap();
            let nameless = authority.client(|_| {}).is_served(proxy.address, "a.test").await;
            match client_certificate {
                ClientCertificate::Required => {
                    let error = nameless.unwrap_err();
                    assert_eq!(alert(&error), AlertDescription::CertificateRequired);
                }
                _ => nameless.unwrap(),
            }
            let unknown = authority.client_with(stranger.sign(&["client.test"]));
            let error = unknown.is_served(proxy.address, "a.test").await.unwrap_err();
            assert_eq!(alert(&error), AlertDescription::UnknownCA);
            proxy.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_tls() {
    within("no TLS", async {
        let authority = Authority::new("no-tls");
        let signed = authority.sign(&["a.test"]);
        let proxy = Proxy::start(tls_settings(tls_of(&[&signed]))).await;
        // A plain request is told so.
        for request in
            [b"GET / HTTP/1.1\r\n".to_vec(), hixie::request(Kind::Hixie76, &Offer::default())]
        {
            let mut wire = Wire::connect(proxy.address).await;
            wire.write(request).await;
            assert_eq!(Head::read(&mut wire).await.status(), 400);
            let (body, ended) = wire.rest().await;
            assert_eq!(body, b"plain request where TLS is expected\n");
            assert_eq!(ended, Ended::Fin);
        }
        // Anything else gets an alert of TLS, or just the end.
        for bytes in
            [&b"\x00\x01\x02\x03\x04\x05\x06"[..], b"<policy-file-request/>\0", b"\r\n\r\n"]
        {
            let mut wire = Wire::connect(proxy.address).await;
            wire.write(bytes).await;
            wire.finish().await;
            let (answer, _) = wire.rest().await;
            assert!(answer.is_empty() || answer[0] == 0x15, "{}", answer.escape_ascii());
        }
        authority.client(|_| {}).is_served(proxy.address, "a.test").await.unwrap();
        proxy.stop().await;
    })
    .await;
}

/// A client that is slow with its TLS is cut off, and its neighbours do not notice.
#[tokio::test]
async fn slow_handshakes() {
    within("slow TLS", async {
        let authority = Authority::new("slow");
        let signed = authority.sign(&["a.test"]);
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            let plain = settings.listeners[0].clone();
            let tls = Listener {
                name: "tls".to_owned(),
                tls: Some(tls_of(&[&signed])),
                handshake_timeout: millis(300),
                ..plain
            };
            settings.listeners.insert(0, tls);
            settings.listeners[1].name = "plain".to_owned();
        });
        // The address of the stage is that of the first listener.
        let stage = stage.await;
        // The beginning of a ClientHello, and then nothing.
        for start in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(start).await;
            let (answer, _) = wire.rest().await;
            assert!(answer.is_empty(), "{}", answer.escape_ascii());
        }
        // One that is done with TLS has what is left of the time for its head.
        let client = authority.client(|_| {});
        let mut stream = client.connect(stage.proxy.address, "a.test").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", answer.escape_ascii());
        stage.stop().await;
    })
    .await;
}

/// A client that is in the middle of its TLS does not hold up the end of the proxy.
#[tokio::test]
async fn shutdown_in_a_handshake() {
    within("shutdown in TLS", async {
        let authority = Authority::new("leaving");
        let signed = authority.sign(&["a.test"]);
        let mut settings = tls_settings(tls_of(&[&signed]));
        settings.listeners[0].handshake_timeout = Period::seconds(3600);
        let proxy = Proxy::start(settings).await;
        let mut wire = Wire::connect(proxy.address).await;
        wire.write(b"\x16\x03\x01").await;
        // It is accepted, for one that came later is served.
        authority.client(|_| {}).is_served(proxy.address, "a.test").await.unwrap();
        proxy.stop().await;
        assert!(wire.rest().await.0.is_empty());
    })
    .await;
}

/// Who is over the limit is not worth a handshake.
#[tokio::test]
async fn over_the_limit() {
    within("TLS over the limit", async {
        let authority = Authority::new("limit");
        let signed = authority.sign(&["a.test"]);
        let mut settings = tls_settings(tls_of(&[&signed]));
        settings.listeners[0].max_connections = NonZeroUsize::new(1);
        let proxy = Proxy::start(settings).await;
        let client = authority.client(|_| {});
        let held = client.connect(proxy.address, "a.test").await.unwrap();
        let mut wire = Wire::connect(proxy.address).await;
        assert!(wire.rest().await.0.is_empty());
        assert!(client.connect(proxy.address, "a.test").await.is_err());
        drop(held);
        // Its place is free once the proxy has noticed.
        while client.is_served(proxy.address, "a.test").await.is_err() {}
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn flash_asks_before_tls() {
    within("flash and TLS", async {
        let authority = Authority::new("flash-tls");
        let signed = authority.sign(&["a.test"]);
        let mut settings = tls_settings(tls_of(&[&signed]));
        settings.listeners[0].flash_policy = Some(FlashPolicy::default());
        let proxy = Proxy::start(settings).await;
        let mut wire = Wire::connect(proxy.address).await;
        wire.write(b"<policy-file-request/>\0").await;
        let (answer, ended) = wire.rest().await;
        assert!(answer.starts_with(b"<?xml "), "{}", answer.escape_ascii());
        assert_eq!((answer.last(), ended), (Some(&0), Ended::Fin));
        // What only begins so gets nothing.
        let mut wire = Wire::connect(proxy.address).await;
        wire.write(b"<policy?").await;
        assert!(wire.rest().await.0.is_empty());
        authority.client(|_| {}).is_served(proxy.address, "a.test").await.unwrap();
        proxy.stop().await;
    })
    .await;
}

/// Each fault of the files and settings, with the file it is in.
#[tokio::test]
async fn faults_of_the_files() {
    within("faults of files", async {
        let authority = Authority::new("faults");
        let signed = authority.sign(&["a.test"]);
        let other = authority.sign(&["b.test"]);
        let CertificateFiles { chain, key } = &signed.files;
        let folder = &authority.folder;
        let empty = folder.file("empty.pem", "");
        let text = std::fs::read_to_string(chain).unwrap();
        let cut = folder.file("cut.pem", &text[..text.len() / 2]);
        let odd = folder
            .file("odd.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let none = folder.0.join("none.pem");
        let files = |chain: &std::path::Path, key: &std::path::Path| ServerTls {
            certificates: vec![CertificateFiles { chain: chain.into(), key: key.into() }],
            ..ServerTls::default()
        };
        let asks = |client_certificate, client_ca: Option<&std::path::Path>| ServerTls {
            client_certificate,
            client_ca: client_ca.map(Into::into),
            ..tls_of(&[&signed])
        };
        let (off, required) = (ClientCertificate::Off, ClientCertificate::Required);
        for (tls, expected) in [
            (ServerTls::default(), "no certificate: give "),
            (files(&none, key), "none.pem: cannot be read: No such file"),
            (files(chain, &none), "none.pem: cannot be read: No such file"),
            (files(&empty, key), "empty.pem: no certificate in file"),
            (files(key, key), "a.test.key: no certificate in file"),
            (files(chain, &empty), "empty.pem: no private key in file"),
            (files(chain, chain), "a.test.crt: no private key in file"),
            (files(&cut, key), "cut.pem: cut off: a PEM section has no end"),
            (files(&odd, key), "odd.pem: "),
            (files(chain, &other.files.key), "b.test.key: key does not match the certificate in "),
            (asks(required, None), "client_certificate needs client_ca"),
            (asks(off, Some(chain)), "client_ca is of no use while client_certificate is \"off\""),
            (asks(required, Some(&empty)), "empty.pem: no certificate in file"),
            (asks(required, Some(&none)), "none.pem: cannot be read: No such file"),
        ] {
            let error = Server::bind(tls_settings(tls)).await.err();
            let error = format!("{:#}", error.unwrap_or_else(|| panic!("taken: {expected}")));
            assert!(error.starts_with("listener main: "), "{error}");
            assert!(error.contains(expected), "{error} is not {expected}");
        }
    })
    .await;
}

/// TLS holds the end of a response that the client does not take, when all others are done with it.
/// How much is on the way before that is the system's, so that several lengths are tried.
#[tokio::test]
async fn who_does_not_take_the_end_of_a_response_is_left() {
    within("deaf TLS client", async {
        let authority = Authority::new("deaf");
        let signed = authority.sign(&["a.test"]);
        let path = authority.folder.0.join("proxy.sock");
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.shutdown_deadline = Period::seconds(3600);
            settings.backends[0].keep_alive = 0;
            settings.routes[0].limits.body_idle = millis(300);
            let plain = settings.listeners[0].clone();
            settings.listeners.push(Listener {
                name: "tls".to_owned(),
                address: vec![Address::Unix(path.clone())],
                tls: Some(tls_of(&[&signed])),
                ..plain
            });
        })
        .await;
        let client = authority.client(|_| {});
        let mut held = Vec::new();
        for length in (32 << 10..=384 << 10).step_by(32 << 10) {
            let name = ServerName::try_from("a.test").unwrap();
            let stream = UnixStream::connect(&path).await.unwrap();
            let mut stream = client.0.connect(name, stream).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            stream.flush().await.unwrap();
            let mut backend = Wire::accept(&stage.listener).await;
            Head::read(&mut backend).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            backend.write([head.into_bytes(), vec![b'x'; length]].concat()).await;
            held.push((stream, backend));
        }
        step("the end without the clients", stage.stop()).await;
        drop(held);
    })
    .await;
}
