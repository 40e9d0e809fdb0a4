//! Connections to the backend: kept, bounded, given up, and what is sent again when one of them is
//! closed in the wrong moment.

use super::{exchange, message, ok, stage};
use crate::harness::{Proxy, listen, millis, settings, step, within};
use crate::peers::Kind;
use crate::peers::head::Head;
use crate::peers::wire::{Ended, Wire, nobody};
use futures_util::FutureExt;
use hybridge::config::backend::{Balance, Server};
use hybridge::config::values::Period;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_connection_serves_other_clients_too() {
    within("kept for others", async {
        let (stage, mut client) = stage(|_| {}).await;
        let (_, _, mut backend) = exchange(&stage, &mut client, GET, ok("1")).await;
        let mut other = Wire::connect(stage.proxy.address).await;
        other.write(GET).await;
        message(&mut backend).await;
        // While it is in use there is a need for another one.
        client.write(GET).await;
        let mut second = Wire::accept(&stage.listener).await;
        message(&mut second).await;
        second.write(ok("2")).await;
        backend.write(ok("3")).await;
        assert_eq!(message(&mut client).await.body, b"2");
        assert_eq!(message(&mut other).await.body, b"3");
        drop((client, other, backend, second));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn none_is_kept_where_none_is_wanted() {
    within("none kept", async {
        let (stage, mut client) = stage(|settings| settings.backends[0].keep_alive = 0).await;
        for _ in 0..2 {
            let (.., mut backend) = exchange(&stage, &mut client, GET, ok("")).await;
            assert_eq!(backend.rest().await, (Vec::new(), Ended::Fin));
        }
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn one_that_nobody_wants_is_closed() {
    within("unwanted", async {
        let (stage, mut client) = stage(|_| {}).await;
        let (.., mut backend) = exchange(&stage, &mut client, GET, ok("")).await;
        assert_eq!(backend.rest().await, (Vec::new(), Ended::Fin));
        // And the next is a new one.
        drop(exchange(&stage, &mut client, GET, ok("")).await);
        drop(client);
        stage.stop().await;
    })
    .await;
}

/// The server closes a kept connection when it gets the next request: that has not been answered.
#[tokio::test]
async fn what_may_be_sent_again_is_sent_again_once() {
    within("again", async {
        for (request, again) in [
            (GET.to_owned(), true),
            (GET.replace("GET", "DELETE"), true),
            (GET.replace("GET", "POST"), false),
            ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na".to_owned(), false),
        ] {
            let (stage, mut client) = stage(|_| {}).await;
            let (_, _, mut backend) = exchange(&stage, &mut client, GET, ok("")).await;
            client.write(&request).await;
            message(&mut backend).await;
            drop(backend);
            if again {
                let mut fresh = Wire::accept(&stage.listener).await;
                let asked = message(&mut fresh).await;
                assert!(request.starts_with(&asked.head.line));
                fresh.write(ok("again")).await;
                assert_eq!(message(&mut client).await.body, b"again");
                // A fresh connection that fails is the server's failure.
                drop(fresh);
                client.write(&request).await;
                let mut fresh = Wire::accept(&stage.listener).await;
                message(&mut fresh).await;
                drop(fresh);
            }
            assert_eq!(message(&mut client).await.head.status(), 502);
            assert!(stage.listener.accept().now_or_never().is_none());
            drop(client);
            stage.stop().await;
        }
    })
    .await;
}

/// Answers that cannot be read.
fn unreadable() -> [String; 3] {
    [
        "garbage\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na".to_owned(),
        format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000)),
    ]
}

/// What the server has begun to answer is not asked again.
#[tokio::test]
async fn what_was_answered_is_not_sent_again() {
    within("not again", async {
        let part = "HTTP/1.1 200 OK\r\nContent-Le".to_owned();
        let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".to_owned();
        for answer in unreadable().into_iter().chain([part, interim]) {
            let (stage, mut client) = stage(|_| {}).await;
            let (_, _, mut backend) = exchange(&stage, &mut client, GET, ok("")).await;
            client.write(GET).await;
            message(&mut backend).await;
            backend.try_write(answer).await;
            backend.finish().await;
            assert_eq!(message(&mut client).await.head.status(), 502);
            assert!(stage.listener.accept().now_or_never().is_none());
            drop((client, backend));
            stage.stop().await;
        }
    })
    .await;
}

/// A server that answers works, be it that nobody can read it.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_failure() {
    within("no failure", async {
        for answer in unreadable() {
            let (second, address) = listen().await;
            let url = format!("ws://{address}").parse().unwrap();
            let (stage, mut client) = stage(|settings| {
                settings.backends[0].servers.push(Server::new(url));
                settings.backends[0].balance = Balance::RoundRobin;
                settings.backends[0].passive_health.failures = 1;
                settings.backends[0].passive_health.rest = Period::seconds(3600);
            })
            .await;
            for listener in [&stage.listener, &second, &stage.listener] {
                client.write(GET).await;
                let mut backend = step("a request", Wire::accept(listener)).await;
                message(&mut backend).await;
                backend.try_write(&answer).await;
                backend.finish().await;
                assert_eq!(message(&mut client).await.head.status(), 502);
            }
            drop(client);
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_backends_do_wrong() {
    within("wrong backends", async {
        for response in [
            "",
            "garbage\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Le",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
            "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\na",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ] {
            let (stage, mut client) = stage(|_| {}).await;
            client.write(GET).await;
            let mut backend = Wire::accept(&stage.listener).await;
            message(&mut backend).await;
            backend.try_write(response).await;
            backend.finish().await;
            let got = message(&mut client).await;
            assert_eq!(
                (got.head.status(), &got.body[..]),
                (502, &b"Bad Gateway\n"[..]),
                "{response}"
            );
            // The client's connection is as good as before.
            let (_, got, backend) = exchange(&stage, &mut client, GET, ok("well")).await;
            assert_eq!(got.body, b"well");
            drop((client, backend));
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn backends_that_do_nothing() {
    within("silent backends", async {
        let (stage, mut client) =
            stage(|settings| settings.routes[0].limits.response = millis(200)).await;
        client.write(GET).await;
        let mut backend = Wire::accept(&stage.listener).await;
        message(&mut backend).await;
        assert_eq!(message(&mut client).await.head.status(), 504);
        assert_eq!(backend.rest().await, (Vec::new(), Ended::Fin));
        drop(client);
        stage.stop().await;
        let (_held, address) = nobody();
        let proxy = Proxy::start(settings(address, Some(Kind::Rfc6455.dialect()))).await;
        let mut client = Wire::connect(proxy.address).await;
        client.write(GET).await;
        assert_eq!(message(&mut client).await.head.status(), 502);
        drop(client);
        proxy.stop().await;
    })
    .await;
}

/// A response without a length ends with the connection, and one that is cut is not made whole.
#[tokio::test]
async fn the_end_of_a_response_is_the_backends() {
    within("ends", async {
        let (stage, mut client) = stage(|_| {}).await;
        client.write(GET).await;
        let mut backend = Wire::accept(&stage.listener).await;
        message(&mut backend).await;
        backend.write("HTTP/1.0 200 OK\r\n\r\nall of it").await;
        backend.finish().await;
        let got = message(&mut client).await;
        assert_eq!((&*got.head.line, &got.body[..]), ("HTTP/1.1 200 OK", &b"all of it"[..]));
        for start in
            ["Content-Length: 9\r\n\r\npart", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"]
        {
            let mut client = Wire::connect(stage.proxy.address).await;
            client.write(GET).await;
            let mut backend = Wire::accept(&stage.listener).await;
            message(&mut backend).await;
            backend.write(format!("HTTP/1.1 200 OK\r\n{start}")).await;
            backend.finish().await;
            Head::read(&mut client).await;
            let (rest, _) = client.rest().await;
            assert!(rest.ends_with(b"part") || rest.ends_with(b"part\r\n"), "{rest:?}");
        }
        drop(client);
        stage.stop().await;
    })
    .await;
}
