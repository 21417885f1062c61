//! Answers of the kernel about sockets: any bytes are an error or an answer, and what is read
//! before an error is read again as the same.

use monopoll::internals::sys::linux::sock_diag::read_datagram;

/// The size of a message with one socket.
const MESSAGE_BYTES: usize = 16 + 72;

/// Takes a datagram.
pub(crate) fn check(datagram: &[u8]) {
    let mut found = Vec::new();
    let read = read_datagram(datagram, &mut found);
    assert!(found.len() <= datagram.len() / MESSAGE_BYTES, "{found:?}");
    if let Err(error) = &read {
        assert!(!error.to_string().is_empty());
    }
    // A message of another request, before it, changes nothing.
    let mut with_another = [16_u32.to_ne_bytes(), [3, 0, 2, 0], [9; 4], [0; 4]].concat();
    with_another.extend(datagram);
    let mut again = Vec::new();
    let read_again = read_datagram(&with_another, &mut again);
    let outcome = |read: &std::io::Result<_>| format!("{read:?}");
    assert_eq!((outcome(&read_again), again), (outcome(&read), found));
}
