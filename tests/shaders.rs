//! Every shader combination is valid WGSL for naga, and the parameters that Rust writes are those that WGSL reads.

#![cfg(not(target_arch = "wasm32"))]

#[path = "kernels/combinations.rs"]
mod combinations;

use combinations::combinations;
use doran::gpu::shader::{Access, FILES, bindings, join};

#[test]
fn every_combination_is_valid() {
    let mut faults = Vec::new();
    let mut used = std::collections::HashSet::new();
    for (name, slots) in combinations() {
        let label = format!("{name} {slots:?}");
        let wgsl = join(name, &slots, true).unwrap_or_else(|error| panic!("{label}: {error}"));
        used.insert(name.to_owned());
        used.extend(slots.iter().map(|(_, file)| file.clone()));
        match naga::front::wgsl::parse_str(&wgsl) {
            Err(error) => faults.push(format!("{label}: {}", error.emit_to_string(&wgsl))),
            Ok(module) => {
                let flags = naga::valid::ValidationFlags::all();
                let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::all());
                validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
                validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
                if let Err(error) = validator.validate(&module) {
                    faults.push(format!("{label}: {}", error.emit_to_string(&wgsl)));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // No kernel file stands unused or untested.
    for (file, _) in FILES.iter().filter(|(file, _)| !file.starts_with("lib/") && *file != "repack/nibbles") {
        assert!(used.contains(*file), "{file}.wgsl is in no combination");
    }
}

#[test]
fn uses_eight_storage_buffers_at_most() {
    for (name, slots) in combinations() {
        let wgsl = join(name, &slots, true).expect("joined before");
        let accesses = bindings(&wgsl);
        assert_eq!(accesses.first(), Some(&Access::Uniform), "{name}: binding 0 is params");
        let storage = accesses.iter().filter(|access| **access != Access::Uniform).count();
        assert!(storage <= 8, "{name} binds {storage} storage buffers");
    }
}

#[test]
fn browsers_get_the_enable_line_first() {
    let slots = vec![("QUANT", "quant/q4_0".to_owned()), ("REDUCE", "reduce/subgroup".to_owned())];
    assert!(join("matvec", &slots, false).expect("joins").starts_with("enable subgroups;\n"));
    assert!(!join("matvec", &slots, true).expect("joins").contains("enable"));
}

#[test]
fn unknown_directives_and_empty_slots_are_refused() {
    assert!(join("matvec", &[], true).is_err());
    assert!(join("no_such_file", &[], true).is_err());
}
