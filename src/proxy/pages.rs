//! The error pages of a route: files that are read when the service is built.

use anyhow::{Context, bail};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest page, in bytes: all of them are held in memory.
const MAX_PAGE: u64 = 256 * 1024;

/// What the proxy's own answers of a status look like.
#[derive(Debug, Default)]
pub(crate) struct Pages(BTreeMap<u16, Page>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

impl Pages {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or is too large, or its key is not the status of an error.
    pub(crate) fn read(files: &BTreeMap<String, PathBuf>) -> anyhow::Result<Self> {
        let pages = files.iter().map(|(status, path)| {
            let number = status.parse().ok().filter(|status| (400..=599).contains(status));
            let number = number.with_context(|| format!("error_pages: {status} is no status"))?;
            let page = Page::read(path);
            Ok((number, page.with_context(|| format!("error page {}", path.display()))?))
        });
        Ok(Self(pages.collect::<anyhow::Result<_>>()?))
    }

    /// The page of a status.
    pub(crate) fn of(&self, status: u16) -> Option<&Page> {
        self.0.get(&status)
    }
}

impl Page {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let mut body = Vec::new();
        File::open(path)?.take(MAX_PAGE + 1).read_to_end(&mut body)?;
        if body.len() as u64 > MAX_PAGE {
            bail!("larger than {MAX_PAGE} bytes");
        }
        Ok(Self { content_type: content_type(path), body: body.into() })
    }
}

/// The media type that the name of a file tells.
fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    match extension.to_ascii_lowercase().as_str() {
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: &str, path: &Path) -> anyhow::Result<Pages> {
        Pages::read(&BTreeMap::from([(status.to_owned(), path.to_owned())]))
    }

    #[test]
    fn reads_what_it_is_given() {
        let folder = std::env::temp_dir().join(format!("hybridge-pages-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (page, large) = (folder.join("down.JSON"), folder.join("large.html"));
        std::fs::write(&page, "{}").unwrap();
        std::fs::write(&large, vec![b'x'; usize::try_from(MAX_PAGE).unwrap() + 1]).unwrap();
        let pages = read("502", &page).unwrap();
        let found = pages.of(502).unwrap();
        assert_eq!((found.content_type, &found.body[..]), ("application/json", &b"{}"[..]));
        assert!(pages.of(503).is_none());
        for (status, path) in [("200", &page), ("5xx", &page), ("502", &large), ("502", &folder)] {
            assert!(read(status, path).is_err(), "{status} {}", path.display());
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
