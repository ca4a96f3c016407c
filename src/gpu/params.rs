//! Parameters of kernels: the Rust half of WGSL's `struct Params`, declared so that a test can compare the two.

/// Where the members of a kernel's parameters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamsLayout {
    /// Bytes of the whole struct.
    pub bytes: usize,
    /// Name, type and byte offset of each member, in order. Names that begin with `pad` only fill up the last 16 bytes.
    pub members: &'static [(&'static str, &'static str, usize)],
}

/// Declares a struct of parameters with the member names of its `struct Params` in WGSL, and its layout.
macro_rules! params {
    ($visibility:vis struct $name:ident { $($member:ident: $type:ty),* $(,)? }) => {
        #[repr(C)]
        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        $visibility struct $name {
            $($member: $type),*
        }

        impl $name {
            /// What `tests/shaders.rs` compares with WGSL.
            pub(crate) const LAYOUT: crate::gpu::params::ParamsLayout = crate::gpu::params::ParamsLayout {
                bytes: size_of::<Self>(),
                members: &[$((stringify!($member), stringify!($type), std::mem::offset_of!(Self, $member))),*],
            };
        }
    };
}

pub(crate) use params;
