//! The pure rooms, tested through their public faces: vectors from `testdata/`, properties over
//! any cutting of the input, and a seeded simulation of whole sessions.
//!
//! Nothing here uses the product to check the product: bytes come from vectors or from the small
//! generator in [`peer`], and what the product wrote is read by the decoder in [`oracle`].

#[cfg(test)]
mod anatomy;
#[cfg(test)]
mod chunking;
#[cfg(test)]
mod compression;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod form;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod packer;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod said;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod transcript;
#[cfg(test)]
mod vectors;
