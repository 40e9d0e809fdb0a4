//! Cookies, as far as the choice of a server depends on them: one of the application's that is
//! hashed, and our own that names the server.

use crate::config::backend::Sticky;
use crate::handshake::Headers;
use sha1::{Digest, Sha1};

/// The value of a cookie of the client; the first where it stands twice.
pub(super) fn cookie<'h>(headers: &'h dyn Headers, name: &str) -> Option<&'h [u8]> {
    let pairs = headers.all("cookie").into_iter().flat_map(|line| line.split(|b| *b == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
        pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
    })
}

/// What our cookie calls a server: it does not tell where the server is, and is the same after a
/// restart and in every process with these settings.
pub(super) fn name_of(backend: &str, url: &str) -> Box<str> {
    let digest = Sha1::new().chain_update(backend).chain_update([0]).chain_update(url).finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// The value of the `Set-Cookie` that has a client come back to this server (RFC 6265 section 4.1).
/// A script has no need to read it, and other sites none to send it along with their requests.
pub(super) fn set_cookie(settings: &Sticky, value: &str, secure: bool) -> String {
    let mut cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax", settings.cookie);
    if let Some(age) = settings.max_age {
        cookie.push_str(&format!("; Max-Age={}", age.0.as_secs()));
    }
    if secure {
        cookie.push_str("; Secure");
    }
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::Period;
    use crate::handshake::Field;

    #[test]
    fn finds_a_cookie() {
        let fields: Vec<Field> = vec![
            ("Cookie".to_owned(), b"xid=0; id=a=1;id=2".to_vec()),
            ("cookie".to_owned(), b"other=3;  last=  4".to_vec()),
        ];
        let find = |name| cookie(&fields, name).map(<[u8]>::escape_ascii).map(|v| v.to_string());
        assert_eq!(find("id").as_deref(), Some("a=1"));
        assert_eq!(find("other").as_deref(), Some("3"));
        assert_eq!(find("last").as_deref(), Some("  4"));
        assert_eq!(find("i"), None);
        assert_eq!(find("ID"), None);
    }

    #[test]
    fn says_what_it_needs_and_no_address() {
        let value = name_of("chat", "ws://10.0.0.7:9000");
        // Computed by another program.
        assert_eq!(&*value, "503644137056014a");
        assert_ne!(value, name_of("chat", "ws://10.0.0.8:9000"));
        assert_ne!(value, name_of("news", "ws://10.0.0.7:9000"));
        let mut settings = Sticky { cookie: "srv".to_owned(), max_age: None };
        let cookie = set_cookie(&settings, "abc", false);
        assert_eq!(cookie, "srv=abc; Path=/; HttpOnly; SameSite=Lax");
        settings.max_age = Some(Period::seconds(3600));
        let cookie = set_cookie(&settings, "abc", true);
        assert_eq!(cookie, "srv=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600; Secure");
    }
}
