//! Writes a large capture, the same for the same arguments: thousands of sessions at a time, some
//! segments again, some in another order, and an end of each in order.

mod packet;
mod session;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use anyhow::Result;
use clap::Parser;
use packet::Packets;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use session::Session;

#[derive(Parser)]
#[command(about = "Writes a large pcap of WebSocket sessions")]
struct Options {
    /// How long it is to be, in bytes; sessions that are open then still come to their end.
    #[arg(long, default_value_t = 1_000_000_000)]
    size: u64,
    /// How many sessions are open at a time.
    #[arg(long, default_value_t = 4000)]
    sessions: u32,
    /// Messages of a session, about.
    #[arg(long, default_value_t = 200)]
    messages: u32,
    /// Where to; `-` is standard output.
    #[arg(default_value = "-")]
    file: PathBuf,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let standard = options.file.as_os_str() == "-";
    let out: Box<dyn Write> = if standard {
        Box::new(io::stdout().lock())
    } else {
        Box::new(File::create(&options.file)?)
    };
    write(&options, BufWriter::with_capacity(1 << 20, out))
}

fn write(options: &Options, out: impl Write) -> Result<()> {
    let mut random = StdRng::seed_from_u64(1);
    let mut packets = Packets::new(out)?;
    let mut count = 0;
    let mut open: Vec<Session> = Vec::new();
    let begin = |count: &mut u32, random: &mut StdRng| {
        *count += 1;
        let messages = random.random_range(options.messages / 2..=options.messages * 3 / 2);
        Session::new(*count, messages)
    };
    for _ in 0..options.sessions {
        open.push(begin(&mut count, &mut random));
    }
    while !open.is_empty() {
        let at = random.random_range(0..open.len());
        let full = packets.written() >= options.size;
        if full {
            open[at].hurry();
        }
        if open[at].step(&mut random, &mut packets)? {
            continue;
        }
        if full {
            open.swap_remove(at);
        } else {
            open[at] = begin(&mut count, &mut random);
        }
    }
    packets.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(size: u64) -> Vec<u8> {
        let options = Options { size, sessions: 20, messages: 10, file: PathBuf::new() };
        let mut out = Vec::new();
        write(&options, &mut out).unwrap();
        out
    }

    #[test]
    fn it_is_the_same_again_and_as_long_as_wanted() {
        let first = written(1_000_000);
        assert!((1_000_000..2_000_000).contains(&first.len()), "{} bytes", first.len());
        assert!(first == written(1_000_000));
    }

    #[test]
    fn records_follow_each_other_to_the_end() {
        let bytes = written(300_000);
        let mut rest = &bytes[24..];
        let mut syns = 0;
        while !rest.is_empty() {
            let length = u32::from_le_bytes(*rest[8..].first_chunk().unwrap()) as usize;
            let ip = &rest[16 + 14..16 + length];
            assert_eq!(usize::from(u16::from_be_bytes([ip[2], ip[3]])), ip.len());
            syns += usize::from(ip[20 + 13] == 0x02);
            rest = &rest[16 + length..];
        }
        assert!(syns >= 20, "{syns}");
    }
}
