// Sum over the workgroup: within subgroups by subgroupAdd, then over one value a subgroup through workgroup memory.
// Subgroups are taken to be runs of consecutive invocations, as they are for one-dimensional workgroups everywhere known;
// the sums come in that order, so that results repeat.
enable subgroups;

var<workgroup> partials: array<vec4<f32>, WORKGROUP>;

fn reduce(value: vec4<f32>, local: u32) -> vec4<f32> {
    let size = subgroupAdd(1u);
    partials[local / size] = subgroupAdd(value);
    workgroupBarrier();
    var total = vec4<f32>(0.0);
    for (var i = 0u; i < WORKGROUP / size; i++) {
        total += partials[i];
    }
    return total;
}
