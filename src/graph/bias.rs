//! Learned biases on attention scores by the distance from query to key (Raffel et al. 2020, § 2.1).

/// Biases by distance, which share buckets.
#[derive(Clone, Debug, PartialEq)]
pub struct BiasTable {
    /// Index of the weight vector, `[num_buckets, heads]`.
    pub weight: usize,
    /// Query heads.
    pub heads: u32,
    /// Buckets of distances.
    pub num_buckets: u32,
    /// From this distance on all are in the last bucket.
    pub max_distance: u32,
    /// Whether keys after the query have buckets of their own, half of them; otherwise theirs is that of distance 0.
    pub bidirectional: bool,
}

impl BiasTable {
    /// The biases of all distances, `[heads, 2 · max_distance + 1]`, that of a key at the query's own position in the middle.
    pub fn biases(&self, values: &[f32]) -> Vec<f32> {
        let reach = self.max_distance as i64;
        let distances = || -reach..=reach;
        let bias = |head: u32, distance: i64| values[(self.bucket(distance) * self.heads + head) as usize];
        (0..self.heads).flat_map(|head| distances().map(move |distance| bias(head, distance))).collect()
    }

    /// The bucket of a key at `distance` from the query, in f32 as transformers has it (`_relative_position_bucket` in
    /// `modeling_t5.py`): small distances have one each, larger ones share them by their logarithm.
    fn bucket(&self, distance: i64) -> u32 {
        let (first, buckets) = match self.bidirectional {
            true => (if distance > 0 { self.num_buckets / 2 } else { 0 }, self.num_buckets / 2),
            false => (0, self.num_buckets),
        };
        let away = if self.bidirectional { distance.unsigned_abs() } else { (-distance).max(0) as u64 } as u32;
        let exact = buckets / 2;
        if away < exact {
            return first + away;
        }
        let of_largest = (f64::from(self.max_distance) / f64::from(exact)).ln() as f32;
        let share = (away as f32 / exact as f32).ln() / of_largest * (buckets - exact) as f32;
        first + (exact + share as u32).min(buckets - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(num_buckets: u32, max_distance: u32, bidirectional: bool) -> BiasTable {
        BiasTable { weight: 0, heads: 2, num_buckets, max_distance, bidirectional }
    }

    /// By the formula of the paper's code, in double precision.
    #[test]
    fn distances_share_buckets() {
        let both = table(32, 128, true);
        for (distance, bucket) in [
            (0, 0),
            (-1, 1),
            (1, 17),
            (-7, 7),
            (7, 23),
            (-8, 8),
            (8, 24),
            (-11, 8),
            (-12, 9),
            (-16, 10),
            (-22, 10),
            (-23, 11),
            (-32, 12),
            (-64, 14),
            (-90, 14),
            (-91, 15),
            (-128, 15),
            (-500, 15),
            (64, 30),
            (200, 31),
        ] {
            assert_eq!(both.bucket(distance), bucket, "{distance}");
        }
        let before = table(32, 128, false);
        for (distance, bucket) in [
            (5, 0),
            (1, 0),
            (0, 0),
            (-1, 1),
            (-15, 15),
            (-16, 16),
            (-18, 16),
            (-19, 17),
            (-21, 18),
            (-31, 21),
            (-32, 21),
        ] {
            assert_eq!(before.bucket(distance), bucket, "{distance}");
        }
        for (distance, bucket) in [(-64, 26), (-112, 30), (-113, 31), (-128, 31), (-500, 31)] {
            assert_eq!(before.bucket(distance), bucket, "{distance}");
        }
        let few = table(8, 20, true);
        for (distance, bucket) in [(-1, 1), (-2, 2), (-3, 2), (-6, 2), (-7, 3), (-20, 3), (2, 6), (3, 6)] {
            assert_eq!(few.bucket(distance), bucket, "{distance}");
        }
    }

    #[test]
    fn the_middle_is_the_querys_own_position() {
        let table = table(4, 3, false);
        let values: Vec<f32> = (0..8).map(|i| i as f32).collect();
        // Buckets of distances −3 to 3, for two heads.
        let buckets = [3, 2, 1, 0, 0, 0, 0];
        let wanted: Vec<f32> = (0..2).flat_map(|head| buckets.map(|bucket| (bucket * 2 + head) as f32)).collect();
        assert_eq!(table.biases(&values), wanted);
    }
}
