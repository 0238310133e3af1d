package prefetch

import "testing"

// A prefetch changes nothing, and may be of anything.
func TestPrefetchChangesNothing(t *testing.T) {
	lines := new([8][8]uint64)
	lines[7][7] = 5
	want := *lines
	Of(&lines[1])
	Of((*uint64)(nil))
	All(lines)
	All(&lines[7])
	All((*[4096]uint64)(nil))
	if *lines != want {
		t.Errorf("memory has become %v", lines)
	}
}
