//! Killing `mc` at any instant changes nothing about the result (P4).
