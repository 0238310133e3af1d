package main

import "testing"

func TestLinesAreOneCycle(t *testing.T) {
	for _, n := range []int{2, 3, 10, 4096, 50_000} {
		lines := make([]line, n)
		linkCycle(lines, 11)
		at, steps := uint64(0), 0
		for {
			at = lines[at][0]
			if steps++; at == 0 || steps > n {
				break
			}
		}
		if steps != n {
			t.Errorf("%d lines: back after %d", n, steps)
		}
	}
}
