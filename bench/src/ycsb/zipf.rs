//! Zipfian ranks: Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994, section 3.2.

/// The exponent that YCSB uses.
const THETA: f64 = 0.99;

/// Draws ranks from 0 to `len - 1`, where rank r comes with a chance that goes as 1 / (r + 1)^0.99.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    len: u64,
    /// Sum of 1 / i^theta for i from 1 to `len`.
    zeta: f64,
    zeta2: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    pub(super) fn new(len: u64) -> Zipf {
        let mut zipf =
            Zipf { len: 0, zeta: 0.0, zeta2: 1.0 + 0.5f64.powf(THETA), alpha: 1.0 / (1.0 - THETA), eta: 0.0 };
        zipf.grow(len);
        zipf
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Makes room for more ranks; the sum goes on where it was.
    pub(super) fn grow(&mut self, len: u64) {
        self.zeta += (self.len + 1..=len).map(|i| (i as f64).powf(-THETA)).sum::<f64>();
        self.len = len;
        self.eta = (1.0 - (2.0 / len as f64).powf(1.0 - THETA)) / (1.0 - self.zeta2 / self.zeta);
    }

    pub(super) fn rank(&self, random: &mut fastrand::Rng) -> u64 {
        let u = random.f64();
        let uz = u * self.zeta;
        if uz < 1.0 {
            return 0;
        }
        if uz < self.zeta2 {
            return 1.min(self.len - 1);
        }
        let rank = self.len as f64 * (self.eta * u - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.len - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_come_as_often_as_they_should() {
        let zipf = Zipf::new(1000);
        let mut random = fastrand::Rng::with_seed(1);
        let mut counts = [0u32; 1000];
        for _ in 0..1_000_000 {
            counts[zipf.rank(&mut random) as usize] += 1;
        }
        // The first two are exact, the others by an approximation of the paper's.
        for (rank, tolerance) in [(0usize, 0.02), (1, 0.03), (9, 0.2), (99, 0.2)] {
            let wanted = 1e6 * (rank as f64 + 1.0).powf(-THETA) / zipf.zeta;
            assert!((f64::from(counts[rank]) - wanted).abs() < tolerance * wanted, "{rank}: {} {wanted}", counts[rank]);
        }
    }

    #[test]
    fn growing_gives_the_same_as_beginning_large() {
        let mut grown = Zipf::new(10);
        grown.grow(5000);
        let large = Zipf::new(5000);
        assert!((grown.zeta - large.zeta).abs() < 1e-9 && (grown.eta - large.eta).abs() < 1e-9);
    }
}
