//! Which kernels a linear is lowered with, and how they cut the work.

use super::{GRID_WIDTH, Linear, TILE_ROWS};
use crate::gpu::KernelSpec;
use crate::ops::{Lowering, Operand, Reduce, Tile, Variants};

/// Invocations of a workgroup of `shaders/matvec_rows.wgsl`, with broadcasts in subgroups of four and without: few, so that two threads
/// share small matrices evenly, but as many as a CPU adapter's vectors have lanes; llvmpipe leaves half of eight idle in a
/// workgroup of four.
const ROWS_WORKGROUPS: [u32; 2] = [4, 8];
/// Rows up to which GPUs use `shaders/matvec_batch.wgsl`.
pub(super) const BATCH_ROWS: u32 = 8;

impl Linear {
    /// The kernels for a part of a matrix. A recording for several rows has some to choose from by the number of rows in a step: the
    /// grids of the others are empty. `in_bytes`: there are rows of x as bytes.
    pub(super) fn choices(&self, ctx: &Lowering<'_>, x: &Operand, shape: Shape, in_bytes: bool) -> Vec<Choice> {
        let choice = |kernel, quads, rows, steps| {
            let (groups, tiles) = (shape.n_quads.div_ceil(quads), Tiles { rows, steps });
            Choice { kernel, groups, group_rows: quads * 4, tiles, last: Last::Nothing, run: 1, lanes: 1 }
        };
        if ctx.max_rows == 1 {
            vec![self.matvec(ctx, x, shape)]
        } else if ctx.variants.matvec == Reduce::None {
            if x.outputs {
                // Mostly one row, by the largest matrix; and a kernel less to compile.
                let matvec = self.matvec(ctx, x, shape);
                return vec![Choice { tiles: Tiles { rows: 1, steps: (1, u32::MAX) }, ..matvec }];
            }
            let kernel = KernelSpec::new("matmul_rows").slot("ACT", ctx.variants.act()).constant("WORKGROUP", 8);
            vec![choice(kernel, 8 * 3, TILE_ROWS, (1, u32::MAX))]
        } else {
            let batch = choice(KernelSpec::new("matvec_batch"), 8, BATCH_ROWS, (1, BATCH_ROWS));
            let many = (BATCH_ROWS + 1, u32::MAX);
            let tile = |invocations| {
                let kernel = KernelSpec::new("matmul_tile").constant("WORKGROUP", invocations);
                choice(kernel.constant("X_TILE", 4 * invocations), 16, invocations / 2, many)
            };
            let tile = match ctx.variants.matmul {
                Tile::Int8 if in_bytes => {
                    Choice { last: Last::StepAndBytes, ..choice(KernelSpec::new("matmul_int8"), 16, 32, many) }
                }
                Tile::Rows64 => Choice { last: Last::Step, ..tile(128) },
                Tile::Rows32 | Tile::Int8 => Choice { last: Last::Step, ..tile(64) },
            };
            vec![Choice { last: Last::Step, ..batch }, tile]
        }
    }

    /// The kernel for one row.
    fn matvec(&self, ctx: &Lowering<'_>, x: &Operand, shape: Shape) -> Choice {
        if ctx.variants.matvec == Reduce::None {
            return self.matvec_rows(ctx, x, shape);
        }
        let workgroup = ctx.variants.matvec_workgroup;
        let pairs = self.gate.map_or(shape.n_quads.div_ceil(2), |gate| gate.offset / 4);
        let (run, lanes) = match shape.run {
            1 => (1, workgroup),
            most => shape.runs(most, pairs, &ctx.variants),
        };
        let mut kernel = match shape.run {
            1 => KernelSpec::new("matvec").slot("REDUCE", ctx.variants.matvec.file()),
            _ => KernelSpec::new("matvec_runs"),
        };
        kernel = kernel.constant("WORKGROUP", workgroup);
        kernel = match self.norm {
            Some(_) => kernel.slot("INPUT", "input/norm"),
            None => kernel.slot("INPUT", "input/plain").slot("ACT", "act/plain"),
        };
        kernel = match self.gate {
            Some(gate) => kernel.slot("EPILOGUE", "epilogue/gate").slot("FUNCTION", gate.function.file()),
            None => kernel.slot("EPILOGUE", "epilogue/rows"),
        };
        let last = if self.norm.is_some() { Last::Norm } else { Last::Nothing };
        let group_pairs = workgroup / lanes;
        let tiles = Tiles { rows: 1, steps: (1, 1) };
        Choice { kernel, groups: pairs.div_ceil(group_pairs), group_rows: 8 * group_pairs, tiles, last, run, lanes }
    }

    /// The same for CPU adapters: one pipeline for all linears of a format, where norms are prepared.
    fn matvec_rows(&self, ctx: &Lowering<'_>, x: &Operand, shape: Shape) -> Choice {
        let broadcast = ctx.variants.broadcast;
        let (input, epilogue, last) = match (&self.norm, broadcast) {
            (Some(_), true) if x.prepared.is_none() => ("input/norm_broadcast4", "epilogue/four", Last::Norm),
            (Some(_), false) => ("input/norm", "epilogue/four", Last::Norm),
            (_, true) => ("input/prepared", "epilogue/four_prepared", Last::PreparedNorm),
            (None, false) => ("input/plain", "epilogue/four", Last::Nothing),
        };
        let workgroup = ROWS_WORKGROUPS[usize::from(!broadcast)];
        let function = self.gate.map_or(ctx.gate, |gate| gate.function);
        let mut kernel = KernelSpec::new(if shape.run == 1 { "matvec_rows" } else { "matvec_rows_runs" })
            .constant("WORKGROUP", workgroup)
            .slot("INPUT", input)
            .slot("EPILOGUE", epilogue)
            .slot("FUNCTION", function.file());
        if !matches!(last, Last::Norm) {
            kernel = kernel.slot("ACT", ctx.variants.act());
        }
        let units = self.gate.map_or(shape.n_quads.div_ceil(4), |gate| gate.offset.div_ceil(8));
        let (groups, group_rows) = (units.div_ceil(workgroup), 16 * workgroup);
        Choice { kernel, groups, group_rows, tiles: Tiles { rows: 1, steps: (1, 1) }, last, run: 1, lanes: 1 }
    }
}

/// What of a part of a matrix says how its work is cut.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) n_quads: u32,
    /// Sub-blocks of a row.
    pub(super) row_blocks: u32,
    /// Of those, how many share words of scales.
    pub(super) run: u32,
}

impl Shape {
    /// How many sub-blocks an invocation of `matvec_runs` takes one after the other, and how many invocations share `pairs` pairs
    /// of quads: as long a run as leaves [`Variants::spread`] invocations, and no more invocations a pair than it has runs.
    fn runs(self, most: u32, pairs: u32, variants: &Variants) -> (u32, u32) {
        let mut run = most;
        while run > 1 && u64::from(pairs) * u64::from(self.row_blocks / run) < u64::from(variants.spread) {
            run /= 2;
        }
        let runs = self.row_blocks / run;
        let whole = runs >= variants.matvec_workgroup;
        (run, if whole { variants.matvec_workgroup } else { 1 << runs.max(1).ilog2() })
    }
}

/// A kernel, and how the work is cut.
#[derive(Clone)]
pub(super) struct Choice {
    pub(super) kernel: KernelSpec,
    /// Workgroups over the rows of w.
    pub(super) groups: u32,
    /// Rows of w of a workgroup.
    pub(super) group_rows: u32,
    /// Workgroups over the rows of x.
    pub(super) tiles: Tiles,
    /// What it binds last.
    pub(super) last: Last,
    /// Sub-blocks that an invocation of `matvec_runs` takes one after the other, and invocations a pair of quads.
    pub(super) run: u32,
    /// See `run`.
    pub(super) lanes: u32,
}

/// The last bindings of a kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Nothing,
    /// The weight of the norm of x.
    Norm,
    /// The weight of the norm of y that it prepares, if any.
    PreparedNorm,
    /// The step, to know where the rows of x end.
    Step,
    /// The step, and the rows of x as bytes.
    StepAndBytes,
}

/// Rows of x by tiles.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    /// Rows of a tile.
    pub(super) rows: u32,
    /// Fewest and most rows of the steps that the kernel is for.
    pub(super) steps: (u32, u32),
}

impl Tiles {
    /// How many tiles `n_rows` rows take; none in a step that the kernel is not for.
    pub(super) fn count(self, n_rows: u32) -> u32 {
        let (fewest, most) = self.steps;
        if (fewest..=most).contains(&n_rows) { n_rows.div_ceil(self.rows) } else { 0 }
    }

    /// The grid for `groups` workgroups a tile. Kernels for single rows, and for what is one tile, have it cut, since the
    /// width of a grid is limited.
    pub(super) fn grid(self, groups: u32, n_rows: u32) -> [u32; 3] {
        match self.count(n_rows) {
            0 => [0; 3],
            count if self.rows == 1 || self.steps.1 <= self.rows => {
                [groups.min(GRID_WIDTH), groups.div_ceil(GRID_WIDTH), count]
            }
            count => [groups, count, 1],
        }
    }
}
