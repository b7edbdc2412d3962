//! The peer: a program that writes the same bytes to each of its connections, in a loop, and does
//! nothing else. It is this program again, as a process of its own.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What makes this program the peer.
pub(crate) const ARGUMENT: &str = "--raw-write-loop";

/// The peer's side. Its first connection says what to write; the others get it.
pub(crate) fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let (mut control, _) = listener.accept().unwrap();
    let audience = Arc::new(Mutex::new(Vec::<TcpStream>::new()));
    std::thread::spawn({
        let audience = audience.clone();
        move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                audience.lock().unwrap().push(stream);
            }
        }
    });
    while let Some(frame) = told(&mut control) {
        // Said first, as a webhook is answered before its text has reached everybody.
        control.write_all(b"!").unwrap();
        // Those that have hung up are let go of.
        audience.lock().unwrap().retain_mut(|stream| stream.write_all(&frame).is_ok());
    }
}

fn told(control: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    match control.read_exact(&mut length) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
        read => read.unwrap(),
    }
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    control.read_exact(&mut frame).unwrap();
    Some(frame)
}

/// Our side of it.
pub(crate) struct Raw {
    pub(crate) address: SocketAddr,
    control: TcpStream,
    child: Child,
}

impl Raw {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(ARGUMENT).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap();
        let control = TcpStream::connect(address).unwrap();
        control.set_nodelay(true).unwrap();
        control.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { address, control, child }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Has these bytes written to everybody; gives when it said that it would.
    pub(crate) fn write(&mut self, frame: &[u8]) -> Instant {
        let mut told = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
        told.extend_from_slice(frame);
        self.control.write_all(&told).unwrap();
        self.control.read_exact(&mut [0]).unwrap();
        Instant::now()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
