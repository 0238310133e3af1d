// Package local runs a Headcount cluster of three nodes on this machine, as one
// process for each node, so that they can be killed, paused and stopped by themselves.
//
// It starts `headcount dev` and reads from what that prints which process is which
// node; dev starts a node again two seconds after it has ended. Dev and its nodes end
// with the process that started them, however that ends (Linux; elsewhere they outlive
// a kill -9 of it).
package local
