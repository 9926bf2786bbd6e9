use std::fmt;

use rand::{RngExt, seq::IteratorRandom};

/// The largest digit of a task; the smallest is 1, since the `captcha` crate draws no zero.
const NINE: u8 = 9;

/// A sum or difference of two digits with a positive result, and the seed that makes its picture
/// the same one each time. It gives the answer away, so it cannot be printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Task {
    pub(super) left: u8,
    pub(super) sign: Sign,
    pub(super) right: u8,
    pub(super) seed: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

impl Task {
    /// A new task. Every result from 1 to 18 is as likely as every other: a guess is right once
    /// in 18 times.
    ///
    /// The seed is a secret like the answer, and so is random: whoever could work it out, from the
    /// captcha's id for instance, could draw all tasks with it and compare.
    pub fn random() -> Self {
        let mut rng = rand::rng();
        let (answer, seed) = (rng.random_range(1..=2 * NINE), rng.random());
        all(seed)
            .filter(|task| task.answer() == answer)
            .choose(&mut rng)
            .expect("every result from 1 to 18 has a task")
    }

    /// The task that the table keeps as `text`, or `None` for what never was one.
    pub(super) fn parse(text: &str, seed: i64) -> Option<Self> {
        all(seed).find(|task| task.text() == text)
    }

    /// What the table keeps: `7 + 5`, `9 − 4`.
    pub(super) fn text(&self) -> String {
        let sign = match self.sign {
            Sign::Plus => '+',
            Sign::Minus => '−',
        };
        format!("{} {sign} {}", self.left, self.right)
    }

    /// The result, from 1 to 18.
    pub fn answer(&self) -> u8 {
        match self.sign {
            Sign::Plus => self.left + self.right,
            Sign::Minus => self.left - self.right,
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task(secret)")
    }
}

/// Every task that there is.
fn all(seed: i64) -> impl Iterator<Item = Task> {
    let pairs = || (1..=NINE).flat_map(|left| (1..=NINE).map(move |right| (left, right)));
    let sums = pairs().map(move |(left, right)| Task { left, sign: Sign::Plus, right, seed });
    let differences = pairs().filter(|(left, right)| left > right).map(move |(left, right)| Task {
        left,
        sign: Sign::Minus,
        right,
        seed,
    });
    sums.chain(differences)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_task_survives_the_table() {
        for task in all(7) {
            assert_eq!(Task::parse(&task.text(), 7), Some(task), "{}", task.text());
        }
    }

    #[test]
    fn what_never_was_a_task_is_none() {
        for text in ["", "7", "7 + 0", "4 − 4", "4 − 9", "7+5", "7 + 5 ", "10 + 1", "9 - 4"] {
            assert_eq!(Task::parse(text, 0), None, "{text:?}");
        }
    }

    #[test]
    fn the_answer_is_the_result() {
        assert_eq!(Task::parse("7 + 5", 0).unwrap().answer(), 12);
        assert_eq!(Task::parse("9 − 4", 0).unwrap().answer(), 5);
    }

    #[test]
    fn every_result_from_1_to_18_is_asked_for() {
        let asked: HashSet<u8> = (0..2000).map(|_| Task::random().answer()).collect();
        assert_eq!(asked, (1..=18).collect());
    }

    #[test]
    fn a_task_is_never_printed() {
        assert_eq!(format!("{:?}", Task::random()), "Task(secret)");
    }
}
