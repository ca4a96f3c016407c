//! How much a pattern repeats, before anything is made of it.

/// Characters of a pattern at most, with repetitions written out: more is a mistake, or malice.
pub const MAX_SIZE: u64 = 5_000;

/// How long a pattern is with its repetitions written out.
#[derive(Default)]
pub struct Size {
    /// What stands before each group that is open.
    open: Vec<u64>,
    /// The parts before the last, and the last, which a repetition would repeat.
    before: u64,
    last: u64,
}

impl Size {
    /// A character of the pattern, or a class or an escape as one.
    pub fn take(&mut self, c: char) {
        self.before = self.before.saturating_add(self.last);
        self.last = 0;
        match c {
            '(' => {
                self.open.push(self.before);
                self.before = 0;
            }
            ')' => {
                self.last = self.before;
                self.before = self.open.pop().unwrap_or(0);
            }
            _ => self.last = 1,
        }
    }

    /// The last part, so often.
    pub fn repeat(&mut self, times: u64) {
        self.last = self.last.saturating_mul(times.max(1));
    }

    /// Refuses what is too long.
    pub fn check(&self) -> Result<(), String> {
        let size =
            self.open.iter().fold(self.before.saturating_add(self.last), |sum, before| sum.saturating_add(*before));
        if size <= MAX_SIZE {
            Ok(())
        } else {
            Err(format!(
                "the pattern repeats too much: written out it has {size} parts, and {MAX_SIZE} at most are taken"
            ))
        }
    }
}
