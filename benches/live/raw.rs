//! The peer: a loop that writes the same bytes to each of its connections and does nothing else. It runs as a second
//! process of this program.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The argument that starts this program as the peer.
pub(crate) const ARGUMENT: &str = "--raw-write-loop";

/// Runs the peer. Its first connection sends the frames to write; the other connections receive them.
pub(crate) fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let (mut control, _) = listener.accept().unwrap();
    let readers = Arc::new(Mutex::new(Vec::<TcpStream>::new()));
    std::thread::spawn({
        let readers = readers.clone();
        move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                readers.lock().unwrap().push(stream);
            }
        }
    });
    while let Some(frame) = read_frame(&mut control) {
        // Acknowledged first, as a webhook is answered before its text has reached all subscribers.
        control.write_all(b"!").unwrap();
        // Removes closed connections.
        readers.lock().unwrap().retain_mut(|stream| stream.write_all(&frame).is_ok());
    }
}

fn read_frame(control: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    match control.read_exact(&mut length) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
        read => read.unwrap(),
    }
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    control.read_exact(&mut frame).unwrap();
    Some(frame)
}

/// The peer process and its control connection.
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

    /// Sends a frame to be written to all connections. Returns the time of the acknowledgement.
    pub(crate) fn write(&mut self, frame: &[u8]) -> Instant {
        let mut request = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
        request.extend_from_slice(frame);
        self.control.write_all(&request).unwrap();
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
