//! What the backend is told of a request, and the client of a response: all, but what ends at a hop.

use super::{exchange, message, ok, stage};
use crate::harness::within;
use crate::peers::wire::Wire;
use hybridge::config::values::Size;

fn names(head: &crate::peers::head::Head) -> Vec<&str> {
    head.fields.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn fields_pass_in_their_case_but_those_of_the_hop() {
    within("fields", async {
        let (stage, mut client) = stage(|_| {}).await;
        let request = "GET /a?b=%20 HTTP/1.1\r\nhost: a:81\r\nX-CamelCase: 1\r\nx-lower: 2\r\nCookie: a=b\r\n\
            Cookie: c=d\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 3\r\nKeep-Alive: 5\r\n\
            Proxy-Connection: keep-alive\r\nTE: gzip\r\n\r\n";
        let response = "HTTP/1.1 200 Fine\r\nSERVER: old/1\r\nDate: then\r\nset-cookie: a=1\r\n\
            set-cookie: b=2\r\nConnection: X-Back\r\nX-Back: 1\r\nKeep-Alive: timeout=5\r\n\
            Content-LENGTH: 2\r\n\r\nok";
        let (asked, got, backend) = exchange(&stage, &mut client, request, response).await;
        assert_eq!(asked.head.line, "GET /a?b=%20 HTTP/1.1");
        let mut seen = names(&asked.head);
        seen.retain(|name| !name.to_ascii_lowercase().starts_with("x-forwarded"));
        seen.sort_unstable();
        assert_eq!(seen, ["Cookie", "Cookie", "X-CamelCase", "host", "x-lower"]);
        assert_eq!(asked.head.get("host"), Some("a:81"));
        assert_eq!(asked.head.all("Cookie"), ["a=b", "c=d"]);
        assert_eq!(got.head.line, "HTTP/1.1 200 Fine");
        let mut seen = names(&got.head);
        seen.sort_unstable();
        assert_eq!(seen, ["Content-LENGTH", "Date", "SERVER", "set-cookie", "set-cookie"]);
        assert_eq!(got.head.all("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(got.body, b"ok");
        // None is invented.
        client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut backend = backend;
        message(&mut backend).await;
        backend.write(ok("")).await;
        assert_eq!(names(&message(&mut client).await.head), ["Content-Length"]);
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// Whatever a client says of the end of its request, the backend is told in one way.
#[tokio::test]
async fn the_end_of_a_request_is_said_in_one_way() {
    within("one way", async {
        let (stage, mut client) = stage(|_| {}).await;
        let mut backend = None;
        for (said, body, name, told) in [
            ("transfer-encoding:CHUNKED", "3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding", "chunked"),
            (
                "Transfer-Encoding: ,chunked,",
                "3\r\nabc\r\n0\r\n\r\n",
                "Transfer-Encoding",
                "chunked",
            ),
            (
                "Transfer-Encoding: \tChunked\r\nTransfer-Encoding:",
                "3\r\nabc\r\n0\r\n\r\n",
                "Transfer-Encoding",
                "chunked",
            ),
            ("Content-Length: 003", "abc", "Content-Length", "3"),
        ] {
            client.write(format!("POST / HTTP/1.1\r\nHost: a\r\n{said}\r\n\r\n{body}")).await;
            let backend = match &mut backend {
                Some(backend) => backend,
                none => none.insert(Wire::accept(&stage.listener).await),
            };
            let asked = message(backend).await;
            assert_eq!(
                (asked.head.get(name), &asked.body[..]),
                (Some(told), &b"abc"[..]),
                "{said}"
            );
            backend.write(ok("")).await;
            message(&mut client).await;
        }
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// Written with little space, so that what is made of it is longer; and what answers is as long.
#[tokio::test]
async fn heads_of_the_greatest_length() {
    within("long heads", async {
        const MOST: usize = 64 << 10;
        let (stage, mut client) =
            stage(|settings| settings.listeners[0].max_head = Size(MOST as u64)).await;
        let head = |start: &str, length: usize| {
            let start = format!("{start}{}Long:", "A:b\r\n".repeat(90));
            let room = length - start.len() - 4;
            format!("{start}{}\r\n\r\n", "x".repeat(room))
        };
        let get = "GET / HTTP/1.1\r\nHost:a\r\n";
        let done = "HTTP/1.1 200 OK\r\nContent-Length:0\r\n";
        let (asked, got, mut backend) =
            exchange(&stage, &mut client, head(get, MOST), head(done, MOST)).await;
        assert_eq!((asked.head.all("A").len(), got.head.all("A").len()), (90, 90));
        // It is not certain that a server has not acted on this one, so that it is not sent again.
        client.write("POST / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        message(&mut backend).await;
        backend.try_write(head(done, MOST + 1)).await;
        assert_eq!(message(&mut client).await.head.status(), 502);
        client.write(head(get, MOST + 1)).await;
        assert_eq!(message(&mut client).await.head.status(), 431);
        drop(client);
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn hosts_and_targets() {
    within("hosts", async {
        for (policy, line, target, host) in [
            ("preserve", "GET /", "/", "a:81"),
            ("new.example", "GET /", "/", "new.example"),
            ("preserve", "GET http://b/c/../%2F?x", "/c/../%2F?x", "b"),
            ("preserve", "GET http://b:8080", "/", "b:8080"),
            ("preserve", "OPTIONS *", "*", "a:81"),
            ("preserve", "GET //b//", "//b//", "a:81"),
            ("preserve", "GET /{\"a\"}|~!$&'()", "/{\"a\"}|~!$&'()", "a:81"),
        ] {
            let (stage, mut client) = stage(|settings| {
                settings.routes[0].host_header = policy.parse().unwrap();
            })
            .await;
            let request = format!("{line} HTTP/1.1\r\nHost: a:81\r\n\r\n");
            let (asked, _, backend) = exchange(&stage, &mut client, request, ok("")).await;
            let method = line.split(' ').next().unwrap();
            assert_eq!(asked.head.line, format!("{method} {target} HTTP/1.1"));
            assert_eq!(asked.head.get("Host"), Some(host));
            drop((client, backend));
            stage.stop().await;
        }
        let (stage, mut client) =
            stage(|settings| settings.routes[0].host_header = "backend".parse().unwrap()).await;
        let request = "GET / HTTP/1.1\r\nHost: a:81\r\n\r\n";
        let (asked, _, backend) = exchange(&stage, &mut client, request, ok("")).await;
        let own = stage.listener.local_addr().unwrap().to_string();
        assert_eq!(asked.head.get("Host"), Some(&*own));
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// Responses that end with their head, whatever it says of a length; the connections go on.
#[tokio::test]
async fn responses_without_a_body() {
    within("no body", async {
        let (stage, mut client) = stage(|_| {}).await;
        client.write("HEAD /0 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut backend = Wire::accept(&stage.listener).await;
        message(&mut backend).await;
        backend.write("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n").await;
        let head = crate::peers::head::Head::read(&mut client).await;
        assert_eq!((head.status(), head.get("Content-Length")), (200, Some("12345")));
        for (method, response) in [
            ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("HEAD", "HTTP/1.1 404 Not Found\r\n\r\n"),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
            ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
            ("GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"),
            (
                "GET",
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            ),
        ] {
            client.write(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            assert!(message(&mut backend).await.head.line.starts_with(method));
            backend.write(response).await;
            let head = crate::peers::head::Head::read(&mut client).await;
            assert!(response.contains(&format!("{}\r\n", head.line)), "{response}");
            // RFC 9110 section 8.6 and RFC 9112 section 6.1: neither stands in a 204.
            let framing = (head.get("Content-Length"), head.get("Transfer-Encoding"));
            assert!(head.status() != 204 || framing == (None, None), "{head:?}");
        }
        assert!(client.buffer.is_empty());
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}
