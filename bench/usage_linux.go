package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ticksPerSecond is what Linux counts processor time in, on every machine that Go runs on.
const ticksPerSecond = 100

// descendants are the processes given and all that they started, and so on.
func descendants(pids []int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	for _, name := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name))) // digits
		if fields := statOf(pid); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	all := slices.Clone(pids)
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// statOf returns the fields of /proc/PID/stat from the third, the state, on; nil where
// the process has ended.
func statOf(pid int) []string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	// The second field is a name in brackets, which may have anything in it.
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

// usageOf sums up the processes and their descendants, those that have ended included.
func usageOf(pids []int) (u consumption) {
	for _, pid := range descendants(pids) {
		if fields := statOf(pid); len(fields) > 14 {
			for _, ticks := range fields[11:15] { // utime, stime, cutime, cstime
				n, _ := strconv.ParseUint(ticks, 10, 64)
				u.processorSeconds += float64(n) / ticksPerSecond
			}
		}
		u.memoryBytes += memoryOf(pid)
	}
	return u
}

// memoryOf is what a process has in memory that no file holds, with its part of what it
// shares with others.
func memoryOf(pid int) (bytes int64) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && (fields[0] == "Pss_Anon:" || fields[0] == "Pss_Shmem:") {
			kibibytes, _ := strconv.ParseInt(fields[1], 10, 64)
			bytes += kibibytes << 10
		}
	}
	return bytes
}
