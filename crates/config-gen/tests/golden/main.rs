//! Calico's confd conformance set, compared as meaning.

#![expect(unreachable_pub, reason = "a program of tests has no outside")]

mod bird;
mod cases;
mod data;
