//! Which kernels a model is lowered with, where there are several.

use serde::Serialize;

use super::linear::activations::Activations;
use crate::gpu::KernelSpec;

/// How the sums inside a workgroup are added up, by adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// No cooperation: one invocation does the whole sum. For CPU adapters, where barriers are dear.
    None,
    /// Through workgroup memory; core WebGPU.
    Workgroup,
    /// By subgroup operations.
    Subgroup,
}

impl Reduce {
    /// The WGSL file for a REDUCE slot.
    pub fn file(self) -> &'static str {
        match self {
            Self::None => "reduce/none",
            Self::Workgroup => "reduce/workgroup",
            Self::Subgroup => "reduce/subgroup",
        }
    }
}

/// How GPUs cut the product of a matrix with many rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tile {
    /// Tiles of 32 rows of activations, in f32.
    #[default]
    Rows32,
    /// Tiles of 64.
    Rows64,
    /// Tiles of 32, of activations rounded to bytes, where the format of the weights has dot products of such.
    Int8,
}

impl Tile {
    /// By name, as options and stored choices spell it.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Rows32, Self::Rows64, Self::Int8].into_iter().find(|tile| tile.name() == name)
    }

    /// The name that crosses to JavaScript.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows32 => "rows32",
            Self::Rows64 => "rows64",
            Self::Int8 => "int8",
        }
    }
}

/// How values are stored in the KV cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvFormat {
    /// 32-bit floats.
    F32,
    /// Half floats.
    F16,
}

impl KvFormat {
    /// The WGSL file for a KV slot.
    pub fn file(self) -> &'static str {
        match self {
            Self::F32 => "kv/f32",
            Self::F16 => "kv/f16",
        }
    }

    /// The name that crosses to JavaScript.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Bytes of one value.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    /// The value as the cache gives it back.
    pub fn round(self, value: f32) -> f32 {
        match self {
            Self::F32 => value,
            Self::F16 => half::f16::from_f32(value.clamp(-65504.0, 65504.0)).to_f32(),
        }
    }
}

/// What [`Variants::spread`] is unless a test says otherwise. With eight loads of 16 bytes each under way, 256 KiB are, which is what
/// memory of 256 GB/s has under way while a load takes a microsecond: that of integrated GPUs and laptops. Faster GPUs wait for
/// small matrices of 256-weight blocks, some microseconds each; no GPU has been measured.
const SPREAD: u32 = 2048;

/// Which kernels to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variants {
    /// How matvec adds up.
    pub matvec: Reduce,
    /// Invocations of a matvec workgroup on GPUs.
    pub matvec_workgroup: u32,
    /// Invocations that a matvec on GPUs should have; where it has more, each takes several sub-blocks that share words of scales
    /// ([`crate::quant::Format::run`]).
    pub spread: u32,
    /// Whether kernels without cooperation share loads by broadcasts within subgroups of exactly four.
    pub broadcast: bool,
    /// What linears of one row multiply in, where the format of the weights has dot products of such.
    pub activations: Activations,
    /// The tile of matrices times many rows on GPUs.
    pub matmul: Tile,
    /// Splits of a row's attention at most, on GPUs: up to [`MAX_SPLITS`](super::rope_attention::MAX_SPLITS), for which there is room.
    pub splits: u32,
    /// Queries of a tile of attention over several rows at most, on GPUs: 32, 16 or 8, and fewer for large heads.
    pub queries: u32,
    /// How norms add up (`None` means one invocation a row).
    pub norm: Reduce,
    /// Invocations of a norm's workgroup on GPUs.
    pub norm_workgroup: u32,
    /// How keys and values are stored.
    pub kv: KvFormat,
}

impl Default for Variants {
    /// Kernels for GPUs that every device runs.
    fn default() -> Self {
        Self {
            matvec: Reduce::Workgroup,
            matvec_workgroup: 64,
            spread: SPREAD,
            broadcast: false,
            activations: Activations::F32,
            matmul: Tile::Rows32,
            splits: 32,
            queries: 32,
            norm: Reduce::Workgroup,
            norm_workgroup: 64,
            kv: KvFormat::F16,
        }
    }
}

impl Variants {
    /// Whether kernels for one row want norms prepared ([`super::Operand::prepared`]).
    pub fn prepares_norms(self) -> bool {
        self.matvec == Reduce::None && self.broadcast
    }

    /// A kernel that norms rows, and how many of them are a workgroup's.
    pub(super) fn norm_kernel(self, name: &'static str) -> (KernelSpec, u32) {
        let (workgroup, rows) = if self.norm == Reduce::None { (4, 4) } else { (self.norm_workgroup, 1) };
        (KernelSpec::new(name).slot("REDUCE", self.norm.file()).constant("WORKGROUP", workgroup), rows)
    }

    /// The WGSL file for an ACT slot, in kernels without cooperation.
    pub(super) fn act(self) -> &'static str {
        if self.broadcast { "act/broadcast4" } else { "act/plain" }
    }
}
