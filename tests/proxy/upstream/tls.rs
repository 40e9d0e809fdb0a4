//! Servers behind TLS: whom the proxy believes, and who it says it is. What the servers answer is a
//! refusal, which shows that they were reached.

use super::of;
use crate::harness::{Proxy, listen, millis, within};
use crate::peers::head::Head;
use crate::peers::hybi::request;
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer};
use base64::prelude::{BASE64_STANDARD, Engine};
use hybridge::config::Settings;
use hybridge::config::backend::{ProxyVersion, Server};
use hybridge::config::values::Period;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

const NAME: &str = "chat.example";

/// Who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(parameters, key).unwrap())
    }

    /// A certificate for a name, and its key.
    fn signs(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (certificate.der().clone(), key)
    }

    fn acceptor(&self, clients: Option<&Self>) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let (certificate, key) = self.signs(NAME);
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()))
    }
}

/// A PEM file of the tests.
fn pem(name: &str, label: &str, der: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("upstream-{name}.pem"));
    let text = BASE64_STANDARD.encode(der);
    std::fs::write(&path, format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n"))
        .unwrap();
    path
}

fn certificate_file(name: &str, der: &CertificateDer<'_>) -> PathBuf {
    pem(name, "CERTIFICATE", der)
}

/// Settings for a server behind TLS on this listener.
fn secure(listener: &TcpListener, adjust: impl FnOnce(&mut Settings)) -> Settings {
    let url = format!("wss://{}", listener.local_addr().unwrap()).parse().unwrap();
    of(vec![Server::new(url)], adjust)
}

async fn status(proxy: &Proxy) -> u16 {
    let mut wire = Wire::connect(proxy.address).await;
    wire.write(request(Kind::Rfc6455, &Offer::default())).await;
    Head::read(&mut wire).await.status()
}

/// Takes one connection behind TLS and refuses its request; with the connection, where the
/// handshake of TLS came to an end.
async fn refuse(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    Some(stream)
}

#[tokio::test]
async fn who_is_signed_for_the_name_is_believed() {
    within("wss", async {
        let (ours, foreign) = (Authority::new(), Authority::new());
        let ca = certificate_file("ca", ours.0.der());
        for (server, name, expected) in
            [(&ours, NAME, 403), (&foreign, NAME, 502), (&ours, "other.example", 502)]
        {
            let (listener, _) = listen().await;
            let acceptor = server.acceptor(None);
            let proxy = Proxy::start(secure(&listener, |settings| {
                settings.backends[0].tls.ca = Some(ca.clone());
                settings.backends[0].tls.server_name = Some(name.to_owned());
            }))
            .await;
            let serve = async { refuse(&acceptor, listener.accept().await.unwrap().0).await };
            let (status, stream) = tokio::join!(status(&proxy), serve);
            assert_eq!(status, expected, "{name}");
            assert_eq!(stream.is_some(), expected == 403);
            if let Some(stream) = stream {
                let (_, session) = stream.get_ref();
                assert_eq!(session.server_name(), Some(NAME));
                assert_eq!(session.alpn_protocol(), None, "the server has no wish");
            }
            proxy.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn our_own_certificate_is_shown() {
    within("client certificate", async {
        let authority = Authority::new();
        let ca = certificate_file("mutual-ca", authority.0.der());
        let (certificate, key) = authority.signs("hybridge.example");
        let chain = certificate_file("mutual", &certificate);
        let key = pem("mutual-key", "PRIVATE KEY", key.secret_der());
        for (shown, expected) in [(true, 403), (false, 502)] {
            let (listener, _) = listen().await;
            let acceptor = authority.acceptor(Some(&authority));
            let proxy = Proxy::start(secure(&listener, |settings| {
                let tls = &mut settings.backends[0].tls;
                tls.ca = Some(ca.clone());
                tls.server_name = Some(NAME.to_owned());
                if shown {
                    (tls.certificate, tls.key) = (Some(chain.clone()), Some(key.clone()));
                }
            }))
            .await;
            let serve = async { refuse(&acceptor, listener.accept().await.unwrap().0).await };
            let (status, stream) = tokio::join!(status(&proxy), serve);
            assert_eq!(status, expected);
            if let Some(stream) = stream {
                let shown = stream.get_ref().1.peer_certificates().unwrap();
                assert_eq!(shown, std::slice::from_ref(&certificate));
            }
            proxy.stop().await;
        }
    })
    .await;
}

/// The PROXY header is in the clear, before the handshake of TLS.
#[tokio::test]
async fn the_proxy_header_comes_before_tls() {
    within("PROXY before TLS", async {
        let authority = Authority::new();
        let ca = certificate_file("proxy-ca", authority.0.der());
        let (listener, _) = listen().await;
        let acceptor = authority.acceptor(None);
        let proxy = Proxy::start(secure(&listener, |settings| {
            let backend = &mut settings.backends[0];
            backend.tls.ca = Some(ca);
            backend.tls.server_name = Some(NAME.to_owned());
            backend.proxy_protocol = Some(ProxyVersion::V2);
        }))
        .await;
        let serve = async {
            let mut stream = listener.accept().await.unwrap().0;
            let mut header = [0; 28];
            stream.read_exact(&mut header).await.unwrap();
            assert!(header.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21\x11"));
            refuse(&acceptor, stream).await
        };
        let (status, stream) = tokio::join!(status(&proxy), serve);
        assert_eq!((status, stream.is_some()), (403, true));
        proxy.stop().await;
    })
    .await;
}

/// The time for a connection counts TLS too.
#[tokio::test]
async fn a_server_that_never_answers_in_tls() {
    within("silent TLS", async {
        let authority = Authority::new();
        let ca = certificate_file("silent-ca", authority.0.der());
        let (listener, _) = listen().await;
        let proxy = Proxy::start(secure(&listener, |settings| {
            settings.backends[0].tls.ca = Some(ca);
            settings.backends[0].connect_timeout = millis(200);
        }))
        .await;
        let serve = async {
            let mut wire = Wire::accept(&listener).await;
            wire.rest().await
        };
        let (status, (hello, _)) = tokio::join!(status(&proxy), serve);
        assert_eq!(status, 504);
        assert!(hello.starts_with(b"\x16\x03"), "a ClientHello");
        proxy.stop().await;
    })
    .await;
}

/// What is wrong with a file is said at the start, with its name.
#[tokio::test]
async fn files_that_do_not_fit() {
    within("files", async {
        let (ours, foreign) = (Authority::new(), Authority::new());
        let ca = certificate_file("files-ca", ours.0.der());
        let (certificate, key) = ours.signs(NAME);
        let (_, other_key) = foreign.signs(NAME);
        let chain = certificate_file("files", &certificate);
        let key = pem("files-key", "PRIVATE KEY", key.secret_der());
        let other_key = pem("files-other-key", "PRIVATE KEY", other_key.secret_der());
        let nowhere = PathBuf::from("/nowhere/ca.pem");
        let cases = [
            ("/nowhere/ca.pem", Some(&nowhere), None, None),
            ("no certificate in", Some(&key), None, None),
            ("tls.certificate has no tls.key", Some(&ca), Some(&chain), None),
            ("tls.key has no tls.certificate", Some(&ca), None, Some(&key)),
            ("upstream-files-other-key.pem", Some(&ca), Some(&chain), Some(&other_key)),
            ("upstream-files.pem", Some(&ca), Some(&chain), Some(&chain)),
        ];
        for (expected, ca, chain, key) in cases {
            let (listener, _) = listen().await;
            let settings = secure(&listener, |settings| {
                let tls = &mut settings.backends[0].tls;
                (tls.ca, tls.certificate, tls.key) = (ca.cloned(), chain.cloned(), key.cloned());
            });
            let error = hybridge::server::Server::bind(settings).await.unwrap_err();
            let told = format!("{error:#}");
            assert!(told.contains(expected) && told.contains("backend main"), "{told}");
        }
    })
    .await;
}

/// For plain requests too, a server that does not come to an end with its connection has failed.
#[tokio::test]
async fn a_server_that_hangs_is_left_alone() {
    within("hanging servers", async {
        let (first, second) = (listen().await.0, listen().await.0);
        let url = |listener: &TcpListener| {
            format!("wss://{}", listener.local_addr().unwrap()).parse().unwrap()
        };
        let servers = vec![Server::new(url(&first)), Server::new(url(&second))];
        let proxy = Proxy::start(of(servers, |settings| {
            settings.routes[0].limits.backend_handshake = millis(200);
            settings.backends[0].connect_timeout = Period::seconds(3600);
            settings.backends[0].servers[0].weight = 100.try_into().unwrap();
            settings.backends[0].passive_health.failures = 1;
            settings.backends[0].passive_health.rest = Period::seconds(3600);
        }))
        .await;
        for listener in [&first, &second] {
            let mut client = Wire::connect(proxy.address).await;
            client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let hanging = Wire::accept(listener).await;
            assert_eq!(Head::read(&mut client).await.status(), 504);
            drop(hanging);
        }
        proxy.stop().await;
    })
    .await;
}
