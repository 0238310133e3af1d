package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// document returns the root of the one document in data, or nil after refusing
// it. A file with nothing but comments is an empty mapping: all keys left out.
func (r *reader) document(data []byte) *yaml.Node {
	if len(data) > fileBytesMax {
		r.refuse(1, "", "the file is larger than %s: keep one cluster in it", formatBytes(fileBytesMax))
		return nil
	}
	if line := unreadableLine(data); line > 0 {
		r.refuse(line, "", "not UTF-8 text, or a control character in it: save the file as UTF-8")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.MappingNode, Line: 1}
	case err != nil:
		r.syntax(err)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.syntax(err)
		return nil
	default:
		r.refuse(second.Line, "", "a second document starts here: keep one, without --- between keys")
		return nil
	}
	root := first.Content[0]
	if isNull(root) {
		return &yaml.Node{Kind: yaml.MappingNode, Line: root.Line}
	}
	if !r.plain(root) {
		return nil
	}
	return root
}

// plain refuses what makes a document more than it looks: anchors, aliases and
// tags. What follows may then trust every node's kind and resolved tag.
func (r *reader) plain(node *yaml.Node) bool {
	before := len(r.problems)
	switch {
	case node.Kind == yaml.AliasNode:
		r.refuse(node.Line, "", "*%s is an alias, which is not supported: write the value out, or quote it if it is text", shown(node.Value))
	case node.Anchor != "":
		r.refuse(node.Line, "", "&%s is an anchor, which is not supported: leave it out, or quote the value if it is text", shown(node.Anchor))
	case node.Style&yaml.TaggedStyle != 0:
		r.refuse(node.Line, "", "%s is a tag, which is not supported: leave it out", shown(node.Tag))
	}
	for _, child := range node.Content {
		r.plain(child)
	}
	return len(r.problems) == before
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// syntax refuses what the YAML parser refused, in its words. It names no line
// for some problems, all of them with what starts in the first.
func (r *reader) syntax(err error) {
	line, what := 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if found := yamlLine.FindStringSubmatch(what); found != nil {
		line, _ = strconv.Atoi(found[1]) // digits; an overflow would still be a line
		what = what[len(found[0]):]
	}
	r.refuse(line, "", "not YAML: %s: look at indents, quotes and colons from here on", what)
}

// unreadableLine returns the first line with a byte that no YAML text has, or 0.
func unreadableLine(data []byte) int {
	line := 1
	for rest := data; len(rest) > 0; {
		char, width := utf8.DecodeRune(rest)
		switch {
		case char == utf8.RuneError && width == 1, char == 0x7f:
			return line
		case char == '\n':
			line++
		case char < ' ' && char != '\t' && char != '\r':
			return line
		}
		rest = rest[width:]
	}
	return 0
}
