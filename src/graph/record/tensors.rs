//! A checkpoint's tensors as the weights of a graph: each is there, has the shape that the configuration makes it, and is of a
//! size and format that kernels take.

use super::Recorder;
use crate::error::{Error, Result};
use crate::format::RowMap;
use crate::gpu::upload::RowTake;
use crate::graph::{Piece, Weight};
use crate::quant::Format;

/// The longest side of a matrix, and the widest value: what grids of 65,535 workgroups (WebGPU
/// `maxComputeWorkgroupsPerDimension`) take by every kernel, with room for three matrices side by side. The largest
/// published vocabularies have a quarter of it.
const MAX_DIM: u32 = 1 << 20;

impl Recorder<'_> {
    /// The weight of a norm.
    pub(super) fn norm_weight(&mut self, module: &str, len: u32) -> Result<usize> {
        let weight = self.weight(&format!("{module}.weight"), 1, len, RowTake::all(len), true)?;
        self.graph.weights[weight].plus = self.norm_weights_plus;
        Ok(weight)
    }

    /// A matrix `[rows, cols]`, or a vector `[cols]`, of the rows (the entries) that `take` takes of tensor `name`.
    pub(super) fn weight(&mut self, name: &str, rows: u32, cols: u32, take: RowTake, vector: bool) -> Result<usize> {
        let (piece, format) = self.piece(name, (rows, cols), take, vector, None)?;
        if format != format.whole() {
            return Err(Error::bad_file(format!("tensor {name} has but a part of each weight")).with("tensor", name));
        }
        let key = (piece.tensor, piece.take);
        if let Some(index) = self.weights.get(&key) {
            return Ok(*index);
        }
        let index = self.weight_of(name, (rows, cols), format, vector, vec![piece]);
        self.weights.insert(key, index);
        Ok(index)
    }

    /// A weight of these pieces.
    pub(super) fn weight_of(
        &mut self,
        name: &str,
        (rows, cols): (u32, u32),
        format: Format,
        vector: bool,
        pieces: Vec<Piece>,
    ) -> usize {
        self.graph.weights.push(Weight { name: name.to_owned(), rows, cols, format, vector, plus: 0.0, pieces });
        self.graph.weights.len() - 1
    }

    /// A matrix `[rows, cols]`, or a vector `[cols]`, as a piece of a weight, and the format that the weight has then. Of a
    /// tensor that is a stack of them, `of_stack` says which, and of how many.
    pub(super) fn piece(
        &self,
        name: &str,
        (rows, cols): (u32, u32),
        take: RowTake,
        vector: bool,
        of_stack: Option<(u32, u32)>,
    ) -> Result<(Piece, Format)> {
        let tensor = *self
            .by_name
            .get(name)
            .ok_or_else(|| Error::bad_file(format!("the file has no tensor {name}")).with("tensor", name))?;
        let info = &self.checkpoint.tensors[tensor];
        // Rows of the tensor, or entries of the vector.
        let taken = if vector { cols } else { rows };
        let stored = u64::from(taken / take.each.max(1)) * u64::from(take.period);
        let mut shape: Vec<u64> = of_stack.iter().map(|(_, count)| u64::from(*count)).collect();
        match (vector, take.by_columns) {
            (true, _) => shape.push(stored),
            (false, 0) => shape.extend([stored, u64::from(cols)]),
            (false, n) => shape.extend([u64::from(cols), u64::from(n)]),
        }
        // Weights of several heads, or taps, may be stored as a matrix, and vectors with dimensions of 1.
        let of_heads = vector && of_stack.is_none() && info.shape.iter().product::<u64>() == stored;
        // One row may be stored as a vector.
        let one_row = !vector && rows == 1 && take.by_columns == 0 && info.shape == [u64::from(cols)];
        if info.shape != shape && !of_heads && !one_row {
            return Err(Error::bad_file(format!(
                "tensor {name} has the shape {:?}, the configuration makes it {shape:?}",
                info.shape
            ))
            .with("tensor", name));
        }
        // What the file's own order asks for, unless the model knows one.
        let take = match info.row_map {
            RowMap::RopeInterleaved { head_dim } if take.head_dim == 0 => {
                RowTake { head_dim, rotary_dim: head_dim, ..take }
            }
            _ => take,
        };
        // Repacking counts stored blocks in 32 bits (`shaders/repack.wgsl`).
        let blocks = stored * u64::from(cols) / info.format.block_weights();
        if stored > u64::from(3 * MAX_DIM) || rows > MAX_DIM || cols > MAX_DIM || blocks > u64::from(u32::MAX) {
            return Err(Error::unsupported(
                format!("a tensor of {rows} × {cols}"),
                format!("tensor {name} of {rows} × {cols} weights is larger than doran takes"),
            )
            .with("tensor", name));
        }
        if (vector || take.by_columns > 0) && !info.format.is_float() {
            return Err(Error::unsupported(
                format!("{name} in {}", info.format.spec().name),
                format!(
                    "{name} is quantised; doran takes norm weights, biases and what is stored by columns as floats only"
                ),
            ));
        }
        info.format.row_bytes(shape[shape.len() - 1]).map_err(|error| error.during(name))?;
        let format = if vector || take.by_columns > 0 { Format::F32 } else { info.format };
        let of_stack = of_stack.unwrap_or((0, 1));
        Ok((Piece { tensor, row_offset: 0, rows: taken, take, of_stack }, format))
    }
}
