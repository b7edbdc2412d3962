//! Fair queuing of a number's texts: senders take turns, and users' texts are sent before automatic ones.
//!
//! Each text gets a turn when it is queued: one more than the last turn of its sender, but no earlier than the number's
//! current turn. So a sender's many texts are spread over many turns, and the first text of any other sender gets the
//! current turn (start-time fair queuing, Goyal, Vin and Cheng, 1996).

/// The turn of automatic texts, which is after all users' texts.
pub const AUTOMATIC: i64 = 1 << 40;

/// The most queued texts of one sender on one number.
pub const MAX_WAITING: i64 = 300;

/// The queue of a number at the time when a sender queues another text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The number of queued texts of the same sender.
    pub of_sender: i64,
    /// The last turn of the same sender's queued texts.
    pub last_of_sender: Option<i64>,
    /// The first turn of all queued texts.
    pub first: Option<i64>,
}

impl Waiting {
    /// The turn of the sender's next text; `None` if the sender already has [`MAX_WAITING`] queued texts.
    pub fn next_turn(&self) -> Option<i64> {
        if self.of_sender >= MAX_WAITING {
            return None;
        }
        let current = self.first.filter(|turn| *turn < AUTOMATIC).unwrap_or(0);
        Some(self.last_of_sender.map_or(current, |last| (last + 1).max(current)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue of texts by sender and turn, in the order in which they were queued.
    #[derive(Default)]
    struct Queue(Vec<(char, i64)>);

    impl Queue {
        fn queue(&mut self, sender: char) {
            let turns = || self.0.iter().filter(|(of, _)| *of == sender).map(|(_, turn)| *turn);
            let waiting = Waiting {
                of_sender: turns().count() as i64,
                last_of_sender: turns().max(),
                first: self.0.iter().map(|(_, turn)| *turn).min(),
            };
            self.0.push((sender, waiting.next_turn().unwrap()));
        }

        fn leave(&mut self) -> Option<char> {
            let (at, _) = self.0.iter().enumerate().min_by_key(|(at, (_, turn))| (*turn, *at))?;
            Some(self.0.remove(at).0)
        }

        fn leave_all(&mut self) -> String {
            std::iter::from_fn(|| self.leave()).collect()
        }
    }

    #[test]
    fn senders_take_turns() {
        let mut queue = Queue::default();
        "aaaaabbc".chars().for_each(|sender| queue.queue(sender));
        assert_eq!(queue.leave_all(), "abcabaaa");
    }

    #[test]
    fn a_text_behind_another_senders_long_queue_is_sent_second() {
        let mut queue = Queue::default();
        "a".repeat(25).chars().for_each(|sender| queue.queue(sender));
        let first: String = (0..10).filter_map(|_| queue.leave()).collect();
        assert_eq!(first, "a".repeat(10));
        queue.queue('b');
        assert!(queue.leave_all().starts_with("aba"));
    }

    #[test]
    fn a_sender_of_single_texts_gets_an_equal_share() {
        let mut queue = Queue::default();
        "aaaaaa".chars().for_each(|sender| queue.queue(sender));
        let mut left = String::new();
        for _ in 0..6 {
            queue.queue('b');
            left.extend(queue.leave());
            left.extend(queue.leave());
        }
        assert_eq!(left, "abababababab");
    }

    #[test]
    fn a_sender_has_a_limit_and_automatic_texts_do_not_set_the_turn() {
        let full = Waiting { of_sender: MAX_WAITING, last_of_sender: Some(299), first: Some(0) };
        assert_eq!(full.next_turn(), None);
        let automatic = Waiting { first: Some(AUTOMATIC), ..Waiting::default() };
        assert_eq!(automatic.next_turn(), Some(0));
    }
}
