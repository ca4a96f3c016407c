//! Writes the seeds of all targets into a folder, one folder a target: `cargo run -p hostile --example seeds -- fuzz/corpus`.

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    for target in hostile::TARGETS {
        let folder = std::path::Path::new(&folder).join(target.name);
        std::fs::create_dir_all(&folder).expect("a folder");
        for (i, seed) in hostile::seeds::of(target.name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{i:02}")), seed.bytes()).expect("it can be written");
        }
    }
}

#[cfg(target_arch = "wasm32")]
fn main() {}
