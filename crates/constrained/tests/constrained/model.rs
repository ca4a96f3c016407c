//! The vocabulary and the tokenizer of SmolLM2, and answers drawn by chance.

use std::io::Read;
use std::path::{Path, PathBuf};

use doran::format::gguf::{self, Parsed};
use doran::tokenizer::Tokenizer;
use doran_constrained::{Constraint, Vocabulary};

/// Logits beyond the tokenizer's ids, as models have whose rows are a multiple of something.
pub const SPARE_ROWS: usize = 100;

/// What closes strings and brackets, and what patterns of the cases wait for: drawn more and more often, so that answers end.
const CLOSING: [&str; 20] =
    [",", ", ", "1", "S", "M", "H", "D", "Z", "\"", "}", "]", "\"}", "\"]", ")", ">", "x", "@", ":", ".", "com"];

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tokenizer() -> Tokenizer {
    let folder = std::env::var("DORAN_MODELS").map_or_else(|_| root().join(".cache/models"), PathBuf::from);
    let path = folder.join("SmolLM2-135M-Instruct.Q4_1.gguf");
    let mut file = std::fs::File::open(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run: node scripts/model.mjs", path.display()));
    let file_bytes = file.metadata().expect("a length").len();
    let mut prefix = Vec::new();
    loop {
        match gguf::parse(&prefix, file_bytes).expect("a header") {
            Parsed::Done { checkpoint, .. } => return Tokenizer::new(&checkpoint.tokenizer).expect("a tokenizer"),
            Parsed::NeedBytes(n) => {
                (&mut file).take(n - prefix.len() as u64).read_to_end(&mut prefix).expect("the file reads");
            }
        }
    }
}

/// A model's tokens, and what constraints need of them.
pub struct Model {
    pub vocabulary: Vocabulary,
    pub tokens: Vec<Vec<u8>>,
    pub eos: u32,
    /// Which are of [`CLOSING`].
    closing: Vec<bool>,
}

impl Model {
    pub fn new() -> Self {
        let tokenizer = tokenizer();
        let ids = 0..tokenizer.vocab_size() as u32;
        let tokens: Vec<Vec<u8>> = ids.clone().map(|id| tokenizer.token_bytes(id).to_vec()).collect();
        let special: Vec<u32> = ids.filter(|id| tokenizer.is_special(*id)).collect();
        let eos = tokenizer.token_id("<|im_end|>").expect("an end token");
        let closing =
            tokens.iter().map(|token| CLOSING.iter().any(|text| text.as_bytes() == token.as_slice())).collect();
        let n_rows = tokens.len() + SPARE_ROWS;
        let tokenize = Box::new(move |bytes: &[u8]| {
            std::str::from_utf8(bytes).ok().and_then(|text| tokenizer.encode(text, false).ok()).unwrap_or_default()
        });
        let vocabulary = Vocabulary::new(&tokens, n_rows, &special, &[eos], tokenize).expect("a vocabulary");
        assert_eq!(tokens.len(), 49_152);
        Self { vocabulary, tokens, eos, closing }
    }

    /// The token that chance likes most among those of the mask.
    fn draw(&self, mask: &[u32], seed: u64, step: u64) -> u32 {
        let mut best = (f32::MIN, 0);
        for (at, word) in mask.iter().enumerate() {
            let mut bits = *word;
            while bits != 0 {
                let id = at as u32 * 32 + bits.trailing_zeros();
                bits &= bits - 1;
                let noise = (hash(seed ^ hash(step ^ hash(u64::from(id)))) >> 40) as f32 / (1 << 24) as f32;
                let wanted = id == self.eos || self.closing.get(id as usize).copied().unwrap_or(false);
                let logit = noise + if wanted { (step as f32 - 8.0).max(0.0) / 16.0 } else { 0.0 };
                if logit > best.0 {
                    best = (logit, id);
                }
            }
        }
        best.1
    }

    /// An answer by chance; `forced`: tokens that must come are taken without a look at the mask.
    pub fn answer(&self, constraint: &mut Constraint, seed: u64, forced: bool) -> Vec<u8> {
        let mut answer = Vec::new();
        let mut step = 0;
        loop {
            assert!(step < 2000, "no end: {}", String::from_utf8_lossy(&answer));
            if forced {
                for id in constraint.forced() {
                    constraint.commit(id).expect("a forced token is allowed");
                    answer.extend_from_slice(&self.tokens[id as usize]);
                    step += 1;
                }
            }
            let may_end = constraint.may_end();
            let is_over = constraint.is_over();
            let must = constraint.forced();
            let mask = constraint
                .mask()
                .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&answer)))
                .to_vec();
            let has = |id: u32| mask[id as usize / 32] >> (id % 32) & 1 == 1;
            assert_eq!(mask.len(), (self.tokens.len() + SPARE_ROWS).div_ceil(32));
            assert_eq!(has(self.eos), may_end, "an end token exactly where the answer may end");
            assert!((self.tokens.len()..mask.len() * 32).all(|id| !has(id as u32)), "rows without a token never");
            assert!(mask.iter().any(|word| *word != 0));
            if let Some(first) = must.first() {
                assert!(
                    has(*first) && mask.iter().map(|word| word.count_ones()).sum::<u32>() == 1,
                    "what is forced is all there is"
                );
            }
            if is_over {
                assert!(may_end, "what is over may end");
            }
            let id = self.draw(&mask, seed, step);
            constraint.commit(id).expect("the mask has it");
            step += 1;
            if id == self.eos {
                return answer;
            }
            answer.extend_from_slice(&self.tokens[id as usize]);
        }
    }
}

/// SplitMix64's finaliser.
fn hash(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
