//! The tables of `arch.rs`. Another architecture with these hyperparameters is one more [`Arch`] and its names.

use super::arch::{Arch, Names};

const TENSORS: Names = &[
    ("token_embd", "model.embed_tokens"),
    ("output_norm", "model.norm"),
    ("output", "lm_head"),
    // Frequency divisors of Llama 3's rope, head_dim / 2 values: Hugging Face computes them from `rope_scaling`.
    ("rope_freqs", "rope_freqs"),
];
const ATTENTION: Names = &[
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
];
const MLP: Names = &[("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_down", "mlp.down_proj")];
const MLP_NORM: Names = &[("ffn_norm", "post_attention_layernorm")];
const FUSED_MLP: Names = &[("ffn_up", "mlp.gate_up_proj"), ("ffn_down", "mlp.down_proj")];
/// Norms of what is added to the residual stream.
const POST_NORMS: Names =
    &[("post_attention_norm", "post_attention_layernorm"), ("post_ffw_norm", "post_feedforward_layernorm")];
const SANDWICH: Names = &[("ffn_norm", "pre_feedforward_layernorm")];
const BIASES: Names = &[("attn_q.bias", "attention_bias"), ("ffn_up.bias", "mlp_bias")];

const WINDOW: (&str, &str) = ("attention.sliding_window", "sliding_window");

const LLAMA: Arch = Arch {
    gguf: "llama",
    model_type: "llama",
    hidden_act: "silu",
    layer_norms: false,
    tensors: &[TENSORS],
    layers: "model.layers",
    layer_tensors: &[ATTENTION, MLP, MLP_NORM],
    rope_interleaved: true,
    keys: &[],
    flags: BIASES,
};
/// Those whose rotary halves stand as in Hugging Face's files.
const HALVES: Arch = Arch { rope_interleaved: false, ..LLAMA };

const GEMMA: Arch = Arch { gguf: "gemma", model_type: "gemma", hidden_act: "gelu_pytorch_tanh", ..HALVES };

const COHERE: Arch = Arch {
    gguf: "command-r",
    model_type: "cohere",
    layer_norms: true,
    layer_tensors: &[ATTENTION, MLP],
    keys: &[("logit_scale", "logit_scale"), WINDOW],
    flags: &[("attn_q.bias", "attention_bias"), ("attn_q_norm.weight", "use_qk_norm")],
    ..HALVES
};

pub(super) const ARCHS: &[Arch] = &[
    LLAMA,
    Arch { gguf: "qwen2", model_type: "qwen2", ..HALVES },
    Arch { gguf: "qwen3", model_type: "qwen3", ..HALVES },
    Arch { gguf: "smollm3", model_type: "smollm3", ..LLAMA },
    Arch {
        gguf: "granite",
        model_type: "granite",
        keys: &[
            ("attention.scale", "attention_multiplier"),
            ("embedding_scale", "embedding_multiplier"),
            ("residual_scale", "residual_multiplier"),
            ("logit_scale", "logits_scaling"),
        ],
        ..LLAMA
    },
    Arch {
        gguf: "exaone",
        model_type: "exaone",
        tensors: &[&[
            ("token_embd", "transformer.wte"),
            ("output_norm", "transformer.ln_f"),
            ("output", "lm_head"),
            ("rope_freqs", "rope_freqs"),
        ]],
        layers: "transformer.h",
        layer_tensors: &[&[
            ("attn_norm", "ln_1"),
            ("attn_q", "attn.attention.q_proj"),
            ("attn_k", "attn.attention.k_proj"),
            ("attn_v", "attn.attention.v_proj"),
            ("attn_output", "attn.attention.out_proj"),
            ("ffn_norm", "ln_2"),
            ("ffn_gate", "mlp.c_fc_0"),
            ("ffn_up", "mlp.c_fc_1"),
            ("ffn_down", "mlp.c_proj"),
        ]],
        ..HALVES
    },
    Arch {
        gguf: "exaone4",
        model_type: "exaone4",
        layer_tensors: &[ATTENTION, MLP, POST_NORMS],
        keys: &[WINDOW],
        ..HALVES
    },
    Arch { gguf: "olmo", model_type: "olmo", layer_norms: true, keys: &[("attention.clamp_kqv", "clip_qkv")], ..LLAMA },
    Arch { gguf: "olmo2", model_type: "olmo2", layer_tensors: &[ATTENTION, MLP, POST_NORMS], ..HALVES },
    Arch {
        gguf: "phi3",
        model_type: "phi3",
        tensors: &[
            TENSORS,
            &[("rope_factors_long", "rope_factors_long"), ("rope_factors_short", "rope_factors_short")],
        ],
        layer_tensors: &[&[("attn_qkv", "self_attn.qkv_proj")], ATTENTION, FUSED_MLP, MLP_NORM],
        keys: &[
            WINDOW,
            ("rope.scaling.original_context_length", "original_max_position_embeddings"),
            ("rope.scaling.attn_factor", "rope_attention_factor"),
        ],
        ..HALVES
    },
    Arch {
        gguf: "glm4",
        model_type: "glm4",
        layer_tensors: &[
            ATTENTION,
            FUSED_MLP,
            MLP_NORM,
            &[("post_attention_norm", "post_self_attn_layernorm"), ("post_ffw_norm", "post_mlp_layernorm")],
        ],
        ..HALVES
    },
    GEMMA,
    Arch {
        gguf: "gemma2",
        model_type: "gemma2",
        layer_tensors: &[ATTENTION, MLP, SANDWICH, POST_NORMS],
        keys: &[
            WINDOW,
            ("attn_logit_softcapping", "attn_logit_softcapping"),
            ("final_logit_softcapping", "final_logit_softcapping"),
        ],
        ..GEMMA
    },
    Arch {
        gguf: "gemma3",
        model_type: "gemma3_text",
        layer_tensors: &[ATTENTION, MLP, SANDWICH, POST_NORMS],
        keys: &[WINDOW, ("rope.freq_base_swa", "rope_local_base_freq")],
        ..GEMMA
    },
    COHERE,
    Arch { gguf: "cohere2", model_type: "cohere2", ..COHERE },
];
