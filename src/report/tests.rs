//! Views of simulated missions.
