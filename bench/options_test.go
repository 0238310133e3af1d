package main

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestOptionsOutOfBoundsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--url", "127.0.0.1:8000"},
		{"--url", "https://127.0.0.1:8000"},
		{"--url", "http://127.0.0.1:8000/api"},
		{"--url", "http://127.0.0.1:8000,"},
		{"--url", "http://a,http://b", "--connections", "1"},
		{"--url", "http://a", "--connections", "20000"},
		{"--url", "http://a", "--duration", "1ms"},
		{"--url", "http://a", "--duration", "2h"},
		{"--url", "http://a", "--segments", "0"},
		{"--url", "http://a", "--segments", "10001"},
		{"--url", "http://a", "--users", "0"},
		{"--url", "http://a", "--bulk", "-1"},
		{"--url", "http://a", "--bulk", "10001"},
		{"--url", "http://a", "--bulk", "10000", "--connections", "2000"},
		{"--url", "http://a", "--runs", "0"},
		{"--url", "http://a", "--rate", "-1"},
		{"--url", "http://a", "--rate", "NaN"},
		{"--url", "http://a", "--rate", "1e9"},
		{"--url", "http://a", "--beside", "10"},
		{"--url", "http://a", "more"},
		{"--url", "http://a", "--unheard-of"},
	} {
		var errs bytes.Buffer
		exit := run(t.Context(), append([]string{"load"}, args...), strings.NewReader(""), io.Discard, &errs)
		if exit != exitUsage || errs.Len() == 0 {
			t.Errorf("%q: exit status %d, said %q; want %d and a reason", args, exit, errs.String(), exitUsage)
		}
	}
}

func TestOptionsHaveDefaults(t *testing.T) {
	o, err := parseOptions([]string{"--url", "http://10.0.0.1:8000/, http://10.0.0.2"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"10.0.0.1:8000", "10.0.0.2:80"}; !slices.Equal(o.addresses, want) {
		t.Errorf("addresses %q, want %q", o.addresses, want)
	}
	if !o.baseline || o.connections != 256 || o.records() != 1 || o.seed == 0 {
		t.Errorf("%+v", o)
	}
}

func TestUnknownCommandsAreRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"lode"}} {
		if exit := run(context.Background(), args, strings.NewReader(""), io.Discard, io.Discard); exit != exitUsage {
			t.Errorf("%q: exit status %d, want %d", args, exit, exitUsage)
		}
	}
	if exit := run(context.Background(), []string{"load", "--help"}, strings.NewReader(""), io.Discard, io.Discard); exit != exitGood {
		t.Errorf("load --help: exit status %d", exit)
	}
}
