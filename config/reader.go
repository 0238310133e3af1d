package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A key is one line of the file: its name, and what takes its value. The path
// given to read is the key's full name, such as write.timeout.
type key struct {
	name    string
	missing string // for a key that must be given: what to write, else empty
	read    func(r *reader, path string, value *yaml.Node)
}

func (k key) required(what string) key {
	k.missing = what
	return k
}

// section is a key that holds other keys. With no value at all, as when every
// key under it is commented out, it leaves their defaults.
func section(name string, keys ...key) key {
	return key{name: name, read: func(r *reader, path string, value *yaml.Node) {
		if !isNull(value) {
			r.mapping(path, value, keys)
		}
	}}
}

// list is a key that holds entries of the same keys. Finish completes an entry
// after its keys were read.
func list[T any](name string, target *[]T, keysOf func(*T) []key, finish func(*T)) key {
	return key{name: name, read: func(r *reader, path string, value *yaml.Node) {
		if value.Kind != yaml.SequenceNode {
			r.refuse(r.lines[path], path, "is %s, not a list: start each entry with \"- \"", kindOf(value))
			return
		}
		entries := make([]T, len(value.Content))
		for i, node := range value.Content {
			r.mapping(fmt.Sprintf("%s[%d]", path, i), node, keysOf(&entries[i]))
			finish(&entries[i])
		}
		*target = entries
	}}
}

// reader walks a document along the table of keys, and collects what is wrong
// instead of stopping at it.
type reader struct {
	file     string
	problems []*Problem
	lines    map[string]int  // of each key that was given
	refused  map[string]bool // keys with a problem of their own: rules leave them out
}

func newReader(file string) *reader {
	return &reader{file: file, lines: map[string]int{}, refused: map[string]bool{}}
}

func (r *reader) refuse(line int, path, format string, args ...any) {
	r.refused[path] = true
	// A document without content has no line: it is missed on the first.
	r.problems = append(r.problems, &Problem{r.file, max(line, 1), path, fmt.Sprintf(format, args...)})
}

func (r *reader) err() error { return joined(r.problems) }

// mapping reads the keys under path. Each may be given once.
func (r *reader) mapping(path string, node *yaml.Node, keys []key) {
	if node.Kind != yaml.MappingNode {
		r.refuse(node.Line, path, "is %s, not a group of keys: write %s: and its value under it", kindOf(node), keys[0].name)
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		r.entry(path, node.Content[i], node.Content[i+1], keys)
	}
	for _, k := range keys {
		full := join(path, k.name)
		if _, given := r.lines[full]; k.missing != "" && !given {
			r.refuse(node.Line, full, "missing: write %s", k.missing)
		}
	}
}

func (r *reader) entry(path string, name, value *yaml.Node, keys []key) {
	if name.Kind != yaml.ScalarNode {
		r.refuse(name.Line, path, "a key is %s: write one plain word", kindOf(name))
		return
	}
	full := join(path, name.Value)
	known := slices.IndexFunc(keys, func(k key) bool { return k.name == name.Value })
	if known < 0 {
		r.refuse(name.Line, join(path, shown(name.Value)), "unknown key: %s", suggest(name.Value, keys))
		return
	}
	if first, given := r.lines[full]; given {
		r.refuse(name.Line, full, "already given in line %d: keep one of them", first)
		return
	}
	r.lines[full] = name.Line
	keys[known].read(r, full, value)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

// kindOf names what node is, for messages.
func kindOf(node *yaml.Node) string {
	switch {
	case isNull(node):
		return "empty"
	case node.Kind == yaml.MappingNode:
		return "a group of keys"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	}
	switch node.ShortTag() {
	case "!!int", "!!float":
		return "the number " + shown(node.Value)
	case "!!bool":
		return "the truth value " + shown(node.Value)
	case "!!timestamp":
		return "the date " + shown(node.Value)
	}
	return "the text " + fmt.Sprintf("%q", shown(node.Value))
}

// shownBytesMax bounds how much of a value a message repeats.
const shownBytesMax = 80

// shown returns s as a message may repeat it: short and on one line.
func shown(s string) string {
	if len(s) > shownBytesMax {
		s = s[:shownBytesMax] + "..."
	}
	return strings.Map(func(char rune) rune {
		if char < ' ' || char == 0x7f {
			return '?'
		}
		return char
	}, strings.ToValidUTF8(s, "?"))
}
