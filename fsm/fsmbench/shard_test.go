package main

import (
	"testing"

	"headcount/fsm"
)

// A machine that answers or counts otherwise than what was put fails the run.
func TestWrongMachineIsFound(t *testing.T) {
	s := newShard(newPopulation(evenSplit(3_000, 3), 1))
	s.begin()
	if err := s.grow(2_000, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.verify(); err != nil {
		t.Fatal(err)
	}
	e := s.take()
	e.put(s.people, 0, 0, fsm.Created) // it is unchanged
	s.seal(e)
	if _, _, err := s.apply(e); err == nil {
		t.Error("a wrong status was not found")
	}
	s.held[1]++
	if err := s.verify(); err == nil {
		t.Error("a missing membership was not found")
	}
	s.held[0]--
	if err := s.verify(); err == nil {
		t.Error("a membership of the wrong segment was not found")
	}
}
