package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// residentBytes reads the resident size of this process from /proc/self/statm.
func residentBytes() int64 {
	var buffer [256]byte
	file, err := syscall.Open("/proc/self/statm", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer syscall.Close(file)
	n, err := syscall.Read(file, buffer[:])
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(buffer[:n], []byte(" "))
	var pages int64
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		pages = pages*10 + int64(c-'0')
	}
	return pages * int64(os.Getpagesize())
}

// hugePageBytes reads how much of this process lies in huge pages.
func hugePageBytes() int64 {
	return kilobytesIn("/proc/self/smaps_rollup", "AnonHugePages:")
}

func kilobytesIn(path, field string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == field {
			n, _ := strconv.ParseInt(words[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// processorModel reads what the kernel says of the first processor.
func processorModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// hugePageSetting is what the kernel gives to those who do not ask.
func hugePageSetting() string {
	text, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// mapMemory maps n bytes beside Go's heap, in huge pages or expressly in ordinary ones.
func mapMemory(n int, huge bool) ([]byte, error) {
	memory, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	advice := syscall.MADV_NOHUGEPAGE
	if huge {
		advice = syscall.MADV_HUGEPAGE
	}
	_ = syscall.Madvise(memory, advice) // a kernel without huge pages has ordinary ones
	return memory, nil
}

func unmapMemory(memory []byte) { _ = syscall.Munmap(memory) }

// ownProgram is what runs here, even if another file has taken its place since: the
// parts of one report must be of one program.
func ownProgram() (string, error) { return "/proc/self/exe", nil }

// diesWithParent has the kernel stop a process should the one that started it die.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
