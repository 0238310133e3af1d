package tools

import (
	"strings"
	"testing"
)

// An export without memberships can be imported.
func TestWriteCSVHead(t *testing.T) {
	var b strings.Builder
	if _, err := writeCSV(&b); err != nil || b.String() != "id,segment,expired_segment\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
