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

const GPT2: Names = &[("token_embd", "transformer.wte"), ("output_norm", "transformer.ln_f"), ("output", "lm_head")];
const BIG: Names =
    &[("token_embd", "transformer.word_embeddings"), ("output_norm", "transformer.ln_f"), ("output", "lm_head")];
const BIG_ATTENTION: Names = &[("attn_qkv", "self_attention.query_key_value"), ("attn_output", "self_attention.dense")];
const BIG_MLP: Names = &[("ffn_up", "mlp.dense_h_to_4h"), ("ffn_down", "mlp.dense_4h_to_h")];

const BERT: Names = &[
    ("token_embd", "embeddings.word_embeddings"),
    ("position_embd", "embeddings.position_embeddings"),
    ("token_types", "embeddings.token_type_embeddings"),
    ("token_embd_norm", "embeddings.LayerNorm"),
];
const BERT_LAYER: Names = &[
    ("attn_q", "attention.self.query"),
    ("attn_k", "attention.self.key"),
    ("attn_v", "attention.self.value"),
    ("attn_output", "attention.output.dense"),
    ("attn_output_norm", "attention.output.LayerNorm"),
    ("ffn_up", "intermediate.dense"),
    ("ffn_down", "output.dense"),
    ("layer_output_norm", "output.LayerNorm"),
];

const T5: Names = &[
    ("token_embd", "shared"),
    ("enc.output_norm", "encoder.final_layer_norm"),
    ("dec.output_norm", "decoder.final_layer_norm"),
    ("output", "lm_head"),
];
const T5_ATTENTION: Names = &[
    ("attn_norm", "layer.0.layer_norm"),
    ("attn_q", "layer.0.SelfAttention.q"),
    ("attn_k", "layer.0.SelfAttention.k"),
    ("attn_v", "layer.0.SelfAttention.v"),
    ("attn_o", "layer.0.SelfAttention.o"),
    ("attn_rel_b", "layer.0.SelfAttention.relative_attention_bias"),
];
const T5_CROSS: Names = &[
    ("cross_attn_norm", "layer.1.layer_norm"),
    ("cross_attn_q", "layer.1.EncDecAttention.q"),
    ("cross_attn_k", "layer.1.EncDecAttention.k"),
    ("cross_attn_v", "layer.1.EncDecAttention.v"),
    ("cross_attn_o", "layer.1.EncDecAttention.o"),
    // Older files have a bias here that no model reads.
    ("cross_attn_rel_b", "layer.1.EncDecAttention.relative_attention_bias"),
];
/// Without a gate, `wi_1` is what Hugging Face calls `wi`.
const T5_ENCODER_MLP: Names = &[
    ("ffn_norm", "layer.1.layer_norm"),
    ("ffn_gate", "layer.1.DenseReluDense.wi_0"),
    ("ffn_up", "layer.1.DenseReluDense.wi_1"),
    ("ffn_down", "layer.1.DenseReluDense.wo"),
];
const T5_DECODER_MLP: Names = &[
    ("ffn_norm", "layer.2.layer_norm"),
    ("ffn_gate", "layer.2.DenseReluDense.wi_0"),
    ("ffn_up", "layer.2.DenseReluDense.wi_1"),
    ("ffn_down", "layer.2.DenseReluDense.wo"),
];
const EXPERTS: Names = &[
    ("ffn_gate_inp", "mlp.gate"),
    ("ffn_gate_exps", "mlp.experts.gate_proj"),
    ("ffn_up_exps", "mlp.experts.up_proj"),
    ("ffn_down_exps", "mlp.experts.down_proj"),
];
const SHARED_EXPERT: Names = &[
    ("ffn_gate_inp_shexp", "mlp.shared_expert_gate"),
    ("ffn_gate_shexp", "mlp.shared_expert.gate_proj"),
    ("ffn_up_shexp", "mlp.shared_expert.up_proj"),
    ("ffn_down_shexp", "mlp.shared_expert.down_proj"),
];
const EXPERT_COUNT: (&str, &str) = ("expert_count", "num_experts");
const CHOSEN: (&str, &str) = ("expert_used_count", "num_experts_per_tok");
const EXPERT_WIDTH: (&str, &str) = ("expert_feed_forward_length", "moe_intermediate_size");

const WINDOW: (&str, &str) = ("attention.sliding_window", "sliding_window");

const LLAMA: Arch = Arch {
    gguf: "llama",
    mixture: false,
    model_type: "llama",
    hidden_act: "silu",
    layer_norms: false,
    tensors: &[TENSORS],
    layers: "model.layers",
    layer_tensors: &[ATTENTION, MLP, MLP_NORM],
    bare_tensors: &[],
    decoder: None,
    attends: true,
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
    Arch {
        mixture: true,
        model_type: "mixtral",
        layer_tensors: &[
            ATTENTION,
            MLP_NORM,
            &[
                ("ffn_gate_inp", "block_sparse_moe.gate"),
                ("ffn_gate_exps", "block_sparse_moe.experts.w1"),
                ("ffn_up_exps", "block_sparse_moe.experts.w3"),
                ("ffn_down_exps", "block_sparse_moe.experts.w2"),
            ],
        ],
        keys: &[EXPERT_COUNT, CHOSEN],
        ..LLAMA
    },
    Arch {
        gguf: "qwen2moe",
        mixture: true,
        model_type: "qwen2_moe",
        layer_tensors: &[ATTENTION, MLP, MLP_NORM, EXPERTS, SHARED_EXPERT],
        keys: &[
            EXPERT_COUNT,
            CHOSEN,
            EXPERT_WIDTH,
            ("expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
        ],
        flags: &[("attn_q.bias", "qkv_bias")],
        ..HALVES
    },
    Arch {
        gguf: "qwen3moe",
        mixture: true,
        model_type: "qwen3_moe",
        layer_tensors: &[ATTENTION, MLP, MLP_NORM, EXPERTS],
        keys: &[EXPERT_COUNT, CHOSEN, EXPERT_WIDTH],
        ..HALVES
    },
    Arch {
        gguf: "gpt-oss",
        mixture: true,
        model_type: "gpt_oss",
        layer_tensors: &[
            &[
                ("ffn_gate_inp", "mlp.router"),
                ("attn_sinks", "self_attn.sinks"),
                ("post_attention_norm", "post_attention_layernorm"),
            ],
            ATTENTION,
            EXPERTS,
        ],
        keys: &[EXPERT_COUNT, CHOSEN, WINDOW],
        ..HALVES
    },
    Arch { gguf: "qwen2", model_type: "qwen2", ..HALVES },
    Arch { gguf: "qwen3", model_type: "qwen3", ..HALVES },
    Arch {
        gguf: "lfm2",
        model_type: "lfm2",
        tensors: &[TENSORS, &[("token_embd_norm", "model.embedding_norm")]],
        layer_tensors: &[
            &[
                ("attn_norm", "operator_norm"),
                ("attn_output", "self_attn.out_proj"),
                ("attn_q_norm", "self_attn.q_layernorm"),
                ("attn_k_norm", "self_attn.k_layernorm"),
                ("shortconv.conv", "conv.conv"),
                ("shortconv.in_proj", "conv.in_proj"),
                ("shortconv.out_proj", "conv.out_proj"),
                ("ffn_norm", "ffn_norm"),
                ("ffn_gate", "feed_forward.w1"),
                ("ffn_up", "feed_forward.w3"),
                ("ffn_down", "feed_forward.w2"),
            ],
            ATTENTION,
        ],
        keys: &[("shortconv.l_cache", "conv_L_cache")],
        flags: &[("shortconv.conv.bias", "conv_bias")],
        ..HALVES
    },
    Arch {
        gguf: "mamba",
        model_type: "mamba",
        tensors: &[&[("token_embd", "backbone.embeddings"), ("output_norm", "backbone.norm_f"), ("output", "lm_head")]],
        layers: "backbone.layers",
        layer_tensors: &[&[
            ("attn_norm", "norm"),
            ("ssm_in", "mixer.in_proj"),
            ("ssm_conv1d", "mixer.conv1d"),
            ("ssm_x", "mixer.x_proj"),
            ("ssm_dt", "mixer.dt_proj"),
            ("ssm_out", "mixer.out_proj"),
        ]],
        bare_tensors: &[("ssm_a", "mixer.A"), ("ssm_d", "mixer.D")],
        attends: false,
        keys: &[
            ("ssm.conv_kernel", "conv_kernel"),
            ("ssm.inner_size", "intermediate_size"),
            ("ssm.state_size", "state_size"),
            ("ssm.time_step_rank", "time_step_rank"),
            // Falcon Mamba's norms.
            ("ssm.dt_b_c_rms", "dt_b_c_rms"),
        ],
        flags: &[("ssm_in.bias", "use_bias"), ("ssm_conv1d.bias", "use_conv_bias")],
        ..HALVES
    },
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
        keys: &[
            WINDOW,
            ("rope.freq_base_swa", "rope_local_base_freq"),
            ("final_logit_softcapping", "final_logit_softcapping"),
        ],
        ..GEMMA
    },
    COHERE,
    Arch { gguf: "cohere2", model_type: "cohere2", ..COHERE },
    Arch {
        gguf: "gpt2",
        model_type: "gpt2",
        hidden_act: "gelu_new",
        layer_norms: true,
        tensors: &[GPT2, &[("position_embd", "transformer.wpe")]],
        layers: "transformer.h",
        layer_tensors: &[&[
            ("attn_norm", "ln_1"),
            ("attn_qkv", "attn.c_attn"),
            ("attn_output", "attn.c_proj"),
            ("ffn_norm", "ln_2"),
            ("ffn_up", "mlp.c_fc"),
            ("ffn_down", "mlp.c_proj"),
        ]],
        ..HALVES
    },
    Arch {
        gguf: "gptneox",
        model_type: "gpt_neox",
        hidden_act: "gelu",
        layer_norms: true,
        tensors: &[&[
            ("token_embd", "gpt_neox.embed_in"),
            ("output_norm", "gpt_neox.final_layer_norm"),
            ("output", "embed_out"),
        ]],
        layers: "gpt_neox.layers",
        layer_tensors: &[
            &[("attn_qkv", "attention.query_key_value"), ("attn_output", "attention.dense")],
            BIG_MLP,
            ATTENTION,
            MLP_NORM,
        ],
        keys: &[("use_parallel_residual", "use_parallel_residual")],
        flags: &[("attn_qkv.bias", "attention_bias")],
        ..HALVES
    },
    Arch {
        gguf: "phi2",
        model_type: "phi",
        hidden_act: "gelu_new",
        layer_norms: true,
        tensors: &[&[("output_norm", "model.final_layernorm")], TENSORS],
        layer_tensors: &[
            &[("attn_output", "self_attn.dense"), ("ffn_up", "mlp.fc1"), ("ffn_down", "mlp.fc2")],
            ATTENTION,
        ],
        ..HALVES
    },
    Arch {
        gguf: "stablelm",
        model_type: "stablelm",
        layer_norms: true,
        layer_tensors: &[
            &[("attn_q_norm", "self_attn.q_layernorm"), ("attn_k_norm", "self_attn.k_layernorm")],
            ATTENTION,
            MLP,
            MLP_NORM,
        ],
        keys: &[("use_parallel_residual", "use_parallel_residual")],
        flags: &[("attn_q.bias", "use_qkv_bias"), ("attn_q_norm.weight", "qk_layernorm")],
        ..HALVES
    },
    Arch {
        gguf: "starcoder2",
        model_type: "starcoder2",
        hidden_act: "gelu_pytorch_tanh",
        layer_norms: true,
        layer_tensors: &[&[("ffn_up", "mlp.c_fc"), ("ffn_down", "mlp.c_proj")], ATTENTION, MLP_NORM],
        flags: &[("attn_q.bias", "use_bias")],
        ..HALVES
    },
    Arch {
        gguf: "falcon",
        model_type: "falcon",
        hidden_act: "gelu",
        layer_norms: true,
        tensors: &[BIG],
        layers: "transformer.h",
        layer_tensors: &[BIG_ATTENTION, BIG_MLP, ATTENTION, &[("attn_norm_2", "ln_attn")]],
        // All as the newer architecture, which takes groups for what is said of them.
        flags: &[
            ("attn_qkv.weight", "new_decoder_architecture"),
            ("attn_norm_2.weight", "two_norms"),
            ("attn_qkv.bias", "bias"),
        ],
        ..HALVES
    },
    Arch {
        gguf: "bloom",
        model_type: "bloom",
        hidden_act: "gelu_pytorch_tanh",
        layer_norms: true,
        tensors: &[BIG, &[("token_embd_norm", "transformer.word_embeddings_layernorm")]],
        layers: "transformer.h",
        layer_tensors: &[BIG_ATTENTION, BIG_MLP, ATTENTION, MLP_NORM],
        ..HALVES
    },
    Arch {
        gguf: "bert",
        model_type: "bert",
        hidden_act: "gelu",
        layer_norms: true,
        tensors: &[BERT],
        layers: "encoder.layer",
        layer_tensors: &[BERT_LAYER],
        keys: &[("attention.causal", "is_decoder")],
        flags: &[],
        ..HALVES
    },
    Arch {
        gguf: "t5",
        model_type: "t5",
        tensors: &[T5],
        layers: "encoder.block",
        layer_tensors: &[T5_ATTENTION, T5_ENCODER_MLP],
        decoder: Some((["enc.", "dec."], "decoder.block", &[T5_ATTENTION, T5_CROSS, T5_DECODER_MLP])),
        keys: &[
            ("attention.relative_buckets_count", "relative_attention_num_buckets"),
            ("attention.relative_max_distance", "relative_attention_max_distance"),
        ],
        flags: &[("ffn_gate.weight", "is_gated_act")],
        ..HALVES
    },
];
