package client

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Version says how far a write reached: the index of the entry that holds it, for
// each shard it touched. Given to a read with [AtLeast], the node answers only once
// it has applied that much. The zero value asks for nothing.
type Version map[int]uint64

// ParseVersion reads what [Version.String] wrote: "0:1042,3:77", or "".
func ParseVersion(s string) (Version, error) {
	if s == "" {
		return nil, nil
	}
	v := Version{}
	for pair := range strings.SplitSeq(s, ",") {
		left, right, _ := strings.Cut(strings.TrimSpace(pair), ":")
		shard, err := strconv.ParseUint(left, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("version %q: shard %q is no number", s, left)
		}
		index, err := strconv.ParseUint(right, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("version %q: index %q is no number", s, right)
		}
		v[int(shard)] = max(v[int(shard)], index)
	}
	return v, nil
}

// String gives the version as the headers carry it, shards in ascending order.
func (v Version) String() string {
	var text []byte
	for _, shard := range slices.Sorted(maps.Keys(v)) {
		if len(text) > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(shard), 10)
		text = append(text, ':')
		text = strconv.AppendUint(text, v[shard], 10)
	}
	return string(text)
}

// Merge returns the version that includes both: for each shard, the higher index.
func (v Version) Merge(other Version) Version {
	if len(v) == 0 {
		return other
	}
	merged := maps.Clone(v)
	for shard, index := range other {
		merged[shard] = max(merged[shard], index)
	}
	return merged
}
