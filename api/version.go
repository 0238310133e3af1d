package api

import (
	"errors"
	"slices"
	"strconv"
)

// versionPartsMax bounds a [Version] that a client sends.
const versionPartsMax = 64

// ShardIndex is how far one shard got: the index of a Raft entry that was applied.
type ShardIndex struct {
	Shard uint32
	Index uint64
}

// Version is how far a write reached: one index for each shard it touched, shards in
// rising order. Its text form is "0:1042,3:77".
type Version []ShardIndex

// String returns the text form.
func (v Version) String() string { return string(v.append(nil)) }

func (v Version) append(dst []byte) []byte {
	for i, part := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = part.append(dst)
	}
	return dst
}

func (s ShardIndex) append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(s.Shard), 10)
	dst = append(dst, ':')
	return strconv.AppendUint(dst, s.Index, 10)
}

// merge raises v to include part: the higher index of a shard wins.
func (v Version) merge(part ShardIndex) Version {
	at, found := slices.BinarySearchFunc(v, part.Shard, func(s ShardIndex, shard uint32) int {
		return int(int64(s.Shard) - int64(shard))
	})
	if !found {
		return slices.Insert(v, at, part)
	}
	v[at].Index = max(v[at].Index, part.Index)
	return v
}

var (
	errVersionForm  = errors.New("is not of the form 0:1042,3:77: send back what Headcount-Version said")
	errVersionOrder = errors.New("must name each shard once, in rising order")
	errVersionParts = errors.New("has more than 64 parts")
)

// ParseVersion reads the text form and nothing else: no spaces, no signs, no leading
// zeros, each shard once and in rising order, 1 to 64 parts.
func ParseVersion(text []byte) (Version, error) { return parseVersion(nil, text) }

// parseVersion appends to dst, so that a request needs no memory of its own for it.
func parseVersion(dst Version, text []byte) (Version, error) {
	dst = dst[:0]
	for {
		shard, rest, ok := cutNumber(text, 1<<32-1)
		if !ok || len(rest) == 0 || rest[0] != ':' {
			return nil, errVersionForm
		}
		index, rest, ok := cutNumber(rest[1:], 1<<64-1)
		if !ok {
			return nil, errVersionForm
		}
		if len(dst) == versionPartsMax {
			return nil, errVersionParts
		}
		if len(dst) > 0 && uint32(shard) <= dst[len(dst)-1].Shard {
			return nil, errVersionOrder
		}
		dst = append(dst, ShardIndex{Shard: uint32(shard), Index: index})
		if len(rest) == 0 {
			return dst, nil
		}
		if rest[0] != ',' {
			return nil, errVersionForm
		}
		text = rest[1:]
	}
}

// cutNumber cuts a decimal number without leading zeros off the front of text.
func cutNumber(text []byte, most uint64) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(text) && isDigit(text[i]); i++ {
		digit := uint64(text[i] - '0')
		if n > (most-digit)/10 {
			return 0, nil, false
		}
		n = n*10 + digit
	}
	if i == 0 || (text[0] == '0' && i > 1) {
		return 0, nil, false
	}
	return n, text[i:], true
}
