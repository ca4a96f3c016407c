//! Recording rows of tables: by token, by position, one for all.

use super::{Recorder, Var, short};
use crate::error::Result;
use crate::gpu::upload::RowTake;
use crate::ops::Op;
use crate::ops::embedding::{Embedding, TableRow};

impl Recorder<'_> {
    /// Embeddings of the step's tokens → `[tokens, hidden_size]`.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` is missing or not `[vocab_size, hidden_size]`.
    pub fn embedding(&mut self, module: &str, vocab_size: u32, hidden_size: u32) -> Result<Var> {
        self.scaled_embedding(module, vocab_size, hidden_size, 1.0)
    }

    /// The same, times `scale`.
    ///
    /// # Errors
    /// As [`Recorder::embedding`].
    pub fn scaled_embedding(&mut self, module: &str, vocab_size: u32, hidden_size: u32, scale: f32) -> Result<Var> {
        self.rows_of(module, vocab_size, hidden_size, scale, TableRow::Token)
    }

    /// Learned embeddings of the step's positions, the first in row `first` of a table of `rows` → `[tokens, hidden_size]`.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` is missing or not `[rows, hidden_size]`.
    pub fn positions(&mut self, module: &str, rows: u32, hidden_size: u32, first: u32) -> Result<Var> {
        self.rows_of(module, rows, hidden_size, 1.0, TableRow::Position(first))
    }

    /// The same of a text's tokens but `padding`, which has the row of that number; the first of the others has the next. For
    /// encoders.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` is missing or not `[rows, hidden_size]`.
    pub fn positions_past_padding(&mut self, module: &str, rows: u32, hidden_size: u32, padding: u32) -> Result<Var> {
        self.rows_of(module, rows, hidden_size, 1.0, TableRow::PastPadding(padding))
    }

    /// Row `row` of a table of `rows` in each of the step's rows → `[tokens, hidden_size]`.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` is missing or not `[rows, hidden_size]`.
    pub fn fixed_row(&mut self, module: &str, rows: u32, hidden_size: u32, row: u32) -> Result<Var> {
        self.rows_of(module, rows, hidden_size, 1.0, TableRow::Fixed(row))
    }

    fn rows_of(&mut self, module: &str, rows: u32, cols: u32, scale: f32, row: TableRow) -> Result<Var> {
        let weight = self.weight(&format!("{module}.weight"), rows, cols, RowTake::all(rows), false)?;
        let op = Op::Embedding(Embedding { weight, scale, row });
        Ok(self.push(op, &[], short(module), cols, false))
    }
}
