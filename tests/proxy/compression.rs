//! permessage-deflate with one side only: the other speaks a draft that has none. The compressed end is
//! `flate2`, frame by frame.

use crate::harness::{Stage, step, within};
use crate::peers::framing::frame;
use crate::peers::hybi::request;
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Peer, Reply, Said};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use hybridge::config::route::Mode;
use hybridge::dialect::hybi::deflate::Compression as Setting;

/// What is not sent of what zlib flushes (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

fn pack(stream: &mut Compress, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 100);
    stream.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    out.strip_suffix(&TAIL).unwrap().to_vec()
}

/// A client of RFC 6455 that offers to compress, its backend, and what it was answered.
async fn session(stage: &Stage) -> (Wire, Peer, String) {
    let mut client = Wire::connect(stage.proxy.address).await;
    let mut request = request(Kind::Rfc6455, &Offer::default());
    let end = request.len() - 2;
    let offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    request.splice(end..end, offer.iter().copied());
    let reply = Reply::default();
    let open = async {
        client.write(request).await;
        let head = client.until(b"\r\n\r\n").await.unwrap();
        // The delimiter is gone, and the end of the last field with it.
        String::from_utf8(head).unwrap() + "\r\n"
    };
    let (answer, (backend, _)) =
        tokio::join!(open, Peer::accept(stage.backend, &stage.listener, &reply));
    (client, backend, answer)
}

async fn stage(backend: Kind, setting: Setting, mode: Mode) -> Stage {
    Stage::with(backend, |settings| {
        settings.routes[0].client_compression = setting;
        settings.routes[0].mode = mode;
    })
    .await
}

#[tokio::test]
async fn one_side_compresses() {
    let test = async {
        for backend in [Kind::Hixie76, Kind::Hybi08, Kind::Rfc6455] {
            let stage = stage(backend, Setting::On, Mode::Translate).await;
            let (mut client, mut backend, answer) = session(&stage).await;
            assert!(answer.contains("\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"));
            let text = "what is said, and what is said, and what is said".repeat(3);
            let mut packer = Compress::new(Compression::fast(), false);
            let mut reader = Decompress::new(false);
            for _ in 0..3 {
                client.write(frame(0xc1, &pack(&mut packer, text.as_bytes()), true)).await;
                assert_eq!(step("the backend hears", backend.hear()).await, Said::text(&*text));
                backend.say(&[Said::text(&*text)]).await;
                let head = client.take(2).await.unwrap();
                assert_eq!(head[0], 0xc1);
                let mut packed = client.take(usize::from(head[1])).await.unwrap();
                assert!(packed.len() < text.len());
                packed.extend(TAIL);
                let mut heard = Vec::with_capacity(1000);
                reader.decompress_vec(&packed, &mut heard, FlushDecompress::Sync).unwrap();
                assert_eq!(heard, text.as_bytes());
            }
            stage.stop().await;
        }
    };
    within("one_side_compresses", test).await;
}

/// A small read becomes far more than any buffer holds: it leaves as the backend takes it.
#[tokio::test]
async fn what_a_read_becomes_waits_for_the_other_side() {
    let test = async {
        let stage = stage(Kind::Hixie76, Setting::NoContextTakeover, Mode::Translate).await;
        let (mut client, mut backend, answer) = session(&stage).await;
        assert!(answer.contains("; server_no_context_takeover; client_no_context_takeover\r\n"));
        let long = "a".repeat(40 << 20);
        for text in [&*long, "behind"] {
            let packed = pack(&mut Compress::new(Compression::fast(), false), text.as_bytes());
            client.write(frame(0xc1, &packed, true)).await;
        }
        for text in [&*long, "behind"] {
            let heard = step("the backend hears", backend.hear()).await;
            assert!(heard == Said::text(text));
        }
        stage.stop().await;
    };
    within("what_a_read_becomes_waits_for_the_other_side", test).await;
}

#[tokio::test]
async fn nothing_is_negotiated_where_it_is_off_or_in_a_tunnel() {
    let test = async {
        for (setting, mode) in [(Setting::Off, Mode::Translate), (Setting::On, Mode::Tunnel)] {
            let stage = stage(Kind::Rfc6455, setting, mode).await;
            let (_, _, answer) = session(&stage).await;
            assert!(!answer.to_ascii_lowercase().contains("extensions"), "{answer}");
            stage.stop().await;
        }
    };
    within("nothing_is_negotiated_where_it_is_off_or_in_a_tunnel", test).await;
}
