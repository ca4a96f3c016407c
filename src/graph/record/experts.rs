//! Words for mixtures of experts (Shazeer et al. 2017).

use super::{Recorder, Var, short};
use crate::error::{Error, Result};
use crate::gpu::upload::RowTake;
use crate::graph::Piece;
use crate::ops::expert_linear::{ExpertLinear, expert_rows};
use crate::ops::expert_sum::ExpertSum;
use crate::ops::route::{MAX_CHOSEN, MAX_EXPERTS, ROUTE_WIDTH, Route};
use crate::ops::{Op, row_stride};
use crate::quant::Format;

/// Which experts each row is given to.
#[derive(Clone, Copy, Debug)]
pub struct Routes {
    routes: Var,
    experts: u32,
    chosen: u32,
}

/// What the files call a linear that every expert has.
#[derive(Clone, Copy, Debug)]
pub struct ExpertModule<'a> {
    /// The module of the experts, e.g. `model.layers.3.mlp.experts`.
    pub experts: &'a str,
    /// The linear, e.g. `gate_proj`. Its weights are `{experts}.{linear}.weight`, `[experts, out, in]`, or one
    /// `{experts}.{expert}.{linear}.weight` an expert, `[out, in]`; biases likewise.
    pub linear: &'a str,
    /// Where the files may have it otherwise.
    pub packed: Option<Packed<'a>>,
}

/// A linear of gpt-oss: `{experts}.{tensor}`, `[experts, in, period · out]`, of whose columns one in `period` is the linear's,
/// from `first` on; biases are `{experts}.{tensor}_bias`, `[experts, period · out]`. In MXFP4 codes and scales are
/// `{experts}.{tensor}_blocks` and `…_scales`, both by rows.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    /// See above.
    pub tensor: &'a str,
    /// See above.
    pub first: u32,
    /// See above.
    pub period: u32,
}

impl Recorder<'_> {
    /// The `chosen` experts of each row, by the largest of `logits: [tokens, experts]`. Their weights are a softmax over all
    /// experts or, normalised, over the chosen ones.
    ///
    /// # Errors
    /// `unsupported` for more experts than kernels take; `bad_file` for more chosen than there are, or none.
    pub fn route(&mut self, name: &str, logits: Var, chosen: u32, normalised: bool) -> Result<Routes> {
        let experts = self.width(logits);
        if experts > MAX_EXPERTS || chosen > MAX_CHOSEN {
            let what = format!("{chosen} of {experts} experts");
            let message = format!("{what} are more than the {MAX_CHOSEN} of {MAX_EXPERTS} that doran takes");
            return Err(Error::unsupported(what, message));
        }
        if !(1..=experts).contains(&chosen) {
            return Err(Error::bad_file(format!("a token cannot be given to {chosen} of {experts} experts")));
        }
        let op = Op::Route(Route { chosen, normalised });
        let routes = self.push(op, &[logits], format!("{}.routes", short(name)), ROUTE_WIDTH, false);
        Ok(Routes { routes, experts, chosen })
    }

    /// `x · weightᵀ + bias` by each expert of a row. `x: [tokens, in_features]`, or what such a linear gave → `[tokens,
    /// chosen, out_features]`, each expert's columns from a multiple of 32 on.
    ///
    /// # Errors
    /// `bad_file` if a tensor is missing or has another shape; `unsupported` if experts are stored in different formats.
    pub fn expert_linear(
        &mut self,
        module: ExpertModule<'_>,
        routes: Routes,
        x: Var,
        [in_features, out_features]: [u32; 2],
        bias: bool,
    ) -> Result<Var> {
        let Routes { routes, experts, chosen } = routes;
        let weight = self.stack(module, "weight", experts, (out_features, in_features), false)?;
        let bias = bias.then(|| self.stack(module, "bias", experts, (1, out_features), true)).transpose()?;
        let width = self.width(x);
        let spread = width != in_features && width == chosen * row_stride(in_features);
        if !spread && width != in_features {
            return Err(Error::internal(format!("experts of {in_features} inputs are given {width}")));
        }
        let op = Op::ExpertLinear(ExpertLinear { weight, bias, experts, chosen, out_features, spread });
        let name = short(&format!("{}.{}", module.experts, module.linear));
        Ok(self.push(op, &[x, routes], name, chosen * row_stride(out_features), false))
    }

    /// The sum of what a row's experts gave, by their weights. `x: [tokens, chosen, width]`, as [`Recorder::expert_linear`]
    /// gives it → `[tokens, width]`.
    pub fn expert_sum(&mut self, name: &str, routes: Routes, x: Var, width: u32) -> Var {
        let Routes { routes, chosen, .. } = routes;
        self.push(Op::ExpertSum(ExpertSum { chosen, residual: false }), &[x, routes], short(name), width, false)
    }

    /// The matrices `[rows, cols]`, or vectors `[cols]`, of all experts as one weight.
    fn stack(
        &mut self,
        module: ExpertModule<'_>,
        part: &str,
        experts: u32,
        (rows, cols): (u32, u32),
        vector: bool,
    ) -> Result<usize> {
        let ExpertModule { experts: at, linear, packed } = module;
        let each = if vector { cols } else { rows };
        let (mut whole, mut take) = (format!("{at}.{linear}.{part}"), RowTake::all(each));
        // Of a format in two tensors, the second.
        let mut scales = None;
        if let Some(Packed { tensor, first, period }) = packed {
            let columns = format!("{at}.{tensor}");
            let blocks = format!("{columns}_blocks");
            let spaced = RowTake { first, each: 1, period, ..RowTake::default() };
            let rows = if period == 1 { take } else { spaced };
            if vector && self.has(&format!("{columns}_bias")) {
                (whole, take) = (format!("{columns}_bias"), rows);
            } else if !vector && self.has(&columns) {
                (whole, take) = (columns, RowTake { by_columns: each * period, ..rows });
            } else if !vector && self.has(&blocks) {
                (whole, take, scales) = (blocks, rows, Some(format!("{columns}_scales")));
            }
        }
        let (mut pieces, mut formats) = (Vec::<Piece>::new(), Vec::<Format>::new());
        let is_whole = self.has(&whole);
        for expert in 0..experts {
            let (name, of_stack) = match is_whole {
                true => (whole.clone(), Some((expert, experts))),
                false => (format!("{at}.{expert}.{linear}.{part}"), None),
            };
            for name in [Some(&name), scales.as_ref()].into_iter().flatten() {
                let (piece, format) = self.piece(name, (rows, cols), take, vector, of_stack)?;
                pieces.push(Piece { row_offset: expert * expert_rows(each), ..piece });
                formats.push(format);
            }
        }
        let format = formats[0].whole();
        let parts = if scales.is_some() { [Format::MXFP4_CODES, Format::MXFP4_SCALES] } else { [format; 2] };
        if formats.iter().any(|other| !parts.contains(other)) {
            return Err(Error::unsupported(
                "experts in different formats",
                format!("{whole}: experts are stored in different formats, which doran does not take"),
            ));
        }
        let all = experts * expert_rows(each);
        let shape = if vector { (1, all) } else { (all, cols) };
        Ok(self.weight_of(&whole, shape, format, vector, pieces))
    }
}
