//go:build !linux

package main

import (
	"os"
	"syscall"
)

// What only Linux tells stays empty here. Memory that is mapped beside Go's heap is
// part of it, which the limits measured do not mind.

func residentBytes() int64    { return 0 }
func hugePageBytes() int64    { return 0 }
func processorModel() string  { return "" }
func hugePageSetting() string { return "" }

func mapMemory(n int, _ bool) ([]byte, error) { return make([]byte, n), nil }
func unmapMemory([]byte)                      {}

func ownProgram() (string, error) { return os.Executable() }

func diesWithParent() *syscall.SysProcAttr { return nil }
