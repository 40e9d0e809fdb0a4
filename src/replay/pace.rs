//! When recorded messages are said again.

use serde_with::{DeserializeFromStr, SerializeDisplay};
use std::fmt;
use std::str::FromStr;

/// What a client message waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, DeserializeFromStr, SerializeDisplay)]
pub enum Pace {
    /// That what its sender had seen has been answered.
    #[default]
    Causal,
    /// The same, and its time in the recording.
    CausalTime(Speed),
    /// Its time in the recording only.
    Time(Speed),
    /// Nothing.
    Fast,
    /// The same as [`Causal`](Self::Causal), and a person.
    Step,
}

/// How many times as fast as the recording; finite and above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(f64);

/// Why something is no pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pace is causal, causal+time, time, fast or step; behind time may stand how many times as fast, \
     as in time:×2 or time:x0.5"
)]
pub struct NoPace;

impl Pace {
    /// Whether messages wait for answers.
    pub const fn is_causal(self) -> bool {
        matches!(self, Self::Causal | Self::CausalTime(_) | Self::Step)
    }

    /// How fast the clock of the recording goes, where it counts.
    pub const fn speed(self) -> Option<Speed> {
        match self {
            Self::CausalTime(speed) | Self::Time(speed) => Some(speed),
            Self::Causal | Self::Fast | Self::Step => None,
        }
    }
}

impl Speed {
    /// As fast as the recording.
    pub const ONE: Self = Self(1.0);

    /// How long a time of the recording takes, both in nanoseconds.
    pub fn scaled(self, time: u64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few nanoseconds in a hundred days; and casts from floats saturate"
        )]
        let scaled = (time as f64 / self.0) as u64;
        scaled
    }
}

impl FromStr for Speed {
    type Err = NoPace;

    fn from_str(text: &str) -> Result<Self, NoPace> {
        let number = text.strip_prefix(['×', 'x']).unwrap_or(text);
        let speed: f64 = number.parse().map_err(|_| NoPace)?;
        if speed.is_finite() && speed > 0.0 { Ok(Self(speed)) } else { Err(NoPace) }
    }
}

impl FromStr for Pace {
    type Err = NoPace;

    fn from_str(text: &str) -> Result<Self, NoPace> {
        let (name, speed) = match text.split_once(':') {
            Some((name, speed)) => (name, Some(speed.parse()?)),
            None => (text, None),
        };
        let once = speed.unwrap_or(Speed::ONE);
        match (name, speed) {
            ("causal", None) => Ok(Self::Causal),
            ("causal+time", _) => Ok(Self::CausalTime(once)),
            ("time", _) => Ok(Self::Time(once)),
            ("fast", None) => Ok(Self::Fast),
            ("step", None) => Ok(Self::Step),
            _ => Err(NoPace),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, speed) = match self {
            Self::Causal => ("causal", Speed::ONE),
            Self::CausalTime(speed) => ("causal+time", *speed),
            Self::Time(speed) => ("time", *speed),
            Self::Fast => ("fast", Speed::ONE),
            Self::Step => ("step", Speed::ONE),
        };
        f.write_str(name)?;
        if speed == Speed::ONE { Ok(()) } else { write!(f, ":×{}", speed.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in
            ["causal", "causal+time", "causal+time:×10", "time", "time:×0.5", "fast", "step"]
        {
            assert_eq!(text.parse::<Pace>().unwrap().to_string(), text);
        }
        assert_eq!("time:x2".parse(), Ok(Pace::Time(Speed(2.0))));
        for text in ["", "slow", "causal:2", "time:", "time:0", "time:-1", "time:inf", "fast:2"] {
            assert_eq!(text.parse::<Pace>(), Err(NoPace), "{text}");
        }
        assert_eq!(Speed(2.0).scaled(1000), 500);
    }
}
