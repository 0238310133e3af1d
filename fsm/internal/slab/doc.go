// Package slab hands out objects of one fixed size, by number, from memory that
// Go's garbage collector does not see.
//
// # Why
//
// Hundreds of millions of memberships as objects, or even as large pointer-free
// arrays, on Go's heap cost twice their size between two collections. Mapped
// memory costs what it holds, and grows and shrinks no heap target.
//
// # Rules
//
//   - An object's number is a uint32; 0 is none. Numbers are reused.
//   - T holds no pointers.
//   - An object is zero when it is handed out.
//   - The memory is given back when the Slab becomes unreachable, so whoever holds
//     a pointer to an object must keep the Slab reachable as well.
//
// A Slab is not safe for concurrent use, but for [Slab.At] beside other readers.
package slab
