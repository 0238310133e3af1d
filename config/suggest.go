package config

import (
	"fmt"
	"strings"
)

// suggest says what to write instead of an unknown name: the nearest of keys if
// one is near, and otherwise all of them.
func suggest(name string, keys []key) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	// A third of the letters may be wrong; longer names than any are far anyway.
	nearest, least := "", max(2, len(name)/3)+1
	for _, candidate := range names {
		if len(name) > 2*len(candidate) {
			continue
		}
		if d := distance(strings.ToLower(name), candidate); d < least {
			nearest, least = candidate, d
		}
	}
	if nearest != "" {
		return fmt.Sprintf("did you mean %s?", nearest)
	}
	return "known here: " + strings.Join(names, ", ")
}

// distance is Levenshtein's: how many bytes to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
