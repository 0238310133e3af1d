// Package config reads cluster.yml: the nodes of a cluster and everything an
// operator may set.
//
// It promises
//
//   - strictness: an unknown key, a key given twice, a value of another type or
//     out of bounds, or an address used twice is refused, never guessed at;
//   - all problems at once, each with its file, line and key, what is wrong and
//     what to write instead;
//   - the same defaults on every node: a key left out means the same everywhere.
//     Only the database URL may come from the environment (see [Load]);
//   - schedules whose instants depend on the expression and its time zone alone,
//     not on when or where they are asked for (see [Schedule]).
//
// It needs nothing of ours. Load and Parse keep nothing between calls and may be
// called from any goroutine; a Config must not be changed once it was returned,
// and may then be read by all.
//
// Bounds: a file of at most 1 MiB, the first 100 problems. YAML anchors, aliases
// and tags are refused, so a small file cannot describe a large document.
//
// An address is both where a node listens and where the others dial it. So it
// names one host: a wildcard such as 0.0.0.0 is refused. Hosts other than
// loopback are allowed, but traffic between nodes is not encrypted yet: keep peer
// and gossip addresses on a network that only the nodes share.
//
// The whole table of keys, with their bounds, is in keys.go; the rules between
// keys are in rules.go.
package config
