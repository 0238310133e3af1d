// Package cluster decides who belongs to a cluster and which node holds which
// shard.
//
// # Promise
//
// [Machine] is the state machine of the cluster group, the one extra Raft group
// beside the shards. Its [State] is the only truth about settings, nodes and
// placement; every node of the cluster holds it. [Place] computes a placement
// from the nodes alone, so every replica computes the same. [Gossip] hints at who
// is alive and where; nothing here or elsewhere changes a Raft configuration or a
// placement because of it.
//
// # Life of a node
//
//	            AddNode                caught up in every group
//	(unknown) ──────────> joining ───────────────────────────────> member
//	                         │                                       │
//	                         └───────────────> leaving <─────────────┘
//	                            MarkLeaving       │ out of every group
//	                                              └──────────────────> (unknown)
//	                                                RemoveNode
//
// A joining node holds shards, first as a nonvoter. A leaving node is in no
// placement any more: each shard's leader moves its leadership and removes it.
//
// # Invariants
//
//	a node ID stands for one instance (one data directory) as long as it is known
//	Revision grows by one with every command that changed anything
//	incarnation, hash key, shard count and bucket width never change after birth
//
// # Concurrency
//
// A [State] is immutable: commands make a new one. [Machine.State] is an atomic
// load and may be called from anywhere.
package cluster
