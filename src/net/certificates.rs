//! The certificates of a TLS listener: read from PEM files, and chosen by the name a client asks
//! for.

use crate::config::listener::CertificateFiles;
use anyhow::{Context, anyhow, bail};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};
use webpki::EndEntityCert;

/// The certificates, in order; there is at least one.
#[derive(Debug)]
pub(super) struct Certificates {
    keys: Vec<Arc<CertifiedKey>>,
    names: Names,
}

impl Certificates {
    /// Reads all of them.
    ///
    /// # Errors
    /// With the file and its fault.
    pub(super) fn read(
        files: &[CertificateFiles],
        provider: &CryptoProvider,
    ) -> anyhow::Result<Self> {
        if files.is_empty() {
            bail!("no certificate: give [[listener.tls.certificate]] with chain and key");
        }
        let (mut keys, mut names) = (Vec::new(), Names::default());
        for (index, files) in files.iter().enumerate() {
            let key = certified(files, provider)?;
            let leaf = key.end_entity_cert()?;
            let leaf = EndEntityCert::try_from(leaf)
                .map_err(|error| anyhow!("{}: {error}", files.chain.display()))?;
            leaf.valid_dns_names().for_each(|name| names.add(name, index));
            keys.push(Arc::new(key));
        }
        Ok(Self { keys, names })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let index = hello.server_name().and_then(|name| self.names.find(name)).unwrap_or(0);
        self.keys.get(index).cloned()
    }
}

/// Reads one certificate and its key.
fn certified(files: &CertificateFiles, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let CertificateFiles { chain, key } = files;
    let chain_der = chain_of(chain)?;
    let key_der = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| anyhow!("{}: {}", key.display(), fault(error, "private key")))?;
    CertifiedKey::from_der(chain_der, key_der, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            anyhow!("{}: key does not match the certificate in {}", key.display(), chain.display())
        }
        Error::InvalidCertificate(error) => anyhow!("{}: {error}", chain.display()),
        error => anyhow!("{}: {error}", key.display()),
    })
}

/// Reads the certificates of a file; there is at least one.
///
/// # Errors
/// With the file and its fault.
pub(super) fn chain_of(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = match chain {
        Ok(chain) if chain.is_empty() => Err(pem::Error::NoItemsFound),
        chain => chain,
    };
    chain
        .map_err(|error| anyhow!(fault(error, "certificate")))
        .with_context(|| file.display().to_string())
}

/// What is wrong with a PEM file, for a person.
fn fault(error: pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("no {wanted} in file"),
        pem::Error::Io(error) => format!("cannot be read: {error}"),
        pem::Error::MissingSectionEnd { .. } => "cut off: a PEM section has no end".to_owned(),
        error => format!("not a PEM file: {error}"),
    }
}

/// Which certificate is for which name.
#[derive(Debug, Default)]
struct Names(HashMap<String, usize>);

impl Names {
    /// Adds a name, `*.` and all, of the certificate at `index`. The first certificate keeps it.
    fn add(&mut self, name: &str, index: usize) {
        self.0.entry(name.to_ascii_lowercase()).or_insert(index);
    }

    /// The first certificate for a name. A wildcard is for one label (RFC 9525 section 6.3).
    fn find(&self, name: &str) -> Option<usize> {
        let name = name.to_ascii_lowercase();
        let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        let found = [Some(name), wildcard].into_iter().flatten();
        found.filter_map(|name| self.0.get(&name).copied()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_certificate_for_the_name() {
        let mut names = Names::default();
        let certificates: [&[&str]; 4] = [
            &["www.example.com", "example.com"],
            &["*.example.com", "Chat.Example.net"],
            &["chat.example.com", "example.com"],
            &["*.deep.example.com"],
        ];
        for (index, all) in certificates.iter().enumerate() {
            all.iter().for_each(|name| names.add(name, index));
        }
        for (asked, expected) in [
            ("example.com", Some(0)),
            ("www.example.com", Some(0)),
            ("WWW.Example.COM", Some(0)),
            ("mail.example.com", Some(1)),
            // Its own certificate comes behind the wildcard, and the order counts.
            ("chat.example.com", Some(1)),
            ("chat.example.net", Some(1)),
            ("a.deep.example.com", Some(3)),
            // A wildcard is for one label, and for no less.
            ("deep.example.com", Some(1)),
            ("a.b.deep.example.com", None),
            ("a.www.example.com", None),
            ("example.net", None),
            ("com", None),
            ("", None),
        ] {
            assert_eq!(names.find(asked), expected, "{asked}");
        }
    }
}
