//! Ends: of the client, and of the server.

use super::{ends, exchange, message, ok, stage};
use crate::harness::{Proxy, listen, millis, settings, within};
use crate::peers::wire::{Ended, Wire};
use hybridge::config::values::Period;
use hybridge::server::Server;

const GET: &str = "GET /poll HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn who_leaves_is_not_worked_for() {
    within("client gone", async {
        let (stage, client) = stage(|_| {}).await;
        drop(client);
        for reset in [false, true] {
            for request in [GET, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"] {
                let mut client = Wire::connect(stage.proxy.address).await;
                client.write(request).await;
                let mut backend = Wire::accept(&stage.listener).await;
                crate::peers::head::Head::read(&mut backend).await;
                match reset {
                    true => client.reset(),
                    false => drop(client),
                }
                let (rest, ended) = backend.rest().await;
                assert!(ended == Ended::Fin && (rest.is_empty() || rest == b"half"), "{rest:?}");
            }
        }
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_waits_for_what_runs_and_for_nothing_else() {
    within("shutdown", async {
        let (stage, mut idle) = stage(|_| {}).await;
        let (_, _, mut backend) = exchange(&stage, &mut idle, GET, ok("")).await;
        let mut running = Wire::connect(stage.proxy.address).await;
        running.write(GET).await;
        message(&mut backend).await;
        let served = stage.proxy.leave();
        ends(idle).await;
        backend.write(ok("last")).await;
        let last = message(&mut running).await;
        assert_eq!((&last.body[..], last.head.get("Connection")), (&b"last"[..], Some("close")));
        ends(running).await;
        served.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    within("shutdown deadline", async {
        let (stage, mut client) = stage(|settings| settings.shutdown_deadline = millis(300)).await;
        client.write(GET).await;
        let mut backend = Wire::accept(&stage.listener).await;
        message(&mut backend).await;
        let served = stage.proxy.leave();
        assert_eq!(client.rest().await.0, b"");
        assert_eq!(backend.rest().await, (Vec::new(), Ended::Fin));
        served.await.unwrap().unwrap();
    })
    .await;
}

/// A drain has its window for what a shutdown would have cut off, and ends with the last of it.
#[tokio::test]
async fn a_drain_lets_responses_come_to_their_end() {
    within("drain", async {
        let (listener, backend) = listen().await;
        let mut settings = settings(backend, None);
        (settings.drain_window, settings.shutdown_deadline) = (Period::seconds(600), millis(0));
        let server = Server::bind(settings).await.unwrap();
        let control = server.control();
        let proxy = Proxy::of(server);
        let mut client = Wire::connect(proxy.address).await;
        client.write(GET).await;
        let mut backend = Wire::accept(&listener).await;
        message(&mut backend).await;
        backend.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
        client.until(b"\r\n\r\n").await.unwrap();
        control.drain().await;
        let (refused, _) = Wire::connect(proxy.address).await.rest().await;
        assert!(refused.starts_with(b"HTTP/1.1 503 "), "{}", refused.escape_ascii());
        backend.write("last").await;
        assert_eq!(client.rest().await, (b"last".to_vec(), Ended::Fin));
        drop(client);
        proxy.ended().await;
    })
    .await;
}

/// Who has not ended behind the window has the shutdown deadline, and not that twice.
#[tokio::test]
async fn a_drain_has_one_deadline_behind_its_window() {
    within("drain deadline", async {
        let (listener, address) = listen().await;
        let mut settings = settings(address, None);
        (settings.drain_window, settings.shutdown_deadline) = (millis(0), millis(2000));
        let server = Server::bind(settings.clone()).await.unwrap();
        let control = server.control();
        let drained = Proxy::of(server);
        // Less than twice as long, and told first.
        settings.shutdown_deadline = millis(3800);
        let stopped = Proxy::start(settings).await;
        let (mut clients, mut backends) = (Vec::new(), Vec::new());
        for proxy in [&drained, &stopped] {
            let mut client = Wire::connect(proxy.address).await;
            client.write(GET).await;
            let mut backend = Wire::accept(&listener).await;
            message(&mut backend).await;
            clients.push(client);
            backends.push(backend);
        }
        let served = stopped.leave();
        control.drain().await;
        let [first, second] = &mut clients[..] else { panic!("two clients") };
        tokio::select! {
            (rest, _) = first.rest() => assert_eq!(rest, b""),
            _ = second.rest() => panic!("the drain takes longer"),
        }
        drained.ended().await;
        backends[1].write(ok("")).await;
        served.await.unwrap().unwrap();
    })
    .await;
}

/// A client that takes nothing of its response holds it no longer than it may.
#[tokio::test]
async fn who_takes_nothing_is_left() {
    within("deaf client", async {
        let (stage, mut client) =
            stage(|settings| settings.routes[0].limits.body_idle = millis(300)).await;
        client.write(GET).await;
        let mut backend = Wire::accept(&stage.listener).await;
        message(&mut backend).await;
        backend.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40)).await;
        use tokio::io::AsyncWriteExt;
        while backend.stream.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
        drop(client);
        stage.stop().await;
    })
    .await;
}
