use std::{fmt, ops::RangeInclusive};

use rand::{RngExt, seq::IteratorRandom};

/// Every result: of each there is a task, from `11 − 9` to `99 + 9`.
const ANSWERS: RangeInclusive<u8> = 2..=108;

/// A sum or difference with a positive result, like `34 + 7` or `52 − 9`, and the seed that makes its
/// picture the same one each time. It gives the answer away, so it cannot be printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// From 11 to 99, without a zero: the `captcha` crate draws none.
    pub(super) left: u8,
    pub(super) sign: Sign,
    /// From 1 to 9.
    pub(super) right: u8,
    pub(super) seed: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

impl Task {
    /// A new task. Every result from 2 to 108 is as likely as every other: a guess is right once in
    /// 107 times.
    ///
    /// The seed is a secret like the answer, and so is random: whoever could work it out, from the
    /// captcha's id for instance, could draw all tasks with it and compare.
    pub fn random() -> Self {
        let mut rng = rand::rng();
        let (answer, seed) = (rng.random_range(ANSWERS), rng.random());
        all(seed)
            .filter(|task| task.answer() == answer)
            .choose(&mut rng)
            .expect("every result from 2 to 108 has a task")
    }

    /// The task that the table keeps as `text`, or `None` for what never was one.
    pub(super) fn parse(text: &str, seed: i64) -> Option<Self> {
        all(seed).find(|task| task.text() == text)
    }

    /// What the table keeps: `34 + 7`, `52 − 9`.
    pub(super) fn text(&self) -> String {
        let sign = match self.sign {
            Sign::Plus => '+',
            Sign::Minus => '−',
        };
        format!("{} {sign} {}", self.left, self.right)
    }

    /// The result, from 2 to 108.
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
    let lefts = (11..=99).filter(|left| left % 10 != 0);
    lefts.flat_map(move |left| {
        (1..=9).flat_map(move |right| [Sign::Plus, Sign::Minus].map(|sign| Task { left, sign, right, seed }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_survives_the_table() {
        for task in all(7) {
            assert_eq!(Task::parse(&task.text(), 7), Some(task), "{}", task.text());
        }
    }

    #[test]
    fn what_never_was_a_task_is_none() {
        for text in ["", "34", "7 + 5", "34 + 0", "30 + 4", "34+7", "34 + 7 ", "34 + 10", "100 + 1", "34 - 7"]
        {
            assert_eq!(Task::parse(text, 0), None, "{text:?}");
        }
    }

    #[test]
    fn the_answer_is_the_result() {
        assert_eq!(Task::parse("34 + 7", 0).unwrap().answer(), 41);
        assert_eq!(Task::parse("52 − 9", 0).unwrap().answer(), 43);
    }

    #[test]
    fn every_result_from_2_to_108_is_as_likely_as_every_other() {
        const TIMES: usize = 200;
        let mut asked = [0; 256];
        for _ in 0..TIMES * ANSWERS.len() {
            asked[usize::from(Task::random().answer())] += 1;
        }
        for (answer, times) in (0..=u8::MAX).zip(asked) {
            // Chance stays within six standard deviations, each of about 14.
            let expected = if ANSWERS.contains(&answer) { TIMES - 85..=TIMES + 85 } else { 0..=0 };
            assert!(expected.contains(&times), "{answer} was asked for {times} times");
        }
    }

    #[test]
    fn a_task_is_never_printed() {
        assert_eq!(format!("{:?}", Task::random()), "Task(secret)");
    }
}
