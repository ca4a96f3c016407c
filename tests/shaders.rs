//! Every shader combination is valid WGSL for naga, and the parameters that Rust writes are those that WGSL reads.

#[path = "kernels/combinations.rs"]
mod combinations;

use combinations::combinations;
use doran::gpu::KernelSpec;
use doran::gpu::shader::{Access, FILES, bindings, join};
use doran::ops::PARAMS;
use naga::back::pipeline_constants::process_overrides;
use naga::{ScalarKind, TypeInner};

fn validator() -> naga::valid::Validator {
    let flags = naga::valid::ValidationFlags::all();
    let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::all());
    validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
    validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
    validator
}

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
                if let Err(error) = validator().validate(&module) {
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

/// Name, type and byte offset of a member that carries something: words that fill up the last 16 bytes do not.
type Member = (String, String, usize);

/// Bytes and members of `struct Params` in joined WGSL.
fn wgsl_params(wgsl: &str) -> (usize, Vec<Member>) {
    let module = naga::front::wgsl::parse_str(wgsl).expect("parses");
    let mut uniforms = module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::Uniform);
    let (_, params) = uniforms.next().expect("a uniform");
    assert!(uniforms.next().is_none(), "one uniform");
    let TypeInner::Struct { members, span } = &module.types[params.ty].inner else { panic!("params is a struct") };
    let member = |member: &naga::StructMember| {
        let TypeInner::Scalar(scalar) = module.types[member.ty].inner else { panic!("{member:?} is no scalar") };
        assert_eq!(scalar.width, 4);
        let kind = match scalar.kind {
            ScalarKind::Uint => "u32",
            ScalarKind::Float => "f32",
            other => panic!("{other:?}"),
        };
        (member.name.clone().expect("members have names"), kind.to_owned(), member.offset as usize)
    };
    (*span as usize, members.iter().map(member).filter(|(name, ..)| !name.starts_with("pad")).collect())
}

#[test]
fn params_are_laid_out_alike_in_rust_and_wgsl() {
    let mut compared = std::collections::HashSet::new();
    for (name, slots) in combinations() {
        let (_, layout) = PARAMS.iter().find(|(shader, _)| *shader == name).expect("every kernel has parameters");
        let (bytes, members) = wgsl_params(&join(name, &slots, true).expect("joined before"));
        let wanted: Vec<Member> = (layout.members.iter())
            .filter(|(name, ..)| !name.starts_with("pad"))
            .map(|(name, kind, offset)| ((*name).to_owned(), (*kind).to_owned(), *offset))
            .collect();
        assert_eq!(members, wanted, "{name} {slots:?}: members");
        // Uniform structs are bound in whole 16 bytes (WGSL § 14.4.1), so both sides spell their padding out.
        assert_eq!((bytes, bytes % 16), (layout.bytes, 0), "{name} {slots:?}: bytes");
        compared.insert(name);
    }
    assert_eq!(compared.len(), PARAMS.len(), "every kernel with parameters is in a combination");
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
fn uses_16_kib_of_workgroup_memory_at_most() {
    let mut largest = 0;
    for (name, slots) in combinations() {
        let module = naga::front::wgsl::parse_str(&join(name, &slots, true).expect("joined before")).expect("parses");
        let info = validator().validate(&module).expect("valid");
        // With the defaults of what is overridden; tiles of the larger shape.
        let mut defaults = naga::back::PipelineConstants::default();
        if name == "matmul_tile" {
            defaults.extend([("WORKGROUP".to_owned(), 128.0), ("X_TILE".to_owned(), 512.0)]);
        }
        let (module, _) = process_overrides(&module, &info, None, &defaults).expect("constants");
        let shared = module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx())).sum();
        // WebGPU's default for maxComputeWorkgroupStorageSize.
        assert!(bytes <= 16 << 10, "{name} {slots:?} uses {bytes} bytes");
        largest = bytes.max(largest);
    }
    assert!(largest > 12 << 10, "the tile kernels were not counted");
}

/// In Chromium on SwiftShader a variable in a loop that is given no value keeps the one of the round before, which is not what WGSL says.
#[test]
fn variables_in_loops_are_given_a_value() {
    let bare = |line: &str| {
        let indented = line.starts_with("        ");
        let variable = line.trim_start().strip_prefix("var ");
        indented && variable.is_some_and(|rest| rest.ends_with(';') && !rest.contains('='))
    };
    assert!(
        bare("        var s: array<f32, 4>;") && !bare("    var s: array<f32, 4>;") && !bare("        var s = 0.0;")
    );
    let lines = FILES.iter().flat_map(|(file, text)| text.lines().map(move |line| (*file, line)));
    let faults: Vec<_> = lines.filter(|(_, line)| bare(line)).collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn browsers_get_the_enable_line_first() {
    let with_subgroups = |(name, slots): &(&str, combinations::Slots)| {
        *name == "matvec" && slots.iter().any(|(_, file)| file == "reduce/subgroup")
    };
    let (_, slots) = combinations().into_iter().find(with_subgroups).expect("a combination with subgroups");
    assert!(join("matvec", &slots, false).expect("joins").starts_with("enable subgroups;\n"));
    assert!(!join("matvec", &slots, true).expect("joins").contains("enable"));
    let int8 = |(_, slots): &(&str, combinations::Slots)| slots.iter().any(|(_, file)| file == "int8/nibbles_dot");
    let (name, slots) = combinations().into_iter().find(int8).expect("a combination with bytes");
    let wgsl = join(name, &slots, false).expect("joins");
    assert!(wgsl.starts_with("requires packed_4x8_integer_dot_product;\n") && wgsl.contains("dot4I8Packed"));
    assert!(!wgsl.contains("LOW_SCALE, x.v1 * HIGH_SCALE"), "it takes the place of the other dot product");
}

#[test]
fn unknown_directives_and_empty_slots_are_refused() {
    assert!(join::<&str>("matvec", &[], true).is_err());
    assert!(join::<&str>("no_such_file", &[], true).is_err());
}

#[test]
fn kernels_are_read_as_they_were_written() {
    let kernel =
        KernelSpec::new("matvec").slot("QUANT", "quant/q4_1").slot("REDUCE", "reduce/none").constant("WORKGROUP", 16);
    assert_eq!(kernel.written(), "matvec QUANT=quant/q4_1 REDUCE=reduce/none WORKGROUP:16");
    for kernel in [kernel, KernelSpec::new("rope")] {
        assert_eq!(KernelSpec::read(&kernel.written()), Some(kernel));
    }
    for line in ["matvec WORKGROUP", "matvec WORKGROUP:x", "matvec WORKGROUP:-1"] {
        assert_eq!(KernelSpec::read(line), None, "{line}");
    }
}
