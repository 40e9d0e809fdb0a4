//! The head of a request or an answer as it came, with what is wrong with its form.

/// A head, taken apart at its line ends and nothing more.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    /// All of it.
    pub(super) bytes: Vec<u8>,
    pub(super) line: String,
    pub(super) fields: Vec<(String, Vec<u8>)>,
    /// What is wrong with its form.
    pub(super) faults: Vec<String>,
}

/// The longest head that is waited for, in bytes: four times what servers commonly take.
pub(super) const LONGEST: usize = 64 * 1024;

impl Head {
    /// Takes the head off the front of what has come; `None` when it goes on.
    pub(super) fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let rest = bytes.split_off(end);
        let head = std::mem::replace(bytes, rest);
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let mut this = Self { bytes: head, line, ..Self::default() };
        if text.replace("\r\n", "").contains(['\r', '\n', '\0']) {
            this.faults.push("a CR, LF or NUL alone".to_owned());
        }
        for line in lines.take_while(|line| !line.is_empty()) {
            match line.split_once(':') {
                Some((name, value)) if !name.is_empty() && !name.contains([' ', '\t']) => {
                    let value = value.trim_matches([' ', '\t']);
                    this.fields.push((name.to_owned(), value.as_bytes().to_vec()));
                }
                _ => this.faults.push(format!("no field: {line:?}")),
            }
        }
        Some(this)
    }

    /// All values of a field, whatever the case of its name.
    pub(super) fn all(&self, name: &str) -> Vec<&[u8]> {
        let same = self.fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_slice()).collect()
    }

    /// The value of a field that stands once.
    pub(super) fn only(&self, name: &str) -> Option<&[u8]> {
        match self.all(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Whether a field that stands once has a value, whatever its case.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.only(name).is_some_and(|found| found.eq_ignore_ascii_case(value.as_bytes()))
    }

    /// Whether a field that stands once lists a token.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        let list = self.only(name).map(String::from_utf8_lossy).unwrap_or_default();
        list.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> Option<u16> {
        let rest = self.line.strip_prefix("HTTP/1.")?.get(2..)?;
        rest.split(' ').next()?.parse().ok()
    }
}
