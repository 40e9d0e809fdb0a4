//! The head of a request or a response, taken apart without the product's parser.

use super::wire::Wire;

#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The first line.
    pub(crate) line: String,
    /// Names and values, as they came.
    pub(crate) fields: Vec<(String, String)>,
    /// All of it, the empty line included.
    pub(crate) raw: Vec<u8>,
}

impl Head {
    pub(crate) async fn read(wire: &mut Wire) -> Self {
        let head = wire.until(b"\r\n\r\n").await.expect("a whole head");
        Self::parse(&head)
    }

    /// Parses a head without its empty line.
    pub(crate) fn parse(head: &[u8]) -> Self {
        let text = String::from_utf8(head.to_owned()).expect("a head in UTF-8");
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let fields = lines
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no field: {line:?}")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { line, fields, raw: [head, b"\r\n\r\n"].concat() }
    }

    /// All values of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that may stand once.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} stands {} times in {self:?}", all.len());
        all.first().copied()
    }

    /// The value of a field that has to stand once, in exactly this spelling.
    pub(crate) fn exact(&self, name: &str) -> &str {
        assert!(self.fields.iter().any(|(other, _)| other == name), "no {name} in {self:?}");
        self.get(name).unwrap()
    }

    /// The target of a request; it may hold raw spaces.
    pub(crate) fn target(&self) -> &str {
        let target = self.line.strip_prefix("GET ").and_then(|l| l.strip_suffix(" HTTP/1.1"));
        target.unwrap_or_else(|| panic!("no request line: {:?}", self.line))
    }

    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// What old peers need of any head: one `Connection`, no empty value, no extension, no body.
    pub(crate) fn assert_tidy(&self) {
        assert_eq!(self.get("Connection"), Some("Upgrade"), "{self:?}");
        assert!(self.fields.iter().all(|(_, value)| !value.is_empty()), "{self:?}");
        for unwanted in ["Sec-WebSocket-Extensions", "Content-Length", "Transfer-Encoding"] {
            assert_eq!(self.get(unwanted), None, "{self:?}");
        }
    }
}
