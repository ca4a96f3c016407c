//! Which rows of a stored tensor a matrix takes, and in which order.

/// Which rows of a stored tensor go into a matrix (or which entries into a vector), and in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RowTake {
    /// Of every `period` stored rows, those from `first` on …
    pub first: u32,
    /// … this many.
    pub each: u32,
    /// See `first`.
    pub period: u32,
    /// Rows of a rotary head whose pairs stand side by side, or 0: of the rows taken, row `2 i + j` of a head becomes row
    /// `j · rotary_dim / 2 + i`.
    pub head_dim: u32,
    /// The first rows of a head, which are so ordered; the others stay.
    pub rotary_dim: u32,
    /// Length of a stored row if the tensor is stored by columns (`[cols, rows]`), so that its "rows" are columns; 0 otherwise.
    pub by_columns: u32,
}

impl RowTake {
    /// All of `rows` rows, as they are.
    pub fn all(rows: u32) -> Self {
        Self { each: rows, period: rows, ..Self::default() }
    }

    /// Where stored row `row` goes.
    pub fn place_of(&self, row: usize) -> Option<usize> {
        let [first, each, period, head_dim, rotary_dim] =
            [self.first, self.each, self.period, self.head_dim, self.rotary_dim].map(|n| n as usize);
        let taken = row / period * each + (row % period).checked_sub(first).filter(|r| *r < each)?;
        if head_dim == 0 || taken % head_dim >= rotary_dim {
            return Some(taken);
        }
        let r = taken % head_dim;
        Some(taken - r + r % 2 * (rotary_dim / 2) + r / 2)
    }

    /// The stored row that goes to `row`.
    pub fn stored(&self, row: usize) -> usize {
        let [first, each, period, head_dim, rotary_dim] =
            [self.first, self.each, self.period, self.head_dim, self.rotary_dim].map(|n| n as usize);
        let mut taken = row;
        if head_dim != 0 && row % head_dim < rotary_dim {
            let (r, half) = (row % head_dim, rotary_dim / 2);
            taken = row - r + 2 * (r % half) + r / half;
        }
        taken / each * period + first + taken % each
    }
}
