//! The program as its user meets it: arguments, exit codes, log lines, signals.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![expect(dead_code, reason = "the module is shared with other tests, which use the rest")]

#[path = "proxy/program.rs"]
mod program;

use program::Program;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// What a socket waits for at most; nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs the program to its end. One that does not end is stopped, and fails the test.
fn run(arguments: &[&str]) -> Output {
    let child = Command::new(env!("CARGO_BIN_EXE_hybridge"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = Pid::from_child(&child);
    let (ended, end) = channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    end.recv_timeout(DEADLINE)
        .unwrap_or_else(|_| {
            kill_process(id, Signal::KILL).unwrap();
            panic!("does not end: {arguments:?}")
        })
        .unwrap()
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn tells_what_it_is() {
    let version = run(&["--version"]);
    assert!(version.status.success());
    let due = format!("hybridge {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(version.stdout).unwrap(), due);
    let help = run(&["--help"]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for word in ["serve", "check", "Exit codes"] {
        assert!(help.contains(word), "no {word} in {help}");
    }
    let help = run(&["serve", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    for option in ["--listen", "--backend", "--backend-dialect", "--accept", "--binary", "--host"] {
        assert!(help.contains(option), "no {option} in {help}");
    }
    assert!(help.contains("--config"), "{help}");
}

#[test]
fn arguments_that_make_no_sense() {
    let serve = ["serve", "--listen", "127.0.0.1:0", "--backend", "ws://127.0.0.1:1"];
    let with = |more: &[&'static str]| [&serve[..], more].concat();
    for arguments in [
        vec![],
        vec!["fly"],
        vec!["serve"],
        vec!["serve", "--listen", "here", "--backend", "ws://a"],
        vec!["serve", "--listen", "127.0.0.1:0", "--backend", "http://a"],
        vec!["serve", "--listen", "127.0.0.1:0", "--backend", "wss://"],
        vec!["serve", "--listen", "127.0.0.1:0", "--backend", "ws://a/path"],
        with(&["--backend-dialect", "hybi-09"]),
        with(&["--accept", "rfc6455,hixie-77"]),
        with(&["--binary", "maybe"]),
        with(&["--host", "a/b"]),
        with(&["--max-connections", "many"]),
        with(&["--log-format", "xml"]),
        with(&["--config", "hybridge.toml"]),
        vec!["serve", "--config", "hybridge.toml", "--tunnel"],
        vec!["check"],
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn an_address_in_use() {
    let (_listener, address) = listen();
    let address = address.to_string();
    let output = run(&["serve", "--listen", &address, "--backend", "ws://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&address), "the address is not named: {error}");
}

/// Serves as a file has it, log lines in JSON included.
#[test]
fn a_configuration_file() {
    let (listener, backend) = listen();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a_configuration_file.toml");
    let text = format!(
        "log.format = \"json\"\n\n\
         [[listener]]\nname = \"web\"\naddress = [\"127.0.0.1:0\"]\n\n\
         [[backend]]\nname = \"old\"\ndialect = \"hixie-75\"\n\
         server = [{{ url = \"ws://{backend}\" }}]\n\n\
         [[route]]\nname = \"all\"\nbackend = \"old\"\n\n\
         [[route]]\nname = \"never\"\nrespond = {{ status = 404 }}\n"
    );
    fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
    command.args(["serve", "--config", file.to_str().unwrap()]);
    let mut program = Program::start(command);
    assert!(program.log.read.iter().any(|line| line.contains("\"listener\":\"web\"")));
    assert!(program.log.read.iter().any(|line| line.contains("is never taken")));
    let (mut at_client, mut at_backend) = session(&program, &listener, "/");
    at_client.write_all(b"\0one\xff").unwrap();
    assert_eq!(until(&mut at_backend, b"one\xff"), b"\0one\xff");
    drop((at_client, at_backend));
    program.access_log.with("close");
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    assert!(program.log.read.iter().all(|line| json::is_object(line)), "{:#?}", program.log.read);
}

/// What `hybridge check` says of it, and no server.
#[test]
fn a_configuration_file_with_mistakes() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("with_mistakes.toml");
    fs::write(&file, "workers = 0\n[lgo]\n").unwrap();
    let file = file.to_str().unwrap();
    let (serve, check) = (run(&["serve", "-c", file]), run(&["check", "-c", file]));
    assert_eq!((serve.status.code(), check.status.code()), (Some(1), Some(1)));
    assert_eq!(serve.stderr, check.stderr);
    assert_eq!(String::from_utf8(serve.stderr).unwrap().lines().count(), 2);
    let missing = run(&["serve", "-c", "/nowhere/hybridge.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8(missing.stderr).unwrap();
    assert_eq!(said, "/nowhere/hybridge.toml: no such file\n");
}

/// A session of Hixie-76 with a Hixie-75 backend, which takes no computing.
fn session(program: &Program, listener: &TcpListener, target: &str) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(program.address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: a\r\n\
         Origin: http://b\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
         Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U"
    );
    client.write_all(request.as_bytes()).unwrap();
    let (mut backend, _) = listener.accept().unwrap();
    backend.set_read_timeout(Some(DEADLINE)).unwrap();
    until(&mut backend, b"\r\n\r\n");
    let answer = b"HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\n\
        Connection: Upgrade\r\nWebSocket-Origin: http://b\r\nWebSocket-Location: ws://a/\r\n\r\n";
    backend.write_all(answer).unwrap();
    until(&mut client, b"\r\n\r\n8jKS'y:G*Co,Wxa-");
    (client, backend)
}

/// Reads up to and with an end, and not a byte more.
fn until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    bytes
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_session_is_one_json_line() {
    let (listener, backend) = listen();
    let mut program = Program::serve(backend, &["--backend-dialect", "hixie-75"]);
    let (mut at_client, mut at_backend) = session(&program, &listener, "/a?secret=1");
    at_client.write_all(b"\0one\xff\0three\xff").unwrap();
    assert_eq!(until(&mut at_backend, b"three\xff"), b"\0one\xff\0three\xff");
    at_backend.write_all(b"\0\xe2\x82\xac\xff").unwrap();
    assert_eq!(until(&mut at_client, b"\xff"), b"\0\xe2\x82\xac\xff");
    at_client.write_all(b"\xff\0").unwrap();
    assert_eq!(rest(&mut at_backend), b"", "a Hixie-75 backend hears the end of the stream");
    drop(at_backend);
    assert_eq!(rest(&mut at_client), b"\xff\0");
    drop(at_client);
    let line = program.access_log.with("\"event\":\"close\"");
    for part in [
        "\"client\":\"hixie-76\"",
        "\"backend\":\"hixie-75\"",
        "\"messages_up\":2",
        "\"bytes_up\":8",
        "\"messages_down\":1",
        "\"bytes_down\":3",
        "\"path\":\"/a\"",
        "\"ended_by\":\"client\"",
        "\"how\":\"close\"",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    // A refused handshake has its line, too.
    let mut wire = TcpStream::connect(program.address).unwrap();
    wire.write_all(b"nonsense \"\\\x7f\xff\r\n\r\n").unwrap();
    assert!(rest(&mut wire).starts_with(b"HTTP/1.1 400 "));
    program.access_log.with("\"event\":\"refused\"");
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    for line in program.log.read.iter().chain(&program.access_log.read) {
        assert!(json::is_object(line), "not one JSON object: {line}");
        assert!(!line.contains("secret"), "the query is in the log: {line}");
    }
}

#[test]
fn a_signal_closes_the_sessions() {
    for signal in [Signal::TERM, Signal::INT] {
        let (listener, backend) = listen();
        let mut program = Program::serve(backend, &["--backend-dialect", "hixie-75"]);
        let (mut at_client, mut at_backend) = session(&program, &listener, "/");
        let (mut other, mut others) = session(&program, &listener, "/");
        program.signal(signal);
        for (client, backend) in [(&mut at_client, &mut at_backend), (&mut other, &mut others)] {
            let mut farewell = [0; 2];
            client.read_exact(&mut farewell).unwrap();
            assert_eq!(farewell, [0xff, 0x00]);
            client.write_all(&farewell).unwrap();
            assert_eq!(rest(backend), b"");
            backend.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(rest(client), b"");
            client.shutdown(std::net::Shutdown::Write).unwrap();
        }
        assert_eq!(program.wait().code(), Some(0));
        let ended =
            program.access_log.read.iter().filter(|line| line.contains("\"event\":\"close\""));
        assert_eq!(ended.clone().count(), 2, "{:#?}", program.access_log.read);
        assert!(ended.into_iter().all(|line| line.contains("\"how\":\"shutdown\"")));
        TcpListener::bind(program.address).expect("the port is free again");
    }
}

/// What logrotate sends: the access log goes on, wherever it is.
#[test]
fn a_signal_opens_the_access_log_again() {
    let (listener, backend) = listen();
    let mut program = Program::serve(backend, &["--backend-dialect", "hixie-75"]);
    program.signal(Signal::USR1);
    program.line_with("access log opened again");
    let session = session(&program, &listener, "/");
    program.access_log.with("\"event\":\"open\"");
    drop(session);
    program.access_log.with("\"event\":\"close\"");
}

/// A server is not to blame for the files that we do not have.
#[test]
fn files_that_run_out_are_no_fault_of_the_server() {
    let (listener, backend) = listen();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hybridge.toml");
    let text = format!(
        "[[listener]]\nname = \"web\"\naddress = [\"127.0.0.1:0\"]\n\
         [[backend]]\nname = \"chat\"\ndialect = \"hixie-75\"\n\
         [[backend.server]]\nurl = \"ws://{backend}\"\n\
         [backend.passive_health]\nfailures = 1\n\
         [[route]]\nname = \"all\"\nbackend = \"chat\"\n"
    );
    fs::write(&file, text).unwrap();
    let mut program = Program::with(&file);
    // With a session all is there that the program opens for itself.
    let _session = session(&program, &listener, "/");
    program.has_one_file_left();
    let mut client = TcpStream::connect(program.address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
        Origin: http://b\r\n\r\n";
    client.write_all(request).unwrap();
    assert!(until(&mut client, b"\r\n\r\n").starts_with(b"HTTP/1.1 503 "));
    drop(client);
    let line = program.line_with("handshake refused");
    assert!(line.contains("no socket left for the backend: Too many open files"), "{line}");
    program.limit_files(None);
    let _other = session(&program, &listener, "/");
    program.signal(Signal::TERM);
    program.wait();
    let lines = &program.log.read;
    assert!(!lines.iter().any(|line| line.contains("server is left alone")), "{lines:#?}");
}

/// More clients than there are files for are not let in, whatever the settings say.
#[test]
fn connections_are_limited_by_the_files() {
    let (_listener, backend) = listen();
    let mut command = Command::new("sh");
    // Of 232 files 192 are for other uses and 32 for connections kept to the server.
    command.args(["-c", "ulimit -n 232 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_hybridge")]);
    command.args(["--log-format", "json", "serve", "--listen", "127.0.0.1:0", "--backend"]);
    command.args([&*format!("ws://{backend}"), "--max-connections", "1000"]);
    let mut program = Program::start(command);
    let warned = program.log.read.iter().find(|line| line.contains("allows fewer connections"));
    assert!(warned.unwrap().contains("\"possible\":4"), "{warned:?}");
    let clients: Vec<_> = (0..4).map(|_| TcpStream::connect(program.address).unwrap()).collect();
    let mut client = TcpStream::connect(program.address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let answer = rest(&mut client);
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
    drop(clients);
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
}

/// A listener keeps its sockets for their addresses, whatever else is changed of it.
#[test]
fn a_reload_keeps_the_sockets_of_a_listener() {
    let folder = tempfile::tempdir().unwrap();
    let (file, path) = (folder.path().join("hybridge.toml"), folder.path().join("web.sock"));
    let with = |options: &str| {
        let text = format!(
            "[[listener]]\nname = \"web\"\naddress = [\"[::]:0\", \"unix:{}\"]\n{options}\n\
             [[route]]\nname = \"all\"\nrespond = {{ status = 404 }}\n",
            path.display()
        );
        fs::write(&file, text).unwrap();
    };
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    with("");
    let mut program = Program::with(&file);
    assert_eq!(mode(), 0o660);
    with("backlog = 16\nunix_mode = \"0600\"\nipv6_only = true\n");
    program.signal(Signal::HUP);
    program.line_with("\"reloaded\"");
    assert_eq!(mode(), 0o600);
    let lines = &program.log.read;
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
    let [warning] = *warnings else { panic!("not one warning: {lines:#?}") };
    assert!(warning.contains("\"listener\":\"web\""), "{warning}");
    assert!(warning.contains("ipv6_only takes effect at the next start"), "{warning}");
    let mut client = TcpStream::connect(program.address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    assert!(rest(&mut client).starts_with(b"HTTP/1.1 404 "));
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    assert!(!path.exists(), "the socket is still there");
}

/// Who hears that it is there may end it at once.
#[test]
fn signals_are_heard_before_it_says_that_it_listens() {
    let (_listener, backend) = listen();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    // The manager has so much to read that the program waits to tell it that it is ready.
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    let waiting = (0..).take_while(|_| other.send_to(b"X", &path).is_ok()).count();
    let backend = format!("ws://{backend}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--backend", &backend])
        .env("NOTIFY_SOCKET", &path);
    let mut program = Program::start(command);
    program.signal(Signal::TERM);
    for _ in 0..waiting {
        manager.recv(&mut [0]).unwrap();
    }
    for due in ["READY=1\n", "STOPPING=1\n"] {
        let mut message = [0; 64];
        let length = manager.recv(&mut message).unwrap();
        assert_eq!(str::from_utf8(&message[..length]).unwrap(), due);
    }
    assert_eq!(program.wait().code(), Some(0));
}

/// What a unit of `Type=notify` with `WatchdogSec=` hears (`sd_notify(3)`).
#[test]
fn systemd_is_told() {
    let (_listener, backend) = listen();
    let folder = std::env::temp_dir().join(format!("hybridge-notify-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let hear = || {
        let mut message = [0; 512];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let until = |word: &str| while !hear().contains(word) {};
    let backend = format!("ws://{backend}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--backend", &backend])
        .envs([("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")]);
    let mut program = Program::start(command);
    assert_eq!(hear(), "READY=1\n", "nothing comes before it");
    until("WATCHDOG=1");
    program.signal(Signal::TERM);
    until("STOPPING=1");
    assert_eq!(program.wait().code(), Some(0));
    fs::remove_dir_all(&folder).unwrap();
}

/// A second signal does not wait for anybody.
#[test]
fn a_second_signal_ends_it_at_once() {
    let (listener, backend) = listen();
    let mut program = Program::serve(backend, &["--backend-dialect", "hixie-75"]);
    let deaf = session(&program, &listener, "/");
    program.signal(Signal::TERM);
    program.line_with("shutting down");
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    assert!(program.log.read.iter().any(|line| line.contains("second signal")));
    drop(deaf);
}

/// As much of JSON as a log line has: an object of strings, numbers and words.
mod json {
    pub(super) fn is_object(text: &str) -> bool {
        let Some(mut rest) = text.strip_prefix('{') else { return false };
        loop {
            let Some(behind) = string(rest).and_then(|rest| rest.strip_prefix(':')) else {
                return false;
            };
            let Some(behind) = string(behind).or_else(|| word(behind)) else { return false };
            match behind.strip_prefix(',') {
                Some(next) => rest = next,
                None => return behind == "}",
            }
        }
    }

    /// What is behind a string.
    fn string(text: &str) -> Option<&str> {
        let mut chars = text.strip_prefix('"')?.chars();
        loop {
            match chars.next()? {
                '"' => return Some(chars.as_str()),
                '\\' => match chars.next()? {
                    'u' => {
                        let digits: Vec<_> = chars.by_ref().take(4).collect();
                        let whole = digits.len() == 4;
                        (whole && digits.iter().all(char::is_ascii_hexdigit)).then_some(())?;
                    }
                    escaped => "\"\\/bfnrt".contains(escaped).then_some(())?,
                },
                other if other < ' ' => return None,
                _ => {}
            }
        }
    }

    /// What is behind a number or a word.
    fn word(text: &str) -> Option<&str> {
        let end = text.find([',', '}'])?;
        let (word, rest) = text.split_at(end);
        let known = matches!(word, "true" | "false" | "null");
        (known || word.parse::<f64>().is_ok()).then_some(rest)
    }
}
