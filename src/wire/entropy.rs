//! Randomness as an argument: the pure rooms ask for it, the driver owns the generator.

/// A source of unpredictable bytes, for mask keys and handshake keys.
///
/// Outside of tests it has to be a cryptographically secure generator: RFC 6455 section 10.3 rests
/// on mask keys that the sender of the payload cannot foresee.
pub trait Entropy {
    /// Fills `bytes` completely.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Entropy for F {
    fn fill(&mut self, bytes: &mut [u8]) {
        self(bytes);
    }
}

/// A number in `0..=max`, each as likely as any other.
pub fn uniform(entropy: &mut dyn Entropy, max: u32) -> u32 {
    let span = u64::from(max) + 1;
    // Draws beyond the last whole multiple of the span would favour the small numbers.
    let fair = (1_u64 << 32) / span * span;
    loop {
        let mut bytes = [0; 4];
        entropy.fill(&mut bytes);
        let draw = u32::from_be_bytes(bytes);
        if u64::from(draw) < fair {
            return u32::try_from(u64::from(draw) % span).unwrap_or(max);
        }
    }
}
